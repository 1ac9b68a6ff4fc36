"""One invocation of a Worker asks D1 and KV so often, as on the platform."""

import pytest

import rpclab
from rpclab.workers.kv.limits import KVLimits

SOURCE = """
import asyncio
from workers import DurableObject, RpcTarget, WorkerEntrypoint

class Asks(RpcTarget):
    async def d1(self, often):
        for _ in range(often):
            await self.env.DB.prepare("SELECT 1").first()

    async def at_once(self, often):
        await asyncio.gather(*[self.env.DB.prepare("SELECT 1").first() for _ in range(often)])

    async def tasks(self, often):
        tasks = [asyncio.create_task(self.d1(1)) for _ in range(often)]
        for task in tasks:
            await task

    async def session(self, often):
        session = self.env.DB.with_session()
        for _ in range(often):
            await session.prepare("SELECT 1").all()

    async def exec(self, often):
        for _ in range(often):
            await self.env.DB.exec("SELECT 1; SELECT 2;")

    async def batches(self, often):
        for _ in range(often):
            await self.env.DB.batch([self.env.DB.prepare("SELECT 1")] * 10)

    async def kv(self, often):
        for _ in range(often):
            await self.env.CACHE.get("key")

    async def several_keys(self, often):
        for _ in range(often):
            await self.env.CACHE.get(["a", "b", "c"])

    async def both(self, often):
        await self.d1(often // 2)
        await self.kv(often - often // 2)

class Given(Asks):
    def __init__(self, env):
        self.env = env

class Default(Asks, WorkerEntrypoint):
    def given(self):
        return Given(self.env)

    async def others(self, often):
        for _ in range(often):
            await self.ctx.exports.Default.d1(1)

class Room(Asks, DurableObject):
    pass
"""
ASKS = [
    "d1", "at_once", "tasks", "session", "exec", "batches", "kv", "several_keys", "both",
]  # fmt: skip
TOO_MANY = "Too many API requests by single Worker invocation."


def deployed(sandbox):
    sandbox.deploy("w", source=SOURCE, d1={"DB": ":memory:"}, kv={"CACHE": ":memory:"})
    return sandbox.bind(W="w", ROOMS=rpclab.objects("w#Room"))


@pytest.fixture
def env():
    sandbox = rpclab.Sandbox(record=True, d1_limits=rpclab.D1Limits(invocation_requests=50))
    sandbox.kv_limits = KVLimits(invocation_requests=50)
    yield deployed(sandbox)
    sandbox.close()


async def refused(promise):
    with pytest.raises((rpclab.D1Error, rpclab.KVError)) as caught:
        await promise
    assert TOO_MANY in str(caught.value)
    return caught.value


@pytest.mark.parametrize("ask", ASKS)
async def test_an_invocation_asks_as_often_as_the_limit_says_and_not_once_more(env, ask):
    await getattr(env.W, ask)(50)
    await refused(getattr(env.W, ask)(51))
    await getattr(env.W, ask)(50)  # each invocation counts anew


@pytest.mark.parametrize("ask", ASKS)
async def test_each_call_of_an_object_is_an_invocation(env, ask):
    room = env.ROOMS.get_by_name("a")
    for _ in range(2):
        await getattr(room, ask)(50)
        await refused(getattr(room, ask)(51))


async def test_what_an_invocation_has_returned_belongs_to_it(env):
    with await env.W.given() as given:
        await given.d1(30)
        await refused(given.kv(30))


async def test_the_calls_of_an_invocation_are_invocations_of_their_own(env):
    await env.W.others(60)


async def test_a_script_is_no_worker(env):
    sandbox = rpclab.Sandbox(d1_limits=rpclab.D1Limits(invocation_requests=5))
    database = sandbox.bind(DB=sandbox.d1(":memory:a")).DB
    for _ in range(10):
        await database.prepare("SELECT 1").first()
    async with sandbox.event() as inside:
        for _ in range(10):
            await inside.DB.prepare("SELECT 1").first()
    sandbox.close()


async def test_by_default_there_are_as_many_as_on_the_paid_plan(sandbox):
    env = deployed(sandbox)
    await env.W.d1(1000)
    error = await refused(env.W.d1(1001))
    assert str(error) == f"D1_ERROR: {TOO_MANY}"
    assert "limit is 1000 (docs/limits.md), and 50 on its free plan" in error.__notes__[0]
    assert "D1Limits(invocation_requests=…)" in error.__notes__[0]
    error = await refused(env.W.kv(1001))
    assert (str(error), error.status) == (TOO_MANY, 429)
    assert "KVLimits(invocation_requests=…)" in error.__notes__[0]
