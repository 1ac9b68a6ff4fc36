"""A Worker moves while it is called: no call is lost, none runs twice, its objects come along."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from support.processes import WORKER, descendants
from support.real_time import until
from support.world import failure

import rpclab
from rpclab.errors import PlacementError
from rpclab.placement.placed import PlacedWorker
from rpclab.placement.ways import CAUSE, DRAIN
from rpclab.transports.batches import framed

TALLY = """
import asyncio, os
from workers import DurableObject, WorkerEntrypoint

class Tally(DurableObject):
    async def add(self, number):
        seen = await self.ctx.storage.get("seen") or []
        seen.append(number)
        await self.ctx.storage.put("seen", seen)
        return os.getpid()

    async def seen(self):
        return await self.ctx.storage.get("seen") or []

class Default(WorkerEntrypoint):
    async def add(self, number):
        await asyncio.sleep(0.001)
        return await self.env.TALLY.get_by_name("one").add(number)

    def pid(self):
        return os.getpid()
"""

PLACES = ["process", "kernel"]


async def _calls(call, stop):
    """Call again and again, many at a time; gives what was called and what was answered."""
    made, answers = 0, []
    while not stop.is_set():
        calls = [call(made + number) for number in range(20)]
        made += len(calls)
        answers += [await each for each in calls]
    return made, answers


async def test_calls_go_on_while_it_moves_and_none_is_lost(sandbox):
    sandbox.deploy("worker", source=WORKER)
    env = sandbox.bind(WORKER="worker")
    stop = asyncio.Event()
    calling = asyncio.create_task(_calls(lambda number: env.WORKER.add(number, 0), stop))
    for placement in PLACES:
        await asyncio.sleep(0.05)
        worker = await sandbox.move("worker", placement)
        assert sandbox.workers["worker"] is worker
        assert (await env.WORKER.pid() == os.getpid()) is (placement == "kernel")
    stop.set()
    made, answers = await calling
    assert answers == [*range(made)]


async def test_durable_objects_move_with_what_they_store_and_no_write_is_doubled(sandbox, tmp_path):
    sandbox.use_storage(tmp_path)
    sandbox.deploy("tally", source=TALLY, objects={"TALLY": "Tally"})
    env = sandbox.bind(WORKER="tally", TALLY=rpclab.objects("tally#Tally"))
    stub = env.TALLY.get_by_name("one")
    stop = asyncio.Event()
    calling = asyncio.create_task(_calls(env.WORKER.add, stop))
    for placement in ("process", "process", "kernel"):
        await asyncio.sleep(0.05)
        await sandbox.move("tally", placement)
    stop.set()
    made, pids = await calling
    assert sorted(await stub.seen()) == [*range(made)]
    assert {*pids}


async def test_calls_under_way_finish_where_they_began(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    env = sandbox.bind(WORKER="worker")
    before = await env.WORKER.pid()
    under_way = env.WORKER.wait(0.3)
    counter = await env.WORKER.counter()
    await sandbox.move("worker", "process")
    await under_way
    assert await env.WORKER.pid() != before
    assert await counter.increment() == 1
    counter.dispose()
    await until(lambda: before not in descendants())


@pytest.mark.parametrize("place", ["kernel", "process"])
async def test_calls_that_are_not_over_in_time_are_cut_off_and_told_why(sandbox, place):
    sandbox.deploy("worker", source=WORKER, placement=place)
    env = sandbox.bind(WORKER="worker")
    under_way = env.WORKER.wait()
    await env.WORKER.add(1, 2)
    await sandbox.move("worker", "process", seconds=0.2)
    error = await failure(under_way)
    assert "has moved" in str(error)
    assert "over after 0.2 s" in str(error)
    assert await env.WORKER.add(1, 2) == 3


async def test_code_that_goes_on_in_an_old_process_opens_no_object_that_a_new_one_has(
    sandbox, tmp_path
):
    sandbox.use_storage(tmp_path)
    source = f"""{TALLY}
    def later(self, gate):
        self.ctx.wait_until(self._work(gate.dup()))

    async def _work(self, gate):
        await gate()
        try:
            await self.env.TALLY.get_by_name("one").add(-1)
        except Exception as error:
            await gate(str(error))
        else:
            await gate("it has run")
