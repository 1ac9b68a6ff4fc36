"""Area W: stubs that travel through a third Worker."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

import rpclab
from rpclab.errors import CALL_CONTEXT_ENDED, HOST_CONTEXT_ENDED

MAKER = """
    class T(Logged):
        def __init__(self):
            super().__init__("B.T")
            self._n = 0
        def m(self, x=None):
            self._n += 1
            return [self._n, x]
    class Default(WorkerEntrypoint):
        def make(self):
            return T()
"""
MIDDLE = """
    class Default(WorkerEntrypoint):
        async def get(self):
            t = await self.env.B.make()
            log("middle returns")
            return t
        async def promised(self):
            return self.env.B.make()
        def promise(self):
            return self.env.B.make()
        def in_a_dict(self):
            return {"t": self.env.B.make(), "list": [self.env.B.make()]}
"""


@pytest.fixture
def hops(world):
    """Three Workers: this one, `middle`, and `b` where the targets live."""
    world.deploy(MAKER, "b")
    return world.deploy(MIDDLE, "middle", B="b")


async def test_W1_a_stub_can_be_passed_to_a_third_worker(world, hops):
    world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def use(self, t):
                return [isinstance(t, RpcStub), await t.m("via C")]
        """,
        "c",
    )
    t = await hops.B.make()
    assert await hops.C.use(t) == [True, [1, "via C"]]
    assert await t.m("direct") == [2, "direct"]


@pytest.mark.parametrize("method", ["get", "promised", "promise"])
async def test_W1_a_stub_can_be_returned_through_a_worker_awaited_there_or_not(hops, method):
    assert await hops.MIDDLE[method]().m("chained") == [1, "chained"]
    t = await hops.MIDDLE[method]()
    assert await t.m("x") == [1, "x"]


async def test_W1_promises_inside_a_result_are_awaited_before_it_is_sent(hops):
    result = await hops.MIDDLE.in_a_dict()
    assert await result["t"].m() == [1, None]
    assert await result["list"][0].m() == [1, None]


async def test_W2_a_stub_works_on_after_the_call_that_returned_it(hops):
    t = await hops.MIDDLE.get()
    assert [await t.m(), await t.m()] == [[1, None], [2, None]]
    await asyncio.sleep(60)
    assert await t.m() == [3, None]


async def test_W3_disposing_at_the_end_of_the_line_disposes_at_the_origin(world, hops):
    t = await hops.MIDDLE.get()
    await t.m()
    world.log.append("disposing")
    t.dispose()
    await asyncio.sleep(0)
    assert world.log == ["middle returns", "disposing", "B.T disposed"]
    assert world.sandbox.tables("b").exports == {("notebook", -2), ("middle", -2)}


async def test_W3_after_everything_is_disposed_the_tables_hold_bindings_alone(world, hops):
    before = [world.sandbox.tables(name) for name in ("notebook", "middle", "b")]
    async with world.event():
        for _ in range(3):
            t = await hops.MIDDLE.get()
            await t.m(lambda: None)
            await hops.MIDDLE.promise().m()
    await asyncio.sleep(1)
    assert [world.sandbox.tables(name) for name in ("notebook", "middle", "b")] == before


async def test_W4_a_callback_runs_in_the_worker_that_made_it_over_any_number_of_hops(world):
    world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def use(self, callback):
                return [await callback(1), str(await attempt(callback(-1)))]
        """,
        "c",
    )
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def hand_on(self, callback):
                return await self.env.C.use(callback)
        """,
        "b",
        C="c",
    )

    def callback(n):
        world.log.append(n)
        if n < 0:
            raise ValueError("negative")
        return n * 10

    assert await env.B.hand_on(callback) == [10, "negative"]
    assert world.log == [1, -1]


async def test_W5_an_introduced_stub_works_on_after_the_introducers_context_ended(world, hops):
    world.deploy(
        """
        class Default(WorkerEntrypoint):
            def keep(self, t):
                dup = t.dup()
                async def later():
                    await sleep(80)
                    log(await dup.m("late"))
                    log(await dup.m("again"))
                    log(str(await attempt(dup.p)))
                    dup.dispose()
                self.ctx.wait_until(later())
        """,
        "c",
    )
    async with world.event():
        await hops.C.keep(await hops.B.make())
        world.log.append("introducer ends")
    await asyncio.sleep(100)
    assert world.log == [
        "introducer ends", [1, "late"], [2, "again"],
        'The RPC receiver does not implement the method "p".', "B.T disposed",
    ]  # fmt: skip


