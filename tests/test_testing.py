"""`rpclab.testing.sandbox`: what it says of tests of every kind, run by a pytest of their own."""

import importlib.util
import re
import subprocess
import sys

import pytest

CONFTEST = """
import asyncio
import inspect
import pytest
from rpclab.testing import sandbox

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or "anyio" in pyfuncitem.keywords:
        return None
    asyncio.run(pyfuncitem.obj(sandbox=pyfuncitem.funcargs["sandbox"]))
    return True
"""
TESTS = """
import asyncio
import pytest

SOURCE = '''
import asyncio
from workers import RpcTarget, WorkerEntrypoint
class Counter(RpcTarget):
    def increment(self, amount=1):
        return amount
class Default(WorkerEntrypoint):
    async def new_counter(self):
        return Counter()
    async def hang(self, listener):
        await asyncio.sleep(3600)
'''
KEPT = []

async def count(sandbox, keep=None):
    sandbox.deploy("counter", source=SOURCE)
    counter = await sandbox.bind(COUNTER="counter").COUNTER.new_counter()
    assert await counter.increment(2) == 2
    if keep is not None:
        keep.append(counter)

def test_sync_tidy(sandbox):
    asyncio.run(count(sandbox))

def test_sync_leaky(sandbox):
    asyncio.run(count(sandbox, KEPT))

async def test_async_tidy(sandbox):
    await count(sandbox)

async def test_async_leaky(sandbox):
    await count(sandbox, KEPT)

async def test_async_disposed(sandbox):
    await count(sandbox, kept := [])
    kept.pop().dispose()

async def test_hanging_leaky(sandbox):
    await count(sandbox)
    KEPT.append(sandbox.env.COUNTER.hang(lambda: None))
    await asyncio.sleep(0.01)

async def test_failing_by_itself(sandbox):
    counters = []
    await count(sandbox, counters)
    raise AssertionError("its own failure")

@pytest.mark.xfail
async def test_xfailing(sandbox):
    await count(sandbox, KEPT)
    raise AssertionError("expected")

def test_without_a_loop(sandbox):
    assert sandbox.leaks() == []

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
ANYIO = """
@pytest.mark.anyio
async def test_anyio_tidy(sandbox, anyio_backend):
    await count(sandbox)

@pytest.mark.anyio
async def test_anyio_leaky(sandbox, anyio_backend):
    await count(sandbox, KEPT)
"""
OWNER = "it belongs to notebook"
KEEPS = "it keeps Counter and the call in counter that made it"
HAS_ANYIO = importlib.util.find_spec("anyio") is not None


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What pytest prints of these tests, with a line for each outcome."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "test_suite.py").write_text(TESTS + ANYIO * HAS_ANYIO, "utf-8")
    options = ["-rA", "-p", "no:cacheprovider", "-W", "error"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=folder, capture_output=True, text=True,
        check=False,
    ).stdout  # fmt: skip


def outcomes(report, name):
    return sorted(re.findall(rf"^(\w+) test_suite.py::{name}\b", report, re.MULTILINE))


TIDY = ["test_sync_tidy", "test_async_tidy", "test_async_disposed", "test_without_a_loop"]
LEAKY = ["test_sync_leaky", "test_async_leaky", "test_hanging_leaky"]


@pytest.mark.parametrize("name", TIDY + ["test_anyio_tidy"] * HAS_ANYIO)
def test_a_test_that_leaves_nothing_passes(report, name):
    assert outcomes(report, name) == ["PASSED"]


@pytest.mark.parametrize("name", LEAKY + ["test_anyio_leaky"] * HAS_ANYIO)
def test_a_test_that_leaves_a_stub_fails_at_its_end(report, name):
    assert outcomes(report, name) == ["ERROR", "PASSED"]


def test_the_failure_is_the_leak_report(report):
    line = TESTS.split("\n").index(
        '    counter = await sandbox.bind(COUNTER="counter").COUNTER.new_counter()'
    )
    _, _, text = report.partition("ERROR at teardown of test_async_leaky")
    assert text.splitlines()[1:5] == [
        "1 stub is alive and not disposed:",
        f"a stub of Counter in counter, made at test_suite.py, line {line + 1}; {OWNER}",
        f"  kept by: a list in variable KEPT of module test_suite; {KEEPS}",
        "  next: dispose it with `with`, or .dispose()",
    ]


def test_a_call_that_never_returned_is_named(report):
    _, _, text = report.partition("ERROR at teardown of test_hanging_leaky")
    text, _, _ = text.partition("ERROR at teardown")
    assert "the call of Default.hang in counter, until it returns" in text


def test_a_test_that_failed_is_not_blamed_for_what_its_traceback_keeps(report):
    assert outcomes(report, "test_failing_by_itself") == ["FAILED"]
    assert outcomes(report, "test_xfailing") == ["XFAIL"]


def test_without_pytest_the_error_names_the_extra():
    program = "import sys; sys.modules['pytest'] = None; import rpclab.testing"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "ImportError: rpclab.testing needs pytest: install the extra rpclab[test]" in (
        result.stderr
    )


def test_import_rpclab_loads_nothing_that_only_reports_need():
    names = ["html", "pytest", "rpclab.leaks", "rpclab.rpc.holders", "rpclab.testing"]
    program = f"import sys, rpclab; print(*sorted(sys.modules.keys() & {set(names)}))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
