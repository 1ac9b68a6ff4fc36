"""The event loop of a page, on which Python runs in a browser: what its tasks are made with.

Floor: rpc. Where a task factory is set, Pyodide's `create_task` gives it neither the name nor the
context of the task, and then looks for a function that asyncio no longer has.
"""

from __future__ import annotations

import asyncio
from typing import Any


def default_factory(loop: Any) -> Any:
    """What makes a task of the loop where nobody has set a factory, if that is not asyncio's own.

    A loop of Pyodide hands its factory all that a task is made with, from then on.
    """
    if type(loop).__module__ != "pyodide.webloop":
        return None
    from pyodide.webloop import PyodideTask  # noqa: PLC0415 - it is there in browsers alone

    create = type(loop).create_task

    def create_task(coroutine: Any, **options: Any) -> Any:
        factory = loop.get_task_factory()
        if factory is None:
            return create(loop, coroutine, **options)
        task = factory(loop, coroutine, **options)
        loop._in_progress += 1
        task.add_done_callback(loop._decrement_in_progress)
        return task

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        options.pop("eager_start", None)  # that loop has no eager tasks
        return PyodideTask(coroutine, loop=loop, **options)

    loop.create_task = create_task
    return factory
