"""Streams as an application uses them: read, written, sent on, failing, and leaving nothing."""

from __future__ import annotations

import asyncio
import gc
import tempfile

import pytest
from support.world import failure, world

import rpclab
from rpclab import (
    DataCloneError,
    DisconnectedError,
    ReadableStream,
    StreamClosedError,
    StreamLockedError,
    WritableStream,
)
from rpclab.core.flow import FIRST_WINDOW, MOST_CHUNKS
from rpclab.errors import READER_GONE, WRITER_GONE

__all__ = ["world"]

FAR = """
    from workers import ReadableStream, WritableStream
    kept = []

    async def slowly(chunks, pause=10):
        try:
            for chunk in chunks:
                await sleep(pause)
                yield chunk
        finally:
            log("source closed")

    class Target(RpcTarget):
        def stream(self, number):
            return ReadableStream([str(number)])
        async def read(self, s):
            return await s.text()

    class Default(WorkerEntrypoint):
        def target(self):
            return Target()
        def with_kept(self, stub, way):
            self.kept = stub.dup()
            return ReadableStream(slowly("ab", 100)) if way == "down" else WritableStream()
        def attempt_later(self, s):
            async def read():
                log(await attempt(s.text()))
            self.ctx.wait_until(read())
        def down(self, *chunks):
            return ReadableStream(chunks or ["a", "b", "c"], cancel=lambda r: log(["cancel", r]))
        def slow(self, *chunks):
            return ReadableStream(slowly(chunks), cancel=lambda reason: log(["cancel", reason]))
        def endless(self):
            chunks = iter(lambda: bytes(1000), b"")
            return ReadableStream(chunks, cancel=lambda reason: log(["cancel", reason]))
        async def read(self, s, *_):
            return await s.text()
        async def read_in(self, value):
            return await value["s"].text()
        async def swallow(self, s):
            async for _ in s:
                pass
        async def first(self, s):
            return await s.read()
        def later(self, s):
            async def read():
                await sleep(50)
                log(await s.text())
            self.ctx.wait_until(read())
        def nothing(self, *_):
            pass
        def fail(self, *_):
            raise ValueError("as asked")
        def same(self, value):
            return value
        def sink(self):
            return WritableStream(
                lambda chunk: log(["got", chunk]), close=lambda: log("closed"),
                abort=lambda reason: log(["aborted", reason]))
        async def fill(self, w, *chunks):
            for chunk in chunks:
                await w.write(chunk)
            await w.close()
        def keep(self, value):
            kept.append(value)
        async def forever(self, *_):
            await asyncio.Event().wait()
"""
MIDDLE = """
    class Default(WorkerEntrypoint):
        async def down(self, *chunks):
            return await self.env.FAR.down(*chunks)
        def promise(self, *chunks):
            return self.env.FAR.down(*chunks)
        async def slow(self, *chunks):
            return await self.env.FAR.slow(*chunks)
        async def endless(self):
            return {"s": self.env.FAR.endless()}
        async def read(self, s):
            return await self.env.FAR.read(s)
        async def later(self, s):
            await self.env.FAR.later(s)
        async def sink(self):
            return await self.env.FAR.sink()
        async def fill(self, w, *chunks):
            await self.env.FAR.fill(w, *chunks)
        async def some_of(self, s):
            return [await s.read(), await s.read(2), await self.env.FAR.read(s)]
"""


@pytest.fixture
def far(world):
    """The binding of a Worker that takes and gives streams."""
    return world.deploy(FAR, "far").FAR


@pytest.fixture
def middle(world, far):
    """A Worker in front of it."""
    return world.deploy(MIDDLE, "middle", FAR="far").MIDDLE


async def nothing_left(world):
    """Whether both ends of each session hold bindings alone."""
    gc.collect()
    await asyncio.sleep(1)
    sandbox = world.sandbox
    for name in ("notebook", *sandbox.workers):
        tables = sandbox.tables(name)
        assert len(tables.imports) == len(sandbox.bindings(name)), (name, tables)
    held = [tables for name in sandbox.workers for tables in sandbox.tables(name).exports]
    bound = [list(sandbox.bindings(name)) for name in ("notebook", *sandbox.workers)]
    assert len(held) == sum(map(len, bound)), held
    return True


