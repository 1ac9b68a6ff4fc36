"""Area C: calling methods on a binding, and what a name means there."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest
from support.world import failure, is_missing

import rpclab
from rpclab.trace.events import KINDS, MESSAGES

HELLO = """
    class Default(WorkerEntrypoint):
        def hello(self):
            return 1
"""


async def test_C1_C2_sync_and_async_methods_both_give_an_awaitable_that_is_no_future(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def add(self, a, b):
                return a + b
            async def add_later(self, a, b):
                await sleep(5)
                return a + b
    """)
    promise = env.CALLEE.add(1, 2)
    assert isinstance(promise, rpclab.RpcPromise)
    assert not asyncio.isfuture(promise)
    assert [await promise, await env.CALLEE.add_later(3, 4)] == [3, 7]


async def test_C2_then_catch_and_finally_are_remote_names(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def then(self):
                return "remote then"
            def make(self):
                return {"catch": 1, "finally": 2}
    """)
    assert await env.CALLEE.then() == "remote then"
    made = env.CALLEE.make()
    assert [await made["catch"], await made["finally"]] == [1, 2]
    assert await is_missing(made.then(), "then")


async def test_C3_a_missing_argument_takes_its_default_and_an_extra_one_is_a_type_error(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def two(self, a, b):
                return [a, b]
            def default(self, a, b=7):
                return [a, b]
            def rest(self, a, *more, **named):
                return [list(more), named]
    """)
    assert await env.CALLEE.default(1) == [1, 7]
    assert await env.CALLEE.default(1, None) == [1, None]
    assert await env.CALLEE.rest(1, 2, 3) == [[2, 3], {}]
    for call, words in (
        (env.CALLEE.two(1), "missing 1 required positional argument: 'b'"),
        (env.CALLEE.two(1, 2, 3), "takes 3 positional arguments but 4 were given"),
        (env.CALLEE.two(1, c=2), "unexpected keyword argument 'c'"),
    ):
        error = await failure(call)
        assert type(error) is TypeError
        assert words in str(error)
        assert error.remote is True


async def test_C3_keyword_arguments_reach_the_parameters_of_their_names(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self, a, /, b, *, c=3, **more):
                return [a, b, c, more]
    """)
    assert await env.CALLEE.m(1, b=2) == [1, 2, 3, {}]
    assert await env.CALLEE.m(1, b=2, c=4, self=5, a=6) == [1, 2, 4, {"self": 5, "a": 6}]


async def test_C4_none_is_the_one_empty_value_everywhere(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def nothing(self):
                pass
            def members(self):
                return {"a": None, "c": [None]}
            def kinds(self, *args):
                return [type(arg).__name__ for arg in args]
    """)
    assert await env.CALLEE.nothing() is None
    assert await env.CALLEE.members() == {"a": None, "c": [None]}
    assert await env.CALLEE.kinds(None, 0, False) == ["NoneType", "int", "bool"]


async def test_C5_C6_a_missing_name_is_found_out_when_it_is_called_or_awaited(world):
    env = world.deploy(HELLO)
    nope = env.CALLEE.nope
    assert isinstance(nope, rpclab.RpcProperty)
    assert callable(nope)
    assert await is_missing(nope(), "nope")
    assert await is_missing(nope, "nope")
    assert await is_missing(env.CALLEE.nope.deeper.still(), "nope")
    assert await is_missing(env.CALLEE.hello.deeper(), "deeper")


async def test_C6_the_error_of_a_missing_name_says_which_name_is_near(world):
    env = world.deploy(HELLO)
    error = await failure(env.CALLEE.helo())
    assert isinstance(error, rpclab.NoSuchMemberError)
    assert error.__notes__[0] == "did you mean 'hello'?"
    error = await failure(env.CALLEE.zzz())
    assert error.__notes__[0] == "there are: hello"


