"""A child: Cap'n Web of the package py-capnweb, over a WebSocket of this machine, on one loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from capnweb import Client, ClientConfig, RpcError, RpcTarget, Server, ServerConfig

from benchmarks.child import GROUP, Figures, answer, rates

SIDE = "py-capnweb"


class Target(RpcTarget):
    async def call(self, method: str, args: list[Any]) -> Any:
        if method == "add":
            return args[0] + args[1]
        raise RpcError.not_found(method)

    async def get_property(self, name: str) -> Any:
        raise RpcError.not_found(name)


@asynccontextmanager
async def connected() -> AsyncIterator[Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(ServerConfig(host="127.0.0.1", port=port))
    server.register_capability(0, Target())
    await server.start()
    async with Client(ClientConfig(url=f"ws://127.0.0.1:{port}/rpc/ws")) as client:
        yield client
    await server.stop()


async def socket_burst(seconds: float) -> Figures:
    async def step() -> None:
        results = await asyncio.gather(*[client.call(0, "add", [1, 2]) for _ in range(GROUP)])
        assert results == [3] * GROUP

    async with connected() as client:
        return await rates({SIDE: step}, operations=GROUP, seconds=seconds)


async def socket_sequential(seconds: float) -> Figures:
    async def step() -> None:
        for _ in range(GROUP):
            assert await client.call(0, "add", [1, 2]) == 3

    async with connected() as client:
        return await rates({SIDE: step}, operations=GROUP, seconds=seconds)


if __name__ == "__main__":
    answer({"socket_burst": socket_burst, "socket_sequential": socket_sequential})
