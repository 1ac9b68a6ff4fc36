"""A Worker whose queue is full tells whoever asks, over each kind of link."""

from __future__ import annotations

import asyncio

from support.net import failure
from support.real_time import until

import rpclab

SHOP = """
import asyncio
from workers import WorkerEntrypoint

began = []

class Default(WorkerEntrypoint):
    async def buy(self, item):
        began.append(item)
        await asyncio.Event().wait()
"""


async def test_who_finds_no_place_is_told_the_numbers_at_once(place, sandbox):
    worker = sandbox.deploy("shop", source=SHOP, concurrency=1, queue=1)
    async with place.serve(sandbox.bind(SHOP="shop").SHOP) as server, place.connect(server) as far:
        calls = [asyncio.ensure_future(failure(far.buy(item))) for item in ("tea", "milk")]
        await until(lambda: worker.module.began and worker.queue.waiting)
        error = await failure(far.buy("sugar"))
        assert type(error) is rpclab.OverloadedError
        assert (error.worker, error.queued, error.limit) == ("shop", 1, 1)
        assert vars(error)["retryable"] is True
        assert worker.module.began == ["tea"]
    assert {type(await call) for call in calls} == {rpclab.DisconnectedError}
    await until(lambda: (worker.queue.running, worker.queue.waiting) == (0, 0))


async def test_a_caller_that_goes_leaves_its_place(place, sandbox):
    worker = sandbox.deploy("shop", source=SHOP, concurrency=1, queue=2)
    shop = sandbox.bind(SHOP="shop").SHOP
    async with place.serve(shop) as server:
        first = await place.connect(server)
        second = await place.connect(server)
        calls = [
            asyncio.ensure_future(failure(each.main.buy(item)))
            for each, item in ((first, "tea"), (second, "milk"), (first, "sugar"))
        ]
        await until(lambda: worker.queue.waiting == 2)
        await first.cut()
        await until(lambda: worker.module.began == ["tea", "milk"])
        assert worker.queue.waiting == 0
        await second.close()
    assert {type(await call) for call in calls} == {rpclab.DisconnectedError}
