"""Cycles and objects mentioned twice: whether a message has any (rule V9).

Floor: codecs. Most values are trees, and C packs those; `is_shared` looks for the others without a
Python loop over the data, level by level. `graphs` sends them. Bytes that stand twice need not be
sent once for their own sake; but a value may name some of them thousands of times.
"""

from __future__ import annotations

import array
import gc
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgpack

from rpclab.codecs.records import RECORDS
from rpclab.codecs.refusals import too_deep, unsendable
from rpclab.core.containers import CONTAINER_TYPES
from rpclab.core.messages import LARGE, SCALARS

# msgpack packs these two without asking; as values of a user they are refused.
FORBIDDEN: frozenset[type] = frozenset({msgpack.ExtType, msgpack.Timestamp})

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a `class` statement, mostly


def is_ndarray(kind: type) -> bool:
    """Whether a type is NumPy's array, which only is there if somebody else imported it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and kind is numpy.ndarray


def keeps_identity(kind: type) -> bool:
    """Whether a type that holds no values, as far as C sees, keeps its identity in a message."""
    if kind is array.array or kind in RECORDS:
        return True
    return issubclass(kind, BaseException) or is_ndarray(kind)


_watched: set[type] = {*CONTAINER_TYPES, *FORBIDDEN, memoryview, array.array}
_judged: set[type] = {*_watched, *SCALARS}
"""The types that were judged, and those of them that `is_shared` must look at."""


_LEAVES = SCALARS - {bytes}
"""Values of these types hold no others, and need no further look."""

_QUICKLY_TOLD: frozenset[type] = _LEAVES | {list, set, frozenset}
"""Of these, the garbage collector follows the containers, always, and no leaf: to ask it takes
half as long as to look at types (benchmarks `dict1k`, `rows`)."""


def _judge(kinds: set[type]) -> set[type]:
    """Which of these types must be looked at, though they were not met before."""
    # Containers may have been added to since: a module of its own knows some.
    found = {kind for kind in kinds if kind in CONTAINER_TYPES or keeps_identity(kind)}
    # A user's class is judged anew each time: to remember it would keep it alive.
    known = {kind for kind in kinds if not kind.__flags__ & _HEAP_TYPE}
    _judged.update(known)
    _watched.update(known & found)
    return found


def ignore(kinds: Iterable[type]) -> None:
    """Let `is_shared` know types that it need not look at."""
    _judged.update(kinds)


_ONE_OWNER = max(map(sys.getrefcount, [[]])) + 1  # the count with an owner, and a list of all
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    _ONE_OWNER = 0  # the count is no exact one there


NAMED = 32
"""So many bytes are sent once where values are numbered; fewer take hardly more than a number."""


def is_shared(values: list[Any], nesting: int, long: list[bytes]) -> bool:
    """Whether an object stands twice in `values`, or inside itself, or is an exception.

    Those are sent by number (see `graphs`).

    Args:
        values: what goes into one message.
        nesting: how many containers may stand inside one another.
        long: takes the bytes that are long enough to be sent once, as often as they stand there.

    Raises:
        DataCloneError: they nest deeper, or hold a value that only looks like one of ours.
    """
    seen: set[int] = set()
    depth = 0
    inside = values
    if len(values) == 1 and nesting and type(values[0]) in CONTAINER_TYPES:
        # As below, for what is most common.
        seen.add(id(values[0]))
        depth = 1
        inside = gc.get_referents(values[0])
    while True:
        kinds = {*map(type, inside)}
        if kinds <= _LEAVES:
            return False
        level, plain = inside, True
        if kinds <= _QUICKLY_TOLD:
            level = [*filter(gc.is_tracked, inside)]
        else:
            if bytes in kinds:
                long += [value for value in inside if type(value) is bytes and len(value) >= NAMED]
            watched = kinds & _watched
            if not kinds <= _judged:
                watched |= _judge(kinds - _judged)
            if not watched:
                return False
            if len(watched) < len(kinds):
                level = [value for value in inside if type(value) in watched]
            plain = watched <= CONTAINER_TYPES
            if not plain and _needs_numbers(watched, level):
                return True
        # What stands twice has two owners, beside the lists here, and is noted at both places. Only
        # at the top the list is the owner, which may be another's. A sum tells whether one has
        # more than it must, in half the time that the highest takes.
        owned = _ONE_OWNER + (level is not inside)
        if not depth or sum(map(sys.getrefcount, level)) > owned * len(level):
            count = len(seen) + len(level)
            seen.update(map(id, level))
            if len(seen) != count:
                return True
        depth += 1
        if depth > nesting:
            raise too_deep(nesting)
        if not plain:
            level = [value for value in level if type(value) in CONTAINER_TYPES]
        inside = gc.get_referents(*level)


class Layout(NamedTuple):
    """How the bytes of a message are sent that is a tree but for them.

    Attributes:
        beside: those that ride beside the frame, each once.
        numbered: whether others stand in it so often that the whole is sent by number.
    """

    beside: list[bytes]
    numbered: bool


_INSIDE = Layout([], numbered=False)


def layout(long: list[bytes], values: list[Any], most: int) -> Layout:
    """Choose how the bytes in a message are sent.

    Args:
        long: those of `NAMED` bytes and more, as often as they stand in it.
        values: what goes into the message; a tree but for those.
        most: how many bytes a message may have. What repeats more is sent once at any price, for it
            would be refused, and written down before.
    """
    total = sum(map(len, long))
    if total < LARGE:
        return _INSIDE
    once = {id(data): data for data in long}
    large = [data for data in once.values() if len(data) >= LARGE]
    repeated = total - sum(map(len, once.values()))
    if repeated:
        of_large = sum(len(data) for data in long if len(data) >= LARGE)
        others = repeated - (of_large - sum(map(len, large)))
        if others > most or (others >= LARGE and _is_worth(others, values, _SAVED_A_VALUE)):
            return Layout([], numbered=True)
    if large and (repeated > most or outweighs(large, values)):
        return Layout(large, numbered=False)
    return _INSIDE


def outweighs(large: list[bytes], values: list[Any]) -> bool:
    """Whether large bytes cost more to copy than all the containers they may stand in.

    To let them ride beside the frame, those containers are copied, which costs as much for each
    value inside as to copy so many bytes.

    Args:
        large: the bytes.
        values: what goes into the message; a tree.
    """
    return _is_worth(sum(map(len, large)), values, _BYTES_A_VALUE)


def _is_worth(size: int, values: list[Any], each: int) -> bool:
    """Whether these are so many bytes for each value in all the containers here."""
    most = size // each
    inside = values
    while inside:
        most -= len(inside)
        if most < 0:
            return False
        inside = gc.get_referents(*[value for value in inside if type(value) in CONTAINER_TYPES])
    return True


_BYTES_A_VALUE = 1024
_SAVED_A_VALUE = 64  # bytes that need not be sent: to number a value takes longer than a copy


def _needs_numbers(kinds: set[type], level: list[Any]) -> bool:
    """Whether something here is not to be left to C.

    Raises:
        DataCloneError: C would pack it, and must not.
    """
    if not kinds.isdisjoint(FORBIDDEN):
        raise unsendable(next(value for value in level if type(value) in FORBIDDEN))
    if memoryview in kinds and not all(v.c_contiguous for v in level if type(v) is memoryview):
        return True
    return any(issubclass(kind, BaseException) for kind in kinds)
