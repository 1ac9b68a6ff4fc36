"""What an expression of a cell leads to at the other side, found without running it.

Floor: notebook. Names are looked up, attributes only where that runs no code, and no call is made:
what a method gives is known from its annotation, or its `return`s, as `%rpclab types` knows it.
"""

from __future__ import annotations

import ast
import io
import linecache
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from rpclab.core.targets import Exposed, instance_attributes
from rpclab.rpc.looking import (
    doc_of,
    function_in,
    led_to,
    names_of,
    seen,
    signature_of,
    step,
)
from rpclab.rpc.members import names_in
from rpclab.rpc.stubs import Held, RpcPromise, RpcProperty
from rpclab.sandbox import Sandbox
from rpclab.typegen.annotations import result_of
from rpclab.typegen.kinds import Choice, Kind, Record, Target
from rpclab.typegen.sources import Member, Source
from rpclab.workers.env import Env
from rpclab.workers.objects.namespace import DurableObjectNamespace

_GIVE_AN_OBJECT = ("get", "get_by_name", "getByName")
_ASSIGNED = r"^\s*(?:async\s+)?(?:with\s+(.+?)\s+as\s+{0}\s*:|{0}\s*(?::[^=]*)?=(?!=)\s*(.+))$"
_SOLID = (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
_DEEP = 20  # names that were assigned from one another


class Thing(NamedTuple):
    """What an expression leads to.

    Attributes:
        value: the target, the class, or the dict, where it runs here.
        text: the class in the text of a Worker, where only that is known.
        local: the names that it has at this side.
    """

    value: Any = None
    text: tuple[Source, str] | None = None
    local: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """What may be named on it."""
        found = set(self.local)
        if self.value is not None:
            found.update(names_of(self.value))
        elif self.text is not None:
            found.update(member.name for member in self.text[0].members(self.text[1]))
            found.update(_fields(*self.text))
        return sorted(found)

    def kind_of(self, name: str) -> str:
        """Whether a name on it is a "function" or a "property", for the list that Tab shows."""
        found, text = self.member(name)
        is_property = isinstance(found, property | cached_property)
        is_property = is_property or (found is None and text is not None and text.is_property)
        return "property" if is_property else "function"

    def called(self) -> str:
        """The name of the class that it is of."""
        if self.value is None:
            return self.text[1] if self.text is not None else "something unknown"
        named = self.value if isinstance(self.value, type | FunctionType) else type(self.value)
        return named.__qualname__.rpartition("<locals>.")[2]

    def doc(self) -> str:
        """The docstring of that."""
        if type(self.value) is dict:
            return ""
        if self.value is not None:
            return doc_of(self.value) or ""
        node = self.text[0].classes.get(self.text[1]) if self.text is not None else None
        return (ast.get_docstring(node) or "") if node is not None else ""

    def member(self, name: str) -> Named:
        """What a name on it means."""
        found = None if self.value is None else step(self.value, name)
        text = self.text or _text_of(self.value)
        members = () if text is None else text[0].members(text[1])
        return Named(found, next((each for each in members if each.name == name), None))


class Named(NamedTuple):
    """A member of a thing.

    Attributes:
        found: as the class has it, where that runs here.
        text: as the text of the Worker has it.
    """

    found: Any = None
    text: Member | None = None

    def signature(self) -> str:
        """How it is called; "" where it is not, or that is not known."""
        known = signature_of(self.found)
        if known is not None:
            return str(known)
        node = None if self.text is None or self.text.is_property else self.text.node
        if node is None or self.found is not None:
            return ""
        arguments = ast.unparse(node.args)
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"({re.sub(r'^self(, )?', '', arguments)}){returns}"

    def doc(self) -> str:
        """Its docstring."""
        if self.found is not None:
            return doc_of(self.found) or ""
        node = None if self.text is None else self.text.node
        return (ast.get_docstring(node) or "") if node is not None else ""

    def result(self) -> Thing | None:
        """What a call of it gives, or what it is where it is a property."""
        kind = None if self.text is None else result_of(self.text)
        place = _place(kind)
        if place is not None:
            return Thing(_class_of(self.found, place), place)
        return None


def _place(kind: Kind | None) -> tuple[Source, str] | None:
    """The class that a kind is, or is beside None."""
    for item in kind.items if isinstance(kind, Choice) else (kind,):
        if isinstance(item, (Target, Record)):
            return item.source, item.name
    return None


def _class_of(member: Any, place: tuple[Source, str]) -> Any:
    """The class of that name where the member runs, if it is the one of the text."""
    function = function_in(member)
    found = None if function is None else function.__globals__.get(place[1])
    is_exposed = type(found) is type and issubclass(found, Exposed)
    return found if is_exposed and _text_of(found) == place else None


def _fields(source: Source, name: str) -> list[str]:
    """The keys of a TypedDict."""
    if not source.is_record(name):
        return []
    return [
        statement.target.id
        for place, current in source.lineage(name)
        for statement in place.classes[current].body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]


def _text_of(value: Any) -> tuple[Source, str] | None:
    """Find the text of a class, or of the class of a target."""
    kind = value if isinstance(value, type) else type(value)
    functions = (function_in(member) for member in vars(kind).values())
    function = next((function for function in functions if function is not None), None)
    if function is None:
        return None
    if kind.__module__ == function.__globals__.get("__name__"):
        text = function.__globals__.get("__source__")
        filename = function.__globals__.get("__file__") or function.__code__.co_filename
    else:
        text, filename = None, function.__code__.co_filename
    text = text or "".join(linecache.getlines(str(filename)))
    source = _source(text, str(filename)) if type(text) is str else None
    name = kind.__name__
    return (source, name) if source is not None and source.members(name) else None


@lru_cache(maxsize=64)
def _source(text: str, filename: str) -> Source | None:
    folder = Path(filename).parent if Path(filename).is_file() else None
    try:
        return Source(text, folder, filename)
    except (SyntaxError, ValueError, OSError, RecursionError):
        return None


class Objects(NamedTuple):
    """A namespace of Durable Objects, of which only the class is known.

    Attributes:
        kind: the class; None where its Worker is not deployed.
    """

    kind: type | None


# Expressions.


class Expressions:
    """Looks up what expressions lead to.

    Args:
        names: what the names mean.
        above: the lines above the expression, for names that they assign.
    """

    def __init__(self, names: Mapping[str, Any], above: list[str] | None = None) -> None:
        self._names = names
        self._above = above or []
        self._depth = 0

    def thing(self, text: str) -> Thing | None:
        """Say what an expression leads to; None unless that is something remote."""
        node = _parsed(text)
        found = None if node is None else self._look(node)
        return found if isinstance(found, Thing) else thing_of(found)

    def _look(self, node: ast.expr) -> Any:
        """Give the value of an expression, or a `Thing` or `Named`; None where it is not known."""
        match node:
            case ast.Name(id=name):
                return self._named(name)
            case ast.Await(value=inner):
                return _given(self._look(inner))
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                return self._part(self._look(inner), node)
            case ast.Call(func=ast.Attribute(value=inner, attr=attribute) as function):
                owner = self._look(inner)
                if isinstance(owner, DurableObjectNamespace):
                    return (
                        _object_of(owner._running_class.kind)
                        if attribute in _GIVE_AN_OBJECT
                        else None
                    )
                if isinstance(owner, Objects):
                    return _object_of(lambda: owner.kind) if attribute in _GIVE_AN_OBJECT else None
                if attribute == "dup":
                    return owner
                return _result(self._part(owner, function))
            case ast.Call(func=called):
                return _result(self._look(called))
        return None

    def _part(self, owner: Any, node: ast.Attribute | ast.Subscript) -> Any:
        name = _name_in(node)
        if isinstance(owner, (Env, dict)) and isinstance(name, str):
            return (vars(owner) if isinstance(owner, Env) else owner).get(name)
        if isinstance(owner, (list, tuple)) and type(owner) in (list, tuple):
            index = node.slice.value if _is_index(node) else None  # type: ignore[union-attr]
            return owner[index] if index is not None and index < len(owner) else None
        found = _as_thing(owner)
        if found is not None:
            return found.member(name) if name is not None else None
        if isinstance(node, ast.Attribute) and name is not None:
            if isinstance(owner, Sandbox) and name == "env":
                return owner.env
            return instance_attributes(owner).get(name)
        return None

    def _named(self, name: str) -> Any:
        assigned = re.compile(_ASSIGNED.format(re.escape(name)))
        for position in range(len(self._above) - 1, -1, -1):
            found = assigned.match(self._above[position])
            if found is not None and self._depth < _DEEP:
                node = _parsed(next(filter(None, found.groups())))
                inner = Expressions(self._names, self._above[:position])
                inner._depth = self._depth + 1
                return None if node is None else inner._look(node)
        return self._names.get(name)


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _name_in(node: ast.Attribute | ast.Subscript) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    match node.slice:
        case ast.Constant(value=str(name)):
            return name
    return None


def _is_index(node: ast.Attribute | ast.Subscript) -> bool:
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
        return False
    return type(node.slice.value) is int and node.slice.value >= 0


def _object_of(kind: Callable[[], type | None]) -> Thing | None:
    try:
        return Thing(kind(), local=("fetch", "id", "name"))
    except Exception:  # its Worker is not deployed, or lacks the class
        return None


def _as_thing(value: Any) -> Thing | None:
    """See a value, a member or a thing as something that members can be named on."""
    if isinstance(value, Thing):
        return value
    if isinstance(value, Named):
        return value.result()
    return thing_of(value)


def thing_of(value: Any) -> Thing | None:
    """Say what something remote leads to; None for any other value."""
    if isinstance(value, Named):  # it was named, and neither called nor awaited
        found = value.result() if value.text is not None and value.text.is_property else None
        return Thing(local=("map",)) if found is None else found._replace(local=("map",))
    if isinstance(value, RpcProperty):
        return thing_of(named_by(value)[1])
    if isinstance(value, RpcPromise):
        found = seen(value)
        text = None if found is not None else _promised(value)
        return Thing(found, text, tuple(value.__local__()))
    if isinstance(value, Held):
        return Thing(seen(value), None, tuple(value.__local__()))
    return None


def named_by(value: RpcProperty) -> tuple[Thing | None, Named]:
    """Say of a member that was named what it is named on, and what it is."""
    promise = getattr(value.__owner__, "promise", None)
    thing = thing_of(promise) if promise is not None else Thing(led_to(value.__owner__))
    owner, named = thing, Named()
    for name in names_in(value.__path__):
        owner = thing
        if owner is None:
            return None, Named()
        named = owner.member(name)
        thing = named.result()
    return owner, named


def _promised(promise: RpcPromise) -> tuple[Source, str] | None:
    """What the text says of the result of a call that has not arrived."""
    pending = promise.__pending__
    peer = pending.session.peer
    answer = None if peer is None else peer.exports.get(pending.id)
    target = getattr(getattr(answer, "via", None), "target", None)
    instance = target if target is not None else _kind_behind(answer)
    path = pending.path
    if instance is None or type(path) is not str:
        return None
    found = Thing(instance).member(path).result()
    return None if found is None else found.text


def _kind_behind(answer: Any) -> Any:
    kind = getattr(getattr(answer, "via", None), "kind", None)
    try:
        return kind() if kind is not None else None
    except Exception:  # as above
        return None


def _given(value: Any) -> Any:
    """What awaiting something gives."""
    if isinstance(value, (RpcProperty, Named)):
        return _as_thing(named_by(value)[1] if isinstance(value, RpcProperty) else value)
    found = _as_thing(value)
    if found is None or isinstance(value, Held):
        return value
    return found._replace(local=("dispose", "dup", "on_broken"))


def _result(value: Any) -> Any:
    """What calling something gives."""
    if isinstance(value, RpcProperty):
        value = named_by(value)[1]
    if isinstance(value, Named):
        found = value.result()
        local = ("dispose", "map", "on_broken")
        return Thing(local=local) if found is None else found._replace(local=local)
    return None


# Texts.


def before_the_cursor(line: str) -> tuple[str, str] | None:
    """Split what is typed into an expression and the beginning of a name behind its last dot.

    Returns:
        None where no name is typed behind a dot, or in a string or comment.
    """
    tokens = list(_tokens(line))
    if not tokens or tokens[-1].end[1] != len(line):
        return None
    fragment = ""
    if tokens[-1].type == tokenize.NAME:
        fragment = tokens.pop().string
    if not tokens or tokens[-1].string != "." or tokens[-1].end[1] != len(line) - len(fragment):
        return None
    end = tokens.pop().start[1]
    start = _start_of_primary(tokens)
    return None if start is None else (line[start:end], fragment)


def _tokens(line: str) -> Iterator[tokenize.TokenInfo]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type in _SOLID or (token.type == tokenize.ERRORTOKEN and token.string.strip()):
                yield token
            elif token.type == tokenize.COMMENT:
                return
    except (tokenize.TokenError, SyntaxError):  # a bracket that is not closed yet
        return


def _start_of_primary(tokens: list[tokenize.TokenInfo]) -> int | None:
    """Find where the name, call or item begins that ends with the last of these tokens."""
    while tokens:
        last = tokens.pop()
        if last.string in (")", "]"):
            depth = 1
            while tokens and depth:
                last = tokens.pop()
                depth += (last.string in (")", "]", "}")) - (last.string in ("(", "[", "{"))
            if depth:
                return None
            if tokens and (_is_name(tokens[-1]) or tokens[-1].string in (")", "]")):
                continue
            return last.start[1] if last.string == "(" else None
        if not _is_name(last):
            return None
        if not tokens or tokens[-1].string != ".":
            return last.start[1]
        tokens.pop()
    return None


def _is_name(token: tokenize.TokenInfo) -> bool:
    return token.type == tokenize.NAME and token.string not in ("await", "return", "in", "not")
