"""Values that are no trees: what keeps its identity gets a number (rule V9).

Floor: codecs.

A graph is a list of nodes, [kind, parts], the root first; the parts name other nodes by number.
Bytes of some length are nodes, too: named thousands of times, they are written once.
What a peer sends as one is checked here: that it is one, how long its chains are, and how much work
it is to look up its keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rpclab.codecs import exceptions
from rpclab.codecs.key_costs import Keys
from rpclab.codecs.refusals import malformed, too_deep, unsendable
from rpclab.codecs.sharing import FORBIDDEN, NAMED, keeps_identity
from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES
from rpclab.core.hooks import PromisedArgument
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.errors import RemoteProtocolError

LIST, DICT, SET, TUPLE, FROZENSET, LEAF, ERROR = range(7)
_KINDS: dict[type, int] = {list: LIST, dict: DICT, set: SET, tuple: TUPLE, frozenset: FROZENSET}
_SHELLS: dict[int, type] = {LIST: list, DICT: dict, SET: set}
_WHOLE = (TUPLE, FROZENSET, ERROR)  # they are made when what they hold is there
_CAUSES = 32  # how long a chain of causes may be
_CHAIN = 8  # times the nesting: how many tuples, frozensets and errors may hold one another


class Node:
    """A number that stands for a container of the same message."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def flatten(
    root: Any, nesting: int, depth: int = 1, *, raised: bool = False, places: bool = True
) -> list[list[Any]]:
    """Number what keeps its identity in a value: give a list of [kind, parts], the root first.

    Args:
        root: the value, which keeps its identity too.
        nesting: how many containers may stand inside one another.
        depth: how many of these the root is.
        raised: whether it is an error that was raised (see `exceptions.Apart`).
        places: whether the notes of errors may tell places in the code.

    Raises:
        DataCloneError: they nest deeper, or hold a value that only looks like one of ours.
    """
    numbers: dict[int, int] = {id(root): 0}
    found: list[Any] = [root]
    depths = [depth]
    causes: dict[int, int] = {}
    apart = exceptions.Apart(nesting, raised=raised, places=places)

    def visit(value: Any) -> Any:
        kind = type(value)
        if kind is bytes:
            if len(value) < NAMED:
                return value
        elif kind not in CONTAINER_TYPES and not keeps_identity(kind):
            if kind in FORBIDDEN:
                raise unsendable(value)
            return bytes(value) if kind is memoryview else value
        number = numbers.get(id(value))
        if number is None:
            if depth == nesting and kind is not bytes:
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
            name, arguments, attributes, cause, notes = apart.parts(value)
            behind = causes[id(cause)] = causes.get(id(value), 0) + 1
            parts = [
                name,
                [visit(item) for item in arguments],
                [[key, visit(item)] for key, item in attributes.items()],
                visit(cause) if behind <= _CAUSES else None,
                notes,
            ]
            kind = BaseException
        elif kind is memoryview:
            parts = bytes(value)
        nodes.append([ERROR if kind is BaseException else _KINDS.get(kind, LEAF), parts])
    if _has_longer_chain([kind for kind, _ in nodes], [*map(_held, nodes)], _CHAIN * nesting):
        raise too_deep(_CHAIN * nesting)
    return nodes


