"""Contexts that keep one another alive, and that nothing else keeps, end when Python collects."""

import asyncio
import gc

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
