"""Each test talks to a real kernel: of this interpreter, or of each `--kernel-python`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.kernels import Kernel


def pytest_addoption(parser):
    parser.addoption(
        "--kernel-python",
        action="append",
        help="a Python with ipykernel and rpclab whose kernel is tested; can be given again",
    )


def pytest_generate_tests(metafunc):
    if "python" in metafunc.fixturenames:
        given = metafunc.config.getoption("--kernel-python", default=None) or [sys.executable]
        names = [Path(path).parents[1].name for path in given]
        metafunc.parametrize("python", given, ids=names, scope="session")


@pytest.fixture(scope="session")
def running_kernel(python, tmp_path_factory):
    """A kernel for all tests that leave it as they found it."""
    with Kernel(python, tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture
def kernel(running_kernel):
    """A kernel with nothing in its namespace but the freshly loaded extension."""
    running_kernel.run("%reset -f")
    loaded = running_kernel.run("%load_ext rpclab")
    assert loaded.error is None, loaded.error
    yield running_kernel
    running_kernel.run("%unload_ext rpclab")
    patched = running_kernel.value("import asyncio; hasattr(asyncio, '_nest_patched')")
    assert patched == "False", "it patches the kernel's loop for good: it needs a fresh kernel"


@pytest.fixture
def fresh_kernel(python, tmp_path):
    """A kernel of the test's own, with the extension, for tests that patch its event loop."""
    with Kernel(python, tmp_path) as kernel:
        kernel.run("%load_ext rpclab")
        yield kernel
