"""Area O: who owns a stub, when a disposer runs, and what a dead stub says."""

from __future__ import annotations

import asyncio
import gc

import pytest
from support.world import failure, is_missing

import rpclab
from rpclab import DisposedError, RpcStub

STUB_GONE = "RPC stub used after being disposed."
PROMISE_GONE = "RPC promise used after being disposed."

MAKER = """
    class T(Logged):
        @property
        def p(self):
            return 2
    class Default(WorkerEntrypoint):
        def make(self, name="T"):
            return T(name)
        def fn(self):
            def f():
                return "f"
            f.dispose = lambda: log("f disposed")
            return f
        async def use(self, t):
            return await t.m()
        async def take(self, value):
            t = value["t"] if isinstance(value, dict) else value
            return str(await attempt(t.m()))
"""


@pytest.fixture
def callee(world):
    """The binding of a Worker that makes and uses targets."""
    return world.deploy(MAKER).CALLEE


async def gone(awaitable) -> bool:
    """Whether awaiting says that the stub was disposed; that is no error of the other side."""
    error = await failure(awaitable)
    assert (type(error), str(error), error.remote) == (DisposedError, STUB_GONE, False)
    return True


async def test_O1_dispose_returns_at_once_and_the_disposer_runs_later_once(world, callee):
    t = await callee.make()
    assert t.dispose() is None
    assert world.log == []
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


async def test_O1_a_disposer_may_be_async(world):
    env = world.deploy("""
        class T(RpcTarget):
            async def dispose(self):
                await sleep(1)
                log("disposed")
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
    """)
    (await env.CALLEE.make()).dispose()
    await asyncio.sleep(2)
    assert world.log == ["disposed"]


async def test_O1_the_disposer_waits_for_the_calls_already_made(world):
    env = world.deploy("""
        class T(Logged):
            async def slow(self):
                await sleep(5)
                log("slow ends")
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
    """)
    t = await env.CALLEE.make()
    slow = t.slow()
    t.dispose()
    await slow
    await asyncio.sleep(0)
    assert world.log == ["slow ends", "T disposed"]


async def test_O2_disposing_twice_is_harmless(world, callee):
    t = await callee.make()
    t.dispose()
    t.dispose()
    rpclab.dispose(t)
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


async def test_O3_each_use_of_a_disposed_stub_says_so(callee):
    t, f = await callee.make(), await callee.fn()
    t.dispose()
    f.dispose()
    promise = t.m()
    assert isinstance(promise, rpclab.RpcPromise)
    for use in promise, t.m(), t.p, t["p"], f(), f.extra, t.deep.down():
        assert await gone(use)
    assert repr(t) == "<RpcStub disposed>"


async def test_O3_each_use_of_a_disposed_promise_says_so(callee):
    for arrived in False, True:
        promise = callee.make()
        if arrived:
            await promise
        promise.dispose()
        for use in promise.m(), promise.p, promise.deep.down():
            error = await failure(use)
            assert (type(error), str(error)) == (DisposedError, PROMISE_GONE)


async def test_O4_dup_of_a_disposed_stub_raises_at_once(callee):
    t = await callee.make()
    t.dispose()
    with pytest.raises(DisposedError, match=STUB_GONE):
        t.dup()


async def test_O4_a_disposed_stub_can_be_passed_and_is_dead_for_its_recipient(callee):
    t = await callee.make()
    t.dispose()
    assert await callee.take(t) == STUB_GONE
    assert await callee.take({"t": t}) == STUB_GONE


async def test_O5_the_disposer_runs_when_the_last_of_independent_handles_is_gone(world, callee):
    a = await callee.make()
    b = a.dup()
    c = b.dup()
    assert a is not b
    assert isinstance(b, RpcStub)
    a.dispose()
    await asyncio.sleep(0)
    assert await gone(a.m())
    assert await b.m() == "T"
    b.dispose()
    await asyncio.sleep(0)
    assert await c.m() == "T"
    assert world.log == []
    c.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


