"""Where the chunks of a writable stream go: what the application gives, or the other side.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from rpclab.core.imports import PENDING
from rpclab.errors import WRITABLE_CLOSED, StreamClosedError, fresh_copy
from rpclab.rpc.activity import StepInterrupted
from rpclab.rpc.streams.pump import note_credit, room
from rpclab.rpc.streams.sources import PIECE, pieces_of, size_of
from rpclab.rpc.stubs import RpcPromise
from rpclab.rpc.waiter import StreamWaiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.streams import Outlet


class LocalSink:
    """A sink of functions that the application gave.

    Attributes:
        closed: whether it takes no more.
    """

    def __init__(
        self,
        write: Callable[[Any], Any] | None,
        close: Callable[[], Any] | None,
        abort: Callable[[object], Any] | None,
    ) -> None:
        self._write = write
        self._close = close
        self._abort = abort
        self._turn = asyncio.Lock()
        self.closed = False

    async def write(self, chunk: Any) -> None:
        """Hand a chunk on, when the last one is through."""
        async with self._turn:
            self._check()
            await self._call(self._write, chunk)

    async def flush(self) -> None:
        """Wait until the last chunk is through."""
        async with self._turn:
            self._check()

    async def close(self) -> None:
        """Close it, when the last chunk is through."""
        async with self._turn:
            self._check()
            self.closed = True
            await self._call(self._close)

    async def abort(self, reason: object) -> None:
        """Abort it, when the last chunk is through; of a closed one nothing is left to abort."""
        async with self._turn:
            if not self.closed:
                self.closed = True
                await self._call(self._abort, reason)

    def _check(self) -> None:
        if self.closed:
            raise StreamClosedError(WRITABLE_CLOSED)

    async def _call(self, function: Callable[..., Any] | None, *args: Any) -> None:
        if function is None:
            return
        try:
            result = function(*args)
            if inspect.isawaitable(result):
                await result
        except (Exception, StepInterrupted):
            self.closed = True
            raise


class RemoteSink:
    """A sink at the other side.

    Attributes:
        outlet: the way there.
    """

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._told = False

    @property
    def closed(self) -> bool:
        """Whether it takes no more, and whoever wrote knows that."""
        return self.outlet.done and (self._told or self.outlet.error is None)

    async def write(self, chunk: Any) -> None:
        """Send a chunk, as soon as there is room for it, and those before it are sent."""
        outlet = self.outlet
        self._check()
        size = size_of(chunk)
        if not self._waiting and size <= PIECE and outlet.fits(size):
            outlet.write(chunk)
            return
        self._waiting += 1
        try:
            async with self._turn:
                for piece in pieces_of(chunk):
                    await room(outlet, size_of(piece))
                    self._check()
                    outlet.write(piece)
        finally:
            self._waiting -= 1

    async def flush(self) -> None:
        """Wait until all that was sent is taken."""
        self._check()
        last = self.outlet.last
        while last is not None and last.state == PENDING and self.outlet.error is None:
            await StreamWaiter.on(self.outlet)
        if self.outlet.error is not None:
            self._check()
        note_credit(self.outlet)

    async def close(self) -> None:
        """Close it, when all that waits is sent; and wait until it has closed."""
        self._check()
        async with self._turn:
            self._check()
            pending = self.outlet.close()
        try:
            await RpcPromise(pending)
        except Exception as error:
            self._told = True
            raise fresh_copy(self.outlet.error or error) from None

    async def abort(self, reason: object) -> None:
        """Break the stream off."""
        self.outlet.abort(reason=reason)

    def _check(self) -> None:
        """Raise what has gone wrong: once as it is, then in the words of rule S15."""
        error = self.outlet.error
        if error is not None and not self._told:
            self._told = True
            raise fresh_copy(error)
        if error is not None or self.outlet.done:
            raise StreamClosedError(WRITABLE_CLOSED)
