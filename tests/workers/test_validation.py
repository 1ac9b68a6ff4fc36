"""Arguments are checked against annotations where that is asked for; nothing is converted."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import subprocess
import sys
import weakref

import pytest

import rpclab
from rpclab import RpcTarget
from rpclab.workers.validation import policy

HEAD = """
from __future__ import annotations
import collections, dataclasses, datetime, decimal, enum, functools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import *
from workers import DurableObject, ReadableStream, Request, Response, RpcTarget, WorkerEntrypoint
if TYPE_CHECKING:
    from rpclab.typed import Stub


class Item(TypedDict):
    name: str
    price: float
    tags: NotRequired[list[str]]


class Tree(TypedDict):
    value: int
    children: list[Tree]


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


class Greeter(Protocol):
    def greet(self) -> str: ...


UserId = NewType("UserId", int)


class Cart(RpcTarget):
    def add(self, item: Item, *, count: int = 1):
        return [item, count]


class Plain(WorkerEntrypoint):
    def number(self, n: int):
        return n
"""


def deploy(sandbox, parameters, body="return [*locals().values()][1:]", name="callee", more=""):
    lines = f"    def method(self, {parameters}):\n        {body}\n"
    source = f"{HEAD}\nclass Default(WorkerEntrypoint):\n{lines}{more}"
    sandbox.deploy(name, source=source)
    return sandbox.bind(CALLEE=name).CALLEE


@pytest.fixture
def sandbox():
    fresh = rpclab.Sandbox(record=True, validate=True)
    yield fresh
    fresh.close()
    gc.collect()


async def refused(awaitable):
    """The message of the TypeError that a call is refused with."""
    with pytest.raises(TypeError) as caught:
        await awaitable
    assert caught.value.remote
    return str(caught.value)


class Here(RpcTarget):
    """What a caller passes by reference."""


FITS = [
    ("x: int", 5), ("x: int", 2**80), ("x: float", 1.5), ("x: float", 1), ("x: str", "a"),
    ("x: bytes", b"a"), ("x: bool", True), ("x: None", None), ("x: int | None", None),
    ("x: Optional[str]", "a"), ("x: Any", {1}), ("x: object", 5), ("x", 5),
    ("x: list", [1, "a"]), ("x: list[int]", [1, 2]), ("x: List[int]", []),
    ("x: dict[str, list[int]]", {"a": [1]}), ("x: Mapping[str, int]", {"a": 1}),
    ("x: set[int]", {1}), ("x: frozenset[str]", frozenset("a")), ("x: tuple[int, str]", (1, "a")),
    ("x: tuple[int, ...]", (1, 2, 3)), ("x: tuple[()]", ()), ("x: Sequence[int]", [1]),
    ("x: Sequence[int]", (1,)), ("x: Sequence[str]", "abc"), ("x: Iterable[int]", [1]),
    ("x: Literal['a', 5]", 5), ("x: Item", {"name": "a", "price": 1.5}),
    ("x: Item", {"name": "a", "price": 1, "tags": ["b"], "more": 5}), ("x: UserId", 7),
    ("x: list[Item | int]", [1, {"name": "a", "price": 2.0}]),
    ("x: Tree", {"value": 1, "children": [{"value": 2, "children": []}]}),
    ("x: Annotated[int, 'a note']", 5), ("x: collections.Counter[str]", {"a": 1}),
    ("x: Nowhere", 5), ("x: list[Nowhere]", [5]), ("x: T", 5), ("x: Greeter", 5),
    ("x: type[int]", 5), ("x: datetime.date", dt.date(2026, 1, 1)),
]  # fmt: skip
WRONG = [
    ("x: int", "5", "x is '5' (str), and should be a valid integer"),
    ("x: int", True, "x is True (bool), and should be a valid integer"),
    ("x: int", 1.0, "x is 1.0 (float), and should be a valid integer"),
    ("x: float", "1", "x is '1' (str), and should be a valid number"),
    ("x: str", 5, "x is 5 (int), and should be a valid string"),
    ("x: str", b"a", "x is b'a' (bytes), and should be a valid string"),
    ("x: bytes", "a", "x is 'a' (str), and should be a valid bytes"),
    ("x: bool", 1, "x is 1 (int), and should be a valid boolean"),
    ("x: None", 0, "x is 0 (int), and should be None"),
    ("x: int | None", "a", "x is 'a' (str), and should be a valid integer or None"),
    ("x: list[int]", (1,), "x is (1,) (tuple), and should be a valid list"),
    ("x: list[int]", [1, "a"], "x[1] is 'a' (str), and should be a valid integer"),
    ("x: tuple[int, int]", [1, 2], "x is [1, 2] (list), and should be a valid tuple"),
    ("x: Sequence[int]", [1, "a"], "x[1] is 'a' (str), and should be a valid integer"),
    ("x: dict[str, list[int]]", {"a": [1], "b c": ["x"]}, "x['b c'][0] is 'x' (str)"),
    ("x: dict[str, int]", {5: 1}, "x[5] is 5 (int), and should be a valid string"),
    ("x: set[int]", {"a"}, "x is 'a' (str), and should be a valid integer"),
    ("x: Literal['a', 5]", 6, "x is 6 (int), and should be 'a' or 5"),
    ("x: Item", {"name": "a"}, "x.price is missing"),
    ("x: Item", {"name": "a", "price": "b"}, "x.price is 'b' (str), and should be a valid number"),
    ("x: list[Item]", [{"name": "a", "price": 1, "tags": [5]}], "x[0].tags[0] is 5 (int)"),
    ("x: list[Item | int]", [{"name": 1, "price": 2.0}], "x[0].name is 1 (int)"),
    ("x: Tree", {"value": 1, "children": [{"value": "2", "children": []}]}, "x.children[0].value"),
    ("x: UserId", "7", "x is '7' (str), and should be a valid integer"),
    ("x: Colour", "red", "x is 'red' (str), and should be an instance of Colour"),
    ("x: datetime.datetime", "2026-01-01", "should be a valid datetime"),
    ("x: decimal.Decimal", 1, "should be an instance of Decimal"),
    ("x: Point", {"x": 1}, "should be an instance of Point"),
    ("x: Cart", {"add": 1}, "should be a stub, a target or a function"),
    ("x: Callable[[int], None]", 5, "x is 5 (int), and should be a stub, a target or a function"),
    ("x: ReadableStream", b"", "should be an instance of ReadableStream"),
    ("x: AsyncIterator[bytes]", [b"a"], "should be an instance of AsyncIterator"),
    ("*x: int", "a", "x[0] is 'a' (str), and should be a valid integer"),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "value"), FITS, ids=lambda value: str(value)[:40])
async def test_what_fits_arrives_as_it_was_sent(sandbox, parameters, value):
    callee = deploy(sandbox, parameters, "return x")
    result = await callee.method(value)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(("parameters", "value", "said"), WRONG, ids=lambda value: str(value)[:40])
async def test_what_does_not_fit_is_a_type_error_that_names_the_path(
    sandbox, parameters, value, said
):
    callee = deploy(sandbox, parameters, "raise AssertionError('it ran')")
    message = await refused(callee.method(value))
    assert message.startswith("method(): ")
    assert said in message


@pytest.mark.parametrize(("parameters", "value", "said"), WRONG[:3])
async def test_without_validation_the_method_gets_it(parameters, value, said):
    async with rpclab.Sandbox() as sandbox:
        callee = deploy(sandbox, parameters, "return x")
        assert await callee.method(value) == value


async def test_keyword_arguments_are_checked_by_their_names(sandbox):
    parameters = "a: int, /, b: str = 'b', *more: float, c: bool = False, **rest: int"
    callee = deploy(sandbox, parameters, "return [a, b, more, c, rest]")
    assert await callee.method(1, c=True, d=5) == [1, "b", (), True, {"d": 5}]
    assert "c is 1 (int)" in await refused(callee.method(1, c=1))
    assert "d is '5' (str)" in await refused(callee.method(1, d="5"))
    assert "b is 5 (int)" in await refused(callee.method(1, b=5))
    assert "b is 5 (int)" in await refused(callee.method(1, 5))
    assert "more[1] is 'x' (str)" in await refused(callee.method(1, "b", 0.5, "x"))
    assert "a is 'x' (str)" in await refused(callee.method("x"))


@pytest.mark.parametrize("arguments", [(), (1, 2)])
async def test_a_wrong_number_of_arguments_is_told_as_python_does(sandbox, arguments):
    callee = deploy(sandbox, "x: int")
    checked = await refused(callee.method(*arguments))
    sandbox.validate = False
    assert checked == await refused(callee.method(*arguments))


async def test_a_default_is_not_checked(sandbox):
    callee = deploy(sandbox, "x: int = None", "return x")
    assert await callee.method() is None


async def test_stubs_streams_and_callbacks_pass_through(sandbox):
    parameters = "cart: Cart, call: Callable[[int], int], stream: ReadableStream, many: list[Cart]"
    callee = deploy(
        sandbox,
        f"{parameters}, items: dict[str, Cart], stub: Stub[[int], int], chunks: AsyncIterator",
        "return self.go(cart, call, stream, many, items, stub, chunks)",
        more="""
    async def go(self, cart, call, stream, many, items, stub, chunks):
        return [await call(1), await stream.read_exactly(2), await many[0].hello(),
                await items["a"].hello(), await stub(5), await cart.hello(),
                [chunk async for chunk in chunks]]
