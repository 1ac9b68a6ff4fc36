"""How fast a Worker reads streams can be bounded, and changed while it reads."""

import asyncio

import pytest

import rpclab

READER = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def read(self, stream):
        return sum([len(chunk) async for chunk in stream])
"""


@pytest.fixture
def env(sandbox):
    sandbox.deploy("reader", source=READER)
    return sandbox.bind(READER="reader")


def stream(chunks=100):
    return rpclab.ReadableStream([b"x" * 10_000] * chunks)


async def test_a_reader_takes_the_time_that_its_pace_asks_for(sandbox, env):
    sandbox.pace("reader", "100kB/s")
    began = sandbox.time()
    assert await env.READER.read(stream()) == 1_000_000
    assert sandbox.time() - began == pytest.approx(10)


async def test_a_pace_that_is_taken_away_counts_at_once(sandbox, env):
    sandbox.pace("reader", 1000)
    began = sandbox.time()
    reading = asyncio.ensure_future(env.READER.read(stream()))
    await asyncio.sleep(3)
    sandbox.pace("reader", "unlimited")
    assert await reading == 1_000_000
    assert sandbox.time() - began < 3.1


async def test_a_slow_reader_holds_the_writer_back(sandbox, env):
    given = []

    def chunks():
        for number in range(200):
            given.append(number)
            yield b"x" * 10_000

    sandbox.pace("reader", "100kB/s")
    reading = asyncio.ensure_future(env.READER.read(rpclab.ReadableStream(chunks())))
    await asyncio.sleep(5)
    assert 50 <= len(given) < 150
    assert await reading == 2_000_000


async def test_other_readers_are_as_fast_as_before(sandbox, env):
    sandbox.deploy("other", source=READER)
    sandbox.pace("reader", 10)
    began = sandbox.time()
    await sandbox.bind(OTHER="other").OTHER.read(stream())
    assert sandbox.time() == began


@pytest.mark.parametrize("speed", [0, -1, "quick", "80ms"])
def test_a_pace_is_a_rate(sandbox, speed):
    with pytest.raises(ValueError, match="speed"):
        sandbox.pace("reader", speed)
