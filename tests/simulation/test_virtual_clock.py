"""Sandbox(clock="virtual"): waiting in Workers costs no time, and takes the same on every run."""

import asyncio
import threading

import pytest

import rpclab
from rpclab.trace.timeline import timeline

SOURCE = """
import asyncio
import time

from workers import RpcTarget, WorkerEntrypoint, wait_until

log = []


def now():
    return asyncio.get_running_loop().time()


class Default(WorkerEntrypoint):
    async def sleep(self, seconds):
        await asyncio.sleep(seconds)
        return now()

    async def timeout(self):
        try:
            async with asyncio.timeout(7):
                await asyncio.sleep(100)
        except TimeoutError:
            return now()

    async def wait_for(self):
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 3)
        except TimeoutError:
            return now()

    async def task_group(self):
        async with asyncio.TaskGroup() as group:
            for seconds in (1, 5, 3):
                group.create_task(asyncio.sleep(seconds))
        return now()

    async def gather(self):
        await asyncio.gather(asyncio.sleep(2), asyncio.sleep(4))
        return now()

    async def queue(self):
        queue = asyncio.Queue(1)

        async def produce():
            for number in range(3):
                await asyncio.sleep(1)
                await queue.put(number)

        producer = asyncio.create_task(produce())
        got = []
        for _ in range(3):
            got.append((await queue.get(), now()))
            await asyncio.sleep(5)
        await producer
        return got

    async def at_one_moment(self):
        seen = []

        async def note(name):
            await asyncio.sleep(1)
            seen.append(name)

        await asyncio.gather(*map(note, "abcdef"))
        return "".join(seen)

    async def thread(self, function):
        before = now()
        value = await asyncio.to_thread(time.monotonic)
        await asyncio.sleep(1)
        return now() - before, value > 0

    async def failing_thread(self):
        await asyncio.to_thread(int, "no number")

    async def abandoned_generator(self):
        async def numbers():
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(2)
                log.append(now())

        async for _ in numbers():
            break
        await asyncio.sleep(10)
        return log

    async def foreign(self):
        await self.env.FUTURE_OF[0]

    async def open_connection(self):
        await asyncio.open_connection("127.0.0.1", 9)

    async def nested(self):
        import rpclab

        return rpclab.run(asyncio.sleep(0))

    async def call(self, function, times):
        for number in range(times):
            await asyncio.sleep(1)
            await function(number)

    async def tick(self):
        async def work():
            while True:
                await asyncio.sleep(1)

        wait_until(work())

    async def tidy_up(self):
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(5)
            log.append("tidy")

    def log(self):
        return log
"""


def deployed(**options):
    sandbox = rpclab.Sandbox(clock="virtual", **options)
    sandbox.deploy("w", source=SOURCE)
    sandbox.bind(W="w")
    return sandbox


@pytest.fixture
def sandbox():
    sandbox = deployed(record=True)
    yield sandbox
    sandbox.close()


MOMENTS = {"timeout": 7, "wait_for": 3, "task_group": 5, "gather": 4}


@pytest.mark.parametrize("method", MOMENTS)
async def test_what_asyncio_waits_for_in_a_worker_is_virtual(sandbox, method):
    assert await sandbox.env.W[method]() == MOMENTS[method] == sandbox.time()


async def test_the_time_outside_stands_still(sandbox):
    before = asyncio.get_running_loop().time()
    assert await sandbox.env.W.sleep(1e6) == 1e6
    assert asyncio.get_running_loop().time() == before


async def test_queues_in_workers_are_virtual(sandbox):
    assert await sandbox.env.W.queue() == [(0, 1), (1, 6), (2, 11)]


async def test_what_is_due_at_one_moment_happens_in_the_order_asked_for(sandbox):
    assert await sandbox.env.W.at_one_moment() == "abcdef"