def endless():
    """Chunks without end, all at hand."""
    while True:
        yield bytes(1000)


# Reading.


async def test_the_ways_to_read_give_the_same_bytes(far):
    assert [chunk async for chunk in await far.down()] == [b"a", b"b", b"c"]
    assert await (await far.down()).bytes() == b"abc"
    assert await (await far.down()).text() == "abc"
    stream = await far.down()
    assert [await stream.read() for _ in range(5)] == [b"a", b"b", b"c", b"", b""]
    assert await (await far.down(b"\xff", "é")).text() == "\ufffdé"


async def test_read_exactly_gives_so_many_bytes_over_chunk_boundaries(far):
    stream = await far.down("abc", "de", "fgh")
    assert [await stream.read_exactly(n) for n in (2, 4, 1)] == [b"ab", b"cdef", b"g"]
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await stream.read_exactly(5)
    assert caught.value.partial == b"h"


@pytest.mark.parametrize("size", [0, -1])
async def test_read_takes_a_positive_size(far, size):
    with pytest.raises(ValueError, match="positive number of bytes"):
        await (await far.down()).read(size)


async def test_a_chunk_that_is_no_bytes_is_not_lost_by_asking_for_bytes(far):
    stream = await far.down({"n": 1})
    with pytest.raises(TypeError, match="no bytes but dict: use `async for`"):
        await stream.read(3)
    assert [chunk async for chunk in stream] == [{"n": 1}]


async def test_leaving_an_async_for_early_leaves_the_rest(far):
    stream = await far.down()
    async for chunk in stream:
        assert chunk == b"a"
        break
    assert await stream.text() == "bc"


async def test_two_readers_at_a_time_are_refused(far):
    stream = await far.slow("a", "b")
    first = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    error = await failure(stream.read())
    assert isinstance(error, StreamLockedError)
    assert error.__notes__ == ["it is being read"]
    assert await first == b"a"
    assert await stream.read() == b"b"


async def test_a_read_that_is_cancelled_loses_no_chunk(world, far):
    stream = await far.slow("a", "b")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stream.read(), 5)
    assert await stream.text() == "ab"
    assert await nothing_left(world)


async def test_a_local_generator_that_a_cancelled_read_has_ended_is_not_at_its_end(far):
    async def chunks():
        await asyncio.sleep(10)
        yield b"a"

    stream = ReadableStream(chunks())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stream.read(), 5)
    with pytest.raises(RuntimeError, match="the read that waited for that was cancelled"):
        await stream.read()
    assert isinstance(await failure(far.read(stream)), DisconnectedError)


async def test_tee_gives_two_streams_and_cancels_the_source_when_both_are_through(world, far):
    one, other = (await far.endless()).tee()
    assert await one.read_exactly(3000) == bytes(3000)
    assert await other.read_exactly(1500) == bytes(1500)
    await one.cancel("one")
    assert world.log == []
    assert await other.read(500) == bytes(500)
    await other.cancel("both")
    assert await nothing_left(world)
    assert world.log == [["cancel", "both"]]


async def test_a_branch_of_a_tee_that_was_cancelled_keeps_nothing():
    one, other = ReadableStream([b"a", b"b"]).tee()
    await one.cancel()
    assert await other.bytes() == b"ab"
    assert not one._source._tee.waiting[0]


async def test_the_branches_of_a_tee_can_be_sent_to_different_workers(world, far, middle):
    one, other = (await far.slow("a", "b", "c")).tee()
    assert await rpclab.gather(far.read(one), middle.read(other)) == ["abc", "abc"]
    assert await nothing_left(world)


