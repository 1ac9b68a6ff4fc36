"""The site is built once for all tests; RPCLAB_SITE names a folder where one is already."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

BUILDER = ROOT / ".venv-site" / "bin" / "python"
CHROMIUM = os.environ.get("RPCLAB_CHROMIUM") or "/usr/bin/chromium"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The built site."""
    if "RPCLAB_SITE" in os.environ:
        return Path(os.environ["RPCLAB_SITE"])
    _leave_out_unless(BUILDER.exists(), f"{BUILDER} (make .venv-site/.ready)")
    made = tmp_path_factory.mktemp("site")
    subprocess.run([BUILDER, ROOT / "tools" / "website.py", made], check=True)
    return made


# The end of a module is the end of playwright's event loop, in which other tests could run none.
@pytest.fixture(scope="module")
def site(folder):
    """The site in a browser; at the end of the module nobody else was asked for anything."""
    _leave_out_unless(shutil.which(CHROMIUM), f"Chromium at {CHROMIUM} (RPCLAB_CHROMIUM)")
    _leave_out_unless(find_spec("playwright"), "playwright")
    from support.jupyterlab import running_chromium  # noqa: PLC0415 - imports playwright
    from support.website import served  # noqa: PLC0415 - likewise

    with running_chromium(CHROMIUM) as browser, served(folder, browser) as running:
        yield running
        assert running.strays == []


@pytest.fixture
def pictures(tmp_path):
    """The folder where a test keeps its pictures."""
    made = Path(os.environ.get("RPCLAB_SCREENSHOTS") or tmp_path)
    made.mkdir(parents=True, exist_ok=True)
    return made


def _leave_out_unless(found, needed):
    if not found and os.environ.get("CI") == "true":
        pytest.fail(f"no {needed}, and CI=true leaves nothing out", pytrace=False)
    if not found:
        pytest.skip(f"the tests of the site need {needed}")
