"""Each test talks to a real kernel: of this interpreter, or of each `--kernel-python`.

Tests marked `any_kernel` take the first of these alone: what they look at is ours or IPython's, and
the same whatever kernel runs it. What depends on how a kernel runs cells, routes their output,
compiles them, interrupts them or handles messages of widgets is tested with each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.kernels import Kernel

IS_PATCHED = "import asyncio; hasattr(asyncio, '_nest_patched')"


def pytest_addoption(parser):
    parser.addoption(
        "--kernel-python",
        action="append",
        help="a Python with ipykernel and rpclab whose kernel is tested; can be given again",
    )


def pytest_generate_tests(metafunc):
    if "python" in metafunc.fixturenames:
        given = metafunc.config.getoption("--kernel-python", default=None) or [sys.executable]
        if metafunc.definition.get_closest_marker("any_kernel"):
            given = given[:1]
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
    _load(running_kernel)
    yield running_kernel
    assert running_kernel.value(f"%unload_ext rpclab\n{IS_PATCHED}") == "False", (
        "it patches the kernel's loop for good: it needs the patched kernel"
    )


@pytest.fixture(scope="session")
def running_patched_kernel(python, tmp_path_factory):
    """Another one, whose event loop `rpclab.run` has patched in a cell that cannot await."""
    with Kernel(python, tmp_path_factory.mktemp("patched")) as kernel:
        yield kernel


@pytest.fixture
def patched_kernel(running_patched_kernel):
    """The same for tests of what runs on a patched event loop."""
    _load(running_patched_kernel)
    running_patched_kernel.run("import asyncio, rpclab\nrpclab.run(asyncio.sleep(0))")
    yield running_patched_kernel
    assert running_patched_kernel.value(f"%unload_ext rpclab\n{IS_PATCHED}") == "True"


def _load(kernel):
    loaded = kernel.run("%reset -f\n%load_ext rpclab")
    assert loaded.error is None, loaded.error


@pytest.fixture
def fresh_kernel(python, tmp_path):
    """A kernel of the test's own, with the extension, for tests that leave something behind."""
    with Kernel(python, tmp_path) as kernel:
        kernel.run("%load_ext rpclab")
        yield kernel