@pytest.mark.parametrize("kind", ["binding", "stub", "promise", "property"])
async def test_C5_a_stub_answers_no_question_about_its_members(world, kind):
    env = world.deploy("""
        class T(RpcTarget):
            def m(self):
                return 1
        class Default(WorkerEntrypoint):
            def target(self):
                return T()
    """)
    promise = env.CALLEE.target()
    stub = await promise
    remote = {"binding": env.CALLEE, "stub": stub, "promise": promise, "property": stub.m}[kind]
    assert hasattr(remote, "m")
    assert hasattr(remote, "nope")
    with pytest.raises(TypeError, match="cannot be searched"):
        "m" in remote  # noqa: B015 - it is asked, and refused
    with pytest.raises(TypeError, match=r"has no len\(\)"):
        len(remote)
    with pytest.raises(TypeError, match="cannot be iterated"):
        iter(remote)
    with pytest.raises(TypeError, match="never lists, strings or sets"):
        remote[0]
    assert isinstance(remote, rpclab.RpcStub) is (kind == "stub")
    assert not isinstance(remote, rpclab.RpcTarget)


async def test_C5_no_question_of_python_or_of_a_debugger_sends_a_message(world):
    env = world.deploy(HELLO.replace("return 1", "return lambda: 1"))
    promise = env.CALLEE.hello()
    stub = await promise
    await asyncio.sleep(1)
    sent = []
    world.sandbox.engine.watch(sent.append)
    for remote in (env.CALLEE, stub, promise, stub.member):
        for question in (repr, str, dir, bool, hash, vars_or_none, type, callable):
            question(remote)
        for refused in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match=r"cannot be pickled or copied; dup\(\)"):
                refused(remote)
        assert "0x" not in repr(remote)
        with pytest.raises(AttributeError):
            remote.__wrapped__  # noqa: B018 - what inspect asks
        assert not hasattr(remote, "_ipython_canary_method_should_not_exist_")
    await asyncio.sleep(1)
    assert sent == []
    await stub()
    assert [kind for kind, *_ in sent if KINDS[kind] in MESSAGES] == ["call", "result"]


def vars_or_none(value):
    return getattr(value, "__dict__", None)


NOT_FUNCTIONS = """
    class Default(WorkerEntrypoint):
        @property
        def seven(self):
            return 7
        @property
        def obj(self):
            return {"x": 1, "f": lambda: "f!"}
        @property
        def none(self):
            return None
        @property
        def double(self):
            return lambda x: x * 2
"""


async def test_C7_calling_what_is_no_function_names_the_whole_path(world):
    env = world.deploy(NOT_FUNCTIONS)
    for call, path in (
        (env.CALLEE.seven(), "seven"),
        (env.CALLEE.obj(), "obj"),
        (env.CALLEE.none(), "none"),
        (env.CALLEE.obj.x(), "obj.x"),
    ):
        error = await failure(call)
        assert isinstance(error, rpclab.NotCallableError)
        assert isinstance(error, TypeError)
        assert str(error) == f'"{path}" is not a function.'
        assert error.remote is True
    assert await env.CALLEE.obj.f() == "f!"
    assert await env.CALLEE.double(21) == 42
    assert await env.CALLEE.seven == 7


@pytest.mark.parametrize("result", ["7", "{}", "'text'", "None", "RpcTarget()"])
@pytest.mark.parametrize("waited", [False, True])
async def test_C8_calling_a_promise_whose_value_is_no_function_is_a_type_error(
    world, result, waited
):
    env = world.deploy(f"""
        class Default(WorkerEntrypoint):
            def m(self):
                return {result}
    """)
    promise = env.CALLEE.m()
    if waited:
        await promise
    error = await failure(promise(1))
    assert isinstance(error, TypeError)
    assert str(error) == '"(this)" is not a function.'
    assert error.remote is True


