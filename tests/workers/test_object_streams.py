"""Streams of Durable Objects, whose context lasts: what nobody reads any more is let go."""

from __future__ import annotations

import asyncio
import gc

import pytest

import rpclab

OBJ = """
    from workers import ReadableStream

    async def copied(stream):
        async for chunk in stream:
            yield chunk

    class Obj(DurableObject):
        async def ignore(self, stream):
            pass
        async def begin(self, stream):
            await stream.read()
        async def through(self, stream):
            return ReadableStream(copied(stream))
        async def keep(self, stream):
            self._kept = stream
        async def read_kept(self):
            return await self._kept.text()
        async def write(self, target):
            await target.write("x")
        async def give(self):
            async def endless():
                try:
                    while True:
                        yield b"x" * 1000
                finally:
                    log("over")
            return ReadableStream(endless())
"""


@pytest.fixture
def obj(world):
    world.deploy(OBJ)
    return world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")


@pytest.fixture
def source():
    """An endless source, and whether it is over."""
    over = []

    async def endless():
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.01)
        finally:
            over.append(True)

    return rpclab.ReadableStream(endless()), over


async def settle():
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(1)


def calls_left(world):
    tables = (world.sandbox.tables(), world.sandbox.tables("callee"))
    return [entry for table in tables for part in table for entry in part if entry[1] > 0]


@pytest.mark.parametrize("method", ["ignore", "begin"])
async def test_S9_a_stream_that_an_object_leaves_unread_is_cancelled(world, obj, source, method):
    stream, over = source
    await getattr(obj, method)(stream)
    await settle()
    assert over == [True]
    assert calls_left(world) == []


@pytest.mark.parametrize("cancels", [True, False])
async def test_S9_cancelling_what_an_object_makes_of_a_stream_frees_both(
    world, obj, source, cancels
):
    stream, over = source
    made = await obj.through(stream)
    assert await made.read()
    if cancels:
        await made.cancel()
    del made
    await settle()
    assert over == [True]
    assert calls_left(world) == []


async def test_S16_a_writable_stream_that_an_object_forgets_is_aborted(world, obj):
    told = []
    await obj.write(rpclab.WritableStream(told.append, abort=lambda _: told.append("aborted")))
    await settle()
    assert told == [b"x", "aborted"]
    assert calls_left(world) == []


async def test_an_object_may_keep_a_stream_from_one_call_to_the_next(obj):
    await obj.keep(rpclab.ReadableStream(["a", "b"]))
    await settle()
    assert await obj.read_kept() == "ab"


async def test_S9_a_stream_that_an_object_keeps_ends_when_it_leaves_memory(world, obj, source):
    stream, over = source
    await obj.keep(stream)
    await settle()
    assert over == []
    assert world.sandbox.evict("callee#Obj") == 1
    await settle()
    assert over == [True]
    assert calls_left(world) == []


async def test_a_stream_that_an_object_gave_goes_on_until_it_leaves_memory(world, obj):
    stream = await obj.give()
    await settle()
    assert len(await stream.read_exactly(1_000_000)) == 1_000_000
    assert world.log == []
    world.sandbox.evict("callee#Obj")
    with pytest.raises(rpclab.DisconnectedError):
        await stream.bytes()
    await settle()
    assert world.log == ["over"]
    del stream
    await settle()
    assert calls_left(world) == []
