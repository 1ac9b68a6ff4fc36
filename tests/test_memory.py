"""A hundred thousand calls leave nothing behind: no memory, no entry in a table."""

import asyncio
import gc
import tracemalloc

import pytest

import rpclab
from rpclab import RpcTarget

WORKER = """
from workers import RpcTarget, WorkerEntrypoint

class Counter(RpcTarget):
    def __init__(self):
        self._value = 0

    def increment(self, amount=1):
        self._value += amount
        return self._value

    @property
    def value(self):
        return self._value

    def dispose(self):
        pass

class Default(WorkerEntrypoint):
    def add(self, a, b):
        return a + b

    def counter(self):
        return Counter()

    def counters(self):
        return {"one": Counter(), "data": [1, 2, 3]}

    async def call_back(self, function, target):
        return [await function(1), await target.increment(2)]

    def same(self, stub):
        return stub

    def fail(self):
        raise ValueError("as asked")
"""

CALLS = 100_000
INVENTED = 4_000  # names; remembered, they would take several times the spare memory
SPARE = 64 * 1024  # bytes that may come and go


class Local(RpcTarget):
    def increment(self, amount):
        return amount


async def a_dozen_calls(worker):
    """Calls with everything that holds memory for a while."""
    local = Local()
    with worker.counter() as counter:
        await counter.increment(2)
    both = await worker.counters()
    assert await both["one"].value == 0
    rpclab.dispose(both)
    assert await worker.call_back(lambda number: number, local) == [1, 2]
    async with worker.same(local) as home:
        await home.increment(1)
    assert await worker.add(worker.add(1, 2), 3) == 6
    with pytest.raises(ValueError, match="as asked"):
        await worker.fail()


async def test_a_hundred_thousand_calls_leave_memory_flat_and_the_tables_empty():
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("worker", source=WORKER)
        worker = sandbox.bind(WORKER="worker").WORKER
        before = {name: sandbox.tables(name) for name in ("notebook", "worker")}

        async def calls(count):
            for _ in range(count // 12):
                await a_dozen_calls(worker)
            gc.collect()

        await calls(CALLS * 6 // 10)
        tracemalloc.start()
        try:
            await calls(CALLS // 10)
            earlier, _ = tracemalloc.get_traced_memory()
            await calls(CALLS * 3 // 10)
            later, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert later - earlier < SPARE
        await sandbox.env.WORKER.add(1, 2)  # what was let go of last leaves with this
        assert {name: sandbox.tables(name) for name in before} == before


async def test_C6_names_that_a_caller_invents_leave_no_memory_at_the_target(sandbox):
    sandbox.deploy("worker", source=WORKER)
    counter = await sandbox.bind(WORKER="worker").WORKER.counter()
    sandbox.engine.unwatch(sandbox.recording)  # which keeps what was called, up to its limit

    async def invent(names):
        for name in names:
            with counter.dup() as copy, pytest.raises(rpclab.NoSuchMemberError):
                await getattr(copy, name)()
        gc.collect()

    await invent(f"first_{number}" for number in range(100))
    tracemalloc.start()
    try:
        await invent(f"invented_{number}" for number in range(INVENTED))
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    counter.dispose()
    assert left < SPARE


STREAMS = """
from workers import ReadableStream, WorkerEntrypoint, WritableStream

class Default(WorkerEntrypoint):
    async def count(self, stream):
        return sum([len(chunk) async for chunk in stream])

    def down(self, chunks, size):
        return ReadableStream(bytes(size) for _ in range(chunks))

    def same(self, stream):
        return stream

    async def fill(self, sink, chunks, size):
        async with sink:
            for _ in range(chunks):
                await sink.write(bytes(size))
"""
PIECE = 64 * 1024
MOST = 4 * 2**20  # bytes on their way and in between


async def test_256_megabytes_pass_through_a_stream_in_flat_memory():
    # The benchmarks send a gigabyte.
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("worker", source=STREAMS)
        worker = sandbox.bind(WORKER="worker").WORKER
        chunks = 2**28 // PIECE
        await worker.count(rpclab.ReadableStream([b"warm"]))
        tracemalloc.start()
        try:
            chunk = bytes(PIECE)
            stream = rpclab.ReadableStream(chunk for _ in range(chunks))
            assert await worker.count(stream) == 2**28
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < MOST


@pytest.mark.parametrize("way", ["down", "through", "written"])
async def test_streams_of_small_chunks_leave_memory_flat_and_the_tables_empty(way):
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("worker", source=STREAMS)
        worker = sandbox.bind(WORKER="worker").WORKER
        before = {name: sandbox.tables(name) for name in ("notebook", "worker")}

        async def flow(chunks):
            got = []
            if way == "written":

                async def write(chunk):
                    await asyncio.sleep(0)
                    got.append(len(chunk))

                sink = rpclab.WritableStream(write)
                await worker.fill(sink, chunks, 1000)
            else:
                stream = await worker.down(chunks, 1000)
                if way == "through":
                    stream = await worker.same(stream)
                got.extend([len(chunk) async for chunk in stream])
            assert sum(got) == chunks * 1000
            gc.collect()

        await flow(1000)
        tracemalloc.start()
        try:
            await flow(1000)
            earlier, _ = tracemalloc.get_traced_memory()
            await flow(4000)
            later, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert later - earlier < SPARE
        await asyncio.sleep(1)  # the last credits go back over all the way
        assert {name: sandbox.tables(name) for name in before} == before
