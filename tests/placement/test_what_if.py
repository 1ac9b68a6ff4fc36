"""What-if runs have Workers of processes in the program, with what they have kept, and say so."""

from __future__ import annotations

from support.processes import WORKER

import rpclab

SOURCE = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def count(self):
        n = int(await self.env.CACHE.get("n") or 0) + 1
        await self.env.CACHE.put("n", str(n))
        return n
"""


async def _program(env):
    return await env.COUNTER.count()


async def test_they_say_who_runs_in_the_program_there(sandbox):
    sandbox.deploy("counter", source=SOURCE, kv={"CACHE": "cache"}, placement="process")
    sandbox.deploy("other", source=WORKER)
    env = sandbox.bind(COUNTER="counter")
    assert await env.COUNTER.count() == 1
    said = "counter has processes, and ran in this program here, on the virtual clock"
    found = rpclab.replay(_program, sandbox)
    assert "returned 2" in found.before.text
    assert said in found.summary()
    assert said in rpclab.scrub(_program, sandbox).summary()
    assert await env.COUNTER.count() == 2
    await sandbox.move("counter", "kernel")
    assert said not in rpclab.replay(_program, sandbox).summary()