""",
    )

    class Greeting(RpcTarget):
        def hello(self):
            return "hello"

    streams = [rpclab.ReadableStream(iter(["ab"])) for _ in range(2)]
    mine = Greeting()
    assert await callee.method(
        mine, lambda n: n + 1, streams[0], [mine], {"a": mine}, lambda n: n * 2, streams[1]
    ) == [2, b"ab", "hello", "hello", 10, "hello", [b"ab"]]


async def test_a_stub_stands_for_an_object_of_a_class_that_is_no_data(sandbox):
    callee = deploy(sandbox, "x: Point, y: Greeter, z: rpclab_is_not_here.Name", "return 'ran'")
    assert await callee.method(Here(), Here(), Here()) == "ran"
    assert "x is" in await refused(deploy(sandbox, "x: int").method(Here()))


async def test_a_promised_argument_is_checked_when_it_is_there(sandbox):
    callee = deploy(sandbox, "x: list[int]", "return x", more="    def give(self): return ['a']\n")
    assert "x[0] is 'a' (str)" in await refused(callee.method(callee.give()))


async def test_targets_that_a_worker_gives_are_checked_too(sandbox):
    callee = deploy(sandbox, "", "return Cart()")
    item = {"name": "a", "price": 1.0}
    assert await callee.method().add(item, count=2) == [item, 2]
    assert "item.price is missing" in await refused(callee.method().add({"name": "a"}))
    cart = await callee.method()
    assert "count is '2' (str)" in await refused(cart.add(item, count="2"))
    cart.dispose()


MEMBERS = """
def outer(method):
    @functools.wraps(method)
    def wrapper(*args, **kwargs):
        return method(*args, **kwargs)
    return wrapper


