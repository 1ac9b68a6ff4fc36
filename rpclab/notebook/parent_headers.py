"""Has ipykernel 7.4 end each request under its own header.

Floor: notebook. A front end knows by the "idle" status with the header of its request that the
request is done; without it a cell never ends. ipykernel 7.4 handles widget messages while a cell
awaits, and loses track of whose turn it is: docs/upstream-ipykernel.md tells how.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

_request: ContextVar[Any] = ContextVar("rpclab_request")
"""The message that is being handled; None until the kernel has read it.

The cells of a shell share one context, one after the other. Each widget message that is handled
while a cell awaits has a copy of it.
"""


def end_requests_under_their_headers(kernel: Any) -> Callable[[], None]:
    """Have ipykernel 7.4 say "idle" after each request, with the header of that request.

    Three things are mended. A widget message that is handled while a cell awaits gets its "idle";
    without it the front end holds back every later change of that widget. When it has been
    handled, the kernel puts back the parent of the cell that runs by then, and not of the one that
    ran when the message came: what that cell prints stays its own. And whatever becomes of the
    parent while a request runs, the request ends as itself.

    Returns:
        A function that takes this back.
    """
    dispatch = getattr(kernel, "dispatch_shell", None)
    if dispatch is None or "concurrent" not in inspect.signature(dispatch).parameters:
        return lambda: None
    set_before, publish = kernel.set_parent, kernel._publish_status_and_flush
    # Tasks that have a widget message handled, and afterwards do nothing but put the parent back.
    putting_back: WeakSet[asyncio.Task[Any]] = WeakSet()

    # No coroutine function: its body is to run in the task that calls it.
    def dispatch_shell(
        frames: Any, /, subshell_id: str | None = None, *, concurrent: bool = False
    ) -> Awaitable[None]:
        task = _current_task()
        if concurrent and task is not None:
            putting_back.add(task)
        return handle(frames, subshell_id, concurrent)

    async def handle(frames: Any, subshell_id: str | None, concurrent: bool) -> None:  # noqa: FBT001
        before = _request.set(None)
        try:
            await dispatch(frames, subshell_id=subshell_id, concurrent=concurrent)
        finally:
            message = _request.get()
            if concurrent and message is not None:  # it could be read
                kernel._publish_status("idle", "shell", parent=message)
            _request.reset(before)  # the next one may not come through here

    def set_parent(ident: Any, parent: Any, channel: str = "shell") -> None:
        if channel == "shell":
            if _current_task() in putting_back:
                ident, parent = kernel._shell_parent_ident.get(), kernel._shell_parent.get()
            elif _request.get(parent) is None:
                _request.set(parent)
        set_before(ident, parent, channel)

    def publish_status_and_flush(
        status: str, channel: str, stream: Any, parent: Any = None
    ) -> None:
        if parent is None and channel == "shell":
            parent = _request.get(None)
        publish(status, channel, stream, parent)

    ours = {
        "dispatch_shell": dispatch_shell,
        "set_parent": set_parent,
        "_publish_status_and_flush": publish_status_and_flush,
    }
    for name, function in ours.items():
        setattr(kernel, name, function)

    def undo() -> None:
        for name, function in ours.items():
            if vars(kernel).get(name) is function:
                delattr(kernel, name)

    return undo


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a thread without a loop
        return None
