"""What a trace says of promises that nobody awaited."""

import asyncio

import pytest

import rpclab

SOURCE = """
from workers import RpcTarget, WorkerEntrypoint

class Node(RpcTarget):
    def next(self):
        return Node()

    @property
    def depth(self):
        return 1

class Default(WorkerEntrypoint):
    def node(self, other=None):
        return Node()

    async def calls_another(self):
        self.env.OTHER.node()
"""


@pytest.fixture
def env(sandbox):
    sandbox.deploy("other", source=SOURCE)
    sandbox.deploy("w", source=SOURCE, bind={"OTHER": "other"})
    return sandbox.bind(W="w")


async def test_a_call_that_nobody_awaits_is_named_with_its_place(sandbox, env):
    with sandbox.trace() as trace:
        env.W.node()
        await asyncio.sleep(0.1)
    assert trace.unawaited.startswith(
        "1 call was not awaited, so no result and no error of it is seen: w.node() ("
    )
    assert "test_unawaited.py, line " in trace.unawaited
    assert trace.unawaited in trace.text()


async def test_several_are_counted_and_the_first_are_named(sandbox, env):
    with sandbox.trace() as trace:
        for _ in range(5):
            env.W.node()
        await asyncio.sleep(0.1)
    assert trace.unawaited.startswith("5 calls were not awaited")
    assert trace.unawaited.count("w.node()") == 3
    assert trace.unawaited.endswith(", and 2 more")


async def test_what_is_awaited_or_used_is_not_named(sandbox, env):
    with sandbox.trace() as trace:
        await env.W.node()
        await env.W.node().next().depth
        await env.W.node(env.W.node())
        with env.W.node() as node:
            await node.next()
        await asyncio.gather(env.W.node(), env.W.node())
        await rpclab.gather(env.W.node(), env.W.node())
        await env.W.calls_another()
    assert trace.unawaited == ""
    assert "not awaited" not in trace.text()


async def test_what_is_used_by_a_call_that_is_held_back_is_not_named():
    async with rpclab.Sandbox(pipelining=False, record=True) as sandbox:
        sandbox.deploy("w", source=SOURCE, bind={"OTHER": "w"})
        env = sandbox.bind(W="w")
        with sandbox.trace() as trace:
            await env.W.node(env.W.node()).next().depth
        assert trace.unawaited == ""
