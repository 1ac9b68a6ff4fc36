"""asyncio inside handlers and around calls: timeouts, task groups, tasks, context variables."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest
from support.versions import TASK_FACTORIES
from support.world import failure

import rpclab

HANDLERS = """
    from contextvars import ContextVar
    variable = ContextVar("variable", default="unset")

    class Default(WorkerEntrypoint):
        async def other(self, x=None, seconds=1):
            await sleep(seconds)
            return x

        async def timeout(self, before):
            await sleep(before) if before else None
            try:
                async with asyncio.timeout(5):
                    await sleep(60)
            except TimeoutError:
                return "timed out"

        async def timeout_of_a_call(self, before):
            await sleep(before) if before else None
            try:
                async with asyncio.timeout(5):
                    await self.env.SELF.other(seconds=60)
            except TimeoutError:
                return "timed out"

        async def wait_for(self, before):
            await sleep(before) if before else None
            try:
                await asyncio.wait_for(self.env.SELF.other(seconds=60), 5)
            except TimeoutError:
                return "timed out"

        async def task_group(self, before):
            await sleep(before) if before else None
            async def call(x):
                return await self.env.SELF.other(x)
            async with asyncio.TaskGroup() as tasks:
                made = [tasks.create_task(self.other(1)), tasks.create_task(call(2))]
            return [task.result() for task in made]

        async def failing_group(self, before):
            await sleep(before) if before else None
            async def fail():
                await sleep(1)
                raise ValueError("in the group")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(fail())
                    await self.env.SELF.other(seconds=60)
            except ExceptionGroup as group:
                return str(group.exceptions[0])

        async def group_that_times_out_and_fails(self, before):
            await sleep(before) if before else None
            async def fail():
                try:
                    await sleep(60)
                finally:
                    raise ValueError("in the group")
            try:
                async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
                    tasks.create_task(fail())
                    await self.env.SELF.other(seconds=60)
            except ExceptionGroup as group:
                return [await self.other(str(e)) for e in group.exceptions]

        async def queue(self):
            queue = asyncio.Queue()
            async def produce():
                for n in range(3):
                    await queue.put(await self.env.SELF.other(n))
            task = asyncio.create_task(produce())
            got = [await queue.get() for _ in range(3)]
            await task
            return [*got, *await asyncio.gather(self.env.SELF.other(3), self.other(4))]

        async def shield(self):
            inner = asyncio.ensure_future(self.other("shielded", 3))
            try:
                await asyncio.wait_for(asyncio.shield(inner), 1)
            except TimeoutError:
                return await inner

        async def tasks(self):
            first = asyncio.current_task()
            await sleep(0)
            second = asyncio.current_task()
            await self.env.SELF.other()
            third = asyncio.current_task()
            third.set_name("mine")
            return [first is second is third, third.get_name(), third.done(), third.cancelling()]

        async def set_variable(self, value):
            before = variable.get()
            variable.set(value)
            await sleep(1)
            return [before, variable.get()]

        def set_at_once(self, value):
            before = variable.get()
            variable.set(value)
            return [before, variable.get()]

        async def call_back(self, callback):
            return await callback()

        async def awaits_a_plain_future(self):
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(2, future.set_result, "from the loop")
            return await future

        async def odd(self):
            class Odd:
                def __await__(self):
                    yield "no future"
            await Odd()
"""


@pytest.fixture
def callee(world):
    """A binding to the Worker above, which has one to itself."""
    return world.deploy(HANDLERS, SELF="callee").CALLEE


@pytest.mark.parametrize("before", [0, 1], ids=["first step", "later step"])
@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("timeout", "timed out"),
        ("timeout_of_a_call", "timed out"),
        ("wait_for", "timed out"),
        ("task_group", [1, 2]),
        ("failing_group", "in the group"),
        ("group_that_times_out_and_fails", ["in the group"]),
    ],
)
async def test_asyncio_works_in_every_step_of_a_handler(callee, method, result, before):
    assert await callee[method](before) == result


@pytest.mark.parametrize("factory", TASK_FACTORIES.values(), ids=TASK_FACTORIES)
async def test_handlers_work_also_where_tasks_start_at_once(callee, factory):
    asyncio.get_running_loop().set_task_factory(factory)
    assert await asyncio.gather(callee.other(1), callee.other(2)) == [1, 2]
    assert await callee.task_group(0) == [1, 2]
    assert await callee.failing_group(0) == "in the group"
    assert await callee.queue() == [0, 1, 2, 3, 4]
    assert await callee.shield() == "shielded"
    assert await callee.tasks() == [True, "mine", False, 0]


async def test_queues_tasks_gather_and_shield_work_in_a_handler(callee):
    assert await callee.queue() == [0, 1, 2, 3, 4]
    assert await callee.shield() == "shielded"
    assert await callee.awaits_a_plain_future() == "from the loop"


async def test_a_handler_is_one_task_from_its_first_step_to_its_last(callee):
    assert await callee.tasks() == [True, "mine", False, 0]


async def test_a_handler_that_awaits_what_is_no_future_gets_an_error(callee):
    error = await failure(callee.odd())
    assert type(error) is RuntimeError
    assert "which asyncio does not know" in str(error)


async def test_a_handler_that_swallows_its_cancellation_answers_nobody(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def stubborn(self):
                try:
                    await sleep(60)
                except asyncio.CancelledError:
                    log("refused")
                await sleep(1)
                log("went on")
                return "too late"
    """)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(env.CALLEE.stubborn(), 5)
    await asyncio.sleep(10)
    assert world.log[0] == "refused"


