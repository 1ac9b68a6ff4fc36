"""Area T: which members of a target a peer reaches through its stub."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure, is_missing

import rpclab

COUNTER = """
    class Counter(RpcTarget):
        def __init__(self):
            self._n = 0
        def inc(self):
            self._n += 1
            return self._n
        @property
        def value(self):
            return self._n
        async def later(self):
            await sleep(2)
            return self._n
    class Default(WorkerEntrypoint):
        def make(self):
            return Counter()
"""


async def test_T1_methods_and_properties_are_visible_and_state_is_kept(world):
    counter = await world.deploy(COUNTER).CALLEE.make()
    assert isinstance(counter, rpclab.RpcStub)
    assert [await counter.inc(), await counter.inc()] == [1, 2]
    assert [await counter.value, await counter.later(), await counter.value] == [2, 2, 2]


async def test_T1_methods_of_base_classes_are_visible_and_super_works(world):
    env = world.deploy("""
        class A(RpcTarget):
            def a(self):
                return "a"
            def over(self):
                return "A"
            @property
            def ga(self):
                return "ga"
        class B(A):
            def over(self):
                return "B" + super().over()
        class Default(WorkerEntrypoint):
            def make(self):
                return B()
    """)
    b = await env.CALLEE.make()
    assert [await b.a(), await b.over(), await b.ga] == ["a", "BA", "ga"]


INSTANCE = """
    class T(RpcTarget):
        plain = "of the class"
        def __init__(self):
            self.data = 1
            self.arrow = lambda: "arrow"
            self.nothing = None
            self.shadowed = "instance"
        def m(self):
            return self.data
        def shadowed(self):
            return "method"
    class Default(WorkerEntrypoint):
        def make(self):
            return T()
"""


@pytest.mark.parametrize("name", ["data", "arrow", "nothing", "missing", "plain", "shadowed"])
async def test_T2_what_is_no_descriptor_of_the_class_is_missing(world, name):
    t = await world.deploy(INSTANCE).CALLEE.make()
    assert await is_missing(t[name], name)
    assert await is_missing(t[name](), name)
    assert await is_missing(t[name].deeper, name)
    assert await t.m() == 1


STATICS = """
    class Mixin:
        def mixed(self):
            return "mixed"
    class T(Mixin, RpcTarget):
        __slots__ = ("slot",)
        class Inner:
            pass
        @staticmethod
        def static():
            return "static"
        @classmethod
        def of_class(cls):
            return "class"
        def __iter__(self):
            return iter([1])
        def __call__(self):
            return "called"
        def _private(self):
            return "p"
        def __getattr__(self, name):
            return lambda: "made up"
        def via_private(self):
            return self._private()
    class Default(WorkerEntrypoint):
        def make(self):
            t = T()
            t.slot = 1
            return t
"""


@pytest.mark.parametrize(
    "name",
    ["static", "of_class", "Inner", "slot", "mixed", "_private", "__iter__", "#p", "made_up", ""],
)
async def test_T3_statics_slots_mixins_and_underscores_are_out_of_reach(world, name):
    t = await world.deploy(STATICS).CALLEE.make()
    assert await is_missing(t[name](), name)
    assert await t.via_private() == "p"


async def test_T3_a_stub_is_neither_iterable_nor_callable_where_its_class_is(world):
    t = await world.deploy(STATICS).CALLEE.make()
    with pytest.raises(TypeError, match="an RpcStub cannot be iterated"):
        iter(t)
    error = await failure(t())
    assert (type(error), str(error)) == (rpclab.NotCallableError, '"(this)" is not a function.')
    assert repr(t).startswith("<RpcStub callee#")


GETTERS = """
    evaluations = 0
    class Inner(RpcTarget):
        def hi(self):
            return "inner hi"
    class T(RpcTarget):
        @property
        def counted(self):
            global evaluations
            evaluations += 1
            return evaluations
        @property
        async def later(self):
            await sleep(2)
            return "late"
        @property
        def bad(self):
            raise ValueError("getter")
        @property
        def fn(self):
            return lambda x: "fn " + x
        @property
        def obj(self):
            return {"a": {"b": 2}}
        @property
        def inner(self):
            return Inner()
    class Default(WorkerEntrypoint):
        def make(self):
            return T()
