"""The tasks that a Worker starts by itself: they end with its execution context (rule X8).

Floor: rpc.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import current

if TYPE_CHECKING:
    from collections.abc import Coroutine


def note_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let each task that is made on this loop belong to the execution context that makes it."""
    previous: Any = loop.get_task_factory()
    if type(previous) is not _Noting:
        noting: Any = _Noting(previous)
        loop.set_task_factory(noting)


def forget_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Give the loop back the task factory that was there, if nobody has put another on top."""
    factory: Any = loop.get_task_factory()
    if type(factory) is _Noting:
        loop.set_task_factory(factory.previous)


class _Noting:
    """A task factory around the one that was there; outside every Worker it adds nothing."""

    __slots__ = ("previous",)

    def __init__(self, previous: Any) -> None:
        self.previous = previous

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        """Make a task."""
        context = current.get()
        if context is not None and context.gate is not None:
            coroutine = context.gate.guard(coroutine)
        if self.previous is None:
            task = asyncio.Task(coroutine, loop=loop, **options)
        else:
            task = self.previous(loop, coroutine, **options)
        if context is not None and not context.long:
            if context.tasks is None:
                context.tasks = set()
            context.tasks.add(task)
            task.add_done_callback(context.tasks.discard)
        return task