async def test_pipe_to_writes_all_and_closes(world, far):
    got = []
    sink = WritableStream(got.append, close=lambda: got.append("closed"))
    await (await far.down()).pipe_to(sink)
    assert got == [b"a", b"b", b"c", "closed"]
    remote = await far.sink()
    await ReadableStream(["x"]).pipe_to(remote, prevent_close=True)
    await remote.write(b"y")
    await remote.close()
    assert world.log == [["got", b"x"], ["got", b"y"], "closed"]
    assert await nothing_left(world)


async def test_a_pipe_whose_sink_fails_cancels_the_source_with_that_error(world, far):
    def full(_chunk):
        raise IndexError("full")

    stream, sink = await far.endless(), WritableStream(full)
    assert repr(await failure(stream.pipe_to(sink))) == "IndexError('full')"
    assert not stream.locked
    assert not sink.locked
    assert await nothing_left(world)
    assert repr(world.log[0][1]) == "IndexError('full')"


async def test_a_pipe_whose_source_fails_or_that_is_cancelled_aborts_the_sink(world, far):
    def source():
        yield b"a"
        raise IndexError("broke")

    aborted, cancelled = [], []
    with pytest.raises(IndexError):
        await ReadableStream(source()).pipe_to(WritableStream(abort=aborted.append))
    never = ReadableStream(_never(), cancel=cancelled.append)
    sink = await far.sink()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(never.pipe_to(sink), 5)
    assert await nothing_left(world)
    assert repr(aborted[0]) == "IndexError('broke')"
    assert isinstance(cancelled[0], asyncio.CancelledError)
    assert str(world.log[0][1]) == WRITER_GONE


async def _never():
    await asyncio.Event().wait()
    yield b""


async def test_what_a_pipe_uses_is_locked_meanwhile(far):
    stream, sink = ReadableStream(_never()), await far.sink()
    piping = asyncio.create_task(stream.pipe_to(sink))
    await asyncio.sleep(0)
    assert (await failure(sink.write(b"x"))).__notes__ == ["a ReadableStream is piped into it"]
    assert (await failure(stream.read())).__notes__ == ["it is piped into a WritableStream"]
    other = ReadableStream(["x"])
    assert isinstance(await failure(other.pipe_to(sink)), StreamLockedError)
    assert await other.text() == "x"
    piping.cancel()


# Sources.


@pytest.mark.parametrize("how", ["read", "cancelled"])
async def test_a_file_is_closed_when_it_was_read_or_nobody_reads_it(far, how):
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the stream closes it
    file.write(b"x" * 1_000_000)
    file.seek(0)
    if how == "read":
        assert len(await far.read(ReadableStream(file))) == 1_000_000
    else:
        assert len(await far.first(ReadableStream(file))) == 65536
        await asyncio.sleep(1)
    assert file.closed


async def test_a_file_that_cannot_be_read_is_closed(far):
    class Broken:
        closed = False

        def read(self, _size):
            raise OSError("no disk")

        def close(self):
            self.closed = True

    file = Broken()
    error = await failure(far.read(ReadableStream(file)))
    assert error.__notes__[0] == "its source raised OSError: no disk"
    assert file.closed


async def test_a_source_can_be_any_iterable_and_nothing_else(far):
    class Chunks:
        async def __aiter__(self):
            yield b"a"

    sources = ([b"a"], (b"a" for _ in "x"), iter([b"a"]), Chunks(), b"a", "a", {b"a": 1})
    for source in sources:
        assert await far.read(ReadableStream(source)) == "a"
    assert await far.read(ReadableStream()) == ""
    with pytest.raises(TypeError, match="not of int"):
        ReadableStream(7)


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_the_finally_of_a_generator_runs_when_nobody_reads_any_more(far, kind):
    log = []

    def plain():
        try:
            while True:
                yield b"x"
        finally:
            log.append("finally")

    async def slow():
        try:
            for chunk in plain():
                await asyncio.sleep(1)
                yield chunk
        finally:
            await asyncio.sleep(1)
            log.append("async finally")

    await far.first(ReadableStream(plain() if kind == "plain" else slow()))
    await asyncio.sleep(5)
    assert log[-1:] == ["finally" if kind == "plain" else "async finally"]


