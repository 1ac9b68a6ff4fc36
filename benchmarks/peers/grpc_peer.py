"""A child: grpc.aio over TCP of this machine, both ends on one loop."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_tools import protoc

from benchmarks.child import CHUNK, CHUNKS_AFAR, GROUP, Figures, answer, rates
from benchmarks.delay import delayed

FOLDER = Path(__file__).parent


def compiled() -> tuple[Any, Any]:
    """The modules that gRPC's compiler makes of the schema."""
    with tempfile.TemporaryDirectory() as made:
        arguments = [f"-I{FOLDER}", f"--python_out={made}", f"--grpc_python_out={made}"]
        assert protoc.main(["", *arguments, str(FOLDER / "peer.proto")]) == 0
        sys.path.insert(0, made)
        modules = importlib.import_module("peer_pb2"), importlib.import_module("peer_pb2_grpc")
        sys.path.remove(made)
    return modules


messages, services = compiled()


class Target(services.TargetServicer):  # type: ignore[misc]  # made of the schema
    async def Add(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the schema's name
        return messages.Number(value=request.a + request.b)

    async def Count(self, chunks: Any, _context: Any) -> Any:  # noqa: N802 - likewise
        return messages.Number(value=sum([len(chunk.data) async for chunk in chunks]))


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    server = grpc.aio.server()
    services.add_TargetServicer_to_server(Target(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield services.TargetStub(channel)


async def socket_burst(seconds: float) -> Figures:
    async def step() -> None:
        for call in [stub.Add(messages.Pair(a=1, b=2)) for _ in range(GROUP)]:
            assert (await call).value == 3

    async with served() as port, dialled(port) as stub:
        return await rates({"grpc.aio": step}, operations=GROUP, seconds=seconds)


async def socket_sequential(seconds: float) -> Figures:
    async def step() -> None:
        for _ in range(GROUP):
            assert (await stub.Add(messages.Pair(a=1, b=2))).value == 3

    async with served() as port, dialled(port) as stub:
        return await rates({"grpc.aio": step}, operations=GROUP, seconds=seconds)


async def far_upload(_seconds: float) -> Figures:
    chunk = messages.Chunk(data=bytes(CHUNK))

    async def step() -> None:
        call = stub.Count()
        for _ in range(CHUNKS_AFAR):
            await call.write(chunk)
        await call.done_writing()
        assert (await call).value == CHUNKS_AFAR * CHUNK

    async with served() as port, delayed(port, 0.1) as far, dialled(far) as stub:
        return await rates({"grpc.aio": step}, operations=CHUNKS_AFAR, seconds=0)


if __name__ == "__main__":
    answer(
        {
            "socket_burst": socket_burst,
            "socket_sequential": socket_sequential,
            "far_upload": far_upload,
        }
    )
