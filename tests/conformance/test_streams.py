"""Area S: ReadableStream and WritableStream as arguments and results."""

from __future__ import annotations

import asyncio

import pytest
from support.ids import by_repr
from support.world import failure

import rpclab
from rpclab import ReadableStream, StreamClosedError, StreamLockedError, WritableStream
from rpclab.core.flow import FIRST_WINDOW
from rpclab.errors import (
    READABLE_BROKEN,
    READABLE_IN_USE,
    READABLE_LOCKED,
    READER_GONE,
    WRITABLE_CLOSED,
    WRITABLE_LOCKED,
    WRITER_GONE,
    DisconnectedError,
)

KIB = 1024

WORKER = """
    from workers import ReadableStream, WritableStream

    class Default(WorkerEntrypoint):
        def hello(self):
            return ReadableStream(["hello ", "world"])
        def of(self, *chunks):
            return ReadableStream(chunks)
        async def read(self, s):
            return await s.text()
        async def read_in(self, value):
            return [await s.text() for s in value["list"]]
        async def take(self, s):
            return await attempt(s.text())
        def same(self, s):
            return s
        def upper(self, s):
            async def chunks():
                async for chunk in s:
                    yield chunk.upper()
            return ReadableStream(chunks())
        async def fill(self, w, *chunks):
            for chunk in chunks:
                await w.write(chunk)
            await w.close()
            return isinstance(w, WritableStream)
        def sink(self):
            return WritableStream(
                lambda chunk: log(["got", chunk]), close=lambda: log("closed"),
                abort=lambda reason: log(["aborted", reason]))
"""


@pytest.fixture
def worker(world):
    return world.deploy(WORKER).CALLEE


def gone(reason, words):
    """Whether that is the error of a stream whose other end is gone."""
    return isinstance(reason, DisconnectedError) and str(reason) == words and reason.retryable


async def test_S1_a_stream_can_be_a_result_and_is_a_normal_one(worker):
    stream = await worker.hello()
    assert isinstance(stream, ReadableStream)
    assert not stream.locked
    one, other = stream.tee()
    assert [await one.text(), await other.text()] == ["hello world"] * 2


async def test_S1_a_stream_can_be_an_argument_or_stand_in_one(worker):
    assert await worker.read(ReadableStream(["from ", "caller"])) == "from caller"
    pair = [ReadableStream(["in "]), ReadableStream(["a dict"])]
    assert await worker.read_in({"list": pair}) == ["in ", "a dict"]


async def test_S1_the_reader_chooses_how_much_it_reads(worker):
    stream = await worker.of(b"abcdefgh")
    parts = [await stream.read(3) for _ in range(4)]
    assert parts == [b"abc", b"def", b"gh", b""]


@pytest.mark.parametrize(
    ("chunk", "arrives"),
    [
        (b"hi", b"hi"),
        (bytearray(b"hi"), b"hi"),
        (memoryview(b"hi"), b"hi"),
        (memoryview(b"high")[:2], b"hi"),
        ("hé", b"h\xc3\xa9"),
    ],
    ids=by_repr,
)
async def test_S2_chunks_are_byte_buffers_or_texts(world, chunk, arrives):
    worker = world.deploy(WORKER).CALLEE
    world.sandbox.workers["callee"].module.chunk = chunk
    assert [piece async for piece in await worker.same(ReadableStream([chunk]))] == [arrives]
    assert [piece async for piece in await worker.upper(ReadableStream([chunk]))] == [
        arrives.upper()
    ]


async def test_S2_S12_texts_that_are_written_arrive_as_their_bytes(worker):
    got = []
    assert await worker.fill(WritableStream(got.append), "té", b"xt") is True
    assert got == [b"t\xc3\xa9", b"xt"]


@pytest.mark.parametrize("chunk", [{"a": 1}, 7, None, [1, b"x"], (1, 2)], ids=by_repr)
async def test_S3_any_value_that_can_be_sent_may_be_a_chunk(worker, chunk):
    assert [value async for value in await worker.of(chunk)] == [chunk]
    got = []
    await worker.fill(WritableStream(got.append), chunk)
    assert got == [chunk]


