"""Durable Objects that have nothing to do leave memory by themselves."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref

import pytest
from support.world import world

import rpclab

__all__ = ["world"]

SOURCE = """
    from workers import ReadableStream
    class Target(RpcTarget):
        def hello(self):
            return "hello"
    class Obj(DurableObject):
        def __init__(self, ctx, env):
            super().__init__(ctx, env)
            self._calls = 0
        async def alarm(self):
            pass
        async def wake(self):
            await self.ctx.storage.set_alarm(9 * 10**12)
        async def call(self):
            self._calls += 1
            await self.ctx.storage.put("calls", (await self.ctx.storage.get("calls") or 0) + 1)
            return [self._calls, await self.ctx.storage.get("calls")]
        def target(self):
            return Target()
        def task(self, seconds):
            self._task = asyncio.create_task(sleep(seconds))
        def later(self, seconds):
            self.ctx.wait_until(sleep(seconds))
        async def slow(self, seconds):
            await sleep(seconds)
        def stream(self):
            async def chunks():
                yield b"a"
                await sleep(1000)
            return ReadableStream(chunks())
        async def fail(self):
            raise ValueError
"""


@pytest.fixture
def objects(world):
    world.deploy(SOURCE)
    return world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ


def in_memory(world):
    home = world.sandbox._registry.running_class("callee", "Obj")
    return sorted(live.id.name for live in home._live.values())


async def test_an_object_leaves_after_ten_seconds_and_keeps_what_it_stored(world, objects):
    stub = objects.get_by_name("x")
    assert await stub.call() == [1, 1]
    await asyncio.sleep(9)
    assert await stub.call() == [2, 2]
    await asyncio.sleep(9)
    assert in_memory(world) == ["x"]
    await asyncio.sleep(2)
    assert in_memory(world) == []
    assert await stub.call() == [1, 3]


async def test_a_thousand_objects_named_freely_cost_no_memory_for_ever(world, objects):
    await rpclab.gather(*[objects.get_by_name(str(n)).wake() for n in range(1000)])
    await objects.get_by_name("0").call()
    lives = [
        weakref.ref(live)
        for live in world.sandbox._registry.running_class("callee", "Obj").in_memory
    ]
    assert len(lives) == 1000
    await asyncio.sleep(11)
    gc.collect()
    assert in_memory(world) == []
    # The session may remember the one that it served last.
    assert sum(live() is not None for live in lives) <= 1


@pytest.mark.parametrize("busy", ["task", "later", "slow"])
async def test_an_object_with_work_under_way_stays_until_that_is_done(world, objects, busy):
    pending = objects.get_by_name("busy")[busy](100)
    await objects.get_by_name("idle").call()
    await asyncio.sleep(50)
    assert in_memory(world) == ["busy"]
    await asyncio.sleep(100)
    assert in_memory(world) == []
    await pending


async def test_an_object_whose_target_is_held_stays_until_it_is_disposed(world, objects):
    target = await objects.get_by_name("x").target()
    await asyncio.sleep(100)
    assert await target.hello() == "hello"
    assert in_memory(world) == ["x"]
    target.dispose()
    await asyncio.sleep(25)
    assert in_memory(world) == []


async def test_an_object_that_streams_stays(world, objects):
    stream = await objects.get_by_name("x").stream()
    assert await stream.read_exactly(1) == b"a"
    await asyncio.sleep(100)
    assert in_memory(world) == ["x"]
    await stream.cancel()
    await asyncio.sleep(25)
    assert in_memory(world) == []


async def test_what_an_object_has_called_in_a_chain_keeps_nothing_in_memory(world):
    world.deploy(
        """
    class Node(RpcTarget):
        def next(self):
            return Node()
        def name(self):
            return "node"
    class Default(WorkerEntrypoint):
        def node(self):
            return Node()
    """,
        "nodes",
    )
    source = """
    class Obj(DurableObject):
        async def walk(self):
            return await self.env.NODES.node().next().next().name()
    """
    world.deploy(source, NODES="nodes")
    stub = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
    for _ in range(3):
        assert await stub.walk() == "node"
    await asyncio.sleep(1)
    assert len(world.sandbox.tables("callee").imports) == 1  # the binding
    assert world.sandbox.tables("nodes").exports == {("callee", -2), ("notebook", -2)}
    await asyncio.sleep(10)
    assert in_memory(world) == []


async def test_a_call_that_failed_keeps_nothing_in_memory(world, objects):
    with pytest.raises(ValueError):  # noqa: PT011 - its text is of no matter
        await objects.get_by_name("x").fail()
    await asyncio.sleep(11)
    assert in_memory(world) == []


async def test_an_object_with_an_alarm_leaves_and_is_woken_by_it(world):
    world.deploy("""
    import time
    class Obj(DurableObject):
        async def start(self):
            await self.ctx.storage.set_alarm(time.time() * 1000 + 60_000)
        async def alarm(self):
            log("rung")
    """)
    await world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x").start()
    await asyncio.sleep(20)
    assert in_memory(world) == []
    await asyncio.sleep(60)
    assert world.log == ["rung"]
    assert in_memory(world) == []


PLAIN = """
from workers import DurableObject
class Obj(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self._calls = 0
    def call(self):
        self._calls += 1
        return self._calls
"""
SLEEPER = "import asyncio\nasync def sleep(seconds, env, ctx):\n    await asyncio.sleep(seconds)"


async def test_on_a_virtual_clock_time_passes_for_those_who_wait_and_not_for_idle_objects():
    async with rpclab.Sandbox(clock="virtual") as sandbox:
        sandbox.deploy("callee", source=PLAIN)
        sandbox.deploy("sleeper", source=SLEEPER)
        env = sandbox.bind(OBJ=rpclab.objects("callee#Obj"), SLEEPER="sleeper")
        stub = env.OBJ.get_by_name("x")
        assert await stub.call() == 1
        for _ in range(200):
            await asyncio.sleep(0)
        assert sandbox.time() == 0
        assert await stub.call() == 2
        await env.SLEEPER.sleep(11)
        assert await stub.call() == 1
        assert sandbox.time() == 11


@pytest.mark.parametrize(("idle", "calls"), [(60, 2), (3600, 2), (math.inf, 2), (5, 1)])
async def test_how_long_an_object_stays_can_be_set(idle, calls):
    limits = rpclab.ObjectLimits(idle_seconds=idle)
    async with rpclab.Sandbox(clock="virtual", object_limits=limits) as sandbox:
        sandbox.deploy("callee", source=PLAIN)
        sandbox.deploy("sleeper", source=SLEEPER)
        env = sandbox.bind(OBJ=rpclab.objects("callee#Obj"), SLEEPER="sleeper")
        assert await env.OBJ.get_by_name("x").call() == 1
        await env.SLEEPER.sleep(30)
        assert await env.OBJ.get_by_name("x").call() == calls


async def test_an_object_that_is_to_leave_at_once_and_has_work_holds_nobody_up():
    limits = rpclab.ObjectLimits(idle_seconds=0)
    async with rpclab.Sandbox(object_limits=limits) as sandbox:
        source = PLAIN + (
            "    def begin(self):\n"
            "        import asyncio\n"
            "        self._task = asyncio.create_task(asyncio.sleep(50))\n"
        )
        sandbox.deploy("callee", source=source)
        stub = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
        await stub.begin()
        assert [await stub.call() for _ in range(3)] == [1, 2, 3]
        await asyncio.sleep(60)
        assert await stub.call() == 1


def test_a_sandbox_that_is_used_on_one_loop_after_the_other_lets_objects_leave_on_both():
    sandbox = rpclab.Sandbox(object_limits=rpclab.ObjectLimits(idle_seconds=0))

    async def main():
        sandbox.deploy("callee", source=PLAIN)
        stub = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
        found = [await stub.call()]
        await asyncio.sleep(0.01)
        return [*found, sandbox._registry.running_class("callee", "Obj").in_memory]

    assert asyncio.run(main()) == [1, []]
    assert asyncio.run(main()) == [1, []]
    sandbox.close()
