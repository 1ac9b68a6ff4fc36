"""Cancelled awaits and deadlines: what they cancel, over every hop, and what they leave alone."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

import rpclab

END = """
    class Default(WorkerEntrypoint):
        async def slow(self, seconds=60):
            log("slow starts")
            try:
                await sleep(seconds)
            except asyncio.CancelledError:
                log("slow cancelled")
                raise
            log("slow ends")
            return "slow"
        async def target(self, seconds=60):
            await self.slow(seconds)
            return Logged()
        def use(self, value):
            return value
"""
MIDDLE = """
    class Default(WorkerEntrypoint):
        async def through(self, seconds=60):
            try:
                return await self.env.END.slow(seconds)
            except asyncio.CancelledError:
                log("middle cancelled")
                raise
        def straight(self, seconds=60):
            return self.env.END.slow(seconds)
        async def bounded(self, inner, seconds):
            async with deadline(inner):
                return await self.env.END.slow(seconds)
        async def caught(self, inner, seconds):
            try:
                async with deadline(inner):
                    return await self.env.END.slow(seconds)
            except TimeoutError:
                log("middle timed out")
                return "caught"
"""
CUT = ["slow starts", "slow cancelled"]


@pytest.fixture
def env(world):
    """A Worker `end` that is slow, and `middle` that calls it."""
    world.deploy(END, "end")
    env = world.deploy(MIDDLE, "middle", END="end")
    world.sandbox.workers["middle"].module.deadline = rpclab.deadline
    return env


async def waiting(promise):
    """Await a promise in a task that has begun."""

    async def wait():
        return await promise

    task = asyncio.create_task(wait())
    await asyncio.sleep(1)
    return task


async def cancel(*tasks):
    """Cancel tasks and let the news travel."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * len(tasks)
    await asyncio.sleep(1)


async def test_a_cancelled_await_cancels_the_call(world, env):
    await cancel(await waiting(env.END.slow()))
    assert world.log == CUT


@pytest.mark.parametrize(
    ("method", "expected"),
    [("through", ["slow starts", "middle cancelled", "slow cancelled"]), ("straight", CUT)],
)
async def test_a_cancelled_await_cancels_over_every_hop(world, env, method, expected):
    await cancel(await waiting(env.MIDDLE[method]()))
    assert sorted(world.log) == sorted(expected)


async def test_a_call_that_another_task_awaits_goes_on(world, env):
    promise = env.END.slow()
    first, second = await waiting(promise), await waiting(promise)
    await cancel(first)
    assert await second == "slow"
    assert world.log == ["slow starts", "slow ends"]


async def test_a_call_is_cancelled_when_all_who_awaited_it_are(world, env):
    promise = env.END.slow()
    await cancel(await waiting(promise), await waiting(promise))
    assert world.log == CUT


async def test_a_call_on_which_another_was_pipelined_goes_on(world, env):
    promise = env.END.target()
    name = promise.m()
    await cancel(await waiting(promise))
    assert await name == "T"


async def test_a_call_whose_promise_is_an_argument_goes_on(env):
    promise = env.END.slow()
    used = env.END.use(promise)
    await cancel(await waiting(promise))
    assert await used == "slow"


async def test_a_call_given_to_wait_until_goes_on(world, env):
    async with world.event():
        promise = env.END.slow()
        rpclab.wait_until(promise)
        await cancel(await waiting(promise))
    await asyncio.sleep(100)
    assert world.log == ["slow starts", "slow ends"]


async def test_a_cancelled_call_that_is_awaited_again_says_who_cancelled_it(env):
    promise = env.END.slow()
    await cancel(await waiting(promise))
    for use in promise, promise, promise.m():
        error = await failure(use)
        assert type(error) is rpclab.CallCancelledError
        assert str(error) == "The call was cancelled: its await was cancelled."
        assert error.remote is False


async def test_a_pipelined_call_is_cancelled_and_the_one_before_it_goes_on(world, env):
    promise = env.END.target()
    await cancel(await waiting(promise.m()))
    assert isinstance(await promise, rpclab.RpcStub)
    assert world.log == ["slow starts", "slow ends"]


async def test_disposing_cancels_nothing(world, env):
    env.END.slow().dispose()
    await asyncio.sleep(100)
    assert world.log == ["slow starts", "slow ends"]


async def test_a_cancelled_gather_cancels_its_calls(world, env):
    async def both():
        await rpclab.gather(env.END.slow(), env.END.slow())

    await cancel(await waiting(both()))
    assert world.log == ["slow starts"] * 2 + ["slow cancelled"] * 2


