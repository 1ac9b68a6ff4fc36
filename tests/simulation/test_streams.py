"""Streams over links: they fill the link, follow the reader, and let others by."""

from __future__ import annotations

import asyncio

import pytest
from support.clocks import on_a_virtual_clock

import rpclab
from rpclab import ReadableStream, WritableStream
from rpclab.core.flow import FIRST_WINDOW, LEAST_WINDOW

KIB = 1024

SOURCE = """
import asyncio
from workers import ReadableStream, WorkerEntrypoint, WritableStream

class Default(WorkerEntrypoint):
    async def count(self, stream, pause=0):
        count = 0
        async for chunk in stream:
            count += len(chunk)
            if pause:
                await asyncio.sleep(pause)
        return count
    def down(self, chunks, size):
        return ReadableStream(bytes(size) for _ in range(chunks))
    async def sink(self):
        return WritableStream(lambda chunk: None)
    def same(self, value):
        return value
    async def relay(self, stream):
        return await self.env.NEXT.count(stream)
    def ping(self):
        return "pong"
"""


@pytest.fixture
def sandbox():
    with on_a_virtual_clock(SOURCE) as sandbox:
        yield sandbox


async def rate(sandbox, transfer):
    """Bytes a second of virtual time."""
    start = sandbox.time()
    count = await transfer
    return count / (sandbox.time() - start)


def upload(chunks, size=64 * KIB):
    return ReadableStream(bytes(size) for _ in range(chunks))


def windows(sandbox):
    """The windows after each credit that the recording knows of."""
    kinds = [event for event in sandbox.recording if type(event).__name__ == "CreditGiven"]
    return [event.window for event in kinds]


@pytest.mark.parametrize("size", [4 * KIB, 64 * KIB, 1024 * KIB])
async def test_a_stream_reaches_four_fifths_of_the_bandwidth(sandbox, size):
    sandbox.link("notebook", "a", rtt="100ms", bandwidth="1MB/s")
    chunks = 8 * 1024 * KIB // size
    assert await rate(sandbox, sandbox.env.A.count(upload(chunks, size))) > 0.8e6


async def test_it_does_so_downwards_and_when_it_is_written(sandbox):
    sandbox.link("notebook", "a", rtt="100ms", bandwidth="1MB/s")

    async def down():
        return len(await (await sandbox.env.A.down(128, 64 * KIB)).bytes())

    async def written():
        async with await sandbox.env.A.sink() as sink:
            for _ in range(128):
                await sink.write(bytes(64 * KIB))
        return 128 * 64 * KIB

    assert await rate(sandbox, down()) > 0.8e6
    assert await rate(sandbox, written()) > 0.8e6


async def test_over_two_links_the_slower_one_is_filled(sandbox):
    sandbox.link("notebook", "a", rtt="100ms", bandwidth="10MB/s")
    sandbox.link("a", "b", rtt="100ms", bandwidth="1MB/s")
    assert await rate(sandbox, sandbox.env.A.relay(upload(256))) > 0.8e6
    assert max(windows(sandbox)) < 2**20


async def test_a_slow_reader_shrinks_the_window(sandbox):
    sandbox.link("notebook", "a", rtt="100ms", bandwidth="10MB/s")
    await sandbox.env.A.count(upload(500))
    wide = windows(sandbox)[-1]
    await sandbox.env.A.count(upload(40), 0.5)
    assert wide > FIRST_WINDOW
    assert windows(sandbox)[-1] == LEAST_WINDOW


async def test_a_call_beside_a_stream_waits_for_a_window_at_most(sandbox):
    sandbox.link("notebook", "a", rtt="100ms", bandwidth="1MB/s")
    counting = sandbox.env.A.count(upload(1500))
    delays = []
    for _ in range(8):
        await sandbox.sleep(10)
        start = sandbox.time()
        await sandbox.env.A.ping()
        delays.append(sandbox.time() - start)
    await counting
    # A window of at most 512 KiB is before it, at 1 MB/s, and then the way there and back.
    assert max(delays) < 0.7