async def test_C8_calling_the_stub_of_a_target_is_a_type_error(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                return RpcTarget()
    """)
    error = await failure((await env.CALLEE.m())())
    assert str(error) == '"(this)" is not a function.'


UNDERSCORES = """
    def function():
        return "f"
    function._hidden = lambda: "hidden"
    function.shown = lambda: "shown"

    class T(RpcTarget):
        def _single(self):
            return "single"
        def __double(self):
            return "double"
        def __dunder__(self):
            return "dunder"
        def use(self):
            return [self._single(), self.__double(), self.__dunder__()]

    class Default(WorkerEntrypoint):
        _single, use = T._single, T.use
        _T__double, __dunder__ = T._T__double, T.__dunder__
        def target(self):
            return T()
        def function(self):
            return function
        def data(self):
            return {"_x": 1, "__dunder__": {"_y": 2}}
"""


CLOSED = ["_single", "__double", "_T__double", "__dunder__", "_", "__init__"]


@pytest.mark.parametrize("name", CLOSED)
async def test_C9_C10_names_with_an_underscore_are_closed_and_public_methods_use_them(world, name):
    env = world.deploy(UNDERSCORES)
    target = await env.CALLEE.target()
    for remote in (env.CALLEE, target, env.CALLEE.target()):
        assert await is_missing(remote[name](), name)
        assert await is_missing(remote[name], name)
        assert await remote.use() == ["single", "double", "dunder"]


async def test_C9_attributes_of_functions_with_an_underscore_are_closed(world):
    env = world.deploy(UNDERSCORES)
    function = await env.CALLEE.function()
    assert await function.shown() == "shown"
    assert await is_missing(function["_hidden"](), "_hidden")
    assert await is_missing(function["__globals__"], "__globals__")


async def test_C9_names_with_an_underscore_are_data_in_a_dict(world):
    env = world.deploy(UNDERSCORES)
    assert await env.CALLEE.data()["_x"] == 1
    assert await env.CALLEE.data()["__dunder__"]["_y"] == 2


async def test_C10_a_private_member_is_out_of_reach_under_any_spelling(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def __secret(self):
                return "s"
            def use_secret(self):
                return self.__secret()
    """)
    assert await env.CALLEE.use_secret() == "s"
    for name in ("secret", "#secret", "__secret", "_Default__secret"):
        assert await is_missing(env.CALLEE[name](), name)


async def test_C11_methods_of_base_classes_can_be_called_and_super_works(world):
    env = world.deploy("""
        class Base(WorkerEntrypoint):
            def base(self):
                return "base"
            def over(self):
                return "base-over"
        class Mid(Base):
            def mid(self):
                return "mid"
            def over(self):
                return "mid+" + super().over()
        class Default(Mid):
            def own(self):
                return "own"
    """)
    calls = [env.CALLEE[name]() for name in ("own", "mid", "base", "over")]
    assert await rpclab.gather(*calls) == ["own", "mid", "base", "mid+base-over"]


async def test_C12_C13_C14_names_of_javascript_objects_are_ordinary_remote_names(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def toString(self):
                return "remote toString"
            def constructor(self):
                return "remote constructor"
    """)
    assert await env.CALLEE.toString() == "remote toString"
    assert await env.CALLEE.constructor() == "remote constructor"
    for name in ("valueOf", "hasOwnProperty", "isPrototypeOf", "toLocaleString"):
        assert await is_missing(env.CALLEE[name]("x"), name)


async def test_C12_dunders_are_local_and_never_sent(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def __call__(self):
                return "called"
            def __getitem__(self, name):
                return "item"
            def __len__(self):
                return 3
    """)
    with pytest.raises(TypeError, match="not callable"):
        env.CALLEE()
    for name in ("__len__", "__getitem__", "__class__", "__dict__"):
        assert await is_missing(env.CALLEE[name](), name)
    with pytest.raises(AttributeError, match="__fresh__"):
        env.CALLEE.__fresh__  # noqa: B018 - asking is the test


async def test_C13_C14_repr_and_class_show_the_local_stub(world):
    env = world.deploy("""
        class T(RpcTarget):
            def __repr__(self):
                return "remote repr"
        class Default(WorkerEntrypoint):
            def target(self):
                return T()
    """)
    stub = await env.CALLEE.target()
    assert repr(stub) == str(stub)
    assert repr(stub).startswith("<RpcStub callee#")
    assert stub.__class__ is rpclab.RpcStub
    assert repr(env.CALLEE).startswith("<ServiceBinding callee#")


DUP = """
    class T(RpcTarget):
        def dup(self):
            return "T.dup"
        def m(self):
            return "m"
    class Default(WorkerEntrypoint):
        def dup(self):
            return "E.dup"
        def target(self):
            return T()
"""


async def test_C15_dup_on_a_stub_is_local_also_if_the_target_has_one(world):
    stub = await world.deploy(DUP).CALLEE.target()
    other = stub.dup()
    assert isinstance(other, rpclab.RpcStub)
    stub.dispose()
    assert await other.m() == "m"
    assert await other["dup"]() == "T.dup"


