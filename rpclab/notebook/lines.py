"""The lines of our magics: words, options, comments.

Floor: notebook. A line is split here and not by `shlex`, for `#` must be able to stand inside a
word (`counter#Admin`), and JSON inside an option (`--json LIMITS={"a": 1}`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from IPython.core.error import UsageError

from rpclab.notebook.options import (
    Option,
    Options,
    Word,
    city,
    entrypoint,
    object_class,
    one_of,
    read_options,
    usage,
)
from rpclab.previews import shown
from rpclab.sandbox import BindingTarget, binding
from rpclab.workers.call_queue import OVERLOAD
from rpclab.workers.d1.connection import MEMORY
from rpclab.workers.objects.namespace import ObjectsTarget, objects

_MOST_DIGITS = 10  # of a number of calls

WORKER_OPTIONS: Options = {
    "--bind": Option("VAR=worker[#Entrypoint]", entrypoint),
    "--var": Option("VAR=text"),
    "--json": Option("VAR=json"),
    "--object": Option("VAR=Class[@worker]", object_class),
    "--d1": Option("VAR[=file]"),
    "--kv": Option("VAR[=id]"),
    "--at": Option("CITY", city),
    "--on": Option("kernel|process[:N]|dask[:N]", one_of("kernel", "process", "dask")),
    "--concurrency": Option("N"),
    "--queue": Option("N"),
    "--overload": Option("newest|oldest", one_of(*OVERLOAD)),
}
BIND_OPTIONS: Options = {"--object": Option("VAR=Class@worker", object_class)}
TRACE_OPTIONS: Options = {"--text": Option()}
WRANGLER_OPTIONS: Options = {"--env": Option("NAME")}


@dataclass
class WorkerLine:
    """What stands behind `%%worker`."""

    name: str
    bind: dict[str, BindingTarget] = field(default_factory=dict)
    vars: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    d1: dict[str, str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    kv: dict[str, str] = field(default_factory=dict)
    at: str | None = None
    on: str | None = None
    turns: dict[str, Any] = field(default_factory=dict)

    def variables(self) -> dict[str, Any]:
        """What the environment holds, as `Sandbox.prepare` takes it."""
        return {
            "vars": self.vars, "json": self.json, "bind": self.bind, "d1": self.d1,
            "objects": self.objects, "kv": self.kv,
        }  # fmt: skip


def words(line: str) -> list[Word]:
    """Split a line at white space; quotes group, and a `#` that begins a word begins a comment.

    Raises:
        UsageError: a quotation does not end.
    """
    found = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
        elif line[at] == "#":
            break
        else:
            text, end = _word(line, at)
            found.append(Word(text, line[at:end]))
            at = end
    return found


def _word(line: str, at: int) -> tuple[str, int]:
    parts = []
    start = at
    while at < len(line) and not line[at].isspace():
        character = line[at]
        if character in "\"'":
            end = line.find(character, at + 1)
            if end < 0:
                raise UsageError(f"the quotation {line[at:]} does not end")
            parts.append(line[at + 1 : end])
            at = end + 1
        elif character in "{[" and line[start:at].endswith("="):
            end = _end_of_json(line, at)
            parts.append(line[at:end])
            at = end
        else:
            parts.append(character)
            at += 1
    return "".join(parts), at


def _end_of_json(line: str, at: int) -> int:
    try:
        return json.JSONDecoder().raw_decode(line, at)[1]
    except json.JSONDecodeError:
        return at + 1


def parse_worker(line: str) -> WorkerLine:
    """Read the line of `%%worker`.

    Raises:
        UsageError: it says something that is not understood.
    """
    parsed = WorkerLine("")
    for flag, value in read_options(words(line), WORKER_OPTIONS, "%%worker"):
        match flag:
            case None:
                if parsed.name:
                    raise UsageError(
                        f"%%worker takes one name, but there are {parsed.name!r} and {value.text!r}"
                    )
                parsed.name = value.text
            case "--at":
                parsed.at = value.text
            case "--on":
                parsed.on = value.text
            case "--concurrency" | "--queue":
                parsed.turns[flag[2:]] = _number(flag, value.text)
            case "--overload":
                parsed.turns["overload"] = value.text
            case _:
                _read_variable(parsed, flag, value)
    if not parsed.name:
        raise UsageError("%%worker needs a name, such as: %%worker counter-service")
    return parsed


def _read_variable(parsed: WorkerLine, flag: str, value: Word) -> None:
    """Read an option that gives the environment a variable."""
    given = value.text
    if flag in ("--d1", "--kv") and "=" not in given:
        given = f"{given}={MEMORY if flag == '--d1' else given}"
    variable, text = _assignment(given, WORKER_OPTIONS[flag].form)
    match flag:
        case "--bind":
            parsed.bind[variable] = _binding(text)
        case "--var":
            parsed.vars[variable] = text
        case "--object":
            parsed.objects[variable] = _objects(text)
        case "--d1":
            parsed.d1[variable] = text
        case "--kv":
            parsed.kv[variable] = text
        case _:
            parsed.json[variable] = _json(variable, text, value.raw)


def parse_bindings(line: str) -> dict[str, BindingTarget | ObjectsTarget]:
    """Read the line of `%bind`.

    Raises:
        UsageError: it says something that is not understood.
    """
    bindings: dict[str, BindingTarget | ObjectsTarget] = {}
    for flag, value in read_options(words(line), BIND_OPTIONS, "%bind"):
        if flag is None:
            variable, target = _assignment(value.text, WORKER_OPTIONS["--bind"].form)
            bindings[variable] = _binding(target)
        else:
            variable, target = _assignment(value.text, BIND_OPTIONS[flag].form)
            try:
                bindings[variable] = objects(_objects(target))
            except ValueError:
                raise UsageError(f"{target!r} is not of the form Class@worker") from None
    if not bindings:
        raise UsageError("%bind needs a binding, such as: %bind COUNTER=counter-service#Counter")
    return bindings


def parse_trace(line: str) -> bool:
    """Read the line of `%%trace`: whether text alone is wanted.

    Raises:
        UsageError: it says something that is not understood.
    """
    text_only = False
    for flag, word in read_options(words(line), TRACE_OPTIONS, "%%trace"):
        if flag is None:
            raise UsageError(f"%%trace takes no {word.text!r}; the code goes into the lines below")
        text_only = True
    return text_only


def parse_wrangler(line: str, magic: str) -> tuple[str | None, list[str]]:
    """Read the line of `%wrangler` or `%%wrangler`: the environment, and the other words.

    Args:
        line: what stands behind the magic.
        magic: which of the two.

    Raises:
        UsageError: it says something that is not understood.
    """
    environment, others = None, []
    for flag, value in read_options(words(line), WRANGLER_OPTIONS, magic):
        if flag is None:
            others.append(value.text)
        else:
            environment = value.text
    return environment, others


def _assignment(text: str, form: str) -> tuple[str, str]:
    variable, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not of the form {form}")
    if not variable.isidentifier():
        raise UsageError(f"{variable!r} cannot be the name of a variable, in {text!r}")
    return variable, value


def _number(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS):
        raise UsageError(f"{flag} needs a number, not {shown(text)!r}")
    return int(text)


def _binding(target: str) -> BindingTarget:
    try:
        return binding(target)
    except ValueError as error:
        raise usage(error) from None


def _objects(text: str) -> str:
    """Read "Class" or "Class@worker"; "worker#Class" is understood, too."""
    class_name, at, worker = text.rpartition("@") if "#" not in text else ("", "", text)
    if not worker or (at and not class_name):
        raise UsageError(f"{text!r} is not of the form Class or Class@worker")
    return f"{worker}#{class_name}" if at else worker


def _json(variable: str, text: str, raw: str) -> Any:
    # A JSON string is written with its quotes, which `text` has lost.
    for candidate in (raw.partition("=")[2], text):
        try:
            return json.loads(candidate)
        except json.JSONDecodeError:
            continue
    raise UsageError(f"{variable} takes JSON, and {text!r} is none; use --var for text")
