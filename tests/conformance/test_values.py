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
    kept = []
    class Default(WorkerEntrypoint):
        def echo(self, *args, **kwargs):
            if kwargs:
                return [list(args), kwargs]
            return args[0] if len(args) == 1 else list(args)
        def kind(self, value):
            return type(value).__name__
        def keep(self, value):
            kept.append(value)
        def run(self, **names):
            return eval(code.pop(), globals() | names)
    code = []
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


async def test_V9_the_callee_sees_the_sharing_and_a_result_keeps_it(callee, world):
    world.sandbox.worker("callee").module.code[:] = ["a['x'] is b", "[d := {}, d, (d,)]"]
    first, second, third = await callee.run()
    assert first is second is third[0]
    shared = []
    assert await callee.run(a={"x": shared}, b=shared) is True


async def test_V9_sharing_survives_beside_promised_arguments(callee):
    shared = [1]
    shared.append(shared)
    promise = callee.echo({"p": 1})
    first, second, given = await callee.echo(shared, [shared], promise)
    assert first is second[0] is first[1]
    assert given == {"p": 1}


async def test_V9_sharing_survives_in_a_result_whose_awaitables_are_awaited(callee, world):
    source = (
        "(lambda s: s.extend([s, OrderedDict(c=work(s)), task, (task,)]) or s)([])"
        " if globals().update(task=work('x')) is None else 0"
    )
    module = world.sandbox.worker("callee").module
    module.OrderedDict = collections.OrderedDict

    async def work(value):
        return value

    module.work = work
    module.code[:] = [source]
    back = await callee.run()
    assert back[0] is back
    assert back[1]["c"] is not None
    assert back[2:] == ["x", ("x",)]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: frozenset([x]),
        lambda x: collections.OrderedDict(a=x), lambda x: [(x, 1)], lambda x: ValueError([x]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shared", [False, True])
async def test_V9_values_nest_two_hundred_deep(callee, wrap, shared):
    sizes = {1: 1, 2: 2}
    value = seed = frozenset()
    per_turn = sizes[2] if type(wrap(1)) is not type(next(iter(wrap(1)), 1)) else 1
    for _ in range(199 // 2 if isinstance(wrap(seed), BaseException) else 199 // per_turn):
        value = wrap(value)
    sent = (value, seed, [seed, seed]) if shared else value
    back = await callee.echo(sent)
    assert (len(str(back)), type(back)) == (len(str(sent)), type(sent))
