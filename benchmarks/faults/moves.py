"""What Workers in processes do when something fails, or moves: counted, and timed.

`python -m benchmarks.faults` prints a table: how long calls wait for their end when a process, or
the program, is killed or stopped; what is left behind; and how calls fare while a Worker moves.
`--times` says how often, `--only` what. It exits with 1 where a promise of docs/placement.md is
not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import rpclab
from rpclab.placement.declared import Processes

TALLY = """
from workers import DurableObject

class Tally(DurableObject):
    async def add(self, number):
        key = f"{number:09}"
        await self.ctx.storage.put(key, (await self.ctx.storage.get(key) or 0) + 1)

    async def seen(self):
        return dict(await self.ctx.storage.list())
"""
SOURCE = """
import asyncio, os
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()

    async def echo(self, number):
        await asyncio.sleep(0)
        return number

    async def wait(self, number=0):
        await asyncio.sleep(1000)

    async def add(self, number):
        await self.env.TALLY.get_by_name("one").add(number)
        return number
"""
CALLER = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def ask(self, method, number):
        return await self.env.WORKER[method](number)
"""
PROGRAM = """
import asyncio, sys, rpclab
from benchmarks.faults import SOURCE
async def main():
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("one", source=SOURCE, placement="process")
        sandbox.deploy("two", source=SOURCE, placement=rpclab.processes(2))
        env = sandbox.bind(ONE="one", TWO="two")
        await asyncio.gather(env.ONE.echo(1), env.TWO.echo(1))
        print("ready", flush=True)
        await env.ONE.wait()
asyncio.run(main())
"""
SILENCE = 1.0
"""`silence_seconds` here: how long a process that is stopped may say nothing."""
ORPHANS = 5.0
RATE = 1000
"""Calls a second, of all callers together, while a Worker moves."""


@dataclass
class Outcome:
    """What came of one kind of failure.

    Attributes:
        what: failed.
        times: how often.
        calls: how many calls were under way, or made meanwhile.
        unsettled: how many had no end within the time.
        nameless: how many rejected with a reason that does not name the cause.
        lost: how many were rejected, or not stored, that should not have been.
        doubled: how many ran twice.
        left: processes that were there `ORPHANS` seconds later.
        slowest: the longest that a call waited for its end, in seconds.
        most: how long it may.
    """

    what: str
    most: float
    times: int = 0
    calls: int = 0
    unsettled: int = 0
    nameless: int = 0
    lost: int = 0
    doubled: int = 0
    left: int = 0
    slowest: float = 0.0
    waits: list[float] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether all is as promised."""
        bad = self.unsettled + self.nameless + self.lost + self.doubled + self.left
        return not bad and self.slowest <= self.most

    def waited(self, since: float) -> None:
        """A call has come to its end now."""
        self.waits.append(perf_counter() - since)
        self.slowest = max(self.slowest, self.waits[-1])

    def row(self) -> str:
        """A line of the table."""
        half = sorted(self.waits)[len(self.waits) // 2] if self.waits else 0.0
        figures = (self.calls, self.unsettled, self.nameless, self.lost, self.doubled, self.left)
        cells = [self.what, self.times, *(f"{n:,}" for n in figures)]
        cells += [f"{half * 1000:.0f}", f"{self.slowest * 1000:.0f}", f"{self.most * 1000:.0f}"]
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| what | times | calls | unsettled | nameless | lost | doubled | left | half waited ms"
    " | slowest ms | may ms |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


async def _rejected(outcome: Outcome, call: Awaitable[object], since: float, names: str) -> None:
    """Take the end of a call on a process that has failed."""
    outcome.calls += 1
    try:
        async with asyncio.timeout(30):
            await call
    except TimeoutError:
        outcome.unsettled += 1
    except rpclab.DisconnectedError as error:
        outcome.nameless += names not in str(error)
    else:
        outcome.nameless += 1  # nothing may answer
    outcome.waited(since)


async def worker_fails(times: int, number: int, most: float, names: str) -> Outcome:
    """A process of a Worker gets a signal, while calls are under way; then it starts anew."""
    outcome = Outcome(f"{signal.Signals(number).name} of a process", most)
    placement = rpclab.processes(silence_seconds=SILENCE)
    with tempfile.TemporaryDirectory() as folder:
        async with rpclab.Sandbox(storage=folder) as sandbox:
            objects = {"TALLY": "Tally"}
            sandbox.deploy("worker", source=TALLY + SOURCE, objects=objects, placement=placement)
            bind = {"WORKER": "worker"}
            sandbox.deploy("caller", source=CALLER, bind=bind, placement="process")
            env = sandbox.bind(WORKER="worker", CALLER="caller")
            written = 0
            for _ in range(times):
                written += await env.WORKER.add(written + 1) == written + 1
                pid = await env.WORKER.pid()
                waits = [env.WORKER.wait() for _ in range(20)]
                waits.append(env.CALLER.ask("wait", 0) if number == signal.SIGKILL else waits.pop())
                await env.WORKER.echo(0)
                os.kill(pid, number)
                since = perf_counter()
                await asyncio.gather(*[_rejected(outcome, each, since, names) for each in waits])
                outcome.times += 1
                outcome.left += _lives(pid)
            seen = (
                await sandbox.bind(TALLY=rpclab.objects("worker#Tally"))
                .TALLY.get_by_name("one")
                .seen()
            )
            outcome.lost += written - len(seen)
            outcome.doubled += sum(count > 1 for count in seen.values())
    return outcome


async def program_fails(times: int, number: int) -> Outcome:
    """The program is killed: nothing that it has started is there any more."""
    outcome = Outcome(f"{signal.Signals(number).name} of the program", ORPHANS)
    for _ in range(times):
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, stdout=asyncio.subprocess.PIPE
        )
        assert program.stdout is not None
        while (line := await program.stdout.readline()) != b"ready\n":
            assert line, "the program has ended"
        started = _descendants(program.pid)
        outcome.calls += 1
        program.send_signal(number)
        since = perf_counter()
        await program.wait()
        while any(map(_lives, started)) and perf_counter() - since < ORPHANS:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        outcome.waited(since)
        outcome.left += sum(map(_lives, started))
        outcome.times += 1
    return outcome


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
            async with asyncio.timeout(30):
                outcome.lost += await self._calls[number % 4](number) != number
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


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text("ascii").split()):
            found |= {child, *_descendants(child)}
    return found


KINDS: dict[str, Callable[[int], Awaitable[Outcome]]] = {
    "kill": lambda times: worker_fails(times, signal.SIGKILL, 1.0, "killed by SIGKILL"),
    "stop": lambda times: worker_fails(
        times, signal.SIGSTOP, 2.5 * SILENCE, f"nothing was heard of it for {SILENCE:g} s"
    ),
    "program": lambda times: program_fails(times, signal.SIGKILL),
    "moves": lambda times: moves(times, "kernel, process", "process", "kernel"),
    "pools": lambda times: moves(times, "kernel, two processes", rpclab.processes(2), "kernel"),
    "objects": lambda times: moves(times, "objects, from process to process", "process"),
}


async def main(times: int, only: list[str]) -> int:
    print(HEAD)
    kept = True
    for kind in only or KINDS:
        outcome = await KINDS[kind](times)
        print(outcome.row(), flush=True)
        kept = kept and outcome.kept
    return 0 if kept else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.times, options.only)))