RESULTS = """
    class Default(WorkerEntrypoint):
        def make(self):
            return {"a": Logged("a"), "deep": {"list": [Logged("b")], "n": 1}, "set": {Logged("c")}}
"""


async def test_O6_dispose_frees_all_stubs_of_a_result_at_any_depth(world):
    env = world.deploy(RESULTS)
    result = await env.CALLEE.make()
    for _ in range(2):
        rpclab.dispose(result)
        await asyncio.sleep(0)
        assert sorted(world.log) == ["a disposed", "b disposed", "c disposed"]
    assert await gone(result["a"].m())
    assert await gone(result["deep"]["list"][0].m())
    assert result["deep"]["n"] == 1


async def test_O6_with_on_the_promise_frees_all_stubs_of_its_result(world):
    env = world.deploy(RESULTS)
    with env.CALLEE.make() as promise:
        assert await promise.a.m() == "a"
    async with env.CALLEE.make() as result:
        assert await result["a"].m() == "a"
    await asyncio.sleep(0)
    assert sorted(world.log) == sorted(["a disposed", "b disposed", "c disposed"] * 2)


@pytest.mark.parametrize("value", [None, 5, "text", [1, {"a": 2}], {1, 2}, b"bytes"])
async def test_O6_dispose_leaves_plain_data_alone(value):
    assert rpclab.dispose(value) is None


KEEPER = """
    class Default(WorkerEntrypoint):
        def keep(self, callback, wrapped):
            async def later():
                await sleep(30)
                log(await attempt(callback("late")))
                log(await attempt(wrapped["callback"]("late")))
            self.ctx.wait_until(later())
            return "kept"
        def keep_dup(self, callback):
            dup = callback.dup()
            async def later():
                await sleep(30)
                log(await attempt(dup("late")))
                dup.dispose()
            self.ctx.wait_until(later())
            return "kept"
        async def use(self, t):
            log("use starts")
            await sleep(15)
            log("use returns")
        async def fail(self, value):
            await sleep(15)
            log("fail raises")
            raise ValueError
        async def own(self, t):
            t.dispose()
            log("callee disposed it")
            await sleep(15)
            log("own returns")
"""


async def test_O7_O8_a_parameter_kept_without_dup_is_dead_after_the_return(world):
    env = world.deploy(KEEPER)
    async with world.event():
        echo = {"callback": lambda x: "wrapped " + x}
        assert await env.CALLEE.keep(lambda x: "cb " + x, echo) == "kept"
        await asyncio.sleep(70)
    assert [(type(e), str(e), e.remote) for e in world.log] == [
        (DisposedError, STUB_GONE, False)
    ] * 2
    assert "to keep it, take stub.dup() inside the method" in str(world.log[0].__notes__)


async def test_O7_a_dup_of_a_parameter_works_after_the_return(world):
    env = world.deploy(KEEPER)

    def callback(x):
        return "cb " + x

    callback.dispose = lambda: world.log.append("f disposed")
    async with world.event():
        assert await env.CALLEE.keep_dup(callback) == "kept"
        await asyncio.sleep(70)
        world.log.append("caller ends")
    assert world.log == ["cb late", "f disposed", "caller ends"]


def logged(world, name="T"):
    """Make a target of the caller that logs its disposal."""

    class Mine(rpclab.RpcTarget):
        def m(self):
            return "m"

        def dispose(self):
            world.log.append(f"{name} disposed")

    return Mine()


async def test_O7_parameters_are_disposed_when_the_method_returns(world):
    env = world.deploy(KEEPER)
    async with world.event():
        await env.CALLEE.use(logged(world))
        await asyncio.sleep(0)
        world.log.append("done")
    assert world.log == ["use starts", "use returns", "T disposed", "done"]


