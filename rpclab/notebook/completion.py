"""What Tab offers on the lines of our magics, and behind the dot of what is remote.

Floor: notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.error import UsageError

from rpclab.notebook.cells import AWAITED
from rpclab.notebook.distances import choices
from rpclab.notebook.expressions import Expressions, Objects, Thing, before_the_cursor
from rpclab.notebook.lines import (
    BIND_OPTIONS,
    CHANGES,
    FAULT_OPTIONS,
    TRACE_OPTIONS,
    WORKER_OPTIONS,
    parse_worker,
)
from rpclab.notebook.wrangler import WRANGLER_OPTIONS
from rpclab.simulation.cities import CITIES
from rpclab.workers.call_queue import OVERLOAD

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.notebook.magics import RpcLab
    from rpclab.sandbox import Sandbox

DISTANCES = ("break", "clock", "link", "locate")
_COMMANDS = "|".join((*DISTANCES, "faults", "replay"))
_COMMAND = re.compile(rf"\s*%rpclab\s+(?:replay\s+(?=(?:{'|'.join(DISTANCES)})\s))?({_COMMANDS})\s")
_LINE = re.compile(r"\s*%%?(worker|trace|wrangler|bind|rpclab)\s(?:.*\s)?(\S*)$")


def completer(shell: InteractiveShell, sandbox: Sandbox, magics: type[RpcLab]) -> Any:
    """Make the matcher of our lines, for IPython's `custom_matchers`."""

    @context_matcher(identifier="rpclab")
    def complete(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.match(context.text_until_cursor)
        if found is None:
            return _members(sandbox, shell.user_ns, context)
        magic, word = found.groups()
        command = _COMMAND.match(context.text_until_cursor)
        magic = command[1] if command else magic
        above = context.full_text.split("\n")[: context.cursor_line]
        before = context.text_until_cursor[: found.start(2)].split()
        fragment, names = _choices(sandbox, magics, magic, word, before[-1])
        if magic in AWAITED and any(line.strip() for line in above):
            names = []
        hits = [SimpleCompletion(name, type="param") for name in names if name.startswith(fragment)]
        return {"completions": hits, "suppress": bool(hits), "matched_fragment": fragment}

    return complete


def _members(
    sandbox: Sandbox, user_ns: dict[str, Any], context: CompletionContext
) -> SimpleMatcherResult:
    """Offer the members of something remote, if that is what stands before the last dot."""
    typed = before_the_cursor(context.text_until_cursor)
    if typed is None:
        return {"completions": []}
    expression, fragment = typed
    above = context.full_text.split("\n")[: context.cursor_line]
    thing = Expressions(_names_in(sandbox, user_ns, above), above).thing(expression)
    if thing is None:
        return {"completions": []}
    hits = [
        SimpleCompletion(name, type=thing.kind_of(name))
        for name in thing.names()
        if name.startswith(fragment)
    ]
    return {"completions": hits, "suppress": True, "matched_fragment": fragment}


def _names_in(sandbox: Sandbox, user_ns: dict[str, Any], above: list[str]) -> Mapping[str, Any]:
    """What the names of a cell mean: in the code of a Worker only its `env` is known."""
    first = next((line for line in above if line.strip()), "")
    if not first.startswith("%%worker "):
        return user_ns
    try:
        line = parse_worker(first.partition(" ")[2])
    except UsageError:
        return {}
    env: dict[str, Any] = {}
    for name, target in line.bind.items():
        found = sandbox.workers.get(target.worker)
        env[name] = Thing(found.exports.get(target.entrypoint) if found else None, None, ("fetch",))
    for name, text in line.objects.items():
        of, _, kind = text.rpartition("#")
        found = sandbox.workers.get(of)
        env[name] = Objects(found.objects.get(kind) if found else None)
    return {"env": env, "self": SimpleNamespace(env=env)}


def _choices(
    sandbox: Sandbox, magics: type[RpcLab], magic: str, word: str, previous: str
) -> tuple[str, Iterable[str]]:
    """Give what of the word is to be completed, and with what."""
    if magic == "rpclab":
        return word, sorted(magics.COMMANDS)
    if magic == "replay" and previous == "replay":
        return word, CHANGES
    if magic == "faults":
        return word, list(FAULT_OPTIONS)
    if magic in DISTANCES:
        return choices(sandbox, magic, word)
    if magic == "worker" and previous == "--at":
        return word, list(CITIES)
    if magic == "worker" and previous == "--overload":
        return word, list(OVERLOAD)
    if magic == "trace":
        return word, list(TRACE_OPTIONS)
    if magic == "wrangler":
        return word, list(WRANGLER_OPTIONS)
    if "=" in word and (previous == "--object" or word.startswith("--object=")):
        return word.rpartition("=")[2], _objects(sandbox)
    if "=" in word and (magic == "bind" or previous == "--bind" or word.startswith("--bind=")):
        return _target(sandbox, word.rpartition("=")[2])
    if magic == "worker" and word.startswith("-"):
        return word, list(WORKER_OPTIONS)
    if magic == "bind" and word.startswith("-"):
        return word, list(BIND_OPTIONS)
    if magic == "worker" and previous.endswith("%worker"):
        return word, list(sandbox.workers)
    return word, []


def _target(sandbox: Sandbox, target: str) -> tuple[str, Iterable[str]]:
    worker, hash_, entrypoint = target.partition("#")
    if not hash_:
        return worker, list(sandbox.workers)
    found = sandbox.workers.get(worker)
    return entrypoint, list(found.exports) if found else []


def _objects(sandbox: Sandbox) -> list[str]:
    return [
        f"{name}@{worker}" for worker, found in sandbox.workers.items() for name in found.objects
    ]