async def test_S3_a_chunk_that_cannot_be_sent_breaks_a_readable_stream_and_not_the_call(world):
    env = world.deploy("""
        from workers import ReadableStream
        class Default(WorkerEntrypoint):
            def bad(self):
                def chunks():
                    try:
                        yield b"good"
                        yield object()
                    finally:
                        log("source closed")
                return ReadableStream(chunks())
    """)
    stream = await env.CALLEE.bad()
    assert await stream.read() == b"good"
    error = await failure(stream.read())
    assert gone(error, READABLE_BROKEN)
    assert "its source raised DataCloneError" in error.__notes__[0]
    assert world.log == ["source closed"]


SOURCES = """
    from workers import ReadableStream

    async def breaks(error):
        yield b"hi"
        await sleep(2)
        raise error
    class Default(WorkerEntrypoint):
        def bad(self):
            return ReadableStream(breaks(IndexError("source broke")))
        async def take(self, s):
            return [await s.read(), await attempt(s.read())]
"""


async def test_S4_an_error_of_the_source_loses_its_class_and_comes_after_what_was_sent(world):
    env = world.deploy(SOURCES)
    stream = await env.CALLEE.bad()
    assert await stream.read() == b"hi"
    for _ in range(2):
        assert gone(await failure(stream.read()), READABLE_BROKEN)

    async def source():
        yield b"hi"
        raise TypeError("caller broke")

    first, error = await env.CALLEE.take(ReadableStream(source()))
    assert first == b"hi"
    assert gone(error, READABLE_BROKEN)


async def test_S4_in_a_sandbox_a_note_says_what_the_source_raised(world):
    stream = await world.deploy(SOURCES).CALLEE.bad()
    error = await failure(stream.bytes())
    assert error.__notes__ == ["its source raised IndexError: source broke"]
    world.sandbox.engine.debug = False
    error = await failure((await world.env.CALLEE.bad()).bytes())
    assert not hasattr(error, "__notes__")


async def test_S5_a_readable_stream_that_was_sent_is_locked_and_the_error_says_for_what(worker):
    stream = ReadableStream(["abc"])
    assert await worker.read(stream) == "abc"
    assert stream.locked
    calls = (stream.read(), stream.cancel(), stream.bytes(), stream.pipe_to(WritableStream()))
    for call in calls:
        error = await failure(call)
        assert isinstance(error, StreamLockedError)
        assert str(error) == READABLE_IN_USE
        assert error.__notes__[0].startswith("it was sent at ")
        assert "test_streams.py" in error.__notes__[0]
    with pytest.raises(StreamLockedError, match=READABLE_IN_USE):
        stream.tee()
    assert str(await failure(worker.read(stream))) == READABLE_LOCKED


async def test_S5_a_writable_stream_that_was_sent_is_locked(worker):
    stream = WritableStream()
    assert await worker.fill(stream) is True
    assert stream.locked
    calls = (stream.write(b"x"), stream.close(), stream.abort(), stream.flush())
    for call in (*calls, worker.fill(stream)):
        error = await failure(call)
        assert isinstance(error, StreamLockedError)
        assert str(error) == WRITABLE_LOCKED


async def test_S6_a_stream_in_use_cannot_be_sent(worker):
    async def never():
        await asyncio.Event().wait()
        yield b""

    reading = ReadableStream(never())
    task = asyncio.create_task(reading.read())
    await asyncio.sleep(0)
    assert str(await failure(worker.read(reading))) == READABLE_LOCKED
    task.cancel()
    teed = ReadableStream(["x"])
    teed.tee()
    assert str(await failure(worker.read(teed))) == READABLE_LOCKED


@pytest.mark.parametrize(
    "chunks", [["first ", "rest ", "end"], ["first rest ", "end"]], ids=by_repr
)
async def test_S6_a_partly_read_stream_sends_its_rest(worker, chunks):
    stream = ReadableStream(chunks)
    assert await stream.read(6) == b"first "
    assert await worker.read(stream) == "rest end"


async def test_S6_a_used_up_stream_sends_nothing(worker):
    stream = ReadableStream(["x"])
    assert await stream.text() == "x"
    assert await worker.read(stream) == ""


async def test_S7_what_counts_are_the_bytes_and_not_the_chunks(worker):
    chunks = [bytes([n]) * size for n, size in enumerate([1, 2, 0, 3, 70_000, 5])]
    got = [chunk async for chunk in await worker.same(ReadableStream(chunks))]
    assert b"".join(got) == b"".join(chunks)
    assert b"" not in got
    assert max(map(len, got)) <= 64 * KIB