class Heavy:
    """A value that would take too long to look up, and so can be no key."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = value


def unflatten(
    nodes: Any,
    nesting: int = DEFAULT_LIMITS.nesting,
    *,
    keys: Keys | None = None,
    named: int | None = None,
    raised: bool = False,
) -> Any:
    """Build the value that `flatten` took apart; or a `Heavy` one, where it may be no key.

    Args:
        nodes: the list that it gave, from a peer.
        nesting: bounds the chains.
        keys: of the message.
        named: how many times the peer names a node; None if the nodes are our own.
        raised: whether it is an error that will be raised.

    Raises:
        RemoteProtocolError: it is no graph, or one that takes too much work.
        ValueError: nobody can have made this value.
    """
    if type(nodes) is not list or not nodes or not all(map(_is_node, nodes)):
        raise malformed("graph", nodes)
    held = [*map(_held, nodes)]
    names = [part.number for parts in held for part in parts if type(part) is Node]
    if (named is not None and len(names) != named) or max(names, default=0) >= len(nodes):
        raise malformed("graph", nodes)
    most = _CHAIN * nesting
    if _has_longer_chain([kind for kind, _ in nodes], held, most):
        raise RemoteProtocolError(
            f"the peer sent a frame that is no message: over {most} tuples, frozensets or errors"
            " hold one another"
        )
    keys = keys or Keys(DEFAULT_LIMITS.message_objects)
    return _Rebuilding(nodes, keys, raised=raised).root


def _held(node: list[Any]) -> list[Any]:
    """The parts of a node, for all kinds in one form: values and names of nodes."""
    kind, parts = node
    if kind == DICT:
        return [value for pair in parts for value in pair]
    if kind == ERROR:
        return [*parts[1], *[value for _, value in parts[2]], parts[3]]
    return [] if kind == LEAF else parts


def _has_longer_chain(kinds: list[int], held: list[list[Any]], most: int) -> bool:
    """Whether more than `most` tuples, frozensets and errors hold one another, one by one.

    The hash of a tuple asks that of what it holds, and an error lets go of its cause, on the stack
    of C. A list or dict between them ends the chain.
    """
    lengths: dict[int, int] = {}
    for start, kind in enumerate(kinds):
        if kind not in _WHOLE or start in lengths:
            continue
        path = [(start, iter(held[start]))]
        lengths[start] = 1
        while path:
            number, parts = path[-1]
            for part in parts:
                if type(part) is not Node or kinds[part.number] not in _WHOLE:
                    continue
                if part.number not in lengths:
                    lengths[part.number] = 1  # until it is known; a cycle ends here
                    path.append((part.number, iter(held[part.number])))
                    break
                lengths[number] = max(lengths[number], lengths[part.number] + 1)
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lengths[above] = max(lengths[above], lengths[number] + 1)
            if len(path) > most or lengths[number] > most:
                return True
    return False


class _Rebuilding:
    """One run of `unflatten`; `root` is what comes out.

    What can be made empty is there first, so that what refers to it finds it; tuples, frozensets
    and exceptions are made when all they are made of is there.
    """

    def __init__(self, nodes: list[Any], keys: Keys, *, raised: bool) -> None:
        self._nodes = nodes
        self._keys = keys
        self._raised = raised
        self._most = keys.spare + 1
        self._weights = [1] * len(nodes)
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
                self._built[number].update(map(self._key, parts))
            elif kind == DICT:
                self._built[number].update((self._key(k), self._part(v)) for k, v in parts)
            elif kind == ERROR:
                self._complete(number, parts)
        self.root = self._built[0]
        # A tuple may become a key where the graph stands.
        if self._weights[0] > keys.spare:
            self.root = Heavy(self.root)
        elif nodes[0][0] in (TUPLE, FROZENSET):
            keys.spend(self._weights[0])

    def _part(self, value: Any) -> Any:
        return self._built[value.number] if type(value) is Node else value

    def _key(self, value: Any) -> Any:
        """A part that is looked up: what it takes to do so is bounded for the message."""
        if type(value) is not Node:
            return value
        key, weight = self._built[value.number], self._weights[value.number]
        # Before it is hashed for the first time.
        self._keys.spend(weight)
        self._keys.spend(weight * (self._keys.crowd(key) - 1))
        return key

    def _build(self, first: int) -> None:
        """Make one that is made in one piece, after those it is made of."""
        path = {first: iter(self._pieces(first))}  # by number, what was not looked at yet
        while path:
            number, pieces = next(reversed(path.items()))
            missing = next(filter(self._is_missing, pieces), None)
            if missing is None:
                del path[number]
                self._built[number] = self._made(number)
            elif missing.number in path:
                self._cut(path)
            else:
                path[missing.number] = iter(self._pieces(missing.number))

    def _pieces(self, number: int) -> list[Any]:
        kind, parts = self._nodes[number]
        return parts[1] if kind == ERROR else parts  # type: ignore[no-any-return]

    def _is_missing(self, piece: Any) -> bool:
        return type(piece) is Node and self._built[piece.number] is None

    def _made(self, number: int) -> Any:
        kind, parts = self._nodes[number]
        if kind == ERROR:
            values = list(map(self._part, self._pieces(number)))
            return exceptions.rebuild(parts[0], values, raised=self._raised)
        # As many steps as a hash or a comparison takes: what stands twice in it counts twice.
        weight = sum(self._weights[part.number] for part in parts if type(part) is Node)
        self._weights[number] = min(weight + len(parts) + 1, self._most)
        if kind == TUPLE:
            return tuple(map(self._part, parts))
        return frozenset(map(self._key, parts))

    def _cut(self, path: dict[int, Iterator[Any]]) -> None:
        """End a cycle: in it is an exception, which got itself as an argument when it was there.

        It is made without arguments; what stands behind it in the path is left for later.

        Raises:
            ValueError: there is none, so nobody can have made this value.
        """
        while path:
            self._keys.spend(8)
            number, _ = path.popitem()
            kind, parts = self._nodes[number]
            if kind == ERROR:
                self._built[number] = exceptions.blank(parts[0], raised=self._raised)
                self._blank.add(number)
                return
        raise ValueError("a value that cannot be made holds itself")

    def _complete(self, number: int, parts: Any) -> None:
        name, arguments, attributes, cause, notes = parts
        error = self._built[number]
        if number in self._blank:
            exceptions.fill(error, name, [*map(self._part, arguments)])
        values = {key: self._part(value) for key, value in attributes}
        exceptions.complete(error, values, self._part(cause), notes)


def _is_node(node: Any) -> bool:
    if type(node) is not list or len(node) != 2 or type(node[0]) is not int:
        return False
    kind, parts = node
    if kind == LEAF:
        return (
            keeps_identity(type(parts))
            or type(parts) is bytes
            or isinstance(parts, PromisedArgument)
        )
    if type(parts) is not list:
        return False
    if kind == ERROR:
        return [*map(type, parts[:3])] == [str, list, list] and (
            len(parts) == 5 and type(parts[4]) is list and all(map(_is_pair, parts[2]))
        )
    if kind == DICT:
        return all(map(_is_pair, parts))
    return kind in (LIST, SET, TUPLE, FROZENSET)


def _is_pair(pair: Any) -> bool:
    return type(pair) is list and len(pair) == 2
