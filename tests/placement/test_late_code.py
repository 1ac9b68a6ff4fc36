"""Code that runs on when nobody waits for it, and lets nothing else run, ends with its process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from support.processes import WORKER
from support.real_time import until
from support.world import failure

import rpclab
from rpclab.placement import hosts

GRACE = 0.3
PLACEMENT = rpclab.processes(grace_seconds=GRACE)

LATE = """
import asyncio, itertools, time
from workers import DurableObject, WorkerEntrypoint

class Room(DurableObject):
    def spin(self):
        while True:
            pass

class Slow(WorkerEntrypoint):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        while True:
            pass

    def go(self):
        pass

class Default(WorkerEntrypoint):
    def add(self, a, b):
        return a + b

    def quick(self):
        pass

    def spin(self):
        while True:
            pass

    async def later(self):
        await asyncio.sleep(0)
        while True:
            pass

    def stubborn(self):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass

    def sleep(self):
        time.sleep(1000)

    def hold(self):
        sum(itertools.repeat(0, 10**13))

    async def room(self):
        await self.env.ROOMS.get_by_name("tea").spin()

    async def itself(self):
        await self.ctx.exports.Default.spin()

    def computes(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return "done"

    async def idle(self):
        await asyncio.sleep(1000)

    async def neighbour(self, name):
        await self.env.NEIGHBOUR[name]()
"""


@pytest.fixture
def env(sandbox, tmp_path):
    sandbox.use_storage(tmp_path)
    sandbox.deploy("worker", source=LATE, objects={"ROOMS": "Room"}, placement=PLACEMENT)
    return sandbox.bind(WORKER="worker", SLOW="worker#Slow")


async def _deadline_passes(call):
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(0.3):  # time to begin, also on a busy machine
            await call()


@pytest.mark.parametrize("name", ["spin", "later", "stubborn", "sleep", "hold", "room", "itself"])
async def test_after_a_deadline_and_a_grace_its_process_ends_and_the_next_call_starts_anew(
    env, name
):
    await env.WORKER.quick()
    idle = env.WORKER.idle() if name != "hold" else None  # what only waits keeps nothing running
    await _deadline_passes(getattr(env.WORKER, name))
    error = await failure(env.WORKER.add(1, 2))
    assert isinstance(error, rpclab.DisconnectedError)
    assert error.retryable
    assert f"{name}() was given up, and its code went on for {GRACE:g} s" in str(error)
    assert await env.WORKER.add(1, 2) == 3
    if idle is not None:
        assert "grace_seconds" in str(await failure(idle))


async def test_so_it_does_where_the_constructor_goes_on(env):
    await env.WORKER.quick()
    await _deadline_passes(env.SLOW.go)
    assert "grace_seconds" in str(await failure(env.WORKER.add(1, 2)))
    assert await env.WORKER.add(1, 2) == 3


@pytest.mark.parametrize("name", ["spin", "later"])
async def test_so_it_does_when_a_call_is_cancelled(env, name):
    await env.WORKER.quick()

    async def call():
        await getattr(env.WORKER, name)()

    task = asyncio.create_task(call())
    await asyncio.sleep(0.3)
    task.cancel()
    assert f"{name}() was given up" in str(await failure(env.WORKER.add(1, 2)))
    assert await env.WORKER.add(1, 2) == 3


@pytest.mark.parametrize("seconds", [3 * GRACE])
async def test_what_somebody_waits_for_may_go_on_while_others_give_up(env, seconds):
    computes = env.WORKER.computes(seconds)
    await _deadline_passes(lambda: env.WORKER.add(1, 2))
    assert await computes == "done"
    assert await env.WORKER.add(1, 2) == 3


async def test_so_it_does_in_a_process_that_another_process_calls(sandbox, env):
    bind = {"NEIGHBOUR": "worker"}
    sandbox.deploy("caller", source=LATE, bind=bind, objects={"R": "Room"}, placement="process")
    caller = sandbox.bind(CALLER="caller").CALLER
    await caller.neighbour("quick")
    await _deadline_passes(lambda: caller.neighbour("spin"))
    assert "spin() was given up" in str(await failure(env.WORKER.add(1, 2)))
    assert await env.WORKER.add(1, 2) == 3
    assert await caller.add(1, 2) == 3


async def test_calls_that_are_given_up_cost_no_process_that_serves(sandbox):
    worker = sandbox.deploy("worker", source=WORKER, placement=PLACEMENT)
    env = sandbox.bind(WORKER="worker")
    (pid,) = worker.pids
    for _ in range(3):
        await _deadline_passes(env.WORKER.wait)
        await asyncio.sleep(GRACE)
    assert await env.WORKER.pid() == pid


@pytest.mark.parametrize("computes", [True, False])
async def test_one_that_has_no_time_on_a_busy_machine_is_not_taken_for_one_that_computes(computes):
    used, stopped = [0.0], []
    engine = SimpleNamespace(stop=stopped.append)
    host = hosts.Host(1, "worker", PLACEMENT, engine, None)
    host.line = SimpleNamespace(send=lambda record: None, computed=lambda: used[0])
    host.given_up(1, 1, "hold()", lambda _: [])
    for _ in range(3):  # nothing is answered
        host._watch.cancel()
        host._look_at_code()
        used[0] += computes
    host._watch.cancel()
    assert bool(stopped) is computes


async def test_a_call_that_begins_after_it_was_given_up_is_looked_for_too():
    asked, stopped = [], []
    host = hosts.Host(1, "worker", PLACEMENT, SimpleNamespace(stop=stopped.append), None)
    host.line = SimpleNamespace(send=lambda record: asked.append(record["kind"]))
    host.line.computed = lambda: None
    host.given_up(1, 1, "spin()", lambda _: [])
    host.record({"kind": "turned"})  # the call is still on its way
    await until(lambda: "look" in asked)
    assert asked == ["turn", "turn", "look"]
    host.record({"kind": "looked", "late": True})
    assert stopped == [1]
    host._watch.cancel()