ENDLESS = """
    from workers import ReadableStream

    async def endless():
        try:
            while True:
                await sleep(1)
                yield bytes(1000)
        finally:
            log("generator closed")
    class Default(WorkerEntrypoint):
        def endless(self):
            self.ctx.wait_until(sleep(150))
            return ReadableStream(endless(), cancel=lambda reason: log(["cancel", reason]))
        def stalled(self):
            return ReadableStream(bytes(1000) for _ in range(10 ** 9))
"""


@pytest.mark.parametrize("reason", [IndexError("enough"), "enough", None], ids=by_repr)
async def test_S8_cancelling_tells_the_source_the_reason(world, reason):
    stream = await world.deploy(ENDLESS).CALLEE.endless()
    await stream.read()
    await stream.cancel(reason)
    await asyncio.sleep(5)
    closed, (word, given) = world.log
    assert (word, closed) == ("cancel", "generator closed")
    assert type(given) is type(reason)
    assert str(given) == str(reason)
    assert await stream.read() == b""


async def test_S8_a_reason_that_cannot_be_sent_is_told_as_far_as_it_can_be(world):
    stream = await world.deploy(ENDLESS).CALLEE.endless()
    await stream.cancel({"why": object()})
    await asyncio.sleep(5)
    assert "that could not be sent" in str(world.log[1][1])


async def test_S9_when_the_readers_context_ends_the_source_is_cancelled(world):
    env = world.deploy(ENDLESS)
    async with world.event():
        await env.CALLEE.endless()
        await asyncio.sleep(10)
        world.log.append("caller ends")
    await asyncio.sleep(10)
    ends, closed, (_, reason) = world.log
    assert (ends, closed) == ("caller ends", "generator closed")
    assert gone(reason, READER_GONE)


async def test_S9_a_stream_among_the_arguments_ends_with_the_callees_context(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def first(self, s):
                return await s.read()
            async def rest_later(self, s):
                async def rest():
                    await sleep(5)
                    log(await s.text())
                self.ctx.wait_until(rest())
    """)
    reasons = []
    stream = ReadableStream((b"x" for _ in range(10**9)), cancel=reasons.append)
    assert await env.CALLEE.first(stream) == b"x"
    await asyncio.sleep(1)
    assert gone(reasons[0], READER_GONE)
    await env.CALLEE.rest_later(ReadableStream(["after the ", "call"], cancel=reasons.append))
    await asyncio.sleep(10)
    assert world.log == ["after the call"]
    assert len(reasons) == 1


async def test_S10_a_stream_goes_on_after_the_method_has_returned(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def slow(self):
                async def chunks():
                    for n in range(1, 6):
                        await sleep(10)
                        yield f"t{n} "
                return chunks()
    """)
    stream = await env.CALLEE.slow()
    world.log.append("have stream")
    assert await stream.text() == "t1 t2 t3 t4 t5 "


async def test_S11_a_stream_that_came_in_can_be_returned_as_it_is_or_made_anew(worker):
    assert await (await worker.same(ReadableStream(["a", "b"]))).text() == "ab"
    assert await (await worker.upper(ReadableStream(["abc", "def"]))).text() == "ABCDEF"


async def test_S12_a_writable_stream_can_be_an_argument_or_a_result(world, worker):
    got = []
    assert await worker.fill(WritableStream(got.append, close=lambda: got.append("closed")), "one ")
    assert got == [b"one ", "closed"]
    sink = await worker.sink()
    assert isinstance(sink, WritableStream)
    await sink.write("a")
    await sink.write(b"b")
    await sink.close()
    world.log.append("caller closed")
    assert world.log == [["got", b"a"], ["got", b"b"], "closed", "caller closed"]


async def test_S12_no_chunk_is_larger_than_64_KiB(worker):
    sizes = []
    sink = WritableStream(lambda chunk: sizes.append(len(chunk)))
    await worker.fill(sink, bytes(1), bytes(2), bytes(3), bytes(70_000), bytes(5))
    assert sizes == [1, 2, 3, 65536, 4464, 5]


