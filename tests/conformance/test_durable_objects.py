"""Area D: one object for each id, its stubs, the order of its calls, its errors."""

from __future__ import annotations

import asyncio
import re

import pytest
from support.world import failure, is_missing

import rpclab


def bind_objects(world, source, *, cls="Obj", **options):
    """Deploy a Worker with a class of objects, and give the caller's namespace of it."""
    world.deploy(source, **options)
    return world.bind(OBJ=rpclab.objects(f"callee#{cls}")).OBJ


COUNTER = """
    class Obj(DurableObject):
        def __init__(self, ctx, env):
            super().__init__(ctx, env)
            self._n = 0
            log(("construct", ctx.id.name))
        def inc(self):
            self._n += 1
            return self._n
        @property
        def n(self):
            return self._n
        def about(self):
            return [str(self.ctx.id), self.ctx.id.name]
"""


async def test_D1_all_stubs_of_an_id_reach_one_object_which_keeps_its_memory(world):
    ns = bind_objects(world, COUNTER)
    a1, a2 = ns.get(ns.id_from_name("a")), ns.get(ns.id_from_name("a"))
    b = ns.get(ns.id_from_name("b"))
    seen = [await a1.inc(), await a2.inc(), await b.inc(), await a1.inc(), await a1.n]
    assert seen == [1, 2, 1, 3, 3]
    assert world.log == [("construct", "a"), ("construct", "b")]


async def test_D1_two_workers_with_the_namespace_share_its_objects(world):
    ns = bind_objects(world, COUNTER)
    other = """
        class Default(WorkerEntrypoint):
            async def inc(self, name):
                return await self.env.OBJ.get_by_name(name).inc()
    """
    world.sandbox.deploy(
        "other",
        source="from workers import *\n" + re.sub(r"^ {8}", "", other, flags=re.MULTILINE),
        objects={"OBJ": "callee#Obj"},
    )
    env = world.bind(OTHER="other")
    assert [await ns.get_by_name("a").inc(), await env.OTHER.inc("a")] == [1, 2]


async def test_D1_an_object_is_made_by_its_first_call_and_not_by_get(world):
    ns = bind_objects(world, COUNTER)
    stub = ns.get_by_name("a")
    await asyncio.sleep(1)
    assert world.log == []
    await stub.inc()
    assert world.log == [("construct", "a")]


async def test_D1_a_thousand_objects_of_one_namespace_live_at_once(tmp_path):
    source = (
        "from workers import DurableObject\n"
        "class Obj(DurableObject):\n"
        "    async def add(self, n):\n"
        "        total = (await self.ctx.storage.get('n') or 0) + n\n"
        "        await self.ctx.storage.put('n', total)\n"
        "        return total\n"
    )
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        sandbox.deploy("callee", source=source)
        ns = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
        stubs = [ns.get_by_name(str(number)) for number in range(1000)]
        for _ in range(2):
            totals = await rpclab.gather(*[stub.add(n) for n, stub in enumerate(stubs)])
        assert totals == [2 * n for n in range(1000)]
        assert [path.name for path in tmp_path.rglob("*.sqlite")] == ["callee.Obj.sqlite"]
        assert sandbox.evict("callee#Obj") == 1000


async def test_D2_the_id_of_a_name_is_stable_and_prints_as_64_hex_digits(world):
    ns = bind_objects(world, COUNTER)
    a, again, b = ns.id_from_name("a"), ns.id_from_name("a"), ns.id_from_name("b")
    unique, other = ns.new_unique_id(), ns.new_unique_id()
    back = ns.id_from_string(str(a))
    assert str(a) == str(again)
    assert re.fullmatch("[0-9a-f]{64}", str(a))
    assert [a.equals(again), a == b, unique.equals(other), back == a] == [True, False, False, True]
    assert [a.name, unique.name, back.name, ns.id_from_name("").name] == ["a", None, None, ""]
    assert len({a, again, back, b}) == 2


async def test_D2_inside_the_object_the_name_is_known_once_it_was_addressed_by_it(world):
    ns = bind_objects(world, COUNTER)
    a, unique = ns.id_from_name("a"), ns.new_unique_id()
    by_text = ns.get(ns.id_from_string(str(a)))
    assert await by_text.about() == [str(a), None]
    assert await ns.get(a).about() == [str(a), "a"]
    assert await by_text.about() == [str(a), "a"]
    assert await ns.get(unique).about() == [str(unique), None]


