"""A Worker moves again and again while it is called a thousand times a second."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import rpclab
from benchmarks.faults.outcomes import HANGS, Outcome
from benchmarks.faults.workers import CALLER, SOURCE, TALLY
from rpclab.placement.declared import Processes

RATE = 1000
"""Calls a second, of all callers together."""


class Load:
    """Calls a Worker `RATE` times a second, whatever the answers do; one of four from a process.

    Args:
        outcome: takes what comes of them.
        here: calls it from here: takes a number, and gives it back.
        there: likewise, from the process.
    """

    def __init__(self, outcome: Outcome, here: Callable[[int], Any], there: Any) -> None:
        self._outcome = outcome
        self._calls = (there, here, here, here)
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Call until it is stopped, and wait for the answers."""
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()
        begun, made = loop.time(), 0
        while not self._stop.is_set():
            await asyncio.sleep(0.002)
            due = int((loop.time() - begun) * RATE)
            for number in range(made, due):
                task = asyncio.create_task(self._call(number))
                running.add(task)
                task.add_done_callback(running.discard)
            made = due
        await asyncio.gather(*running)

    async def _call(self, number: int) -> None:
        outcome, since = self._outcome, perf_counter()
        outcome.calls += 1
        try:
            async with asyncio.timeout(HANGS):
                answer = await self._calls[number % 4](number)
            outcome.lost += answer != number
        except TimeoutError:
            outcome.unsettled += 1
        except Exception as error:
            if not outcome.lost:
                print(f"call {number}: {error}", file=sys.stderr)
            outcome.lost += 1
        outcome.waited(since)

    def stop(self) -> None:
        """Make no more calls."""
        self._stop.set()


async def moves(times: int, what: str, *places: str | Processes) -> Outcome:
    """A Worker moves again and again while it is called."""
    outcome = Outcome(f"moves: {what}", 1.0)
    with_objects = what.startswith("objects")
    method, declared = ("add", {"TALLY": "Tally"}) if with_objects else ("echo", None)
    with tempfile.TemporaryDirectory() as folder:
        async with rpclab.Sandbox(storage=folder) as sandbox:
            sandbox.deploy("worker", source=TALLY * with_objects + SOURCE, objects=declared)
            bind = {"WORKER": "worker"}
            sandbox.deploy("caller", source=CALLER, bind=bind, placement="process")
            env = sandbox.bind(WORKER="worker", CALLER="caller")
            load = Load(outcome, env.WORKER[method], partial(env.CALLER.ask, method))
            task = asyncio.create_task(load.run())
            for _ in range(times):
                for place in places:
                    await asyncio.sleep(0.05)
                    await sandbox.move("worker", place)
                    outcome.times += 1
            load.stop()
            await task
            if with_objects:
                tallies = sandbox.bind(TALLY=rpclab.objects("worker#Tally")).TALLY
                seen = await tallies.get_by_name("one").seen()
                outcome.lost += outcome.calls - len(seen)
                outcome.doubled += sum(count > 1 for count in seen.values())
    return outcome
