"""The containers that are copied with what they hold, and ways to walk through them.

Floor: core.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
D = TypeVar("D", bound=dict[Any, Any])

DICT_TYPES: set[type] = {dict, OrderedDict, defaultdict, Counter}
CONTAINER_TYPES: set[type] = {*DICT_TYPES, list, tuple, set, frozenset}

# A class of errors may have an idea of its own of these.
_arguments_of = BaseException.__dict__["args"].__get__
_attributes_of = BaseException.__dict__["__dict__"].__get__
_cause_of = BaseException.__dict__["__cause__"].__get__

_SHELLS: dict[type, type] = {list: list, set: set, **dict.fromkeys(DICT_TYPES, dict)}


def arrives_as_dict(kind: type[D]) -> type[D]:
    """Let a subclass of dict be sent as the dict it is; for classes of our own alone."""
    DICT_TYPES.add(kind)
    CONTAINER_TYPES.add(kind)
    _SHELLS[kind] = dict
    return kind


def begun(items: Sequence[T], item: T) -> list[T]:
    """Append to a list, or begin one where there is none yet; peers can make it a long one."""
    if type(items) is not list:
        return [*items, item]
    items.append(item)
    return items


def contents(root: object, *, errors: bool = False) -> Iterator[Any]:
    """Give each thing inside a value once, at any depth; the value itself too.

    Args:
        root: the value.
        errors: give also what exceptions hold.
    """
    found: list[Any] = [root]
    seen = {id(root)}
    for value in found:  # it grows under way
        yield value
        kind = type(value)
        inside: Iterable[Any] = ()
        if kind in CONTAINER_TYPES:
            inside = [*value, *value.values()] if kind in DICT_TYPES else value
        elif errors and issubclass(kind, BaseException):
            inside = [*_arguments_of(value), *_attributes_of(value).values(), _cause_of(value)]
        for item in inside:
            if id(item) not in seen:
                seen.add(id(item))
                found.append(item)


def bulk_of(root: Any) -> int:
    """How many bytes a value takes in memory, about; what stands in it twice counts once.

    Texts and bytes count exactly. What is no container counts as Python sizes it.
    """
    size = 0
    for part in contents(root, errors=True):
        kind = type(part)
        if kind is str or kind is bytes:
            size += len(part)
        elif kind in CONTAINER_TYPES:
            size += _A_CONTAINER + _AN_ITEM * len(part)
        elif kind not in _SMALL:
            with suppress(Exception):  # it may be of a class that says its size itself
                size += sys.getsizeof(part)
    return size


def bulk_of_data(root: object) -> int | None:
    """The same of a value that is made of containers and scalars alone; None of any other.

    It is asked for each result that a peer of Cap'n Web has not asked for yet. So it goes through
    the value level by level, and looks at each with few steps of Python's.
    """
    size = 0
    level: list[Any] = [root]
    seen: set[int] = set()
    while level:
        kinds = {*map(type, level)}
        if not kinds - _SCALARS <= CONTAINER_TYPES:
            return None
        if str in kinds:
            size += sum(map(len, [value for value in level if type(value) is str]))
        if bytes in kinds:
            size += sum(map(len, [value for value in level if type(value) is bytes]))
        if int in kinds:
            large = [value for value in level if type(value) is int and not -_WORD < value < _WORD]
            size += sum(map(int.bit_length, large)) // 8
        if kinds <= _SCALARS:
            return size
        inside = {
            id(value): value
            for value in level
            if type(value) in CONTAINER_TYPES and id(value) not in seen
        }
        seen.update(inside)
        level = []
        for container in inside.values():
            level += container
            if type(container) in DICT_TYPES:
                level += container.values()
        size += _A_CONTAINER * len(inside) + _AN_ITEM * len(level)
    return size


_A_CONTAINER, _AN_ITEM = 64, 16  # bytes
_WORD = 2**63
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
_SMALL = frozenset({type(None), bool, float})


def replaced(root: object, values: dict[int, Any]) -> Any:
    """Copy the containers of a value with some of its parts replaced; cycles stay cycles.

    Args:
        root: the value.
        values: by the `id` of a part, what takes its place.
    """
    copies: dict[int, Any] = {}
    unfilled: list[tuple[Any, Any]] = []

    def copy(value: Any) -> Any:
        if id(value) in values:
            return values[id(value)]
        kind = type(value)
        if kind not in CONTAINER_TYPES:
            return value
        if id(value) not in copies:
            if kind in _SHELLS:
                copies[id(value)] = _SHELLS[kind]()
                unfilled.append((value, copies[id(value)]))
            else:
                copies[id(value)] = kind(map(copy, value))
        return copies[id(value)]

    result = copy(root)
    for value, empty in unfilled:  # it grows under way
        if type(value) is list:
            empty.extend(map(copy, value))
        elif type(value) is set:
            empty.update(map(copy, value))
        else:
            empty.update([(copy(key), copy(item)) for key, item in value.items()])
    return result
