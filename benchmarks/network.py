"""A child: rpclab over sockets of this machine, both ends in one process; and its HTTP server.

A server of HTTP runs in a process of its own (`http_server.py`), so that who asks does not count.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import socket
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import rpclab
from benchmarks.child import (
    CHUNK,
    CHUNKS_AFAR,
    GROUP,
    Figures,
    Measurement,
    Step,
    answer,
    rates,
)
from benchmarks.delay import delayed
from benchmarks.library import (
    CHAIN,
    MEBIBYTE,
    OUT_OF_REACH,
    Stub,
    calls_in_flight,
    calls_in_turn,
    upload_of,
)
from rpclab.core.limits import DEFAULT_LIMITS

LINKS = {
    "rpclab, TCP": ("tcp:127.0.0.1:0", "msgpack"),
    "rpclab, Cap'n Web": ("ws://127.0.0.1:0/", "capnweb"),
}
SERVERS = ("rpclab", "bare uvicorn")
IDLE = 400  # sessions
CLIENTS = 32
REQUESTS = 1000
QUESTION = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
ANSWER_END = b"\r\n\r\nok"


class Node(rpclab.RpcTarget):
    """One of a chain."""

    def __init__(self, depth: int = 1) -> None:
        self._depth = depth

    def next(self) -> Node:
        return Node(self._depth + 1)

    def depth(self) -> int:
        return self._depth


class Target(rpclab.RpcTarget):
    """What is served."""

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, value: bytes) -> bytes:
        return value

    def node(self) -> Node:
        return Node()

    async def count(self, stream: rpclab.ReadableStream) -> int:
        return sum([len(chunk) async for chunk in stream])


@asynccontextmanager
async def dialled() -> AsyncIterator[dict[str, Stub]]:
    """The target behind each kind of link, by the name of the side."""
    async with AsyncExitStack() as stack:
        stubs: dict[str, Stub] = {}
        for side, (where, codec) in LINKS.items():
            server = await stack.enter_async_context(rpclab.serve(Target(), where))
            dialling = rpclab.connect(server.address, codec=codec)
            stubs[side] = await stack.enter_async_context(dialling)
        yield stubs


async def on_each(step: Callable[[Stub], Step], operations: int, seconds: float) -> Figures:
    async with dialled() as stubs:
        steps = {side: step(stub) for side, stub in stubs.items()}
        return await rates(steps, operations=operations, seconds=seconds)


async def socket_burst(seconds: float) -> Figures:
    return await on_each(calls_in_flight, GROUP, seconds)


async def socket_sequential(seconds: float) -> Figures:
    return await on_each(calls_in_turn, GROUP, seconds)


async def socket_bytes(seconds: float) -> Figures:
    block = bytes(range(256)) * (MEBIBYTE // 256)

    def echoed(stub: Stub) -> Step:
        async def step() -> None:
            assert len(await stub.echo(block)) == MEBIBYTE

        return step

    return await on_each(echoed, 1, seconds)


async def socket_limits(seconds: float) -> Figures:
    """The limits of the two ends against none that anybody could reach."""
    far = rpclab.ServerLimits(
        unsent_bytes=sys.maxsize,
        idle_seconds=math.inf,
        silence_seconds=math.inf,
        session=OUT_OF_REACH,
    )
    async with AsyncExitStack() as stack:
        steps: dict[str, Step] = {}
        for side, served, dialled in (
            ("limits on", rpclab.ServerLimits(), DEFAULT_LIMITS),
            ("out of reach", far, OUT_OF_REACH),
        ):
            serving = rpclab.serve(Target(), "tcp:127.0.0.1:0", limits=served)
            server = await stack.enter_async_context(serving)
            dialling = rpclab.connect(server.address, limits=dialled)
            steps[side] = calls_in_flight(await stack.enter_async_context(dialling))
        return await rates(steps, operations=GROUP, seconds=seconds)


@asynccontextmanager
async def far_away(round_trip: float) -> AsyncIterator[Stub]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(rpclab.serve(Target(), "tcp:127.0.0.1:0"))
        port = int(server.address.rpartition(":")[2])
        far = await stack.enter_async_context(delayed(port, round_trip))
        yield await stack.enter_async_context(rpclab.connect(f"tcp:127.0.0.1:{far}"))


async def far_chain(_seconds: float) -> Figures:
    round_trip = 0.05

    async def step() -> None:
        node = target.node()
        for _ in range(CHAIN - 2):
            node = node.next()
        assert await node.depth() == CHAIN - 1

    async with far_away(round_trip) as target:
        rate = await rates({"rpclab, TCP": step}, operations=1, seconds=10 * round_trip)
        return {side: 1 / each / round_trip for side, each in rate.items()}


async def far_upload(_seconds: float) -> Figures:
    async def step() -> None:
        assert await target.count(upload_of(CHUNKS_AFAR)) == CHUNKS_AFAR * CHUNK

    async with far_away(0.1) as target:
        figures = await rates({"rpclab, TCP": step}, operations=CHUNKS_AFAR, seconds=0)
        tracemalloc.start()
        start = tracemalloc.get_traced_memory()[0]
        await step()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return {**figures, "most at a time": (most - start) / MEBIBYTE}


async def idle(_seconds: float) -> Figures:
    """What a server, a process of its own, takes more for each session that has made one call."""
    async with AsyncExitStack() as stack:
        server, port = await started(stack, "benchmarks.session_server")

        async def sessions(count: int) -> None:
            for _ in range(count):
                dialling = rpclab.connect(f"tcp:127.0.0.1:{port}")
                target = await stack.enter_async_context(dialling)
                assert await target.add(1, 2) == 3

        await sessions(20)
        before = resident(server.pid)
        await sessions(IDLE)
        return {"rpclab, TCP": (resident(server.pid) - before) / IDLE}


def resident(process: int) -> float:
    """The memory of a process, in KiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return float(status.partition("VmRSS:")[2].split()[0])


