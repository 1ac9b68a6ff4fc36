"""Two Workers whose calls are worth recording."""

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
