"""Area E: how a binding finds what answers it, and what of it can be reached."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure, is_missing

import rpclab


async def test_E1_a_binding_reaches_the_default_entrypoint_or_the_one_it_names(world):
    world.deploy("""
        class Default(WorkerEntrypoint):
            def who(self):
                return "default"
        class Admin(WorkerEntrypoint):
            def who(self):
                return "Admin"
            def only(self):
                return "admin only"
        class User(WorkerEntrypoint):
            def who(self):
                return "User"
    """)
    env = world.bind(ADMIN="callee#Admin", USER="callee#User")
    assert [await b.who() for b in (env.CALLEE, env.ADMIN, env.USER)] == [
        "default", "Admin", "User",
    ]  # fmt: skip
    assert await is_missing(env.USER.only(), "only")


async def test_E1_a_worker_without_a_default_is_reached_by_name_only(sandbox):
    sandbox.deploy("callee", source="from workers import *\nclass A(WorkerEntrypoint): pass")
    with pytest.raises(rpclab.UnknownEntrypointError) as caught:
        sandbox.bind(CALLEE="callee")
    assert caught.value.__notes__ == ["there are: A"]


async def test_E2_every_call_and_property_gets_a_new_instance_and_the_module_stays(world):
    env = world.deploy("""
        made = 0
        class Default(WorkerEntrypoint):
            def __init__(self, ctx, env):
                global made
                super().__init__(ctx, env)
                made += 1
                self._n = 0
                log(("construct", made))
            def inc(self):
                self._n += 1
                return self._n
            @property
            def prop(self):
                return self.inc()
            def made(self):
                return made
    """)
    seen = [await env.CALLEE.inc(), await env.CALLEE.inc()]
    seen += [await env.CALLEE.prop, await env.CALLEE.prop, await env.CALLEE.made()]
    assert seen == [1, 1, 1, 1, 5]
    assert world.log == [("construct", n) for n in range(1, 6)]


async def test_E2_calls_pipelined_on_one_property_get_an_instance_each(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            @property
            def api(self):
                log("api")
                return {"hi": lambda: id(self) and "hi"}
    """)
    api = env.CALLEE.api
    assert [await api.hi(), await api.hi()] == ["hi", "hi"]
    assert world.log == ["api", "api"]


async def test_E3_the_constructor_gets_ctx_and_env_and_the_base_keeps_them(sandbox):
    sandbox.deploy("callee", vars={"WORD": "hi"}, source="""
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def __init__(self, *args):
        super().__init__(*args)
        ctx, env = args
        self._same = [self.ctx is ctx, self.env is env, callable(ctx.wait_until)]
    def report(self):
        return [*self._same, self.env.WORD]
""")  # fmt: skip
    env = sandbox.bind(CALLEE="callee")
    assert await env.CALLEE.report() == [True, True, True, "hi"]


async def test_E4_an_error_of_the_constructor_reaches_the_caller_of_each_use(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def __init__(self, ctx, env):
                super().__init__(ctx, env)
                log("constructing")
                raise ValueError("no construction")
            def m(self):
                return 1
    """)
    for use in (env.CALLEE.m(), env.CALLEE.p, env.CALLEE.m().deeper()):
        error = await failure(use)
        assert type(error) is ValueError
        assert str(error) == "no construction"
        assert error.remote is True
    assert world.log == ["constructing"] * 3


async def test_E5_instance_members_env_and_ctx_are_invisible(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def __init__(self, ctx, env):
                super().__init__(ctx, env)
                self.value = 5
                self.arrow = lambda: "arrow"
            def read(self):
                return [self.value, self.arrow()]
    """)
    for name in ("value", "arrow", "env", "ctx"):
        assert await is_missing(env.CALLEE[name], name)
        assert await is_missing(env.CALLEE[name](), name)
    assert await env.CALLEE.read() == [5, "arrow"]


