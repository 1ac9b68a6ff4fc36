"""Area P: properties, named without a message and awaited with one."""

from __future__ import annotations

import pytest
from support.world import failure, is_missing

import rpclab

CONF = """
    import datetime
    reads = 0
    class Default(WorkerEntrypoint):
        @property
        def conf(self):
            global reads
            reads += 1
            return {"a": {"b": {"c": "deep"}}, "list": [10, {"x": 11}], "text": "abc",
                    "set": {1}, "date": datetime.date(2026, 6, 1), "number": 5, "none": None,
                    "reads": reads, "_data": "in a dict a name with _ is data"}
"""


async def test_P1_naming_sends_nothing_and_each_await_reads_anew(world):
    env = world.deploy(CONF)
    tables = world.sandbox.tables()
    held = env.CALLEE.conf.reads
    assert isinstance(held, rpclab.RpcProperty)
    assert world.sandbox.tables() == tables
    assert [await held, await held, await env.CALLEE.conf.reads] == [1, 2, 3]


async def test_P2_a_path_enters_dicts(world):
    conf = world.deploy(CONF).CALLEE.conf
    assert await conf.a.b.c == "deep"
    assert await conf["a"]["b"]["c"] == "deep"
    assert (await conf)["list"] == [10, {"x": 11}]
    assert await conf._data == "in a dict a name with _ is data"


@pytest.mark.parametrize("name", ["list", "text", "set", "date", "number", "none"])
async def test_P2_a_path_enters_nothing_else_and_the_error_names_the_member(world, name):
    conf = world.deploy(CONF).CALLEE.conf
    assert await is_missing(conf[name].length, name)
    assert await is_missing(conf[name].get("k"), name)


async def test_P2_a_path_enters_functions_and_targets(world):
    env = world.deploy("""
        class T(RpcTarget):
            @property
            def members(self):
                def f():
                    return "called"
                f.extra = {"deep": 1}
                return {"f": f, "t": T()}
            def m(self):
                return "m"
        class Default(WorkerEntrypoint):
            @property
            def t(self):
                return T()
    """)
    assert await env.CALLEE.t.members.f() == "called"
    assert await env.CALLEE.t.members.f.extra.deep == 1
    assert await env.CALLEE.t.members.t.members.t.m() == "m"


@pytest.mark.parametrize("index", [0, -1, slice(1), None, 1.5])
async def test_P3_an_index_raises_at_once_and_says_why(world, index):
    env = world.deploy(CONF)
    promise = env.CALLEE.m()
    for remote in env.CALLEE.conf, env.CALLEE.conf.list, env.CALLEE, promise:
        with pytest.raises(TypeError, match="a remote member has a name, not the index"):
            remote[index]
    assert isinstance(await failure(promise), TypeError)


MISSING = """
    class T(RpcTarget):
        @property
        def obj(self):
            return {"here": 1, "none": None}
    class Default(WorkerEntrypoint):
        def make(self):
            return T()
        @property
        def obj(self):
            return {"here": 1}
"""


async def test_P4_a_member_missing_from_a_nested_dict_is_an_error_and_none_is_a_value(world):
    env = world.deploy(MISSING)
    t = await env.CALLEE.make()
    assert await is_missing(env.CALLEE.gone, "gone")
    assert await is_missing(t.gone, "gone")
    assert await is_missing(t.obj.gone, "gone")
    assert await is_missing(t.obj.gone.more, "gone")
    assert await is_missing(t.obj.gone(), "gone")
    assert await t.obj.none is None


@pytest.mark.parametrize("name", ["none", "here"])
async def test_P4_below_a_value_without_members_the_error_names_that_value(world, name):
    t = await world.deploy(MISSING).CALLEE.make()
    assert await is_missing(t.obj[name].x, name)


NAMES = ["toString", "hasOwnProperty", "constructor", "valueOf", "keys", "get", "__class__",
         "__proto__", "__init__", "__dict__"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_P5_members_that_every_dict_has_are_out_of_reach(world, name):
    obj = world.deploy(MISSING).CALLEE.obj
    assert await is_missing(obj[name], name)
    assert await is_missing(obj[name](), name)


async def test_P6_what_was_named_on_a_disposed_stub_before_or_after_is_refused(world):
    env = world.deploy("""
        class T(RpcTarget):
            @property
            def v(self):
                return 1
            def m(self):
                return 2
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
    """)
    t = await env.CALLEE.make()
    held, method = t.v, t.m
    assert [await held, await method()] == [1, 2]
    t.dispose()
    for use in (lambda: t.v, lambda: held, t.m, method, lambda: t["v"]):
        error = await failure(use())
        assert isinstance(error, rpclab.DisposedError)
        assert str(error) == "RPC stub used after being disposed."
        assert error.remote is False