@pytest.mark.expects_reports
async def test_an_error_in_cancel_is_reported_and_closes_the_source_all_the_same(far, caplog):
    log = []

    def chunks():
        try:
            while True:
                yield b"x"
        finally:
            log.append("closed")

    def cancel(_reason):
        raise IndexError("in cancel")

    await far.first(ReadableStream(chunks(), cancel=cancel))
    await asyncio.sleep(1)
    assert log == ["closed"]
    assert "the cancelling of a stream's source failed: IndexError: in cancel" in caplog.text


# Writing.


async def test_writes_reach_the_sink_in_order_also_from_several_tasks(world, far):
    sink = await far.sink()
    big = [bytes([n]) * 200_000 for n in range(5)]
    await asyncio.gather(*[sink.write(chunk) for chunk in big])
    await sink.close()
    got = b"".join(chunk for _, chunk in world.log[:-1])
    assert got == b"".join(big)
    assert await nothing_left(world)


async def test_close_comes_after_the_writes_that_wait(world, far):
    async def write(chunk):
        await asyncio.sleep(1)
        world.log.append(len(chunk))

    sink = await far.same(WritableStream(write, close=lambda: world.log.append("closed")))
    writing = asyncio.create_task(sink.write(bytes(400 * 1024)))
    await asyncio.sleep(0)
    await sink.close()
    await writing
    assert world.log == [65536] * 6 + [16384, "closed"]


async def test_flush_waits_for_what_was_written_over_any_number_of_hops(world, far):
    async def write(_chunk):
        await asyncio.sleep(10)
        world.log.append("taken")

    start = asyncio.get_running_loop().time()
    sink = await far.same(await far.same(WritableStream(write)))
    for _ in range(3):
        await sink.write(b"x")
    assert world.log == []
    await sink.flush()
    assert world.log == ["taken"] * 3
    assert round(asyncio.get_running_loop().time() - start) == 30
    await sink.close()
    assert await nothing_left(world)


async def test_leaving_async_with_closes_and_an_error_in_it_aborts(world, far):
    async with await far.sink() as sink:
        await sink.write(b"x")
    with pytest.raises(IndexError):
        async with await far.sink() as sink:
            raise IndexError("no")
    assert await nothing_left(world)
    assert world.log[:2] == [["got", b"x"], "closed"]
    assert str(world.log[2][1]) == WRITER_GONE


async def test_a_writer_that_waits_learns_that_the_sink_has_failed(far):
    async def write(_chunk):
        await asyncio.sleep(5)
        raise IndexError("full")

    sink = await far.same(WritableStream(write))
    writes = [asyncio.create_task(sink.write(bytes(200_000))) for _ in range(3)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert outcomes[0] is None
    assert repr(outcomes[1]) == "IndexError('full')"
    assert isinstance(outcomes[2], StreamClosedError)


async def test_a_writer_that_waits_is_woken_when_the_stream_is_aborted(far):
    sink = await far.same(WritableStream(lambda _: asyncio.sleep(1000)))
    writing = asyncio.create_task(sink.write(bytes(2**20)))
    await asyncio.sleep(1)
    await sink.abort()
    assert isinstance(await failure(writing), StreamClosedError)
    assert asyncio.get_running_loop().time() < 10


async def test_a_small_chunk_does_not_overtake_a_large_one_that_waits(world, far):
    first, chunks = asyncio.Event(), []

    async def write(chunk):
        await first.wait()
        chunks.append(len(chunk))

    sink = await far.same(WritableStream(write))
    large = asyncio.create_task(sink.write(bytes(400_000)))
    await asyncio.sleep(1)
    small = asyncio.create_task(sink.write(b"small"))
    await asyncio.sleep(1)
    first.set()
    await asyncio.gather(large, small)
    await sink.close()
    assert chunks == [65536] * 6 + [400_000 - 6 * 65536, 5]


async def test_a_write_that_was_cancelled_leaves_the_stream_open(world, far):
    async def write(chunk):
        await asyncio.sleep(10)
        world.log.append(len(chunk))

    sink = await far.same(WritableStream(write))
    for _ in range(4):
        await sink.write(bytes(60_000))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sink.write(bytes(60_000)), 1)
    await sink.close()
    assert world.log == [60_000] * 4


