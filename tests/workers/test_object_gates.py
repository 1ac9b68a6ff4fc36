"""The gates of a Durable Object, and how it enters and leaves memory."""

from __future__ import annotations

import asyncio
import gc
import sqlite3

import pytest
from support.world import failure, world

import rpclab

__all__ = ["world"]


def bind_objects(world, source, **options):
    world.deploy(source, **options)
    return world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ


STEPS = """
    class Obj(DurableObject):
        async def steps(self, tag, count):
            for step in range(count):
                log((tag, step))
                await sleep(1)
        async def tasks(self, tag):
            await asyncio.gather(self.steps(tag, 2), self.steps(tag, 2))
        async def block(self):
            async def work():
                log("shut")
                await sleep(10)
                await asyncio.gather(self.inner(1), self.inner(2))
                log("open")
            await self.ctx.block_concurrency_while(work)
        async def inner(self, n):
            async def work():
                log(("inner", n))
                await sleep(1)
                log(("inner over", n))
            await self.ctx.block_concurrency_while(work)
        async def transaction(self, seconds):
            async def work(t):
                await t.put("a", 1)
                await sleep(seconds)
                log("over")
                t.rollback()
            await self.ctx.storage.transaction(work)
        async def write_later(self):
            await sleep(1)
            await self.ctx.storage.put("b", 2)
            return list(await self.ctx.storage.list())
        async def read(self):
            return list(await self.ctx.storage.list())
"""


@pytest.mark.parametrize("method", ["steps", "tasks"])
async def test_code_that_is_under_way_does_not_go_on_while_a_block_runs(world, method):
    s = bind_objects(world, STEPS).get_by_name("x")
    running = s.steps("a", 3) if method == "steps" else s.tasks("a")
    await rpclab.gather(running, s.block())
    shut, opened = world.log.index("shut"), world.log.index("open")
    assert all(
        type(entry) is tuple and "inner" in entry[0] for entry in world.log[shut + 1 : opened]
    )
    assert world.log[opened + 1][0] == "a"


async def test_blocks_inside_a_block_run_one_after_the_other(world):
    await bind_objects(world, STEPS).get_by_name("x").block()
    assert world.log[1:-1] == [
        ("inner", 1), ("inner over", 1), ("inner", 2), ("inner over", 2),
    ]  # fmt: skip


async def test_a_transaction_takes_back_no_write_of_another_call(world):
    s = bind_objects(world, STEPS).get_by_name("x")
    seen = await rpclab.gather(s.write_later(), s.transaction(5), s.read())
    assert seen == [["b"], None, []]
    assert await s.read() == ["b"]


async def test_transactions_of_two_objects_at_once_do_not_see_one_another(world):
    ns = bind_objects(world, STEPS)
    a, b = ns.get_by_name("a"), ns.get_by_name("b")
    seen = await rpclab.gather(a.transaction(5), b.write_later(), a.read(), b.read())
    assert seen == [None, ["b"], [], []]


async def test_a_call_that_is_cancelled_while_it_waits_at_the_gate_never_runs(world):
    s = bind_objects(world, STEPS).get_by_name("x")
    blocked = s.transaction(5)
    waiting = asyncio.ensure_future(s.steps("late", 1))
    await asyncio.sleep(1)
    waiting.cancel()
    await blocked
    await asyncio.sleep(10)
    assert world.log == ["over"]


async def test_a_cancelled_call_ends_though_the_gate_is_shut_to_it(world):
    s = bind_objects(
        world,
        """
        class Obj(DurableObject):
            async def wait(self):
                try:
                    await sleep(100)
                finally:
                    log("cancelled")
            async def block(self):
                async def work():
                    await sleep(10)
                    log("open")
                await self.ctx.block_concurrency_while(work)
        """,
    ).get_by_name("x")
    waits = asyncio.ensure_future(s.wait())
    await asyncio.sleep(1)
    block = s.block()
    await asyncio.sleep(1)
    waits.cancel()
    await block
    assert world.log == ["cancelled", "open"]


async def test_a_cancelled_block_opens_the_gate_again(world):
    s = bind_objects(world, STEPS).get_by_name("x")
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(2):
            await s.transaction(5)
    assert await s.read() == []


