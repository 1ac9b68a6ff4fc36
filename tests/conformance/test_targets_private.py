"""What nobody meant to show is not reached: decorators' attributes, members without a name."""

from __future__ import annotations

import functools

import pytest
from support.inline_host import SessionPair
from support.world import failure, is_missing

import rpclab
from rpclab import RpcTarget
from rpclab.core.messages import CALL
from rpclab.errors import NoSuchMemberError

DECORATED = """
    import functools
    @functools.singledispatch
    def show(value):
        return "shown"
    show.mine = 5
    show.decorated = functools.lru_cache(lambda: 1).__wrapped__

    @functools.wraps(show)
    def wrapped(value):
        return "wrapped"

    class Default(WorkerEntrypoint):
        @functools.singledispatch
        def plain(self, value=None):
            return "plain"
        @functools.singledispatchmethod
        def method(self, value):
            return "method"
        @functools.lru_cache
        def cached(self, value):
            return "cached"
        def give(self, name):
            return {"show": show, "wrapped": wrapped, "partial": functools.partial(show, 1),
                    "bound": self.method, "cached": self.cached}[name]
"""

HUNG = [
    "register", "dispatch", "registry", "_clear_cache", "__wrapped__", "cache_info", "cache_clear",
    "cache_parameters", "func", "args", "keywords", "fget", "__get__", "__globals__", "__code__",
]  # fmt: skip


@pytest.mark.parametrize("name", HUNG)
async def test_what_a_decorator_hangs_on_a_function_is_no_attribute_of_it(world, name):
    env = world.deploy(DECORATED)
    for member in (env.CALLEE.plain, env.CALLEE.method, env.CALLEE.cached):
        assert await is_missing(member[name], name)
        assert await is_missing(member[name](1), name)
    for function in ("show", "wrapped", "partial", "bound", "cached"):
        stub = await env.CALLEE.give(function)
        assert await is_missing(stub[name], name)
        assert await is_missing(stub[name](1), name)


async def test_the_functions_themselves_and_their_users_attributes_are_there(world):
    env = world.deploy(DECORATED)
    assert await env.CALLEE.method(1) == "method"
    assert await env.CALLEE.cached(1) == "cached"
    show = await env.CALLEE.give("show")
    assert (await show(1), await show.mine, await show.decorated()) == ("shown", 5, 1)
    assert await (await env.CALLEE.give("wrapped"))(1) == "wrapped"


def test_the_surface_names_no_such_attribute():
    @functools.singledispatch
    def show(value):
        return value

    show.mine = functools.cache(lambda: 1).__wrapped__
    show.other = functools.singledispatch(lambda _: 1)
    assert rpclab.surface(show) == ["mine", "other"]


class Nameless(RpcTarget):
    def greet(self):
        return "hello"


setattr(Nameless, "", lambda self: "nameless")


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("path", ["", [""], ["", ""], ["greet", ""], ["", "greet"]])
@pytest.mark.parametrize("args", [[], None])
def test_a_member_without_a_name_is_none(prepared, path, args):
    pair = SessionPair(Nameless(), prepared=prepared)
    pair.wire.hold(pair.server)
    pair.inject([CALL, 1, 0, path, args])
    assert isinstance(pair.server.exports[1].value, NoSuchMemberError)
    assert pair.server.closed is None


def test_a_function_has_no_attribute_without_a_name():
    def function():
        return 1

    function.__dict__[""] = 5
    function.__dict__[7] = 5
    assert rpclab.surface(function) == []


async def test_an_empty_name_is_a_name_to_a_stub(world):
    env = world.deploy("""
        class T(RpcTarget):
            def m(self):
                return 1
        setattr(T, "", lambda self: "nameless")
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
            def data(self):
                return {"": {"": 5}}
    """)
    async with env.CALLEE.make() as stub:
        for member in (stub[""], getattr(stub, ""), getattr(env.CALLEE.make(), "")):
            assert isinstance(await failure(member()), NoSuchMemberError)
            assert isinstance(await failure(member), NoSuchMemberError)
    assert await env.CALLEE.data()[""][""] == 5
    assert await getattr(getattr(env.CALLEE.data(), ""), "") == 5
    assert isinstance(await failure(env.CALLEE[""]()), NoSuchMemberError)
