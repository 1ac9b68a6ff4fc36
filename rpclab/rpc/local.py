"""Stubs of one's own objects, and where code that runs outside every Worker belongs.

Floor: rpc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.answers import DataHook
from rpclab.core.contexts import ExecutionContext, current
from rpclab.core.handles import Handle
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import Import
from rpclab.rpc.engine import Engine

if TYPE_CHECKING:
    from weakref import ref

latest: list[ref[Any]] = []
"""The engines of the sandboxes that are open, the newest last."""

_alone: list[Engine] = []


def home() -> ExecutionContext:
    """The execution context of the running code: a Worker's, or that of the newest sandbox."""
    context = current.get()
    if context is not None:
        return context
    engine = home_engine()
    if engine is not None:
        return engine.keeper("notebook")
    if not _alone:
        _alone.append(Engine())
    return _alone[0].keeper("main")


def home_engine() -> Engine | None:
    """The host of the running code: its Worker's, or that of the newest sandbox, if any."""
    context = current.get()
    if context is not None:
        return context.host  # type: ignore[return-value]
    return next((engine for ref in reversed(latest) if (engine := ref()) is not None), None)


def local_handle(target: Any) -> Handle:
    """Introduce a target to the Worker it lives in (rule O20)."""
    context = home()
    importer = context.host.loopback(context)
    exporter: Any = importer.peer
    kind = DataHook if type(target) is dict else TargetHook
    entry = Import(importer, exporter.introduce(kind(target, context)))
    importer.imports[entry.id] = entry
    handle = Handle(entry, context)
    context.own(handle)
    handle.site = context.host.site()
    if context.host.observe is not None:
        context.host.observe(
            ("stub", id(handle), importer.label, entry.id, "local", 0, handle.site)
        )
    return handle
