"""What is said where something well meant does not work, with the next step."""

import asyncio
import sys
import types

import numpy as np
import pytest

import rpclab
from rpclab.errors import (
    DataCloneError,
    DisposedError,
    MessageTooLargeError,
    NoSuchMemberError,
    UnknownEntrypointError,
)
from rpclab.rpc import remote

SOURCE = """
import asyncio
from workers import DurableObject, RpcTarget, WorkerEntrypoint

begun = []

async def later(seconds=0.01):
    begun.append(1)
    await asyncio.sleep(seconds)
    begun.append(2)

async def later_still():
    try:
        await later()
    finally:
        await asyncio.sleep(0.01)

class Target(RpcTarget):
    def f(self):
        return 1

class Default(WorkerEntrypoint):
    def use(self):
        return GREETING

    def use_unknown(self):
        return NOWHERE

    def use_before(self):
        print(GREETING)
        GREETING = 1

    async def call(self, function):
        return await function()

    async def nested(self):
        asyncio.run(later())

    async def drop(self):
        asyncio.create_task(later())
        await asyncio.sleep(0)
        return "answered"

    async def cancel_what_takes_turns(self):
        task = asyncio.create_task(later_still())
        await asyncio.sleep(0.005)
        task.cancel()

    async def keep(self):
        self.ctx.wait_until(later())

    async def keep_a_task(self):
        self.ctx.wait_until(asyncio.create_task(later()))

    async def wait(self):
        await asyncio.create_task(later())

    async def cancel(self):
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
        task.cancel()

    async def hang(self):
        await asyncio.gather(later(1000), later(1000))

    def begun(self):
        return begun

    def target(self):
        return Target()

    def text(self):
        return "hello"

    def numbers(self):
        return [1, 2]

    def take(self, value):
        return type(value).__name__

    def _secret(self):
        return 1

class Room(DurableObject):
    def enter(self):
        return 1
"""


@pytest.fixture
def env(sandbox):
    sandbox.deploy("w", source=SOURCE)
    return sandbox.bind(W="w", ROOMS=rpclab.objects("w#Room"))


@pytest.fixture
def told(caplog, monkeypatch):
    """What was reported in a line each."""
    monkeypatch.setattr(remote, "_told", set())
    caplog.set_level("WARNING", "rpclab")

    def lines():
        return [record.getMessage() for record in caplog.records if record.name == "rpclab"]

    return lines


async def notes_of(awaitable, kind=Exception):
    with pytest.raises(kind) as caught:
        await awaitable
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


# Names.


@pytest.fixture
def greeting(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "GREETING", "Hello", raising=False)


async def test_a_name_of_the_program_is_not_one_of_a_worker(env, greeting):
    said = await notes_of(env.W.use(), NameError)
    assert "GREETING (str) is defined in the notebook or program" in said
    assert "a Worker shares no names" in said
    for way in ("pass it in the call", "--var GREETING=", "--json GREETING=", "vars="):
        assert way in said


async def test_of_other_names_nothing_more_is_said(env, greeting):
    assert "shares" not in await notes_of(env.W.use_unknown(), NameError)
    assert "shares" not in await notes_of(env.W.use_before(), UnboundLocalError)
    program = types.FunctionType(
        compile("lambda: GREETINGS", "p", "eval").co_consts[0], vars(sys.modules["__main__"])
    )
    assert "shares" not in await notes_of(env.W.call(program), NameError)


def test_a_worker_that_needs_such_a_name_to_be_deployed_says_so(sandbox, greeting):
    with pytest.raises(NameError) as caught:
        sandbox.deploy("w", source="x = GREETING")
    assert any("shares no names" in note for note in caught.value.__notes__)


async def test_names_with_an_underscore_are_private(env):
    for call in (env.W._secret(), (await env.W.target())._hidden(), env.W.target()._hidden()):
        said = await notes_of(call, NoSuchMemberError)
        assert "names that begin with _ are private" in said


# Redeployment.


def test_a_default_class_without_its_base_is_refused(sandbox, env):
    with pytest.raises(UnknownEntrypointError, match="derive it from WorkerEntrypoint") as caught:
        sandbox.deploy("w", source="class Default:\n    def text(self): pass")
    assert 'version 1 of "w" serves on' in caught.value.__notes__
    assert sandbox.workers["w"].version == 1
    with pytest.raises(UnknownEntrypointError):
        sandbox.deploy("new", source="class Default: pass")
    assert "new" not in sandbox.workers


