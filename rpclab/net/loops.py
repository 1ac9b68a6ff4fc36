"""The event loop that a program of sockets runs on, and the one that runs.

Floor: net.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(program: Coroutine[Any, Any, T]) -> T:
    """Run a program as `asyncio.run` does, on uvloop's loop where that is installed.

    A call over a socket costs a third less there. On Windows there is none.

    Args:
        program: a coroutine.
    """
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(program)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread; None where none does, as in a plain script."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - for those who serve
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