async def test_O7_parameters_are_disposed_when_the_method_raises_nested_ones_too(world):
    env = world.deploy(KEEPER)
    async with world.event():
        await failure(env.CALLEE.fail({"deep": [logged(world)]}))
        await asyncio.sleep(0)
        world.log.append("done")
    assert world.log == ["fail raises", "T disposed", "done"]


async def test_O7_a_callee_may_dispose_its_parameter_early(world):
    env = world.deploy(KEEPER)
    async with world.event():
        await env.CALLEE.own(logged(world))
        await asyncio.sleep(0)
    assert world.log == ["callee disposed it", "T disposed", "own returns"]


async def test_O7_parameters_of_a_refused_or_missing_method_are_disposed_too(world):
    env = world.deploy(KEEPER)
    async with world.event():
        assert await is_missing(env.CALLEE.nothing(logged(world)), "nothing")
        await asyncio.sleep(0)
        assert world.log == ["T disposed"]


async def test_O9_passing_a_stub_leaves_the_callers_own_alive(world, callee):
    t = await callee.make()
    assert await callee.use(t) == "T"
    assert await t.m() == "T"
    assert await callee.use(t) == "T"
    await asyncio.sleep(1)
    assert world.log == []
    t.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


async def test_O9_a_dup_that_was_passed_still_belongs_to_the_caller(world, callee):
    t = await callee.make()
    dup = t.dup()
    assert await callee.use(dup) == "T"
    t.dispose()
    await asyncio.sleep(0)
    assert world.log == []
    assert await dup.m() == "T"
    dup.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


async def test_O9_a_callee_may_pass_its_parameter_on_and_still_use_it(world):
    world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def use(self, callback):
                return await callback("next")
        """,
        name="next",
    )
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def m(self, cb):
                return [await self.env.NEXT.use(cb), await cb("callee"),
                        await self.env.NEXT.use(cb.dup())]
        """,
        NEXT="next",
    )

    def callback(x):
        return "called by " + x

    callback.dispose = lambda: world.log.append("f disposed")
    async with world.event():
        expected = ["called by next", "called by callee", "called by next"]
        assert await env.CALLEE.m(callback) == expected
        await asyncio.sleep(20)
        world.log.append("caller ends")
    assert world.log == ["f disposed", "caller ends"]


async def test_O10_a_stub_that_is_returned_is_moved(world):
    world.deploy("class Default(WorkerEntrypoint):\n    def make(self): return Logged()", "inner")
    env = world.deploy(
        """
        class Holder(RpcTarget):
            def __init__(self, stub):
                self._stub = stub
            def lend(self):
                return self._stub
            def lend_dup(self):
                return self._stub.dup()
            async def own(self):
                return await self._stub.m()
        class Default(WorkerEntrypoint):
            async def make(self):
                return Holder(await self.env.INNER.make())
        """,
        INNER="inner",
    )
    holder = await env.CALLEE.make()
    with await holder.lend_dup() as lent:
        assert await lent.m() == "T"
    assert await holder.own() == "T"
    with await holder.lend() as lent:
        assert await lent.m() == "T"
    own = await failure(holder.own())
    assert (type(own), str(own), own.remote) == (DisposedError, STUB_GONE, True)
    again = await failure((await holder.lend()).m())
    assert (type(again), str(again)) == (DisposedError, STUB_GONE)


@pytest.mark.parametrize("method", ["back", "wrapped", "dupped"])
async def test_O11_a_method_may_return_a_stub_that_it_received(world, method):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def back(self, t):
                return t
            def wrapped(self, t):
                return {"t": t}
            def dupped(self, t):
                return t.dup()
    """)
    async with world.event():
        result = await env.CALLEE[method](logged(world))
        stub = result["t"] if method == "wrapped" else result
        assert await stub.m() == "m"
        await asyncio.sleep(5)
        assert world.log == []
        rpclab.dispose(result)
        await asyncio.sleep(0)
        assert world.log == ["T disposed"]


async def test_O12_all_stubs_of_a_context_are_disposed_at_its_end(world, callee):
    async with world.event():
        t, f = await callee.make(), await callee.fn()
        kept = t.dup()
        world.log.append("caller ends")
    await asyncio.sleep(0)
    assert world.log == ["caller ends", "f disposed", "T disposed"]
    assert await gone(f())
    assert await gone(kept.m())


async def test_O12_all_stubs_of_a_worker_are_disposed_when_its_call_is_over(world, callee):
    del callee
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def run(self):
                await (await self.env.CALLEE.make()).m()
                log("run returns")
        """,
        name="middle",
        CALLEE="callee",
    )
    await env.MIDDLE.run()
    await asyncio.sleep(0)
    assert world.log == ["run returns", "T disposed"]