"""
    sandbox.deploy("tally", source=source, objects={"TALLY": "Tally"}, placement="process")
    env = sandbox.bind(WORKER="tally")
    moved, outcome = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def gate(text=None):
        await moved.wait()
        if text is not None:
            outcome.set_result(text)

    await env.WORKER.add(0)
    await env.WORKER.later(gate)
    sandbox.deploy("tally", source=source, objects={"TALLY": "Tally"}, placement="process")
    moved.set()
    assert "run elsewhere now" in await outcome
    await env.WORKER.add(1)
    assert await sandbox.bind(T=rpclab.objects("tally#Tally")).T.get_by_name("one").seen() == [0, 1]


async def test_code_that_fails_there_leaves_it_where_it_was(sandbox, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    sandbox.deploy("worker", source=f"open({str(gate)!r}).close()\n{WORKER}")
    env = sandbox.bind(WORKER="worker")
    gate.unlink()
    with pytest.raises(FileNotFoundError):
        await sandbox.move("worker", "process")
    assert await env.WORKER.pid() == os.getpid()


async def test_what_objects_keep_in_memory_cannot_come_along_and_the_error_says_what_to_do(sandbox):
    sandbox.deploy("tally", source=TALLY, objects={"TALLY": "Tally"})
    with pytest.raises(PlacementError, match="storage="):
        await sandbox.move("tally", "process")


async def test_a_worker_that_is_not_there_cannot_move(sandbox):
    with pytest.raises(rpclab.UnknownBindingError):
        await sandbox.move("worker", "process")


async def test_objects_of_a_process_keep_what_they_store_over_a_crash(sandbox, tmp_path):
    sandbox.use_storage(tmp_path)
    source = TALLY + "\n    def exit(self):\n        os._exit(1)\n"
    sandbox.deploy("tally", source=source, objects={"TALLY": "Tally"}, placement="process")
    env = sandbox.bind(WORKER="tally", TALLY=rpclab.objects("tally#Tally"))
    for number in range(3):
        await env.WORKER.add(number)
    await failure(env.WORKER.exit())
    stub = env.TALLY.get_by_name("one")
    assert await stub.seen() == [0, 1, 2]
    sandbox.deploy("tally", source=source, objects={"TALLY": "Tally"}, placement="process")
    assert await stub.seen() == [0, 1, 2]
    sandbox.deploy("tally", source=source, objects={"TALLY": "Tally"})
    assert await stub.seen() == [0, 1, 2]


async def test_a_worker_may_be_deployed_again_and_again(sandbox):
    env = sandbox.bind(WORKER="worker")
    for number in range(25):
        sandbox.deploy("worker", source=WORKER, placement="process")
        assert await env.WORKER.add(number, 0) == number
    await until(lambda: len(descendants()) == 2)


# What is under way when it moves, and what begins then.

NEIGHBOUR = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def keep(self):
        global kept
        kept = (await self.env.WORKER.counter()).dup()

    async def ask(self, gate=None):
        if gate is not None:
            await gate()
        return await self.env.WORKER.pid()
"""


def _is_placed(sandbox):
    return isinstance(sandbox.worker("worker"), PlacedWorker)


@pytest.mark.parametrize("placement", ["process", rpclab.processes(2)])
async def test_a_binding_made_while_an_old_call_is_under_way_leads_to_the_new_place(
    sandbox, placement
):
    sandbox.deploy("worker", source=WORKER)
    env = sandbox.bind(WORKER="worker")
    gate = asyncio.Event()
    under_way = env.WORKER.call(gate.wait)
    moving = asyncio.create_task(sandbox.move("worker", placement))
    await until(lambda: _is_placed(sandbox))
    late = sandbox.bind(LATE="worker").LATE.pid()
    gate.set()
    worker = await moving
    assert await under_way
    assert await late in worker.pids
    assert await sandbox.bind(AFTER="worker").AFTER.pid() in worker.pids


