"""How the other side of a call sees values: what a promise gives, what can be pipelined on it.

Floor: typegen. A target is seen as a stub, with a class of its own for the stub, for a promise of
it and for a property that is it; so is a function, a dict with known keys, and one with texts as
keys. Everything else is seen as it is.
"""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rpclab.typegen.annotations import resolve, result_of
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
    Unknown,
)

if TYPE_CHECKING:
    from rpclab.typegen.sources import Member, Source

LOCAL = frozenset({"dup", "dispose", "on_broken", "map"})
"""Names that mean something on a stub or promise itself."""

_INDENT = "    "


@dataclass
class Block:
    """A class to be written.

    Attributes:
        head: its first line, without the colon.
        body: its lines, not indented.
    """

    head: str
    body: list[str] = field(default_factory=list)

    def text(self) -> str:
        """As it is written."""
        if not self.body:
            return f"{self.head}: ..."
        return "\n".join([f"{self.head}:", *(f"{_INDENT}{line}" for line in self.body)])


class Views:
    """Makes the classes that are needed, each once.

    Args:
        shadowed: the names of members; where a class has a method `list`, its annotations mean
            that, and not the builtin.

    Attributes:
        modules: what has to be imported for the annotations.
        blocks: the classes, in the order in which they were first needed.
    """

    def __init__(self, shadowed: Iterable[str] = ()) -> None:
        self.modules: set[str] = set()
        self._shadowed = frozenset(shadowed) & frozenset(dir(builtins))
        self._property = f"@{self._plain('property')}"
        self.blocks: dict[str, Block] = {}
        self._names: dict[tuple[object, ...], str] = {}

    # Names.

    def unique(self, wanted: str, *longer: str) -> str:
        """Take the first of some names that is not taken yet, and keep its place."""
        candidates = [wanted, *longer, *(f"{wanted}{number}" for number in range(2, 1000))]
        name = next(name for name in candidates if name not in self.blocks)
        self.blocks[name] = Block(f"class {name}")
        return name

    def _made(self, key: tuple[object, ...]) -> str | None:
        return self._names.get(key)

    def _new(self, key: tuple[object, ...], wanted: str) -> str:
        name = self._names[key] = self.unique(wanted)
        return name

    # What is seen.

    def value(self, kind: Kind) -> str:
        """What an await gives."""
        match kind:
            case Plain(text, module):
                return self._plain(text, module)
            case Container(head, items, endless):
                inner = [self.value(item) for item in items] + ["..."] * endless
                return f"{self._plain(head.text, head.module)}[{', '.join(inner)}]"
            case Choice(items):
                return " | ".join(dict.fromkeys(self.value(item) for item in items))
            case Target():
                return self._stub(kind, kind.name)
            case Function():
                return self._stub(kind, "Function")
            case Record():
                return self._record(kind)
        return "Any"

    def _plain(self, text: str, module: str = "") -> str:
        if text in self._shadowed:
            text, module = f"builtins.{text}", "builtins"
        self._import(module)
        return text

    def _import(self, module: str) -> None:
        if module:
            self.modules.add(module)

    def _stub(self, kind: Target | Function, called: str) -> str:
        key = ("stub", kind)
        if name := self._made(key):
            return name
        members = self._members(kind)
        if name := self._made(key):  # one of its own methods gives it
            return name
        name = self._new(key, f"{called}Stub")
        self.blocks[name] = Block(f"class {name}(typed.RpcStub, {members})")
        return name

    def promise(self, kind: Kind) -> str:
        """What a call gives that resolves to such a value."""
        return self._eventual(kind, "RpcPromise", "Promise")

    def property(self, kind: Kind) -> str:
        """What naming a member gives that is such a value."""
        return self._eventual(kind, "RpcProperty", "Property")

    def _eventual(self, kind: Kind, base: str, suffix: str) -> str:
        if isinstance(kind, Unknown):
            return f"rpclab.{base}"
        inner = _without_none(kind)
        members = self._members(inner)
        value = self.value(kind)
        if not members:
            return f"typed.{base}[{value}]"
        key = (suffix, kind)
        if name := self._made(key):
            return name
        optional = "OrNone" if inner != kind else ""
        name = self._new(key, f"{members.strip('_').removesuffix('Members')}{optional}{suffix}")
        self.blocks[name] = Block(f"class {name}(typed.{base}[{value}], {members})")
        return name

    # What can be pipelined.

    def _members(self, kind: Kind) -> str:
        """The class of what can be named on a promise of such a value; "" if nothing can."""
        key = ("members", kind)
        if name := self._made(key):
            return name
        match kind:
            case Target(source, target):
                name = self._new(key, f"_{target}Members")
                self.blocks[name].body += self.methods(source, target)
            case Function(params, result):
                name = self._new(key, "_FunctionMembers")
                self.blocks[name].body += [self._call(params, result)]
            case Record(source, record):
                fields = self._fields(source, record)
                name = self._new(key, f"_{record}Members")
                self.blocks[name].body += self._record_members(fields)
            case Container(Plain("dict"), (Plain("str"), item)):
                name = self._new(key, "_DictMembers")
                seen = self.property(item)
                self.blocks[name].body += [f"def __getitem__(self, name: str) -> {seen}: ..."]
            case _:
                return ""
        return name

    def methods(self, source: Source, name: str) -> list[str]:
        """The remote methods and properties of an exposed class, as lines."""
        lines = []
        for member in source.members(name):
            if member.name in LOCAL or keyword.iskeyword(member.name):
                continue
            lines += self._method(member)
        return lines

    def _method(self, member: Member) -> list[str]:
        if member.node is None:
            return [f"{member.name}: rpclab.RpcProperty"]
        result = result_of(member)
        if member.is_property:
            return [self._property, f"def {member.name}(self) -> {self.property(result)}: ..."]
        params = self._handler_param(member) if member.handler else self._params(member)
        return [f"def {member.name}({', '.join(['self', *params])}) -> {self.promise(result)}: ..."]

    def _handler_param(self, member: Member) -> list[str]:
        """The one argument that a function of the module takes over RPC."""
        arguments = member.node.args if member.node else None
        given = [*arguments.posonlyargs, *arguments.args] if arguments else []
        seen = self.argument(resolve(given[0].annotation, member.source)) if given else "Any"
        return [f"argument: {seen}", "/"]

    def _params(self, member: Member) -> list[str]:
        if member.node is None:
            return ["*args: Any", "**kwargs: Any"]
        arguments = member.node.args

        def written(arg: ast.arg, default: ast.expr | None = None) -> str:
            seen = self.argument(resolve(arg.annotation, member.source, member.owner))
            return f"{arg.arg}: {seen}" + (f" = {_default(default)}" if default else "")

        positional = [*arguments.posonlyargs, *arguments.args]
        missing = len(positional) - len(arguments.defaults)
        defaults = [None] * missing + arguments.defaults
        lines = [written(arg, default) for arg, default in zip(positional, defaults, strict=True)]
        if len(arguments.posonlyargs) > 1:
            lines.insert(len(arguments.posonlyargs), "/")
        lines = lines[1:]  # self
        if arguments.vararg:
            lines.append(f"*{written(arguments.vararg)}")
        elif arguments.kwonlyargs:
            lines.append("*")
        lines += map(written, arguments.kwonlyargs, arguments.kw_defaults)
        if arguments.kwarg:
            lines.append(f"**{written(arguments.kwarg)}")
        return lines

    def argument(self, kind: Kind) -> str:
        """What a caller may give for such a parameter: the value, a promise of it, its own."""
        items = kind.items if isinstance(kind, Choice) else (kind,)
        given = [item for item in items if not isinstance(item, (Target, Function))]
        parts = [f"typed.OrPromise[{self.value(_either(given))}]"] if given else []
        for item in items:
            if isinstance(item, Target):
                parts += [f"typed.OrPromise[{self.value(item)}]", "rpclab.RpcTarget"]
            elif isinstance(item, Function):
                parts.append(self._callback(item))
        if UNKNOWN in items:
            return "Any"
        return " | ".join(dict.fromkeys(parts))

    def _callback(self, kind: Function) -> str:
        """A function that the caller gives: it is called with what the callee sends."""
        self._import("collections.abc")
        given = "..."
        if kind.params is not None:
            given = f"[{', '.join(self.value(param) for param in kind.params)}]"
        result = self.value(kind.result)
        if result not in ("Any", "None"):
            result = f"{result} | collections.abc.Awaitable[{result}]"
        elif result == "None":
            result = "object"
        return f"collections.abc.Callable[{given}, {result}]"

    def _call(self, params: tuple[Kind, ...] | None, result: Kind) -> str:
        if params is None:
            given = ["*args: Any", "**kwargs: Any"]
        else:
            given = [f"_{index}: {self.argument(param)}" for index, param in enumerate(params)]
            given += ["/"] * bool(given)
        return f"def __call__({', '.join(['self', *given])}) -> {self.promise(result)}: ..."

    # Dicts with known keys.

    def _fields(self, source: Source, name: str) -> dict[str, tuple[Kind, bool]]:
        """The fields of a TypedDict, also of its bases: their kinds, and which must be there."""
        found: dict[str, tuple[Kind, bool]] = {}
        for place, current in reversed(list(source.lineage(name))):
            node = place.classes[current]
            total = not any(
                option.arg == "total" and getattr(option.value, "value", True) is False
                for option in node.keywords
            )
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    marker = _marker(statement.annotation, place)
                    needed = marker == "Required" or (total and marker != "NotRequired")
                    kind = resolve(statement.annotation, place)
                    found[statement.target.id] = kind, needed
        return found

    def _record(self, kind: Record) -> str:
        key = ("record", kind)
        if name := self._made(key):
            return name
        name = self._new(key, kind.name)
        body = []
        for field_name, (seen, needed) in self._fields(kind.source, kind.name).items():
            value = self.value(seen)
            body.append(f"{field_name}: {value if needed else f'NotRequired[{value}]'}")
        self.blocks[name] = Block(f"class {name}(TypedDict)", body or ["pass"])
        return name

    def _record_members(self, fields: dict[str, tuple[Kind, bool]]) -> list[str]:
        seen = {name: self.property(kind) for name, (kind, _) in fields.items()}
        lines = []
        for name, view in seen.items():
            if name not in LOCAL:
                lines += [self._property, f"def {name}(self) -> {view}: ..."]
        return lines + by_name(seen)


def by_name(views: dict[str, str]) -> list[str]:
    """Write `__getitem__` for some names, as lines."""
    lines = []
    for name, view in views.items():
        if len(views) > 1:
            lines.append("@overload")
        lines.append(f"def __getitem__(self, name: Literal[{_quoted(name)}]) -> {view}: ...")
    return lines


def _quoted(text: str) -> str:
    quoted = repr(text)
    return f'"{quoted[1:-1]}"' if quoted[0] == "'" and '"' not in text else quoted


def _either(kinds: Sequence[Kind]) -> Kind:
    return kinds[0] if len(kinds) == 1 else Choice(tuple(kinds))


def _without_none(kind: Kind) -> Kind:
    if not isinstance(kind, Choice):
        return kind
    rest = [item for item in kind.items if item != NONE]
    return rest[0] if len(rest) == 1 else kind


def _default(node: ast.expr) -> str:
    match node:
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            return ast.unparse(node)
    return "..."


def _marker(node: ast.expr, source: Source) -> str:
    """`Required` or `NotRequired` around the annotation of a field, or ""."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    if isinstance(node, ast.Subscript):
        return source.qualified(node.value).rpartition(".")[2]
    return ""
