"""The run queue: the one place from which calls are delivered and tasks resumed.

Floor: rpc. User code only enqueues. The queue is drained inside one callback of the event loop,
where no task is current; so a call and its answer cost no pass of the loop of their own.
"""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop as running_loop
from collections import deque
from contextvars import Context, copy_context
from sys import version_info
from threading import get_ident
from typing import TYPE_CHECKING, Any

from rpclab.errors import OTHER_THREAD, RpcError
from rpclab.rpc.tasks import TaskFactory
from rpclab.rpc.web_loop import default_factory

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import Droppable, SessionLike
    from rpclab.rpc.protocols import Resumed
    from rpclab.simulation.clock import GuestLoop

_TURNS = 256  # how often one drain goes round before the event loop has its turn
# Up to Python 3.11 asyncio asks the kernel before it says which loop runs (benchmark `sequential`).
_ASKS_THE_KERNEL = version_info < (3, 12)
_MESSAGES = 2000  # or how many messages it carries: a stream of small chunks has many in a turn


class RunQueue:
    """What is to be delivered and resumed, and the loop on which that happens.

    Attributes:
        loop: the event loop it lives on; None before the first call.
        guest: that loop, where the clock is a virtual one.
        moved: called when it has come to live on another loop.
        scheduled: whether a drain is going to run, or runs.
        ready: what the drain resumes once the batch at hand is applied.
        thread: where `loop` runs at this very moment, as far as is known: the thread of the drain.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.guest: GuestLoop | None = None
        self.moved: Callable[[], None] | None = None
        self.scheduled = False
        self.thread: int | None = None
        self.ready: deque[Resumed] = deque()
        self._woken: deque[SessionLike] = deque()
        self._again: deque[Callable[[], None]] = deque()
        self._forgotten: deque[Droppable] = deque()
        self._causes: dict[SessionLike, Context] = {}
        self._cause: Context | None = None
        self._draining = False

    def wake(self, session: SessionLike) -> bool:
        """Flush a session in the next turn of the drain. Says whether there is going to be one.

        Raises:
            RpcError: the sandbox lives on the event loop of another thread.
        """
        if not self._draining and (not self.scheduled or running_loop() is not self.loop):
            self._schedule()
        self._woken.append(session)
        return self.scheduled

    def caused(self, session: SessionLike) -> Context:
        """The running code makes a call on that session, which carries its variables."""
        cause = self._causes.get(session)
        if cause is None:
            cause = self._causes[session] = copy_context()
        return cause

    def resume_soon(self, waiter: Resumed) -> None:
        """Resume a waiter that was cancelled."""
        self.ready.append(waiter)
        if not self.scheduled:
            self._schedule()

    def again(self, function: Callable[[], None]) -> None:
        """Run a function first thing in the next turn."""
        self._again.append(function)
        if not self.scheduled:
            self._schedule()

    def deliver(
        self, function: Callable[[], None], running: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Run a function in the drain: now, in a callback of the loop that is no task's step.

        So what a socket brings costs no pass of the loop of its own.

        Args:
            function: what to run.
            running: the loop that runs, if the caller knows: up to Python 3.11 asyncio asks the
                kernel before it says so.
        """
        self._again.append(function)
        loop = self.loop
        if (
            not self._draining
            and loop is not None
            and (running or running_loop()) is loop
            and asyncio.current_task(loop) is None
        ):
            self.scheduled = True
            _EMPTY.copy().run(self._drain)
        elif not self.scheduled:
            self._schedule()

    def forget(self, entry: Droppable) -> None:
        """Queue the release of a handle that Python forgot. Safe in finalizers and threads."""
        self._forgotten.append(entry)
        if self.scheduled:
            return  # a drain looks for them as it begins and ends; to wake a loop takes 5 µs
        loop = self.loop or running_loop()  # a call that could not be sent needs no loop
        if len(self._forgotten) == 1 and loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(self.sweep)
            except RuntimeError:  # the loop is closing; there is nobody left to tell
                self._forgotten.clear()

    def sweep(self) -> None:
        """Do now what finalizers have queued."""
        while self._forgotten:
            self._forgotten.popleft().drop()

    def call_at(self, when: float, function: Callable[[], None]) -> asyncio.TimerHandle | None:
        """Run a function in the drain, at a time or soon after.

        Returns:
            None where there is no loop; `moved` is called when there is one again.
        """
        running = running_loop()
        if running is not None and running is not self.loop:
            self._adopt(running)
        if self.loop is None or self.loop.is_closed():
            return None
        return self.loop.call_at(when, self.again, function)

    def attend(self, loop: asyncio.AbstractEventLoop) -> None:
        """A task of that loop is going to wait: see that the queue is drained there.

        Raises:
            RpcError: the sandbox lives on the event loop of another thread.
        """
        if loop is not self.loop:
            self._adopt(loop)
        if not self.scheduled and (self._woken or self.ready or self._again):
            self._schedule()

    def resume_outside(self, context: Context, callback: Callable[..., None], arg: object) -> None:
        """Resume a task that does not run on the loop of the queue."""
        if self.guest is not None:
            self.guest.call_outside(callback, arg, context=context)
        else:
            context.run(callback, arg)

    def _schedule(self) -> None:
        loop = running_loop()
        if loop is None:
            self._no_loop_here()
            return
        if loop is not self.loop:
            loop = self._adopt(loop)
        if not self.scheduled:
            self.scheduled = True
            loop.call_soon(self._drain, context=_EMPTY.copy())

    def _no_loop_here(self) -> None:
        # asyncio.run stops its loop, cancels what is left over, and runs the loop once more.
        # Without a loop all stays queued until something is called or awaited in the next one.
        if self.loop is None or self.loop.is_closed():
            return
        if self.loop.is_running():
            raise RpcError(OTHER_THREAD)
        self.loop.call_soon(self._drain, context=_EMPTY.copy())

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
        if self.guest is not None:
            self.guest.attach(loop)
            return self.guest
        if self.loop is not None and not self.loop.is_closed() and self.loop.is_running():
            raise RpcError(OTHER_THREAD)
        self.loop = loop
        # What was scheduled on a loop that has stopped will not run.
        self.scheduled = False
        if self.moved is not None:
            self.moved()
        return loop

    def _drain(self) -> None:
        loop = self.loop
        if self._draining or loop is None:
            return
        self._draining = True
        factory: Any = loop.get_task_factory()  # another may have been put on top
        if type(factory) is not TaskFactory:
            factory = TaskFactory(factory or default_factory(loop))
            loop.set_task_factory(factory)
        if _ASKS_THE_KERNEL and self.guest is None:
            self.thread = get_ident()
        messages = 0
        again, woken, ready, causes = self._again, self._woken, self.ready, self._causes
        try:
            for _ in range(_TURNS):
                while again:
                    again.popleft()()
                if self._forgotten:
                    self.sweep()
                for _ in range(len(woken)):
                    session = woken.popleft()
                    self._cause = causes.pop(session, None) if causes else None
                    messages += session.flush()
                while ready:
                    ready.popleft().resume()
                if not (woken or again) or messages > _MESSAGES:
                    break
        finally:
            self._draining = False
            self.thread = self._cause = None
            self.scheduled = False
            if self._woken or self.ready or self._again or self._forgotten:
                self._schedule()


_EMPTY = Context()
