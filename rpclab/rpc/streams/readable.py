"""ReadableStream: chunks that are read one after another, here or at the other side.

Floor: rpc. Rules S1 to S11.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from rpclab.core.relays import PipeRelay
from rpclab.errors import READABLE_IN_USE, READABLE_LOCKED, StreamLockedError, fresh_copy
from rpclab.rpc.remote import Uncopied
from rpclab.rpc.streams.pump import Pump
from rpclab.rpc.streams.sources import (
    NOTHING,
    InletSource,
    Source,
    advice_for,
    chunk_of,
    sending,
    source_of,
)
from rpclab.rpc.stubs import bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import PayloadLike, SessionLike
    from rpclab.core.references import Reference
    from rpclab.core.streams import Inlet
    from rpclab.rpc.streams.writable import WritableStream


class ReadableStream(Uncopied):
    """A sequence of chunks, read with `async for` or `read()`.

    A stream can be an argument, a result, or stand in one. It moves: from then on it is read at the
    other side, and locked here. Chunks are bytes; text is sent in UTF-8, and empty chunks are left
    out. Between Python peers any value that can be sent may be a chunk. Boundaries between chunks
    of bytes may change on the way.

    What reads slowly holds the source back: see `rpclab.core.flow`. To leave an `async for` early
    leaves the rest unread; `cancel()` tells the source that nobody will read it.

    Args:
        source: an iterable or async iterable of chunks, such as a generator, whose `finally` runs
            when nobody reads any more; or a file open for reading bytes. The stream owns it, and
            closes it.
        cancel: called with the reason when nobody reads any more; plain or async.

    Raises:
        TypeError: the source is something else.
    """

    __slots__ = (
        "__rpc_source__", "__weakref__", "_begun", "_error", "_lock", "_over", "_rest", "_source",
    )  # fmt: skip

    def __init__(self, source: Any = (), *, cancel: Callable[[object], Any] | None = None) -> None:
        self._start(source_of(source, cancel))
        self.__rpc_source__ = source

    def _start(self, source: Source) -> None:
        self.__rpc_source__ = None
        self._source = source
        self._lock: str | None = None
        self._rest: Any = NOTHING
        self._begun = False
        self._over = False
        self._error: BaseException | None = None

    @classmethod
    def _of(cls, source: Source) -> Self:
        stream = cls.__new__(cls)
        stream._start(source)
        return stream

    @classmethod
    def __from_inlet__(cls, inlet: Inlet) -> Self:
        return cls._of(InletSource(inlet))

    # Reading.

    @property
    def locked(self) -> bool:
        """Whether it was sent, teed or piped, or is being read at this moment."""
        return self._lock is not None

    @property
    def disturbed(self) -> bool:
        """Whether somebody has begun to read it, or cancelled it."""
        return self._begun

    async def read(self, size: int | None = None) -> Any:
        """Give the next chunk.

        Args:
            size: the most bytes to give; what is left of the chunk comes next.

        Returns:
            The chunk; `b""` at the end of the stream.

        Raises:
            StreamLockedError: the stream was sent, or somebody else is reading it.
            DisconnectedError: the other end is gone; what it had sent has been read (rule S4).
            Exception: the source failed; here the very error that it raised.
        """
        if size is not None and size <= 0:
            raise ValueError(f"read() takes a positive number of bytes, not {size}")
        try:
            chunk = await self.__anext__()
        except StopAsyncIteration:
            return b""
        if size is None:
            return chunk
        if type(chunk) is not bytes:
            self._rest = chunk  # it is not lost: who reads it whole gets it
        if len(_bytes(chunk)) > size:
            self._rest = chunk[size:]
            return chunk[:size]
        return chunk

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly so many bytes.

        Args:
            size: how many bytes.

        Raises:
            asyncio.IncompleteReadError: the stream ended first; it has what came as `partial`.
        """
        parts: list[bytes] = []
        left = size
        while left > 0:
            part = await self.read(left)
            if not part:
                raise asyncio.IncompleteReadError(b"".join(parts), size)
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    async def bytes(self) -> bytes:
        """Give all bytes that are left."""
        return b"".join([_bytes(chunk) async for chunk in self])

    async def text(self) -> str:
        """Give all that is left as text; bytes that are no UTF-8 become U+FFFD."""
        return (await self.bytes()).decode("utf-8", "replace")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        self._take("it is being read")
        try:
            chunk = self._at_hand()
            return await self._pull() if chunk is NOTHING else chunk
        finally:
            self._lock = None

    def _at_hand(self) -> Any:
        """Give the next chunk to whoever has locked the stream; NOTHING if one has to wait."""
        self._begun = True
        if self._rest is not NOTHING:
            rest, self._rest = self._rest, NOTHING
            return rest
        if self._error is not None:
            raise fresh_copy(self._error)
        if self._over:
            raise StopAsyncIteration
        try:
            chunk = chunk_of(self._source.at_hand())
            while type(chunk) is bytes and not chunk:
                chunk = chunk_of(self._source.at_hand())
        except Exception as error:
            self._end(error)
            raise
        return chunk

    async def _pull(self) -> Any:
        """Wait for the next chunk, if it is not at hand."""
        chunk = self._at_hand()
        try:
            while chunk is NOTHING or (type(chunk) is bytes and not chunk):
                chunk = chunk_of(await self._source.pull())
        except Exception as error:
            self._end(error)
            raise
        return chunk

    def _end(self, error: Exception) -> None:
        """Remember that there are no more chunks, or that the source failed."""
        if isinstance(error, StopAsyncIteration):
            self._over = True
        else:
            self._error = error

    def _take(self, use: str, words: str = READABLE_IN_USE) -> None:
        """Lock the stream, and remember for what."""
        self._check(words)
        self._lock = use

    def _check(self, words: str) -> None:
        if self._lock is not None:
            error = StreamLockedError(words)
            error.add_note(self._lock)
            raise error

    # Other uses.

    async def cancel(self, reason: object = None) -> None:
        """Stop reading: the source is told, with the reason, and closed (rule S8).

        Args:
            reason: an exception, or a value that can be sent.

        Raises:
            StreamLockedError: the stream was sent, or somebody else is reading it.
        """
        self._take("it is being cancelled")
        try:
            await self._give_up(reason)
        finally:
            self._lock = None

    async def _give_up(self, reason: object) -> None:
        self._begun = True
        if not self._over and self._error is None:
            self._over = True
            self._rest = NOTHING
            await self._source.cancel(reason)

    def __instead__(self) -> str:
        return "tee() makes two of it"

    def tee(self) -> tuple[ReadableStream, ReadableStream]:
        """Give two streams with the same chunks; this one is locked.

        What one of them has read and the other has not is kept in memory. The source is cancelled
        when both are.
        """
        self._take("it was teed")
        tee = _Tee(self)
        return ReadableStream._of(tee.branch(0)), ReadableStream._of(tee.branch(1))

    async def pipe_to(self, writable: WritableStream, *, prevent_close: bool = False) -> None:
        """Write all chunks to a writable stream, and close it; an error aborts it.

        Args:
            writable: where they go; locked meanwhile. If it fails, the source is cancelled with
                its error.
            prevent_close: leave it open.

        Raises:
            StreamLockedError: one of the two was sent, or is in use.
            Exception: the source or the sink has failed.
        """
        sink = writable._take("a ReadableStream is piped into it")
        try:
            self._take("it is piped into a WritableStream")
        except StreamLockedError:
            writable._let_go()
            raise
        try:
            while True:
                try:
                    chunk = await self._pull()
                except StopAsyncIteration:
                    break
                await sink.write(chunk)
            if not prevent_close:
                await sink.close()
        except BaseException as error:
            # Whichever of the two has failed takes no notice of this.
            with suppress(Exception):
                await self._give_up(error)
            with suppress(Exception):
                await sink.abort(error)
            raise
        finally:
            self._lock = None
            writable._let_go()

    # On the way to the other side.

    def __rpc_refer__(self, payload: PayloadLike) -> Reference:
        context = payload.context

        def open_pipe(session: SessionLike) -> Pump | PipeRelay:
            self._take(sending(context.host.calls.site()), READABLE_LOCKED)
            source = self._source
            if isinstance(source, InletSource) and not self._over and self._error is None:
                rest = [] if self._rest is NOTHING else [self._rest]
                return PipeRelay(source.inlet, session, rest, self.__not_sent__)
            return Pump(self, session, context, payload.source)

        if not payload.goes_ahead(self):
            with advice_for(payload):
                self._check(READABLE_LOCKED)
        return payload.refer_readable(self, open_pipe)

    def __not_sent__(self) -> None:
        """The message that it was to go with was not sent: it is its owner's again."""
        self._lock = None

    def __repr__(self) -> str:
        if self._lock is not None:
            state = f"locked: {self._lock}"
        elif self._error is not None:
            state = f"broken: {self._error}"
        else:
            state = "at its end" if self._over else "open"
        return f"<ReadableStream, {state}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return bundle(self)


