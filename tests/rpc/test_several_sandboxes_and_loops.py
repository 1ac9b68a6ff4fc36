"""A sandbox lives on one event loop at a time, and beside others; nothing is shared by accident."""

import asyncio
import threading

import pytest

import rpclab

WORKER = """
import asyncio
import sys

from workers import WorkerEntrypoint

ran = []
ERROR = ValueError("always the same")


class Default(WorkerEntrypoint):
    def quick(self, value):
        ran.append(value)
        return value

    async def slow(self, seconds):
        await asyncio.sleep(seconds)
        return seconds

    def fail(self):
        raise ERROR

    def leave(self):
        sys.exit(3)

    async def background(self, log):
        await asyncio.sleep(1)

        async def work():
            await asyncio.sleep(5)
            log("outlived its call")

        self.task = asyncio.create_task(work())

    def items(self):
        return [1, 2, 3]

    def function(self):
        return lambda value: value
"""


def deployed(sandbox):
    sandbox.deploy("w", source=WORKER)
    return sandbox.bind(W="w")


@pytest.fixture
def env(sandbox):
    return deployed(sandbox)


async def test_gather_takes_promises_of_several_sandboxes(env):
    async with rpclab.Sandbox() as other:
        theirs = deployed(other)
        assert await rpclab.gather(env.W.slow(2), theirs.W.slow(5)) == [2, 5]
        assert await rpclab.gather(env.W.slow(5), theirs.W.slow(2)) == [5, 2]


async def test_gather_raises_at_once_also_with_other_awaitables_among_its_own(env):
    before = asyncio.get_running_loop().time()
    with pytest.raises(ValueError, match="always"):
        await rpclab.gather(env.W.fail(), asyncio.sleep(1000))
    assert asyncio.get_running_loop().time() - before < 1


def test_a_sandbox_goes_on_in_the_next_loop_when_one_stopped_half_way(sandbox):
    env = deployed(sandbox)

    async def leave_something_behind():
        env.W.quick("left behind")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave_something_behind())
    loop.close()

    async def go_on():
        return await asyncio.wait_for(env.W.quick("next"), 5)

    assert asyncio.run(go_on()) == "next"
    assert sandbox.workers["w"].module.ran == ["left behind", "next"]


async def test_a_call_from_another_threads_loop_is_refused_and_never_made(sandbox, env):
    await env.W.quick("here")
    await asyncio.sleep(1)
    errors = []

    async def there():
        for attempt in (lambda: env.W.quick("there"), lambda: env.W.slow(1)):
            try:
                await attempt()
            except rpclab.RpcError as error:
                errors.append(str(error))

    thread = threading.Thread(target=lambda: asyncio.run(there()))
    thread.start()
    thread.join()
    assert await env.W.quick("again") == "again"
    assert sandbox.workers["w"].module.ran == ["here", "again"]
    assert len(errors) == 2
    assert "the event loop of another thread" in errors[0]


async def test_a_sandbox_made_inside_a_deadline_is_none_the_worse_for_it(env):
    async with rpclab.deadline(100):
        fresh = rpclab.Sandbox()
    theirs = deployed(fresh)
    before = fresh.engine.special
    left = []

    async def too_long():
        async with rpclab.deadline(1):
            left.append(theirs.W.slow(50))
            await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        await too_long()
    with pytest.raises(rpclab.CallCancelledError):
        await left[0]
    await asyncio.sleep(1)
    assert fresh.engine.special == before == 0
    fresh.close()


async def test_a_deadline_keeps_no_call_that_has_its_answer(env):
    async with rpclab.deadline(1000) as block:
        for n in range(20):
            await env.W.quick(n)
        assert not block._deadline.calls


async def test_Z1_leaving_the_program_in_a_method_is_an_error_of_that_call(env):
    with pytest.raises(rpclab.RpcError, match="SystemExit: 3"):
        await env.W.leave()
    assert await env.W.quick(1) == 1


async def test_X8_a_sandbox_that_closes_leaves_the_tasks_of_others_to_their_contexts(env):
    log = []
    other = rpclab.Sandbox()
    await deployed(other).W.quick(1)
    call = env.W.background(log.append)
    await asyncio.sleep(0.5)
    other.close()
    await call
    await asyncio.sleep(20)
    assert log == []


async def test_an_error_raised_again_and_again_gets_no_longer_notes(sandbox, env):
    for _ in range(3):
        with pytest.raises(ValueError, match="always") as caught:
            await env.W.fail()
        assert caught.value.__notes__ == [
            "raised in the Worker at\n  <worker w>, line 21, in Default.fail"
        ]
    assert len(sandbox.workers["w"].module.ERROR.__notes__) == 1


async def test_a_promise_in_a_message_that_could_not_be_sent_was_not_used(env):
    promise = env.W.slow(1000)
    with pytest.raises(rpclab.DataCloneError):
        await env.W.quick([promise, object()])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await promise
    with pytest.raises(rpclab.CallCancelledError, match="its await was cancelled"):
        await promise


async def test_a_mapped_function_cannot_look_at_what_a_stub_gives_nor_map_again(env):
    function = await env.W.function()
    with pytest.raises(TypeError, match="not look at it"):
        env.W.items().map(lambda value: 1 if function(value) else 2)
    with pytest.raises(TypeError, match="map"):
        env.W.items().map(lambda value: function(value).map(lambda inner: inner))
    assert await env.W.items().map(function) == [1, 2, 3]