KEEPER = """
    class Default(WorkerEntrypoint):
        def keep(self, callback, seconds):
            dup = callback.dup()
            async def later():
                await sleep(seconds)
                log(await attempt(dup("late")))
            self.ctx.wait_until(later())
"""


async def test_W6_a_function_dies_with_its_context_and_its_disposer_does_not_run(world):
    env = world.deploy(KEEPER)

    def callback(x):
        world.log.append("ran")

    callback.dispose = lambda: world.log.append("disposed")
    async with world.event():
        await env.CALLEE.keep(callback, 60)
        world.log.append("caller ends")
    await asyncio.sleep(100)
    first, error = world.log
    assert first == "caller ends"
    assert (type(error), str(error)) == (rpclab.ContextEndedError, HOST_CONTEXT_ENDED)
    assert error.remote is False


async def test_W6_a_function_that_a_call_made_keeps_that_call_alive_while_a_peer_holds_it(world):
    world.deploy(KEEPER)
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def run(self):
                def callback(x):
                    return x
                callback.dispose = lambda: log("disposed")
                await self.env.CALLEE.keep(callback, 60)
                return "ran"
        """,
        "middle",
        CALLEE="callee",
    )
    assert await env.MIDDLE.run() == "ran"
    await asyncio.sleep(100)
    assert world.log == ["late", "disposed"]


async def test_W7_a_call_in_progress_in_a_context_that_ends_rejects_and_says_so(world):
    env = world.deploy(KEEPER)

    async def slow(x):
        world.log.append("callback starts")
        await asyncio.sleep(60)
        world.log.append("callback ends")

    async with world.event():
        await env.CALLEE.keep(slow, 0)
        await asyncio.sleep(10)
        world.log.append("caller ends")
    await asyncio.sleep(100)
    *log, error = world.log
    assert log == ["callback starts", "caller ends"]
    assert (type(error), str(error)) == (rpclab.ContextEndedError, CALL_CONTEXT_ENDED)
    assert error.remote is True


async def test_W7_the_cause_travels_over_two_hops(world):
    world.deploy(KEEPER, "c")
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def start(self, callback):
                await self.env.C.keep(callback, 0)
        """,
        "middle",
        C="c",
    )

    async def slow(x):
        await asyncio.sleep(60)

    async with world.event():
        await env.MIDDLE.start(slow)
        await asyncio.sleep(10)
    await asyncio.sleep(100)
    assert [str(error) for error in world.log] == [CALL_CONTEXT_ENDED]


async def test_W8_an_error_over_several_hops_keeps_what_it_is_and_what_was_changed(world):
    world.deploy(
        """
        class Default(WorkerEntrypoint):
            def bad(self):
                error = ValueError("origin")
                error.code = 7
                raise error
        """,
        "b",
    )
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def hand_on(self):
                return await self.env.B.bad()
            async def change(self):
                try:
                    await self.env.B.bad()
                except ValueError as error:
                    error.added = "by middle"
                    error.args = ("middle: " + error.args[0],)
                    raise
            async def seen(self):
                return await attempt(self.env.B.bad())
        """,
        "middle",
        B="b",
    )
    passed, changed = await failure(env.MIDDLE.hand_on()), await failure(env.MIDDLE.change())
    assert (type(passed), str(passed), passed.code) == (ValueError, "origin", 7)
    assert (str(changed), changed.code, changed.added) == ("middle: origin", 7, "by middle")
    assert passed.remote is changed.remote is True
    seen = await env.MIDDLE.seen()
    assert (type(seen), str(seen), seen.code, seen.remote) == (ValueError, "origin", 7, True)


async def test_W1_calls_pipelined_through_a_middle_worker_do_not_wait_for_its_result(sandbox):
    sandbox.deploy(
        "far",
        source="""
from workers import RpcTarget, WorkerEntrypoint

class Node(RpcTarget):
    def next(self): return Node()
    def name(self): return "node"

class Default(WorkerEntrypoint):
    def node(self): return Node()
""",
    )
    sandbox.deploy(
        "middle",
        bind={"FAR": "far"},
        source="""
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def node(self): return self.env.FAR.node()
    async def later(self): return self.env.FAR.node()
""",
    )
    env = sandbox.bind(MIDDLE="middle")
    for method in ("node", "later"):
        with sandbox.trace() as trace:
            assert await env.MIDDLE[method]().next().next().name() == "node"
        assert trace.round_trips == 2, trace
