"""Many connections, one after another and at a time: what they leave, and what each one costs."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from pathlib import Path

import pytest
from support.net import Api
from support.real_time import until
from websockets.frames import Frame, Opcode

import rpclab
from rpclab.core.limits import Limits
from rpclab.net.sessions import FarSession

WAVE = 60  # the whole crowd: python -m benchmarks.endurance


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def ours():
    """How many objects of our classes there are, by class."""
    for _ in range(2):
        gc.collect()
    return Counter(
        type(each).__qualname__
        for each in gc.get_objects()
        if type(each).__module__.startswith("rpclab.")
    )


async def gone():
    """Wait until no session is left, nor what finalizers have given back."""

    def none():
        gc.collect()
        return not any(type(each) is FarSession for each in gc.get_objects())

    await until(none)


async def test_connections_that_come_and_go_leave_nothing(place, sandbox):
    async with place.serve() as server:

        async def visit(number):
            async with place.connect(server) as api:
                counter = api.counter()
                assert await counter.increment(number) == number
                if number % 3 == 0:
                    await api.call_back(lambda value: value, number)

        found = []
        for _ in range(3):
            await asyncio.gather(*[visit(number) for number in range(WAVE)])
            await gone()
            sandbox.recording.clear()  # which tells of them all
            found.append((descriptors(), ours()))
    # The first wave brings what is made once.
    assert found[1] == found[2]


async def test_of_many_sessions_at_a_time_each_is_answered(place):
    async with place.serve(Counts) as server:
        connections = await asyncio.gather(*[place.connect(server).open() for _ in range(WAVE)])
        for number, each in enumerate(connections):
            for _ in range(number % 5):
                await each.main.increment()
        answers = [
            await rpclab.gather(*[each.main.increment() for _ in range(40)]) for each in connections
        ]
        assert answers == [[number % 5 + n + 1 for n in range(40)] for number in range(WAVE)]
        await asyncio.gather(*[each.close() for each in connections])


class Counts(rpclab.RpcTarget):
    """Counts; each session has one of its own."""

    def __init__(self):
        self._value = 0

    def increment(self):
        self._value += 1
        return self._value


@pytest.mark.parametrize(("method", "most"), [("echo", 60), ("fail", 60), ("hello", 60)])
async def test_what_nobody_ever_asks_for_is_kept_up_to_a_limit(sandbox, method, most):
    """As JavaScript has it whose calls are neither awaited nor disposed."""
    limits = rpclab.ServerLimits(session=Limits(results=50, exports=1000))
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/", limits=limits) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        (connection,) = server.application.sessions._open
        session, kept = connection.session, []
        for _ in range(8):
            call = f'["push",["pipeline",0,["{method}"],{"[]" if method == "fail" else "[[[1]]]"}]]'
            for _ in range(500):
                writer.write(Frame(Opcode.TEXT, call.encode()).serialize(mask=True))
            writer.write(Frame(Opcode.PING, b"").serialize(mask=True))
            assert await reader.readexactly(2) == b"\x8a\x00"  # and nothing else
            kept.append(len(session.imports) + len(session.exports) + len(session._results))
        assert session.closed is None
        assert max(kept) <= most
        writer.close()
        await until(lambda: not server.application.sessions._open)


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