@pytest.mark.parametrize("placement", ["process", rpclab.processes(2)])
async def test_calls_that_have_not_left_when_it_gets_processes_are_answered_there(
    sandbox, placement
):
    sandbox.deploy("worker", source=WORKER)
    env = sandbox.bind(WORKER="worker")
    calls = [env.WORKER.add(number, 0) for number in range(3)]
    sandbox.deploy("worker", source=WORKER, placement=placement)
    assert [await call for call in calls] == [0, 1, 2]


async def test_a_process_that_holds_what_it_left_behind_still_finds_it_when_it_comes_back(sandbox):
    sandbox.deploy("worker", source=WORKER)
    sandbox.deploy("caller", source=NEIGHBOUR, bind={"WORKER": "worker"}, placement="process")
    env = sandbox.bind(CALLER="caller")
    await env.CALLER.keep()
    for placement in ("process", "kernel", "process", "kernel"):
        await sandbox.move("worker", placement)
        assert (await env.CALLER.ask() == os.getpid()) is (placement == "kernel")


@pytest.mark.parametrize("placement", ["kernel", "process"])
async def test_the_first_call_of_a_process_that_comes_in_the_middle_of_two_moves_is_answered(
    sandbox, placement
):
    sandbox.deploy("worker", source=WORKER, placement=placement)
    sandbox.deploy("caller", source=NEIGHBOUR, bind={"WORKER": "worker"}, placement="process")
    env = sandbox.bind(CALLER="caller")
    programs = sandbox.programs
    with programs.holding("worker"):
        calls = [env.CALLER.ask() for _ in range(2)]
        await until(lambda: programs._held["worker"])  # it has asked for a way there
        programs._settle_bindings("worker", sandbox.worker("worker"))  # as a move does
        calls.append(env.CALLER.ask())
    assert len({await call for call in calls}) == 1


async def test_a_version_that_is_replaced_keeps_the_bindings_that_it_had(sandbox):
    sandbox.deploy("worker", source=WORKER)
    sandbox.deploy("caller", source=NEIGHBOUR, bind={"WORKER": "worker"}, placement="process")
    env = sandbox.bind(CALLER="caller")
    gate, begun = asyncio.Event(), asyncio.Event()

    async def wait():
        begun.set()
        await gate.wait()

    under_way = env.CALLER.ask(wait)
    await begun.wait()
    sandbox.deploy("caller", source=NEIGHBOUR, placement="process")
    gate.set()
    assert await under_way == os.getpid()


def _has_sent(end, record):
    """Whether a record waits to be read there."""
    with socket.fromfd(end.fileno(), end.family, end.type) as peeking:
        try:
            return peeking.recv(2**20, socket.MSG_PEEK | socket.MSG_DONTWAIT).endswith(record)
        except BlockingIOError:
            return False