class _Tee:
    """Hands each chunk of a stream to two others."""

    def __init__(self, stream: ReadableStream) -> None:
        self.stream = stream
        self.waiting: tuple[deque[Any], deque[Any]] = (deque(), deque())
        self.reading = asyncio.Lock()
        self.cancelled = [False, False]

    def branch(self, side: int) -> _Branch:
        return _Branch(self, side)


class _Branch:
    """One of the two, as a source."""

    def __init__(self, tee: _Tee, side: int) -> None:
        self._tee = tee
        self._side = side

    def at_hand(self) -> Any:
        mine = self._tee.waiting[self._side]
        return mine.popleft() if mine else NOTHING

    async def pull(self) -> Any:
        tee, side = self._tee, self._side
        mine, other = tee.waiting[side], tee.waiting[1 - side]
        if not mine:
            async with tee.reading:
                if not mine:
                    chunk = await tee.stream._pull()
                    mine.append(chunk)
                    if not tee.cancelled[1 - side]:
                        other.append(chunk)
        return mine.popleft()

    async def cancel(self, reason: object) -> None:
        tee = self._tee
        tee.cancelled[self._side] = True
        tee.waiting[self._side].clear()
        if all(tee.cancelled):
            await tee.stream._give_up(reason)


def _bytes(chunk: Any) -> Any:
    if type(chunk) is not bytes:
        raise TypeError(
            f"a chunk of the stream is no bytes but {type(chunk).__name__}: use `async for`"
        )
    return chunk
