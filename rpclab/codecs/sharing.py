"""Cycles and objects mentioned twice: found cheaply, and sent by number (rule V9).

Floor: codecs. Most values are trees, and C packs those; `is_shared` looks for the others without a
Python loop over the data, level by level.
"""

from __future__ import annotations

import array
import gc
from collections import Counter, OrderedDict, defaultdict
from itertools import compress
from typing import Any

import msgpack

from rpclab.errors import DataCloneError

DICT_TYPES: frozenset[type] = frozenset({dict, OrderedDict, defaultdict, Counter})
CONTAINER_TYPES: frozenset[type] = DICT_TYPES | {list, tuple, set, frozenset}
_MUTABLE_LEAVES: set[type] = {array.array}
# msgpack packs these two without asking; as values of a user they are refused.
_FORBIDDEN: frozenset[type] = frozenset({msgpack.ExtType, msgpack.Timestamp})
_WATCHED = {*CONTAINER_TYPES, *_MUTABLE_LEAVES, *_FORBIDDEN}

LIST, DICT, SET, TUPLE, FROZENSET, LEAF = range(6)
_KINDS: dict[type, int] = {list: LIST, set: SET, tuple: TUPLE, frozenset: FROZENSET}
_KINDS.update(dict.fromkeys(DICT_TYPES, DICT))


def watch(kind: type) -> None:
    """Let a further mutable type keep its identity within a message."""
    _MUTABLE_LEAVES.add(kind)
    _WATCHED.add(kind)


def is_shared(values: list[Any], nesting: int) -> bool:
    """Whether an object stands twice in `values`, or inside itself.

    Args:
        values: what goes into one message.
        nesting: how many containers may stand inside one another.

    Raises:
        DataCloneError: they nest deeper, or hold a value that only looks like one of ours.
    """
    watched = _WATCHED.__contains__
    level = [value for value in values if watched(type(value)) or isinstance(value, BaseException)]
    seen: set[int] = set()
    depth = 0
    while level:
        types = set(map(type, level))
        if not types.isdisjoint(_FORBIDDEN):
            culprit = next(value for value in level if type(value) in _FORBIDDEN)
            raise unsendable(culprit)
        count = len(seen) + len(level)
        seen.update(map(id, level))
        if len(seen) != count:
            return True
        depth += 1
        if depth > nesting:
            raise DataCloneError(
                f"the value nests deeper than {nesting} containers, which is the limit;"
                " or send it in parts"
            )
        if not types.issubset(CONTAINER_TYPES):
            level = [value for value in level if type(value) in CONTAINER_TYPES]
        inside = gc.get_referents(*level)
        level = list(compress(inside, map(watched, map(type, inside))))
    return False


class Node:
    """A number that stands for a container of the same message."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def flatten(root: Any) -> list[list[Any]]:
    """Number the containers in `root`, which is one: a list of [kind, parts], the root first."""
    nodes: list[list[Any]] = []
    numbers: dict[int, int] = {}

    def visit(value: Any) -> Any:
        kind = type(value)
        if kind not in CONTAINER_TYPES and kind not in _MUTABLE_LEAVES:
            if not isinstance(value, BaseException):
                return value
        number = numbers.get(id(value))
        if number is None:
            number = numbers[id(value)] = len(nodes)
            node: list[Any] = [_KINDS.get(kind, LEAF), None]
            nodes.append(node)
            if kind in DICT_TYPES:
                node[1] = [[visit(key), visit(item)] for key, item in value.items()]
            elif kind in CONTAINER_TYPES:
                node[1] = [visit(item) for item in value]
            else:
                node[1] = value
        return Node(number)

    visit(root)
    return nodes


def unflatten(nodes: list[Any]) -> Any:
    """Build the value that `flatten` took apart."""
    built: list[Any] = [None] * len(nodes)
    shells: dict[int, Any] = {LIST: list, DICT: dict, SET: set}
    # Mutable containers first, empty, so that what refers to them finds them.
    for number, (kind, parts) in enumerate(nodes):
        if kind in shells:
            built[number] = shells[kind]()
        elif kind == LEAF:
            built[number] = parts

    def part(value: Any) -> Any:
        if type(value) is not Node:
            return value
        number = value.number
        if built[number] is None:
            kind, parts = nodes[number]
            built[number] = (tuple if kind == TUPLE else frozenset)(map(part, parts))
        return built[number]

    for number in range(len(nodes)):
        part(Node(number))
    for number, (kind, parts) in enumerate(nodes):
        if kind == LIST:
            built[number].extend(map(part, parts))
        elif kind == SET:
            built[number].update(map(part, parts))
        elif kind == DICT:
            built[number].update((part(key), part(item)) for key, item in parts)
    return built[0]


_ADVICE: dict[str, str] = {
    "generator": "send a list of what it yields",
    "async_generator": "send a list of what it yields",
    "coroutine": "await it first",
    "Future": "await it first",
    "Task": "await it first",
    "module": "send the values in it that are needed",
    "type": "send a function that makes an instance",
    "ABCMeta": "send a function that makes an instance",
    "memoryview": "send bytes(value)",
    "range": "send list(value)",
    "complex": "send (value.real, value.imag)",
    "Fraction": "send (value.numerator, value.denominator)",
    "deque": "send list(value)",
    "mappingproxy": "send dict(value)",
    "ExtType": "extension types belong to the protocol; send its parts",
    "Timestamp": "send value.to_datetime()",
}


def unsendable(value: Any, why: str = "") -> DataCloneError:
    """Build the error of rules V14 and V15, with advice; the path is added by whoever knows it."""
    kind = type(value)
    error = DataCloneError(
        f'Could not serialize object of type "{kind.__name__}".'
        " This type does not support serialization."
    )
    error.add_note(why or _advice(value, kind))
    error.culprit = value  # type: ignore[attr-defined]
    return error


def _advice(value: Any, kind: type) -> str:
    if kind.__name__ in _ADVICE:
        return _ADVICE[kind.__name__]
    if kind.__module__ == "numpy":
        return "send value.item()"
    for base in (bool, int, float, str, bytes):
        if isinstance(value, base):
            return f"a subclass of {base.__name__} would lose its class: send {base.__name__}(value)"
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return "send value._asdict(), or tuple(value)"
    for container in (dict, list, tuple, set, frozenset):
        if isinstance(value, container):
            name = container.__name__
            return f"a subclass of {name} would lose its class: send {name}(value)"
    if hasattr(kind, "__dataclass_fields__"):
        return "send dataclasses.asdict(value), or derive the class from rpclab.RpcTarget"
    if hasattr(kind, "__await__"):
        return "await it first"
    if hasattr(kind, "__next__"):
        return "send list(value)"
    return "derive the class from rpclab.RpcTarget to send a stub of it, or send its data as a dict"
