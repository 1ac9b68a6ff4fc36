"""Stubs of one's own objects, and where code that runs outside every Worker belongs.

Floor: rpc. Stubs and deadlines ask here; so this file does not name the engine, which needs both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rpclab.core.answers import DataHook
from rpclab.core.contexts import current
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import Handle, Import

if TYPE_CHECKING:
    from collections.abc import Callable
    from weakref import ref

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.session import Session
    from rpclab.rpc.protocols import Shell

latest: list[ref[Shell]] = []
"""The engines of the sandboxes that are open, the newest last."""

_makers: list[Callable[[], Shell]] = []
_alone: list[Shell] = []


def register(make: Callable[[], Shell]) -> None:
    """Say how to make the engine of code that runs without a sandbox; made when first needed."""
    _makers[:] = [make]


def home() -> ExecutionContext:
    """The execution context of the running code: a Worker's, or that of the newest sandbox."""
    context = current.get()
    if context is not None:
        return context
    shell = home_shell()
    if shell is not None:
        return shell.keeper("notebook")
    if not _alone:
        _alone.append(_makers[0]())
    return _alone[0].keeper("main")


def home_shell() -> Shell | None:
    """The engine of the running code: its Worker's, or that of the newest sandbox, if any."""
    context = current.get()
    if context is not None:
        return cast("Shell", context.host)
    return next((shell for ref in reversed(latest) if (shell := ref()) is not None), None)


def local_handle(target: Any) -> Handle:
    """Introduce a target to the Worker it lives in (rule O20)."""
    context = home()
    importer = cast("Session", context.host.loopback(context))
    exporter: Any = importer.peer
    kind = DataHook if type(target) is dict else TargetHook
    entry = Import(importer, exporter.introduce(kind(target, context)))
    importer.imports[entry.id] = entry
    handle = Handle(entry, context)
    context.own(handle)
    handle.site = context.host.calls.site()
    if context.host.observe is not None:
        context.host.observe(
            ("stub", id(handle), importer.label, entry.id, "local", 0, handle.site)
        )
    return handle