VISIBILITY = """
    import functools

    class Mixin:
        def mixed(self):
            return "mixed"
        def over(self):
            return "mixin"

    def wrap(function):
        @functools.wraps(function)
        def wrapper(*args):
            return ["wrapped", function(*args)]
        return wrapper

    class Partial:
        def __get__(self, instance, owner):
            return lambda: "descriptor"

    class BASE(ROOT):
        def over(self):
            return "base"
        def hidden_by_mixin(self):
            return "base"

    class Front:
        def hidden_by_mixin(self):
            return "front"

    class THING(Front, BASE, Mixin):
        __slots__ = ("slot",)
        data = 1
        text = "t"
        Inner = int
        Nested = type("Nested", (RpcTarget,), {})
        @staticmethod
        def static():
            return 1
        @classmethod
        def klass(cls):
            return 1
        def method(self):
            return "method"
        @property
        def prop(self):
            return "prop"
        @functools.cached_property
        def cached(self):
            log("computed")
            return "cached"
        @functools.cached_property
        def later(self):
            return lambda: "later"
        @wrap
        def wrapped(self):
            return "w"
        @functools.lru_cache
        def memo(self):
            return "memo"
        part = functools.partialmethod(method)
        described = Partial()
        lambda_ = lambda self: "lambda"
        def __getattr__(self, name):
            log(f"asked for {name}")
            return lambda: "dynamic"
        def set(self):
            self.method = lambda: "own"
            self.prop_ = 1
            self.slot = 2
            return self
        def warm(self):
            return self.cached
"""
ENTRYPOINT = VISIBILITY.replace("ROOT", "WorkerEntrypoint").replace("THING", "Default")
TARGET = (
    VISIBILITY.replace("ROOT", "RpcTarget").replace("THING", "T")
    + """
    class Default(WorkerEntrypoint):
        def target(self):
            return T()
"""
)


async def remote_thing(world, kind):
    env = world.deploy(ENTRYPOINT if kind == "entrypoint" else TARGET)
    return env.CALLEE if kind == "entrypoint" else await env.CALLEE.target()


VISIBLE = {
    "method": "method", "wrapped": ["wrapped", "w"], "memo": "memo", "part": "method",
    "described": "descriptor", "lambda_": "lambda", "over": "base", "later": "later",
}  # fmt: skip
HIDDEN = [
    "mixed", "hidden_by_mixin", "data", "text", "Inner", "Nested", "static", "klass", "slot",
    "dynamic", "prop_", "__getattr__", "__slots__", "__init__", "__class__", "__dict__",
    "dispose",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["entrypoint", "target"])
@pytest.mark.parametrize("name", VISIBLE)
async def test_E5_T1_functions_and_descriptors_of_exposed_classes_are_visible(world, kind, name):
    remote = await remote_thing(world, kind)
    assert await remote[name]() == VISIBLE[name]


@pytest.mark.parametrize("kind", ["entrypoint", "target"])
@pytest.mark.parametrize("name", HIDDEN)
async def test_E5_T2_T3_all_other_members_are_hidden_and_nothing_is_read(world, kind, name):
    remote = await remote_thing(world, kind)
    assert await is_missing(remote[name], name)
    assert await is_missing(remote[name](), name)
    assert world.log == []


@pytest.mark.parametrize("kind", ["entrypoint", "target"])
async def test_E5_T1_properties_are_read_and_cached_ones_stay_visible(world, kind):
    remote = await remote_thing(world, kind)
    assert await remote.prop == "prop"
    assert [await remote.cached, await remote.cached] == ["cached", "cached"]
    assert len(world.log) == (2 if kind == "entrypoint" else 1)
    assert await remote.warm() == "cached"


async def test_T2_an_instance_attribute_hides_the_method_of_its_name(world):
    env = world.deploy(TARGET)
    target = await env.CALLEE.target()
    assert await target.method() == "method"
    other = await target.set()
    assert await is_missing(other.method(), "method")
    assert await is_missing(target.method, "method")
    assert await target.prop == "prop"


@pytest.mark.parametrize("source", [ENTRYPOINT, TARGET])
async def test_E5_T1_surface_lists_exactly_what_a_peer_can_reach(world, source):
    world.deploy(source)
    module = world.sandbox.worker("callee").module
    kind = module.T if "T" in vars(module) else module.Default
    expected = sorted([*VISIBLE, "prop", "cached", "set", "warm"])
    assert rpclab.surface(kind) == expected
    if "T" in vars(module):
        changed = kind().set()
        assert rpclab.surface(changed) == [name for name in expected if name != "method"]
    assert world.log == []


HANDLERS = """
    def zero(*args):
        return len(args)
    async def one(x, env, ctx):
        await sleep(1)
        return [x, env.WORD, callable(ctx.wait_until)]
    def _hidden(x, env, ctx):
        return 1
    value = 5
    class Other:
        pass
"""
WRONG_COUNT = (
    'Attempted to call RPC function "{}" with the wrong number of arguments. When calling a'
    " top-level handler function that is not declared as part of a class, you must always send"
    " exactly one argument. In order to support variable numbers of arguments, the server must"
    " use class-based syntax (extending WorkerEntrypoint) instead."
)


async def test_E6_functions_of_the_module_serve_when_there_is_no_default_class(world):
    env = world.deploy(HANDLERS)
    world.sandbox.worker("callee").env["WORD"] = "hi"
    assert await env.CALLEE.one("a") == ["a", "hi", True]
    assert await env.CALLEE.zero("a") == 3
    for name in ("nope", "_hidden", "value", "Other"):
        assert await is_missing(env.CALLEE[name]("a"), name)


