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
    marks = {"anyio", "asyncio"} & set(pyfuncitem.keywords)
    if marks or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
"""
TESTS = """
import asyncio
import pytest
import rpclab

SOURCE = '''
import asyncio
from workers import RpcTarget, WorkerEntrypoint
class Counter(RpcTarget):
    def increment(self, amount=1):
        return amount
    def watch(self, listener):
        self.listener = listener.dup()
class Default(WorkerEntrypoint):
    async def new_counter(self):
        return Counter()
    async def hang(self, listener):
        await asyncio.sleep(3600)
'''
KEPT = []
ROOM = '''
from workers import DurableObject
class Room(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.kept = []
    async def keep(self, listener):
        self.kept.append(listener.dup())
'''

@pytest.fixture
def folder(tmp_path):
    text = 'name = "counter"\\nmain = "main.py"'
    (tmp_path / "wrangler.toml").write_text(text)
    (tmp_path / "main.py").write_text(SOURCE + ROOM)
    return tmp_path

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

async def test_config_tidy(sandbox, folder):
    async with rpclab.Sandbox.from_config(folder) as other:
        counter = await other.bind(COUNTER="counter").COUNTER.new_counter()
        assert await counter.increment(2) == 2

async def test_config_disposed_at_last_tidy(sandbox, folder):
    async with rpclab.Sandbox.from_config(folder) as other:
        with other.bind(COUNTER="counter").COUNTER.new_counter() as counter:
            await counter.watch(lambda: None)

async def test_config_open_tidy(sandbox, folder):
    other = rpclab.Sandbox.from_config(folder)
    counter = await other.bind(COUNTER="counter").COUNTER.new_counter()

async def test_config_leaky(sandbox, folder):
    async with rpclab.Sandbox.from_config(folder) as other:
        KEPT.append(await other.bind(COUNTER="counter").COUNTER.new_counter())

async def test_config_open_leaky(sandbox, folder):
    other = rpclab.Sandbox.from_config(folder)
    KEPT.append(await other.bind(COUNTER="counter").COUNTER.new_counter())

async def test_config_hanging_leaky(sandbox, folder):
    async with rpclab.Sandbox.from_config(folder) as other:
        KEPT.append(other.bind(COUNTER="counter").COUNTER.hang(lambda: None))
        await asyncio.sleep(0.01)

async def test_object_leaky(sandbox, folder):
    async with rpclab.Sandbox.from_config(folder) as other:
        room = other.bind(ROOMS=rpclab.objects("counter#Room")).ROOMS.get_by_name("a")
        await room.keep(lambda: None)

async def test_unseen_failing(sandbox):
    sandbox.deploy("counter", source=SOURCE)
    sandbox.bind(COUNTER="counter").COUNTER.new_cuonter()

async def test_unseen_in_a_variable_failing(sandbox):
    sandbox.deploy("counter", source=SOURCE)
    promise = sandbox.bind(COUNTER="counter").COUNTER.new_cuonter()
    await asyncio.sleep(0.01)

async def test_unseen_closed_failing(sandbox, folder):
    async with rpclab.Sandbox.from_config(folder) as other:
        other.bind(COUNTER="counter").COUNTER.new_cuonter()

async def test_unseen_many_failing(sandbox):
    sandbox.deploy("counter", source=SOURCE)
    for _ in range(50):
        sandbox.bind(COUNTER="counter").COUNTER.new_cuonter()

async def test_seen_tidy(sandbox):
    sandbox.deploy("counter", source=SOURCE)
    with pytest.raises(TypeError):
        await sandbox.bind(COUNTER="counter").COUNTER.new_cuonter()

def test_sandboxes_of_a_test_are_closed(sandbox, folder):
    KEPT.append(rpclab.Sandbox.from_config(folder))