async def test_X8_tasks_started_in_any_step_or_by_tasks_end_with_the_call(world):
    env = world.deploy("""
        async def tick(name):
            while True:
                await sleep(10)
                log(name)
        async def start_another():
            await sleep(1)
            asyncio.create_task(tick("of a task"))
        class Default(WorkerEntrypoint):
            async def m(self):
                asyncio.create_task(tick("first step"))
                asyncio.create_task(start_another())
                await sleep(2)
                asyncio.create_task(tick("later step"))
                await sleep(13)
    """)
    await env.CALLEE.m()
    assert sorted(world.log) == ["first step", "later step", "of a task"]
    await asyncio.sleep(100)
    assert len(world.log) == 3


async def test_each_call_has_context_variables_of_its_own(callee):
    for value in "a", "b":
        assert await callee.set_variable(value) == ["unset", value]
        assert await callee.set_at_once(value) == ["unset", value]
    many = [callee.set_variable(n) for n in range(5)]
    assert await asyncio.gather(*many) == [["unset", n] for n in range(5)]


mine: ContextVar[str] = ContextVar("mine", default="unset")


async def test_a_callers_context_variables_stay_its_own_and_do_not_cross(callee):
    mine.set("the caller's")

    async def callback():
        seen = mine.get()
        mine.set("the callback's")
        return seen

    assert await callee.call_back(callback) == "unset"
    assert await callee.call_back(mine.get) == "unset"
    assert mine.get() == "the caller's"


async def test_a_caller_keeps_its_variables_over_an_await(callee):
    async def one(value):
        mine.set(value)
        await callee.other(seconds=value)
        assert mine.get() == value
        await rpclab.gather(callee.other(), callee.other())
        return mine.get()

    assert await asyncio.gather(one(1), one(2), one(3)) == [1, 2, 3]


async def test_a_promise_is_awaited_by_gather_wait_and_as_completed(callee):
    results = await asyncio.gather(callee.other(1), callee.other(2))
    assert results == [1, 2]
    tasks = [asyncio.ensure_future(callee.other(n, 3 - n)) for n in range(3)]
    assert [await task for task in asyncio.as_completed(tasks)] == [2, 1, 0]
    done, pending = await asyncio.wait([asyncio.ensure_future(callee.other(1))])
    assert {task.result() for task in done} == {1}
    assert not pending


@pytest.mark.parametrize("make", [lambda callee: callee.other(1), lambda callee: callee.number])
async def test_C2_a_promise_given_to_wait_without_a_task_is_refused_at_once(callee, make):
    """It would wait for ever, for nobody calls what it adds."""
    with pytest.raises(TypeError, match="is no Future") as caught:
        await asyncio.wait([make(callee)])
    assert caught.value.__notes__ == ["give asyncio.wait a task: asyncio.ensure_future(…)"]


async def test_a_remote_method_of_a_futures_name_is_reached_by_item(callee):
    with pytest.raises(rpclab.NoSuchMemberError):
        await callee.other({"a": 1})["add_done_callback"](print)


async def test_gather_gives_values_in_the_order_given_and_takes_other_awaitables(callee):
    future = asyncio.get_running_loop().create_future()
    future.set_result("future")
    stub = await callee.call_back(lambda: lambda: "stub")
    values = await rpclab.gather(callee.other(2, 5), future, callee.other(1), stub)
    assert values[:3] == [2, "future", 1]
    assert values[3] is stub
    assert await rpclab.gather() == []


async def test_gather_raises_the_first_failure_at_once_and_the_others_go_on(callee):
    loop = asyncio.get_running_loop()
    slow, start = callee.other("slow", 50), loop.time()
    assert isinstance(await failure(rpclab.gather(slow, callee.nothing())), TypeError)
    assert loop.time() - start < 1
    assert await slow == "slow"
    results = await rpclab.gather(slow, callee.nothing(), return_exceptions=True)
    assert results[0] == "slow"
    assert isinstance(results[1], TypeError)


async def test_a_call_from_a_loop_callback_is_delivered(callee):
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    promises = []

    def call():
        promises.append(callee.other("from a callback"))
        done.set()

    loop.call_later(1, call)
    await done.wait()
    assert await promises[0] == "from a callback"


def test_a_call_made_before_a_loop_runs_is_sent_when_one_does(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self, x):
                return x
    """)
    early = env.CALLEE.m("early")

    async def main():
        return await early, await env.CALLEE.m("late")

    assert rpclab.run(main()) == ("early", "late")
    assert rpclab.run(env.CALLEE.m("another loop")) == "another loop"


def test_what_is_left_over_when_a_loop_ends_is_cancelled_quietly(world):
    env = world.deploy(HANDLERS, SELF="callee")

    async def main():
        left = asyncio.ensure_future(env.CALLEE.other(seconds=60))
        await asyncio.sleep(0)
        return left

    left = asyncio.run(main())
    assert left.cancelled()
    assert rpclab.run(env.CALLEE.other("next", seconds=0)) == "next"
