"""Area V: what cannot be sent, in which words, and what else goes on."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import io
import math
import pathlib
import re
import types
import uuid
import weakref
import zoneinfo

import msgpack
import numpy as np
import pytest
from support.world import failure

import rpclab
from rpclab.codecs.values import ENCODERS

KOLKATA = zoneinfo.ZoneInfo("Asia/Kolkata")


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
    (
        subclass(dt.datetime, 2024, 1, 1),
        LOSES.format("datetime", "datetime.fromisoformat(value.isoformat())"),
    ),
    (subclass(dt.time, 1), LOSES.format("time", "time.fromisoformat(value.isoformat())")),
    (
        subclass(dt.timedelta, 1),
        LOSES.format("timedelta", "timedelta(value.days, value.seconds, value.microseconds)"),
    ),
    (subclass(uuid.UUID, "0" * 32), LOSES.format("UUID", "UUID(int=value.int)")),
    (subclass(array.array, "b"), LOSES.format("array", "array(value.typecode, value)")),
    (subclass(collections.OrderedDict), LOSES.format("dict", "dict(value)")),
]


def test_each_type_that_is_sent_has_a_subclass_here():
    bases = {base for value, _ in SUBCLASSES for base in type(value).__mro__}
    assert ENCODERS.keys() - bases == {re.Pattern}  # which has no subclasses


@pytest.mark.parametrize(("value", "advice"), SUBCLASSES, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("shared", [False, True])
async def test_V4_V14_a_subclass_is_refused_with_the_conversion_named(
    callee, value, advice, shared
):
    twice = []
    sent = {"k": [0, value]} | ({"s": [twice, twice]} if shared else {})
    error = await failure(callee.echo(sent))
    assert isinstance(error, rpclab.DataCloneError)
    assert str(error) == (
        f'Could not serialize object of type "{type(value).__name__}". This type does not support'
        ' serialization. It stands at args[0]["k"][1].'
    )
    assert error.__notes__ == [advice]


def refused():
    """Values that are neither data nor targets, each with the advice."""
    target = (
        "derive the class from rpclab.RpcTarget to send a stub of it, or send its data as a dict"
    )
    make = "send a function that makes an instance"
    yield from [
        (object(), target), (types.SimpleNamespace(a=1), target), (..., target),
        (Point(), "send dataclasses.asdict(value), or derive the class from rpclab.RpcTarget"),
        (Color.RED, "send value.value, or value.name"), (Color, make), (int, make),
        (math, "send the values in it that are needed"),
        ((x for x in ()), "wrap it in ReadableStream, or send a list of what it yields"),
        (iter([]), "send list(value)"),
        (io.BytesIO(), "wrap it in ReadableStream, or send what it reads"),
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
    "args[1][0][0][0]": lambda value: (([shared := [], shared], [[[value]]]), {}),
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
"""


async def test_V14_V15_what_a_result_cannot_hold_is_refused_with_its_path(world):
    env = world.deploy(RESULTS)
    for call, name, path in (
        (env.CALLEE.make(), "P", "result"),
        (env.CALLEE.nested(), "P", 'result["list"][1]'),
        (env.CALLEE.anonymous(), "", "result"),
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
    assert disposed == [1, 1]


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
    returned = callee.echo(when)
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
        largest = f"args[0] ({kind}, {33 * MIB + 5:,} bytes)"
        assert str(error) == LIMIT.format("32MiB", size, largest)
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
