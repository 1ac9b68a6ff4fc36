"""Targets in a message that could not be sent: their disposer runs, as if they had been."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

import rpclab

CALLEE = """
    class T(Logged):
        pass

    def function():
        pass
    function.dispose = lambda: log("T disposed")

    def with_target(error):
        error.target = T()
        return error

    class Default(WorkerEntrypoint):
        def take(self, *args, **kwargs):
            log("take runs")
        def target(self):
            return T("kept")
        def alone(self):
            return [T(), object()]
        def in_dict(self):
            return {"t": T(), "bad": object()}
        def in_tuple(self):
            return {"t": (T(),), "bad": object()}
        def in_set(self):
            return [{T()}, object()]
        def in_frozenset(self):
            return [frozenset({T()}), object()]
        def deep(self):
            return [{"a": [({"b": T()},)]}, object()]
        def of_a_function(self):
            return [function, object()]
        async def of_a_coroutine(self):
            await sleep(1)
            return [T(), object()]
        def in_an_error(self):
            return [with_target(ValueError("a value")), object()]
        def too_large(self):
            return [T(), bytes(33 << 20)]
        def after_a_promise(self):
            return [T(), self.env.CALLEE.number(), object()]
        def with_a_promise_that_fails(self):
            return [T(), self.env.CALLEE.fail()]
        def twice(self):
            t = T()
            return [t, t, object()]
        def stream(self):
            return [ReadableStream(self.begun()), object()]
        def generator(self):
            return [self.begun(), object()]
        def begun(self):
            def chunks():
                try:
                    yield b"taken before"
                    yield b"never read"
                finally:
                    log("stream closed")
            begun = chunks()
            next(begun)
            return begun
        def number(self):
            return 1
        def fail(self):
            raise ValueError("no")
"""


@pytest.fixture
def callee(world):
    """A binding to the Worker above."""
    source = CALLEE.replace("class T(", "from workers import ReadableStream\n    class T(", 1)
    return world.deploy(source, CALLEE="callee").CALLEE


@pytest.fixture
def target(world):
    """A target of the caller."""

    class T(rpclab.RpcTarget):
        def dispose(self):
            world.log.append("T disposed")

    return T()


def function_of(target):
    def function():
        pass

    function.dispose = target.dispose
    return function


def error_with(target):
    error = ValueError("a value")
    error.target = target
    return error


ARGUMENTS = {
    "alone": lambda t: ((t, object()), {}),
    "keyword": lambda t: ((), {"t": t, "z": object()}),
    "argument and keyword": lambda t: ((t,), {"z": object()}),
    "list": lambda t: (([t], object()), {}),
    "dict": lambda t: (({"t": t, "bad": object()},), {}),
    "tuple": lambda t: (((t,), object()), {}),
    "set": lambda t: (({t}, object()), {}),
    "frozenset": lambda t: ((frozenset({t}), object()), {}),
    "deep": lambda t: (([{"a": [({"b": t},)]}], object()), {}),
    "function": lambda t: ((function_of(t), object()), {}),
    "error": lambda t: ((error_with(t), object()), {}),
    "too large": lambda t: ((t, bytes(33 << 20)), {}),
    "twice": lambda t: ((t, t, object()), {}),
}


@pytest.mark.parametrize(
    "arguments", [pytest.param(make, id=name) for name, make in ARGUMENTS.items()]
)
async def test_a_target_in_arguments_that_cannot_be_sent_is_disposed(
    world, callee, target, arguments
):
    args, kwargs = arguments(target)
    assert isinstance(await failure(callee.take(*args, **kwargs)), rpclab.RpcError)
    await asyncio.sleep(1)
    assert world.log == ["T disposed"]


RESULTS = [
    "alone", "in_dict", "in_tuple", "in_set", "in_frozenset", "deep", "of_a_function",
    "of_a_coroutine", "in_an_error", "too_large", "after_a_promise", "with_a_promise_that_fails",
    "twice",
]  # fmt: skip


@pytest.mark.parametrize("method", [pytest.param(name) for name in RESULTS])
async def test_a_target_in_a_result_that_cannot_be_sent_is_disposed(world, callee, method):
    await failure(callee[method]())
    await asyncio.sleep(1)
    assert world.log == ["T disposed"]


async def test_a_target_with_a_promised_argument_that_cannot_be_sent_is_disposed(
    world, callee, target
):
    """The property is read, and the message packed again, before it fails."""
    kept = await callee.target()
    assert isinstance(await failure(callee.take(target, kept.name, object())), rpclab.RpcError)
    await asyncio.sleep(1)
    assert world.log == ["T disposed"]


async def test_a_target_sent_with_a_rejected_promise_is_disposed(world, callee, target):
    bad = callee.fail()
    await failure(bad)
    assert str(await failure(callee.take(target, bad))) == "no"
    await asyncio.sleep(1)
    assert world.log == ["T disposed"]


async def promise_that_failed(callee):
    promise = callee.fail()
    await failure(promise)
    return promise


async def disposed_promise(callee):
    promise = callee.target()
    await promise
    promise.dispose()
    return promise


async def disposed_stub(callee):
    stub = await callee.target()
    stub.dispose()
    return stub


async def plain_value(callee):
    promise = callee.number()
    await promise
    return promise


async def member_of_a_plain_value(callee):
    promise = callee.number()
    await promise
    return promise.member


NOT_CALLED = [
    promise_that_failed, disposed_promise, disposed_stub, plain_value, member_of_a_plain_value
]  # fmt: skip


@pytest.mark.parametrize("made_on", NOT_CALLED)
async def test_a_target_in_a_call_on_what_cannot_be_called_any_more_is_disposed(
    world, callee, target, made_on
):
    receiver = await made_on(callee)
    await asyncio.sleep(1)
    world.log.clear()
    await failure(receiver(target) if made_on is plain_value else receiver.m(target))
    await failure(receiver.m(key=[target, function_of(target)]))
    await asyncio.sleep(1)
    assert world.log == ["T disposed"] * 3


async def test_targets_in_several_such_messages_are_disposed_for_each(world, callee, target):
    for _ in range(3):
        await failure(callee.take(target, object()))
    await asyncio.sleep(1)
    assert world.log == ["T disposed"] * 3


async def test_a_stub_in_arguments_that_cannot_be_sent_stays_the_callers(world, callee):
    stub = await callee.target()
    before = world.sandbox.tables()
    await failure(callee.take(stub, [stub], object(), key=stub))
    await asyncio.sleep(1)
    assert world.sandbox.tables() == before
    assert await stub.m() == "kept"
    assert world.log == []


async def test_a_stub_captured_by_a_map_that_cannot_be_sent_stays_the_callers(world, callee):
    stub = await callee.target()
    before = world.sandbox.tables()
    with pytest.raises(rpclab.DataCloneError):
        callee.number().map(lambda number: stub.m(number, object()))
    await asyncio.sleep(1)
    assert world.sandbox.tables() == before
    assert await stub.m() == "kept"


async def test_a_target_given_by_a_map_that_cannot_be_sent_is_disposed(world, callee):
    await failure(callee.number().map(lambda _: [callee.target(), callee.alone()]))
    await asyncio.sleep(1)
    assert sorted(world.log) == ["T disposed", "kept disposed"]


@pytest.mark.parametrize("method", ["stream", "generator"])
async def test_a_stream_in_a_result_that_cannot_be_sent_is_closed(world, callee, method):
    await failure(callee[method]())
    await asyncio.sleep(1)
    assert world.log == ["stream closed"]


async def test_a_stream_in_arguments_that_cannot_be_sent_stays_the_callers(callee):
    stream = rpclab.ReadableStream(iter([b"chunk"]))
    await failure(callee.take(stream, object()))
    assert await stream.read() == b"chunk"


LATE = """
    class Keeper(Logged):
        async def hold_on(self):
            try:
                await sleep(100)
            except asyncio.CancelledError:
                return [Logged("late")]
    class Default(Keeper, WorkerEntrypoint):
        def __init__(self, ctx, env):
            WorkerEntrypoint.__init__(self, ctx, env)
        def keeper(self):
            return Keeper("keeper")
        hold_on = Keeper.hold_on