async def test_a_local_stream_works_without_being_sent():
    got = []
    async with WritableStream(got.append, close=lambda: got.append("closed")) as sink:
        await sink.write("é")
        await sink.write(bytes(70_000))
        await sink.flush()
    assert got == [b"\xc3\xa9", bytes(70_000), "closed"]
    assert isinstance(await failure(sink.write(b"x")), StreamClosedError)
    assert isinstance(await failure(sink.close()), StreamClosedError)


async def test_a_local_sink_whose_write_was_cancelled_can_still_be_aborted():
    reasons = []
    sink = WritableStream(lambda _: asyncio.Event().wait(), abort=reasons.append)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), sink:
            await sink.write(b"x")
    assert isinstance(reasons[0], asyncio.CancelledError)


# Messages that fail give the stream back.


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_streams_beside_a_value_that_cannot_be_sent_are_their_owners_again(world, far, place):
    got = []
    streams = [ReadableStream(["a"]), ReadableStream(["b"]), WritableStream(got.append)]
    streams.insert(place, object())
    error = await failure(far.nothing(*streams))
    assert isinstance(error, DataCloneError)
    del streams[place]
    assert [stream.locked for stream in streams] == [False] * 3
    one, other, sink = streams
    assert await far.read(one) == "a"
    assert await other.text() == "b"
    await far.fill(sink, b"x")
    assert got == [b"x"]
    assert await nothing_left(world)


async def test_streams_in_a_result_that_cannot_be_sent_are_let_go_and_the_session_goes_on(world):
    far = world.deploy("""
        from workers import ReadableStream, WritableStream
        streams = [ReadableStream(["a"]), WritableStream()]
        class Default(WorkerEntrypoint):
            def bad(self):
                return [*streams, object()]
            def locked(self):
                return [stream.locked for stream in streams]
            def good(self):
                return streams[0]
    """).CALLEE
    for _ in range(2):
        assert isinstance(await failure(far.bad()), DataCloneError)
    assert await far.locked() == [False, False]
    assert await (await far.good()).text() == "a"
    assert await nothing_left(world)


async def test_a_result_with_a_stream_and_an_awaitable_is_sent_when_that_is_there(world):
    far = world.deploy("""
        from workers import ReadableStream
        class Default(WorkerEntrypoint):
            def mixed(self):
                def chunks():
                    yield "a"
                return [ReadableStream(["s"]), chunks(), sleep(5, "slept")]
    """).CALLEE
    stream, generated, slept = await far.mixed()
    assert [await stream.text(), await generated.text(), slept] == ["s", "a", "slept"]
    assert await nothing_left(world)


async def test_the_same_stream_twice_in_a_message_is_the_same_stream_there(world, far):
    stream = ReadableStream(["a", "b"])
    back = await far.same([stream, {"again": stream}])
    assert back[0] is back[1]["again"]
    assert await back[0].text() == "ab"
    assert await nothing_left(world)


async def test_streams_stand_beside_promised_arguments_and_properties(world, far):
    values = far.same({"n": 1})
    assert await far.read(ReadableStream(["a"]), values, values["n"]) == "a"
    stream, n = await far.same([ReadableStream(["b"]), values["n"]])
    assert (await stream.text(), n) == ("b", 1)
    assert await nothing_left(world)


async def test_a_stream_beside_a_promise_that_is_rejected_is_cancelled(world, far):
    reasons = []
    stream = ReadableStream(endless(), cancel=reasons.append)
    error = await failure(far.read(stream, far.fail()))
    assert str(error) == "as asked"
    assert await nothing_left(world)
    assert str(reasons[0]) == READER_GONE


