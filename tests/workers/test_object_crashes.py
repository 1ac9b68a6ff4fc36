"""What a Durable Object has acknowledged survives `kill -9` at any moment."""

from __future__ import annotations

import random

from support.crashes import killed_after

import rpclab

WORKER = """
from workers import DurableObject

class Obj(DurableObject):
    async def add(self, n):
        await self.ctx.storage.put("n", n)
        await self.ctx.storage.put(f"copy", n)
        return n

    async def move(self, n):
        async def both(t):
            await t.put("a", n)
            await t.put("b", -n)
        await self.ctx.storage.transaction(both)
        return n

    async def book(self, n):
        sql = self.ctx.storage.sql
        async def both(t):
            sql.exec("CREATE TABLE IF NOT EXISTS t (n)")
            sql.exec("INSERT INTO t VALUES (?)", n)
            await t.put("booked", n)
        await self.ctx.storage.transaction(both)
        return n

    async def state(self):
        s = self.ctx.storage
        found = dict(await s.list())
        if "booked" in found:
            found["rows"] = s.sql.exec("SELECT count(*) AS c, max(n) AS m FROM t").one()
        return found
"""

WRITER = (
    f"WORKER = {WORKER!r}\n"
    """
import asyncio, sys
import rpclab

async def main(folder, start):
    async with rpclab.Sandbox(storage=folder) as sandbox:
        sandbox.deploy("callee", source=WORKER)
        ns = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
        kinds = ["add", "move", "book"]
        async def write(kind, name):
            stub = ns.get_by_name(f"{kind}{name}")
            n = start
            while True:
                n = await stub[kind](n + 1)
                print(kind, name, n, flush=True)
        await asyncio.gather(*[write(kind, name) for kind in kinds for name in range(3)])

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
)


async def look(folder):
    """Open the folder, and give the state of each object."""
    async with rpclab.Sandbox(storage=folder) as sandbox:
        sandbox.deploy("callee", source=WORKER)
        ns = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
        names = [f"{kind}{name}" for kind in ("add", "move", "book") for name in range(3)]
        states = await rpclab.gather(*[ns.get_by_name(name).state() for name in names])
        return dict(zip(names, states, strict=True))


def written(name, state):
    """The last number that an object has written; what belongs together must be there together."""
    if name.startswith("add"):
        assert state.get("n") == state.get("copy")
        return state.get("n", 0)
    if name.startswith("move"):
        assert state.get("a", 0) == -state.get("b", 0)
        return state.get("a", 0)
    rows = state.get("rows", {"m": 0})
    assert state.get("booked", 0) == rows["m"]
    return rows["m"]


async def test_no_acknowledged_write_is_lost_and_no_transaction_is_half(tmp_path):
    rng = random.Random(50)  # noqa: S311 - the same on every run
    acknowledged = {}
    for kill in range(50):
        start = kill * 1000
        for line in killed_after(WRITER, rng.randint(1, 60), tmp_path, start):
            kind, name, n = line.split()
            acknowledged[kind + name] = int(n)
        found = {name: written(name, state) for name, state in (await look(tmp_path)).items()}
        for name, n in acknowledged.items():
            assert found[name] >= n, (kill, name)
        # One call of each object may have been saved, and not been acknowledged any more.
        for name, n in found.items():
            assert n <= max(acknowledged.get(name, 0), start) + 1, (kill, name)
