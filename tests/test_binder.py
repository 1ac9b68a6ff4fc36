"""What Binder builds is what the lock file pins, of wheels alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"


def pins(path):
    """Name to version; whatever is no exact pin fails."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line[0] not in "#-"]
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


# What repo2docker would run, with the buildpack that it chooses; all of it is in its own process,
# for its packages warn of things that are not ours.
ASK_REPO2DOCKER = """
import json
from repo2docker.app import Repo2Docker
packs = (pack(base_image="any") for pack in Repo2Docker().buildpacks)
pack = next(pack for pack in packs if pack.detect())
pack.platform = "linux/amd64"
scripts = [script for _, script in pack.get_preassemble_scripts() + pack.get_assemble_scripts()]
print(json.dumps([pack.python_version, scripts, pack.get_post_build_scripts()]))
"""

TRY = """
import pathlib, sys
import rpclab
assert pathlib.Path(rpclab.__file__).is_relative_to(sys.prefix), rpclab.__file__
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
assert shell.run_line_magic("load_ext", "rpclab") is None
print(shell.user_ns["sandbox"].tables())
"""


def run(command, folder, **environment):
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": "", **environment},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_image_is_built_of_wheels_as_repo2docker_builds_it(tmp_path):
    clone, image, elsewhere = tmp_path / "clone", tmp_path / "image", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in run(["git", "ls-files", "--cached"], ROOT).splitlines():
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    ask = [sys.executable, "-W", "ignore", "-c", ASK_REPO2DOCKER]
    version, scripts, after = json.loads(run(ask, clone))
    assert f"python-{version}\n" == (BINDER / "runtime.txt").read_text("utf-8")
    assert after == ["binder/postBuild"]

    found = run([ROOT / "tools" / "setup", "python", version], ROOT).strip()
    run([found or sys.executable, "-m", "venv", image], tmp_path)
    path = f"{image / 'bin'}{os.pathsep}{os.environ['PATH']}"
    for script in [*scripts, *after]:
        run(["bash", "-c", script], clone, PATH=path, KERNEL_PYTHON_PREFIX=str(image))

    python = image / "bin" / "python"
    assert "Tables(imports=" in run([python, "-W", "error::SyntaxWarning", "-c", TRY], elsewhere)
    assert (image / "share/jupyter/lab/settings/overrides.json").exists()
    labs = run([python, "-m", "jupyter", "lab", "--version"], elsewhere)
    assert labs.strip() == pins(BINDER / "requirements.txt")["jupyterlab"]


def test_no_step_of_the_image_compiles_a_package():
    lines = (BINDER / "requirements.txt").read_text("utf-8").splitlines()
    assert lines[0] == "--only-binary=:all:"
    assert "install --no-cache-dir --no-deps --no-index" in (BINDER / "postBuild").read_text(
        "utf-8"
    )
