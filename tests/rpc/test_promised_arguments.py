"""Promises as arguments: they arrive as what they resolve to (rule V19 differs)."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

import rpclab

CALLEE = """
    class T(Logged):
        @property
        def p(self):
            return 41
        def order(self, x):
            log(x)
            return x
    class Default(WorkerEntrypoint):
        async def num(self, seconds=5):
            await sleep(seconds)
            return 20
        async def target(self, seconds=5):
            await sleep(seconds)
            return T()
        def obj(self):
            return {"a": 1, "t": T("inner")}
        async def bad(self):
            await sleep(5)
            raise ValueError("bad")
        def see(self, *args, **kwargs):
            log("see runs")
            return [list(args), kwargs]
        async def use(self, t):
            return [isinstance(t, RpcStub), await t.m()]
        async def member(self, o):
            return [o["a"], await o["t"].m()]
"""


@pytest.fixture
def callee(world):
    """A binding to the Worker above."""
    return world.deploy(CALLEE).CALLEE


async def test_V19_a_promise_arrives_as_its_value_in_one_round_trip(world, callee):
    with world.sandbox.trace() as trace:
        assert await callee.see(callee.num()) == [[20], {}]
    assert trace.round_trips == 1


async def test_V19_promises_stand_anywhere_in_the_arguments(callee):
    n = callee.num
    args = {"p": n(), "list": [n(), {"deep": n()}], "tuple": (1, n())}
    expected = {"p": 20, "list": [20, {"deep": 20}], "tuple": (1, 20)}
    assert await callee.see(args, key=n(), keys=[n()]) == [[expected], {"key": 20, "keys": [20]}]


async def test_V19_one_promise_given_twice_is_one_value(callee):
    p = callee.obj()
    (first, second), _ = await callee.see(p, [p])
    assert first["a"] == second[0]["a"] == 1


async def test_V19_a_promise_that_has_arrived_is_sent_as_its_value(callee):
    p, o = callee.num(), callee.obj()
    await rpclab.gather(p, o)
    assert await callee.see(p, [p], k=p) == [[20, [20]], {"k": 20}]
    assert await callee.member(o) == [1, "inner"]
    assert await o.t.m() == "inner"


async def test_V19_the_callee_owns_a_duplicate_of_the_stubs_in_it(world, callee):
    p = callee.target()
    assert await callee.use(p) == [True, "T"]
    await asyncio.sleep(1)
    assert await (await p).m() == "T"
    assert world.log == []
    p.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


async def test_V19_a_rejected_promise_rejects_the_call_and_the_method_does_not_run(world, callee):
    bad = callee.bad()
    calls = callee.see(bad), callee.see({"in": [bad]}), callee.see(k=bad)
    for call in calls:
        error = await failure(call)
        assert (type(error), str(error), error.remote) == (ValueError, "bad", True)
    late = await failure(callee.see(bad))
    assert (type(late), str(late)) == (ValueError, "bad")
    assert world.log == []


async def test_V19_a_promise_of_another_worker_is_sent_on(world, callee):
    del callee
    world.deploy(CALLEE, "other")
    env = world.env
    assert await env.CALLEE.see(env.OTHER.num()) == [[20], {}]
    assert await env.CALLEE.use(env.OTHER.target()) == [True, "T"]
    assert await env.CALLEE.member(env.OTHER.obj()) == [1, "inner"]
    error = await failure(env.CALLEE.see([env.OTHER.bad()]))
    assert (type(error), str(error), error.remote) == (ValueError, "bad", True)
    assert await env.CALLEE.see(env.OTHER.target().p) == [[41], {}]


async def test_V19_a_promise_of_another_worker_leaves_nothing_behind(world, callee):
    del callee
    world.deploy(CALLEE, "other")
    env, names = world.env, ("notebook", "callee", "other")
    before = [world.sandbox.tables(name) for name in names]
    async with world.event():
        await env.CALLEE.use(env.OTHER.target())
        await env.CALLEE.see({"n": env.OTHER.num()})
        await failure(env.CALLEE.see(env.OTHER.bad()))
        await env.CALLEE.use(env.CALLEE.target())
    await asyncio.sleep(1)
    assert [world.sandbox.tables(name) for name in names] == before


async def test_V19_a_property_is_read_when_the_call_is_made(callee):
    t = callee.target()
    assert await callee.see(t.p) == [[41], {}]
    stub = await t
    assert await callee.see(stub.p, [stub.p]) == [[41, [41]], {}]
    assert await callee.see(callee.obj().a) == [[1], {}]


async def test_V19_a_property_that_fails_rejects_the_call(world, callee):
    error = await failure(callee.see((await callee.target()).gone))
    assert str(error) == 'The RPC receiver does not implement the method "gone".'
    assert "see runs" not in world.log


async def test_L5_V19_a_call_that_waits_for_an_argument_holds_its_place(world, callee):
    t = await callee.target()
    calls = [t.order(callee.num()), t.order(1), t.order(callee.num(1)), t.order(2)]
    assert await rpclab.gather(*calls) == [20, 1, 20, 2]
    assert world.log == [20, 1, 20, 2]


async def test_L5_V19_a_rejected_argument_frees_the_place(world, callee):
    t = await callee.target()
    calls = [t.order(callee.bad()), t.order(1)]
    results = await rpclab.gather(*calls, return_exceptions=True)
    assert [str(result) for result in results] == ["bad", "1"]
    assert world.log == [1]


async def test_V19_a_cancelled_argument_rejects_the_call_that_waits_for_it(world, callee):
    t = await callee.target()
    async with world.event():
        argument = callee.num(500)
    call, behind = t.order(argument), t.order("behind")
    assert isinstance(await failure(call), rpclab.RpcError)
    assert await behind == "behind"


async def test_V19_a_call_that_waits_for_an_argument_can_be_cancelled(world, callee):
    t = await callee.target()
    waiting = asyncio.create_task(_await(t.order(callee.num(500))))
    behind = t.order("behind")
    await asyncio.sleep(1)
    assert world.log == []
    waiting.cancel()
    assert await behind == "behind"
    assert world.log == ["behind"]
    await asyncio.gather(waiting, return_exceptions=True)


async def _await(promise):
    return await promise


async def test_V19_promises_of_a_worker_are_arguments_there_too(world, callee):
    del callee
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def run(self):
                b = self.env.B
                return await b.see(b.num(), {"in": self.env.SELF.mine()})
            async def mine(self):
                await sleep(1)
                return "mine"
        """,
        "middle",
        B="callee",
        SELF="middle",
    )
    assert await env.MIDDLE.run() == [[20, {"in": "mine"}], {}]


async def test_V19_a_promise_stands_in_a_local_stubs_arguments(callee):
    local = rpclab.RpcStub(lambda x: [x])
    assert await local(callee.num()) == [20]
    assert await callee.see(local(5)) == [[[5]], {}]


async def test_V15_other_awaitables_are_refused_with_advice(callee):
    future = asyncio.get_running_loop().create_future()
    error = await failure(callee.see({"f": future}))
    assert isinstance(error, rpclab.DataCloneError)
    assert "await it first" in error.__notes__
    assert error.path == 'args[0]["f"]'
