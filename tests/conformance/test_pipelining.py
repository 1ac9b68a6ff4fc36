"""Area L: using a result before it has arrived."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure, is_missing

import rpclab

NODES = """
    class Node(RpcTarget):
        def __init__(self, depth):
            self._depth = depth
        def next(self):
            return Node(self._depth + 1)
        async def next_later(self):
            await sleep(2)
            return Node(self._depth + 1)
        @property
        def depth(self):
            return self._depth
        def d(self):
            return self._depth
    class Default(WorkerEntrypoint):
        def root(self):
            return Node(1)
"""


async def test_L1_calls_and_properties_chain_to_any_depth(world):
    root = world.deploy(NODES).CALLEE.root
    assert await root().d() == 1
    assert await root().next().d() == 2
    assert await root().next().next_later().d() == 3
    assert await root().next().next().next().depth == 4
    assert await root().next_later().next_later().next_later().next_later().d() == 5


async def test_L1_a_chain_of_any_length_is_one_message_each_way(world):
    promise = world.deploy(NODES).CALLEE.root()
    for _ in range(50):
        promise = promise.next()
    with world.sandbox.trace() as trace:
        held = world.env.CALLEE.root()
        assert await held.next().next().d() == 3
    assert trace.round_trips == 1
    assert await promise.d() == 51


SESSION = """
    class T(RpcTarget):
        def hi(self, x):
            return "hi " + x
    class Default(WorkerEntrypoint):
        async def session(self):
            await sleep(5)
            return {"user": {"api": T(), "id": 7}, "list": [T()], "fn": lambda: "fn"}
"""


async def test_L2_members_of_a_dict_can_be_used_before_it_arrives(world):
    session = world.deploy(SESSION).CALLEE.session()
    assert await session.user.api.hi("a") == "hi a"
    assert await session["user"]["id"] == 7
    assert await session.fn() == "fn"
    assert await is_missing(session.list.hi("b"), "list")
    with pytest.raises(TypeError, match="never lists"):
        session.list[0]
    assert list(await session) == ["user", "list", "fn"]


async def test_L2_a_promise_that_has_arrived_gives_what_a_pending_one_gives(world):
    session = world.deploy(SESSION).CALLEE.session()
    pending = await session.user.api.hi("a"), await session.user.id
    value = await session
    assert (await session.user.api.hi("a"), await session.user.id) == pending
    assert await value["user"]["api"].hi("b") == "hi b"
    assert await is_missing(session.user.gone, "gone")
    assert await is_missing(session.user.id.x, "id")
    assert await is_missing(session.list.hi(), "list")
    assert str(await failure(session.user())) == '"user" is not a function.'


async def test_L3_what_was_pipelined_on_a_rejected_call_rejects_likewise(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def bad(self):
                await sleep(5)
                raise ValueError("no session")
    """)
    p = env.CALLEE.bad()
    uses = [p, p.x(), p.a.b.c(), p.y, p.x().y().z]
    errors = [*await rpclab.gather(*uses, return_exceptions=True), await failure(p.late())]
    assert {(type(error), str(error), error.remote) for error in errors} == {
        (ValueError, "no session", True)
    }


async def test_L4_awaiting_twice_runs_the_method_once_and_gives_the_same_object(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                log("ran")
                return {"n": 1}
    """)
    p = env.CALLEE.m()
    first, second = await p, await p
    assert first is second
    assert world.log == ["ran"]


async def test_L4_each_await_of_a_failed_call_raises_an_error_of_its_own(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                raise ValueError("once")
    """)
    p = env.CALLEE.m()
    first, second = await failure(p), await failure(p)
    assert first is not second
    assert (type(first), first.args) == (type(second), second.args) == (ValueError, ("once",))


ORDER = """
    class T(RpcTarget):
        def m(self, x):
            log(x)
            return x
    class Default(WorkerEntrypoint):
        async def make(self):
            log("make start")
            await sleep(10)
            log("make end")
            return T()
"""


async def test_L5_calls_arrive_in_the_order_made_pipelined_or_not(world):
    p = world.deploy(ORDER).CALLEE.make()
    calls = [p.m(1), p.m(2)]

    async def late():
        calls.append((await p).m("late"))

    waiting = asyncio.create_task(late())
    calls.append(p.m(3))
    await asyncio.gather(*calls)
    await waiting
    t = await p
    calls += [p.m(4), t.m(5), p.m(6), t.m(7), t.dup().m(8)]
    expected = [1, 2, 3, "late", 4, 5, 6, 7, 8]
    assert await rpclab.gather(*calls) == expected
    assert world.log == ["make start", "make end", *expected]