async def test_S13_what_cannot_be_sent_fails_at_the_writer_and_the_stream_goes_on(worker):
    got = []
    sink = await worker.same(WritableStream(got.append))
    error = await failure(sink.write({"deep": object()}))
    assert isinstance(error, rpclab.DataCloneError)
    assert isinstance(error, TypeError)
    await sink.write(b"after it")
    await sink.close()
    assert got == [b"after it"]


async def test_S14_flush_waits_for_the_sink_and_close_for_its_close(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def fill(self, w):
                for size in (1, 2, 3):
                    await w.write(bytes(size))
                    await w.flush()
                    log(f"flushed {size}")
                await w.close()
                log("close returned")
    """)

    async def write(chunk):
        world.log.append(f"starts {len(chunk)}")
        await asyncio.sleep(10)
        world.log.append(f"ends {len(chunk)}")

    async def close():
        await asyncio.sleep(10)
        world.log.append("closed")

    await env.CALLEE.fill(WritableStream(write, close=close))
    steps = [[f"starts {n}", f"ends {n}", f"flushed {n}"] for n in (1, 2, 3)]
    assert world.log == [*steps[0], *steps[1], *steps[2], "closed", "close returned"]


async def test_S14_a_write_returns_when_there_is_room_for_it(worker):
    sink = await worker.same(WritableStream(lambda _: asyncio.sleep(1000)))
    async with asyncio.timeout(1):
        for _ in range(3):
            await sink.write(bytes(64 * KIB))
    await sink.abort()


async def test_S15_a_failing_sink_fails_the_write_with_its_own_error_and_then_it_is_closed(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def fill(self, w):
                outcomes = []
                for n in range(4):
                    async def write():
                        await w.write(bytes([n]))
                        await w.flush()
                    outcomes.append(await attempt(write()))
                return [*outcomes, await attempt(w.close())]
    """)

    def write(chunk):
        if chunk == b"\1":
            raise IndexError("sink full")

    aborted = []
    sink = WritableStream(write, abort=aborted.append)
    first, second, *later = await env.CALLEE.fill(sink)
    assert first is None
    assert repr(second) == "IndexError('sink full')"
    for error in later:
        assert isinstance(error, StreamClosedError)
        assert str(error) == WRITABLE_CLOSED
    assert aborted == []


async def test_S15_an_error_that_no_write_has_met_is_raised_by_close(worker):
    async def write(_chunk):
        await asyncio.sleep(1)
        raise IndexError("sink full")

    for finish in ("close", "__aexit__"):
        sink = await worker.same(WritableStream(write))
        await sink.write(b"x")
        closing = sink.close() if finish == "close" else sink.__aexit__(None, None, None)
        assert repr(await failure(closing)) == "IndexError('sink full')"
        assert isinstance(await failure(sink.close()), StreamClosedError)


async def test_S16_aborting_tells_the_sink_that_the_writer_is_gone_and_not_why(world, worker):
    sink = await worker.sink()
    await sink.write(b"x")
    await sink.abort(IndexError("changed my mind"))
    await asyncio.sleep(1)
    got, (word, reason) = world.log
    assert (got, word) == (["got", b"x"], "aborted")
    assert gone(reason, WRITER_GONE)
    assert isinstance(await failure(sink.write(b"y")), StreamClosedError)


