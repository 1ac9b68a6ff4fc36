"""A stream in a promised argument belongs to the call that it is given to, whatever else waits."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

from rpclab.errors import READER_GONE

MAKER = """
    from rpclab import ReadableStream
    class Default(WorkerEntrypoint):
        async def stream(self, seconds):
            await sleep(seconds)
            return {"stream": ReadableStream(chunks())}
        async def number(self, seconds):
            await sleep(seconds)
            return 1
        async def bad(self, seconds):
            await sleep(seconds)
            raise ValueError("bad")

    async def chunks():
        try:
            for number in range(100):
                await sleep(0.1)
                yield bytes([number])
        finally:
            log("the source is closed")
"""
CALLEE = """
    kept = None
    class Default(WorkerEntrypoint):
        async def keep(self, given, number):
            global kept
            kept = given["stream"]
            return await kept.read_exactly(1)
        async def whole(self, given, number):
            return len(await given["stream"].bytes())
        async def rest(self):
            return await kept.read_exactly(1)
"""


@pytest.fixture
def env(world):
    world.deploy(MAKER, name="maker")
    return world.deploy(CALLEE, name="callee")


# Which of the two arguments is there first, and whether both are when the call arrives.
ORDERS = [(0, 0), (1, 5), (5, 1)]


@pytest.mark.parametrize(("stream", "number"), ORDERS)
async def test_it_is_read_in_the_call(env, stream, number):
    assert await env.CALLEE.whole(env.MAKER.stream(stream), env.MAKER.number(number)) == 100


@pytest.mark.parametrize(("stream", "number"), ORDERS)
async def test_it_ends_with_the_call(world, env, stream, number):
    assert await env.CALLEE.keep(env.MAKER.stream(stream), env.MAKER.number(number)) == b"\0"
    await asyncio.sleep(1)
    assert world.log == ["the source is closed"]
    assert str(await failure(env.CALLEE.rest())) == READER_GONE


@pytest.mark.parametrize(("stream", "bad"), ORDERS)
async def test_it_is_given_back_where_another_argument_fails(world, env, stream, bad):
    error = await failure(env.CALLEE.keep(env.MAKER.stream(stream), env.MAKER.bad(bad)))
    assert (type(error), str(error)) == (ValueError, "bad")
    await asyncio.sleep(10)
    assert world.log in (["the source is closed"], [])  # it may not have begun
    assert not any(world.sandbox.tables(name).imports for name in ("maker", "callee"))


@pytest.mark.parametrize("stream", [1, 5])
async def test_it_is_given_back_where_the_caller_gives_up(world, env, stream):
    call = asyncio.ensure_future(env.CALLEE.keep(env.MAKER.stream(stream), env.MAKER.number(20)))
    await asyncio.sleep(3)
    call.cancel()
    await asyncio.sleep(30)
    assert not any(world.sandbox.tables(name).imports for name in ("maker", "callee"))
