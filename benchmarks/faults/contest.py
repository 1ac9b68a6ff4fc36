"""Two sandboxes have one Durable Object, each on a place of its own, which fails again and again.

Each holds it for a while, and the other one has it next. Who has it is killed, or stopped between
reading and writing for longer than its lease, and goes on then. Each number is written once, by
whoever was told so: never are two writers accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import rpclab
from benchmarks.faults.outcomes import Outcome, descendants, parent, stands_still
from rpclab.codecs.stored_values import unpack
from rpclab.placement.dask_cluster import LocalDask
from rpclab.placement.declared import Processes

OBJECT = """
import os, signal
from workers import DurableObject, WorkerEntrypoint

stops = []

class Tally(DurableObject):
    async def add(self):
        n = (await self.ctx.storage.get("n") or 0) + 1
        if stops:
            stops.pop()
            os.kill(os.getpid(), signal.SIGSTOP)
        writer = os.getpid()
        await self.ctx.storage.put({"n": n, f"by {n:09}": writer})
        return [n, writer]

    def let_go(self):
        self.ctx.abort("it lets go")

class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()

    def stop(self):
        stops.append(True)
        return os.getpid()
"""
LEASE = 0.5
"""Seconds, so that nobody waits long for a node that is gone."""
SILENCE = 30.0
"""Longer than a node here is stopped."""
TURN = 20
"""Writes after which the other one may have it."""
PATIENCE = 60.0
"""Seconds after which nobody gets on."""


class Side:
    """One of the two.

    Args:
        contest: what it is part of.
        sandbox: its sandbox.
    """

    def __init__(self, contest: Contest, sandbox: rpclab.Sandbox) -> None:
        self.count = 0
        self._contest = contest
        self._env = sandbox.bind(TALLY=rpclab.objects("tally#Tally"), WORKER="tally")

    async def write(self) -> None:
        """Write for ever, whenever it may."""
        contest = self._contest
        while True:
            tally = self._env.TALLY.get_by_name("one")
            try:
                number, writer = await tally.add()
            except rpclab.ObjectElsewhereError as error:
                contest.refused += not error.retryable
                await asyncio.sleep(LEASE / 10)
                continue
            except rpclab.DisconnectedError:
                # It was killed; whether it has written nobody knows. All its processes are one
                # node, so a new one would have the object at once: now and then the other one may.
                await asyncio.sleep(contest.chance.random() * 2 * LEASE)
                continue
            self.count += 1
            contest.acknowledge(number, writer, self)
            if self.count % TURN == 0:
                with suppress(rpclab.RpcError):
                    await tally.let_go()
                await asyncio.sleep(contest.chance.random() * LEASE)

    async def pid(self) -> int:
        """The process of its Worker, which is started if there is none."""
        return int(await self._env.WORKER.pid())

    async def stop(self) -> int:
        """Have its process stop itself as it writes next. Gives its id."""
        return int(await self._env.WORKER.stop())


class Contest:
    """What was acknowledged to whom.

    Args:
        outcome: takes what comes of it.
        seed: of what is left to chance.
    """

    def __init__(self, outcome: Outcome, seed: str) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - the same on every run
        self.refused = 0
        self.acknowledged: dict[int, int] = {}
        self.last: Side | None = None
        self._outcome = outcome
        self._writing: list[asyncio.Task[None]] = []

    def acknowledge(self, number: int, writer: int, side: Side) -> None:
        """A write was acknowledged."""
        self._outcome.calls += 1
        self._outcome.doubled += number in self.acknowledged
        self.acknowledged[number] = writer
        self.last = side

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds.

        Raises:
            SystemExit: nobody gets on.
        """
        until = perf_counter() + PATIENCE
        while not condition():
            for task in self._writing:
                if task.done():
                    task.result()  # which raises: it writes for ever
            if perf_counter() > until:
                raise SystemExit(f"{self._outcome.what}: nobody gets on")
            await asyncio.sleep(0.005)

    async def writes(self, count: int, side: Side | None = None) -> None:
        """Wait until so many more were acknowledged, to one of them if it is given."""

        def made() -> int:
            return len(self.acknowledged) if side is None else side.count

        most = made() + count
        await self.until(lambda: made() >= most)

    async def play(self, times: int, sides: list[Side], *, nodes: bool) -> None:
        """Have whoever has it fail again and again."""
        self._writing = [asyncio.create_task(side.write()) for side in sides]
        try:
            for turn in range(times):
                await self.writes(self.chance.randint(1, 60))
                assert self.last is not None
                (other,) = [side for side in sides if side is not self.last]
                await self._fail(turn, self.last, other, nodes=nodes)
                self._outcome.times += 1
        finally:
            for task in self._writing:
                task.cancel()
            await asyncio.gather(*self._writing, return_exceptions=True)

    async def _fail(self, turn: int, victim: Side, other: Side, *, nodes: bool) -> None:
        since = perf_counter()
        if turn % 3 == 2:  # it is stopped as it writes, and goes on as the other one does
            pid = await victim.stop()
            await self.until(lambda: stands_still(pid))
            since = perf_counter()
            await self.writes(TURN // 2, other)
            self._outcome.waited(since)
            os.kill(pid, signal.SIGCONT)
            await self.writes(TURN)
            return
        pid = await victim.pid()
        ends = {pid}
        if nodes and turn % 3 == 1:  # all of the node: it comes back as its agent is started anew
            agent = parent(parent(pid))
            ends = {agent, *descendants(agent)}
            pid = agent
        os.kill(pid, signal.SIGKILL)
        await self._outcome.gone(ends)
        await self.writes(1)
        self._outcome.waited(since)

    def compare(self, address: str) -> None:
        """Compare what was acknowledged with what is stored."""
        found = _stored(address)
        last = found.pop("n")
        writers = {int(key.removeprefix("by ")): writer for key, writer in found.items()}
        outcome = self._outcome
        outcome.lost += len({*range(1, last + 1)} ^ {*writers})
        outcome.lost += sum(writers.get(n) != by for n, by in self.acknowledged.items())


async def contest(times: int, address: str, *, nodes: bool) -> Outcome:
    """Two process Workers, or two on a node each, contend for one object.

    Args:
        times: how often one fails.
        address: of the store; a path, or "postgresql://…".
        nodes: whether they run on nodes of a cluster, which fail, too.
    """
    store = "PostgreSQL" if address.startswith("postgres") else "SQLite"
    where = "on two nodes" if nodes else "in two processes"
    outcome = Outcome(f"two contend {where}, {store}", PATIENCE)
    made = Contest(outcome, outcome.what)
    async with AsyncExitStack() as stack:
        places: list[Processes] = [rpclab.processes(silence_seconds=SILENCE)] * 2
        if nodes:
            here = LocalDask(2)
            stack.push_async_callback(here.close)
            scheduler = SimpleNamespace(scheduler_address=await here.open(), security=here.security)
            places = [rpclab.dask(scheduler, node=f"node-{number}") for number in (0, 1)]
        sides = []
        for placement in places:
            shared = rpclab.SharedObjects(address, lease_seconds=LEASE)
            sandbox = await stack.enter_async_context(rpclab.Sandbox(shared_objects=shared))
            objects = {"TALLY": "Tally"}
            sandbox.deploy("tally", source=OBJECT, objects=objects, placement=placement)
            sides.append(Side(made, sandbox))
        await made.play(times, sides, nodes=nodes)
    made.compare(address)
    print(f"{outcome.what}: {made.refused} writes were refused", file=sys.stderr)
    return outcome


def _stored(address: str) -> dict[str, Any]:
    """All that the object has stored, whoever has it."""
    store: Any = rpclab.SharedObjects(address).open()
    with contextlib.closing(store), store._transaction() as execute:
        rows = execute("SELECT key, value FROM rpclab_object_values").fetchall()
    return {bytes(key).decode(): unpack(bytes(value)) for key, value in rows}