async def test_twenty_runs_say_the_same():
    def program(env):
        return rpclab.gather(env.W.queue(), env.W.task_group(), env.W.sleep(0.1), env.W.timeout())

    runs = []
    for _ in range(20):
        async with deployed() as sandbox:
            sandbox.link("notebook", "w", rtt="30ms", jitter="7ms")
            runs.append((await program(sandbox.env), sandbox.time()))
    assert all(run == runs[0] for run in runs)


async def test_the_clock_stands_still_while_a_worker_waits_for_a_thread(sandbox):
    assert await sandbox.env.W.thread(None) == (1, True)
    with pytest.raises(ValueError, match="no number"):
        await sandbox.env.W.failing_thread()


async def test_the_clock_stands_still_while_it_is_held(sandbox):
    call = asyncio.ensure_future(sandbox.env.W.sleep(1))
    with sandbox.hold():
        for _ in range(100):
            await asyncio.sleep(0)
        assert sandbox.time() == 0
    assert await call == 1


async def test_time_waits_for_a_program_that_goes_on(sandbox):
    call = asyncio.ensure_future(sandbox.env.W.sleep(1))
    for _ in range(20):
        await asyncio.sleep(0)
    assert await sandbox.env.W.sleep(0) == 0
    assert await call == 1


async def test_sleep_of_the_sandbox_is_virtual_outside_too(sandbox):
    call = asyncio.ensure_future(sandbox.env.W.sleep(3))
    await sandbox.sleep(2)
    assert (sandbox.time(), call.done()) == (2, False)
    await sandbox.sleep(2)
    assert (sandbox.time(), call.done()) == (4, True)


async def test_a_deadline_outside_is_virtual(sandbox):
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5):
            await sandbox.env.W.sleep(100)
    assert sandbox.time() == 5
    async with rpclab.deadline(5):
        assert await sandbox.env.W.sleep(4) == 9


async def test_a_deadline_that_passes_as_its_block_ends_is_no_error(sandbox):
    """The timer's turn outside may come when the block is over."""
    logged = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    async with rpclab.deadline(1e-6):
        await sandbox.env.W.log()
    await sandbox.sleep(1)
    assert logged == []


async def test_an_inner_deadline_cannot_lengthen_an_outer_one(sandbox):
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5), rpclab.deadline(50):
            await sandbox.env.W.sleep(100)
    assert sandbox.time() == 5


