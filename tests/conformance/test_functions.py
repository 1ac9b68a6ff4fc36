"""Area F: functions sent over RPC become stubs."""

from __future__ import annotations

import pytest
from support.world import failure, is_missing

import rpclab
from rpclab.errors import DataCloneError


async def test_F1_a_returned_function_keeps_its_closure(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def counter(self, start):
                def add(by=1):
                    nonlocal start
                    start += by
                    return start
                return add
    """)
    add = await env.CALLEE.counter(10)
    assert isinstance(add, rpclab.RpcStub)
    assert callable(add)
    assert [await add(), await add(5), await add()] == [11, 16, 17]


async def test_F1_a_callback_runs_where_it_was_made(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def use(self, callback):
                return await callback(1, "two")
    """)

    def callback(*args):
        world.log.append(("in the caller", args))
        return [*args, "back"]

    assert await env.CALLEE.use(callback) == [1, "two", "back"]
    assert world.log == [("in the caller", (1, "two"))]


async def test_F2_the_callee_sees_a_function_as_a_stub_whose_calls_give_promises(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def use(self, callback):
                promise = callback()
                return [isinstance(callback, RpcStub), callable(callback),
                        isinstance(promise, RpcPromise), await promise]
    """)
    assert await env.CALLEE.use(lambda: 7) == [True, True, True, 7]


async def test_F3_async_and_raising_functions_behave_like_methods(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def make(self):
                async def later(x):
                    await sleep(5)
                    return x + 1
                def bad():
                    raise ValueError("fn threw")
                async def bad_later():
                    await sleep(1)
                    raise TypeError("fn rejected")
                return {"later": later, "bad": bad, "bad_later": bad_later}
    """)
    functions = await env.CALLEE.make()
    assert await functions["later"](1) == 2
    bad, bad_later = await failure(functions["bad"]()), await failure(functions["bad_later"]())
    assert (type(bad), str(bad), bad.remote) == (ValueError, "fn threw", True)
    assert (type(bad_later), str(bad_later), bad_later.remote) == (TypeError, "fn rejected", True)


FUNCTION = """
    class Default(WorkerEntrypoint):
        def make(self):
            def named(*args):
                return list(args) or "called"
            named.extra = 5
            named.helper = lambda x: "helped " + x
            named.obj = {"deep": 1}
            named._hidden = 6
            return named
"""


async def test_F4_attributes_of_a_function_are_visible_through_its_stub(world):
    env = world.deploy(FUNCTION)
    f = await env.CALLEE.make()
    assert await f() == "called"
    assert await f.extra == 5
    assert await f.helper("me") == "helped me"
    assert await f.obj.deep == 1
    assert await is_missing(f.nope, "nope")


@pytest.mark.parametrize("name", ["_hidden", "name", "length", "prototype", "__name__"])
async def test_F4_hidden_and_foreign_names_of_a_function_are_not_attributes_of_it(world, name):
    f = await world.deploy(FUNCTION).CALLEE.make()
    assert await is_missing(f[name], name)


@pytest.mark.parametrize("name", ["call", "apply", "bind"])
async def test_F5_call_apply_and_bind_are_remote_names(world, name):
    env = world.deploy(FUNCTION)
    f = await env.CALLEE.make()
    assert await is_missing(f[name](None, 1), name)
    assert await is_missing(env.CALLEE.make[name](None, 1), name)
    assert await f(1, 2) == [1, 2]


async def test_F6_a_class_is_refused(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def make(self):
                class K:
                    pass
                return K
    """)
    error = await failure(env.CALLEE.make())
    assert isinstance(error, DataCloneError)
    assert 'Could not serialize object of type "type".' in str(error)
    assert error.remote is True
    assert isinstance(await failure(env.CALLEE.make(dict)), DataCloneError)


ECHO = """
    class Default(WorkerEntrypoint):
        def echo(self, f):
            return f
        def twice(self, f):
            return [f, f]
        def same(self, a, b):
            return a is b
        def same_in(self, o):
            return o["x"] is o["y"]
"""


async def test_F7_a_function_comes_home_as_a_stub(world):
    env = world.deploy(ECHO)

    def mine():
        return "mine"

    back = await env.CALLEE.echo(mine)
    assert back is not mine
    assert isinstance(back, rpclab.RpcStub)
    assert await back() == "mine"


async def test_F7_a_target_comes_home_as_a_stub_that_hides_what_stubs_hide(world):
    env = world.deploy(ECHO)

    class T(rpclab.RpcTarget):
        def __init__(self):
            self.own = "instance"

        def m(self):
            return "m"

    back = await env.CALLEE.echo(T())
    assert type(back) is rpclab.RpcStub
    assert await is_missing(back.own, "own")
    assert await back.m() == "m"


async def test_F8_a_function_mentioned_twice_arrives_as_one_stub(world):
    env = world.deploy(ECHO)

    def mine():
        return "mine"

    first, second = await env.CALLEE.twice(mine)
    assert first is second
    assert [await first(), await second()] == ["mine", "mine"]
    assert await env.CALLEE.same(mine, mine) is True
    assert await env.CALLEE.same_in({"x": mine, "y": mine}) is True
    assert await env.CALLEE.same(mine, lambda: "other") is False


async def test_F10_functions_take_and_give_functions_and_chains_need_no_await(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def curry(self):
                return lambda a: lambda b: lambda c: [a, b, c]
            def compose(self):
                async def composed(f, x):
                    return f(await f(x))
                return composed
    """)
    c = await env.CALLEE.curry()
    assert await (await (await c(1))(2))(3) == [1, 2, 3]
    assert await c(1)(2)(3) == [1, 2, 3]
    assert await env.CALLEE.curry()(1)(2)(3) == [1, 2, 3]
    assert await env.CALLEE.compose()(lambda x: x * 3, 2) == 18
