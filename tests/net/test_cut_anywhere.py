"""A link that is cut after any of its records: everything ends at once, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from support.net import Api, far_sessions
from support.real_time import until

import rpclab
from rpclab.transports.batches import MAGIC, RecordReader, framed


async def calls(api):
    return [await api.hello("a"), await api.hello("b"), await api.echo([1, {"two": b"3"}])]


async def pipelined(api):
    counter = api.counter()
    return await rpclab.gather(*[counter.increment() for _ in range(20)])


async def stubs(api):
    one, other = await api.counter(), await api.counter()
    await one.increment()
    one.dispose()
    return await other.increment(5)


async def callbacks(api):
    await api.keep(lambda value: value + 1)
    return [await api.call_kept(1), await api.call_back(lambda value: value * 2, 4)]


async def errors(api):
    with contextlib.suppress(ValueError):
        await api.fail()
    return await api.hello("after")


async def read(api):
    return sum([len(chunk) async for chunk in await api.numbers(12, 30_000)])


async def written(api):
    return await api.total(rpclab.ReadableStream(b"x" * 50_000 for _ in range(12)))


async def large(api):
    return len(await api.echo(b"x" * 1_000_000))


async def nested(api):
    return await api.call_back(api.echo, api.hello("x"))


async def promised_arguments(api):
    return await api.hello(api.hello(api.hello("x")))


async def chains(api):
    return await rpclab.gather(*[api.counter().increment(number) for number in range(6)])


async def mapped(api):
    return await api.counters(3).map(lambda counter: counter.increment(2))


async def cancelled(api):
    hanging = asyncio.ensure_future(_waited(api.hang()))
    try:
        return await api.hello("meanwhile")
    finally:
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)


async def both_ways(api):
    read, total = await asyncio.gather(read_all(api), written(api))
    return [read, total]


async def read_all(api):
    return sum([len(chunk) async for chunk in await api.numbers(8, 20_000)])


async def abandoned(api):
    stream = await api.numbers(50, 20_000)
    first = [len(chunk) async for chunk in _first_of(stream)]
    await stream.cancel("enough")
    return [first, await api.hello("after")]


async def _first_of(stream):
    async for chunk in stream:
        yield chunk
        return


async def duplicates(api):
    one = await api.counter()
    other = one.dup()
    one.dispose()
    return await other.increment(3)


async def come_home(api):
    back = await api.echo(lambda value: value + 1)
    return await back(1)


async def deep_callbacks(api):
    return await api.call_back(lambda value: api.call_back(lambda inner: inner + value, 2), 1)


async def many_large(api):
    return [len(each) for each in await rpclab.gather(*[api.echo(b"x" * 200_000)] * 6)]


async def broken_stream(api):
    def chunks():
        yield b"x" * 1000
        raise ValueError("in the middle")

    with contextlib.suppress(rpclab.DisconnectedError):  # so it is told to whoever reads
        await api.total(rpclab.ReadableStream(chunks()))
    return await api.hello("after")


async def properties(api):
    return [await api.motto, await api.hello(api.motto)]


async def _waited(promise):
    return await promise


class Counting(Api):
    """Counts what it makes."""

    def __init__(self):
        super().__init__()
        self._made = 0

    def counter(self):
        self._made += 1
        return super().counter()

    def counters(self, count):
        return [self.counter() for _ in range(count)]

    @property
    def motto(self):
        return "be kind"

    def all_disposed(self):
        """Whether each counter was disposed, and once."""
        return self.log.count("counter disposed") == self._made


PROGRAMS = [
    calls, pipelined, stubs, callbacks, errors, read, written, large, nested, promised_arguments,
    chains, mapped, cancelled, both_ways, abandoned, duplicates, come_home, deep_callbacks,
    many_large, broken_stream, properties,
]  # fmt: skip


class Cutting:
    """Passes records on between two ends, and cuts the way after so many of them.

    Args:
        port: where the server is.
        after: how many pass; None for all.
    """

    def __init__(self, port, after=None) -> None:
        self.passed = 0
        self._port = port
        self._after = after
        self._ends = []
        self._tasks = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"tcp:127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self):
        for writer in self._ends:
            writer.transport.abort()

    async def _accept(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends += [writer, far_writer]
        self._tasks += [
            asyncio.ensure_future(self._pass(*ends))
            for ends in ((reader, far_writer), (far_reader, writer))
        ]

    async def _pass(self, reader, writer):
        records = RecordReader(2**25)
        records.welcome()
        writer.write(MAGIC)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                for record in records.feed(data):
                    if self.passed == self._after:
                        self.cut()
                        return
                    self.passed += 1
                    writer.write(b"".join(framed([record])))
        writer.close()


async def run(server, program, after=None):
    """Run a program over a way that is cut. Gives what came of it, and how many records passed."""
    port = int(server.address.rpartition(":")[2])
    async with Cutting(port, after) as way:
        try:
            async with rpclab.connect(way.address) as api:
                outcome = await program(api)
        except Exception as error:
            outcome = error
        return outcome, way.passed


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_a_cut_after_any_record_ends_everything_with_its_reason(sandbox, program):
    async with rpclab.serve(Counting(), "tcp:127.0.0.1:0") as server:
        whole, records = await run(server, program)
        assert not isinstance(whole, Exception)
        assert records >= 4
    for after in range(records):
        api = Counting()
        async with rpclab.serve(api, "tcp:127.0.0.1:0") as server:
            outcome, _ = await run(server, program, after)
            if isinstance(outcome, Exception):
                assert isinstance(outcome, rpclab.DisconnectedError), outcome
            else:
                assert outcome == whole
            await until(lambda: far_sessions(sandbox) == [])
            await until(api.all_disposed)
        assert api.all_disposed()