def test_a_class_that_is_not_served_needs_no_base(sandbox):
    sandbox.deploy("w", source="class Helper: pass\ndef fetch(r, e, c): pass")
    sandbox.deploy("o", source="from workers import *\nclass Default(DurableObject): pass")


@pytest.mark.parametrize("source", ["class Default(:", "1/0", "import nowhere_at_all"])
async def test_a_failed_redeployment_says_that_the_old_version_serves_on(sandbox, env, source):
    with pytest.raises((SyntaxError, ZeroDivisionError, ImportError)) as caught:
        sandbox.deploy("w", source=source)
    assert 'version 1 of "w" serves on' in caught.value.__notes__
    assert await env.W.text() == "hello"
    with pytest.raises((SyntaxError, ZeroDivisionError, ImportError)) as caught:
        sandbox.deploy("first", source=source)
    assert not any("serves on" in note for note in getattr(caught.value, "__notes__", ()))


# Objects.


def test_one_spelling_of_objects_is_understood_everywhere(sandbox, env):
    assert rpclab.objects("Room@w") == rpclab.objects("w#Room")
    sandbox.deploy("client", source="", objects={"A": "Room@w", "B": "w#Room"})
    both = sandbox.workers["client"].env
    assert both["A"].id_from_name("x") == both["B"].id_from_name("x")


async def test_a_binding_to_objects_says_how_they_are_bound(sandbox, env):
    with pytest.raises(UnknownEntrypointError) as caught:
        sandbox.bind(R="w#Room")
    for way in ('objects={"VAR": "w#Room"}', 'rpclab.objects("w#Room")', "--object VAR=Room@w"):
        assert way in str(caught.value)
    with pytest.raises(UnknownEntrypointError, match="bind it with VAR=w#Default"):
        sandbox.bind(R=rpclab.objects("w#Default"))


# Tasks.


@pytest.mark.expects_reports
async def test_a_task_that_a_worker_drops_is_told_of(env, told):
    assert await env.W.drop() == "answered"
    await asyncio.sleep(1)
    assert await env.W.begun() == [1]
    [line] = told()
    assert line.startswith("w ended a task that it had begun, later() (<worker w>, line 7)")
    assert "self.ctx.wait_until(…)" in line


@pytest.mark.parametrize(
    "call", ["keep", "keep_a_task", "wait", "cancel", "cancel_what_takes_turns"]
)
async def test_tasks_that_are_kept_awaited_or_cancelled_are_not(env, told, call):
    await env.W[call]()
    await asyncio.sleep(1)
    assert told() == []


async def test_tasks_of_a_call_that_is_cancelled_or_of_a_sandbox_that_ends_are_not(
    sandbox, env, told
):
    task = asyncio.ensure_future(env.W.hang())
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.sleep(0.1)
    kept = env.W.hang()
    await asyncio.sleep(0.1)
    sandbox.reset()
    await asyncio.sleep(0.1)
    assert told() == []
    del kept


# Promises that nobody awaits.


async def test_a_promise_says_what_to_do(env):
    promise = env.W.text()
    assert repr(promise) == "<RpcPromise of w, pending: await it>"
    await promise
    assert repr(promise) == "<RpcPromise of w, resolved: await it>"
    assert "call or await it" in repr(env.W.text)


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (bool, "is true whatever it resolves to"),
        (lambda promise: 1 if promise else 0, "is true whatever it resolves to"),
        (lambda promise: promise == [], "equals no list"),
        (lambda promise: promise != "hello", "equals no str"),
        (lambda promise: promise in [1, 2], "equals no int"),
    ],
)
@pytest.mark.parametrize("of", ["promise", "property"])
@pytest.mark.expects_reports
async def test_looking_at_a_promise_as_if_it_were_its_value_is_told(env, told, look, said, of):
    awaited = env.W.text() if of == "promise" else env.W.text
    for _ in range(2):
        look(awaited)
    [line] = told()
    assert said in line
    assert "await it for its value" in line
    assert "test_words.py, line" in line


