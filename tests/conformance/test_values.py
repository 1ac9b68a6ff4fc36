"""Area V: which values can be sent, what arrives, and in which words the others are refused."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import math
import pathlib
import re
import sys
import types
import uuid
import weakref
import zoneinfo

import msgpack
import numpy as np
import pytest
from support.world import failure

import rpclab

ECHO = """
    class Default(WorkerEntrypoint):
        def echo(self, *args, **kwargs):
            if kwargs:
                return [list(args), kwargs]
            return args[0] if len(args) == 1 else list(args)
        def keep(self, value):
            pass
"""


@pytest.fixture
def callee(world):
    """The binding of a Worker that sends back what it gets."""
    return world.deploy(ECHO).CALLEE


async def same(callee, value):
    """Send a value there and back; the same type must come out, and an equal value."""
    back = await callee.echo(value)
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value)
    return back


PRIMITIVES = [
    None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63),
    -(2**63) - 1, -(2**130), 10**1000, 0.0, -0.0, 0.1, 5e-324, sys.float_info.max, math.inf,
    -math.inf, "", "héllo \U0001f600", "a\0b", "x\ud800y", "\udfff", b"", b"\0\xff",
]  # fmt: skip


@pytest.mark.parametrize("value", PRIMITIVES, ids=lambda value: repr(value)[:20])
async def test_V1_numbers_strings_and_bytes_survive(callee, value):
    await same(callee, value)


async def test_V1_not_a_number_and_long_text_survive(callee):
    assert math.isnan(await callee.echo(math.nan))
    assert math.copysign(1, await callee.echo(-0.0)) == -1
    assert await callee.echo("\u4f60" * 70_000) == "\u4f60" * 70_000
    assert await callee.echo({"k\ud800": "\udfff"}) == {"k\ud800": "\udfff"}


KOLKATA = zoneinfo.ZoneInfo("Asia/Kolkata")
TIMES = [
    dt.datetime(2009, 2, 13, 23, 31, 30, 123_456),  # noqa: DTZ001 - naive ones are values too
    dt.datetime(1, 1, 1, tzinfo=dt.UTC),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=KOLKATA),
    dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(0), "GMT")),
    dt.date.min, dt.date.max, dt.time(1, 2, 3, 4), dt.time(23, 59, tzinfo=dt.UTC, fold=1),
    dt.timedelta.min, dt.timedelta.max, dt.timedelta(days=-1, seconds=5, microseconds=7),
]  # fmt: skip


@pytest.mark.parametrize("value", TIMES, ids=str)
async def test_V2_dates_times_and_zones_survive(callee, value):
    back = await same(callee, value)
    if isinstance(value, dt.datetime | dt.time):
        assert back.fold == value.fold
        assert back.tzname() == value.tzname()


async def test_V2_a_zone_survives_by_its_key(callee):
    back = await callee.echo(dt.datetime(2024, 7, 1, tzinfo=KOLKATA))
    assert back.tzinfo is KOLKATA


class Eastern(dt.tzinfo):
    def utcoffset(self, when):
        return dt.timedelta(hours=-5)


async def test_V2_a_zone_of_another_kind_is_refused_at_its_time(callee):
    with open(next(zone_files()), "rb") as file:  # noqa: ASYNC230, PTH123 - a few bytes
        unnamed = zoneinfo.ZoneInfo.from_file(file)
    for zone in (Eastern(), unnamed):
        error = await failure(callee.echo({"at": [dt.datetime(2024, 1, 1, tzinfo=zone)]}))
        assert isinstance(error, rpclab.DataCloneError)
        assert error.path == 'args[0]["at"][0]'
        assert "send the time in UTC" in error.__notes__[0]


def zone_files():
    for folder in (*zoneinfo.TZPATH, pathlib.Path(__import__("tzdata").__file__).parent / "zoneinfo"):
        if (pathlib.Path(folder) / "UTC").exists():
            yield pathlib.Path(folder) / "UTC"


PATTERNS = [r"a(b+)c", re.compile(b"a.", re.DOTALL), re.compile("x", re.ASCII | re.VERBOSE)]


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_V3_a_pattern_keeps_source_and_flags(callee, pattern):
    pattern = re.compile(pattern, re.IGNORECASE) if isinstance(pattern, str) else pattern
    back = await same(callee, pattern)
    assert (back.pattern, back.flags) == (pattern.pattern, pattern.flags)


async def test_V3_a_pattern_made_for_debugging_prints_nothing_at_the_other_side(callee, capsys):
    pattern = re.compile("debugged", re.DEBUG)
    capsys.readouterr()
    assert (await callee.echo(pattern)).pattern == "debugged"
    assert capsys.readouterr().out == ""


KEYS = {
    "z": 1, "a": 2, 3: "int", 1.5: "float", None: "none", b"b": "bytes", (1, ("n",)): "tuple",
    frozenset({1}): "frozenset", dt.date(2024, 1, 1): "date", decimal.Decimal("1.50"): "decimal",
    uuid.UUID(int=5): "uuid", -(2**70): "big", "": "empty", "constructor": 4,
}  # fmt: skip


async def test_V4_V10_a_dict_keeps_its_order_and_any_hashable_keys(callee):
    back = await same(callee, dict(KEYS))
    assert [type(key) for key in back] == [type(key) for key in KEYS]


async def test_V4_containers_keep_their_types(callee):
    for value in ([], (), {}, set(), frozenset(), [[[[1]]]], (1, (2,), []), {1, "x", (2,)},
                  frozenset({frozenset({1}), None}), [{"a": (1, [2, {3}])}]):  # fmt: skip
        await same(callee, value)
    nan = await callee.echo({math.nan: "nan"})
    assert math.isnan(next(iter(nan)))


DICTS = [
    collections.OrderedDict(b=1, a=2), collections.defaultdict(list, a=[1]),
    collections.Counter("aab"),
]  # fmt: skip


@pytest.mark.parametrize("value", DICTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("shared", [False, True])
async def test_V4_standard_subclasses_of_dict_arrive_as_dict(callee, value, shared):
    sent = [value, value] if shared else [value]
    back = await callee.echo(sent)
    assert type(back[0]) is dict
    assert list(back[0].items()) == list(value.items())
    assert back[0] is back[-1]


class MyDict(dict):
    pass


class MyList(list):
    pass


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    A = "a"


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int = 1


def subclass(base, *args):
    return type(f"My{base.__name__}", (base,), {})(*args)


Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024 - the plain one is meant

LOSES = "a subclass of {} would lose its class: send {}"
SUBCLASSES = [
    (MyDict(a=1), LOSES.format("dict", "dict(value)")),
    (MyList([1]), LOSES.format("list", "list(value)")),
    (subclass(set, [1]), LOSES.format("set", "set(value)")),
    (subclass(frozenset, [1]), LOSES.format("frozenset", "frozenset(value)")),
    (subclass(tuple, [1]), LOSES.format("tuple", "tuple(value)")),
    (subclass(int, 1), LOSES.format("int", "int(value)")),
    (subclass(float, 1), LOSES.format("float", "float(value)")),
    (subclass(str, "x"), LOSES.format("str", "str(value)")),
    (subclass(bytes, b"x"), LOSES.format("bytes", "bytes(value)")),
    (subclass(bytearray, b"x"), LOSES.format("bytearray", "bytes(value)")),
    (Level.LOW, LOSES.format("int", "int(value)")),
    (Word.A, LOSES.format("str", "str(value)")),
    (Pair(1, 2), "send value._asdict(), or tuple(value)"),
    (subclass(decimal.Decimal, 1), LOSES.format("Decimal", "Decimal(value)")),
    (subclass(dt.date, 2024, 1, 1), LOSES.format("date", "date.fromordinal(value.toordinal())")),
    (subclass(uuid.UUID, "0" * 32), LOSES.format("UUID", "UUID(int=value.int)")),
    (subclass(array.array, "b"), LOSES.format("array", "array(value.typecode, value)")),
    (subclass(collections.OrderedDict), LOSES.format("dict", "dict(value)")),
]


@pytest.mark.parametrize(("value", "advice"), SUBCLASSES, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("shared", [False, True])
async def test_V4_V14_a_subclass_is_refused_with_the_conversion_named(
    callee, value, advice, shared
):
    twice = []
    error = await failure(callee.echo({"k": [0, value], **({"s": [twice, twice]} if shared else {})}))
    assert isinstance(error, rpclab.DataCloneError)
    assert str(error) == (
        f'Could not serialize object of type "{type(value).__name__}". This type does not support'
        ' serialization. It stands at args[0]["k"][1].'
    )
    assert error.__notes__ == [advice]


@pytest.mark.parametrize("code", "bBhHiIlLqQfdu" if sys.version_info < (3, 13) else "bBhHiIlLqQfdw")
async def test_V5_every_kind_of_array_survives(callee, code):
    filled = array.array(code, "a\ud800\0" if code in "uw" else [1, 2, 100])
    await same(callee, filled)
    await same(callee, array.array(code))


ARRAYS = [
    np.arange(6).reshape(2, 3), np.zeros((0, 3)), np.array(5.5), np.array(["a", "bc"]),
    np.array([1, 2], ">i4"), np.array([1 + 2j]), np.array([True]), np.float16([1]),
    np.array(["2024-01-01"], "M8[D]"), np.zeros(2, [("a", "i4"), ("b", "f8", (2,))]),
    np.asfortranarray(np.arange(4).reshape(2, 2)), np.arange(10)[::3], np.zeros(2, "V0"),
    np.array([b"\0x"]),
]  # fmt: skip


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype}{value.shape}")
async def test_V5_numpy_arrays_survive_with_type_and_shape(callee, value):
    back = await callee.echo(value)
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    assert back.tobytes() == value.tobytes()
    assert back.flags.writeable


async def test_V5_what_numpy_has_beside_plain_arrays_is_refused(callee):
    for value, advice in (
        (np.float64(1), "send value.item()"),
        (np.array([object()]), "an array of objects cannot be sent: send value.tolist()"),
        (np.ma.array([1]), "send numpy.asarray(value)"),
        (np.rec.array([(1,)]), "send numpy.asarray(value)"),
    ):
        error = await failure(callee.echo([value]))
        assert isinstance(error, rpclab.DataCloneError)
        assert (error.path, error.__notes__) == ("args[0][0]", [advice])


async def test_V6_V7_bytearray_and_memoryview_arrive_as_the_bytes_they_show(callee):
    data = bytearray(b"abcdef")
    view = memoryview(data)
    for value, expected in (
        (data, b"abcdef"),
        (view, b"abcdef"),
        (view[2:4], b"cd"),
        (view[::2], b"ace"),
        (memoryview(array.array("h", [1, 2])), array.array("h", [1, 2]).tobytes()),
    ):
        for sent in (value, [value, value]):
            back = await callee.echo(sent)
            assert (back if sent is value else back[1]) == expected
            assert type(back if sent is value else back[0]) is bytes
    assert await callee.echo([data, data]) == [b"abcdef", b"abcdef"]


async def test_V7_a_buffer_is_copied_and_its_sender_keeps_its_own(callee):
    data = bytearray(b"abc")
    call = callee.echo(data)
    data[:] = b"xyz-longer"
    assert await call == b"abc"
    assert data == b"xyz-longer"


def cyclic_list():
    value = [1]
    value.append(value)
    return value, lambda back: back[1] is back


def cyclic_dict():
    value = {"n": 1}
    value["self"] = value
    return value, lambda back: back["self"] is back


def cyclic_tuple():
    value = ([], {})
    value[0].append(value)
    value[1]["t"] = value
    return value, lambda back: back[0][0] is back and back[1]["t"] is back


def cyclic_frozenset():
    error = ValueError("x")
    value = frozenset({(1, error)})
    error.holder = value
    return value, lambda back: next(iter(back))[1].holder is back


def cyclic_set():
    error = ValueError("x")
    value = {error}
    error.holder = [value]
    return value, lambda back: next(iter(back)).holder[0] is back


def cyclic_default_dict():
    value = collections.defaultdict(list)
    value["x"].append(value)
    return value, lambda back: back["x"][0] is back


def cyclic_error():
    error = ValueError([1], {})
    error.args[1]["error"] = error
    error.me = error
    return error, lambda back: back.args[1]["error"] is back and back.me is back


def error_of_itself():
    error = ValueError()
    error.args = (error, (error, "x"))
    return error, lambda back: back.args[0] is back and back.args[1][0] is back


def cyclic_causes():
    first, second = ValueError("1"), TypeError("2")
    first.__cause__, second.__cause__ = second, first
    return first, lambda back: back.__cause__.__cause__ is back


def cyclic_group():
    inner = ValueError("inner")
    group = ExceptionGroup("g", [inner])
    inner.group = group
    return group, lambda back: back.exceptions[0].group is back


CYCLES = [
    cyclic_list, cyclic_dict, cyclic_tuple, cyclic_frozenset, cyclic_set, cyclic_default_dict,
    cyclic_error, error_of_itself, cyclic_causes, cyclic_group,
]  # fmt: skip


@pytest.mark.parametrize("make", CYCLES)
async def test_V9_cycles_survive(callee, make):
    value, holds = make()
    assert holds(value)
    back = await callee.echo(value)
    assert back is not value
    assert type(back) is (dict if isinstance(value, dict) else type(value))
    assert holds(back)
    assert holds((await callee.echo({"deep": [value]}))["deep"][0])


SHARED = [
    [1], {"a": 1}, {1}, ValueError("x"), array.array("b", [1]), np.arange(2), ([1],),
    collections.Counter("a"), ExceptionGroup("g", [ValueError()]),
]  # fmt: skip


@pytest.mark.parametrize("value", SHARED, ids=lambda value: type(value).__name__)
async def test_V9_one_object_mentioned_twice_is_one_object_there(callee, value):
    back = await callee.echo({"a": value, "b": [value, (value,)]})
    assert back["a"] is back["b"][0] is back["b"][1][0]
    back = await callee.echo([value, 1, value])
    assert back[0] is back[2]


@pytest.mark.parametrize("value", SHARED, ids=lambda value: type(value).__name__)
async def test_V9_also_across_arguments_and_keyword_arguments(callee, value):
    first, second = await callee.echo(value, value)
    assert first is second
    args, kwargs = await callee.echo(value, [value], k=value, m={"x": value})
    assert args[0] is args[1][0] is kwargs["k"] is kwargs["m"]["x"]


async def test_V9_equal_objects_stay_apart(callee):
    one, other = await callee.echo([[1], [1]])
    assert one is not other
    back = await callee.echo([one := [1], one, [1]])
    assert back[0] is back[1]
    assert back[0] is not back[2]


async def test_V9_what_an_error_shares_with_its_neighbours_stays_shared(callee):
    shared = [1]
    error = ValueError(shared)
    error.data = {"shared": shared}
    back, outside = await callee.echo([error, shared])
    assert back.args[0] is back.data["shared"] is outside


async def test_V9_the_callee_sees_the_sharing_and_a_result_keeps_it(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def same(self, one, other):
                return one["x"] is other
            def make(self):
                data = {"x": 1}
                return [data, data]
    """)
    shared = []
    assert await env.CALLEE.same({"x": shared}, other=shared) is True
    first, second = await env.CALLEE.make()
    assert first is second


