"""Area V: which values can be sent, and what arrives."""

from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import math
import pathlib
import re
import sys
import uuid
import zoneinfo
from importlib import resources

import numpy as np
import pytest
from support.world import failure

import rpclab


async def same(callee, value):
    """Send a value there and back; the same type must come out, and an equal value."""
    back = await callee.echo(value)
    assert type(back) is type(value)
    assert back == value
    assert _shown(back) == _shown(value)
    return back


def _shown(value):
    """The `repr` of a value, but sets are in no order: another process may have another one."""
    if isinstance(value, set | frozenset):
        return type(value).__name__, sorted(map(repr, map(_shown, value)))
    if isinstance(value, list | tuple):
        return type(value).__name__, [_shown(member) for member in value]
    if isinstance(value, dict):
        return type(value).__name__, [(repr(key), _shown(each)) for key, each in value.items()]
    return repr(value)


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
    for folder in (*zoneinfo.TZPATH, resources.files("tzdata") / "zoneinfo"):
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


@pytest.mark.parametrize("code", "bBhHiIlLqQfdu" if sys.version_info < (3, 13) else "bBhHiIlLqQfdw")
async def test_V5_every_kind_of_array_survives(callee, code):
    for items in ("\ufeffa\ud800\0" if code in "uw" else [1, 2, 100], []):
        sent = array.array(code, items)
        back = await callee.echo(sent)
        assert (type(back), back.typecode, back) == (array.array, code, sent)


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
