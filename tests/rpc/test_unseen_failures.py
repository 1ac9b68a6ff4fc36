"""A call that fails, and whose promise nobody has awaited or can await, is told of in a line."""

import asyncio
import gc
import inspect
import subprocess
import sys

import pytest

import rpclab
from rpclab import RpcTarget
from rpclab.core import calling
from rpclab.rpc.engine import _NO_PLACE as NO_PLACE

pytestmark = pytest.mark.expects_reports

SOURCE = """
import asyncio
from workers import RpcTarget, WorkerEntrypoint

class Thing(RpcTarget):
    def say(self):
        return "said"

class Default(WorkerEntrypoint):
    def works(self, *args, **kwargs):
        return 1

    def thing(self):
        return Thing()

    def numbers(self):
        return [1, 2]

    def raises(self, *args):
        raise ValueError("no")

    async def raises_late(self):
        await asyncio.sleep(1)
        raise ValueError("late")

    @property
    def broken(self):
        raise LookupError("broken")

    async def forgets_and_waits(self, settled):
        await asyncio.sleep(9.5 - settled)
        forgotten = self.env.B.raises_late()
        await asyncio.sleep(20)

    async def forgets(self, wait, often=1):
        for _ in range(often):
            self.env.B.raises()
        await asyncio.sleep(wait)

    def forgets_at_once(self):
        self.env.B.wrok()

    def keeps(self):
        self.ctx.wait_until(self.env.B.raises())

    async def awaits(self):
        try:
            await self.env.B.raises()
        except ValueError:
            return "seen"
"""
LATE = 5


@pytest.fixture
def env(sandbox):
    sandbox.deploy("b", source=SOURCE)
    sandbox.deploy("a", source=SOURCE, bind={"B": "b"})
    return sandbox.bind(A="a")


@pytest.fixture
def told(caplog):
    """Give the lines so far, once all have come."""

    async def lines():
        await asyncio.sleep(LATE)
        gc.collect()
        await asyncio.sleep(LATE)
        return [record.getMessage() for record in caplog.records if record.name == "rpclab"]

    return lines


def here(offset):
    return f"{__file__}, line {inspect.currentframe().f_back.f_lineno + offset}"


NO = "failed, and nobody awaited it: ValueError: no"


async def test_a_misspelt_method_is_told_of_with_its_place_and_the_near_names(env, told):
    env.A.raise_late()
    place = here(-1)
    [line] = await told()
    assert line == (
        f"a.raise_late() ({place}) failed, and nobody awaited it: NoSuchMemberError:"
        ' The RPC receiver does not implement the method "raise_late".'
        " (did you mean 'raises_late' or 'raises'?)"
    )


FAILING = {
    "a call": lambda a: a.raises(),
    "a call that fails after a while": lambda a: a.raises_late(),
    "a call with keyword arguments": lambda a: a.works(1, wrong=2, say=a.thing().no()),
    "what was pipelined": lambda a: a.thing().say().nothing(),
    "what was pipelined on a failure": lambda a: a.raises().say().again(),
    "map": lambda a: a.numbers().map(a.raises),
    "map on a failure": lambda a: a.raises().map(lambda item: item),
    "a call with a failed argument": lambda a: a.works(a.raises()),
    "an argument that cannot be sent": lambda a: a.works(object()),
    "a call on a stub that was disposed": lambda a: disposed(a).say(),
}


def disposed(binding):
    stub = rpclab.RpcStub(RpcTarget())
    stub.dispose()
    return stub


@pytest.mark.parametrize("name", FAILING)
async def test_each_kind_of_call_is_told_of_once(env, told, name):
    FAILING[name](env.A)
    lines = await told()
    assert len(lines) == 1, lines
    assert "failed, and nobody awaited it: " in lines[0]
    assert f"{__file__}, line " in lines[0]


async def test_it_is_told_of_only_when_the_promise_is_gone(env, told):
    promise = env.A.raises()
    assert await told() == []
    del promise
    assert len(await told()) == 1


async def _await_late(promise):
    with pytest.raises(ValueError, match="no"):
        await promise


async def _gather(promise):
    assert [str(error) for error in await rpclab.gather(promise, return_exceptions=True)] == ["no"]


async def _gather_raising(promise):
    with pytest.raises(ValueError, match="no"):
        await rpclab.gather(promise)


async def _gather_of_asyncio(promise):
    await asyncio.gather(promise, return_exceptions=True)


async def _watch(promise):
    promise.on_broken(lambda _error: None)


async def _dispose(promise):
    promise.dispose()


async def _dispose_at_the_end_of_a_block(promise):
    with promise:
        pass


async def _cancel(promise):
    task = asyncio.ensure_future(promise)
    await asyncio.sleep(0)
    task.cancel()


