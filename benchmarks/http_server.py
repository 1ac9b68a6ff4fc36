"""A server of HTTP that answers "ok": `python -m benchmarks.http_server SIDE`. Prints its port."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop

import rpclab

SOURCE = """
from workers import Response, WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("ok")
"""


async def rpclab_serves() -> None:
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("ok", source=SOURCE)
        async with sandbox.serve(port=0) as server:
            print(server.port, flush=True)
            await asyncio.Event().wait()


async def application(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    headers = [(b"content-type", b"text/plain;charset=UTF-8"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def uvicorn_serves() -> None:
    # asyncio sends at once (TCP_NODELAY) where a socket says that it is one of TCP.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(100)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off")
    await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    side, _, on_uvloop = sys.argv[1].partition(", ")
    if on_uvloop:
        uvloop.install()
    asyncio.run({"rpclab": rpclab_serves, "bare uvicorn": uvicorn_serves}[side]())