async def test_O13_an_unused_result_keeps_its_stubs_until_the_context_ends(world, callee):
    async with world.event():
        callee.make("never awaited")
        await callee.make("awaited")
        callee.make("promise disposed").dispose()
        gc.collect()
        await asyncio.sleep(40)
        world.log.append("caller ends")
    await asyncio.sleep(0)
    assert world.log[:2] == ["promise disposed disposed", "caller ends"]
    assert sorted(world.log[2:]) == ["awaited disposed", "never awaited disposed"]


async def test_O13_disposing_a_promise_frees_its_result_and_does_not_cancel_the_call(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def make(self):
                log("make starts")
                await sleep(15)
                log("make ends")
                return Logged()
    """)
    p = env.CALLEE.make()
    p.dispose()
    stub = await p
    assert isinstance(stub, RpcStub)
    await asyncio.sleep(0)
    assert world.log == ["make starts", "make ends", "T disposed"]
    assert await gone(stub.m())


async def test_O13_disposing_a_promise_that_has_arrived_disposes_the_stub_it_gave(world, callee):
    p = callee.make()
    t = await p
    p.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]
    assert await gone(t.m())


async def test_O14_a_live_stub_keeps_the_callees_context_alive(world):
    env = world.deploy("""
        class T(RpcTarget):
            def __init__(self, ctx):
                self._ctx = ctx
            async def m(self):
                self._ctx.wait_until(sleep(1))
                return "still here"
        class Default(WorkerEntrypoint):
            def make(self):
                async def tick():
                    while True:
                        await sleep(60)
                        log("tick")
                asyncio.create_task(tick())
                return T(self.ctx)
    """)
    t = await env.CALLEE.make()
    await asyncio.sleep(150)
    assert await t.m() == "still here"
    assert world.log == ["tick", "tick"]
    t.dispose()
    await asyncio.sleep(600)
    assert world.log == ["tick", "tick"]


async def test_O15_the_disposer_of_the_last_stub_of_a_context_runs(world, callee):
    (await callee.make("single")).dispose()
    await asyncio.sleep(0)
    first, second = await callee.make("first"), await callee.make("second")
    first.dispose()
    await asyncio.sleep(0)
    second.dispose()
    await asyncio.sleep(0)
    assert world.log == ["single disposed", "first disposed", "second disposed"]


async def test_O15_work_of_the_last_disposer_keeps_the_context_alive(world):
    env = world.deploy("""
        class T(RpcTarget):
            def dispose(self):
                async def farewell():
                    await sleep(5)
                    log("farewell")
                wait_until(farewell())
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
    """)
    (await env.CALLEE.make()).dispose()
    await asyncio.sleep(10)
    assert world.log == ["farewell"]


@pytest.mark.expects_reports
async def test_O16_an_exception_from_a_disposer_reaches_nobody_and_is_reported(world, caplog):
    env = world.deploy("""
        class T(RpcTarget):
            def dispose(self):
                log("about to raise")
                raise ValueError("disposer failed")
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
            def ok(self):
                return "ok"
    """)
    (await env.CALLEE.make()).dispose()
    await asyncio.sleep(0)
    assert world.log == ["about to raise"]
    assert await env.CALLEE.ok() == "ok"
    assert "the disposer of T failed: ValueError: disposer failed" in caplog.text


async def test_O17_a_functions_disposer_is_its_attribute_dispose(world, callee):
    (await callee.fn()).dispose()
    await asyncio.sleep(0)
    assert world.log == ["f disposed"]


async def test_O18_a_binding_is_not_disposed_and_an_entrypoints_dispose_never_runs(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                return 1
            def dispose(self):
                log("entrypoint disposed")
    """)
    assert await env.CALLEE.m() == 1
    assert await is_missing(env.CALLEE["dispose"](), "dispose")
    rpclab.dispose(env.CALLEE)
    assert await env.CALLEE.m() == 1
    assert world.log == []


