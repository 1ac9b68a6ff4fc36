"""Area V: promises and properties among the arguments."""

from __future__ import annotations

from support.world import failure

import rpclab


def nested(wrap, depth, inmost):
    for _ in range(depth):
        inmost = wrap(inmost)
    return inmost


PROMISES = """
    class T(RpcTarget):
        def m(self):
            return "T.m"
    class Default(WorkerEntrypoint):
        def num(self):
            return 20
        def obj(self):
            return {"a": [1]}
        def target(self):
            return T()
        async def later(self, x):
            await sleep(10)
            return x
        async def fail(self):
            await sleep(10)
            raise ValueError("no value")
        @property
        def seven(self):
            return 7
        async def use(self, *args, **kwargs):
            log("use runs")
            args = [await arg.m() if isinstance(arg, RpcStub) else arg for arg in args]
            return [*args, kwargs] if kwargs else args
"""


async def test_V19_promises_and_properties_arrive_resolved(world):
    c = world.deploy(PROMISES).CALLEE
    nested = [c.later(1), {"n": (c.later(2),)}]
    used = c.use(c.num(), c.obj(), c.target(), nested, c.seven, k=c.num())
    assert await used == [20, {"a": [1]}, "T.m", [1, {"n": (2,)}], 7, {"k": 20}]
    settled = c.obj()
    await settled
    assert await c.use(settled, [settled]) == [{"a": [1]}, [{"a": [1]}]]


async def test_V19_a_rejected_promise_rejects_the_call_and_the_method_does_not_run(world):
    c = world.deploy(PROMISES).CALLEE
    failed = c.fail()
    for call in (c.use(failed), c.use(1, [failed])):
        error = await failure(call)
        assert (type(error), str(error)) == (ValueError, "no value")
    error = await failure(c.use(failed))
    assert (type(error), str(error)) == (ValueError, "no value")
    assert world.log == []


async def test_V19_a_promised_stub_stays_with_its_owner_and_the_callee_gets_a_duplicate(world):
    c = world.deploy(PROMISES).CALLEE
    promise = c.target()
    assert await c.use(promise) == ["T.m"]
    assert await promise.m() == "T.m"
    assert await c.use(promise, await promise) == ["T.m", "T.m"]


async def test_V19_a_call_that_waits_for_an_argument_holds_its_place_in_the_order(world):
    c = world.deploy("""
        class T(RpcTarget):
            def note(self, x):
                log(x)
        class Default(WorkerEntrypoint):
            async def later(self, x):
                await sleep(10)
                return x
            def target(self):
                return T()
    """).CALLEE
    target = await c.target()
    calls = [target.note(c.later("first")), target.note("second"), target.note(c.later("third"))]
    assert world.log == []
    await rpclab.gather(*calls)
    assert world.log == ["first", "second", "third"]


async def test_V19_a_property_of_a_promise_is_read_when_the_call_is_made(world):
    c = world.deploy(PROMISES).CALLEE
    assert await c.use(c.obj()["a"]) == [[1]]