async def test_L5_calls_on_what_comes_home_keep_their_order(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def echo(self, t):
                await sleep(1)
                return t
    """)

    class Mine(rpclab.RpcTarget):
        def m(self, x):
            world.log.append(x)

    p = env.CALLEE.echo(Mine())
    calls = [p.m(1), p.m(2)]
    t = await p
    calls += [t.m(3), p.m(4), t.m(5)]
    await rpclab.gather(*calls)
    await t.m(6)
    assert world.log == [1, 2, 3, 4, 5, 6]


async def test_L6_a_pipelined_call_runs_as_soon_as_the_method_has_returned(world):
    env = world.deploy("""
        class T(RpcTarget):
            def hi(self):
                log("hi ran")
        class Default(WorkerEntrypoint):
            async def make(self):
                await sleep(5)
                log("make returns")
                return T()
    """)

    async def see(promise, what):
        await promise
        world.log.append(what)

    p = env.CALLEE.make()
    await asyncio.gather(see(p, "caller saw make"), see(p.hi(), "caller saw hi"))
    assert world.log[0] == "make returns"
    assert world.log.index("hi ran") < world.log.index("caller saw hi")
    assert set(world.log[1:]) == {"hi ran", "caller saw make", "caller saw hi"}


async def test_L6_a_pipelined_call_does_not_wait_for_the_caller(world):
    env = world.deploy(NODES)
    with world.sandbox.trace() as trace:
        root = env.CALLEE.root()
        assert await root.d() == 1
    assert trace.round_trips == 1


PRIMITIVES = """
    import datetime
    values = {"num": 5, "str": "abc", "none": None, "list": [1, 2], "set": {1}, "bytes": b"x",
              "date": datetime.date(2026, 6, 1), "tuple": (1,), "true": True}
    class Default(WorkerEntrypoint):
        def give(self, kind):
            return values[kind]
"""


@pytest.mark.parametrize(
    "kind", ["num", "str", "none", "list", "set", "bytes", "date", "tuple", "true"]
)
async def test_L7_pipelining_on_what_has_no_members_names_the_member_asked_for(world, kind):
    give = world.deploy(PRIMITIVES).CALLEE.give
    assert await is_missing(give(kind).foo(), "foo")
    assert await is_missing(give(kind).foo, "foo")
    assert await is_missing(give(kind).foo.bar(), "foo")
    arrived = give(kind)
    await arrived
    assert await is_missing(arrived.foo(), "foo")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("num", "bit_length"), ("str", "upper"), ("list", "append"), ("date", "isoformat")],
)
async def test_L7_methods_of_a_value_are_not_called_over_there(world, kind, name):
    assert await is_missing(world.deploy(PRIMITIVES).CALLEE.give(kind)[name](), name)


async def test_C8_L1_a_promise_for_a_function_is_called_directly(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def adder(self, a):
                await sleep(2)
                return lambda b: a + b
            def obj(self):
                return {}
    """)
    assert await env.CALLEE.adder(1)(2) == 3
    error = await failure(env.CALLEE.obj()(1))
    assert (type(error), str(error)) == (rpclab.NotCallableError, '"(this)" is not a function.')
    assert error.remote is True


CHAIN = """
    class T(Logged):
        def next(self, name):
            return T(name)
    class Default(WorkerEntrypoint):
        def root(self):
            self.ctx.wait_until(sleep(100))
            return T("root")
"""


async def test_L8_targets_inside_a_chain_live_until_the_context_ends_and_go_in_reverse(world):
    env = world.deploy(CHAIN)
    async with world.event():
        value = await env.CALLEE.root().next("one").next("two").m()
        world.log.append(f"got {value}")
        await asyncio.sleep(30)
        world.log.append("caller ends")
    await asyncio.sleep(0)
    assert world.log == [
        "got two", "caller ends", "two disposed", "one disposed", "root disposed",
    ]  # fmt: skip


async def test_L8_disposing_its_promise_disposes_a_target_inside_a_chain(world):
    env = world.deploy(CHAIN)
    async with world.event():
        with env.CALLEE.root() as root:
            assert await root.next("one").m() == "one"
        await asyncio.sleep(0)
        assert world.log == ["root disposed"]
    await asyncio.sleep(0)
    assert world.log == ["root disposed", "one disposed"]


async def test_L8_in_a_context_that_lasts_a_forgotten_chain_is_let_go(world):
    env = world.deploy(CHAIN)
    assert await env.CALLEE.root().next("one").m() == "one"
    await asyncio.sleep(0)
    assert sorted(world.log) == ["one disposed", "root disposed"]


async def test_L9_a_callback_called_and_not_awaited_may_run_after_the_result(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def run(self, callback):
                callback("one")
                callback("two")
                await callback("three")
                callback("four, not awaited")
                return "result"
    """)
    assert await env.CALLEE.run(world.log.append) == "result"
    world.log.append("result seen")
    await asyncio.sleep(20)
    assert world.log[:3] == ["one", "two", "three"]
    assert sorted(world.log[3:]) == ["four, not awaited", "result seen"]