def test_which_sandboxes_are_open():
    assert repr(KEPT[-1]) == "<Sandbox of 0 Workers: none>"

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
EVERY = """
import asyncio
import pytest
import rpclab
from rpclab.testing import every_sandbox
from test_suite import SOURCE

KEPT = []

def deploy():
    sandbox = rpclab.Sandbox()
    sandbox.deploy("counter", source=SOURCE)
    return sandbox.bind(COUNTER="counter").COUNTER

async def kept(counter):
    KEPT.append(await counter.new_counter())

def test_every_leaky():
    asyncio.run(kept(deploy()))

def test_every_tidy():
    deploy()
"""
PYTEST_ASYNCIO = """
import pytest
from test_suite import count

KEPT = []

@pytest.mark.asyncio
async def test_pytest_asyncio_tidy(sandbox):
    await count(sandbox)

@pytest.mark.asyncio
async def test_pytest_asyncio_leaky(sandbox):
    await count(sandbox, KEPT)
"""
OWNER = "it belongs to notebook"
KEEPS = "it keeps Counter and the call in counter that made it"
HAS_ANYIO = importlib.util.find_spec("anyio") is not None
HAS_PYTEST_ASYNCIO = importlib.util.find_spec("pytest_asyncio") is not None


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What pytest prints of these tests, with a line for each outcome."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "test_suite.py").write_text(TESTS + ANYIO * HAS_ANYIO, "utf-8")
    (folder / "test_every.py").write_text(EVERY, "utf-8")
    options = ["-rA", "-p", "no:cacheprovider", "-W", "error"]
    if HAS_PYTEST_ASYNCIO:
        (folder / "test_asyncio.py").write_text(PYTEST_ASYNCIO, "utf-8")
        options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=folder, capture_output=True, text=True,
        check=False,
    ).stdout  # fmt: skip


def outcomes(report, name):
    return sorted(re.findall(rf"^(\w+) test_\w+.py::{name}\b", report, re.MULTILINE))


TIDY = [
    *("test_sync_tidy", "test_async_tidy", "test_async_disposed", "test_without_a_loop"),
    *(
        "test_config_tidy",
        "test_config_open_tidy",
        "test_every_tidy",
        "test_config_disposed_at_last_tidy",
        "test_seen_tidy",
    ),
    *("test_sandboxes_of_a_test_are_closed", "test_which_sandboxes_are_open"),
    *["test_anyio_tidy"] * HAS_ANYIO,
    *["test_pytest_asyncio_tidy"] * HAS_PYTEST_ASYNCIO,
]
LEAKY = [
    *("test_sync_leaky", "test_async_leaky", "test_hanging_leaky", "test_every_leaky"),
    *("test_config_leaky", "test_config_open_leaky", "test_config_hanging_leaky"),
    "test_object_leaky",
    *["test_anyio_leaky"] * HAS_ANYIO,
    *["test_pytest_asyncio_leaky"] * HAS_PYTEST_ASYNCIO,
]


@pytest.mark.parametrize("name", TIDY)
def test_a_test_that_leaves_nothing_passes(report, name):
    assert outcomes(report, name) == ["PASSED"]


@pytest.mark.parametrize("name", ["", "_in_a_variable", "_closed", "_many"])
def test_a_test_with_a_failed_call_that_nobody_awaited_fails_at_its_end(report, name):
    assert outcomes(report, f"test_unseen{name}_failing") == ["ERROR", "PASSED"]
    _, _, text = report.partition(f"ERROR at teardown of test_unseen{name}_failing ")
    assert re.match(
        r"counter\.new_cuonter\(\) \(\S*test_suite\.py, line \d+\) failed, and nobody awaited it: "
        r'NoSuchMemberError: .* "new_cuonter"',
        text.splitlines()[1],
    )


def test_many_failed_calls_are_told_of_in_bounded_number(report):
    _, _, text = report.partition("ERROR at teardown of test_unseen_many_failing ")
    text, _, _ = text.partition("ERROR at")
    assert text.count("nobody awaited it") == 20
    assert "and 30 more" in text


@pytest.mark.parametrize("name", LEAKY)
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
    assert "ImportError: rpclab.testing needs pytest: install the extra rpclab[pytest]" in (
        result.stderr
    )


def test_the_fixtures_load_nothing_of_jupyter():
    heavy = {"IPython", "anywidget", "httpx", "ipykernel", "numpy"}
    program = f"import sys, rpclab.testing; print(*sorted(sys.modules.keys() & {heavy}))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_import_rpclab_loads_nothing_that_only_reports_need():
    names = ["html", "pytest", "rpclab.leaks", "rpclab.diagnostics.holders", "rpclab.testing"]
    program = f"import sys, rpclab; print(*sorted(sys.modules.keys() & {set(names)}))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_stubs_that_outlive_the_program_end_in_silence(tmp_path):
    (tmp_path / "first.py").write_text("kept = []", "utf-8")
    source = TESTS.partition("SOURCE = '''")[2].partition("'''")[0]
    program = f"""
import first  # what is imported first is emptied last
import asyncio, sys, rpclab
async def main():
    sandbox = rpclab.Sandbox(record=True)
    sandbox.deploy("counter", source={source!r})
    first.kept.append(await sandbox.bind(COUNTER="counter").COUNTER.new_counter())
asyncio.run(main())
first.modules = [module for name, module in sys.modules.items() if name.startswith("rpclab")]
sys.first = first
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
