"""A process, a node or a scheduler fails while a Worker there is called.

Each time some calls wait there, one of them by way of a Worker elsewhere, and another one after
the other writes to a Durable Object, until its call rejects.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import perf_counter
from typing import Any

import rpclab
from benchmarks.faults.outcomes import HANGS, Outcome, descendants, parent
from benchmarks.faults.workers import CALLER, SOURCE, TALLY
from rpclab.placement.declared import Processes

SILENCE = 1.0
"""`silence_seconds` of processes here."""
SILENCE_OF_NODES = 4.0
"""Likewise of nodes."""
STARTS = 60.0
"""Seconds in which a Worker has to run again."""


class Scene:
    """A Worker elsewhere that writes to a Durable Object, and one that calls it.

    Args:
        sandbox: where both are deployed.
        outcome: takes what comes of their calls.
        names: what each reason has to say.
    """

    def __init__(self, sandbox: rpclab.Sandbox, outcome: Outcome, names: str) -> None:
        self.sandbox = sandbox
        self._outcome = outcome
        self._names = names
        self._env = sandbox.bind(WORKER="worker", CALLER="caller")
        self._asked = 0
        self._written: set[int] = set()

    async def starts(self) -> int:
        """Wait until the Worker runs. Gives its process id."""
        try:
            async with asyncio.timeout(STARTS):
                await self._env.CALLER.ask("echo", 0)
                return int(await self._env.WORKER.pid())
        except (TimeoutError, rpclab.RpcError) as error:
            raise SystemExit(f"{self._outcome.what}: it does not start again: {error}") from error

    async def fails(self, strike: Callable[[], None]) -> None:
        """Call, have something fail, and wait until each call has its end."""
        env = self._env
        waits: list[Awaitable[object]] = [env.WORKER.wait() for _ in range(20)]
        waits.append(env.CALLER.ask("wait", 0))
        await asyncio.gather(env.WORKER.echo(0), env.CALLER.ask("echo", 0))
        writing = asyncio.ensure_future(self._write())
        await asyncio.sleep(0.05)
        strike()
        since = perf_counter()
        await asyncio.gather(*[self._rejects(each, since) for each in (*waits, writing)])
        self._outcome.times += 1

    async def _write(self) -> None:
        while True:
            self._asked += 1
            self._written.add(await self._env.WORKER.add(self._asked))

    async def _rejects(self, call: Awaitable[object], since: float) -> None:
        outcome = self._outcome
        outcome.calls += 1
        try:
            async with asyncio.timeout(HANGS):
                await call
        except TimeoutError:
            outcome.unsettled += 1
        except rpclab.DisconnectedError as error:
            if self._names not in str(error):
                outcome.names_not(str(error))
        except Exception as error:
            outcome.names_not(f"{type(error).__name__}: {error}")
        else:
            outcome.names_not("it was answered")
        outcome.waited(since)

    async def count(self) -> None:
        """Count the writes that were acknowledged and are not stored, or twice."""
        tallies = self.sandbox.bind(TALLY=rpclab.objects("worker#Tally")).TALLY
        seen = await tallies.get_by_name("one").seen()
        stored = {int(key) for key in seen}
        self._outcome.calls += len(self._written)
        self._outcome.lost += len(self._written - stored)
        self._outcome.doubled += sum(count > 1 for count in seen.values())


@asynccontextmanager
async def playing(
    outcome: Outcome, names: str, worker: Processes, caller: Processes
) -> AsyncIterator[Scene]:
    """Deploy both Workers; at the end, see what was stored."""
    with tempfile.TemporaryDirectory() as folder:
        async with rpclab.Sandbox(storage=folder) as sandbox:
            objects = {"TALLY": "Tally"}
            sandbox.deploy("worker", source=TALLY + SOURCE, objects=objects, placement=worker)
            sandbox.deploy("caller", source=CALLER, bind={"WORKER": "worker"}, placement=caller)
            scene = Scene(sandbox, outcome, names)
            yield scene
            await scene.count()


async def process_fails(times: int, number: int, most: float, names: str) -> Outcome:
    """The process of a Worker gets a signal."""
    outcome = Outcome(f"{_name(number)} of a process", most)
    placed = rpclab.processes(silence_seconds=SILENCE)
    async with playing(outcome, names, placed, placed) as scene:
        for _ in range(times):
            pid = await scene.starts()
            await scene.fails(partial(os.kill, pid, number))
            await outcome.gone([pid])
    return outcome


Found = tuple[set[int], set[int]]
"""The processes that get a signal, and those that have to end by it."""


async def node_fails(
    times: int, what: str, number: int, most: float, names: str, find: Callable[[Any, int], Found]
) -> Outcome:
    """Processes of a cluster get a signal; a node that was stopped goes on once it was given up.

    Args:
        times: how often.
        what: fails.
        number: of the signal.
        most: seconds that a call may wait.
        names: what its reason has to say.
        find: the processes, of the Dask cluster here and a process of the Worker.
    """
    outcome = Outcome(f"{_name(number)} of {what}", most)
    options: Any = {"nodes": 2, "silence_seconds": SILENCE_OF_NODES}
    places = [rpclab.dask(node=f"node-{number}", **options) for number in (0, 1)]
    async with playing(outcome, names, *places) as scene:
        for _ in range(times):
            pid = await scene.starts()
            struck, ends = find(_local(scene.sandbox), pid)
            await scene.fails(partial(_signal, struck, number))
            if number == signal.SIGSTOP:
                _signal(struck, signal.SIGCONT)
            await outcome.gone(ends)
    return outcome


def _local(sandbox: rpclab.Sandbox) -> Any:
    """The Dask cluster that a sandbox has started."""
    (engine,) = sandbox.programs._engines.values()
    return engine._nodes._launcher._here


def the_host(_here: Any, pid: int) -> Found:
    """The process of the Worker."""
    return {pid}, {pid}


def the_worker(here: Any, _pid: int) -> Found:
    """The Dask worker that is the node; all that runs there ends with it."""
    dask = here._workers[0].pid
    return {dask}, {dask, *descendants(dask)}


def the_machine(here: Any, _pid: int) -> Found:
    """All that runs on the node, of which the Dask worker goes on when it can."""
    dask = here._workers[0].pid
    return {dask, *descendants(dask)}, descendants(dask)


def the_agent(_here: Any, pid: int) -> Found:
    """The agent there, which is its zygote's parent. Its hosts end with it."""
    agent = parent(parent(pid))
    return {agent}, {agent, *descendants(agent)}


def the_scheduler(here: Any, _pid: int) -> Found:
    """The scheduler, with which a cluster here ends."""
    started = {each.pid for each in here._workers.values()}
    return {here._scheduler.pid}, started.union(*map(descendants, started))


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _name(number: int) -> str:
    return signal.Signals(number).name
