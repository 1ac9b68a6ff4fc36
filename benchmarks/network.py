"""A child: rpclab over sockets of this machine, both ends in one process; and its HTTP server.

A server of HTTP runs in a process of its own (`http_server.py`), so that who asks does not count.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import rpclab
from benchmarks.child import Figures, Step, answer, rates
from benchmarks.library import GROUP, MEBIBYTE, Stub, calls_in_flight, calls_in_turn

LINKS = {
    "rpclab, TCP": ("tcp:127.0.0.1:0", "msgpack"),
    "rpclab, Cap'n Web": ("ws://127.0.0.1:0/", "capnweb"),
}
SERVERS = ("rpclab", "bare uvicorn")
CLIENTS = 32
REQUESTS = 1000
QUESTION = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
ANSWER_END = b"\r\n\r\nok"


class Target(rpclab.RpcTarget):
    """What is served."""

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, value: bytes) -> bytes:
        return value


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


async def http(seconds: float) -> Figures:
    """Requests a second over kept connections, each with one request under way."""
    async with AsyncExitStack() as stack:
        steps = {side: await asking(side, stack) for side in SERVERS}
        return await rates(steps, operations=REQUESTS, seconds=seconds)


async def asking(side: str, stack: AsyncExitStack) -> Step:
    """Start a server, connect to it, and give what asks it."""
    command = (sys.executable, "-m", "benchmarks.http_server", side)
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    stack.push_async_callback(server.wait)
    stack.callback(server.kill)
    assert server.stdout is not None
    port = int(await server.stdout.readline())
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


if __name__ == "__main__":
    answer(
        {
            "socket_burst": socket_burst,
            "socket_sequential": socket_sequential,
            "socket_bytes": socket_bytes,
            "http": http,
        }
    )
