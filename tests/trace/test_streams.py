"""Streams of a recording: what was on its way and unread, and when the writer was held back."""

import asyncio

import rpclab
from rpclab.core.flow import FIRST_WINDOW
from rpclab.trace.streams import streams

READER = """
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def read(self, stream):
        async for chunk in stream:
            await asyncio.sleep(1)

    async def half(self, sink):
        await sink.write(b"x")

    async def peek(self, stream):
        await stream.read()
        await stream.cancel()
"""
WRITER = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def fill(self, sink):
        async with sink:
            for _ in range(20):
                await sink.write(b"x" * 60_000)
"""
CHUNK = b"x" * 60_000  # a larger one would travel in pieces


async def read(sandbox, method, chunks):
    sandbox.deploy("reader", source=READER)
    reader = sandbox.bind(READER="reader").READER
    await reader[method](rpclab.ReadableStream([CHUNK] * chunks))
    [series] = streams(sandbox.recording)
    return series


async def test_a_slow_reader_holds_the_writer_back(sandbox):
    series = await read(sandbox, "read", 20)
    assert (series.sender, series.receiver, series.chunks) == ("notebook", "reader", 20)
    assert series.outcome == "closed"
    assert series.held_back
    assert all(gap.end is not None and gap.end >= gap.begin for gap in series.held_back)
    waited = sum(gap.end - gap.begin for gap in series.held_back)
    assert 5 < waited < 20


async def test_bytes_are_sent_then_in_flight_then_read(sandbox):
    series = await read(sandbox, "read", 20)
    last = series.points[-1]
    assert last.sent == last.read >= 20 * len(CHUNK)
    assert (last.in_flight, last.buffered) == (0, 0)
    for point in series.points:
        assert 0 <= point.buffered <= point.in_flight <= point.sent
        assert point.window is None or point.in_flight <= point.window + 2 * len(CHUNK)


async def test_the_window_is_known_from_the_first_chunk_on(sandbox):
    series = await read(sandbox, "read", 20)
    first = next(point for point in series.points if point.in_flight)
    assert [p.window for p in series.points if p.time == first.time][-1] == FIRST_WINDOW


async def test_a_stream_that_nobody_reads_any_more_is_cancelled(sandbox):
    series = await read(sandbox, "peek", 80)
    assert series.outcome == "cancelled"
    assert series.closed is not None
    assert series.chunks < 80


async def test_a_writer_that_is_gone_without_a_close_has_broken_the_stream_off(sandbox):
    sandbox.deploy("reader", source=READER)
    got = []
    await sandbox.bind(READER="reader").READER.half(rpclab.WritableStream(got.append))
    [series] = streams(sandbox.recording)
    assert (got, series.sender, series.outcome) == ([b"x"], "reader", "aborted")
    assert series.closed is not None


async def test_a_writer_that_goes_on_after_a_trace_is_not_part_of_it(sandbox):
    got, full = [], asyncio.Event()

    async def take(chunk):
        await full.wait()
        got.append(chunk)

    sandbox.deploy("writer", source=WRITER)
    with sandbox.trace() as trace:
        filling = sandbox.bind(WRITER="writer").WRITER.fill(rpclab.WritableStream(take))
        await asyncio.sleep(1)
    [series] = streams(trace.recording)
    assert series.held_back[-1].end is None
    before = trace.recording.mark
    full.set()
    await filling
    assert (trace.recording.mark, len(got)) == (before, 20)


async def test_a_stream_of_a_session_that_was_opened_anew_is_another_one(sandbox):
    first = await read(sandbox, "read", 2)
    sandbox.reset()
    sandbox.deploy("reader", source=READER)
    await sandbox.bind(READER="reader").READER.read(rpclab.ReadableStream([CHUNK] * 3))
    again, second = streams(sandbox.recording)
    assert again == first
    assert (second.id, second.number, second.chunks) == (first.id, 2, 3)
    assert (second.outcome, second.points[-1].read) == ("closed", second.points[-1].sent)
