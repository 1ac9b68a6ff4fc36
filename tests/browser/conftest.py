"""The tests drive real pages in Chromium; RPCLAB_CHROMIUM says where that is.

RPCLAB_KERNELS names further Pythons with other kernels, with colons between them. Tests that take
`python` run on the kernel of each. RPCLAB_SCREENSHOTS is a folder for pictures to look at.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

CHROMIUM = os.environ.get("RPCLAB_CHROMIUM") or "/usr/bin/chromium"
PYTHONS = [sys.executable, *filter(None, os.environ.get("RPCLAB_KERNELS", "").split(":"))]


def pytest_generate_tests(metafunc):
    if "python" in metafunc.fixturenames:
        names = [Path(path).parents[1].name for path in PYTHONS]
        metafunc.parametrize("python", PYTHONS, ids=names)


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory):
    """The server of a JupyterLab, for all tests."""
    _leave_out_unless(shutil.which(CHROMIUM), f"Chromium at {CHROMIUM} (RPCLAB_CHROMIUM)")
    _leave_out_unless(find_spec("playwright"), "playwright")
    _leave_out_unless(find_spec("jupyterlab"), "jupyterlab")
    from support.jupyterlab import running_server  # noqa: PLC0415 - imports playwright

    with running_server(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="module")
def lab(lab_server, chromium):
    """A JupyterLab for all tests of a module."""
    from support.jupyterlab import Lab  # noqa: PLC0415 - imports playwright

    return Lab(lab_server, chromium)


# The end of a module is the end of playwright's event loop, in which other tests could run none.
@pytest.fixture(scope="module")
def chromium():
    """A browser for all tests of a module."""
    _leave_out_unless(shutil.which(CHROMIUM), f"Chromium at {CHROMIUM} (RPCLAB_CHROMIUM)")
    _leave_out_unless(find_spec("playwright"), "playwright")
    from support.jupyterlab import running_chromium  # noqa: PLC0415 - imports playwright

    with running_chromium(CHROMIUM) as browser:
        yield browser


@pytest.fixture
def pictures(tmp_path):
    """The folder where a test keeps its pictures."""
    folder = Path(os.environ.get("RPCLAB_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _leave_out_unless(found, needed):
    if not found and os.environ.get("CI") == "true":
        pytest.fail(f"no {needed}, and CI=true leaves nothing out", pytrace=False)
    if not found:
        pytest.skip(f"the browser tests need {needed}")
