"""Two Workers whose calls are worth recording, and a program that makes most of them."""

import asyncio
import gc

import pytest

SOURCE = """
import asyncio

from workers import RpcTarget, WorkerEntrypoint


class Node(RpcTarget):
    def __init__(self, depth=1):
        self._depth = depth

    def next(self):
        return Node(self._depth + 1)

    @property
    def depth(self):
        return self._depth

    def add(self, amount):
        return self._depth + amount


class Default(WorkerEntrypoint):
    def root(self):
        return Node()

    def user(self):
        return {"id": "user-17", "age": 40}

    def orders(self, user):
        return f"orders of {user}"

    def join(self, one, other):
        return one.target(other) if hasattr(one, "target") else [one, other]

    def same(self, node):
        return node.dup()

    def token(self, text="token"):
        return f"{text}-{len(text)}"

    def pair(self, one, other):
        return f"{one} {other}"

    async def nap(self, seconds):
        await asyncio.sleep(seconds)
        return seconds

    async def call_back(self, callback):
        return await callback(20) + await callback(22)

    async def relay(self, text):
        return await self.env.NEXT.token(text)

    def fail(self):
        raise ValueError("no")

    def node_of_next(self):
        return self.env.NEXT.root()
"""

KEEPER = """
from workers import RpcTarget, WorkerEntrypoint

class Box(RpcTarget):
    def keep(self, stub):
        self._kept = stub.dup()

class Default(WorkerEntrypoint):
    def box(self):
        return Box()
"""

READER = """
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def read(self, stream):
        total = 0
        async for chunk in stream:
            total += len(chunk)
            await asyncio.sleep(1)
        return total

    async def peek(self, stream):
        await stream.read()
        await stream.cancel()

    async def itself(self, function):
        return await self.ctx.exports.Default.call(function)

    async def call(self, function):
        return await function()

    def numbers(self):
        return [1, 2]
"""


def deployed(sandbox):
    """The bindings A and B, B far away; A has B as NEXT."""
    sandbox.deploy("b", source=SOURCE)
    sandbox.deploy("a", source=SOURCE, bind={"NEXT": "b"})
    sandbox.link("notebook", "b", rtt="80ms")
    return sandbox.bind(A="a", B="b")


async def busy(sandbox, env):
    """A program with calls, stubs, errors, callbacks, forwarding, a map and a cancelled call."""
    async with sandbox.event():
        node = await env.A.root()
        copy = node.dup()
        await env.A.same(copy)
        node.dispose()
    with pytest.raises(ValueError, match="no"):
        await env.A.fail()
    await env.A.pair(env.A.token("one"), env.B.token("two"))
    with pytest.raises(ValueError, match="no"):
        await env.A.token(env.B.fail())
    await env.A.call_back(lambda n: n)
    await env.A.root().map(lambda node: node.next().depth)
    await (await env.A.node_of_next()).depth
    task = asyncio.ensure_future(env.A.nap(5))
    await asyncio.sleep(1)
    task.cancel()
    gc.collect()
    await asyncio.sleep(1)
