"""Several processes for one Worker: calls are spread, stubs stay, and a queue is bounded."""

from __future__ import annotations

import asyncio

import pytest
from support.processes import WORKER, descendants
from support.world import failure

import rpclab
from rpclab.errors import PlacementError


async def test_calls_on_a_binding_are_spread_over_the_processes(sandbox):
    worker = sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(3))
    env = sandbox.bind(WORKER="worker")
    seen = await asyncio.gather(*[_value(env.WORKER.pid()) for _ in range(9)])
    assert {*seen} == {*worker.pids}
    assert [seen.count(pid) for pid in worker.pids] == [3, 3, 3]


async def test_who_is_busy_gets_fewer_calls(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process:2")
    env = sandbox.bind(WORKER="worker")
    waits = [env.WORKER.wait(), env.WORKER.wait(0.5)]
    await waits[1]
    seen = {await env.WORKER.pid() for _ in range(6)}
    assert len(seen) == 1
    del waits


async def test_calls_are_told_from_stubs_where_both_are_many(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    env = sandbox.bind(WORKER="worker")
    counters = await asyncio.gather(*[_value(env.WORKER.counter()) for _ in range(100)])
    (way,) = sandbox.programs._ways.values()
    waits = []
    for made in range(1, 201):
        waits.append(env.WORKER.wait())
        assert abs(way.session.calls - made) <= len(way.session.imports) / 8
    assert way.session.is_asking
    for counter in counters:
        counter.dispose()
    assert abs(way.session.calls - 200) <= 200 / 8


async def test_a_stub_stays_with_its_process(sandbox):
    sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(2))
    env = sandbox.bind(WORKER="worker")
    counters = [await env.WORKER.counter() for _ in range(4)]
    for expected in (1, 2, 3):
        assert [await counter.increment() for counter in counters] == [expected] * 4


async def test_a_binding_made_before_spreads_too(sandbox):
    env = sandbox.bind(WORKER="worker")
    sandbox.deploy("worker", source=WORKER)
    assert len({await env.WORKER.pid() for _ in range(4)}) == 1
    sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(2))
    assert len({await env.WORKER.pid() for _ in range(4)}) == 2
    sandbox.deploy("worker", source=WORKER, placement="process")
    assert len({await env.WORKER.pid() for _ in range(4)}) == 1


async def test_the_crash_of_one_leaves_the_others_alone(sandbox):
    worker = sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(2))
    env = sandbox.bind(WORKER="worker")
    counters = [await env.WORKER.counter() for _ in range(2)]
    await failure(env.WORKER.exit(1))
    errors = [error for each in counters if (error := await _error(each.increment()))]
    assert len(errors) == 1
    assert len({await env.WORKER.pid() for _ in range(4)}) == 2
    assert len(worker.pids) == 2


async def test_all_are_there_from_the_start(sandbox):
    sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(3))
    assert len(descendants()) == 4  # with the zygote


def test_durable_objects_run_in_one_place(sandbox):
    source = "from workers import DurableObject\nclass Room(DurableObject):\n    pass"
    with pytest.raises(PlacementError, match="Room"):
        sandbox.deploy("rooms", source=source, placement=rpclab.processes(2))


async def test_a_process_takes_so_many_calls_and_no_more(sandbox):
    sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(calls=3))
    env = sandbox.bind(WORKER="worker")
    waits = [env.WORKER.wait() for _ in range(3)]
    error = await failure(env.WORKER.pid())
    assert isinstance(error, rpclab.OverloadedError)
    assert (error.worker, error.queued, error.limit, error.retryable) == ("worker", 3, 3, True)
    kept = waits.pop()
    task = asyncio.ensure_future(_value(kept))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert await env.WORKER.pid()


async def test_a_queue_holds_in_a_process_as_here(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process", concurrency=1, queue=1)
    env = sandbox.bind(WORKER="worker")
    waits = [env.WORKER.wait(), env.WORKER.wait()]
    error = await failure(env.WORKER.pid())
    assert isinstance(error, rpclab.OverloadedError)
    assert (error.worker, error.queued, error.limit) == ("worker", 1, 1)
    del waits


async def test_a_deadline_and_a_cancellation_cross(sandbox):
    sandbox.deploy("other", source=WORKER, placement="process", concurrency=1, queue=0)
    sandbox.deploy("worker", source=WORKER, bind={"NEIGHBOUR": "other"}, placement="process")
    env = sandbox.bind(WORKER="worker", OTHER="other")
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(0.3):
            await env.WORKER.neighbour("wait")
    # The call was given up in both processes: so there is room for another one.
    assert await _when_free(env.OTHER.add)


async def _when_free(add):
    while True:
        try:
            return await add(1, 2) == 3
        except rpclab.OverloadedError:
            await asyncio.sleep(0.01)


async def _value(promise):
    return await promise


async def _error(promise):
    try:
        await promise
    except rpclab.DisconnectedError as error:
        return error
    return None


@pytest.mark.parametrize(
    "options",
    [{"count": 0}, {"count": "2"}, {"memory_bytes": -1}, {"calls": 1.5}, {"preload": "x"}],
)
def test_numbers_that_are_none_are_refused(options):
    with pytest.raises((TypeError, ValueError)):
        rpclab.processes(**options)


async def test_modules_are_loaded_once_for_all(sandbox):
    source = """
import sys
LOADED = "wave" in sys.modules
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def loaded(self):
        return LOADED
"""
    for preload in ([], ["wave"]):
        sandbox.deploy("worker", source=source, placement=rpclab.processes(preload=preload))
        assert await sandbox.bind(WORKER="worker").WORKER.loaded() is bool(preload)