class Plain:
    """No target."""


@pytest.mark.parametrize("value", [Plain(), 5, None, [1], {1}, "text", Plain, b"bytes"])
async def test_O19_a_local_stub_of_anything_else_is_refused(sandbox, value):
    text = r"RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives\."
    with pytest.raises(TypeError, match=text):
        RpcStub(value)
    with pytest.raises(TypeError):
        RpcStub()


async def test_O19_a_local_stub_wraps_dicts_functions_targets_and_stubs(world):
    assert await RpcStub({"a": 1}).a == 1
    assert await RpcStub({"f": lambda: "f"}).f() == "f"
    assert await RpcStub(lambda: "called")() == "called"
    stub = RpcStub(lambda: "x")
    again = RpcStub(stub)
    stub.dispose()
    assert await again() == "x"
    assert await RpcStub(logged(world)).m() == "m"


async def test_O19_the_members_of_a_wrapped_dict_are_disposed_with_its_stub(world):
    stub = RpcStub({"t": logged(world)})
    assert [await stub.t.m(), await stub.t.m()] == ["m", "m"]
    assert world.log == []
    stub.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


async def test_O20_a_local_stub_behaves_like_a_remote_one(world):
    class Local(rpclab.RpcTarget):
        def __init__(self):
            self.own = 5

        def m(self, value):
            world.log.append("m")
            value["touched"] = True
            return value

        @property
        def g(self):
            return 7

        def dispose(self):
            world.log.append("T disposed")

    stub, value = RpcStub(Local()), {"a": 1}
    promise = stub.m(value)
    assert isinstance(promise, rpclab.RpcPromise)
    world.log.append("call made")
    assert await promise == {"a": 1, "touched": True}
    assert value == {"a": 1}
    assert await is_missing(stub.own, "own")
    dup = stub.dup()
    stub.dispose()
    await asyncio.sleep(0)
    world.log.append("first disposed")
    assert await dup.g == 7
    dup.dispose()
    await asyncio.sleep(0)
    assert world.log == ["call made", "m", "first disposed", "T disposed"]
    assert await gone(stub.g)


async def test_O20_a_local_stub_in_a_worker_belongs_to_its_call(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def run(self):
                stub = RpcStub(Logged())
                assert await stub.m() == "T"
                return "ran"
    """)
    assert await env.CALLEE.run() == "ran"
    await asyncio.sleep(0)
    assert world.sandbox.tables("callee").imports == frozenset()


async def test_O1_a_stub_disposed_before_a_call_is_gone_before_it(sandbox):
    sandbox.deploy(
        "lamps",
        source="""
from workers import RpcTarget, WorkerEntrypoint
lit = 0

class Lamp(RpcTarget):
    def __init__(self):
        global lit
        lit += 1
    def dispose(self):
        global lit
        lit -= 1

class Default(WorkerEntrypoint):
    def lamp(self): return Lamp()
    def lit(self): return lit
""",
    )
    env = sandbox.bind(LAMPS="lamps")
    lamp = await env.LAMPS.lamp()
    lamp.dispose()
    assert await env.LAMPS.lit() == 0
    async with env.LAMPS.lamp():
        assert await env.LAMPS.lit() == 1
    assert await env.LAMPS.lit() == 0
