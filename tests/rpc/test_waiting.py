"""`sandbox.waiting()`: which calls are awaited, and where they were made."""

import asyncio

import pytest

SLOW = """
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def hang(self):
        await asyncio.sleep(1000)

    async def pass_on(self):
        await self.env.OTHER.hang()
"""


def deployed(sandbox):
    sandbox.deploy("other", source=SLOW)
    sandbox.deploy("slow", source=SLOW, bind={"OTHER": "other"})
    return sandbox.bind(SLOW="slow")


async def awaited(sandbox, promise):
    """What is waited for a while after somebody began to await a promise."""
    task = asyncio.ensure_future(promise)
    await asyncio.sleep(1)
    found = sandbox.waiting()
    task.cancel()
    return found


async def test_an_awaited_call_is_listed_with_its_place(sandbox):
    env = deployed(sandbox)
    promise = env.SLOW.hang()
    (waiting,) = await awaited(sandbox, promise)
    assert (waiting.caller, waiting.worker, waiting.what) == ("notebook", "slow", "hang()")
    assert __file__ in waiting.site
    assert str(waiting) == f"slow.hang(), made at {waiting.site}"


async def test_what_a_worker_awaits_is_listed_too(sandbox):
    env = deployed(sandbox)
    found = await awaited(sandbox, env.SLOW.pass_on())
    assert [(item.caller, item.what) for item in found] == [
        ("notebook", "pass_on()"),
        ("slow", "hang()"),
    ]


async def test_a_call_that_nobody_awaits_is_not_listed(sandbox):
    env = deployed(sandbox)
    promise = env.SLOW.hang()
    await asyncio.sleep(1)
    assert sandbox.waiting() == []
    promise.dispose()


async def test_a_sandbox_that_does_not_record_knows_the_worker(sandbox):
    sandbox.engine.sites = False
    env = deployed(sandbox)
    (waiting,) = await awaited(sandbox, env.SLOW.hang())
    assert str(waiting) == "a call to slow"


async def test_an_error_names_its_places_in_the_worker(sandbox):
    sandbox.deploy("w", source="def fail(request, env, ctx):\n    raise ValueError('no')\n")
    with pytest.raises(ValueError, match="no") as caught:
        await sandbox.bind(W="w").W.fail(0)
    assert caught.value.__notes__ == ["raised in the Worker at\n  <worker w>, line 2, in fail"]
