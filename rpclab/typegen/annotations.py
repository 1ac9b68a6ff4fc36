"""From annotations to kinds.

Floor: typegen.
"""

from __future__ import annotations

import ast
import builtins
import sys

from rpclab.typegen.kinds import (
    NONE,
    UNKNOWN,
    Choice,
    Container,
    Function,
    Kind,
    Plain,
    Record,
    Target,
)
from rpclab.typegen.sources import OURS, Member, Source, is_installed
from rpclab.workers import LATER

_TYPING = ("typing.", "typing_extensions.", "collections.abc.")
_STUB = "rpclab.typed.Stub"
_TRANSPARENT = {"Annotated", "ClassVar", "Final", "NotRequired", "ReadOnly", "Required"}
_AWAITED = {"Awaitable", "Coroutine", "Future", "Task", "RpcPromise", "RpcProperty"}
_STREAMS = {"AsyncGenerator", "AsyncIterable", "AsyncIterator", "Generator", "Iterator"}
_OLD = {"Dict": "dict", "FrozenSet": "frozenset", "List": "list", "Set": "set", "Tuple": "tuple"}
_DEPTH = 20  # aliases that lead to one another

Definition = ast.FunctionDef | ast.AsyncFunctionDef


def resolve(node: ast.expr | None, source: Source, owner: str = "", depth: int = 0) -> Kind:
    """Understand an annotation.

    Args:
        node: the annotation; None where there is none.
        source: the module it stands in.
        owner: the class it stands in, for `Self`.
        depth: how many aliases were followed.
    """
    match node:
        case ast.Constant(value=None):
            return NONE
        case ast.Constant(value=str(text)):
            return _resolve_text(text, source, owner, depth)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _choice(
                [resolve(left, source, owner, depth), resolve(right, source, owner, depth)]
            )
        case ast.Name() | ast.Attribute():
            return _named(source.qualified(node), source, owner, depth)
        case ast.Subscript(value=value, slice=inner):
            arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return _applied(source.qualified(value), arguments, source, owner, depth)
    return UNKNOWN


def _resolve_text(text: str, source: Source, owner: str, depth: int) -> Kind:
    try:
        return resolve(ast.parse(text, mode="eval").body, source, owner, depth)
    except SyntaxError:
        return UNKNOWN


def _choice(items: list[Kind]) -> Kind:
    flat: dict[Kind, None] = {}
    for item in items:
        flat |= dict.fromkeys(item.items if isinstance(item, Choice) else [item])
    if UNKNOWN in flat:
        return UNKNOWN
    return Choice(tuple(flat)) if len(flat) > 1 else next(iter(flat))


def _named(full: str, source: Source, owner: str, depth: int) -> Kind:
    module, _, last = full.rpartition(".")
    if full == _STUB:
        return Function(None, UNKNOWN)
    if full.startswith(_TYPING):
        if last == "Self" and owner:
            return Target(source, owner)
        if last in _STREAMS or last in _AWAITED:
            return _applied(full, [], source, owner, depth)
        if last == "Callable":
            return Function(None, UNKNOWN)
        return Plain(_OLD[last]) if last in _OLD else UNKNOWN
    place = source.find(full)
    if place is not None:
        return _local(*place, depth)
    if not module:
        return _builtin(full)
    top = module.partition(".")[0]
    if module in OURS and last in LATER:
        return Plain(f"rpclab.workers.{last}", "rpclab.workers")
    if module in OURS or not (top in sys.stdlib_module_names or is_installed(top)):
        return UNKNOWN
    return Plain(full, module)


def _local(source: Source, name: str, depth: int) -> Kind:
    if name in source.classes:
        if source.exposure(name):
            return Target(source, name)
        return Record(source, name) if source.is_record(name) else UNKNOWN
    return resolve(source.aliases[name], source, depth=depth + 1) if depth < _DEPTH else UNKNOWN


