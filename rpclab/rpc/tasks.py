"""The tasks that a Worker starts by itself: they end with its execution context (rule X8).

Floor: rpc.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import current
from rpclab.diagnostics.places import is_machinery, place
from rpclab.rpc.remote import article

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import CodeType

    from rpclab.core.contexts import ExecutionContext


log = logging.getLogger("rpclab")


def forget_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Give the loop back the task factory that was there, if nobody has put another on top."""
    factory: Any = loop.get_task_factory()
    if type(factory) is TaskFactory:
        loop.set_task_factory(factory.previous)


class TaskFactory:
    """A task factory around the one that was there: a task belongs to the context that makes it.

    Outside every Worker it adds nothing.
    """

    __slots__ = ("previous",)

    def __init__(self, previous: Any) -> None:
        self.previous = previous

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        """Make a task.

        Raises:
            TypeError: it would be one of a promise.
        """
        if hasattr(coroutine, "__rpc_refer__"):
            raise TypeError(
                "asyncio.create_task and TaskGroup take coroutines, and this is"
                f" {article(coroutine)}, whose call is made already: await it, or give it to"
                " asyncio.gather, or to asyncio.ensure_future for a task of it"
            )
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
            context.tasks.add(_Begun(task, coroutine, context))
            task.add_done_callback(context.tasks.discard)
        return task


class _Begun:
    """A task in the set of its context, which cancels it at the end; it is equal to the task."""

    __slots__ = ("_context", "_coroutine", "_variables", "task")

    def __init__(self, task: Any, coroutine: Any, context: ExecutionContext) -> None:
        self.task = task
        self._coroutine = coroutine
        self._context = context
        self._variables = copy_context()

    def __hash__(self) -> int:
        return hash(self.task)

    def __eq__(self, other: object) -> bool:
        return other is self.task or (isinstance(other, _Begun) and other.task is self.task)

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it; tell of it, where the call returned as if the task went on."""
        context = self._context
        host: Any = context.host
        code = getattr(self._coroutine, "cr_code", None)
        is_told = code is not None and not is_machinery(code.co_filename)
        is_told = is_told and not self.task.done() and context.gate is None
        # Its own code has given it up, and it has had no turn since.
        is_told = is_told and not getattr(self.task, "cancelling", int)()
        if is_told and code is not None and not context.cut_off and not host.closing:
            self._variables.run(_tell, context.worker, code)
        return bool(self.task.cancel(msg))


def _tell(worker: str, code: CodeType) -> None:
    where = place(code.co_filename, code.co_firstlineno)
    log.warning(
        "%s ended a task that it had begun, %s() (%s), with its call: to let the task end first,"
        " await it, or give it to self.ctx.wait_until(…)",
        worker,
        code.co_name,
        where,
    )