async def test_a_call_to_a_member_that_is_not_there_cancels_its_streams(world, far):
    reasons, aborted = [], []
    stream = ReadableStream(endless(), cancel=reasons.append)
    await failure(far.no_such_method(stream, WritableStream(abort=aborted.append)))
    assert await nothing_left(world)
    assert str(reasons[0]) == READER_GONE
    assert str(aborted[0]) == WRITER_GONE


async def test_a_stream_that_a_method_does_not_touch_is_cancelled_when_it_returns(world, far):
    reasons, aborted = [], []
    await far.nothing(
        ReadableStream(endless(), cancel=reasons.append), WritableStream(abort=aborted.append)
    )
    assert await nothing_left(world)
    assert [str(reasons[0]), str(aborted[0])] == [READER_GONE, WRITER_GONE]


# Over several Workers.


async def test_a_stream_comes_through_a_worker_in_the_middle_both_ways(world, middle):
    assert await (await middle.down("a", "b")).text() == "ab"
    assert await (await middle.promise("a", "b")).text() == "ab"
    assert await middle.read(ReadableStream(["c", "d"])) == "cd"
    got = []
    await middle.fill(WritableStream(got.append, close=lambda: got.append("closed")), "x", "y")
    assert got == [b"x", b"y", "closed"]
    async with await middle.sink() as sink:
        await sink.write(b"z")
    assert world.log == [["got", b"z"], "closed"]
    assert await nothing_left(world)


async def test_the_worker_in_the_middle_may_read_a_part_and_pass_on_the_rest(world, middle):
    assert await middle.some_of(ReadableStream(["first", "second", "third"])) == [
        b"first", b"se", "condthird"
    ]  # fmt: skip
    assert await nothing_left(world)


async def test_cancelling_reaches_the_source_over_any_number_of_workers(world, middle):
    stream = (await middle.endless())["s"]
    assert await stream.read_exactly(2500) == bytes(2500)
    await stream.cancel(IndexError("enough"))
    assert await nothing_left(world)
    assert repr(world.log[0][1]) == "IndexError('enough')"


async def test_a_source_that_breaks_is_felt_over_any_number_of_workers(world, middle):
    def source():
        yield b"good"
        raise IndexError("broke")

    error = await failure(middle.read(ReadableStream(source())))
    assert isinstance(error, DisconnectedError)
    assert error.__notes__[0] == "its source raised IndexError: broke"
    assert await nothing_left(world)


async def test_a_sink_that_fails_is_felt_over_any_number_of_workers(world, middle):
    def write(chunk):
        if chunk == b"2":
            raise IndexError("full")

    error = await failure(middle.fill(WritableStream(write), "1", "2", "3"))
    assert repr(error) == "IndexError('full')"
    assert await nothing_left(world)


async def test_a_stream_outlives_the_worker_in_the_middle(world, middle):
    """Its context ended when its method returned; the line goes on without it (rule W5)."""
    stream = await middle.slow("a", "b", "c")
    assert await stream.text() == "abc"
    await middle.later(ReadableStream(["d", "e"]))
    await asyncio.sleep(100)
    assert world.log == ["source closed", "de"]
    assert await nothing_left(world)


async def test_the_lead_over_two_workers_is_one_window(world, middle):
    produced = []

    def source():
        while True:
            produced.append(10_000)
            yield bytes(10_000)

    stream = ReadableStream(source())
    await middle.later(stream)
    await asyncio.sleep(20)
    assert 200_000 < sum(produced) <= FIRST_WINDOW + 10_000


async def test_a_stream_in_a_chunk_of_a_stream_goes_on_through_the_middle(world, middle, far):
    outer = await far.same(await far.same(ReadableStream([ReadableStream(["x"])])))
    (inner,) = [chunk async for chunk in outer]
    assert await inner.text() == "x"
    assert await nothing_left(world)