async def test_a_link_that_is_cut_holds_a_stream_up_and_loses_nothing(sandbox):
    sandbox.link("notebook", "a", rtt="100ms", bandwidth="1MB/s")
    counting = sandbox.env.A.count(upload(64))
    await sandbox.sleep(1)
    sandbox.link("notebook", "a", up=False)
    await sandbox.sleep(50)
    sandbox.link("notebook", "a", up=True)
    assert await counting == 64 * 64 * KIB
    assert sandbox.time() > 50


async def test_a_link_that_breaks_breaks_the_streams_on_it(sandbox):
    sandbox.link("notebook", "a", rtt="100ms", bandwidth="1MB/s")
    reasons = []
    counting = sandbox.env.A.count(
        ReadableStream((bytes(64 * KIB) for _ in range(10**9)), cancel=reasons.append)
    )
    down = await sandbox.env.A.down(10**9, 1000)
    await down.read()
    sandbox.break_link("notebook", "a")
    with pytest.raises(rpclab.DisconnectedError):
        await counting
    with pytest.raises(rpclab.DisconnectedError):
        await down.bytes()
    await asyncio.sleep(0)
    assert isinstance(reasons[0], rpclab.DisconnectedError)


@pytest.mark.parametrize("rtt", [0, 0.3])
async def test_a_read_a_chunk_and_a_flush_take_the_time_of_their_way(sandbox, rtt):
    sandbox.link("notebook", "a", rtt=rtt)
    stream = await sandbox.env.A.down(3, 10)
    assert sandbox.time() == pytest.approx(rtt, abs=1e-6)
    assert await stream.bytes() == bytes(30)  # it came behind the result
    assert sandbox.time() == pytest.approx(rtt, abs=1e-6)
    sink = await sandbox.env.A.sink()
    await sink.write(b"x")
    assert sandbox.time() == pytest.approx(2 * rtt, abs=1e-6)
    await sink.flush()
    assert sandbox.time() == pytest.approx(3 * rtt, abs=1e-6)
    await sink.close()
    assert sandbox.time() == pytest.approx(4 * rtt, abs=1e-6)


async def test_a_sink_of_ones_own_that_went_round_takes_both_ways(sandbox):
    sandbox.link("notebook", "a", rtt=1)
    got = []
    sink = await sandbox.env.A.same(WritableStream(got.append))
    await sink.write(b"x")
    await sink.flush()
    assert got == [b"x"]
    assert sandbox.time() == pytest.approx(3, abs=1e-6)


async def down(env):
    return len(await (await env.A.down(3, 10)).bytes())


async def down_in_three_windows(env):
    return len(await (await env.A.down(4000, 10)).bytes())


async def up(env):
    return await env.A.count(upload(3))


async def up_in_windows(env):
    return await env.A.count(upload(20))


async def up_and_on(env):
    return await env.A.relay(upload(20))


async def there_and_back(env):
    return await (await env.A.same(ReadableStream(["a", "b"]))).text()


async def written_flushed_closed(env):
    sink = await env.A.sink()
    for _ in range(3):
        await sink.write(b"x")
    await sink.flush()
    await sink.close()


async def written_all_around_in_windows(env):
    async with await env.A.same(WritableStream(lambda chunk: None)) as sink:
        for _ in range(12):
            await sink.write(bytes(64 * KIB))


PROGRAMS = {
    down: 1,
    down_in_three_windows: 3,
    up: 1,
    up_in_windows: 3,
    up_and_on: 6,
    there_and_back: 1,
    written_flushed_closed: 3,
    written_all_around_in_windows: 7,
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_credits_count_as_round_trips_and_as_seconds_on_links_of_a_second(sandbox, program):
    for ends in (("notebook", "a"), ("notebook", "b"), ("a", "b")):
        sandbox.link(*ends, rtt=1)
    with sandbox.trace() as trace:
        await program(sandbox.env)
    assert sandbox.time() == pytest.approx(PROGRAMS[program], abs=1e-6)
    assert (trace.round_trips, trace.saved) == (PROGRAMS[program], 0)
