"""Two hundred random streams: what comes out is what went in, or its beginning; nothing is left."""

from __future__ import annotations

import asyncio
import gc
import random

import pytest

import rpclab
from rpclab import ReadableStream, WritableStream

SEEDS = 200
GROUP = 20

WORKER = """
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def same(self, stream):
        return stream
    async def onward(self, stream):
        return await self.env.NEXT.same(stream)
    async def hand_on(self, stream, way):
        name, *rest = way
        if rest:
            return await getattr(self.env, name).hand_on(stream, rest)
        return await getattr(self.env, name).same(stream)
"""
NAMES = ("A", "B", "C")


class Plan:
    """What one stream goes through.

    Args:
        chance: decides all of it.
    """

    def __init__(self, chance):
        sizes = (1, 3, 1000, 65536, 65537, 200_000)
        self.chunks = [
            chance.randbytes(chance.choice(sizes)) for _ in range(chance.choice((0, 1, 5, 30)))
        ]
        self.data = b"".join(self.chunks)
        self.ways = [
            [chance.choice(NAMES) for _ in range(chance.randrange(1, 4))]
            for _ in range(chance.randrange(1, 3))
        ]
        self.writable = chance.random() < 0.4
        self.source_pause = chance.choice((0, 0, 0.01))
        self.reader_pause = chance.choice((0, 0, 0.01))
        self.read_size = chance.choice((None, None, 1000, 70_000))
        somewhere = chance.randrange(len(self.data) + 1)
        self.breaks_after = somewhere if chance.random() < 0.2 else None
        self.stops_after = somewhere if chance.random() < 0.2 else None
        self.disturbed = self.breaks_after is not None or self.stops_after is not None


Broke = IndexError  # what a source or sink of these tests raises; it keeps its class on the way


async def source(plan):
    sent = 0
    for chunk in plan.chunks:
        if plan.source_pause:
            await asyncio.sleep(plan.source_pause)
        if plan.breaks_after is not None and sent >= plan.breaks_after:
            raise Broke
        yield chunk
        sent += len(chunk)


async def travelled(sandbox, plan, stream):
    """The stream after all its ways through the Workers."""
    for first, *rest in plan.ways:
        worker = getattr(sandbox.env, first)
        stream = await (worker.hand_on(stream, rest) if rest else worker.same(stream))
    return stream


async def read(sandbox, plan):
    """Send a readable stream on its ways, and read it. Gives what came out."""
    stream = await travelled(sandbox, plan, ReadableStream(source(plan)))
    got = bytearray()
    try:
        while piece := await stream.read(plan.read_size):
            got += piece
            await asyncio.sleep(plan.reader_pause)
            if plan.stops_after is not None and len(got) >= plan.stops_after:
                await stream.cancel("enough")
    except rpclab.DisconnectedError:
        assert plan.breaks_after is not None
    return bytes(got)


async def write(sandbox, plan):
    """Send a writable stream on its ways, and write to it. Gives what reached the sink."""
    got = bytearray()
    closed = []

    async def take(chunk):
        await asyncio.sleep(plan.reader_pause)
        if plan.stops_after is not None and len(got) >= plan.stops_after:
            raise Broke
        got.extend(chunk)

    stream = await travelled(sandbox, plan, WritableStream(take, close=lambda: closed.append(True)))
    try:
        async with stream:
            async for chunk in source(plan):
                await stream.write(chunk)
    except Broke:
        assert plan.disturbed
    else:
        assert closed == [True]
    return bytes(got)


async def play(sandbox, seed):
    """Run one stream, and check what came out."""
    plan = Plan(random.Random(seed))  # noqa: S311 - each run is the same
    got = await (write if plan.writable else read)(sandbox, plan)
    assert plan.data.startswith(got), seed
    if not plan.disturbed:
        assert got == plan.data, seed


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
async def test_what_comes_out_is_what_went_in_or_its_beginning(first):
    async with rpclab.Sandbox(record=first % 40 == 0) as sandbox:
        others = {name: name.lower() for name in NAMES}
        for name in others.values():
            sandbox.deploy(name, source=WORKER, bind=others)
        sandbox.bind(**others)
        names = ("notebook", *others.values())
        for worker in NAMES:
            for other in (None, *NAMES):  # a binding is taken when it is first used
                await getattr(sandbox.env, worker).hand_on("", [other] if other else ["A"])
        before = {name: sandbox.tables(name) for name in names}
        if first % 3 == 0:
            await asyncio.gather(*[play(sandbox, seed) for seed in range(first, first + GROUP)])
        else:
            for seed in range(first, first + GROUP):
                await play(sandbox, seed)
        gc.collect()
        await asyncio.sleep(1)
        assert {name: sandbox.tables(name) for name in names} == before
