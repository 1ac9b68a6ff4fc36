"""What Binder builds is what the lock file pins."""

import json
import os
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"


def pins(path):
    """Name to version; whatever is no exact pin fails."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return dict(re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines)


def test_binder_installs_what_the_lock_file_pins():
    locked = pins(ROOT / "requirements" / "lab.txt")
    assert pins(BINDER / "requirements.txt").items() <= locked.items()


def test_binder_installs_all_that_a_notebook_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["notebook"], *extras["serve"], *extras["validate"]]
    names = {need.partition(">=")[0] for need in needed if not need.startswith("rpclab[")}
    assert names <= pins(BINDER / "requirements.txt").keys()


def test_runtime_is_a_python_that_the_package_supports():
    minor = re.fullmatch(r"python-3\.(\d+)\n", (BINDER / "runtime.txt").read_text("utf-8"))
    assert int(minor[1]) >= 11


def test_post_build_stops_at_the_first_error():
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text("utf-8").startswith("#!/bin/bash\nset -e\n")


def test_news_are_off():
    settings = json.loads((BINDER / "overrides.json").read_text("utf-8"))
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
