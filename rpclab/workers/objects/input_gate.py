"""The input gate of a Durable Object: what is held back while its code must not be disturbed.

Floor: workers. Rules D8 to D10.

While code of the object holds a lock (`ctx.block_concurrency_while`, `storage.transaction`), no
call is delivered to it, and code of the object outside of that block does not go on: the results
it waits for are held back, too. Storage operations need no lock, for they are over when they
return: between a read and the write after it no other code of the object can run, unless the code
itself awaits something else. (Two reads given to `asyncio.gather` are such an await; a list of
keys is one read.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator


class Lock:
    """A hold on a gate, by one block; `inside` another one, or None."""

    __slots__ = ("inside", "open")

    def __init__(self, inside: Lock | None) -> None:
        self.inside = inside
        self.open = True


_held: ContextVar[Lock | None] = ContextVar("rpclab_gate", default=None)
"""The block that the running code belongs to. Tasks made in a block belong to it."""


class InputGate:
    """Lets one block of an object run alone.

    Args:
        again: runs a function in the next turn of the drain, where calls may be delivered.
    """

    __slots__ = ("_again", "_blocked", "_deliveries", "_lock", "_scheduled")

    def __init__(self, again: Callable[[Callable[[], None]], None]) -> None:
        self._again = again
        self._lock: Lock | None = None
        self._deliveries: deque[Callable[[], None]] = deque()
        self._blocked: list[asyncio.Future[None]] = []
        self._scheduled = False

    @property
    def idle(self) -> bool:
        """Whether nobody holds the gate, and nothing waits at it."""
        return self._lock is None and not self._deliveries and not self._blocked

    def enter(self, delivery: Callable[[], None]) -> None:
        """Run a delivery: at once, or when those before it have run and the gate is open."""
        if self._lock is None and not self._deliveries:
            delivery()
        else:
            self._deliveries.append(delivery)

    def shut(self) -> bool:
        """Whether the gate holds the running code back."""
        return self._lock is not None and self._mine() is not self._lock

    def _mine(self) -> Lock | None:
        lock = _held.get()
        while lock is not None and not lock.open:
            lock = lock.inside
        return lock

    def opened(self) -> asyncio.Future[None]:
        """A future that is done when the running code may try again."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._blocked.append(future)
        return future

    def run_alone(self, work: Callable[[], Any]) -> asyncio.Task[Any]:
        """Run a function in a block of its own; the gate is shut at once if it is open to us.

        Args:
            work: the block; what it returns is awaited if that is awaitable.

        Returns:
            A task with the result of the block.
        """
        variables = copy_context()
        lock = None if self.shut() else self._take()
        if lock is not None:
            variables.run(_held.set, lock)
        holds = [lock] if lock is not None else []
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._block(holds, work), context=variables)
        # Also where the task is cancelled before it has begun.
        task.add_done_callback(lambda _: self._leave(holds))
        return task

    async def _block(self, holds: list[Lock], work: Callable[[], Any]) -> Any:
        if not holds:
            while self.shut():
                await self.opened()
            holds.append(self._take())
            _held.set(holds[0])
        value = work()
        return await value if hasattr(type(value), "__await__") else value

    def _take(self) -> Lock:
        self._lock = Lock(self._lock)
        return self._lock

    def _leave(self, holds: list[Lock]) -> None:
        for lock in holds:
            lock.open = False
        while self._lock is not None and not self._lock.open:
            self._lock = self._lock.inside
        self._advance_soon()

    def clear(self) -> None:
        """The object is gone: nobody holds the gate any more, and no call waits at it."""
        self._lock = None
        self._deliveries.clear()
        self._advance_soon()

    def _advance_soon(self) -> None:
        if not self._scheduled and (self._blocked or self._deliveries):
            self._scheduled = True
            self._again(self._advance)

    def _advance(self) -> None:
        self._scheduled = False
        blocked, self._blocked = self._blocked, []
        for future in blocked:  # each looks for itself whether it may go on
            if not future.done():
                future.set_result(None)
        while self._deliveries and self._lock is None:
            self._deliveries.popleft()()

    def guard(self, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Give a coroutine that takes each step of another one when the gate is open to it."""
        return _run(_Guarded(self, coroutine))


async def _run(guarded: _Guarded) -> Any:
    return await guarded


class _Guarded:
    """Steps a coroutine; between two steps it waits at the gate. Cancelling is not held back."""

    __slots__ = ("_coroutine", "_gate")

    def __init__(self, gate: InputGate, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._gate = gate
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, None, Any]:
        coroutine, gate = self._coroutine, self._gate
        error: BaseException | None = None
        try:
            while True:
                while gate._lock is not None and not _cancels(error) and gate.shut():
                    try:
                        yield from gate.opened()
                    except asyncio.CancelledError as cancelled:
                        error = cancelled
                try:
                    if error is None:
                        awaited = coroutine.send(None)
                    else:
                        thrown, error = error, None
                        awaited = coroutine.throw(thrown)
                except StopIteration as stop:
                    return stop.value
                try:
                    yield awaited
                except GeneratorExit:
                    raise
                except BaseException as raised:
                    error = raised
        finally:
            coroutine.close()


def _cancels(error: BaseException | None) -> bool:
    return isinstance(error, asyncio.CancelledError)