async def test_E6_imported_functions_are_not_handlers(world):
    env = world.deploy("""
        from textwrap import dedent
        def own(x, env, ctx):
            return dedent(x)
    """)
    assert await env.CALLEE.own("  a") == "a"
    assert await is_missing(env.CALLEE.dedent("a"), "dedent")


@pytest.mark.parametrize("args", [(), ("a", "b")])
@pytest.mark.parametrize("name", ["zero", "one"])
async def test_E7_a_handler_function_takes_exactly_one_argument(world, name, args):
    env = world.deploy(HANDLERS)
    error = await failure(env.CALLEE[name](*args))
    assert isinstance(error, TypeError)
    assert str(error) == WRONG_COUNT.format(name)
    assert error.remote is True


async def test_E8_a_name_that_holds_no_entrypoint_class_cannot_be_bound(world):
    world.deploy("""
        Obj = {"m": lambda x: "obj"}
        class Default(WorkerEntrypoint):
            pass
    """)
    with pytest.raises(rpclab.UnknownEntrypointError, match='exports no entrypoint "Obj"'):
        world.bind(OBJ="callee#Obj")


async def test_E9_a_binding_to_an_entrypoint_that_is_not_there_is_refused(world):
    world.deploy("""
        class Default(WorkerEntrypoint):
            pass
        class Admin(WorkerEntrypoint):
            pass
    """)
    with pytest.raises(rpclab.UnknownEntrypointError) as caught:
        world.bind(NOPE="callee#Admim")
    assert str(caught.value) == 'the Worker "callee" exports no entrypoint "Admim"'
    assert caught.value.__notes__ == ["did you mean 'Admin'?"]
    assert "NOPE" not in world.env


async def test_E9_a_worker_that_comes_later_is_asked_at_the_first_call(world):
    env = world.bind(LATER="callee#Later", NOPE="callee#Nope")
    error = await failure(env.LATER.m())
    assert isinstance(error, rpclab.UnknownBindingError)
    assert str(error) == 'no Worker "callee" is deployed'
    world.deploy("""
        class Default(WorkerEntrypoint):
            pass
        class Later(WorkerEntrypoint):
            def m(self):
                return 1
    """)
    assert await env.LATER.m() == 1
    error = await failure(env.NOPE.m())
    assert isinstance(error, rpclab.UnknownEntrypointError)
    assert error.__notes__[0] == "there are: Default, Later"


async def test_E10_a_class_without_the_base_cannot_serve_and_the_error_says_so(world):
    world.deploy("""
        class Default(WorkerEntrypoint):
            pass
        class Named:
            def m(self):
                return 2
        class Target(RpcTarget):
            pass
    """)
    for name in ("Named", "Target"):
        with pytest.raises(rpclab.UnknownEntrypointError) as caught:
            world.bind(NAMED=f"callee#{name}")
        assert str(caught.value) == (
            f'the class "{name}" of Worker "callee" cannot serve: derive it from WorkerEntrypoint'
        )


async def test_E10_the_base_class_itself_is_no_entrypoint(world):
    world.deploy("""
        class Default(WorkerEntrypoint):
            pass
        class _Private(WorkerEntrypoint):
            pass
    """)
    for name in ("WorkerEntrypoint", "_Private"):
        with pytest.raises(rpclab.UnknownEntrypointError):
            world.bind(NOPE=f"callee#{name}")


async def test_E11_a_worker_may_bind_to_itself_and_values_are_still_copied(world):
    env = world.deploy(
        """
        hits = 0
        class Self(WorkerEntrypoint):
            def touch(self, value):
                global hits
                hits += 1
                value["changed"] = True
                return value
        class Default(WorkerEntrypoint):
            async def run(self):
                mine = {"a": 1}
                back = await self.env.SELF.touch(mine)
                return {"hits": hits, "mine": mine, "back": back, "same": back is mine}
        """,
        SELF="callee#Self",
    )
    assert await env.CALLEE.run() == {
        "hits": 1, "mine": {"a": 1}, "back": {"a": 1, "changed": True}, "same": False,
    }  # fmt: skip


async def test_E9_deploying_again_serves_calls_made_from_then_on(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def slow(self):
                await sleep(10)
                return "old"
    """)
    under_way = env.CALLEE.slow()
    await asyncio.sleep(1)
    world.deploy("""
        class Default(WorkerEntrypoint):
            async def slow(self):
                return "new"
    """)
    assert await env.CALLEE.slow() == "new"
    assert await under_way == "old"
    with pytest.raises(ZeroDivisionError):
        world.deploy("1 / 0")
    assert await env.CALLEE.slow() == "new"