async def test_a_stub_in_a_chunk_goes_on_through_the_middle(world, middle, far):
    stream = await far.same(await far.same(ReadableStream([lambda: "called"])))
    function = await stream.read()
    assert await function() == "called"
    function.dispose()
    assert await nothing_left(world)


async def test_a_stream_can_come_home(world, far):
    stream = ReadableStream(["a"])
    home = await far.same(stream)
    assert home is not stream
    assert await home.text() == "a"
    assert await nothing_left(world)


@pytest.mark.parametrize("size", [1, 1000, 64 * 1024])
async def test_a_call_beside_a_stream_at_full_speed_waits_for_a_window_at_most(far, size):
    produced = [0]

    def source():
        while True:
            produced[0] += 1
            yield bytes(size)

    reading = far.swallow(ReadableStream(source()))
    at_once = min(FIRST_WINDOW // size + 1, MOST_CHUNKS)
    for _ in range(20):
        before = produced[0]
        await far.nothing()
        assert produced[0] - before <= 2 * at_once
    for _ in range(20):
        before = produced[0]
        await asyncio.sleep(0)  # the event loop has its turn, too
        assert produced[0] - before <= 4 * MOST_CHUNKS
    assert produced[0] > at_once
    del reading


# Promises.


async def test_a_promise_of_a_stream_can_be_an_argument(world, far, middle):
    assert await far.read(middle.down("other session")) == "other session"
    assert await middle.read(far.down("a", "b")) == "ab"
    assert await nothing_left(world)
    await far.keep(middle.endless())
    await asyncio.sleep(1)
    assert str(world.log[0][1]) == READER_GONE  # it was the callee's, whose context has ended


async def test_a_stream_that_was_not_sent_yet_can_be_mapped(world, far):
    async with await far.target() as target:
        numbers = far.same([1, 2])
        texts = await numbers.map(lambda number: target.read(target.stream(number)))
    assert texts == ["1", "2"]
    assert await nothing_left(world)


async def test_a_promised_stream_of_the_callee_itself_is_refused_with_advice(world, far):
    promised = far.same({"s": ReadableStream(["x"])})
    for call in (far.read(far.endless()), far.fill(far.sink()), far.read_in(promised)):
        error = await failure(call)
        assert isinstance(error, StreamLockedError)
        assert "await the promise first" in error.__notes__[-1]
        del call, error
    del promised
    assert await nothing_left(world)
    assert await far.read(await far.down("a", "b")) == "ab"


async def test_a_stream_is_no_target_of_pipelined_calls(world, far):
    assert isinstance(await failure(far.down().read()), TypeError)
    assert await nothing_left(world)


# Ends.


async def test_when_the_writers_context_ends_the_reader_learns_it(world, far):
    async with world.event():
        await far.keep(ReadableStream(endless()))
    async with world.event():
        sink = await far.sink()
        await sink.write(b"x")
    assert await nothing_left(world)
    assert world.log[0] == ["got", b"x"]
    assert str(world.log[1][1]) == WRITER_GONE
    assert str(await failure(sink.write(b"y"))) == WRITER_GONE


async def test_a_context_that_ends_tells_its_source_and_the_reader(world, far):
    reasons = []

    async def slow():
        while True:
            await asyncio.sleep(10)
            yield b"x"

    async with world.event():
        await far.attempt_later(ReadableStream(slow(), cancel=reasons.append))
        await asyncio.sleep(25)
    assert await nothing_left(world)
    assert str(reasons[0]) == "its execution context ended"
    assert isinstance(world.log[0], DisconnectedError)


@pytest.mark.parametrize("way", ["down", "sink", "aborted"])
async def test_the_context_of_a_stream_ends_when_that_is_through(world, far, way):
    """What the context had kept is disposed then."""
    disposed = []

    class Kept(rpclab.RpcTarget):
        def dispose(self):
            disposed.append(way)

    stream = await far.with_kept(Kept(), way)
    await asyncio.sleep(60)
    assert disposed == []
    if way == "down":
        assert await stream.text() == "ab"
    elif way == "sink":
        await stream.close()
    else:
        await stream.abort()
    assert await nothing_left(world)
    assert disposed == [way]


async def test_disposing_a_promise_before_its_stream_arrives_cancels_that(world, far):
    far.endless().dispose()
    assert await nothing_left(world)
    assert str(world.log[0][1]) == READER_GONE


async def test_disposing_a_result_leaves_its_streams_alone(world, far):
    result = await far.same({"s": ReadableStream(["a"]), "f": len})
    rpclab.dispose(result)
    assert await result["s"].text() == "a"
    assert await nothing_left(world)


async def test_in_a_lasting_context_a_forgotten_reader_is_cancelled(world, far):
    await far.endless()
    assert await nothing_left(world)
    assert str(world.log[0][1]) == READER_GONE


async def test_in_a_lasting_context_a_forgotten_writer_is_let_go(world, far):
    sink = await far.sink()
    await sink.write(b"x")
    del sink
    assert await nothing_left(world)
    assert str(world.log[1][1]) == WRITER_GONE


async def test_a_call_that_is_cancelled_lets_go_of_its_streams(world, far):
    reasons = []
    stream = ReadableStream(endless(), cancel=reasons.append)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(far.forever(stream), 5)
    assert await nothing_left(world)
    assert str(reasons[0]) == READER_GONE


async def test_a_deadline_bounds_reading(world, far):
    stream = await far.slow("a", "b", "c", "d")
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(25):
            await stream.bytes()
    assert await stream.read() == b"c"
    await stream.cancel()
    assert await nothing_left(world)


async def test_a_deadline_bounds_a_callee_that_reads(world, far):
    reasons = []

    async def slow():
        while True:
            await asyncio.sleep(10)
            yield b"x"

    with pytest.raises(TimeoutError):
        async with rpclab.deadline(25):
            await far.read(ReadableStream(slow(), cancel=reasons.append))
    assert await nothing_left(world)
    assert str(reasons[0]) == READER_GONE


async def test_a_stream_flows_on_when_its_worker_is_deployed_anew(world, far):
    stream = await far.slow("a", "b", "c")
    assert await stream.read() == b"a"
    world.sandbox.deploy("far", source="")
    assert await stream.text() == "bc"
    assert await nothing_left(world)


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_streams_break_when_the_sandbox_ends(world, far, end):
    reader, writer = await far.slow("a", "b"), await far.sink()
    reasons = []
    await far.keep(ReadableStream(endless(), cancel=reasons.append))
    waiting = asyncio.create_task(failure(reader.read()))
    await asyncio.sleep(1)
    if end == "close":
        world.sandbox.close()
    else:
        await _awaited(world.sandbox.reset())
    assert isinstance(await waiting, DisconnectedError)
    assert isinstance(await failure(writer.write(b"x")), rpclab.RpcError)
    assert isinstance(await failure(writer.close()), rpclab.RpcError)
    await asyncio.sleep(1)
    assert len(reasons) == 1


async def _awaited(value):
    return await value if hasattr(type(value), "__await__") else value


# What one sees.


async def test_repr_shows_the_state(world, far):
    stream, sink = await far.down("a"), await far.sink()
    assert repr(stream) == "<ReadableStream, open>"
    assert stream._repr_mimebundle_()["text/html"] == "<code>&lt;ReadableStream, open&gt;</code>"
    await stream.text()
    assert repr(stream) == "<ReadableStream, at its end>"
    assert repr(sink) == "<WritableStream, open>"
    await sink.close()
    assert repr(sink) == "<WritableStream, closed>"
    sent = ReadableStream(["x"])
    await far.read(sent)
    assert repr(sent).startswith("<ReadableStream, locked: it was sent at ")
    broken = ReadableStream(iter([object()]))
    broken = await far.same(broken)
    await failure(broken.read())
    assert repr(broken) == (
        "<ReadableStream, broken: ReadableStream received over RPC disconnected prematurely.>"
    )
