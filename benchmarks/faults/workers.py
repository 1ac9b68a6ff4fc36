"""The Workers that fail, and that move."""

from __future__ import annotations

TALLY = """
from workers import DurableObject

class Tally(DurableObject):
    async def add(self, number):
        key = f"{number:09}"
        await self.ctx.storage.put(key, (await self.ctx.storage.get(key) or 0) + 1)

    async def seen(self):
        return dict(await self.ctx.storage.list())
"""
SOURCE = """
import asyncio, os
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()

    async def echo(self, number):
        await asyncio.sleep(0)
        return number

    async def wait(self, number=0):
        await asyncio.sleep(1000)

    async def add(self, number):
        await self.env.TALLY.get_by_name("one").add(number)
        return number
"""
CALLER = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def ask(self, method, number):
        return await self.env.WORKER[method](number)
"""