async def test_V9_sharing_survives_beside_promised_arguments(callee):
    shared = [1]
    shared.append(shared)
    promise = callee.echo({"p": 1})
    first, second, given = await callee.echo(shared, [shared], promise)
    assert first is second[0] is first[1]
    assert given == {"p": 1}


async def test_V9_sharing_survives_in_a_result_whose_awaitables_are_awaited(world):
    env = world.deploy("""
        from collections import OrderedDict
        class Default(WorkerEntrypoint):
            def make(self):
                async def later(value):
                    await sleep(1)
                    return value
                result = [OrderedDict(a=later([1]))]
                once = later("once")
                result += [result, once, (once, {1}), {later("key"): 2}]
                return result
    """)
    result = await env.CALLEE.make()
    assert result[1] is result
    assert result[0] == {"a": [1]}
    assert result[2:] == ["once", ("once", {1}), {"key": 2}]


WRAPS = [
    (1, lambda x: [x]), (1, lambda x: (x,)), (1, lambda x: {"a": x}), (1, lambda x: frozenset([x])),
    (1, lambda x: collections.OrderedDict(a=x)), (2, lambda x: [(x, 1)]),
    (2, lambda x: {"a": [x]}), (1, ValueError),
]  # fmt: skip


def nested(wrap, depth, inmost):
    for _ in range(depth):
        inmost = wrap(inmost)
    return inmost