async def test_C16_dup_on_a_binding_or_promise_is_refused_with_advice(world):
    env = world.deploy(DUP)
    for remote, advice in (
        (env.CALLEE, "a binding needs none: it is not disposed"),
        (env.CALLEE.target(), "await the promise, and dup() the stub it gives"),
    ):
        with pytest.raises(TypeError) as caught:
            remote.dup()
        assert str(caught.value) == "'dup' is a reserved method and cannot be called over RPC."
        assert caught.value.__notes__ == [advice]
    error = await failure(env.CALLEE["dup"]())
    assert str(error) == "'dup' is a reserved method and cannot be called over RPC."
    assert error.remote is True


@pytest.mark.parametrize(
    "property_of",
    [
        lambda env, stub: stub.member,
        lambda env, stub: stub.member.deeper,
        lambda env, stub: stub["member"],
        lambda env, stub: env.CALLEE.target().member,
        lambda env, stub: env.CALLEE.target,
    ],
    ids=["stub", "property", "item", "promise", "binding"],
)
async def test_dup_on_a_property_is_refused_with_advice(world, property_of):
    env = world.deploy(DUP)
    stub = await env.CALLEE.target()
    remote = property_of(env, stub)
    messages = world.sandbox.tables()
    with pytest.raises(TypeError) as caught:
        remote.dup()
    assert str(caught.value) == "'dup' is a reserved method and cannot be called over RPC."
    assert caught.value.__notes__ == ["await the property, and dup() the stub it gives"]
    assert world.sandbox.tables() == messages


async def test_dup_on_a_property_is_refused_inside_map(world):
    promise = world.deploy(DUP).CALLEE.target()
    with pytest.raises(TypeError, match="'dup' is a reserved method"):
        promise.map(lambda target: target.member.dup())


NAMES = """
    names = [{names}]
    class T(RpcTarget):
        pass
    class Default(WorkerEntrypoint):
        def target(self):
            return T()
    for kind in (T, Default):
        for name in names:
            setattr(kind, name, lambda self, name=name: f"{{type(self).__name__}}.{{name}}")
"""
EVENTS = [
    "alarm", "webSocketMessage", "webSocketClose", "webSocketError", "web_socket_message",
    "web_socket_close", "web_socket_error",
]  # fmt: skip
ORDINARY = ["scheduled", "queue", "tail", "tailStream", "trace", "test", "email"]


@pytest.mark.parametrize("name", EVENTS)
async def test_C17_names_of_events_are_refused_on_entrypoints_and_ordinary_on_targets(world, name):
    env = world.deploy(NAMES.format(names=f'"{name}"'))
    for use in (env.CALLEE[name](), env.CALLEE[name], env.CALLEE[name].deeper()):
        error = await failure(use)
        assert isinstance(error, TypeError)
        assert str(error) == f"'{name}' is a reserved method and cannot be called over RPC."
        assert error.remote is True
    assert await (await env.CALLEE.target())[name]() == f"T.{name}"


@pytest.mark.parametrize("name", ORDINARY)
async def test_C18_names_of_other_handlers_are_ordinary_methods_everywhere(world, name):
    env = world.deploy(NAMES.format(names=f'"{name}"'))
    assert await env.CALLEE[name]() == f"Default.{name}"
    assert await env.CALLEE.target()[name]() == f"T.{name}"


async def test_C19_C20_fetch_and_connect_on_a_target_are_ordinary_methods(world):
    env = world.deploy("""
        class T(RpcTarget):
            def fetch(self, a, b):
                return {"rpc": [a, b]}
            def connect(self, a):
                return "connected " + a
        class Default(WorkerEntrypoint):
            def target(self):
                return T()
    """)
    target = await env.CALLEE.target()
    assert await target.fetch(1, 2) == {"rpc": [1, 2]}
    assert await target.connect("x") == "connected x"


async def test_C21_a_binding_or_stub_can_be_awaited_and_is_itself(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def target(self):
                return RpcTarget()
    """)
    stub = await env.CALLEE.target()
    assert await stub is stub
    assert await env.CALLEE is env.CALLEE


async def test_C22_names_of_promises_and_functions_are_remote_names_on_a_stub(world):
    names = ["catch", "finally", "call", "apply", "bind", "name", "length", "map", "id"]
    env = world.deploy(NAMES.format(names=", ".join(map(repr, names))))
    stub = await env.CALLEE.target()
    assert [await stub[name]() for name in names] == [f"T.{name}" for name in names]
    assert await stub.name() == "T.name"


async def test_C22_dispose_on_a_stub_is_its_local_disposer(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def target(self):
                return Logged("t")
    """)
    stub = await env.CALLEE.target()
    assert await is_missing(stub["dispose"](), "dispose")
    assert stub.dispose() is None
    assert world.log == []
    await env.CALLEE.target().m()
    assert world.log[0] == "t disposed"


