"""Where a handle leads and whose it is; and the warning of a context that leaves stubs behind.

Floor: rpc. Reads the tables of both ends, where they are in this process, and sends nothing.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rpclab.core.contexts import current
from rpclab.core.hooks import ForwardHook, ServiceHook, TargetHook, name_of
from rpclab.core.targets import is_function
from rpclab.errors import UndisposedStubWarning

if TYPE_CHECKING:
    from rpclab.core.answers import Answer
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.hooks import Hook
    from rpclab.core.imports import Handle, Import


class Owner(NamedTuple):
    """Whose a stub is.

    Attributes:
        worker: the Worker.
        context: "long" (the notebook, a script, what belongs to no call), "event",
            "call" or "object" (a Durable Object in memory).
    """

    worker: str
    context: str

    def __str__(self) -> str:
        words = {"event": "an event of ", "call": "a call in ", "object": "a Durable Object of "}
        return f"{words.get(self.context, '')}{self.worker}"


class Target(NamedTuple):
    """What a stub leads to.

    Attributes:
        worker: the Worker it lives in.
        name: the class of the target, or the function; None where that is not known here.
    """

    worker: str
    name: str | None

    def __str__(self) -> str:
        return f"{self.name or 'something'} in {self.worker}"


def owner_of(context: ExecutionContext) -> Owner:
    """Say whose the stubs of a context are."""
    if context.gate is not None:
        return Owner(context.worker, "object")
    kind = "long" if context.long else "event" if context.platform is None else "call"
    return Owner(context.worker, kind)


def destination(entry: Import) -> tuple[str, Hook | Answer | None]:
    """Follow an import to the Worker it ends in, through those that forward, and to its hook."""
    while True:
        session = entry.direct.session
        hook = None if session.peer is None else session.peer.exports.get(entry.direct.id)
        if not isinstance(hook, ForwardHook):
            return session.name.partition("→")[2], hook
        entry = hook.entry


def target_of(entry: Import) -> Target:
    """Name what an import leads to, without running any code of it."""
    worker, hook = destination(entry)
    if not isinstance(hook, TargetHook):
        return Target(worker, None)
    target = hook.target
    if is_function(target):
        return Target(worker, f"the function {getattr(target, '__qualname__', 'partial')}")
    return Target(worker, name_of(target))


def is_binding(entry: Import) -> bool:
    """Whether an import is a binding, which nobody disposes (rule O18)."""
    return isinstance(destination(entry)[1], ServiceHook)


def split_site(site: str | None) -> tuple[str | None, int | None]:
    """Take "counter.py, line 3" apart."""
    place, _, line = (site or "").rpartition(", line ")
    return (place, int(line)) if place and line.isdecimal() else (None, None)


def warning_of(context: ExecutionContext) -> Callable[[], None] | None:
    """Make the warning of what the code of an ending context did not dispose.

    Where calls in it were cut off, or the sandbox is closed, nobody is to blame: the code had no
    chance to dispose.

    Returns:
        What issues the warning; None where there is none.
    """
    if context.cut_off or context.running():
        return None
    left = [
        handle
        for handle in context.undisposed()
        if handle.entry and handle.entry.session.closed is None and not is_binding(handle.entry)
    ]
    if not left:
        return None
    count = "a stub" if len(left) == 1 else f"{len(left)} stubs"
    text = "\n".join(
        [
            f"{owner_of(context)} ended with {count} that its code did not dispose:",
            *map(_line, left),
            "dispose each with `with`, or .dispose()",
        ]
    )
    place, line = next((split_site(h.site) for h in left if h.site), (None, None))
    host = context.host

    def tell() -> None:
        _let_python_show_it()
        try:
            warnings.warn_explicit(text, UndisposedStubWarning, place or "rpclab", line or 0)
        except UndisposedStubWarning as error:
            # Where warnings are errors, the block that ended raises this one. After a call there is
            # no such block, and to raise would stop the run queue.
            if _in_a_task() and current.get() is not context:
                raise
            host.report(error, f"the end of {owner_of(context)}")

    return tell


def _in_a_task() -> bool:
    """Whether code of the program runs, and not the run queue."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop runs
        return False


def _line(handle: Handle) -> str:
    target = target_of(handle.entry) if handle.entry is not None else None
    return f"  a stub of {target}, made at {handle.site or 'an unknown place'}"


def _let_python_show_it() -> None:
    """Python hides every ResourceWarning unless told otherwise; this one was asked for."""
    for action, _, category, _, _ in warnings.filters:
        if issubclass(UndisposedStubWarning, category):
            # A filter of the user's own stays in force.
            if action == "ignore" and category is ResourceWarning:
                warnings.simplefilter("always", UndisposedStubWarning)
            return
