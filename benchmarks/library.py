"""A child: rpclab itself, two virtual Workers in one process."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import rpclab
from benchmarks.child import CHUNK, GROUP, Figures, Step, answer, rates
from rpclab.core.limits import DEFAULT_LIMITS, Limits

REFERENCES = 100_000
HELD = 20_000
CHAIN = 10
EVENTS = 10_000
ROWS = 10_000
MEBIBYTE = 2**20

SOURCE = """
import tracemalloc
from workers import RpcTarget, WorkerEntrypoint

class Node(RpcTarget):
    def __init__(self, depth=1): self._depth = depth
    def next(self): return Node(self._depth + 1)
    def depth(self): return self._depth

class Target(RpcTarget):
    def add(self, a, b): return a + b
    def echo(self, value): return value
    async def count(self, stream): return sum([len(chunk) async for chunk in stream])
    def node(self): return Node()

class Default(WorkerEntrypoint):
    def add(self, a, b): return a + b
    def target(self): return Target()
"""

OUT_OF_REACH = Limits(**{limit.name: sys.maxsize for limit in fields(Limits)})
PIECE = CHUNK
UPLOAD = 500  # chunks that one step sends
PASSING = 2**30 // PIECE  # chunks

Stub: TypeAlias = Any  # a stub has whatever members its Worker has


@asynccontextmanager
async def deployed(
    *, record: bool = False, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[tuple[rpclab.Sandbox, Stub]]:
    """A sandbox with the Worker above, and the binding to it."""
    async with rpclab.Sandbox(record=record, limits=limits) as sandbox:
        sandbox.deploy("api", source=SOURCE)
        yield sandbox, sandbox.bind(API="api").API


def calls_in_flight(stub: Stub) -> Step:
    async def step() -> None:
        await rpclab.gather(*[stub.add(1, 2) for _ in range(GROUP)])

    return step


def calls_in_turn(stub: Stub) -> Step:
    async def step() -> None:
        for _ in range(GROUP):
            await stub.add(1, 2)

    return step


async def burst(seconds: float) -> Figures:
    async with deployed() as (_, api):
        steps = {"rpclab": calls_in_flight(await api.target())}
        return await rates(steps, operations=GROUP, seconds=seconds)


async def sequential(seconds: float) -> Figures:
    async with deployed() as (_, api):
        steps = {"rpclab": calls_in_turn(await api.target())}
        return await rates(steps, operations=GROUP, seconds=seconds)


async def binding(seconds: float) -> Figures:
    async with deployed() as (_, api):
        steps = {"rpclab, sequential": calls_in_turn(api), "rpclab, burst": calls_in_flight(api)}
        return await rates(steps, operations=GROUP, seconds=seconds)


async def dict1k(seconds: float) -> Figures:
    value = json.loads(Path(__file__).with_name("payload.json").read_text())
    return await echoes(value, seconds)


async def rows(seconds: float) -> Figures:
    value = [
        {"id": n, "name": f"user-{n}", "score": n * 0.25, "active": n % 3 == 0, "tags": ["a", "b"]}
        for n in range(ROWS)
    ]
    return await echoes(value, seconds)


async def echoes(value: object, seconds: float) -> Figures:
    """There and back, each awaited before the next."""
    async with deployed() as (_, api):
        target = await api.target()
        assert await target.echo(value) == value
        return await rates({"rpclab": lambda: target.echo(value)}, operations=1, seconds=seconds)


async def large_bytes(seconds: float) -> Figures:
    value = bytes(range(256)) * (MEBIBYTE // 256)
    figures = await echoes(value, seconds)
    async with deployed() as (_, api):
        target = await api.target()
        await target.echo(value)
        tracemalloc.start()
        start = tracemalloc.get_traced_memory()[0]
        await target.echo(value)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return {**figures, "most at a time": (most - start) / MEBIBYTE}


async def chain(seconds: float) -> Figures:
    async def step() -> None:
        node = target.node()
        for _ in range(CHAIN - 2):
            node = node.next()
        assert await node.depth() == CHAIN - 1

    async with deployed() as (_, api):
        target = await api.target()
        figures = await rates({"rpclab": step}, operations=1, seconds=seconds)
    async with deployed(record=True) as (sandbox, api):
        target = await api.target()
        with sandbox.trace() as trace:
            await step()
    return {**figures, "round trips": trace.round_trips}


def upload_of(chunks: int) -> rpclab.ReadableStream:
    """A stream of that many chunks of 64 KiB."""
    chunk = bytes(PIECE)
    return rpclab.ReadableStream(chunk for _ in range(chunks))


async def upload(seconds: float) -> Figures:
    async def step() -> None:
        assert await target.count(upload_of(UPLOAD)) == UPLOAD * PIECE

    async with deployed() as (_, api):
        target = await api.target()
        return await rates({"rpclab": step}, operations=UPLOAD, seconds=seconds)


async def beside(seconds: float) -> Figures:
    """The longest time that a call took while a stream without end flowed on the same session."""
    async with deployed() as (_, api):
        target = await api.target()
        flowing = target.count(upload_of(sys.maxsize))
        slowest = 0.0
        end = perf_counter() + seconds
        while perf_counter() < end:
            start = perf_counter()
            await target.add(1, 2)
            slowest = max(slowest, perf_counter() - start)
        del flowing
        return {"rpclab": slowest}


async def passing(_seconds: float) -> Figures:
    async with deployed() as (_, api):
        target = await api.target()
        await target.count(upload_of(UPLOAD))
        tracemalloc.start()
        start = tracemalloc.get_traced_memory()[0]
        assert await target.count(upload_of(PASSING)) == PASSING * PIECE
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return {"most at a time": (most - start) / 2**20}


async def references(_seconds: float) -> Figures:
    async def made_and_released(count: int) -> None:
        held: list[Stub] = []
        while len(held) < count:
            held += await rpclab.gather(*[target.node() for _ in range(GROUP)])
        for node in held:
            node.dispose()
        await target.add(1, 2)  # answered after the releases before it

    async with deployed() as (_, api):
        target = await api.target()
        await made_and_released(GROUP)
        start = perf_counter()
        await made_and_released(REFERENCES)
        return {"rpclab": REFERENCES / (perf_counter() - start)}


async def memory(_seconds: float) -> Figures:
    """Bytes that stay allocated for each reference held.

    Both sides live in this process and share the allocator, so the client's share is summed up from
    what it holds: the stub, its handle, the import with its number, and its place in the table.
    """
    async with deployed() as (_, api):
        target = await api.target()
        await rpclab.gather(*[target.node() for _ in range(GROUP)])
        tracemalloc.start()
        held: list[Stub] = []
        start = tracemalloc.get_traced_memory()[0]
        for _ in range(HELD // GROUP):
            held += await rpclab.gather(*[target.node() for _ in range(GROUP)])
        await target.add(1, 2)
        both = tracemalloc.get_traced_memory()[0] - start
        tracemalloc.stop()
        return {"client's share": client_bytes(held) / HELD, "both sides": both / HELD}


def client_bytes(stubs: list[Stub]) -> int:
    handles = [stub.__handle__ for stub in stubs]
    imports = [handle.entry for handle in handles]
    held = [*stubs, *handles, *imports, *(entry.id for entry in imports)]
    return sum(map(sys.getsizeof, held)) + sys.getsizeof(imports[0].session.imports)


async def recording(seconds: float) -> Figures:
    async with (
        deployed() as (_, never),
        deployed() as (sandbox, once),
        deployed(record=True) as (_, always),
    ):
        steps = {
            "never watched": calls_in_flight(await never.target()),
            "watched once": calls_in_flight(await once.target()),
            "recording": calls_in_flight(await always.target()),
        }
        with sandbox.trace():
            await steps["watched once"]()
        return await rates(steps, operations=GROUP, seconds=seconds)


async def limits(seconds: float) -> Figures:
    """Calls in flight in a sandbox as everyone has it, and in one whose limits nobody can reach."""
    async with deployed() as (_, on), deployed(limits=OUT_OF_REACH) as (_, off):
        steps = {
            "limits on": calls_in_flight(await on.target()),
            "out of reach": calls_in_flight(await off.target()),
        }
        return await rates(steps, operations=GROUP, seconds=seconds)


async def timeline(_: float) -> Figures:
    """Ask for the first picture that this process draws; what it imports for that is included."""
    async with deployed(record=True) as (sandbox, api):
        assert sandbox.recording is not None
        target = await api.target()
        while len(sandbox.recording) < EVENTS:
            node = await target.node()
            await node.next().next().depth()
            await rpclab.gather(*[target.add(number, 2) for number in range(10)])
        start = perf_counter()
        rpclab.views.timeline(sandbox.recording).svg()
        return {"rpclab": perf_counter() - start}


if __name__ == "__main__":
    answer(
        {
            "burst": burst,
            "sequential": sequential,
            "binding": binding,
            "dict1k": dict1k,
            "rows": rows,
            "bytes": large_bytes,
            "chain": chain,
            "upload": upload,
            "beside": beside,
            "passing": passing,
            "references": references,
            "memory": memory,
            "recording": recording,
            "limits": limits,
            "timeline": timeline,
        }
    )