"""


@pytest.mark.parametrize("of", ["a binding", "a target", "a target that is let go"])
async def test_O7_a_target_that_a_cancelled_method_returns_is_disposed(world, of):
    binding = world.deploy(LATE).CALLEE
    stub = binding if of == "a binding" else await binding.keeper()
    call = asyncio.ensure_future(stub.hold_on())
    await asyncio.sleep(1)
    if of == "a target that is let go":
        stub.dispose()
    call.cancel()
    await asyncio.sleep(1)
    assert [line for line in world.log if line.startswith("late")] == ["late disposed"]


BEFORE_IT = {
    "a response": 'Response("text")',
    "a response that streams": 'Response(ReadableStream(iter([b"chunk"])))',
    "a request": 'Request("http://a.example", method="POST", body="text")',
    "a stream": 'ReadableStream(iter([b"chunk"]))',
    "a generator": "(b'chunk' for _ in range(2))",
    "a target": "RpcTarget()",
    "a function": "print",
    "two of them": 'Response("text"), RpcTarget()',
}


@pytest.mark.parametrize("record", [False, True], ids=["unwatched", "recorded"])
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("first", BEFORE_IT.values(), ids=BEFORE_IT)
async def test_a_result_that_cannot_be_sent_is_refused_whatever_stands_before(first, kind, record):
    sandbox = rpclab.Sandbox(record=record)
    sandbox.deploy(
        "callee",
        source=f"""
from workers import ReadableStream, Request, Response, RpcTarget, WorkerEntrypoint

class Default(WorkerEntrypoint):
    {kind} give(self):
        return [{first}, object()]
""",
    )
    callee = sandbox.bind(CALLEE="callee").CALLEE
    refused = asyncio.ensure_future(failure(callee.give()))
    for _ in range(100):  # a deadline would have the call go another way
        await asyncio.sleep(0)
    answered = refused.done()
    sandbox.close()
    error = await refused
    assert answered
    assert isinstance(error, rpclab.DataCloneError)
    assert "result[" in str(error)