async def test_C23_a_method_taken_off_a_binding_or_stub_keeps_its_receiver(world):
    env = world.deploy("""
        class T(RpcTarget):
            def __init__(self):
                self._n = 10
            def plus(self, x):
                return self._n + x
        class Default(WorkerEntrypoint):
            def add(self, a, b):
                return a + b
            def target(self):
                return T()
    """)
    add, stub = env.CALLEE.add, await env.CALLEE.target()
    plus = stub.plus
    assert isinstance(add, rpclab.RpcProperty)
    assert [await add(1, 2), await plus(5), await plus(6)] == [3, 15, 16]


async def test_C24_assigning_to_a_member_sends_nothing_and_runs_no_setter(world):
    env = world.deploy("""
        class T(RpcTarget):
            sets = 0
            @property
            def v(self):
                return 1
            @v.setter
            def v(self, value):
                T.sets += 1
            def count(self):
                return T.sets
        class Default(WorkerEntrypoint):
            def target(self):
                return T()
    """)
    stub = await env.CALLEE.target()
    stub.v = 42
    stub.fresh = 1
    assert [stub.v, stub.fresh] == [42, 1]
    assert await stub.count() == 0
    del stub.v
    assert await stub.v == 1


WORK = """
    class Default(WorkerEntrypoint):
        async def work(self, x, ms=60):
            log(("start", x))
            await sleep(ms)
            log(("end", x))
            return x
"""


async def test_C25_a_call_nobody_awaits_runs_while_the_caller_lives(world):
    env = world.deploy(WORK)
    kept = env.CALLEE.work("a", 10)
    await asyncio.sleep(60)
    world.log.append("caller done")
    assert world.log == [("start", "a"), ("end", "a"), "caller done"]
    assert await kept == "a"


async def test_C25_calls_are_sent_in_the_order_made_not_awaited(world):
    env = world.deploy(WORK)
    calls = [env.CALLEE.work(x, 1) for x in "abc"]
    for call in reversed(calls):
        await call
    assert [entry for entry in world.log if entry[0] == "start"] == [("start", x) for x in "abc"]


async def test_C26_an_unfinished_call_is_cut_off_when_the_callers_context_ends(world):
    world.deploy(WORK)
    async with world.event() as env:
        call = env.CALLEE.work("dropped")
        await asyncio.sleep(5)
        world.log.append("caller ends")
    await asyncio.sleep(200)
    assert world.log == [("start", "dropped"), "caller ends"]
    assert "ended" in str(await failure(call))


async def test_C27_a_call_given_to_wait_until_finishes_after_the_callers_end(world):
    world.deploy(WORK)

    async def see(call):
        world.log.append(("wait_until saw", await call))

    async with world.event() as env:
        rpclab.wait_until(see(env.CALLEE.work("waited")))
        await asyncio.sleep(5)
        world.log.append("caller ends")
    await asyncio.sleep(200)
    assert world.log == [
        ("start", "waited"), "caller ends", ("end", "waited"), ("wait_until saw", "waited"),
    ]  # fmt: skip


async def test_C27_the_promise_itself_can_be_given_to_wait_until(world):
    world.deploy(WORK)
    async with world.event() as env:
        rpclab.wait_until(env.CALLEE.work("waited"))
    await asyncio.sleep(200)
    assert world.log == [("start", "waited"), ("end", "waited")]


async def test_C28_concurrent_calls_start_in_the_order_made_and_overlap(world):
    env = world.deploy(WORK)
    calls = [env.CALLEE.work("a", 60), env.CALLEE.work("b", 5), env.CALLEE.work("c", 30)]
    assert await rpclab.gather(*calls) == ["a", "b", "c"]
    assert world.log == [
        ("start", "a"), ("start", "b"), ("start", "c"), ("end", "b"), ("end", "c"), ("end", "a"),
    ]  # fmt: skip
