"""The text of a Worker, read by `ast`: its classes, who they derive from, what a peer can reach.

Floor: typegen. The rules are those of `rpclab.core.targets`, as far as a text can show them.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rpclab.config.file_text import read_python
from rpclab.rpc.looking import HTTP, RESERVED
from rpclab.workers.entrypoints import DEFAULT

BASES = {"RpcTarget": "target", "WorkerEntrypoint": "entrypoint", "DurableObject": "object"}
OURS = ("workers", "rpclab", "rpclab.workers")
_HIDDEN_DECORATORS = {"staticmethod", "classmethod"}
_PROPERTY_DECORATORS = {"property", "functools.cached_property"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Member:
    """A member of an exposed class that a peer can reach.

    Attributes:
        node: its definition; None where it is a function of which no more is known.
        is_property: whether awaiting its name reads it.
        source: where its annotations are to be understood.
        owner: the class that says it, for `Self`.
        handler: whether it is a function of the module, which takes one argument.
    """

    name: str
    node: Definition | None
    is_property: bool
    source: Source
    owner: str
    handler: bool = False


class Source:
    """A module of a Worker.

    Args:
        text: its text.
        folder: where the modules beside it stand, if any do.
        name: what errors call it.

    Raises:
        SyntaxError: the text is no Python.
    """

    def __init__(
        self,
        text: str,
        folder: Path | None = None,
        name: str = "",
        _beside: dict[str, Source] | None = None,
    ) -> None:
        self.classes: dict[str, ast.ClassDef] = {}
        self.functions: dict[str, Definition] = {}
        self.imports: dict[str, str] = {}
        self.aliases: dict[str, ast.expr] = {}
        self._folder = folder
        self._beside = {} if _beside is None else _beside
        for node in _statements(ast.parse(text, name or "<worker>").body):
            self._note(node)

    def _note(self, node: ast.stmt) -> None:
        match node:
            case ast.ClassDef():
                self.classes[node.name] = node
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.functions[node.name] = node
            case ast.Import():
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    self.imports[alias.asname or first] = alias.name if alias.asname else first
            case ast.ImportFrom(module=str(module), level=0):
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = f"{module}.{alias.name}"
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.aliases[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self.aliases[name] = value
            case _ if type(node).__name__ == "TypeAlias":  # since Python 3.12
                self.aliases[node.name.id] = node.value  # type: ignore[attr-defined]

    # Names.

    def qualified(self, node: ast.expr) -> str:
        """Give the full name of what an expression names: "typing.Any", "int", "Counter"."""
        match node:
            case ast.Name(id=name):
                return self.imports.get(name, name)
            case ast.Attribute(value=value, attr=attribute):
                owner = self.qualified(value)
                return f"{owner}.{attribute}" if owner else ""
        return ""

    def find(self, name: str) -> tuple[Source, str] | None:
        """Find the class or alias of a full name, here or in a module beside."""
        if name in self.classes or (name in self.aliases and name not in self.imports):
            return self, name
        module, _, last = name.rpartition(".")
        beside = self.beside(module) if module else None
        return beside.find(beside.imports.get(last, last)) if beside else None

    def beside(self, module: str) -> Source | None:
        """Read a module that stands beside the main file; None if there is none."""
        if self._folder is None or module in OURS:
            return None
        if module not in self._beside:
            base = self._folder.joinpath(*module.split("."))
            for path in (base / "__init__.py", base.with_suffix(".py")):
                if path.is_file():
                    found = Source(read_python(path), self._folder, str(path), self._beside)
                    self._beside.setdefault(module, found)
                    break
        return self._beside.get(module)

    def said(self) -> Iterator[str]:
        """Every name that a class here, or in a module beside that was read, gives a member."""
        for source in (self, *self._beside.values()):
            for node in source.classes.values():
                for inner in _statements(node.body):
                    if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        yield inner.name

    # Classes.

    def exposure(self, name: str, _seen: frozenset[str] = frozenset()) -> str:
        """Say what a class is to a peer: "target", "entrypoint", "object", or ""."""
        node = self.classes.get(name)
        for base in node.bases if node and name not in _seen else ():
            found = self._exposure_of_base(base, _seen | {name})
            if found:
                return found
        return ""

    def _exposure_of_base(self, base: ast.expr, seen: frozenset[str]) -> str:
        full = self.qualified(_head(base))
        module, _, last = full.rpartition(".")
        if module in OURS:
            return BASES.get(last, "")
        found = self.find(full)
        return found[0].exposure(found[1], seen) if found else ""

    def is_record(self, name: str) -> bool:
        """Whether a class is a TypedDict."""
        node = self.classes.get(name)
        return node is not None and any(
            self.qualified(_head(base)) in ("typing.TypedDict", "typing_extensions.TypedDict")
            or self._inherits_record(base)
            for base in node.bases
        )

    def _inherits_record(self, base: ast.expr) -> bool:
        found = self.find(self.qualified(_head(base)))
        return found is not None and found[1] in found[0].classes and found[0].is_record(found[1])

    def lineage(self, name: str) -> Iterator[tuple[Source, str]]:
        """Give a class and its bases that are known here, nearest first."""
        seen = set()
        waiting = [(self, name)]
        while waiting:
            source, current = waiting.pop(0)
            node = source.classes.get(current)
            if node is None or (id(source), current) in seen:
                continue
            seen.add((id(source), current))
            yield source, current
            found = [source.find(source.qualified(_head(base))) for base in node.bases]
            waiting = [each for each in found if each] + waiting

    def entrypoints(self) -> dict[str, str]:
        """The classes that this module exports, by name: "entrypoint" or "object"."""
        names = [*self.classes, *self.imports]
        found = {}
        for name in names:
            place = self.find(self.imports.get(name, name))
            if place and not name.startswith("_"):
                exposure = place[0].exposure(place[1])
                if exposure in ("entrypoint", "object"):
                    found[name] = exposure
        if DEFAULT not in found and self._handlers():
            found[DEFAULT] = "entrypoint"
        return found

    def _handlers(self) -> list[str]:
        return [name for name in self.functions if not name.startswith("_")]

    def serves_http(self, name: str) -> bool:
        """Whether an entrypoint, or class of Durable Objects, has a `fetch` of its own."""
        place = self.find(self.imports.get(name, name))
        if place is None:
            return "fetch" in self._handlers()
        return any(
            "fetch" in each._members_said_by(said) for each, said in place[0].lineage(place[1])
        )

    def members(self, name: str) -> list[Member]:
        """List what a peer can reach of a class, in the order of the text."""
        if name == DEFAULT and self.find(self.imports.get(name, name)) is None:
            return [
                Member(
                    function,
                    self.functions[function],
                    is_property=False,
                    source=self,
                    owner="",
                    handler=True,
                )
                for function in self._handlers()
                if function not in RESERVED | HTTP
            ]
        place = self.find(self.imports.get(name, name))
        if place is None:
            return []
        found: dict[str, Member | None] = {}
        for source, current in place[0].lineage(place[1]):
            shown = bool(source.exposure(current))
            for member_name, member in source._members_said_by(current).items():
                found.setdefault(member_name, member if shown else None)
        taken = RESERVED | HTTP if place[0].exposure(place[1]) != "target" else frozenset()
        return [
            member
            for member_name, member in found.items()
            if member is not None
            and not member_name.startswith("_")
            and member_name != "dispose"
            and member_name not in taken
        ]

    def _members_said_by(self, name: str) -> dict[str, Member | None]:
        """What the body of one class says; None is a name that no peer can reach."""
        found: dict[str, Member | None] = {}
        for node in _statements(self.classes[name].body):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    found[node.name] = self._member(node, name, found.get(node.name))
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            found[target.id] = self._assigned(target.id, value, name, found)
                case ast.ClassDef(name=inner):
                    found[inner] = None
        return found

    def _assigned(
        self, alias: str, value: ast.expr, owner: str, found: dict[str, Member | None]
    ) -> Member | None:
        """What `alias = value` in a class makes of the name."""
        match value:
            case ast.Name(id=other):
                known = found.get(other)
                return known and Member(alias, known.node, known.is_property, self, owner)
            case ast.Lambda():
                return Member(alias, None, is_property=False, source=self, owner=owner)
        return None

    def _member(self, node: Definition, owner: str, before: Member | None) -> Member | None:
        decorators = {self.qualified(_head(decorator)) for decorator in node.decorator_list}
        if decorators & _HIDDEN_DECORATORS:
            return None
        if any(decorator.endswith((".setter", ".deleter")) for decorator in decorators):
            return before
        is_property = bool(decorators & _PROPERTY_DECORATORS)
        return Member(node.name, node, is_property, self, owner)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, also of those that an `if` or `try` around them runs."""
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from _statements([*node.body, *node.orelse])
        else:
            yield node


def _head(node: ast.expr) -> ast.expr:
    """The name in `Name[…]` and `Name(…)`."""
    while isinstance(node, (ast.Subscript, ast.Call)):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return node


def is_installed(module: str) -> bool:
    """Whether a module is there, looked up without running it."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False
