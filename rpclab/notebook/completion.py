"""What Tab offers on the lines of our magics, and behind the dot of what is remote.

Floor: notebook.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.error import UsageError

from rpclab.notebook.cells import AWAITED
from rpclab.notebook.commands import command_words
from rpclab.notebook.expressions import Expressions, Objects, Thing, before_the_cursor
from rpclab.notebook.lines import (
    BIND_OPTIONS,
    TRACE_OPTIONS,
    WORKER_OPTIONS,
    WRANGLER_OPTIONS,
    parse_worker,
)
from rpclab.notebook.options import Offer, Typed, entrypoint, first, line_with, worker

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.sandbox import Sandbox

MAGICS: dict[str, Offer] = {
    "bind": line_with(BIND_OPTIONS, entrypoint),
    "rpclab": command_words,
    "trace": line_with(TRACE_OPTIONS),
    "worker": line_with(WORKER_OPTIONS, first(worker)),
    "wrangler": line_with(WRANGLER_OPTIONS),
}
"""What Tab offers behind each of our magics."""

_LINE = re.compile(rf"\s*%%?({'|'.join(MAGICS)})\s(.*\s)?(\S*)$")


def completer(shell: InteractiveShell, sandbox: Sandbox) -> Any:
    """Make the matcher of our lines, for IPython's `custom_matchers`."""

    @context_matcher(identifier="rpclab")
    def complete(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.match(context.text_until_cursor)
        if found is None:
            return _members(sandbox, shell.user_ns, context)
        magic, before, word = found.groups()
        above = context.full_text.split("\n")[: context.cursor_line]
        fragment, names = MAGICS[magic](sandbox, Typed(tuple((before or "").split()), word))
        if magic in AWAITED and any(line.strip() for line in above):
            names = ()
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
