"""A child: Workers in processes of their own, beside the same object served over TCP elsewhere.

`python -m benchmarks.placement serve` is that elsewhere: it prints the address, and serves.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

import rpclab
from benchmarks.child import Figures, answer, rates
from benchmarks.library import GROUP, Stub, calls_in_flight, calls_in_turn

SOURCE = """
from workers import RpcTarget, WorkerEntrypoint

class Target(RpcTarget):
    def add(self, a, b):
        return a + b

class Default(WorkerEntrypoint):
    def add(self, a, b):
        return a + b

    def target(self):
        return Target()

    def compute(self, steps):
        total = 0
        for number in range(steps):
            total += number * number
        return total
"""
STEPS = 300_000


class Target(rpclab.RpcTarget):
    """What is served over TCP."""

    def add(self, a: int, b: int) -> int:
        return a + b


async def serve() -> None:
    async with rpclab.serve(Target(), "tcp:127.0.0.1:0") as server:
        print(server.address, flush=True)
        await asyncio.Event().wait()


@asynccontextmanager
async def both() -> AsyncIterator[dict[str, Stub]]:
    """A target in a process of a Worker, and one behind TCP in another program."""
    async with AsyncExitStack() as stack:
        command = (sys.executable, "-m", "benchmarks.placement", "serve")
        elsewhere = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        stack.push_async_callback(elsewhere.wait)
        stack.callback(elsewhere.kill)
        assert elsewhere.stdout is not None
        address = (await elsewhere.stdout.readline()).decode().strip()
        sandbox = await stack.enter_async_context(rpclab.Sandbox())
        sandbox.deploy("worker", source=SOURCE, placement="process")
        env = sandbox.bind(WORKER="worker")
        tcp = await stack.enter_async_context(rpclab.connect(address))
        yield {"a process": await env.WORKER.target(), "TCP": tcp, "its binding": env.WORKER}


async def process_burst(seconds: float) -> Figures:
    async with both() as stubs:
        steps = {side: calls_in_flight(stub) for side, stub in stubs.items()}
        return await rates(steps, operations=GROUP, seconds=seconds)


async def process_sequential(seconds: float) -> Figures:
    async with both() as stubs:
        steps = {side: calls_in_turn(stub) for side, stub in stubs.items()}
        return await rates(steps, operations=GROUP, seconds=seconds)


async def process_cores(seconds: float) -> Figures:
    """Two calls that compute, at two Workers that share a process, and at two with their own."""
    async with rpclab.Sandbox() as sandbox:
        for name in ("one", "two"):
            sandbox.deploy(name, source=SOURCE, placement="process")
        env = sandbox.bind(ONE="one", TWO="two")

        async def together() -> None:
            await rpclab.gather(env.ONE.compute(STEPS), env.TWO.compute(STEPS))

        async def in_one() -> None:
            await rpclab.gather(env.ONE.compute(STEPS), env.ONE.compute(STEPS))

        steps = {"two processes": together, "one process": in_one}
        return await rates(steps, operations=2, seconds=seconds)


async def process_start(seconds: float) -> Figures:
    """Starts a second, after the first: from `deploy` until a call has its answer."""
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("worker", source=SOURCE, placement="process")
        env = sandbox.bind(WORKER="worker")
        taken = []
        until = perf_counter() + seconds
        while perf_counter() < until or len(taken) < 3:
            start = perf_counter()
            sandbox.deploy("worker", source=SOURCE, placement="process")
            assert await env.WORKER.add(1, 2) == 3
            taken.append(perf_counter() - start)
        return {"a process": sorted(taken)[len(taken) // 2] * 1000}


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        assert os.name == "posix"
        answer(
            {
                "process_burst": process_burst,
                "process_sequential": process_sequential,
                "process_cores": process_cores,
                "process_start": process_start,
            }
        )
