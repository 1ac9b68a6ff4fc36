"""Where the chunks of a readable stream come from: what the application gives, or the other side.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from asyncio import CancelledError
from collections.abc import AsyncIterable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from rpclab.core.places import sent_at
from rpclab.core.streams import Unread
from rpclab.errors import StreamLockedError
from rpclab.rpc.waiter import StreamWaiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rpclab.core.contexts import PayloadLike
    from rpclab.core.streams import Inlet


PIECE = 64 * 1024
"""Bytes that a file is read in, and that one message of a stream carries at most (rule S12)."""

_GLANCE = 0.05  # seconds after which a reader looks whether its pace has changed

NOTHING: Final[Any] = type("Nothing", (), {"__repr__": lambda _: "NOTHING"})()
"""What stands where there is no chunk, for a chunk can be anything."""


class Source(Protocol):
    """Gives the chunks of a stream, one at a time."""

    def at_hand(self) -> Any:
        """Give the next chunk; NOTHING where one has to wait for it.

        Raises:
            StopAsyncIteration: there are no more.
            Exception: the source broke.
        """

    async def pull(self) -> Any:
        """Wait for the next chunk.

        Raises:
            StopAsyncIteration: there are no more.
            Exception: the source broke.
        """

    async def cancel(self, reason: object) -> None:
        """Take note that nobody reads any more, and why; let go of what the chunks come from."""


def chunk_of(value: Any) -> Any:
    """Give a value as the chunk that it is sent as: text in UTF-8, a view as the bytes it shows."""
    kind = type(value)
    if kind is str:
        return value.encode()
    return bytes(value) if kind in (bytearray, memoryview) else value


def pieces_of(chunk: Any) -> Iterator[Any]:
    """Cut a chunk of bytes into what one message carries, so that others get a turn (rule S12)."""
    if type(chunk) is not bytes or len(chunk) <= PIECE:
        yield chunk
        return
    for start in range(0, len(chunk), PIECE):
        yield chunk[start : start + PIECE]


def size_of(chunk: Any) -> int:
    """How many bytes a chunk takes, for flow control; of anything but bytes that is not known."""
    return len(chunk) if type(chunk) is bytes else 1


def source_of(value: Any, cancel: Callable[[object], Any] | None) -> Source:
    """Make a source of what the application gives.

    Args:
        value: an iterable, an async iterable, or a file open for reading bytes.
        cancel: called with the reason when nobody reads any more.

    Raises:
        TypeError: the value is no such thing.
    """
    if type(value) in (str, bytes, bytearray, memoryview):
        return IteratorSource(iter([value]), cancel)
    if hasattr(value, "read") and not hasattr(value, "__anext__"):
        return FileSource(value, cancel)
    if isinstance(value, AsyncIterable):
        return AsyncIteratorSource(aiter(value), cancel)
    if isinstance(value, Iterable):
        return IteratorSource(iter(value), cancel)
    raise TypeError(
        "a ReadableStream is made of an iterable, an async iterable or a binary file,"
        f" not of {type(value).__name__}"
    )


class _Given:
    """What the sources have in common that the application gave."""

    def __init__(self, cancel: Callable[[object], Any] | None) -> None:
        self._cancel = cancel

    def at_hand(self) -> Any:
        """One has to ask for it."""
        return NOTHING

    async def cancel(self, reason: object) -> None:
        """Tell the application, and close what the chunks come from."""
        told, self._cancel = self._cancel, None
        try:
            if told is not None:
                await _finished(told(reason))
        finally:
            await self.close()

    async def close(self) -> None:
        """Close what the chunks come from; a generator runs its `finally` then."""
        raise NotImplementedError


class AsyncIteratorSource(_Given):
    """The items of an async iterator."""

    def __init__(
        self, iterator: AsyncIterator[Any], cancel: Callable[[object], Any] | None
    ) -> None:
        super().__init__(cancel)
        self._iterator = iterator
        self._cut = False

    async def pull(self) -> Any:
        """Give the next item."""
        if self._cut:
            raise RuntimeError(
                "the source was stopped half-way through a chunk: the read that waited for that"
                " was cancelled, which ends an async generator"
            )
        try:
            return await anext(self._iterator)
        except CancelledError:
            self._cut = getattr(self._iterator, "ag_frame", self) is None
            raise

    async def close(self) -> None:
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


class IteratorSource(_Given):
    """The items of an iterator."""

    def __init__(self, iterator: Iterator[Any], cancel: Callable[[object], Any] | None) -> None:
        super().__init__(cancel)
        self._iterator = iterator

    def at_hand(self) -> Any:
        for item in self._iterator:
            return item
        raise StopAsyncIteration

    async def pull(self) -> Any:
        """Never asked: an item is at hand."""
        return self.at_hand()

    async def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


class FileSource(_Given):
    """The bytes of a file, plain or of a library such as aiofiles; closed when it is through."""

    def __init__(self, file: Any, cancel: Callable[[object], Any] | None) -> None:
        super().__init__(cancel)
        self._file = file

    async def pull(self) -> Any:
        """Give the next bytes."""
        try:
            chunk = await _finished(self._file.read(PIECE))
        except Exception:
            await self.close()
            raise
        if not chunk:
            await self.close()
            raise StopAsyncIteration
        return chunk

    async def close(self) -> None:
        await _finished(self._file.close())


class InletSource:
    """The chunks that come in from the other side.

    Attributes:
        inlet: where they come in.
    """

    def __init__(self, inlet: Inlet) -> None:
        self.inlet = inlet
        self._last: tuple[float, int] | None = None  # when a chunk was taken, and its size

    def at_hand(self) -> Any:
        """Give the next chunk, if it is there; that acknowledges it."""
        inlet = self.inlet
        if not inlet.pipe.ready or paces_of(inlet):
            return NOTHING
        return inlet.take()

    async def pull(self) -> Any:
        """Give the next chunk, as soon as it is there, and the reader's pace allows it."""
        inlet = self.inlet
        paces = paces_of(inlet)
        if paces:
            await self._keep(paces)
        pipe = inlet.pipe
        while not pipe.ready:
            pipe.awaited = inlet
            try:
                await StreamWaiter.on(inlet)
            finally:
                pipe.awaited = None
        chunk = inlet.take()
        self._last = (asyncio.get_running_loop().time(), size_of(chunk)) if paces else None
        return chunk

    async def _keep(self, paces: dict[str, float]) -> None:
        """Wait as long as the last chunk takes a reader of that pace, which may change."""
        reader = self.inlet.pipe.session.name.partition("→")[0]
        while self._last is not None:
            taken, size = self._last
            left = taken + size / paces.get(reader, math.inf) - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _GLANCE))

    async def cancel(self, reason: object) -> None:
        """Let the sender know that nobody reads any more (rule S8)."""
        self.inlet.cancel_with(reason if isinstance(reason, BaseException) else Unread(reason))


def paces_of(inlet: Inlet) -> dict[str, float]:
    """How many bytes a second Workers read, where that was bounded."""
    paces: dict[str, float] = inlet.pipe.session.host.paces  # type: ignore[attr-defined]
    return paces


def sending(site: str | None) -> str:
    """Say that a stream was sent, and where, if that is known."""
    return sent_at(site) if site else "it was sent"


@contextmanager
def advice_for(payload: PayloadLike) -> Iterator[None]:
    """Say what to do about a locked stream that is on its way to the caller of another call."""
    try:
        yield
    except StreamLockedError as error:
        if payload.copying:
            error.add_note(
                "it is in the result of a call, and on its way to whoever made that: await the"
                " promise first, and pass on what it gives"
            )
        raise


async def _finished(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