async def test_a_cancelled_await_is_a_cancellation_in_the_worker(sandbox):
    call = asyncio.ensure_future(sandbox.env.W.tidy_up())
    await sandbox.sleep(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await sandbox.sleep(10)
    assert await sandbox.env.W.log() == ["tidy"]


async def test_callbacks_reach_what_waits_outside(sandbox):
    got = asyncio.Event()
    seen = []

    def note(number):
        seen.append((number, sandbox.time()))
        if number == 2:
            got.set()

    call = sandbox.env.W.call(note, 3)
    await got.wait()
    assert seen == [(0, 1), (1, 2), (2, 3)]
    await call


async def test_an_async_generator_of_a_worker_ends_in_virtual_time(sandbox):
    assert await sandbox.env.W.abandoned_generator() == [2]


async def test_a_worker_that_awaits_a_future_of_another_loop_is_told_so(sandbox):
    future = asyncio.get_running_loop().create_future()
    sandbox.workers["w"].env["FUTURE_OF"] = [future]
    with pytest.raises(rpclab.RpcError, match="a Worker awaited Future of another event loop"):
        await sandbox.env.W.foreign()


async def test_a_worker_that_wants_a_connection_is_told_what_to_do(sandbox):
    with pytest.raises(rpclab.RpcError, match=r"no create_connection\(\).*asyncio\.to_thread"):
        await sandbox.env.W.open_connection()


async def test_a_worker_cannot_wait_without_await(sandbox):
    with pytest.raises(RuntimeError, match="can only `await`"):
        await sandbox.env.W.nested()


async def test_a_worker_that_ticks_for_ever_hinders_nobody(sandbox):
    await sandbox.env.W.tick()
    assert await sandbox.env.W.sleep(2.5) == 2.5


async def test_between_cells_time_passes_only_for_those_who_wait(sandbox):
    await sandbox.env.W.tick()
    guest = sandbox.engine.guest
    guest.rest(True)
    for _ in range(200):
        await asyncio.sleep(0)
    rested = sandbox.time()
    for _ in range(200):
        await asyncio.sleep(0)
    assert sandbox.time() == rested
    assert await sandbox.env.W.sleep(3) == rested + 3
    await sandbox.sleep(1)
    assert sandbox.time() == rested + 4


async def test_code_that_tidies_up_is_given_the_time_when_the_sandbox_closes(sandbox):
    log = await sandbox.env.W.log()
    assert log == []
    worker = sandbox.workers["w"].module
    call = asyncio.ensure_future(sandbox.env.W.tidy_up())
    await sandbox.sleep(1)
    sandbox.close()
    with pytest.raises(rpclab.RpcError):
        await call
    for _ in range(200):
        await asyncio.sleep(0)
    assert worker.log == ["tidy"]


async def test_another_thread_is_told_where_the_sandbox_lives(sandbox):
    await sandbox.env.W.sleep(0)
    caught = []

    def elsewhere():
        async def call():
            await sandbox.env.W.sleep(0)

        try:
            asyncio.run(call())
        except rpclab.RpcError as error:
            caught.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert len(caught) == 1
    assert "event loop of another thread" in caught[0]


def test_a_sandbox_goes_on_in_the_next_loop():
    sandbox = deployed()
    calls = []

    async def begin():
        calls.append(sandbox.env.W.sleep(10))
        assert await sandbox.env.W.sleep(1) == 1

    async def end():
        return await calls[0]

    asyncio.run(begin())
    assert asyncio.run(end()) == 10
    sandbox.close()


def test_run_waits_in_virtual_time_without_a_loop():
    sandbox = deployed()
    assert rpclab.run(sandbox.env.W.sleep(300)) == 300
    sandbox.close()


async def test_two_clocks_in_one_loop_do_not_hold_each_other_up():
    one, other = deployed(), deployed()
    slow = one.env.W.sleep(10)
    assert await other.env.W.sleep(7) == 7
    assert await slow == 10
    one.env.W.sleep(10)
    one.close()
    assert await other.env.W.sleep(7) == 14
    other.close()


def test_a_clock_has_a_name():
    with pytest.raises(ValueError, match='a clock is "real" or "virtual", not \'fast\''):
        rpclab.Sandbox(clock="fast")


def test_the_clock_is_chosen_before_anything_is_deployed():
    sandbox = rpclab.Sandbox()
    sandbox.use_clock("virtual")
    sandbox.deploy("w", source=SOURCE)
    assert rpclab.run(sandbox.bind(W="w").W.sleep(5)) == 5
    with pytest.raises(RuntimeError, match="reset the sandbox first"):
        sandbox.use_clock("real")
    sandbox.reset()
    sandbox.use_clock("real")
    assert sandbox.clock == "real"
    sandbox.close()


def test_a_recording_begins_anew_on_the_clock_that_is_chosen():
    sandbox = rpclab.Sandbox(record=True)
    sandbox.deploy("w", source=SOURCE)
    rpclab.run(sandbox.bind(W="w").W.sleep(0))
    sandbox.reset()
    sandbox.use_clock("virtual")
    sandbox.deploy("w", source=SOURCE)
    assert rpclab.run(sandbox.bind(W="w").W.sleep(300)) == 300
    assert [round(call.settled - call.made) for call in timeline(sandbox.recording).calls] == [300]
    sandbox.close()


async def test_timers_that_were_cancelled_do_not_pile_up(sandbox):
    loop = sandbox.engine.guest
    first = loop.call_later(1, list)  # stands before all that follow
    for _ in range(5000):
        loop.call_later(3600, list).cancel()
    assert len(loop._timers) < 500
    late = loop.call_later(7200, list)
    await sandbox.sleep(7201)
    assert not first.cancelled()
    assert not late.cancelled()
    assert not loop._timers