async def test_a_promise_equals_itself_and_can_be_kept_in_sets(env, told):
    promise, other = env.W.text(), env.W.text()
    assert (promise == promise, promise == other) == (True, False)  # noqa: PLR0124
    assert len({promise, other, promise}) == 2
    assert [other, promise].index(promise) == 1
    assert told() == []
    await asyncio.gather(promise, other)


async def test_a_loop_over_a_promise_says_to_await_it(env):
    with pytest.raises(TypeError, match="await it first, as in `async for chunk in await …`"):
        async for _ in env.W.numbers():
            pass


async def test_a_task_of_a_promise_says_how(env):
    await env.W.text()
    with pytest.raises(TypeError, match=r"this is an RpcPromise.*asyncio\.ensure_future"):
        asyncio.create_task(env.W.text())  # noqa: RUF006
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(env.W.text())
    assert "asyncio.ensure_future" in str(caught.value.exceptions[0])
    assert await asyncio.ensure_future(env.W.text()) == "hello"


async def test_a_method_of_a_value_is_called_on_what_has_arrived(env):
    pending = env.W.text()
    resolved = env.W.text()
    await resolved
    for call in (pending.upper(), resolved.upper(), env.W.numbers().append(3)):
        said = await notes_of(call, NoSuchMemberError)
        assert "await it first: (await …)." in said
    assert "await it first" not in await notes_of(env.W.upper(), NoSuchMemberError)


async def test_a_promise_that_was_disposed_says_where(env):
    promise = env.W.target()
    await promise
    promise.dispose()
    said = await notes_of(promise.f(), DisposedError)
    assert said.startswith("RPC promise used after being disposed.")
    assert "target() was called at " in said
    assert "disposed at " in said
    assert "dup()" in said
    assert repr(promise) == "<RpcPromise of w, disposed>"


# Values.


def like(module, name, **members):
    """Make a stand-in for a value of a library that is not installed here."""
    return type(name, (), {"__module__": module, **members})()


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (like("pandas.core.frame", "DataFrame"), 'value.to_dict("records")'),
        (like("pandas", "DataFrame"), 'value.to_dict("records")'),
        (like("pandas.core.series", "Series"), "value.to_list()"),
        (like("pandas._libs.tslibs.timestamps", "Timestamp"), "value.to_pydatetime()"),
        (like("pandas._libs.tslibs.timedeltas", "Timedelta"), "value.to_pytimedelta()"),
        (like("pandas._libs.tslibs.nattype", "NaTType"), "send None"),
        (like("models", "User", model_dump=lambda _: {}), "value.model_dump()"),
        (like("models", "Point", __attrs_attrs__=()), "attrs.asdict(value)"),
        (np.bool_(1), "value.item()"),
        (np.float64(1), "value.item()"),
    ],
    ids=lambda value: type(value).__name__ if type(value) is not str else value,
)
async def test_values_of_well_known_libraries_are_sent_in_another_form(env, value, advice):
    said = await notes_of(take(env, value), DataCloneError)
    assert advice in said


async def test_the_boolean_of_numpy_is_not_called_bool(env):
    assert 'type "numpy.bool' in await notes_of(take(env, np.bool_(1)), DataCloneError)


async def test_what_is_too_large_is_sent_as_a_stream(env):
    assert "ReadableStream" in await notes_of(take(env, b"x" * 40_000_000), MessageTooLargeError)


async def take(env, value):
    return await env.W.take(value)


# Loops and threads.


async def test_asyncio_run_inside_a_worker_says_to_await(env):
    with pytest.warns(RuntimeWarning, match="never awaited"):
        said = await notes_of(env.W.nested(), RuntimeError)
    assert "write `await main()` instead" in said
    assert "a method of a Worker may be async" in said


async def threaded(env):
    return await env.W.text()


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_a_thread_of_a_script_runs_coroutines_where_the_sandbox_lives(clock):
    async def main():
        async with rpclab.Sandbox(clock=clock) as sandbox:
            sandbox.deploy("w", source=SOURCE)
            env = sandbox.bind(W="w")
            await env.W.text()
            return await asyncio.to_thread(lambda: rpclab.run(threaded(env)))

    assert asyncio.run(main()) == "hello"
