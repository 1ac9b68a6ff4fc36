"""Contexts that keep one another alive, and that nothing else keeps, end when Python collects."""

import asyncio
import gc
import sys

import pytest

SOURCE = """
    class Node(Logged):
        def __init__(self, name):
            super().__init__(name)
            self._others = []
        def link(self, other):
            self._others.append(other.dup())
        async def ask(self):
            return await self._others[0].m()

    class Default(WorkerEntrypoint):
        def node(self, name):
            return Node(name)
        async def ring(self, names):
            # The nodes live in contexts of the others; this one holds none of them afterwards.
            nodes = []
            for name in names:
                nodes.append(await self.env[name].node(name))
            for node, following in zip(nodes, nodes[1:] + nodes[:1]):
                await node.link(following)
            if len(names) > 3:
                return nodes[0]
        async def meet(self, other):
            # Two contexts, which introduce themselves.
            mine = Node("mine")
            theirs = await self.env.OTHER.befriend(mine)
            mine.link(theirs)
        def befriend(self, node):
            own = Node("own")
            own.link(node)
            return own
"""
NAMES = ["A", "B", "C", "D"]


@pytest.fixture
def env(world):
    for name in NAMES:
        world.deploy(SOURCE, name=name.lower())
    bind = {name: name.lower() for name in NAMES}
    world.deploy(SOURCE, name="w", OTHER="a", **bind)
    return world.bind(W="w")


async def collected():
    for _ in range(3):  # what has ended may be garbage of Python's that holds more
        gc.collect()
        await asyncio.sleep(1)


def held(world):
    return [hook for session in world.sandbox.engine.sessions() for hook in session.hosted()]


@pytest.mark.parametrize("names", [["A", "B"], ["A", "B", "C"], ["A", "A"]])
async def test_a_ring_of_contexts_that_nobody_holds_ends(world, env, names):
    await env.W.ring(names)
    await asyncio.sleep(1)
    await collected()
    assert held(world) == []
    assert sorted(world.log) == sorted(f"{name} disposed" for name in names)


async def test_two_contexts_that_have_introduced_themselves_end(world, env):
    await env.W.meet(None)
    await collected()
    assert held(world) == []
    assert sorted(world.log) == ["mine disposed", "own disposed"]


async def test_a_ring_that_somebody_holds_lives_on_and_ends_with_that(world, env):
    node = await env.W.ring(NAMES)
    await collected()
    assert await node.ask() == "B"
    assert len(held(world)) == 4
    node.dispose()
    await collected()
    assert held(world) == []


async def test_a_ring_with_a_call_under_way_lives_on_until_that_is_over(world, env):
    node = await env.W.ring(NAMES)
    call = node.ask()
    node.dispose()
    await collected()
    assert await call == "B"
    await collected()
    assert held(world) == []


async def test_what_leads_into_a_ring_does_not_keep_it_and_is_let_go_of(world, env):
    await env.W.ring(["A", "B"])
    with await env.W.node("outside") as node:
        await collected()
        assert await node.m() == "outside"
        assert len(held(world)) == 1
    await collected()
    assert held(world) == []


CHAINS = """
    class Holder(Logged):
        def hold(self, node):
            self._node = node.dup()
        def again(self):
            return self
    class Default(WorkerEntrypoint):
        def echo(self, node):
            return node.dup()
        def holder(self):
            return Holder("holder")
        def tell(self, worker):
            self.env[worker].echo(Logged("mine")).m()
        async def tell_and_wait(self, worker):
            await self.env[worker].echo(Logged("mine")).m()
        async def tell_first(self, worker):
            self.env[worker].echo(Logged("mine")).m()
            await sleep(0.01)
        def have_it_held(self, worker):
            self.env[worker].holder().again().hold(Logged("mine"))
"""


@pytest.mark.parametrize("there", ["same", "other"])
@pytest.mark.parametrize("method", ["tell", "tell_and_wait", "tell_first", "have_it_held"])
async def test_a_result_inside_a_chain_does_not_keep_the_context_that_made_it(world, method, there):
    world.deploy(CHAINS, name="other")
    world.deploy(CHAINS, name="w", other="other", same="w")
    await world.bind(W="w").W[method](there)
    await asyncio.sleep(1)
    disposed = (
        {"mine disposed", "holder disposed"} if method == "have_it_held" else {"mine disposed"}
    )
    assert set(world.log) == disposed
    assert held(world) == []


async def test_L8_what_a_chain_leaves_lives_as_long_as_the_call_that_made_it(world):
    world.deploy(CHAINS, name="other")
    source = CHAINS.replace("await sleep(0.01)", "await sleep(5); log('the call ends')")
    world.deploy(source, name="w", other="other")
    await world.bind(W="w").W.tell_first("other")
    await asyncio.sleep(1)
    assert world.log == ["the call ends", "mine disposed"]


MANY = """
    class Default(WorkerEntrypoint):
        def same(self, value):
            return value
        async def both(self, own, given):
            # Targets that came home, of this context alone, and others for the caller.
            home = [await self.env.OTHER.same(Logged("home")) for _ in range(own)]
            return [Logged("given") for _ in range(given)]
        async def often(self, own, times):
            home = [await self.env.OTHER.same(Logged("home")) for _ in range(own)]
            one = Logged("given")
            return [await self.env.OTHER.same(one) for _ in range(times)]
        async def copies(self, count):
            home = await self.env.OTHER.same(Logged("home"))
            copies = [home.dup() for _ in range(count)]
            return [Logged("given")]
"""


@pytest.fixture
def many(world):
    """A Worker that keeps stubs of its own targets while others hold more of them."""
    world.deploy(MANY, name="other")
    world.deploy(MANY, name="w", OTHER="other")
    return world.bind(W="w").W


async def work_of_letting_go(stubs):
    """How many functions are called while stubs are disposed one by one."""
    count = 0

    def called(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        for stub in stubs:
            stub.dispose()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    finally:
        sys.setprofile(None)
    await asyncio.sleep(1)
    return count


@pytest.mark.parametrize("method", ["both", "often"])
async def test_to_let_go_of_twice_as_many_stubs_is_twice_the_work(world, many, method):
    work = [await work_of_letting_go(await many[method](count, count)) for count in (25, 50)]
    assert held(world) == []
    assert world.log.count("home disposed") == 75
    assert work[1] < 3 * work[0]


async def test_a_context_of_very_many_copies_of_a_stub_of_its_own_ends(world, many):
    [given] = await many.copies(3000)
    given.dispose()
    await asyncio.sleep(1)
    assert sorted(world.log) == ["given disposed", "home disposed"]
    assert held(world) == []
