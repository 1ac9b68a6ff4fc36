"""A handler that suspended: the task of a call, stepped without a pass of the loop.

Floor: rpc. To asyncio it is the current task, so that `asyncio.timeout`, `TaskGroup` and
cancellation work in it from its first step on, which runs inside the drain that delivered the call.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from asyncio.tasks import _enter_task, _leave_task
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

_numbers = count(1)


class StepInterrupted(KeyboardInterrupt):
    """Raised by a signal handler in a step of a Worker: it ends that call, not the loop."""


class TaskInterrupted(BaseException):
    """Raised likewise in a task of a Worker, where a KeyboardInterrupt would end the loop.

    Whoever waits for the task gets it, a TaskGroup too, which passes by tasks that are cancelled.
    """


def is_interrupt(error: BaseException) -> bool:
    """Whether code of a Worker was left by one of these, also in a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_interrupt, error.exceptions))
    return isinstance(error, (StepInterrupted, TaskInterrupted))


class Activity:
    """Drives one coroutine; duck-typed after `asyncio.Task`, of which it has the public methods.

    Args:
        loop: the running loop.
        coroutine: what to drive.
        variables: the context it runs in.
        settled: takes (value, None) or (None, error) at the end.
    """

    __slots__ = (
        "__weakref__", "_cancelling", "_coroutine", "_done_callbacks", "_loop", "_must_cancel",
        "_name", "_outcome", "_settled", "_variables", "_waiting_for",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        variables: Context,
        settled: Callable[[Any, BaseException | None], None],
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._variables = variables
        self._settled = settled
        self._waiting_for: Any = None
        self._must_cancel: Any = None
        self._cancelling = 0
        self._name: str | None = None
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._done_callbacks: list[tuple[Callable[..., Any], Context | None]] = []

    def __repr__(self) -> str:
        state = "done" if self.done() else "running"
        name = getattr(self._coroutine, "__qualname__", "?")
        return f"<Activity {name}, {state}>"

    def start(self) -> bool:
        """Run the first step. Says whether the coroutine is through."""
        self._variables.run(self._step)
        return self._outcome is not None

    def _step(self, error: BaseException | None = None) -> None:
        if self._must_cancel is not None:
            if not isinstance(error, CancelledError):
                error = CancelledError(*self._must_cancel)
            self._must_cancel = None
        self._waiting_for = None
        loop = self._loop
        awaited: Any = None
        outcome: tuple[Any, BaseException | None] | None = None
        _enter_task(loop, self)  # type: ignore[arg-type]
        try:
            step = self._coroutine
            awaited = step.send(None) if error is None else step.throw(error)
        except StopIteration as stop:
            outcome = (stop.value, None)
        except BaseException as raised:
            outcome = (None, raised)
        finally:
            _leave_task(loop, self)  # type: ignore[arg-type]
        if outcome is None:
            self._wait_for(awaited)
        else:
            self._finish(*outcome)

    def _wait_for(self, awaited: Any) -> None:
        blocking = getattr(awaited, "_asyncio_future_blocking", None)
        if blocking:
            awaited._asyncio_future_blocking = False
            if awaited.get_loop() is not self._loop:
                from rpclab.simulation.clock import foreign  # noqa: PLC0415 - for those who need it

                self._loop.call_soon(self._step, foreign(awaited), context=self._variables)
                return
            awaited.add_done_callback(self._wake_up, context=self._variables)
            self._waiting_for = awaited
            if self._must_cancel is not None and awaited.cancel():
                self._must_cancel = None
        elif awaited is None:
            self._loop.call_soon(self._step, context=self._variables)
        else:
            wrong = RuntimeError(f"a Worker awaited {awaited!r}, which asyncio does not know")
            self._loop.call_soon(self._step, wrong, context=self._variables)

    def _wake_up(self, awaited: Any) -> None:
        try:
            awaited.result()
        except BaseException as error:
            self._step(error)
        else:
            self._step()

    def _finish(self, value: Any, error: BaseException | None) -> None:
        self._outcome = (value, error)
        if self._done_callbacks:
            callbacks, self._done_callbacks = self._done_callbacks, []
            for callback, context in callbacks:
                self._loop.call_soon(callback, self, context=context)
        self._settled(value, error)

    # What asyncio and its users ask of a task.

    def cancel(self, msg: Any = None) -> bool:
        """Throw CancelledError into the coroutine, where it waits."""
        # On a loop that is closed nothing runs any more; the coroutine stays where it stands.
        if self._outcome is not None or self._loop.is_closed():
            return False
        self._cancelling += 1
        if self._waiting_for is not None and self._waiting_for.cancel(msg=msg):
            return True
        self._must_cancel = () if msg is None else (msg,)
        return True

    @property
    def _fut_waiter(self) -> Any:
        """What it waits for: so anyio, on which httpx stands, asks a task before it cancels it."""
        return self._waiting_for

    @property
    def awaits(self) -> Any:
        """What it waits for, of whatever kind."""
        return self._waiting_for

    def cancelling(self) -> int:
        """How many cancellations were asked for and not taken back."""
        return self._cancelling

    def uncancel(self) -> int:
        """Take one cancellation back. With the last one goes what was not thrown in yet."""
        if self._cancelling > 0:
            self._cancelling -= 1
            if self._cancelling == 0:
                # As a task does since Python 3.13, whose TaskGroup counts on it.
                self._must_cancel = None
        return self._cancelling

    def done(self) -> bool:
        """Whether the coroutine is through."""
        return self._outcome is not None

    def cancelled(self) -> bool:
        """Whether it ended by cancellation."""
        return self._outcome is not None and isinstance(self._outcome[1], CancelledError)

    def result(self) -> Any:
        """The value, or raise the error."""
        if self._outcome is None:
            raise asyncio.InvalidStateError("Result is not set.")
        if self._outcome[1] is not None:
            raise self._outcome[1]
        return self._outcome[0]

    def exception(self) -> BaseException | None:
        """The error, if it raised one."""
        if self._outcome is None:
            raise asyncio.InvalidStateError("Exception is not set.")
        if isinstance(self._outcome[1], CancelledError):
            raise self._outcome[1]
        return self._outcome[1]

    def add_done_callback(self, fn: Callable[..., Any], *, context: Context | None = None) -> None:
        """Call `fn(self)` soon after the end."""
        if self._outcome is not None:
            self._loop.call_soon(fn, self, context=context)
        else:
            self._done_callbacks.append((fn, context))

    def remove_done_callback(self, fn: Callable[..., Any]) -> int:
        """Take a callback back. Says how often it was there."""
        left = [item for item in self._done_callbacks if item[0] != fn]
        count_before, self._done_callbacks = len(self._done_callbacks), left
        return count_before - len(left)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs on."""
        return self._loop

    def get_coro(self) -> Coroutine[Any, Any, Any]:
        """The coroutine it drives."""
        return self._coroutine

    def get_context(self) -> Context:
        """The context it runs in."""
        return self._variables

    def get_name(self) -> str:
        """Its name; numbered by need."""
        if self._name is None:
            self._name = f"rpclab-{next(_numbers)}"
        return self._name

    def set_name(self, value: object) -> None:
        """Name it."""
        self._name = str(value)

    def get_stack(self, *, limit: int | None = None) -> list[Any]:
        """The frame where it waits."""
        del limit
        frame = getattr(self._coroutine, "cr_frame", None)
        return [] if frame is None else [frame]