class Kinds(WorkerEntrypoint):
    @outer
    def decorated(self, n: int): return n
    async def later(self, n: int): return n
    def stream(self, n: int): return ReadableStream(str(each) for each in range(n))
    part = functools.partialmethod(decorated)
    def double(self, n: int): return n
    alias = double
    @property
    def given(self): return lambda n: n
    @functools.cached_property
    def bound(self): return self.double
    @functools.lru_cache
    def cached(self, n: int): return n
    @property
    def partial(self): return functools.partial(add, 1)
    @property
    def nested(self): return {"add": add}
    @functools.singledispatchmethod
    def single(self, n: int): return n


def add(a: int, n: int): return n
"""
KINDS = ["decorated", "later", "double", "alias", "bound", "cached", "partial"]


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_of_method_is_checked(sandbox, name):
    sandbox.deploy("callee", source=HEAD + MEMBERS)
    callee = sandbox.bind(KINDS="callee#Kinds").KINDS
    assert await callee[name](5) == 5
    assert "n is 'x' (str)" in await refused(callee[name]("x"))


async def test_a_function_inside_of_a_result_is_checked(sandbox):
    sandbox.deploy("callee", source=HEAD + MEMBERS)
    callee = sandbox.bind(KINDS="callee#Kinds").KINDS
    assert await callee.nested.add(1, 2) == 2
    assert "n is 'x' (str)" in await refused(callee.nested.add(1, "x"))
    assert await callee.given("x") == "x"
    assert await callee.single("x") == "x"


async def test_a_function_of_the_module_is_checked_by_its_first_parameter(sandbox):
    sandbox.deploy("callee", source="def double(n: int, env: str, ctx: str): return n * 2")
    callee = sandbox.bind(CALLEE="callee").CALLEE
    assert await callee.double(2) == 4
    assert await refused(callee.double("2")) == (
        "double(): n is '2' (str), and should be a valid integer"
    )


async def test_durable_objects_are_checked(sandbox):
    source = f"{HEAD}\nclass Room(DurableObject):\n    async def enter(self, n: int): return n\n"
    sandbox.deploy("callee", source=source)
    room = sandbox.bind(ROOMS=rpclab.objects("callee#Room")).ROOMS.get_by_name("a")
    assert await room.enter(1) == 1
    assert "n is '1' (str)" in await refused(room.enter("1"))


async def test_functions_of_the_program_are_checked(sandbox):
    source = """
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def call(self, function, value): return await function(value)
"""
    sandbox.deploy("callee", source=source)
    callee = sandbox.bind(CALLEE="callee").CALLEE

    def double(n: int) -> int:
        return n * 2

    assert await callee.call(double, 2) == 4
    assert "n is 'x' (str)" in await refused(callee.call(double, "x"))


async def test_http_is_no_call_to_check(sandbox):
    more = "    def fetch(self, request: int): return Response('served')\n"
    callee = deploy(sandbox, "", more=more)
    assert await (await callee.fetch("/")).text() == "served"


async def test_map_checks_each_call(sandbox):
    callee = deploy(sandbox, "x: int", "return x", more="    def give(self): return [1, 'a']\n")
    assert "x is 'a' (str)" in await refused(callee.give().map(callee.method))


def test_the_surface_tells_the_types():
    class Counter(RpcTarget):
        @property
        def value(self) -> int:
            return 0

        @property
        def other(self):
            return 0

        def increment(self, amount: int = 1, *, tags: list[str] | None = None) -> int:
            return amount

    assert rpclab.surface(Counter) == ["increment", "other", "value"]
    assert rpclab.surface(Counter(), types=True) == {
        "increment": "(amount: int = 1, *, tags: list[str] | None = None) -> int",
        "other": "",
        "value": "int",
    }


# Whose calls are checked.


@pytest.mark.parametrize(
    ("validate", "checked"),
    [
        (True, {"callee", "callee#Plain", "other"}),
        (False, set()),
        ([], set()),
        (["callee"], {"callee", "callee#Plain"}),
        (["callee#Plain"], {"callee#Plain"}),
        (("other", "callee#Default"), {"other", "callee"}),
    ],
)
async def test_a_sandbox_says_which_entrypoints_are_checked(validate, checked):
    async with rpclab.Sandbox(validate=validate) as sandbox:
        for name in ("callee", "other"):
            more = "    def number(self, n: int): return n\n"
            deploy(sandbox, "", name=name, more=more)
        found = set()
        for target in ("callee", "callee#Plain", "other"):
            try:
                await sandbox.bind(TARGET=target).TARGET.number("x")
            except TypeError:
                found.add(target)
        assert found == checked


@pytest.mark.parametrize("default", [True, False])
async def test_a_binding_may_say_otherwise(default):
    async with rpclab.Sandbox(validate=default) as sandbox:
        deploy(sandbox, "x: int", "return x")
        env = sandbox.bind(
            CHECKED=rpclab.binding("callee", validate=True),
            FREE=rpclab.binding("callee", validate=False),
        )
        assert "x is 'a'" in await refused(env.CHECKED.method("a"))
        assert await env.FREE.method("a") == "a"


async def test_what_came_through_a_checked_binding_stays_checked():
    async with rpclab.Sandbox() as sandbox:
        deploy(sandbox, "", "return Cart()")
        cart = await sandbox.bind(CART=rpclab.binding("callee", validate=True)).CART.method()
        assert "item.price is missing" in await refused(cart.add({"name": "a"}))
        cart.dispose()


async def test_it_can_be_switched_while_a_sandbox_lives():
    async with rpclab.Sandbox() as sandbox:
        callee = deploy(sandbox, "x: int", "return x")
        assert sandbox.validate is False
        assert await callee.method("a") == "a"
        sandbox.validate = ["callee"]
        assert sandbox.validate == ("callee",)
        assert "x is 'a'" in await refused(callee.method("a"))
        sandbox.validate = False
        assert await callee.method("a") == "a"


async def test_a_new_version_is_checked_by_its_own_annotations(sandbox):
    callee = deploy(sandbox, "x: int", "return x")
    assert "valid integer" in await refused(callee.method("a"))
    deploy(sandbox, "x: str", "return x")
    assert await callee.method("a") == "a"


@pytest.mark.parametrize("validate", ["callee", 5, None])
def test_what_is_no_choice_is_refused(validate):
    with pytest.raises(TypeError, match="validate is True, False, or a list of"):
        rpclab.Sandbox(validate=validate)


def test_a_name_that_can_be_none_is_refused():
    with pytest.raises(ValueError, match="a binding leads to"):
        rpclab.Sandbox(validate=["callee#"])


def test_without_pydantic_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "rpclab.workers.validation.argument_checks", raising=False)
    monkeypatch.delitem(sys.modules, "rpclab.workers.validation.schemas", raising=False)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    monkeypatch.setitem(sys.modules, "pydantic_core", None)
    with pytest.raises(ImportError, match=r"install rpclab\[validate\]"):
        policy.Policy(validate=True)


def test_nobody_who_does_not_validate_loads_pydantic():
    assert "pydantic" not in _modules_after("import rpclab; rpclab.Sandbox().close()")


def _modules_after(code):
    shown = f"{code}; import sys; print(*sys.modules)"
    command = [sys.executable, "-c", shown]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


# A hostile peer.


async def test_a_value_whose_parts_are_shared_does_not_take_forever(sandbox):
    callee = deploy(sandbox, "x: list[list[list[list[list[int]]]]]", "return 'ran'")
    value = [1] * 1000
    for _ in range(4):
        value = [value] * 1000
    assert "the same parts again and again" in await refused(callee.method(value))
    assert await callee.method([[[[[1]]]]]) == "ran"


async def test_a_value_that_holds_itself_is_refused(sandbox):
    callee = deploy(sandbox, "x: Tree", "return 'ran'")
    tree = {"value": 1, "children": []}
    tree["children"].append(tree)
    assert "method(): x.children[0]" in await refused(callee.method(tree))


async def test_values_that_hold_themselves_pass_where_they_may(sandbox):
    callee = deploy(sandbox, "x: list, y: dict[str, list[Any]]", "return 'ran'")
    knot = []
    knot.append(knot)
    assert await callee.method(knot, {"a": knot}) == "ran"


@pytest.mark.parametrize(
    ("annotation", "value"),
    [("list[int]", ["a" * 1000] * 20_000), ("dict[str, int]", {str(n): "x" for n in range(9000)})],
)
async def test_a_refusal_is_short_however_much_is_wrong(sandbox, annotation, value):
    callee = deploy(sandbox, f"x: {annotation}", "return 'ran'")
    message = await refused(callee.method(value))
    assert len(message) < 600


async def test_what_an_annotation_does_while_it_looks_may_fail(sandbox):
    more = """
    def other(self, x: Annotated[int, Broken()]): return x
class Broken:
    def __get_pydantic_core_schema__(self, *args): raise RuntimeError("of somebody else")
"""
    callee = deploy(sandbox, "x: int", more=more)
    assert await callee.other(5) == 5
    assert "x is 'a'" in await refused(callee.other("a"))


async def test_a_constraint_of_pydantic_is_a_mismatch_like_any(sandbox):
    more = """
    def other(self, x: Positive, names: Short): return x
from pydantic import Field
Positive = Annotated[int, Field(gt=0)]
Short = Annotated[list[str], Field(max_length=1)]
"""
    callee = deploy(sandbox, "x: int", more=more)
    assert await callee.other(5, ["a"]) == 5
    assert "x is 0 (int)" in await refused(callee.other(0, []))
    assert "names is ['a', 'b'] (list)" in await refused(callee.other(1, ["a", "b"]))


async def test_a_function_that_is_gone_is_not_kept(sandbox):
    callee = deploy(
        sandbox,
        "f: Callable",
        "return self.use(f)",
        more="    async def use(self, f): return await f(1)\n",
    )

    def local(n: int):
        return n

    gone = weakref.ref(local)
    assert await callee.method(local) == 1
    del local
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert gone() is None
