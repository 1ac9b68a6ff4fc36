"""The tests drive real pages in Chromium; RPCLAB_CHROMIUM says where that is.

RPCLAB_KERNELS names further Pythons with other kernels, with colons between them. Tests that take
`python` run on the kernel of each. RPCLAB_SCREENSHOTS is a folder for pictures to look at.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.browsers import CHROMIUM, leave_out_unless, need_chromium
from support.browsers import pictures as pictures  # noqa: PLC0414 - a fixture

PYTHONS = [sys.executable, *filter(None, os.environ.get("RPCLAB_KERNELS", "").split(":"))]


def pytest_generate_tests(metafunc):
    if "python" in metafunc.fixturenames:
        names = [Path(path).parents[1].name for path in PYTHONS]
        metafunc.parametrize("python", PYTHONS, ids=names)


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory):
    """The server of a JupyterLab, for all tests."""
    need_chromium()
    leave_out_unless(find_spec("jupyterlab"), "jupyterlab")
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
    need_chromium()
    from support.jupyterlab import running_chromium  # noqa: PLC0415 - imports playwright

    with running_chromium(CHROMIUM) as browser:
        yield browser