async def test_D2_the_name_outlives_the_memory_of_an_object_that_has_stored_something(world):
    ns = bind_objects(
        world,
        """
        class Obj(DurableObject):
            async def keep(self):
                await self.ctx.storage.put("k", 1)
            def name(self):
                return self.ctx.id.name
        """,
    )
    await ns.get_by_name("a").keep()
    world.sandbox.evict("callee#Obj")
    stub = ns.get(ns.id_from_string(str(ns.id_from_name("a"))))
    assert await stub["name"]() == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zz", "Invalid Durable Object ID: must be 64 hex digits"),
        (5, "Invalid Durable Object ID: must be 64 hex digits"),
        ("0" * 64, "Durable Object ID is not valid for this namespace."),
    ],
)
async def test_D3_a_text_that_is_no_id_of_the_namespace_is_refused(world, text, message):
    ns = bind_objects(world, COUNTER)
    with pytest.raises(TypeError, match=message):
        ns.id_from_string(text)


async def test_D3_an_id_of_another_namespace_is_refused(world):
    ns = bind_objects(world, COUNTER + "\n    class Other(DurableObject):\n        pass\n")
    others = world.bind(OTHERS=rpclab.objects("callee#Other")).OTHERS
    for attempt in (ns.get, lambda other: ns.id_from_string(str(other))):
        with pytest.raises(TypeError, match="not valid for this namespace"):
            attempt(others.id_from_name("a"))


async def test_D4_get_by_name_equals_get_of_the_id_and_id_and_name_are_local(world):
    ns = bind_objects(world, COUNTER)
    s, t = ns.get_by_name("x"), ns.get(ns.id_from_name("x"))
    assert [await s.inc(), await t.inc()] == [1, 2]
    assert (s.name, s.id.name, s.id == t.id) == ("x", "x", True)
    assert not isinstance(s, rpclab.RpcStub)
    assert isinstance(s.anything, rpclab.RpcProperty)
    assert repr(s) == "<DurableObjectStub 'x' of callee#Obj>"
    assert ns.get(ns.new_unique_id()).name is None


async def test_D4_names_can_be_spelled_as_in_javascript(world):
    ns = bind_objects(world, COUNTER)
    assert ns.getByName("x").id.equals(ns.get(ns.idFromName("x")).id)
    assert ns.idFromString(str(ns.newUniqueId())).name is None


async def test_D8_calls_interleave_at_an_await_that_is_not_storage(world):
    ns = bind_objects(
        world,
        """
        class Obj(DurableObject):
            async def work(self, x, seconds):
                log(("start", x))
                await sleep(seconds)
                log(("end", x))
                return x
        """,
    )
    s = ns.get_by_name("x")
    assert await rpclab.gather(s.work("a", 4), s.work("b", 1), s.work("c", 2)) == ["a", "b", "c"]
    assert "".join(step[0] + x for step, x in world.log) == "sasbscebecea"


GATE = """
    class Obj(DurableObject):
        async def inc(self, tag):
            log(("start", tag))
            n = await self.ctx.storage.get("n") or 0
            log(("read", tag, n))
            await self.ctx.storage.put("n", n + 1)
            log(("wrote", tag))
            return n + 1
        async def inc_slow(self):
            n = await self.ctx.storage.get("m") or 0
            await sleep(1)
            await self.ctx.storage.put("m", n + 1)
            return n + 1
"""


async def test_D9_read_then_write_without_another_await_is_atomic(world):
    s = bind_objects(world, GATE).get_by_name("x")
    assert await rpclab.gather(*[s.inc(tag) for tag in "abc"]) == [1, 2, 3]
    steps = (("start",), ("read",), ("wrote",))
    assert [entry[:2] for entry in world.log] == [(*step, tag) for tag in "abc" for step in steps]


async def test_D9_with_a_timer_in_between_it_is_not(world):
    s = bind_objects(world, GATE).get_by_name("x")
    assert await rpclab.gather(s.inc_slow(), s.inc_slow(), s.inc_slow()) == [1, 1, 1]


async def test_D11_calls_are_delivered_in_the_order_made_also_through_two_stubs(world):
    ns = bind_objects(
        world,
        """
        class Obj(DurableObject):
            def add(self, x):
                log(x)
        """,
    )
    s, t = ns.get_by_name("x"), ns.get_by_name("x")
    await rpclab.gather(*[(t if n % 2 else s).add(n) for n in range(10)])
    assert world.log == list(range(10))


ERRORS = """
    class Obj(DurableObject):
        _n = 0
        def inc(self):
            self._n += 1
            return self._n
        def bad(self):
            error = ValueError("from object")
            error.code = 3
            raise error
        async def later(self):
            await sleep(1)
            raise KeyError("later")
"""


