"""A server of sessions over TCP: `python -m benchmarks.session_server`. Prints its port."""

from __future__ import annotations

import asyncio

import rpclab
from benchmarks.network import Target


async def serve() -> None:
    async with rpclab.serve(Target(), "tcp:127.0.0.1:0") as server:
        print(server.address.rpartition(":")[2], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