async def test_S16_a_callee_that_returns_without_closing_aborts_the_sink(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def half(self, w):
                await w.write(b"1")
                return "returned"
    """)
    log = world.log.append
    sink = WritableStream(log, close=lambda: log("close"), abort=log)
    assert await env.CALLEE.half(sink) == "returned"
    await asyncio.sleep(60)
    got, reason = world.log
    assert got == b"1"
    assert gone(reason, WRITER_GONE)


COUNTING = """
    from workers import ReadableStream
    produced = 0
    def endless(size):
        global produced
        while True:
            produced += size
            yield bytes(size)
    class Default(WorkerEntrypoint):
        def endless(self, size):
            global produced
            produced = 0
            return ReadableStream(endless(size))
        def produced(self):
            return produced
        async def fill(self, w, size):
            written = 0
            try:
                async with asyncio.timeout(60):
                    while True:
                        await w.write(bytes(size))
                        written += size
            except TimeoutError:
                return written
"""


@pytest.mark.parametrize("size", [1 * KIB, 64 * KIB, 1024 * KIB])
async def test_S17_S18_a_source_runs_ahead_of_the_reader_by_a_window_and_a_chunk(world, size):
    worker = world.deploy(COUNTING).CALLEE
    stream = await worker.endless(size)
    await asyncio.sleep(60)
    ahead = await worker.produced()
    assert size <= ahead <= FIRST_WINDOW + size
    got = 0
    while got < 4 * FIRST_WINDOW:
        got += len(await stream.read())
    await asyncio.sleep(60)
    assert await worker.produced() - got <= FIRST_WINDOW + size
    await stream.cancel()


@pytest.mark.parametrize("size", [1 * KIB, 64 * KIB, 1024 * KIB])
async def test_S19_a_writer_runs_ahead_of_a_stalled_sink_by_a_window(world, size):
    sunk = []

    async def write(chunk):
        sunk.append(len(chunk))
        await asyncio.Event().wait()

    worker = world.deploy(COUNTING).CALLEE
    written = await worker.fill(WritableStream(write), size)
    assert written <= FIRST_WINDOW
    assert written > FIRST_WINDOW - size - 64 * KIB
    assert sunk == [min(size, 64 * KIB)]


async def test_F9_a_generator_that_a_method_returns_is_a_stream(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def plain(self):
                yield "a"
                yield "b"
            async def both(self):
                async def chunks():
                    yield b"c"
                generator = chunks()
                return {"once": generator, "again": [generator]}
    """)
    assert await (await env.CALLEE.plain()).text() == "ab"
    both = await env.CALLEE.both()
    assert both["once"] is both["again"][0]
    assert await both["once"].text() == "c"


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_F9_a_generator_among_the_arguments_is_refused_with_advice(worker, kind):
    async def agen():
        yield b""

    generator = agen() if kind == "async" else (chunk for chunk in [b""])
    error = await failure(worker.read(generator))
    assert isinstance(error, rpclab.DataCloneError)
    assert "wrap it in ReadableStream" in "".join(error.__notes__)


async def test_V13_functions_and_targets_in_a_chunk_become_stubs_of_the_reader(world):
    env = world.deploy("""
        from workers import ReadableStream
        class Default(WorkerEntrypoint):
            def targets(self):
                return ReadableStream({"t": Logged(f"T{n}")} for n in range(2))
            async def use(self, s):
                return [await chunk["f"](n) async for n, chunk in numbered(s)]
        async def numbered(s):
            n = 0
            async for chunk in s:
                yield n, chunk
                n += 1
    """)
    async with world.event():
        stubs = [chunk["t"] async for chunk in await env.CALLEE.targets()]
        assert [await stub.m() for stub in stubs] == ["T0", "T1"]
        stubs[1].dispose()
        await asyncio.sleep(1)
        assert world.log == ["T1 disposed"]
    await asyncio.sleep(1)
    assert world.log == ["T1 disposed", "T0 disposed"]
    chunks = ({"f": lambda n, k=k: n * k} for k in (10, 100))
    assert await env.CALLEE.use(ReadableStream(chunks)) == [0, 100]


async def test_V13_stubs_in_a_chunk_that_nobody_read_are_disposed(world):
    env = world.deploy("""
        from workers import ReadableStream
        class Default(WorkerEntrypoint):
            def targets(self):
                return ReadableStream(Logged(f"T{n}") for n in range(3))
    """)
    stream = await env.CALLEE.targets()
    kept = await stream.read()
    await asyncio.sleep(1)
    await stream.cancel()
    await asyncio.sleep(1)
    assert sorted(world.log) == ["T1 disposed", "T2 disposed"]
    assert await kept.m() == "T0"


async def test_V18_streams_stand_beside_other_values_and_inside_each_other(world, worker):
    inner = [ReadableStream([f"inner {n}"]) for n in range(2)]
    outer = await worker.same(ReadableStream(inner))
    assert [await stream.text() async for stream in outer] == ["inner 0", "inner 1"]
    got = []
    value = {"number": 1, "in": ReadableStream(["x"]), "out": WritableStream(got.append)}
    back = await worker.same(value)
    assert (back["number"], await back["in"].text()) == (1, "x")
    async with back["out"] as sink:
        await sink.write(b"y")
    assert got == [b"y"]