def depth_of(value):
    """How many containers and exceptions stand inside one another, along the first members."""
    depth = 0
    while isinstance(value, list | tuple | dict | frozenset | BaseException):
        inside = value.args if isinstance(value, BaseException) else value
        inside = value.values() if isinstance(value, dict) else inside
        value = next(iter(inside), None)
        depth += 1
    return depth


@pytest.mark.parametrize(("adds", "wrap"), WRAPS)
@pytest.mark.parametrize("shared", [False, True])
async def test_V9_values_nest_two_hundred_deep(callee, adds, wrap, shared):
    value = nested(wrap, 200 // adds, 1)
    assert depth_of(value) == 200
    back = await callee.echo([value, value] if shared else value)
    assert depth_of(back[1] if shared else back) == 200


@pytest.mark.parametrize(("adds", "wrap"), WRAPS)
@pytest.mark.parametrize("shared", [False, True])
async def test_V9_the_limit_of_nesting_is_named_when_a_value_goes_over_it(
    callee, adds, wrap, shared
):
    for depth in (260, 5_000):
        value = nested(wrap, depth // adds, 1)
        error = await failure(callee.echo([value, value] if shared else value))
        assert isinstance(error, rpclab.DataCloneError)
        assert str(error).startswith("the value nests deeper than 256 containers")
        assert error.remote is False
    assert await callee.echo("still there") == "still there"


async def test_V9_the_limit_of_nesting_can_be_set(world):
    sandbox = rpclab.Sandbox(limits=rpclab.Limits(nesting=3))
    sandbox.deploy("callee", source="def echo(x, env, ctx): return x")
    env = sandbox.bind(CALLEE="callee")
    assert await env.CALLEE.echo([[[1]]]) == [[[1]]]
    with pytest.raises(rpclab.DataCloneError, match="deeper than 3 containers"):
        await env.CALLEE.echo([[[[1]]]])
    with pytest.raises(rpclab.DataCloneError, match="deeper than 3 containers"):
        await env.CALLEE.echo([shared := [], shared, [[[1]]]])
    sandbox.close()


async def test_V9_a_long_chain_through_shared_tuples_survives(callee):
    chain = [()]
    for _ in range(2_000):
        chain.append((chain[-1],))
    back = await callee.echo(chain)
    assert all(back[n][0] is back[n - 1] for n in range(1, len(back)))


COLLECTIONS = """
    class T(RpcTarget):
        def m(self):
            return "T.m"
    class Default(WorkerEntrypoint):
        def make(self):
            return {"f": lambda: "f", "list": [lambda: "l", T()], "tuple": (T(),),
                    "set": {T()}, "frozenset": frozenset([T()]), T(): "key",
                    "error": ValueError("x", T())}
        async def use(self, value):
            stubs = [value["f"], value["list"][0], next(iter(value["set"])), *value["tuple"],
                     value["error"].stub]
            called = [await stub() for stub in stubs]
            key = next(key for key in value if isinstance(key, RpcStub))
            return [*called, await key.m()]
"""


async def test_V13_functions_and_targets_anywhere_in_a_result_become_stubs(world):
    made = await world.deploy(COLLECTIONS).CALLEE.make()
    assert [await made["f"](), await made["list"][0]()] == ["f", "l"]
    targets = [
        made["list"][1], *made["tuple"], *made["set"], *made["frozenset"], made["error"].args[1],
        next(key for key in made if type(key) is not str),
    ]  # fmt: skip
    assert all(isinstance(target, rpclab.RpcStub) for target in targets)
    assert [await target.m() for target in targets] == ["T.m"] * 6


async def test_V13_functions_and_targets_anywhere_in_arguments_become_stubs(world):
    env = world.deploy(COLLECTIONS)

    class Mine(rpclab.RpcTarget):
        def m(self):
            return "mine"

    error = ValueError("x")
    error.stub = lambda: 5
    sent = {"f": lambda: 1, "list": [lambda: 2], "set": {lambda: 3}, "tuple": (lambda: 4,),
            "error": error, Mine(): "key"}  # fmt: skip
    assert await env.CALLEE.use(sent) == [1, 2, 3, 4, 5, "mine"]


def refused():
    """Values that are neither data nor targets, each with the advice."""
    target = "derive the class from rpclab.RpcTarget to send a stub of it, or send its data as a dict"
    yield from [
        (object(), target), (types.SimpleNamespace(a=1), target), (..., target),
        (Point(), "send dataclasses.asdict(value), or derive the class from rpclab.RpcTarget"),
        (Color.RED, "send value.value, or value.name"), (Color, "send a function that makes an instance"),
        (int, "send a function that makes an instance"), (math, "send the values in it that are needed"),
        ((x for x in ()), "send a list of what it yields"), (iter([]), "send list(value)"),
        (range(3), "send list(value)"), (collections.deque(), "send list(value)"),
        (1j, "send (value.real, value.imag)"), (types.MappingProxyType({}), "send dict(value)"),
        (fractions.Fraction(1, 3), "send (value.numerator, value.denominator)"),
        (pathlib.PurePath("x"), "send str(value)"), ({}.keys(), "send list(value)"),
        (re.match("a", "a"), "send value.groups(), or value.groupdict()"),
        (weakref.ref(Point()), target), (weakref.WeakSet(), target),
        (msgpack.ExtType(16, b"x"), "extension types belong to the protocol; send its parts"),
        (msgpack.ExtType(1, b"\xff" * 8), "extension types belong to the protocol; send its parts"),
        (msgpack.Timestamp(1), "send value.to_datetime()"),
    ]  # fmt: skip


PLACES = {
    "args[0]": lambda value: ((value,), {}),
    "args[1]": lambda value: ((1, value), {}),
    'args[0]["items"][3]': lambda value: (({"items": [0, 1, 2, value]},), {}),
    'kwargs["k"][0][2]': lambda value: ((1,), {"k": [(0, 1, value)]}),
    "args[0][5]": lambda value: (({5: value},), {}),
    "args[0] (a member)": lambda value: ((frozenset([value]),), {}),
    "args[0] (a key)[1]": lambda value: (({(1, value): 1},), {}),
    "args[1][0]": lambda value: (([shared := [], shared], [value]), {}),
}


@pytest.mark.parametrize(("value", "advice"), list(refused()), ids=lambda v: type(v).__name__)
async def test_V14_V15_any_other_value_is_refused_with_its_class_and_advice(callee, value, advice):
    error = await failure(callee.echo(value))
    assert isinstance(error, rpclab.DataCloneError)
    assert isinstance(error, TypeError)
    assert str(error) == (
        f'Could not serialize object of type "{type(value).__name__}".'
        " This type does not support serialization. It stands at args[0]."
    )
    assert error.__notes__ == [advice]
    assert error.remote is False


@pytest.mark.parametrize("value", [object(), Level.LOW, msgpack.ExtType(1, b"\xff" * 8)])
@pytest.mark.parametrize("path", PLACES)
async def test_V14_V22_the_error_names_the_path_in_the_arguments(callee, path, value):
    args, kwargs = PLACES[path](value)
    error = await failure(callee.echo(*args, **kwargs))
    assert isinstance(error, rpclab.DataCloneError)
    assert error.path == path
    assert str(error).endswith(f"It stands at {path}.")
    assert await callee.echo("still there") == "still there"


async def test_V14_a_path_through_a_cycle_is_found(callee):
    value = {"a": []}
    value["a"] += [value, (1, object())]
    error = await failure(callee.echo(value))
    assert error.path == 'args[0]["a"][1][1]'


RESULTS = """
    class P:
        def m(self):
            pass
    class Default(WorkerEntrypoint):
        def make(self):
            return P()
        def nested(self):
            return {"list": [1, P()]}
        def anonymous(self):
            return type("", (), {})()
        def generator(self):
            return (n for n in range(3))
        async def agenerator(self):
            async def f():
                yield 1
            return f()
"""


async def test_V14_V15_what_a_result_cannot_hold_is_refused_with_its_path(world):
    env = world.deploy(RESULTS)
    for call, name, path in (
        (env.CALLEE.make(), "P", "result"),
        (env.CALLEE.nested(), "P", 'result["list"][1]'),
        (env.CALLEE.anonymous(), "", "result"),
        (env.CALLEE.generator(), "generator", "result"),
        (env.CALLEE.agenerator(), "async_generator", "result"),
    ):
        error = await failure(call)
        assert isinstance(error, rpclab.DataCloneError)
        assert str(error) == (
            f'Could not serialize object of type "{name}". This type does not support'
            f" serialization. It stands at {path}."
        )
        assert (error.path, error.remote) == (path, True)


async def test_V15_an_awaitable_is_refused_as_an_argument(callee):
    async def work():
        return 1

    coroutine = work()
    for value in (coroutine, asyncio.get_running_loop().create_future()):
        error = await failure(callee.echo([value]))
        assert isinstance(error, rpclab.DataCloneError)
        assert (error.path, error.__notes__) == ("args[0][0]", ["await it first"])
    coroutine.close()


async def test_V16_a_module_is_refused_like_any_other_value(callee):
    error = await failure(callee.echo(math))
    assert 'object of type "module"' in str(error)


PROMISES = """
    class T(RpcTarget):
        def m(self):
            return "T.m"
    class Default(WorkerEntrypoint):
        def num(self):
            return 20
        def obj(self):
            return {"a": [1]}
        def target(self):
            return T()
        async def later(self, x):
            await sleep(10)
            return x
        async def fail(self):
            await sleep(10)
            raise ValueError("no value")
        @property
        def seven(self):
            return 7
        async def use(self, *args, **kwargs):
            log("use runs")
            args = [await arg.m() if isinstance(arg, RpcStub) else arg for arg in args]
            return [*args, kwargs] if kwargs else args
"""


async def test_V19_promises_and_properties_arrive_resolved(world):
    c = world.deploy(PROMISES).CALLEE
    used = c.use(c.num(), c.obj(), c.target(), [c.later(1), {"n": (c.later(2),)}], c.seven, k=c.num())
    assert await used == [20, {"a": [1]}, "T.m", [1, {"n": (2,)}], 7, {"k": 20}]
    settled = c.obj()
    await settled
    assert await c.use(settled, [settled]) == [{"a": [1]}, [{"a": [1]}]]


async def test_V19_a_rejected_promise_rejects_the_call_and_the_method_does_not_run(world):
    c = world.deploy(PROMISES).CALLEE
    failed = c.fail()
    for call in (c.use(failed), c.use(1, [failed])):
        error = await failure(call)
        assert (type(error), str(error)) == (ValueError, "no value")
    error = await failure(c.use(failed))
    assert (type(error), str(error)) == (ValueError, "no value")
    assert world.log == []


async def test_V19_a_property_of_a_promise_is_read_when_the_call_is_made(world):
    c = world.deploy(PROMISES).CALLEE
    assert await c.use(c.obj()["a"]) == [[1]]


def an_error(kind=ValueError, *args, **attributes):
    error = kind(*args)
    error.__dict__.update(attributes)
    return error


BUILTIN = [
    ValueError("m"), TypeError("msg"), KeyError("k"), ZeroDivisionError(), RuntimeError("a", 1, None),
    Exception(), OSError(2, "No such file", "name.txt"), FileNotFoundError(2, "gone", "a", None, "b"),
    UnicodeDecodeError("utf-8", b"x\xff", 1, 2, "bad"), StopIteration(5), SystemExit(3),
    KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError("c"), TimeoutError("slow"),
    SyntaxError("bad", ("f.py", 1, 2, "text", 1, 3)), Warning("w"), UserWarning("u"),
    rpclab.DisposedError("d"), rpclab.RpcError("r"),
]  # fmt: skip


@pytest.mark.parametrize("error", BUILTIN, ids=lambda error: type(error).__name__)
async def test_V20_a_builtin_error_sent_as_a_value_keeps_class_and_message(callee, error):
    for back in (await callee.echo(error), (await callee.echo([error]))[0]):
        assert type(back) is type(error)
        assert back.args == error.args
        assert str(back) == str(error)
        assert getattr(back, "filename", None) == getattr(error, "filename", None)
        assert back.__traceback__ is None


async def test_V20_properties_cause_and_notes_survive(callee):
    error = an_error(ValueError, "outer", code="E_CODE", data={"deep": [1]})
    error.__cause__ = TypeError("inner")
    error.add_note("a note")
    back = await callee.echo(error)
    assert (back.code, back.data) == ("E_CODE", {"deep": [1]})
    assert (type(back.__cause__), str(back.__cause__)) == (TypeError, "inner")
    assert back.__notes__ == ["a note"]
    assert not hasattr(await callee.echo(ValueError()), "remote")


async def test_V20_fields_of_import_and_name_errors_survive(callee):
    error = ImportError("no", name="n", path="p")
    back = await callee.echo([error])
    assert (back[0].name, back[0].path) == ("n", "p")
    with pytest.raises(NameError) as caught:
        missing_name  # noqa: B018, F821 - it is missing
    assert (await callee.echo(caught.value)).name == "missing_name"


async def test_V20_an_error_of_the_application_arrives_as_its_nearest_builtin_class(callee):
    class Mine(KeyError):
        def __init__(self, key, extra):
            super().__init__(key)
            self.extra = extra

    class Group(ExceptionGroup):
        def derive(self, errors):
            return Group(self.message, errors)

    back = await callee.echo(Mine("k", [1]))
    assert (type(back), back.args, back.extra) == (KeyError, ("k",), [1])
    back = await callee.echo(Group("g", [Mine("k", 1), ExceptionGroup("inner", [OSError(1, "x")])]))
    assert (type(back), back.message) == (ExceptionGroup, "g")
    assert [type(error) for error in back.exceptions] == [KeyError, ExceptionGroup]
    assert back.exceptions[1].exceptions[0].errno == 1


async def test_V20_where_one_property_cannot_be_sent_all_are_dropped(callee):
    error = an_error(ValueError, "m", good=1, bad=object())
    for back in (await callee.echo(error), (await callee.echo([error, error]))[0]):
        assert (str(back), vars(back)) == ("m", {})
    back = await callee.echo(ValueError("m", object()))
    assert len(back.args) == 1
    assert back.args[0].startswith("('m', <object")
    deep = an_error(ValueError, "m", deep={"x": [TypeError("t"), {"y": object()}]})
    assert vars(await callee.echo(deep)) == {}
    inner = an_error(ValueError, "outer", inner=an_error(TypeError, "inner", bad=object()))
    back = await callee.echo(inner)
    assert (str(back.inner), vars(back.inner)) == ("inner", {})


async def test_V20_a_long_chain_of_causes_is_cut_and_the_error_arrives(callee):
    first = error = ValueError(0)
    for number in range(1, 500):
        error.__cause__ = ValueError(number)
        error = error.__cause__
    back, length = await callee.echo(first), 0
    while back is not None:
        assert back.args == (length,)
        back, length = back.__cause__, length + 1
    assert length == 33


async def test_V21_arguments_are_copied_when_the_call_is_made(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def read(self, o, *, k):
                await sleep(10)
                return [o["v"], k]
    """)
    o, k = {"v": [1]}, [1]
    call = env.CALLEE.read(o, k=k)
    o["v"].append(2)
    o["v"] = 3
    k.clear()
    assert await call == [[1], [1]]


async def test_V21_a_result_is_copied_when_the_method_has_returned(world):
    env = world.deploy("""
        kept = {"v": [1]}
        class Default(WorkerEntrypoint):
            def make(self):
                return kept
            def change(self):
                kept["v"].append(2)
    """)
    first = await env.CALLEE.make()
    first["v"].append("mine")
    await env.CALLEE.change()
    assert first == {"v": [1, "mine"]}
    assert await env.CALLEE.make() == {"v": [1, 2]}


async def test_V21_two_awaits_of_a_call_give_the_same_object(callee):
    call = callee.echo([1])
    assert await call is await call


async def test_V22_what_cannot_be_sent_rejects_the_promise_and_the_method_does_not_run(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self, *args):
                log("ran")
                return 1
    """)
    promise = env.CALLEE.m(object())
    later = env.CALLEE.m()
    assert isinstance(promise, rpclab.RpcPromise)
    error = await failure(promise)
    assert isinstance(error, rpclab.DataCloneError)
    assert error.remote is False
    assert await later == 1
    assert world.log == ["ran"]


async def test_V22_what_was_introduced_by_it_is_withdrawn(world, callee):
    before = world.sandbox.tables()
    disposed = []

    class Mine(rpclab.RpcTarget):
        def dispose(self):
            disposed.append(1)

    error = await failure(callee.echo([Mine(), lambda: 1, object(), Mine()]))
    assert error.path == "args[0][2]"
    await asyncio.sleep(1)
    assert world.sandbox.tables() == before
    assert disposed == []


async def test_V22_what_a_values_own_code_raises_rejects_that_promise_alone(callee):
    view = memoryview(b"abc")
    view.release()
    bad, good = callee.echo(view), callee.echo(1)
    assert isinstance(await failure(bad), ValueError)
    assert await good == 1


async def test_V22_a_value_that_cannot_be_made_at_the_other_side_rejects_that_call_alone(
    callee, monkeypatch
):
    def unknown(key):
        raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")

    when = dt.datetime(2024, 1, 1, tzinfo=KOLKATA)
    returned = callee.keep(when)
    await returned
    monkeypatch.setattr("rpclab.codecs.values._read_zone", unknown)
    for call in (callee.echo({"at": [when]}), callee.echo(1, k=[s := [], s, when])):
        error = await failure(call)
        assert isinstance(error, rpclab.DataCloneError)
        assert str(error) == "Unable to deserialize cloned data."
        assert "No time zone found with key" in error.__notes__[0]
        assert error.remote is True
    monkeypatch.undo()
    assert await callee.echo(when) == when


async def test_V22_a_result_that_cannot_be_made_here_rejects_that_call_alone(world, monkeypatch):
    env = world.deploy("""
        from datetime import datetime, timezone, timedelta
        class Default(WorkerEntrypoint):
            def make(self):
                return [datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1)))]
    """)

    def unknown(parts):
        raise ValueError("not here")

    monkeypatch.setattr("rpclab.codecs.values._read_zone", unknown)
    error = await failure(env.CALLEE.make())
    assert str(error) == "Unable to deserialize cloned data."
    assert error.remote is False
    monkeypatch.undo()
    assert len(await env.CALLEE.make()) == 1


LIMIT = (
    "Serialized RPC arguments or return values are limited to {}, but the size of this value was:"
    " {} bytes. The largest member is {}."
)
MIB = 2**20


async def test_V23_a_message_over_32_mib_is_refused_with_its_size(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def len(self, x):
                return len(x)
            def make(self, n):
                return "x" * n
    """)
    assert await env.CALLEE.len("x" * 31 * MIB) == 31 * MIB
    assert len(await env.CALLEE.make(31 * MIB)) == 31 * MIB
    for data, kind in (("x" * 33 * MIB, "str"), (b"x" * 33 * MIB, "bytes")):
        error = await failure(env.CALLEE.len(data))
        assert isinstance(error, rpclab.MessageTooLargeError)
        size = int(re.search(r"was: (\d+) bytes", str(error))[1])
        assert 0 < size - 33 * MIB < 100
        assert str(error) == LIMIT.format("32MiB", size, f"args[0] ({kind}, {33 * MIB + 5:,} bytes)")
        assert error.remote is False
    error = await failure(env.CALLEE.make(33 * MIB))
    assert str(error).startswith(LIMIT[:70].format("32MiB"))
    assert error.remote is True
    assert await env.CALLEE.make(1) == "x"


def heavy_cycle():
    value = {"self": None, "data": "x" * 5000}
    value["self"] = value
    return value


BIG = "x" * 3000
HEAVY = [
    ((BIG,), {}, "args[0] (str, 3,003 bytes)"),
    ((1, {"a": [1, BIG]}), {}, 'args[1]["a"][1] (str, 3,003 bytes)'),
    ((("a", (BIG,)),), {}, "args[0][1][0] (str, 3,003 bytes)"),
    (([{"s": {BIG}}],), {}, 'args[0][0]["s"] (a member) (str, 3,003 bytes)'),
    (({BIG: 1},), {}, "args[0] (a key) (str, 3,003 bytes)"),
    ((1,), {"k": [BIG]}, 'kwargs["k"][0] (str, 3,003 bytes)'),
    (([list(range(3000)), 1],), {}, "args[0][0] (list, 8,619 bytes)"),
    ((["\ud800" * 3000],), {}, "args[0][0] (str, 9,003 bytes)"),
    (([np.zeros(1000)],), {}, "args[0][0] (ndarray, 8,003 bytes)"),
    (([array.array("d", [0] * 500)],), {}, "args[0][0] (array, 4,003 bytes)"),
    ((heavy_cycle(),), {}, 'args[0]["data"] (str, 5,003 bytes)'),
    (([1, 2**40_000],), {}, "args[0][1] (int, 5,003 bytes)"),
    ((bytearray(4000),), {}, "args[0] (bytearray, 4,003 bytes)"),
]


@pytest.mark.parametrize(("args", "kwargs", "largest"), HEAVY, ids=[item[2] for item in HEAVY])
async def test_V23_the_error_names_the_limit_and_the_largest_member(args, kwargs, largest):
    async with rpclab.Sandbox(limits=rpclab.Limits(message_bytes=2000)) as sandbox:
        sandbox.deploy("callee", source="def echo(x, env, ctx): return x")
        env = sandbox.bind(CALLEE="callee")
        error = await failure(env.CALLEE.echo(*args, **kwargs))
        assert isinstance(error, rpclab.MessageTooLargeError)
        assert "are limited to 2000 bytes, but the size of this value was: " in str(error)
        assert str(error).endswith(f"The largest member is {largest}.")
        assert await env.CALLEE.echo(1) == 1
