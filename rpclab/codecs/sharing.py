"""Cycles and objects mentioned twice: whether a message has any (rule V9).

Floor: codecs. Most values are trees, and C packs those; `is_shared` looks for the others without a
Python loop over the data, level by level. `graphs` sends them.
"""

from __future__ import annotations

import array
import gc
import sys
from collections.abc import Iterable
from itertools import compress
from typing import Any

import msgpack

from rpclab.codecs.records import RECORDS
from rpclab.codecs.refusals import too_deep, unsendable
from rpclab.core.containers import CONTAINER_TYPES

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


class _Watched(dict[type, bool]):
    """Which types `is_shared` must look at; a type is judged when it is first met."""

    def __missing__(self, kind: type) -> bool:
        watched = kind in CONTAINER_TYPES or keeps_identity(kind)
        # A user's class is judged anew each time: to remember it would keep it alive.
        if not kind.__flags__ & _HEAP_TYPE:
            self[kind] = watched
        return watched


_WATCHED = _Watched.fromkeys(CONTAINER_TYPES | FORBIDDEN | {memoryview, array.array}, True)


def ignore(kinds: Iterable[type]) -> None:
    """Let `is_shared` know types that it need not look at."""
    for kind in kinds:
        _WATCHED.setdefault(kind, False)


def is_shared(values: list[Any], nesting: int) -> bool:
    """Whether an object stands twice in `values`, or inside itself, or is an exception.

    Those are sent by number (see `graphs`).

    Args:
        values: what goes into one message.
        nesting: how many containers may stand inside one another.

    Raises:
        DataCloneError: they nest deeper, or hold a value that only looks like one of ours.
    """
    watched = _WATCHED.__getitem__
    level = [value for value in values if watched(type(value))]
    seen: set[int] = set()
    depth = 0
    while level:
        kinds = set(map(type, level))
        plain = kinds <= CONTAINER_TYPES
        if not plain and _needs_numbers(kinds, level):
            return True
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
        level = list(compress(inside, map(watched, map(type, inside))))
    return False


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
