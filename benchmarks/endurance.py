"""What a server keeps of many: `python -m benchmarks.endurance`. It takes minutes.

    python -m benchmarks.endurance connects --count 10000      connections that come and go
    python -m benchmarks.endurance sessions --count 1000       sessions at a time, 100 calls each
    python -m benchmarks.endurance callbacks --minutes 10      calls that JavaScript never awaits

Each ends with 1 if memory, file descriptors or tables do not come back to where they were. Both
ends of the first two are in this process; the third starts Node.js.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import rpclab
from benchmarks import node
from benchmarks.library import GROUP
from rpclab.core.session import Session

DOORS = ("tcp:127.0.0.1:0", "ws://127.0.0.1:0/")
AT_ONCE = 250
CALLS = 100
SPARE = 8 * 2**20  # bytes that the allocator may keep, in places
MINUTE = 60.0


class Api(rpclab.RpcTarget):
    """What is served."""

    def __init__(self) -> None:
        self.ticks = 0

    def add(self, a: int, b: int) -> int:
        return a + b

    def tick(self, number: int) -> dict[str, int]:
        self.ticks += 1
        return {"number": number}

    async def subscribe(self, function: Any, count: int) -> None:
        """Call a function so often, and wait for none of the calls."""
        for number in range(count):
            function(number)
            if number % GROUP == 0:
                await asyncio.sleep(0)


def memory() -> int:
    """The bytes that this process holds now, without what the allocator only keeps."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only how many


def sessions() -> int:
    """How many sessions with other programs there are in this process."""
    gc.collect()
    return sum(
        isinstance(each, Session) and each.peer is None and each.closed is None
        for each in gc.get_objects()
    )


async def connects(count: int) -> bool:
    """Connect, call once and leave, so many times at each door."""
    held = True
    for door in DOORS:
        async with rpclab.serve(Api(), door) as server:
            visit = partial(_visit, server.address)
            # What the allocator takes the first time, it keeps.
            await _in_groups(visit, max(count // 4, AT_ONCE))
            held &= await _kept(door, partial(_in_groups, visit, count))
    return held


async def _visit(address: str) -> None:
    async with rpclab.connect(address, connect_seconds=MINUTE) as api:
        if await api.add(1, 2) != 1 + 2:
            raise RuntimeError("a wrong answer")


async def _in_groups(visit: Callable[[], Awaitable[None]], count: int) -> None:
    for first in range(0, count, AT_ONCE):
        await asyncio.gather(*[visit() for _ in range(min(AT_ONCE, count - first))])
    await asyncio.sleep(0.1)  # for the last ends to be seen


async def many_sessions(count: int) -> bool:
    """Have so many sessions at a time, and make calls on each, all in flight together."""
    held = True
    for door in DOORS:
        async with rpclab.serve(Api(), door) as server:
            crowd = partial(_crowd, server.address)
            await crowd(max(count // 4, 1))
            held &= await _kept(door, partial(crowd, count))
    return held


async def _crowd(address: str, count: int) -> None:
    start = memory()
    connections = []
    for first in range(0, count, AT_ONCE):
        dials = [
            rpclab.connect(address, connect_seconds=MINUTE).open()
            for _ in range(min(AT_ONCE, count - first))
        ]
        connections += await asyncio.gather(*dials)
    each_takes = (memory() - start) / count
    began = time.perf_counter()
    for each in connections:
        sums = await asyncio.gather(*[_awaited(each.main.add(n, n)) for n in range(CALLS)])
        if sums != [2 * n for n in range(CALLS)]:
            raise RuntimeError("a wrong answer")
    took = time.perf_counter() - began
    print(
        f"{address}: {count:,} sessions of {each_takes / 1024:.0f} KiB for both ends;"
        f" {count * CALLS:,} calls in {took:.1f} s"
    )
    await asyncio.gather(*[each.close() for each in connections])
    await asyncio.sleep(0.1)


async def _awaited(promise: Any) -> Any:
    return await promise


async def callbacks(minutes: float) -> bool:
    """Let JavaScript make calls, and be called, and await none of it; look each second."""
    missing = node.missing()
    if missing is not None:
        print(missing, file=sys.stderr)
        return False
    api = Api()
    async with rpclab.serve(api, "ws://127.0.0.1:0/") as server:
        script = node.PEERS / "unawaited.mjs"
        program = await asyncio.create_subprocess_exec(
            "node", str(script), server.address, str(minutes * MINUTE)
        )
        await asyncio.sleep(min(MINUTE, minutes * MINUTE / 4))  # until what is kept is full
        before, files, seen = memory(), descriptors(), []
        while program.returncode is None:
            seen.append(memory())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(program.wait()), 1)
        status = program.returncode
        await asyncio.sleep(0.2)
    most = max(seen, default=before)
    told = [each / 2**20 for each in seen[:: max(len(seen) // 10, 1)]]
    print(
        f"{api.ticks:,} calls in {minutes:g} min; memory in MiB, one after another:"
        f" {', '.join(f'{each:.1f}' for each in told)}; descriptors {files} and {descriptors()};"
        f" sessions left {sessions()}; Node.js ended with {status}"
    )
    return status == 0 and most - before < 2 * SPARE and sessions() == 0


async def _at_rest() -> None:
    """Let what finalizers have given back be taken."""
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.05)


async def _kept(what: str, run: Callable[[], Awaitable[None]]) -> bool:
    """Run something, and tell what stays of it. Says whether nothing does."""
    await _at_rest()
    before, files, began = memory(), descriptors(), time.perf_counter()
    await run()
    took = time.perf_counter() - began
    await _at_rest()
    after, left = memory(), sessions()
    print(
        f"{what}: {took:.1f} s; memory {before / 2**20:.1f} MiB before, {after / 2**20:.1f} after;"
        f" descriptors {files} and {descriptors()}; sessions left {left}"
    )
    return after - before < SPARE and descriptors() <= files and left == 0


def main() -> int:
    """Run what the command line says; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("connects").add_argument("--count", type=int, default=10_000)
    commands.add_parser("sessions").add_argument("--count", type=int, default=1000)
    commands.add_parser("callbacks").add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    if options.what == "connects":
        held = asyncio.run(connects(options.count))
    elif options.what == "sessions":
        held = asyncio.run(many_sessions(options.count))
    else:
        held = asyncio.run(callbacks(options.minutes))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