async def test_D12_an_error_of_a_method_carries_the_objects_id_and_the_object_goes_on(world):
    s = bind_objects(world, ERRORS).get_by_name("x")
    await s.inc()
    bad, later = await failure(s.bad()), await failure(s.later())
    assert (type(bad), bad.code, type(later)) == (ValueError, 3, KeyError)
    for error in (bad, later):
        assert error.remote is True
        assert error.durable_object_id == str(s.id)
        assert not hasattr(error, "durable_object_reset")
    assert await s.inc() == 2


async def test_D12_an_error_that_no_method_raised_carries_no_id(world):
    s = bind_objects(world, ERRORS).get_by_name("x")
    missing = await failure(s.nope())
    assert await is_missing(s.nope(), "nope")
    assert not hasattr(missing, "durable_object_id")


async def test_D13_D14_an_error_of_the_constructor_breaks_the_stub_and_a_fresh_one_tries_again(
    world,
):
    ns = bind_objects(
        world,
        """
        tries = 0
        class Obj(DurableObject):
            def __init__(self, ctx, env):
                global tries
                super().__init__(ctx, env)
                tries += 1
                log(tries)
                if tries < 3:
                    raise ValueError(f"not yet {tries}")
            def m(self):
                return f"constructed at try {tries}"
        """,
    )
    s = ns.get_by_name("x")
    errors = [await failure(s.m()), await failure(s.m()), await failure(ns.get_by_name("x").m())]
    assert [str(error) for error in errors] == ["not yet 1", "not yet 1", "not yet 2"]
    for error in errors:
        assert type(error) is ValueError
        assert error.durable_object_reset is True
        assert not hasattr(error, "remote")
    assert await ns.get_by_name("x").m() == "constructed at try 3"
    assert world.log == [1, 2, 3]


ABORT = """
    class Obj(DurableObject):
        def __init__(self, ctx, env):
            super().__init__(ctx, env)
            self._mem = 0
            log("construct")
        async def set(self, v):
            self._mem = v
            await self.ctx.storage.put("v", v)
        async def read(self):
            return [self._mem, await self.ctx.storage.get("v")]
        def die(self):
            self.ctx.abort("told to die")
        def die_error(self):
            self.ctx.abort(ValueError("range death"))
        async def sleep(self):
            await sleep(100)
            log("woke")
"""


async def test_D13_D14_D15_after_abort_memory_is_lost_storage_stays_and_the_stub_is_broken(world):
    ns = bind_objects(world, ABORT)
    s = ns.get_by_name("x")
    await s.set(5)
    assert await s.read() == [5, 5]
    for error in (await failure(s.die()), await failure(s.read())):
        assert str(error) == "told to die"
        assert error.durable_object_reset is True
        assert error.remote is False
    assert await ns.get_by_name("x").read() == [0, 5]
    assert str(await failure(ns.get_by_name("x").die_error())) == "ValueError: range death"
    assert await ns.get_by_name("x").read() == [0, 5]
    assert world.log == ["construct"] * 3


async def test_D15_abort_ends_the_other_calls_too_where_they_stand(world):
    ns = bind_objects(world, ABORT)
    s, t = ns.get_by_name("x"), ns.get_by_name("x")
    sleeping = s.sleep()
    assert str(await failure(t.die())) == "told to die"
    assert str(await failure(sleeping)) == "told to die"
    await asyncio.sleep(1000)
    assert "woke" not in world.log


async def test_D16_a_class_without_the_base_answers_fetch_but_not_rpc(world):
    ns = bind_objects(
        world,
        """
        from workers import Response
        class Obj:
            def __init__(self, state, env):
                self.state = state
            def m(self):
                return 1
            def fetch(self, request):
                return Response("fetched")
        """,
    )
    s = ns.get_by_name("x")
    error = await failure(s.m())
    assert type(error) is TypeError
    assert str(error).startswith("The receiving Durable Object does not support RPC, because its")
    assert error.remote is True
    assert await (await s.fetch("http://x/")).text() == "fetched"


RESERVED = """
    from workers import Response
    class Obj(DurableObject):
        def __init__(self, ctx, env):
            super().__init__(ctx, env)
            self.field = 1
        def alarm(self):
            return "alarm"
        def web_socket_message(self):
            return "w"
        def dup(self):
            return "dup"
        def id(self):
            return "method id"
        def name(self):
            return "method name"
        def fetch(self, request):
            return Response("f")
        def _u(self):
            return "_u"
"""


@pytest.mark.parametrize("name", ["alarm", "web_socket_message", "webSocketMessage", "dup"])
async def test_C16_C17_D18_reserved_names_are_refused_on_an_object(world, name):
    s = bind_objects(world, RESERVED).get_by_name("x")
    error = await failure(s[name]())
    assert type(error) is TypeError
    assert str(error) == f"'{name}' is a reserved method and cannot be called over RPC."


