"""Chains of any length: calls pipelined on calls, behind a method that has not returned."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

import rpclab

NODES = """
    class Node(RpcTarget):
        def __init__(self):
            self._steps = 0
        def next(self, number=0):
            self._steps += 1
            return self
        def steps(self):
            return self._steps
        @property
        def below(self):
            self._steps += 1
            return self
        def dispose(self):
            pass
    class Default(WorkerEntrypoint):
        async def later(self):
            await sleep(1)
            return Node()
        def at_once(self):
            return Node()
        async def fail_later(self):
            await sleep(1)
            raise ValueError("no")
        async def forwarded(self):
            await sleep(1)
            return self.env.OTHER.later()
        async def number(self):
            await sleep(1)
            return 0
        async def plus(self, number):
            return number + 1
"""


@pytest.fixture
def env(world):
    """Bindings to two such Workers."""
    world.deploy(NODES, "other")
    return world.deploy(NODES, OTHER="other")


def chain(promise, length):
    for _ in range(length):
        promise = promise.next()
    return promise


async def answer(promise):
    """What a call gives, within a minute."""
    return await asyncio.wait_for(promise, 60)


@pytest.mark.parametrize("length", [50, *[pytest.param(n) for n in (110, 100_000)]])
@pytest.mark.parametrize("method", ["later", "forwarded"])
async def test_calls_pipelined_behind_an_async_method_are_answered(env, method, length):
    assert await answer(chain(env.CALLEE[method](), length).steps()) == length


@pytest.mark.parametrize("length", [50, 110, 1000])
async def test_calls_pipelined_behind_a_method_that_returned_are_answered(env, length):
    assert await answer(chain(env.CALLEE.at_once(), length).steps()) == length


@pytest.mark.parametrize("length", [50, pytest.param(1000)])
async def test_a_chain_behind_a_method_that_fails_is_rejected(env, length):
    error = await answer(failure(chain(env.CALLEE.fail_later(), length).steps()))
    assert (type(error), str(error)) == (ValueError, "no")


@pytest.mark.parametrize("length", [50, pytest.param(1000)])
async def test_a_chain_behind_a_call_that_is_cancelled_is_rejected(env, length):
    async with asyncio.timeout(60):
        with pytest.raises(TimeoutError):
            async with rpclab.deadline(0.5):
                await chain(env.CALLEE.later(), length).steps()


@pytest.mark.parametrize("length", [50, 1000])
async def test_arguments_that_wait_for_arguments_are_answered(env, length):
    """Each call waits for the result of the one before it."""
    number = env.CALLEE.number()
    for _ in range(length):
        number = env.CALLEE.plus(number)
    assert await answer(number) == length


@pytest.mark.parametrize("length", [50, 1000])
async def test_calls_held_back_behind_one_argument_are_answered(env, length):
    node = await env.CALLEE.at_once()
    held = node.next(env.CALLEE.later().steps())
    behind = [node.next() for _ in range(length)]
    await answer(rpclab.gather(held, *behind))
    assert await node.steps() == length + 1


CYCLIC = """
    class Default(WorkerEntrypoint):
        def cycle(self, t):
            result = {"first": {}}
            result["self"] = result["first"]["up"] = result
            result["t"] = t
            return result
        async def cycle_later(self, t):
            await sleep(1)
            return self.cycle(t)
        def without(self, t):
            result = [t]
            result.append(result)
            return {"list": result, "t": t}
"""


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("cycle"),
        pytest.param("cycle_later"),
        "without",
    ],
)
async def test_ones_own_object_comes_home_in_a_result_with_a_cycle(world, method):
    class Mine(rpclab.RpcTarget):
        async def note(self, number):
            world.log.append(number)
            await asyncio.sleep(2)

    promise = world.deploy(CYCLIC).CALLEE[method](Mine())
    calls = [promise["t"].note(number) for number in range(3)]
    result = await answer(promise)
    calls += [result["t"].note(3), promise["t"].note(4)]
    await answer(rpclab.gather(*calls))
    assert world.log == [0, 1, 2, 3, 4]
