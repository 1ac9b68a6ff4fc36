"""What kernels need to behave while cells await.

Floor: notebook. Each of these mends something that was measured with ipykernel 6.29 to 7.4.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import Context
from typing import Any

_BEAT = 0.2  # seconds


def send_idle_for_concurrent_comms(kernel: Any) -> Callable[[], None]:
    """Have ipykernel 7.4 say "idle" after a widget message that it handled while a cell awaits.

    It forgets to, and the front end then holds back every later change of that widget, for good.

    Returns:
        A function that takes this back.
    """
    original = getattr(kernel, "dispatch_shell", None)
    if original is None or "concurrent" not in inspect.signature(original).parameters:
        return lambda: None

    async def dispatch_shell(
        msg: Any, /, subshell_id: str | None = None, *, concurrent: bool = False
    ) -> None:
        try:
            await original(msg, subshell_id=subshell_id, concurrent=concurrent)
        finally:
            if concurrent:  # the context of this task still has the message as its parent
                kernel._publish_status("idle", "shell")

    kernel.dispatch_shell = dispatch_shell

    def undo() -> None:
        if vars(kernel).get("dispatch_shell") is dispatch_shell:
            del kernel.dispatch_shell

    return undo


def keep_awake(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Wake the event loop five times a second, for a signal alone may not.

    Otherwise the interruption of a cell that awaits does nothing until something else happens.

    Returns:
        A function that ends this.
    """

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT)

    task = loop.create_task(beat(), context=Context())

    def undo() -> None:
        task.cancel()

    return undo
