"""One holder's claim on an import; what a stub, its methods and its dups stand on.

Floor: core.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import current
from rpclab.core.events import noted_place
from rpclab.core.imports import Import
from rpclab.errors import STUB_DISPOSED, DisposedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.messages import Path
    from rpclab.core.protocols import ContextLike, Given, ImportLike, PayloadLike, PendingLike
    from rpclab.core.references import Reference

running_in = current.get
WHY = {
    "user": "it was disposed",
    "parameter": (
        "it was a parameter, released when the method returned;\n"
        "to keep it, take stub.dup() inside the method"
    ),
    "returned": "it was moved to the caller when it was returned; return stub.dup() to keep one",
    "context": "the execution context that owned it ended",
}


class Handle:
    """A claim that its owner gives back once, by `dispose`.

    In a long context a handle that Python forgets is given back too: its finalizer only queues it.

    Attributes:
        entry: what it is a claim on; None once it was given back.
        context: the execution context that owns it.
        gone: why it was given back.
        site: where it was made, while somebody records.
        gone_site: where it was disposed, likewise.
    """

    __slots__ = ("__weakref__", "context", "entry", "gone", "gone_site", "site")

    def __init__(self, entry: ImportLike, context: ContextLike) -> None:
        entry.handles += 1
        self.entry: ImportLike | None = entry
        self.context = context
        self.gone: str | None = None
        self.gone_site: str | None = None
        self.site: str | None = None

    def __del__(self, at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
        entry = self.entry
        # When the interpreter ends, the modules are emptied before the last objects go.
        if entry is not None and not at_exit():
            host = entry.session.host
            if host.observe is not None:
                host.observe(("forgotten", id(self)))
            host.forget(entry)

    def belong(self, context: ContextLike) -> None:
        """Make `context` the owner."""
        if not self.context.long:
            self.context.disown(self)
        self.context = context
        if not context.long:
            context.own(self)
            if context.host.observe is not None:
                context.host.observe(("owned", id(self), id(context)))

    def call(self, path: Path, args: Given, kwargs: dict[str, Any]) -> PendingLike:
        """Call the member at `path`, or read it where `args` is None."""
        context = running_in() or self.context
        entry = self.entry
        if type(entry) is Import and context.recording is None:
            # A plain import: what `entry.call` does, without that step.
            return entry.session.call(entry, path, args, kwargs, context)
        if entry is None:
            values = [*(args or ()), *(kwargs or {}).values()]
            return context.host.loopback(context).rejected(self.error(), context, values)
        if context.recording is not None:
            return context.recording.add(context.recording.capture(self), path, args, kwargs)
        return entry.call(path, args, kwargs, context)

    def __rpc_refer__(self, payload: PayloadLike) -> Reference:
        return payload.refer_handle(self, self)

    def dup(self) -> Handle:
        """Make an independent handle of the same stub (rule O5).

        Raises:
            DisposedError: it was given back already (rule O4).
        """
        if self.entry is None:
            raise self.error()
        copy = Handle(self.entry, current.get() or self.context)
        copy.context.own(copy)
        copy.site = noted_place(copy.context.host)
        observe = copy.context.host.observe
        if observe is not None:
            entry = self.entry.direct
            observe(("stub", id(copy), entry.session.label, entry.id, "dup", id(self), copy.site))
        return copy

    def dispose(self, why: str = "user") -> None:
        """Give the claim back. Doing so twice is fine (rule O2)."""
        entry = self.entry
        if entry is not None:
            self.entry = None
            self.gone = why
            context = self.context
            if not context.long:
                context.disown(self)
            if context.host.watching is not None:
                self.gone_site = context.host.watching.site()
                if context.host.observe is not None:
                    context.host.observe(("disposed", id(self), why, self.gone_site))
            entry.drop()

    def error(self) -> DisposedError:
        """The error of rule O3, with what is known of the end as notes."""
        error = DisposedError(STUB_DISPOSED)
        error.add_note(WHY[self.gone or "user"])
        if self.site:
            error.add_note(f"made at {self.site}")
        if self.gone_site:
            error.add_note(f"disposed at {self.gone_site}")
        return error
