"""The text of a `.pyi`: `Env` of one Worker, and the classes of all that it leads to.

Floor: typegen.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rpclab import workers
from rpclab.typegen.remote_classes import Block, Views, by_name
from rpclab.typegen.sources import Source
from rpclab.workers.entrypoints import DEFAULT

_LONGEST = 80  # characters of a text that is written as a literal
_TYPING = ("Any", "Literal", "NotRequired", "TypedDict", "overload")
_WITH_ENV = ("WorkerEntrypoint", "DurableObject")


class Leads(NamedTuple):
    """Where a binding leads."""

    worker: str
    entrypoint: str = DEFAULT


@dataclass
class Described:
    """What is known of a Worker's environment.

    Attributes:
        name: the Worker.
        texts: variables that are texts, each with the values it may have; () is any.
        values: variables that are other JSON values.
        services: service bindings.
        objects: Durable Object namespaces; the entrypoint is the class.
        databases: variables that are D1 databases.
        namespaces: variables that are KV namespaces.
        elsewhere: what is known of it in other environments.
    """

    name: str
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    services: dict[str, Leads] = field(default_factory=dict)
    objects: dict[str, Leads] = field(default_factory=dict)
    databases: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    elsewhere: list[Described] = field(default_factory=list)


class Written(NamedTuple):
    """A `.pyi`, and what it could not know.

    Attributes:
        text: what to write.
        unknown: sentences, each naming a binding that everything is allowed on.
    """

    text: str
    unknown: tuple[str, ...]


def write_stub(described: Described, sources: Mapping[str, Source], *, command: str) -> Written:
    """Write the types of a Worker.

    Args:
        described: its environment.
        sources: the code of the Workers that are known, by name; its own among them, if there.
        command: what writes it anew, for the first line.
    """
    return _Writer(described, sources).write(command)


class _Writer:
    """Writes one file."""

    def __init__(self, described: Described, sources: Mapping[str, Source]) -> None:
        self._described = described
        self._environments = (described, *described.elsewhere)
        self._sources = sources
        self._views = Views({name for source in sources.values() for name in source.said()})
        self._unknown: list[str] = []
        self._exports: dict[Leads, str] = {}
        self._records: dict[tuple[str, object], str] = {}
        for name in ("Any", "Env", *workers.__all__):
            self._views.unique(name)
            del self._views.blocks[name].body[:]
        self._taken = dict(self._views.blocks)

    def write(self, command: str) -> Written:
        variables = self._variables()
        own = self._sources.get(self._described.name)
        for name, exposure in own.entrypoints().items() if own else ():
            self._export(Leads(self._described.name, name), exposure)
        env = Block("class Env(typed.Env)", [f"{name}: {seen}" for name, seen in _plain(variables)])
        env.body += by_name(variables)
        blocks = [block for name, block in self._views.blocks.items() if name not in self._taken]
        parts = [block.text() for block in [*blocks, env]] + ["env: Env"]
        if own:
            parts += [_with_env(name) for name in _WITH_ENV if name in workers.__all__]
        body = "\n\n".join(parts)
        head = f"# Written by `{command}`: run it again after a change to the Workers."
        text = "\n".join([head, "", *self._imports(body, is_worker=own is not None), "", body, ""])
        return Written(text, tuple(self._unknown))

    def _imports(self, body: str, *, is_worker: bool) -> list[str]:
        typing = [name for name in _TYPING if re.search(rf"\b{name}\b", body)]
        modules = {*self._views.modules, *(["rpclab"] if re.search(r"\brpclab\.", body) else [])}
        lines = [f"import {module}" for module in sorted(modules)]
        if typing:
            lines.append(f"from typing import {', '.join(typing)}")
        lines += ["", "from rpclab import typed"]
        if is_worker:
            names = [name for name in workers.__all__ if name not in _WITH_ENV]
            given = [f"{name} as {name}" for name in names] + [
                f"{name} as _{name}" for name in _WITH_ENV if name in workers.__all__
            ]
            lines += ["from rpclab.workers import (", *(f"    {name}," for name in given), ")"]
            lines.append("from rpclab.workers.platform import asgi as asgi, wsgi as wsgi")
        return lines

    # The environment.

    def _variables(self) -> dict[str, str]:
        """Give the type of each variable; one that differs by environment has that of each."""
        found: dict[str, dict[str, None]] = {}
        for described in self._environments:
            for name, seen in self._variables_of(described).items():
                found.setdefault(name, {})[seen] = None
        return {name: "Any" if "Any" in seen else " | ".join(seen) for name, seen in found.items()}

    def _variables_of(self, described: Described) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, target in described.services.items():
            found[name] = self._binding(name, target, "entrypoint") or "rpclab.typed.ServiceBinding"
        for name, target in described.objects.items():
            found[name] = f"typed.DurableObjectNamespace[{self._binding(name, target, 'object')}]"
        for name in described.databases:
            found[name] = "rpclab.workers.d1.database.D1Database"
            self._views.modules.add("rpclab.workers.d1.database")
        for name in described.namespaces:
            found[name] = "rpclab.workers.kv.namespace.KVNamespace"
            self._views.modules.add("rpclab.workers.kv.namespace")
        for name in described.texts:
            found[name] = self._text(name)
        for name, value in described.values.items():
            found[name] = self._json(value, _pascal(name))
        return found

    def _binding(self, variable: str, target: Leads, exposure: str) -> str:
        """Give the class of a binding; where its Worker is not known, one that allows all."""
        source = self._sources.get(target.worker)
        if source is None:
            self._say(
                f'env.{variable}: the Worker "{target.worker}" is not among those given, so'
                " everything is allowed on it"
            )
            return "Any"
        exports = source.entrypoints()
        if exports.get(target.entrypoint) != exposure:
            self._say(
                f'env.{variable}: "{target.worker}" exports no {exposure} "{target.entrypoint}"'
            )
            return "Any"
        return self._export(target, exposure)

    def _say(self, sentence: str) -> None:
        if sentence not in self._unknown:
            self._unknown.append(sentence)

    def _export(self, target: Leads, exposure: str) -> str:
        if target not in self._exports:
            worker = _pascal(target.worker)
            suffix = "Object" if exposure == "object" else "Binding"
            own = "" if target.entrypoint == DEFAULT else target.entrypoint
            name = self._views.unique(f"{own or worker}{suffix}", f"{worker}{own}{suffix}")
            self._exports[target] = name
            base = "DurableObjectStub" if exposure == "object" else "ServiceBinding"
            methods = self._views.methods(self._sources[target.worker], target.entrypoint)
            self._views.blocks[name] = Block(f"class {name}(typed.{base})", methods)
        return self._exports[target]

    def _text(self, name: str) -> str:
        """Give the type of a text: the values it has in the environments, if they are known."""
        said = [each.texts[name] for each in self._environments if name in each.texts]
        texts = dict.fromkeys(text for each in said for text in each)
        if not all(said) or any(len(text) > _LONGEST for text in texts):
            return "str"
        return f"Literal[{', '.join(json.dumps(text) for text in texts)}]"

    def _json(self, value: Any, name: str) -> str:
        match value:
            case None:
                return "None"
            case dict() if value and all(_is_field(key) for key in value):
                shape = (name, _shape(value))
                if shape in self._records:
                    return self._records[shape]
                record = self._records[shape] = self._views.unique(name)
                body = [f"{key}: {self._json(item, _pascal(key))}" for key, item in value.items()]
                self._views.blocks[record] = Block(f"class {record}(TypedDict)", body)
                return record
            case dict():
                return f"dict[str, {self._any_of(value.values(), name)}]"
            case list():
                return f"list[{self._any_of(value, name)}]"
        return type(value).__name__

    def _any_of(self, values: Any, name: str) -> str:
        kinds = dict.fromkeys(self._json(value, name) for value in values)
        return " | ".join(kinds) or "Any"


def _shape(value: Any) -> object:
    """What two JSON values have in common that are of one type."""
    match value:
        case dict():
            return (dict, *((key, _shape(item)) for key, item in value.items()))
        case list():
            return (list, *dict.fromkeys(map(_shape, value)))
    return type(value)


def _with_env(name: str) -> str:
    return "\n".join(
        [
            f"class {name}(_{name}):",
            "    env: Env",
            "    def __init__(self, ctx: Any, env: Env) -> None: ...",
        ]
    )


def _plain(variables: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, seen) for name, seen in variables.items() if _is_field(name)]


def _is_field(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")


def _pascal(name: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in name).split()
    joined = "".join(word.capitalize() if word.isupper() else word[0].upper() + word[1:]
                     for word in words)  # fmt: skip
    return joined if joined.isidentifier() else f"Worker{joined}"