async def test_C16_dup_is_refused_on_the_stub_of_an_object_at_once(world):
    with pytest.raises(TypeError, match="'dup' is a reserved method"):
        bind_objects(world, RESERVED).get_by_name("x").dup()


async def test_C19_D18_fetch_on_the_stub_of_an_object_is_an_http_call(world):
    s = bind_objects(world, RESERVED).get_by_name("x")
    assert await (await s.fetch("http://x/")).text() == "f"


async def test_D18_own_fields_and_ctx_are_invisible_and_underscore_names_closed(world):
    s = bind_objects(world, RESERVED).get_by_name("x")
    for name in ("field", "ctx", "env", "_u"):
        assert await is_missing(s[name], name)
    assert rpclab.surface(world.sandbox.worker("callee").objects["Obj"]) == [
        "alarm", "dup", "fetch", "id", "name", "web_socket_message",
    ]  # fmt: skip


async def test_X4_the_stub_of_an_object_can_be_sent_and_still_knows_its_id(world):
    ns = bind_objects(world, COUNTER)
    world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def use(self, stub):
                return [await stub.inc(), stub.name, str(stub.id), repr(stub)]
            async def back(self, stub):
                return stub
        """,
        name="other",
    )
    s = ns.get_by_name("x")
    expected = [1, "x", str(s.id), "<DurableObjectStub 'x' of callee#Obj>"]
    assert await world.env.OTHER.use(s) == expected
    home = await world.env.OTHER.back(s)
    assert (home.name, await home.inc()) == ("x", 2)


async def test_X4_a_namespace_cannot_be_sent(world, callee):
    del callee
    ns = bind_objects(world, COUNTER, name="callee")
    world.deploy("class Default(WorkerEntrypoint):\n    def m(self, x): pass", name="other")
    error = await failure(world.env.OTHER.m([ns]))
    assert isinstance(error, rpclab.DataCloneError)
    assert error.path == "args[0][0]"
    assert "send a stub of one object" in error.__notes__[0]
    assert isinstance(await failure(world.env.OTHER.m(ns.new_unique_id())), rpclab.DataCloneError)


async def test_X10_ctx_exports_has_the_classes_of_objects_as_namespaces(world):
    world.deploy(
        COUNTER
        + """
    class Default(WorkerEntrypoint):
        async def inc(self, name):
            return await self.ctx.exports.Obj.get_by_name(name).inc()
        def names(self):
            return sorted(self.ctx.exports)
    """
    )
    assert await world.env.CALLEE.inc("x") == 1
    assert await world.env.CALLEE.inc("x") == 2
    assert await world.env.CALLEE.names() == ["Default", "Obj"]


async def test_E9_a_class_that_is_not_there_is_refused_when_the_worker_is(world):
    with pytest.raises(rpclab.UnknownEntrypointError, match='no Durable Objects "Ob"') as caught:
        bind_objects(world, COUNTER, cls="Ob")
    assert caught.value.__notes__ == ["did you mean 'Obj'?"]
    with pytest.raises(rpclab.UnknownEntrypointError, match="is one of Durable Objects: bind it"):
        world.bind(OBJ="callee#Obj")


async def test_E9_a_class_of_a_worker_that_comes_later_is_refused_at_the_first_call(world):
    ns = world.bind(OBJ=rpclab.objects("later#Obj")).OBJ
    assert isinstance(await failure(ns.get_by_name("x").m()), rpclab.UnknownBindingError)
    world.deploy("class Obj(DurableObject):\n    def m(self): return 1", name="later")
    assert await ns.get_by_name("x").m() == 1


async def test_E11_an_object_calls_itself_and_others_of_its_class(world):
    world.sandbox.deploy(
        "callee",
        objects={"OBJ": "Obj"},
        source="""
from workers import DurableObject
class Obj(DurableObject):
    async def chain(self, left):
        return [left, *(await self.env.OBJ.get_by_name(str(left)).chain(left - 1) if left else [])]
""",
    )
    ns = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
    assert await ns.get_by_name("start").chain(3) == [3, 2, 1, 0]


async def test_E4_D13_a_constructor_left_by_an_exit_breaks_its_calls_alone(world):
    ns = bind_objects(
        world,
        """
        class Obj(DurableObject):
            async def __aenter__(self):
                pass
            def __init__(self, ctx, env):
                raise asyncio.CancelledError("odd")
            def m(self):
                pass
        """,
    )
    error = await failure(ns.get_by_name("x").m())
    assert str(error) == "the constructor was left by CancelledError"
    assert error.durable_object_reset is True