async def test_asyncio_timeout_and_wait_for_cancel_the_call(world, env):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(env.END.slow(), 5)
    # Before Python 3.12 `wait_for` itself gives the loop the pass in which the method hears of it.
    await asyncio.sleep(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await env.END.slow()
    await asyncio.sleep(1)
    assert world.log == CUT * 2


async def test_C26_W7_a_call_whose_context_ends_is_cut_off_over_every_hop(world, env):
    async with world.event():
        promise = env.MIDDLE.through()
        await asyncio.sleep(1)
    await asyncio.sleep(1)
    assert sorted(world.log) == ["middle cancelled", "slow cancelled", "slow starts"]
    error = await failure(promise)
    assert type(error) is rpclab.CallCancelledError
    assert "the context of notebook that made it ended" in str(error)


async def test_a_deadline_cancels_over_every_hop_and_raises_timeout_here(world, env):
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5):
            await env.MIDDLE.through()
    assert loop.time() - start == pytest.approx(5)
    await asyncio.sleep(1)
    assert sorted(world.log) == ["middle cancelled", "slow cancelled", "slow starts"]


async def test_a_deadline_that_is_kept_changes_nothing(world, env):
    special = world.sandbox.engine.special
    async with rpclab.deadline(50) as block:
        assert await env.MIDDLE.through(5) == "slow"
        assert block.when == pytest.approx(50)
    await asyncio.sleep(100)
    assert world.log == ["slow starts", "slow ends"]
    assert world.sandbox.engine.special == special


async def test_a_deadline_cancels_calls_made_in_it_that_nobody_awaits(world, env):
    async def block():
        async with rpclab.deadline(5):
            env.END.slow()
            env.END.slow().m()
            await asyncio.sleep(10)

    assert type(await failure(block())) is TimeoutError
    await asyncio.sleep(1)
    assert world.log == ["slow starts"] * 2 + ["slow cancelled"] * 2


async def test_a_call_that_a_deadline_cancelled_says_so_when_awaited_later(env):
    promises = []

    async def block():
        async with rpclab.deadline(5):
            promises.append(env.END.slow())
            await asyncio.sleep(10)

    assert type(await failure(block())) is TimeoutError
    error = await failure(promises[0])
    assert (type(error), str(error)) == (
        rpclab.CallCancelledError, "The call was cancelled: its deadline passed.",
    )  # fmt: skip


async def test_the_tighter_deadline_of_a_worker_raises_timeout_there(world, env):
    async with rpclab.deadline(50):
        error = await failure(env.MIDDLE.bounded(5, 60))
        assert type(error) is TimeoutError
        assert error.remote is True
        await asyncio.sleep(1)
        assert await env.MIDDLE.caught(5, 60) == "caught"
    await asyncio.sleep(1)
    assert world.log[:3] == [*CUT, "slow starts"]
    assert sorted(world.log[3:]) == ["middle timed out", "slow cancelled"]


async def test_an_inner_deadline_cannot_lengthen_an_outer_one(world, env):
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5), rpclab.deadline(500):
            await env.END.slow()
    assert loop.time() - start == pytest.approx(5)
    await asyncio.sleep(1)
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5):
            await env.MIDDLE.caught(500, 600)
    assert loop.time() - start == pytest.approx(11)
    await asyncio.sleep(1)
    assert world.log == CUT * 2


async def test_an_inner_deadline_may_be_tighter_and_the_outer_block_goes_on(world, env):
    async with rpclab.deadline(50):
        with pytest.raises(TimeoutError):
            async with rpclab.deadline(5):
                await env.END.slow()
        await asyncio.sleep(1)
        assert await env.END.slow(5) == "slow"
    assert world.log == [*CUT, "slow starts", "slow ends"]


async def test_a_deadline_holds_for_every_call_of_a_chain(world, env):
    async def block():
        async with rpclab.deadline(5):
            await env.END.target(4).m()
            await env.END.use(env.END.target().m())

    assert type(await failure(block())) is TimeoutError
    await asyncio.sleep(100)
    assert world.log[:2] == ["slow starts", "slow ends"]
    assert world.log[-1] != "slow ends"


async def test_a_deadline_that_has_passed_stops_calls_made_after_it(world, env):
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(0):
            await env.END.slow()
    await asyncio.sleep(100)
    assert "slow ends" not in world.log


async def test_a_callback_is_held_to_the_deadline_of_the_call_that_runs_it(world, env):
    world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def run(self, callback):
                return await callback()
        """,
    )

    async def callback():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            world.log.append("callback cancelled")
            raise

    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5):
            await env.CALLEE.run(callback)
    await asyncio.sleep(1)
    assert world.log == ["callback cancelled"]


async def test_an_error_in_a_deadline_block_passes_through(env):
    with pytest.raises(KeyError):
        async with rpclab.deadline(5):
            raise KeyError
    with pytest.raises(TypeError):
        async with rpclab.deadline(5):
            await env.END.nothing()
