"""What Tab offers on the lines of our magics.

Floor: notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from rpclab.notebook.cells import AWAITED
from rpclab.notebook.lines import TRACE_OPTIONS, WORKER_OPTIONS

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult

    from rpclab.notebook.magics import RpcLab
    from rpclab.sandbox import Sandbox

_LINE = re.compile(r"\s*%%?(worker|trace|bind|rpclab)\s(?:.*\s)?(\S*)$")


def completer(sandbox: Sandbox, magics: type[RpcLab]) -> Any:
    """Make the matcher of our lines, for IPython's `custom_matchers`."""

    @context_matcher(identifier="rpclab")
    def complete(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.match(context.text_until_cursor)
        if found is None:
            return {"completions": []}
        magic, word = found.groups()
        above = context.full_text.split("\n")[: context.cursor_line]
        before = context.text_until_cursor[: found.start(2)].split()
        fragment, names = _choices(sandbox, magics, magic, word, before[-1])
        if magic in AWAITED and any(line.strip() for line in above):
            names = []
        hits = [SimpleCompletion(name, type="param") for name in names if name.startswith(fragment)]
        return {"completions": hits, "suppress": bool(hits), "matched_fragment": fragment}

    return complete


def _choices(
    sandbox: Sandbox, magics: type[RpcLab], magic: str, word: str, previous: str
) -> tuple[str, Iterable[str]]:
    """Give what of the word is to be completed, and with what."""
    if magic == "rpclab":
        return word, sorted(magics.COMMANDS)
    if magic == "trace":
        return word, list(TRACE_OPTIONS)
    if "=" in word and (magic == "bind" or previous == "--bind" or word.startswith("--bind=")):
        return _target(sandbox, word.rpartition("=")[2])
    if magic == "worker" and word.startswith("-"):
        return word, list(WORKER_OPTIONS)
    if magic == "worker" and previous.endswith("%worker"):
        return word, list(sandbox.workers)
    return word, []


def _target(sandbox: Sandbox, target: str) -> tuple[str, Iterable[str]]:
    worker, hash_, entrypoint = target.partition("#")
    if not hash_:
        return worker, list(sandbox.workers)
    found = sandbox.workers.get(worker)
    return entrypoint, list(found.exports) if found else []