def _builtin(name: str) -> Kind:
    if name == "object" or not isinstance(getattr(builtins, name, None), type):
        return UNKNOWN
    return Plain(name)


def _applied(full: str, arguments: list[ast.expr], source: Source, owner: str, depth: int) -> Kind:
    def inner(node: ast.expr) -> Kind:
        return resolve(node, source, owner, depth)

    module, _, last = full.rpartition(".")
    if full == _STUB:
        return _function(arguments, source, owner, depth)
    if full.startswith(_TYPING) or module in (*OURS, "rpclab.typed", "asyncio"):
        match last:
            case "Optional":
                return _choice([inner(arguments[0]), NONE])
            case "Union":
                return _choice([inner(argument) for argument in arguments])
            case "Literal":
                text = ", ".join(ast.unparse(argument) for argument in arguments)
                return Plain(f"typing.Literal[{text}]", "typing")
            case "Callable":
                return _function(arguments, source, owner, depth)
            case _ if last in _TRANSPARENT:
                return inner(arguments[0])
            case _ if last in _AWAITED:
                return inner(arguments[-1]) if arguments else UNKNOWN
            case _ if last in _STREAMS:
                items = (inner(arguments[0]) if arguments else UNKNOWN,)
                stream = Plain("collections.abc.AsyncIterator", "collections.abc")
                return Container(stream, items)
    head: Kind = _named(full, source, owner, depth)
    if full.startswith("collections.abc.") or full in ("typing.Sequence", "typing.Mapping"):
        head = Plain(f"collections.abc.{last}", "collections.abc")
    if not isinstance(head, Plain) or full == "type":
        return head if isinstance(head, (Target, Record)) else UNKNOWN
    endless = isinstance(arguments[-1], ast.Constant) and arguments[-1].value is ...
    kept = arguments[:-1] if endless else arguments
    return Container(head, tuple(inner(argument) for argument in kept), endless)


def _function(arguments: list[ast.expr], source: Source, owner: str, depth: int) -> Kind:
    params, result = arguments[0], arguments[-1]
    known = None
    if isinstance(params, ast.List):
        known = tuple(resolve(param, source, owner, depth) for param in params.elts)
    return Function(known, resolve(result, source, owner, depth))


# What a method gives that is not annotated.


def result_of(member: Member) -> Kind:
    """Say what a method gives, or what a property is: as annotated, or as its `return`s show."""
    node = member.node
    if node is None:
        return UNKNOWN
    if node.returns is not None:
        return resolve(node.returns, member.source, member.owner)
    found = _Returns(member.source)
    for statement in node.body:
        found.visit(statement)
    if found.yields:
        return UNKNOWN
    return _choice(found.kinds or [NONE])


class _Returns(ast.NodeVisitor):
    """What the `return`s of a function give, where that can be seen at once."""

    def __init__(self, source: Source) -> None:
        self.kinds: list[Kind] = []
        self.yields = False
        self._source = source

    def visit_Return(self, node: ast.Return) -> None:
        self.kinds.append(NONE if node.value is None else self._kind(node.value))

    def _kind(self, node: ast.expr) -> Kind:
        match node:
            case ast.Constant(value=value) if value is not ...:
                return Plain(type(value).__name__) if value is not None else NONE
            case ast.JoinedStr():
                return Plain("str")
            case ast.Call(func=ast.Name() | ast.Attribute() as called):
                place = self._source.find(self._source.qualified(called))
                if place is not None and place[0].exposure(place[1]):
                    return Target(*place)
        return UNKNOWN

    def visit_Yield(self, _: ast.Yield) -> None:
        self.yields = True

    def visit_YieldFrom(self, _: ast.YieldFrom) -> None:
        self.yields = True

    def _skip(self, node: ast.AST) -> None:
        """Leave inner functions and classes alone."""

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _skip  # noqa: N815


__all__ = ["resolve", "result_of"]
