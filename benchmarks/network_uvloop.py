"""A child: as `network.py`, on uvloop's loop, which is what `rpclab serve` runs on."""

from __future__ import annotations

import uvloop

from benchmarks.child import Figures, answer
from benchmarks.network import http, socket_sequential

SERVERS = ("rpclab, uvloop", "bare uvicorn, uvloop")


async def sequential(seconds: float) -> Figures:
    figures = await socket_sequential(seconds)
    return {f"{side}, uvloop": rate for side, rate in figures.items()}


async def requests(seconds: float) -> Figures:
    return await http(seconds, SERVERS)


if __name__ == "__main__":
    uvloop.install()
    answer({"socket_sequential": sequential, "http": requests})
