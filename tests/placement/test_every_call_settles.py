"""Whatever comes together, queue, deadline, move or crash: each call settles, and runs once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import pytest
from support.real_time import until

import rpclab
from rpclab.errors import DisconnectedError, OverloadedError

SOURCE = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def work(self, number, began):
        await began(number)
        return number
"""
FIRST, SECOND = range(12), range(12, 24)


async def _move(sandbox, place):
    await sandbox.move("worker", "kernel" if place == "process" else "process")


async def _crash(sandbox, place):
    for pid in getattr(sandbox.worker("worker"), "pids", []):
        os.kill(pid, signal.SIGKILL)


async def _replace(sandbox, place):
    sandbox.deploy("worker", source=SOURCE, placement=place, concurrency=1, queue=1)


async def _nothing(sandbox, place):
    pass


@pytest.mark.parametrize("event", [_nothing, _move, _crash, _replace])
@pytest.mark.parametrize("overload", ["newest", "oldest"])
@pytest.mark.parametrize("place", ["kernel", "process"])
async def test_each_call_settles_once_and_runs_at_most_once(sandbox, place, overload, event):
    turns = {"concurrency": 2, "queue": 3, "overload": overload}
    sandbox.deploy("worker", source=SOURCE, placement=place, **turns)
    env = sandbox.bind(WORKER="worker")
    runs, outcomes, gate = Counter(), Counter(), asyncio.Event()

    async def began(number):
        runs[number] += 1
        await gate.wait()

    async def call(number, seconds):
        try:
            async with rpclab.deadline(seconds):
                outcome = await env.WORKER.work(number, began)
        except (OverloadedError, DisconnectedError, TimeoutError) as error:
            outcome = type(error)
        outcomes[number] += 1
        return outcome

    def some(numbers):
        # A third has no time to wait for its turn, and one call none at all.
        seconds = [0 if n == numbers[1] else 0.02 if n % 3 == 0 else 20 for n in numbers]
        return asyncio.gather(*map(call, numbers, seconds))

    first = some(FIRST)
    await until(lambda: len(runs) >= 2)  # two have their turn, and keep it
    happens = asyncio.create_task(event(sandbox, place))
    await until(lambda: happens.done() or (sandbox._placed and sandbox.programs._held))
    second = some(SECOND)
    await asyncio.sleep(0)
    gate.set()
    found = dict(zip([*FIRST, *SECOND], [*await first, *await second], strict=True))
    await happens

    assert set(outcomes.values()) == {1}
    assert max(runs.values()) == 1
    refusals = (OverloadedError, DisconnectedError, TimeoutError)
    assert all(found[n] == n or found[n] in refusals for n in found)
    assert all(runs[n] for n in found if found[n] == n)
    assert not any(runs[n] for n in found if found[n] is OverloadedError)
    assert found[FIRST[1]] is TimeoutError
    assert event is _crash or DisconnectedError not in found.values()
    # What was refused, was late or was lost has left no turn taken.
    assert await call(99, 20) == 99