LOOKS = [
    _await_late, _gather, _gather_raising, _gather_of_asyncio, _watch, _dispose,
    _dispose_at_the_end_of_a_block, _cancel,
]  # fmt: skip


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("look", LOOKS)
async def test_whoever_looks_at_the_promise_has_seen_it(env, told, look, settled):
    promise = env.A.raises()
    if settled:
        await asyncio.sleep(LATE)
    await look(promise)
    del promise
    assert await told() == []


async def test_gather_that_raises_has_seen_the_failures_of_the_others(env, told):
    with pytest.raises(ValueError, match="no"):
        await rpclab.gather(env.A.raises(), env.A.raises(), env.A.raises_late())
    assert await told() == []


async def test_a_call_on_a_settled_failure_is_told_of_and_not_the_failure_too(env, told):
    promise = env.A.raises()
    await asyncio.sleep(LATE)
    promise.say()
    del promise
    lines = await told()
    assert len(lines) == 1


async def test_a_settled_failure_as_an_argument_is_told_of_as_that_call_only(env, told):
    promise = env.A.raises()
    await asyncio.sleep(LATE)
    env.A.works(promise)
    del promise
    lines = await told()
    assert [line.partition(" (")[0] for line in lines] == ["a.works()"]


async def test_a_property_that_nobody_awaits_is_never_read(env, told):
    _ = env.A.broken
    assert await told() == []


async def test_a_property_that_cannot_be_read_fails_the_call_that_it_is_given_to(env, told):
    env.A.works(env.A.broken)
    lines = await told()
    assert [line.partition(" (")[0] for line in lines] == ["a.works()"]


async def test_a_failure_in_a_workers_method_that_goes_on_is_told_of(env, told):
    await env.A.forgets(1)
    [line] = await told()
    assert line.startswith("b.raises() (<worker a>, line ")
    assert line.endswith(NO)


async def test_a_failure_in_a_workers_method_that_returns_at_once_is_told_of(env, told):
    await env.A.forgets_at_once()
    [line] = await told()
    assert line.startswith("b.wrok() (<worker a>, line ")


async def test_what_a_worker_sees_is_not_told_of(env, told):
    assert await env.A.awaits() == "seen"
    assert await told() == []


async def test_a_failure_that_was_given_to_wait_until_is_told_of_as_that(env, told):
    await env.A.keeps()
    assert await told() == ["work that a gave to wait_until failed: ValueError: no"]


async def test_calls_that_a_context_cuts_off_are_remembered_in_bounded_number(env, sandbox, told):
    many = 3 * calling._CUT_OFF
    await env.A.forgets(0, many)
    await told()
    for session in sandbox.engine.sessions():
        assert len(session._cut_off or ()) <= calling._CUT_OFF


async def test_what_a_closed_sandbox_cuts_off_is_not_told_of(env, sandbox, told):
    env.A.raises_late()
    await asyncio.sleep(0)
    sandbox.close()
    assert await told() == []


async def test_what_an_ended_event_cuts_off_is_not_told_of(env, sandbox, told):
    async with sandbox.event() as inside:
        inside.A.raises_late()
        await asyncio.sleep(0)
    assert await told() == []


async def test_a_hostile_message_is_told_of_in_bounded_form(sandbox, told):
    sandbox.deploy(
        "long",
        source="""
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def raises(self):
        raise ValueError("x\\n\\x1b[31m" * 100_000)
""",
    )
    sandbox.bind(LONG="long").LONG.raises()
    [line] = await told()
    assert len(line) < 600
    assert line.isprintable()


SCRIPT = f"""
import asyncio, rpclab
async def main():
    sandbox = rpclab.Sandbox()
    sandbox.deploy("a", source={SOURCE!r})
    env = sandbox.bind(A="a")
    env.A.raises()
    env.A.works()
    await asyncio.sleep(0.01)
asyncio.run(main())
"""


def errors_of(program, *options):
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stderr


def test_a_script_that_records_nothing_is_told_in_one_line_what_was_called():
    line = f"a.raises() failed, and nobody awaited it: ValueError: no ({NO_PLACE})\n"
    assert errors_of(SCRIPT) == line


def test_a_script_in_development_mode_is_told_the_place_too():
    line = "a.raises() (<string>, line 7) failed, and nobody awaited it: ValueError: no"
    # Before it asyncio may tell of a slow callback.
    assert errors_of(SCRIPT, "-X", "dev").splitlines()[-1] == line


def test_a_function_or_a_map_that_fails_in_a_script_is_named_as_far_as_it_has_a_name():
    program = SCRIPT.replace("env.A.raises()", "env.A.numbers().map(env.A.raises)")
    assert errors_of(program).startswith("a.map() failed, and nobody awaited it: ")


async def test_what_a_cancelled_method_leaves_behind_is_not_told_of(env, told):
    for settled in (0, LATE):  # whether the call has failed before its caller is cancelled
        task = asyncio.ensure_future(env.A.forgets_and_waits(settled))
        await asyncio.sleep(2 * LATE)
        task.cancel()
    assert await told() == []
