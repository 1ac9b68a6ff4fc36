"""Work that would block: functions that run one after the other in a thread of their own.

Floor: rpc. Used by what stands on SQLite, which waits for the disk. In a browser Python has no
threads, and a file lies in memory: there a function runs where it is given.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Offload:
    """One thread, and the functions it runs, in the order given, whichever loop gives them.

    The thread begins with the first function, and ends with `close`. While a coroutine waits for
    its function, a virtual clock stands still: a loop that has one has a method `hold`, which
    returns a context manager.

    Args:
        name: of the thread, for debuggers.
    """

    def __init__(self, name: str) -> None:
        self._threads = (
            _AtOnce()
            if sys.platform == "emscripten"
            else ThreadPoolExecutor(1, thread_name_prefix=name)
        )
        self._job: _Job[Any] | None = None

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the thread, and give what it returns.

        Where the await is cancelled, a function that has not begun never runs, and one that has
        can see it by `abandoned()`.

        Args:
            function: what to run. It must not wait for the loop.
            args: its arguments.
            kwargs: its keyword arguments.

        Raises:
            RuntimeError: it is closed.
            Exception: whatever the function raises.
        """
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        job = _Job(function, args, kwargs)
        hold = getattr(loop, "hold", nullcontext)
        with hold():
            work = self._threads.submit(self._perform, job)
            work.add_done_callback(lambda _: _tell(loop, over))
            try:
                await over
            except BaseException:
                job.abandoned = True
                work.cancel()
                raise
        return job.outcome()

    def wait(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the thread and block until it is over: for code that cannot await.

        Raises:
            RuntimeError: it is closed.
            Exception: whatever the function raises.
        """
        job = _Job(function, args, kwargs)
        self._threads.submit(self._perform, job).result()
        return job.outcome()

    def abandoned(self) -> bool:
        """Whether nobody awaits the running function any more. For that function to ask."""
        return self._job is not None and self._job.abandoned

    def close(self) -> None:
        """Run what was given before, and end the thread. Blocks until then; twice is fine."""
        self._threads.shutdown()

    def _perform(self, job: _Job[Any]) -> None:
        self._job = job
        try:
            job.perform()
        finally:
            self._job = None


class _AtOnce(Executor):
    """Runs what it is given where it is given."""

    def __init__(self) -> None:
        self._over = False

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self._over:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        future.set_result(function(*args, **kwargs))  # a job keeps what its function raises
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as of the base
        self._over = True


class _Job(Generic[T]):
    """One function, what came of it, and what the loop tells the thread about it."""

    __slots__ = ("_call", "_error", "_value", "abandoned")

    def __init__(
        self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.abandoned = False
        self._call = function, args, kwargs
        self._value: T | None = None
        self._error: BaseException | None = None

    def perform(self) -> None:
        """Run the function."""
        function, args, kwargs = self._call
        try:
            self._value = function(*args, **kwargs)
        except BaseException as error:
            self._error = error

    def outcome(self) -> T:
        """Return what the function returned, or raise what it raised."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # else the error, its traceback and this frame would hold one another
        return cast("T", self._value)


def _tell(loop: asyncio.AbstractEventLoop, over: asyncio.Future[None]) -> None:
    """Resume the coroutine that waits, from any thread, if it still does."""
    # It raises where the loop is closed: then nobody on it waits for anything.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_finish, over)


def _finish(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
