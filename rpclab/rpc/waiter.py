"""What a task yields while it awaits a promise: resumed by the drain, not by the loop.

Floor: rpc. Follows the protocol that `asyncio.Task` expects of a future, and no more of it.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, CancelledError
from typing import TYPE_CHECKING, Any

from rpclab.core.imports import REJECTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from rpclab.core.imports import Pending
    from rpclab.rpc.protocols import Shell


class Waiter:
    """One await of one promise."""

    __slots__ = (
        "_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_engine", "_loop",
        "pendings",
    )  # fmt: skip

    def __init__(
        self, engine: Shell, pendings: tuple[Pending, ...], loop: AbstractEventLoop
    ) -> None:
        self._asyncio_future_blocking = True
        self._engine = engine
        self._loop = loop
        self.pendings = pendings
        self._callback: Callable[..., Any] | None = None
        self._context: Context | None = None
        self._cancelled: tuple[Any, ...] | None = None

    def get_loop(self) -> AbstractEventLoop:
        """The loop of the awaiting task."""
        return self._loop

    def add_done_callback(self, fn: Callable[..., Any], *, context: Context) -> None:
        """Take the task's wake-up, once."""
        self._callback = fn
        self._context = context
        alone = (self,)
        for pending in self.pendings:
            pending.waiters = alone if pending.waiters is None else (*pending.waiters, self)
            if pending.unasked:
                pending.ask()

    def settled(self, pending: Pending) -> None:
        """Have the drain resume the task, once the batch at hand is applied."""
        del pending
        engine = self._engine
        if engine.scheduled or engine.closing:  # the last drain is on its way already
            engine.ready.append(self)
        else:  # in the drain of another one, whose promise this one stood on
            engine.resume_soon(self)

    def resume(self) -> None:
        """Run the wake-up, in the task's own context. Only the drain calls this."""
        callback, self._callback = self._callback, None
        if callback is not None and self._context is not None:
            if self._loop is self._engine.loop:
                self._context.run(callback, self)
            else:
                self._engine.resume_outside(self._context, callback, self)

    def cancel(self, msg: Any = None) -> bool:
        """The task is cancelled: give the promise up, unless somebody else uses it."""
        if self._callback is None or self._cancelled is not None:
            return False
        self._cancelled = () if msg is None else (msg,)
        for pending in self.pendings:
            waiters = pending.waiters
            if waiters is not None and self in waiters:
                pending.waiters = tuple(other for other in waiters if other is not self) or None
                if pending.waiters is None and not pending.uses:
                    pending.cancel("its await was cancelled")
        self._engine.resume_soon(self)
        return True

    def result(self) -> None:
        """What the task asks when it wakes: nothing, or raise its cancellation."""
        if self._cancelled is not None:
            raise CancelledError(*self._cancelled)

    def __await__(self) -> Any:
        yield self


class Countdown(Waiter):
    """One await of many promises: resumed when all have settled, or at the first failure."""

    __slots__ = ("_hasty", "_left")

    def __init__(
        self,
        engine: Shell,
        pendings: tuple[Pending, ...],
        loop: AbstractEventLoop,
        *,
        hasty: bool = True,
    ) -> None:
        super().__init__(engine, pendings, loop)
        self._left = len(pendings)
        self._hasty = hasty

    def settled(self, pending: Pending) -> None:
        self._left -= 1
        if self._left == 0 or (self._hasty and pending.state == REJECTED):
            # The last one may be a promise of another sandbox, in whose drain this runs.
            self._engine.resume_soon(self)


class StreamWaiter(Waiter):
    """One wait for something to happen at one end of a stream."""

    __slots__ = ()

    @classmethod
    def on(cls, end: Any) -> StreamWaiter:
        """Wait until `end` has changed; await what this gives."""
        engine = (end.pipe if hasattr(end, "pipe") else end).session.host
        loop = asyncio.get_running_loop()
        engine.attend(loop)
        return cls(engine, (end,), loop)

    def settled(self, pending: Any) -> None:
        del pending
        # An end also changes outside the drain, where its context ends.
        self._engine.resume_soon(self)