KEEPS = """
    class Member(RpcTarget):
        def hello(self):
            return "hello"
    class Obj(DurableObject):
        def __init__(self, ctx, env):
            super().__init__(ctx, env)
            self._kept = []
            self._ticks = 0
        async def join(self, callback):
            self._kept.append(callback.dup())
        async def tell(self, text):
            return [await callback(text) for callback in self._kept]
        def member(self):
            return Member()
        def begin(self):
            self._task = asyncio.create_task(self.tick())
            self.ctx.wait_until(self.tick())
        async def tick(self):
            while True:
                await sleep(1)
                self._ticks += 1
        def ticks(self):
            return self._ticks
"""


async def test_stubs_that_an_object_keeps_live_on_between_its_calls(world):
    s = bind_objects(world, KEEPS).get_by_name("x")
    await s.join(lambda text: f"1 {text}")
    await s.join(lambda text: f"2 {text}")
    gc.collect()
    assert await s.tell("hi") == ["1 hi", "2 hi"]


async def test_a_stub_that_an_object_forgets_is_given_back(world):
    world.deploy("""
        class Obj(DurableObject):
            async def use(self, target):
                return await target.dup().m()
    """)
    s = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
    before = world.sandbox.tables().exports

    class Target(rpclab.RpcTarget):
        def m(self):
            return 1

    assert [await s.use(Target()) for _ in range(5)] == [1] * 5
    gc.collect()
    await asyncio.sleep(1)
    assert world.sandbox.tables().exports == before


async def test_what_an_object_keeps_is_said_to_be_its_own(world):
    s = bind_objects(world, KEEPS).get_by_name("x")
    await s.join(print)
    (leak,) = world.sandbox.leaks()
    assert str(leak.owner) == "a Durable Object of callee"
    assert leak.holders == ("its Durable Object, while that is in memory",)


async def test_a_trace_counts_the_round_trips_to_objects_as_to_others(world):
    ns = bind_objects(world, KEEPS)
    with world.sandbox.trace() as trace:
        assert await ns.get_by_name("x").member().hello() == "hello"
    assert (trace.calls, trace.round_trips, trace.saved) == (2, 1, 1)


async def test_objects_run_on_the_virtual_clock_of_their_sandbox():
    source = """
import asyncio, time
from workers import DurableObject
class Obj(DurableObject):
    async def block(self):
        await self.ctx.block_concurrency_while(lambda: asyncio.sleep(5))
        await self.ctx.storage.set_alarm(time.time() * 1000 + 60_000)
        self._rung = asyncio.get_running_loop().create_future()
        return await self._rung
    async def alarm(self):
        self._rung.set_result("rung")
"""
    async with rpclab.Sandbox(clock="virtual") as sandbox:
        sandbox.deploy("callee", source=source)
        ns = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
        assert await ns.get_by_name("x").block() == "rung"
        assert round(sandbox.time()) == 65


async def test_tasks_that_an_object_has_begun_run_until_it_leaves_memory(world):
    s = bind_objects(world, KEEPS).get_by_name("x")
    await s.begin()
    await asyncio.sleep(10.5)
    assert await s.ticks() == 20
    world.sandbox.evict("callee#Obj")
    await asyncio.sleep(10)
    assert await s.ticks() == 0


async def test_an_evicted_object_loses_its_memory_and_its_stubs_go_on_working(world):
    ns = bind_objects(world, KEEPS)
    s, t = ns.get_by_name("x"), ns.get_by_name("y")
    member = await s.member()
    await rpclab.gather(s.join(lambda text: text), t.join(lambda text: text))
    assert world.sandbox.evict("callee#Obj", "x") == 1
    assert await rpclab.gather(s.tell("hi"), t.tell("hi")) == [[], ["hi"]]
    assert isinstance(await failure(member.hello()), rpclab.ContextEndedError)


async def test_evicting_what_is_not_there_is_refused(world):
    bind_objects(world, KEEPS)
    with pytest.raises(rpclab.UnknownEntrypointError, match="Obi"):
        world.sandbox.evict("callee#Obi")
    with pytest.raises(rpclab.UnknownBindingError, match="nobody"):
        world.sandbox.evict("nobody#Obj")


async def test_an_object_that_answers_a_call_is_not_evicted(world):
    s = bind_objects(world, STEPS).get_by_name("x")
    running = s.steps("a", 2)
    await asyncio.sleep(0.5)
    assert world.sandbox.evict("callee#Obj") == 0
    await running
    assert world.sandbox.evict("callee#Obj") == 1


