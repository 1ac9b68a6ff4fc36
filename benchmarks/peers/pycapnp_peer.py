"""A child: Cap'n Proto by pycapnp over TCP of this machine, both ends on one loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import capnp

from benchmarks.child import GROUP, Figures, Measurement, Step, answer, rates

SCHEMA = capnp.load(str(Path(__file__).with_name("peer.capnp")))


class Target(SCHEMA.Target.Server):  # type: ignore[misc]  # made of the schema
    async def add(self, a: int, b: int, **_: Any) -> int:
        return a + b


@asynccontextmanager
async def connected() -> AsyncIterator[Any]:
    async def serve(stream: Any) -> None:
        await capnp.TwoPartyServer(stream, bootstrap=Target()).on_disconnect()

    server = await capnp.AsyncIoStream.create_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stream = await capnp.AsyncIoStream.create_connection("127.0.0.1", port)
    client = capnp.TwoPartyClient(stream)
    yield client.bootstrap().cast_as(SCHEMA.Target)
    client.close()
    server.close()


def measured(step_of: Callable[[Any], Step]) -> Measurement:
    async def measure(seconds: float) -> Figures:
        async with capnp.kj_loop(), connected() as target:
            return await rates({"pycapnp": step_of(target)}, operations=GROUP, seconds=seconds)

    return measure


def in_flight(target: Any) -> Step:
    async def step() -> None:
        for promise in [target.add(1, 2) for _ in range(GROUP)]:
            assert (await promise).sum == 3

    return step


def in_turn(target: Any) -> Step:
    async def step() -> None:
        for _ in range(GROUP):
            assert (await target.add(1, 2)).sum == 3

    return step


if __name__ == "__main__":
    answer({"socket_burst": measured(in_flight), "socket_sequential": measured(in_turn)})