async def started(stack: AsyncExitStack, *module: str) -> tuple[asyncio.subprocess.Process, int]:
    """Start a server. Gives its process, and the port that it prints."""
    command = (sys.executable, "-m", *module)
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    stack.push_async_callback(server.wait)
    stack.callback(server.kill)
    assert server.stdout is not None
    return server, int(await server.stdout.readline())


async def http(seconds: float, servers: Sequence[str] = SERVERS) -> Figures:
    """Requests a second over kept connections, each with one request under way."""
    async with AsyncExitStack() as stack:
        steps = {side: await asking(side, stack) for side in servers}
        return await rates(steps, operations=REQUESTS, seconds=seconds)


async def asking(side: str, stack: AsyncExitStack) -> Step:
    """Start a server, connect to it, and give what asks it."""
    _, port = await started(stack, "benchmarks.http_server", side)
    ready = stack.enter_context(selectors.DefaultSelector())
    for _ in range(CLIENTS):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready.register(connection, selectors.EVENT_READ)

    async def step() -> None:
        # Without the loop: who asks has to be faster than who answers.
        answers: dict[int, bytes] = {}
        for key in ready.get_map().values():
            key.fileobj.send(QUESTION)
            answers[key.fd] = b""
        left = REQUESTS - CLIENTS
        while answers:
            for key, _ in ready.select():
                answer = answers[key.fd] = answers[key.fd] + key.fileobj.recv(65536)
                if not answer.endswith(ANSWER_END):
                    continue
                assert answer.startswith(b"HTTP/1.1 200 "), answer
                del answers[key.fd]
                if left:
                    left -= 1
                    key.fileobj.send(QUESTION)
                    answers[key.fd] = b""

    return step


MEASUREMENTS: dict[str, Measurement] = {
    "socket_burst": socket_burst,
    "socket_sequential": socket_sequential,
    "socket_bytes": socket_bytes,
    "socket_limits": socket_limits,
    "far_chain": far_chain,
    "far_upload": far_upload,
    "idle": idle,
    "http": http,
}

if __name__ == "__main__":
    answer(MEASUREMENTS)
