"""The lines of our magics: words, options, comments.

Floor: notebook. A line is split here and not by `shlex`, for `#` must be able to stand inside a
word (`counter#Admin`), and JSON inside an option (`--json LIMITS={"a": 1}`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from IPython.core.error import UsageError

from rpclab.previews import shown
from rpclab.sandbox import BindingTarget, binding
from rpclab.workers.d1.connection import MEMORY
from rpclab.workers.objects.namespace import ObjectsTarget, objects

_MOST_DIGITS = 10  # of a number of calls


class Option(NamedTuple):
    """An option of a magic."""

    flag: str
    metavar: str
    help: str


WORKER_OPTIONS = {
    "--bind": Option("--bind", "VAR=worker[#Entrypoint]", "a binding to an entrypoint"),
    "--var": Option("--var", "VAR=text", "a text variable"),
    "--json": Option("--json", "VAR=json", "a variable that is any JSON value"),
    "--object": Option("--object", "VAR=Class[@worker]", "a namespace of Durable Objects"),
    "--d1": Option("--d1", "VAR[=file]", "a SQL database"),
    "--kv": Option("--kv", "VAR[=id]", "a KV namespace"),
    "--at": Option("--at", "CITY", "the city it stands in"),
    "--on": Option("--on", "kernel|process[:N]", "where it runs"),
    "--concurrency": Option("--concurrency", "N", "how many calls run at a time"),
    "--queue": Option("--queue", "N", "how many may wait for their turn"),
    "--overload": Option("--overload", "newest|oldest", "who is refused when more come"),
}
BIND_OPTIONS = {
    "--object": Option("--object", "VAR=Class@worker", "a namespace of Durable Objects"),
}
FAULT_OPTIONS = {"--most": Option("--most", "N", "how many messages it may send")}
CHANGES = ("break", "fail", "link", "locate", "pipelining")
"""What `%rpclab replay` can change."""

TRACE_OPTIONS = {"--text": Option("--text", "", "the diagram as plain text")}


class Word(NamedTuple):
    """A word of a line: as meant, and as written (with its quotes)."""

    text: str
    raw: str


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
    rest = iter(words(line))
    for word in rest:
        flag, value = read_option(word, rest, WORKER_OPTIONS, "%%worker")
        if flag is None:
            if parsed.name:
                raise UsageError(
                    f"%%worker takes one name, but there are {parsed.name!r} and {word.text!r}"
                )
            parsed.name = word.text
        elif flag == "--bind":
            variable, target = _assignment(value.text, WORKER_OPTIONS[flag].metavar)
            parsed.bind[variable] = _binding(target)
        elif flag == "--var":
            variable, text = _assignment(value.text, WORKER_OPTIONS[flag].metavar)
            parsed.vars[variable] = text
        elif flag == "--object":
            variable, text = _assignment(value.text, WORKER_OPTIONS[flag].metavar)
            parsed.objects[variable] = _objects(text)
        elif flag == "--at":
            parsed.at = value.text
        elif flag == "--on":
            parsed.on = value.text
        elif flag in ("--concurrency", "--queue"):
            parsed.turns[flag[2:]] = _number(flag, value.text)
        elif flag == "--overload":
            parsed.turns["overload"] = value.text
        elif flag == "--d1":
            text = value.text if "=" in value.text else f"{value.text}={MEMORY}"
            variable, file = _assignment(text, WORKER_OPTIONS[flag].metavar)
            parsed.d1[variable] = file
        elif flag == "--kv":
            text = value.text if "=" in value.text else f"{value.text}={value.text}"
            variable, id_ = _assignment(text, WORKER_OPTIONS[flag].metavar)
            parsed.kv[variable] = id_
        else:
            variable, text = _assignment(value.text, WORKER_OPTIONS[flag].metavar)
            parsed.json[variable] = _json(variable, text, value.raw)
    if not parsed.name:
        raise UsageError("%%worker needs a name, such as: %%worker counter-service")
    return parsed


def parse_bindings(line: str) -> dict[str, BindingTarget | ObjectsTarget]:
    """Read the line of `%bind`.

    Raises:
        UsageError: it says something that is not understood.
    """
    bindings: dict[str, BindingTarget | ObjectsTarget] = {}
    rest = iter(words(line))
    for word in rest:
        flag, value = read_option(word, rest, BIND_OPTIONS, "%bind")
        if flag is None:
            variable, target = _assignment(word.text, WORKER_OPTIONS["--bind"].metavar)
            bindings[variable] = _binding(target)
        else:
            variable, target = _assignment(value.text, BIND_OPTIONS[flag].metavar)
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
    rest = iter(words(line))
    text_only = False
    for word in rest:
        flag, _ = read_option(word, rest, TRACE_OPTIONS, "%%trace")
        if flag is None:
            raise UsageError(f"%%trace takes no {word.text!r}; the code goes into the lines below")
        text_only = True
    return text_only


def read_option(
    word: Word, rest: Iterator[Word], options: dict[str, Option], magic: str
) -> tuple[str | None, Word]:
    """Give the flag of a word, if it is one, and its value, which may be the word after.

    Raises:
        UsageError: there is no such flag, or its value is missing.
    """
    if not word.raw.startswith("-"):
        return None, word
    flag, equals, value = word.text.partition("=")
    option = options.get(flag)
    if option is None:
        raise UsageError(f"{magic} has no option {flag}; there are: {', '.join(options)}")
    if not option.metavar:
        return flag, word
    if equals:
        return flag, Word(value, word.raw.partition("=")[2])
    following = next(rest, None)
    if following is None or following.raw.startswith("--"):
        raise UsageError(f"{flag} needs {option.metavar}")
    return flag, following


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
        raise UsageError(str(error)) from None


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
