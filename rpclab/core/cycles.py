"""Execution contexts that keep one another alive, and that nothing else keeps: they are over.

Floor: core. A context lives on while another one holds a stub of a target of its own (rule O14).
Two that hold stubs of each other's would live for ever; one that holds only its own ends by itself
(`ExecutionContext.part_with_itself`). What cannot be seen from here counts as a holder: a stub in
another process, in a long context or on its way.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rpclab.core.hooks import ForwardHook, Hook, TargetHook, claims_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.imports import Handle
    from rpclab.core.session import Session


def let_go_of_cycles(sessions: Iterable[Session]) -> None:
    """Dispose the stubs of the contexts that only keep one another; with them these end.

    Args:
        sessions: all of a sandbox.
    """
    contexts: dict[ExecutionContext, None] = {}
    forwards: Counter[Hook] = Counter()
    for session in sessions:
        for hook in session.exports.values():
            if isinstance(hook, ForwardHook):
                forwards[hook] += 1
            elif isinstance(hook, TargetHook) and not hook.context.ended:
                contexts[hook.context] = None
    owned = (handle for context in contexts for handle in context.undisposed())
    claims = claims_of(owned, forwards)
    alive: set[ExecutionContext] = set()
    left = [context for context in contexts if not context.kept_only_by(claims)]
    while left:
        context = left.pop()
        if context not in alive:
            alive.add(context)
            left += [
                context
                for handle in context.undisposed()
                for context in _lived_in(handle)
                if context in contexts
            ]
    for context in contexts:
        if context not in alive:
            for handle in reversed(context.undisposed()):
                handle.dispose("context")


def _lived_in(handle: Handle) -> Iterator[ExecutionContext]:
    """The context of the target that a handle holds, if it is near."""
    left = [handle.entry]
    while left:
        entry = left.pop()
        if entry is not None:
            hook = None if entry.session.peer is None else entry.session.peer.exports.get(entry.id)
            if isinstance(hook, TargetHook):
                yield hook.context
            elif isinstance(hook, ForwardHook):
                left.append(hook.entry)
            left.append(entry.behind)
