"""The program that has the sandbox is killed, or the kernel of the notebook.

Nothing that it has started may be left, and what it had acknowledged has to be stored: the program
notes each such write in a file, which the next one compares with the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from time import perf_counter

import rpclab
from benchmarks.faults.outcomes import ORPHANS, Outcome, descendants, lives
from benchmarks.faults.workers import SOURCE, TALLY
from rpclab.codecs.stored_values import unpack

PROGRAM = """
import asyncio, rpclab
from pathlib import Path
from benchmarks.faults.workers import SOURCE, TALLY

async def main(placement, folder):
    async with rpclab.Sandbox(storage=folder) as sandbox:
        objects = {"TALLY": "Tally"}
        sandbox.deploy("worker", source=TALLY + SOURCE, objects=objects, placement=placement)
        several = "process:2" if placement == "process" else placement
        sandbox.deploy("two", source=SOURCE, placement=several)
        env = sandbox.bind(WORKER="worker", TWO="two")
        await asyncio.gather(env.WORKER.echo(1), env.TWO.echo(1))
        number = 0
        with (Path(folder) / "acknowledged").open("a") as told:
            while True:
                number += 1
                await env.WORKER.add(number)
                print(number, file=told, flush=True)
"""
WRITES = 20
"""Writes that have to be acknowledged before it is killed."""

Running = AbstractAsyncContextManager[int]


async def program_fails(
    times: int, what: str, placement: str, run: Callable[[str, str], Running]
) -> Outcome:
    """A program is killed while it calls.

    Args:
        times: how often.
        what: is killed.
        placement: of its Workers.
        run: runs it, with a placement and a folder; gives its process id.
    """
    outcome = Outcome(f"SIGKILL of {what}", ORPHANS)
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            async with run(placement, folder) as pid:
                told = Path(folder) / "acknowledged"
                while not told.exists() or told.read_text().count("\n") < WRITES:
                    assert lives(pid), "the program has ended"
                    await asyncio.sleep(0.01)
                started = descendants(pid)
                os.kill(pid, signal.SIGKILL)
                since = perf_counter()
                await outcome.gone(started)
                outcome.waited(since)
            outcome.times += 1
            *acknowledged, _ = told.read_text().split("\n")  # the last one may be cut
            stored = await _stored(Path(folder))
            outcome.calls += len(acknowledged)
            outcome.lost += len({*map(int, acknowledged)} - stored)
    return outcome


async def _stored(folder: Path) -> set[int]:
    """What the Durable Object has stored, wherever it ran."""
    kept = folder / "cluster.sqlite"
    if kept.exists():
        store = rpclab.SharedObjects(kept).open()
        with contextlib.closing(store), store._transaction() as execute:  # type: ignore[attr-defined]
            rows = execute("SELECT key, value FROM rpclab_object_values").fetchall()
        return {int(key) for key, value in rows if unpack(bytes(value)) == 1}
    async with rpclab.Sandbox(storage=folder) as sandbox:
        sandbox.deploy("worker", source=TALLY + SOURCE, objects={"TALLY": "Tally"})
        tallies = sandbox.bind(TALLY=rpclab.objects("worker#Tally")).TALLY
        return {int(key) for key in await tallies.get_by_name("one").seen()}


@asynccontextmanager
async def program(placement: str, folder: str) -> AsyncIterator[int]:
    """A program from the shell."""
    text = f"{PROGRAM}\nasyncio.run(main({placement!r}, {folder!r}))"
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", text)
    try:
        yield running.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


@asynccontextmanager
async def kernel(placement: str, folder: str) -> AsyncIterator[int]:
    """The kernel of a notebook, in which a cell runs."""
    from jupyter_client.manager import start_new_async_kernel  # noqa: PLC0415 - an extra

    manager, client = await start_new_async_kernel(kernel_name="python3")
    try:
        client.execute(f"{PROGRAM}\nawait main({placement!r}, {folder!r})")
        yield manager.provisioner.process.pid
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