async def test_what_it_has_answered_before_its_end_counts(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    env = sandbox.bind(WORKER="worker")
    await env.WORKER.pid()
    host = sandbox.worker("worker").hosts[0]
    answered = env.WORKER.last_words(7)
    await asyncio.sleep(0)
    while host.number in host.engine._lines:
        host.engine._lines[host.number].wait(10)  # its end is heard of before its answer is
    assert await answered == 7


async def test_a_process_ends_only_when_all_that_it_has_answered_was_read(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    env = sandbox.bind(WORKER="worker")
    before = await env.WORKER.pid()
    (way,) = sandbox.programs._leading[sandbox.worker("worker").hosts[0]]
    end = way._wire.transport.get_extra_info("socket")
    calls = [env.WORKER.add(number, 0) for number in range(100)]
    way.hold()  # a program that is busy does not read
    sandbox.deploy("worker", source=WORKER, placement="process")

    asks = framed([bytes([DRAIN, 0x91, 1])])[0]
    await until(lambda: before not in descendants() or _has_sent(end, asks))
    way._wire.tell(CAUSE, 0)  # into a socket that was closed this would be the end of all
    way.go_on()
    assert [await call for call in calls] == [*range(100)]
    await until(lambda: before not in descendants())


async def test_how_it_was_deployed_comes_along(sandbox):
    sandbox.deploy("worker", source=WORKER, concurrency=1, queue=3, overload="oldest")
    turns = sandbox.queue("worker").turns
    sandbox.worker("worker").config = config = object()
    object.__setattr__(sandbox.worker("worker").env, "__secret__", frozenset({"KEY"}))
    for placement in ("process", "process", "kernel"):
        worker = await sandbox.move("worker", placement)
        assert worker.config is config
        assert worker.env.__secret__ == {"KEY"}
        assert worker.placement.count if placement == "process" else worker.queue.turns == turns
        assert (sandbox.queue("worker") is None) is (placement == "process")


@pytest.mark.parametrize("place", ["kernel", "process"])
async def test_a_version_that_is_deployed_while_it_moves_is_the_one_that_serves(sandbox, place):
    sandbox.deploy("worker", source=WORKER, placement=place)
    env = sandbox.bind(WORKER="worker")
    gate = asyncio.Event()
    under_way = env.WORKER.call(gate.wait)
    await until(lambda: gate._waiters)
    to = "process" if place == "kernel" else "kernel"
    moving = asyncio.create_task(sandbox.move("worker", to))
    await until(lambda: sandbox.programs._held or (place == "kernel" and sandbox.programs.hosts))
    newer = sandbox.deploy("worker", source=WORKER + "\n    def new(self): return 1")
    gate.set()
    with pytest.raises(PlacementError, match="was deployed anew while it moved"):
        await moving
    assert sandbox.worker("worker") is newer
    assert await env.WORKER.pid() == os.getpid()
    assert await under_way


async def test_one_move_waits_for_another_and_goes_on_when_nobody_waits_for_it(sandbox, tmp_path):
    sandbox.use_storage(tmp_path)
    sandbox.deploy("tally", source=TALLY, objects={"TALLY": "Tally"})
    env = sandbox.bind(WORKER="tally")
    moves = [asyncio.create_task(sandbox.move("tally", "process")) for _ in range(3)]
    await asyncio.sleep(0)
    moves[0].cancel()
    calls = [env.WORKER.add(number) for number in range(5)]
    last = await moves[2]
    assert sandbox.worker("tally") is last
    assert {await call for call in calls} <= {os.getpid(), *descendants()}
    assert await env.WORKER.pid() in last.pids


@pytest.mark.parametrize(
    ("place", "to"), [("kernel", "process"), ("process", "kernel"), ("process", "process")]
)
async def test_streams_stubs_and_functions_live_on_over_a_move(sandbox, place, to):
    source = WORKER + (
        "\n    async def take(self, numbers, tell):"
        "\n        return [await tell(number) async for number in numbers]\n"
    )
    sandbox.deploy("worker", source=source, placement=place)
    env = sandbox.bind(WORKER="worker", ADMIN="worker#Admin")
    gate, reached = asyncio.Event(), asyncio.Event()

    async def numbers():
        for number in range(50):
            if number == 10:
                reached.set()
                await gate.wait()
            yield number

    before = await env.WORKER.pid()
    counter = await env.WORKER.counter()
    stream = await env.WORKER.count(2000)
    read = [await anext(stream) for _ in range(5)]
    under_way = env.ADMIN.take(rpclab.ReadableStream(numbers()), lambda number: -number)
    await reached.wait()
    moving = asyncio.create_task(sandbox.move("worker", to))
    await until(lambda: sandbox.programs._held)
    waits = env.WORKER.pid()
    read += [await anext(stream) for _ in range(500)]
    assert await counter.increment() == 1
    gate.set()
    await moving
    assert await under_way == [-number for number in range(50)]
    assert await waits != before
    assert read + [number async for number in stream] == [*range(2000)]
    assert await counter.increment() == 2
