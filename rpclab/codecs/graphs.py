"""Values that are no trees: what keeps its identity gets a number (rule V9).

Floor: codecs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rpclab.codecs import exceptions
from rpclab.codecs.refusals import too_deep, unsendable
from rpclab.codecs.sharing import FORBIDDEN, keeps_identity
from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES

LIST, DICT, SET, TUPLE, FROZENSET, LEAF, ERROR = range(7)
_KINDS: dict[type, int] = {list: LIST, dict: DICT, set: SET, tuple: TUPLE, frozenset: FROZENSET}
_SHELLS: dict[int, type] = {LIST: list, DICT: dict, SET: set}
_CAUSES = 32  # how long a chain of causes may be


class Node:
    """A number that stands for a container of the same message."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def flatten(root: Any, nesting: int, depth: int = 1) -> list[list[Any]]:
    """Number what keeps its identity in a value: give a list of [kind, parts], the root first.

    Args:
        root: the value, which keeps its identity too.
        nesting: how many containers may stand inside one another.
        depth: how many of these the root is.

    Raises:
        DataCloneError: they nest deeper, or hold a value that only looks like one of ours.
    """
    numbers: dict[int, int] = {id(root): 0}
    found: list[Any] = [root]
    depths = [depth]
    causes: dict[int, int] = {}

    def visit(value: Any) -> Any:
        kind = type(value)
        if kind not in CONTAINER_TYPES and not keeps_identity(kind):
            if kind in FORBIDDEN:
                raise unsendable(value)
            return bytes(value) if kind is memoryview else value
        number = numbers.get(id(value))
        if number is None:
            if depth == nesting:
                raise too_deep(nesting)
            number = numbers[id(value)] = len(found)
            found.append(value)
            depths.append(depth + 1)
        return Node(number)

    nodes: list[list[Any]] = []
    for value in found:  # it grows under way
        kind = type(value)
        depth = depths[len(nodes)]
        parts: Any = value
        if kind in DICT_TYPES:
            kind = dict
            parts = [[visit(key), visit(item)] for key, item in value.items()]
        elif kind in CONTAINER_TYPES:
            parts = [visit(item) for item in value]
        elif isinstance(value, BaseException):
            name, arguments, attributes, cause, notes = exceptions.parts(value, nesting)
            behind = causes[id(cause)] = causes.get(id(value), 0) + 1
            parts = [
                name,
                [visit(item) for item in arguments],
                [[key, visit(item)] for key, item in attributes.items()],
                visit(cause) if behind <= _CAUSES else None,
                notes,
            ]
            kind = BaseException
        nodes.append([ERROR if kind is BaseException else _KINDS.get(kind, LEAF), parts])
    return nodes


def unflatten(nodes: list[Any]) -> Any:
    """Build the value that `flatten` took apart."""
    return _Rebuilding(nodes).root


class _Rebuilding:
    """One run of `unflatten`; `root` is what comes out.

    What can be made empty is there first, so that what refers to it finds it; tuples, frozensets
    and exceptions are made when all they are made of is there.
    """

    def __init__(self, nodes: list[Any]) -> None:
        self._nodes = nodes
        self._built: list[Any] = [None] * len(nodes)
        for number, (kind, parts) in enumerate(nodes):
            if kind in _SHELLS:
                self._built[number] = _SHELLS[kind]()
            elif kind == LEAF:
                self._built[number] = parts
        self._blank: set[int] = set()
        for number in range(len(nodes)):
            if self._built[number] is None:
                self._build(number)
        for number, (kind, parts) in enumerate(nodes):
            if kind == LIST:
                self._built[number].extend(map(self._part, parts))
            elif kind == SET:
                self._built[number].update(map(self._part, parts))
            elif kind == DICT:
                self._built[number].update((self._part(k), self._part(v)) for k, v in parts)
            elif kind == ERROR:
                self._complete(number, parts)
        self.root = self._built[0]

    def _part(self, value: Any) -> Any:
        return self._built[value.number] if type(value) is Node else value

    def _build(self, first: int) -> None:
        """Make one that is made in one piece, after those it is made of."""
        path = {first: self._pieces(first)}  # by number, what was not looked at yet
        while path:
            number, pieces = next(reversed(path.items()))
            missing = next(filter(self._is_missing, pieces), None)
            if missing is None:
                del path[number]
                self._built[number] = self._made(number)
            elif missing.number in path:
                self._cut(path)
            else:
                path[missing.number] = self._pieces(missing.number)

    def _pieces(self, number: int) -> Iterator[Any]:
        kind, parts = self._nodes[number]
        return iter(parts[1] if kind == ERROR else parts)

    def _is_missing(self, piece: Any) -> bool:
        return type(piece) is Node and self._built[piece.number] is None

    def _made(self, number: int) -> Any:
        kind, parts = self._nodes[number]
        values = list(map(self._part, self._pieces(number)))
        if kind == ERROR:
            return exceptions.rebuild(parts[0], values)
        return tuple(values) if kind == TUPLE else frozenset(values)

    def _cut(self, path: dict[int, Iterator[Any]]) -> None:
        """End a cycle: in it is an exception, which got itself as an argument when it was there.

        It is made without arguments; what stands behind it in the path is left for later.

        Raises:
            ValueError: there is none, so nobody can have made this value.
        """
        while path:
            number, _ = path.popitem()
            kind, parts = self._nodes[number]
            blank = exceptions.blank(parts[0]) if kind == ERROR else None
            if blank is not None:
                self._built[number] = blank
                self._blank.add(number)
                return
        raise ValueError("a value that cannot be made holds itself")

    def _complete(self, number: int, parts: Any) -> None:
        _, arguments, attributes, cause, notes = parts
        error = self._built[number]
        if number in self._blank:
            error.args = tuple(map(self._part, arguments))
        values = {key: self._part(value) for key, value in attributes}
        exceptions.complete(error, values, self._part(cause), notes)