"""


async def test_T4_a_property_runs_at_each_await(world):
    t = await world.deploy(GETTERS).CALLEE.make()
    held = t.counted
    assert [await held, await held, await t.counted] == [1, 2, 3]


async def test_T4_a_property_may_be_async_may_raise_and_may_give_functions_and_targets(world):
    t = await world.deploy(GETTERS).CALLEE.make()
    assert await t.later == "late"
    error = await failure(t.bad)
    assert (type(error), str(error), error.remote) == (ValueError, "getter", True)
    assert await t.fn("x") == "fn x"
    assert await t.obj.a.b == 2
    assert await t.inner.hi() == "inner hi"
    assert isinstance(await t.inner, rpclab.RpcStub)


async def test_T4_a_call_through_an_async_property_waits_for_it(world):
    env = world.deploy("""
        class T(RpcTarget):
            @property
            async def later(self):
                await sleep(2)
                return lambda x: x + 1
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
    """)
    assert await env.CALLEE.make().later(1) == 2


async def test_T5_no_setter_runs_from_the_other_side(world):
    env = world.deploy("""
        class T(RpcTarget):
            @property
            def v(self):
                return "initial"
            @v.setter
            def v(self, value):
                log("setter ran")
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
    """)
    t = await env.CALLEE.make()
    t.v = "new"
    assert await t.dup().v == "initial"
    assert t.v == "new"
    assert world.log == []


PAIRS = """
    class Default(WorkerEntrypoint):
        def pair(self):
            t = Logged()
            return [t, t]
        def same(self, a, b):
            return a is b
"""


async def test_T6_a_target_twice_in_one_message_is_one_stub_with_one_disposer(world):
    env = world.deploy(PAIRS)
    first, second = await env.CALLEE.pair()
    assert first is second
    first.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]
    assert isinstance(await failure(second.m()), rpclab.DisposedError)
    second.dispose()
    await asyncio.sleep(1)
    assert world.log == ["T disposed"]


async def test_T6_a_target_in_two_messages_is_two_stubs_and_its_disposer_runs_for_each(world):
    env = world.deploy(PAIRS)

    class Local(rpclab.RpcTarget):
        def dispose(self):
            world.log.append("disposed")

    local = Local()
    assert await env.CALLEE.same(local, local) is True
    await asyncio.sleep(0)
    assert world.log == ["disposed"]
    assert await env.CALLEE.same(local, local) is True
    await asyncio.sleep(0)
    assert world.log == ["disposed", "disposed"]


async def test_T6_each_message_with_a_returned_target_makes_a_stub_of_its_own(world):
    env = world.deploy("""
        kept = Logged()
        class Default(WorkerEntrypoint):
            def lend(self):
                return kept
    """)
    first, second = await env.CALLEE.lend(), await env.CALLEE.lend()
    first.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]
    assert await second.m() == "T"


async def test_C10_no_peer_calls_a_disposer_by_any_spelling(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def make(self):
                return Logged()
            def fn(self):
                f = lambda: None
                f.dispose = lambda: log("fn disposed")
                return f
            async def try_it(self, t):
                return str(await attempt(t["dispose"]()))
    """)
    t, f = await env.CALLEE.make(), await env.CALLEE.fn()
    assert await is_missing(t["dispose"](), "dispose")
    assert await is_missing(f["dispose"](), "dispose")
    promise = env.CALLEE.make()
    assert await is_missing(promise["dispose"](), "dispose")
    assert world.log == []


async def test_T1_a_target_may_stand_anywhere_in_a_value(world):
    env = world.deploy("""
        class T(RpcTarget):
            def __init__(self, number):
                self._number = number
            def number(self):
                return self._number
        class Default(WorkerEntrypoint):
            def make(self):
                return {T("key"): T("value"), "set": {T("member")}, "tuple": ([T("deep")],)}
    """)
    found = await env.CALLEE.make()
    (key, value), *_ = found.items()
    (member,) = found["set"]
    ((deep,),) = found["tuple"]
    numbers = [await stub.number() for stub in (key, value, member, deep)]
    assert numbers == ["key", "value", "member", "deep"]
