"""Any value that can be sent, with cycles and shared references, comes back as it was."""

from __future__ import annotations

import array
import asyncio
import collections
import datetime as dt
import math
import re
import uuid
import zoneinfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.virtual_time import VirtualTimeLoop

import rpclab

ZONES = st.sampled_from([
    None, dt.UTC, dt.timezone(dt.timedelta(minutes=-90)), dt.timezone(dt.timedelta(0), "GMT"),
    zoneinfo.ZoneInfo("Europe/Berlin"),
])  # fmt: skip
TEXT = st.text(st.characters(), max_size=5)  # lone surrogates too
HASHABLE_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**200), 2**200),
    st.floats(allow_nan=False), TEXT, st.binary(max_size=5),
    st.datetimes(timezones=ZONES), st.times(timezones=st.sampled_from([None, dt.UTC])),
    st.dates(), st.timedeltas(), st.decimals(allow_nan=False), st.uuids(),
    st.sampled_from([re.compile("a+", re.IGNORECASE), re.compile(b"x")]),
)  # fmt: skip
LEAVES = st.one_of(
    HASHABLE_LEAVES, st.just(float("nan")), st.builds(bytearray, st.binary(max_size=3))
)
KINDS = [
    "list", "dict", "defaultdict", "set", "tuple", "frozenset", "error", "group", "array", "numpy",
]  # fmt: skip
HASHABLE = (tuple, frozenset, BaseException)


def hashable(value):
    try:
        hash(value)
    except TypeError:
        return False
    return not isinstance(value, float) or not math.isnan(value)


@st.composite
def graphs(draw):
    """Objects that refer to each other in every way Python allows; the first is the value."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8))
    made = []
    for number, kind in enumerate(kinds):
        # What cannot change refers to what is there; what can is filled below, with anything.
        earlier = st.sampled_from(made) if made else LEAVES
        parts = draw(st.lists(st.one_of(LEAVES, earlier), max_size=3))
        made.append(start(kind, number, parts))
    anything = st.one_of(LEAVES, st.sampled_from(made))
    keys = [value for value in made if isinstance(value, HASHABLE) and hashable(value)]
    key = st.one_of(HASHABLE_LEAVES, st.sampled_from(keys)) if keys else HASHABLE_LEAVES
    for value in made:
        if isinstance(value, list):
            value.extend(draw(st.lists(anything, max_size=3)))
        elif isinstance(value, dict):
            value.update(draw(st.lists(st.tuples(key, anything), max_size=3)))
        elif isinstance(value, set):
            value.update(draw(st.lists(key, max_size=3)))
        elif isinstance(value, BaseException):
            vars(value).update(draw(st.dictionaries(st.sampled_from("xyz"), anything, max_size=2)))
    return draw(st.sampled_from(made))


def start(kind, number, parts):
    """Make an object of a kind; errors have a number by which to tell them apart."""
    if kind in ("tuple", "frozenset"):
        return tuple(parts) if kind == "tuple" else frozenset(filter(hashable, parts))
    if kind in ("error", "group"):
        inner = [part for part in parts if isinstance(part, Exception)] or [ValueError(-1)]
        error = ExceptionGroup(f"{number}", inner) if kind == "group" else KeyError(number, *parts)
        error.__cause__ = inner[0]
        return error
    if kind == "array":
        return array.array("d", range(number))
    if kind == "numpy":
        return np.arange(number)
    if kind == "defaultdict":
        return collections.defaultdict(list)
    return {"list": list, "dict": dict, "set": set}[kind]()


ARRIVES_AS = {bytearray: bytes, collections.defaultdict: dict}
WITH_IDENTITY = (list, dict, set, BaseException, array.array, np.ndarray)


def assert_same(sent, back):
    """Compare two graphs, node by node: types, contents, and who is who."""
    partners, partners_back = {}, {}
    todo = [(sent, back)]
    while todo:
        one, other = todo.pop()
        assert type(other) is ARRIVES_AS.get(type(one), type(one))
        if isinstance(one, WITH_IDENTITY):
            met = id(one) in partners
            assert partners.setdefault(id(one), other) is other
            assert partners_back.setdefault(id(other), one) is one
            assert one is not other
            if met:
                continue
        todo += list(zip(*map(members, (one, other)), strict=True))
        if not isinstance(one, list | dict | set | tuple | frozenset | BaseException):
            assert repr(other) == repr(bytes(one) if isinstance(one, bytearray) else one)


def members(value):
    """What stands in a value, in an order that does not depend on where it is."""
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if isinstance(value, set | frozenset):
        return sorted(value, key=fingerprint)
    if isinstance(value, BaseExceptionGroup):
        named = vars(value).items()
        return [value.message, value.__cause__, *value.exceptions, *(v for _, v in sorted(named))]
    if isinstance(value, BaseException):
        named = vars(value).items()
        return [*value.args, value.__cause__, *(v for _, v in sorted(named))]
    return list(value) if isinstance(value, list | tuple) else []


def fingerprint(value):
    """A text of something hashable, the same here and there."""
    if isinstance(value, BaseException):
        return f"{type(value).__name__} {value.args[0]}"
    if isinstance(value, tuple):
        return f"({', '.join(map(fingerprint, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(fingerprint, value)))}}}"
    return f"{type(value).__name__} {value!r}"


async def echo(*args, **kwargs):
    async with rpclab.Sandbox() as sandbox:
        source = """
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def echo(self, *args, **kwargs):
        return args, kwargs
"""
        sandbox.deploy("callee", source=source)
        return await sandbox.bind(CALLEE="callee").CALLEE.echo(*args, **kwargs)


@pytest.mark.filterwarnings("error")
@settings(max_examples=300)
@given(graphs(), LEAVES)
def test_V1_V4_V9_any_graph_of_values_comes_back_with_the_same_types_and_sharing(value, leaf):
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        sent = ((value, leaf, [value]), {"k": value, "l": (leaf, value)})
        assert_same(sent, runner.run(echo(*sent[0], **sent[1])))


@settings(max_examples=100)
@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_V1_V4_any_tree_of_values_comes_back_as_it_was(tree):
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert_same(((tree,), {}), runner.run(echo(tree)))


def test_V9_the_comparison_of_graphs_can_fail():
    shared = [1]
    for one, other in (
        ([shared, shared], [[1], [1]]),
        ([[1], [1]], [shared, shared]),
        ({"a": uuid.UUID(int=1)}, {"a": uuid.UUID(int=2)}),
        ([1], [True]),
        ((0.0,), (-0.0,)),
        ({1, 2}, {1, 3}),
    ):
        with pytest.raises((AssertionError, ValueError)):
            assert_same(one, other)