async def test_a_new_version_resets_the_objects_and_keeps_what_they_stored(world):
    source = """
        class Obj(DurableObject):
            async def keep(self):
                await self.ctx.storage.put("k", VERSION)
                await sleep(100)
            async def read(self):
                return [VERSION, await self.ctx.storage.get("k")]
    """
    ns = bind_objects(world, source.replace("VERSION", "1"))
    s, idle = ns.get_by_name("x"), ns.get_by_name("x")
    running = s.keep()
    await asyncio.sleep(1)
    world.deploy(source.replace("VERSION", "2"))
    error = await failure(running)
    assert str(error) == "Durable Object reset because its code was updated."
    assert error.durable_object_reset is True
    assert await idle.read() == [2, 1]


async def test_a_new_version_without_the_class_says_so(world):
    ns = bind_objects(world, STEPS)
    s = ns.get_by_name("x")
    await s.read()
    world.deploy("class Room(DurableObject): pass")
    assert 'no Durable Objects "Obj"' in str(await failure(s.read()))


async def test_code_of_an_object_that_was_reset_can_write_no_more(world):
    s = bind_objects(
        world,
        """
        class Obj(DurableObject):
            async def stubborn(self):
                try:
                    await sleep(100)
                finally:
                    log(await attempt(self.late()))
            async def late(self):
                await self.ctx.storage.put("late", 1)
            def die(self):
                self.ctx.abort("dead")
        """,
    ).get_by_name("x")
    await failure(rpclab.gather(s.stubborn(), s.die()))
    await asyncio.sleep(1)
    assert [type(entry) for entry in world.log] == [rpclab.ContextEndedError]


async def test_a_write_that_fails_resets_the_object_and_its_answer_does_not_leave(tmp_path):
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        sandbox.deploy("callee", source=FULL)
        sandbox.deploy("other", source=LISTENER)
        env = sandbox.bind(OBJ=rpclab.objects("callee#Obj"), OTHER="other")
        s = env.OBJ.get_by_name("x")
        assert await s.put(env.OTHER, "small") == "told"
        _fill_up(sandbox)
        for stub in (s, env.OBJ.get_by_name("y")):
            error = await failure(stub.put(env.OTHER, "x" * 100_000))
            assert "full" in str(error)
            assert error.durable_object_reset is True
        assert await env.OTHER.heard() == ["small"]
        assert await env.OBJ.get_by_name("x").read() == "small"


FULL = """
from workers import DurableObject
class Obj(DurableObject):
    async def put(self, other, text):
        await self.ctx.storage.put("k", text)
        return await other.hear(text)
    async def read(self):
        return await self.ctx.storage.get("k")
"""
LISTENER = """
from workers import WorkerEntrypoint
heard = []
class Default(WorkerEntrypoint):
    def hear(self, text):
        heard.append(text[:10])
        return "told"
    def heard(self):
        return heard
"""


def _fill_up(sandbox):
    """Let the disk be full for the namespace of the sandbox."""
    connection = sandbox._registry.running_class("callee", "Obj").file.database.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


async def test_a_folder_belongs_to_one_sandbox_at_a_time(tmp_path):
    async with rpclab.Sandbox(storage=tmp_path) as first:
        first.deploy("callee", source=FULL)
        ns = first.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
        await ns.get_by_name("x").read()
        async with rpclab.Sandbox(storage=tmp_path) as second:
            second.deploy("callee", source=FULL)
            ns = second.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
            error = await failure(ns.get_by_name("x").read())
            assert "another sandbox uses the storage in" in str(error)
    with sqlite3.connect(tmp_path / "objects" / "callee.Obj.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM objects").fetchone() == (0,)
    connection.close()


async def test_reset_forgets_what_is_in_memory_and_keeps_what_a_folder_stores(tmp_path):
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        for expected in (None, "kept"):
            sandbox.deploy("callee", source=FULL)
            sandbox.deploy("other", source=LISTENER)
            env = sandbox.bind(OBJ=rpclab.objects("callee#Obj"), OTHER="other")
            assert await env.OBJ.get_by_name("x").read() == expected
            await env.OBJ.get_by_name("x").put(env.OTHER, "kept")
            sandbox.reset()
