"""WritableStream: chunks that are written one after another, into a sink here or at the other side.

Floor: rpc. Rules S12 to S16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from rpclab.core.relays import SinkRelay
from rpclab.core.sinks import SinkHook
from rpclab.errors import WRITABLE_LOCKED, StreamLockedError
from rpclab.rpc.remote import Uncopied
from rpclab.rpc.streams.sinks import LocalSink, RemoteSink
from rpclab.rpc.streams.sources import advice_for, chunk_of, sending
from rpclab.rpc.stubs import bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import PayloadLike
    from rpclab.core.hooks import Hook
    from rpclab.core.references import Reference
    from rpclab.core.streams import Outlet


class WritableStream(Uncopied):
    """Takes chunks, and hands them to a sink.

    A stream can be an argument, a result, or stand in one. It moves: from then on it is written at
    the other side, and locked here. Chunks are bytes; text is sent in UTF-8. Between Python peers
    any value that can be sent may be a chunk.

    Use it as `async with stream:`, which closes it, or aborts it after an error.

    Args:
        write: called with each chunk; plain or async. The next comes when it has finished.
        close: called when all has come; plain or async.
        abort: called with the reason when no more will come; plain or async.
    """

    __slots__ = ("__weakref__", "_lock", "_sink")

    def __init__(
        self,
        write: Callable[[Any], Any] | None = None,
        *,
        close: Callable[[], Any] | None = None,
        abort: Callable[[object], Any] | None = None,
    ) -> None:
        self._sink: LocalSink | RemoteSink = LocalSink(write, close, abort)
        self._lock: str | None = None

    @classmethod
    def __from_outlet__(cls, outlet: Outlet) -> Self:
        stream = cls.__new__(cls)
        stream._sink = RemoteSink(outlet)
        stream._lock = None
        return stream

    @property
    def locked(self) -> bool:
        """Whether it was sent, or something is piped into it at this moment."""
        return self._lock is not None

    async def write(self, chunk: Any) -> None:
        """Write a chunk: wait until there is room for it, and those before it.

        Into a sink at the other side that does not wait until the sink has taken it; see `flush`.
        A write that is cancelled while it waits may have sent a part of a chunk over 64 KiB.

        Args:
            chunk: bytes, a text (which is sent as UTF-8), or what else the sink takes.

        Raises:
            StreamLockedError: the stream was sent.
            StreamClosedError: it takes no more chunks.
            DataCloneError: the chunk cannot be sent; the stream goes on (rule S13).
            Exception: the sink has failed; the first write or close to learn it raises its error.
        """
        self._check()
        await self._sink.write(chunk_of(chunk))

    async def flush(self) -> None:
        """Wait until the sink has taken all that was written.

        Raises:
            Exception: as `write`.
        """
        self._check()
        await self._sink.flush()

    async def close(self) -> None:
        """Say that all has come, and wait until the sink has closed (rule S14).

        Raises:
            StreamClosedError: it is closed already.
            Exception: the sink has failed; its error.
        """
        self._check()
        await self._sink.close()

    async def abort(self, reason: object = None) -> None:
        """Say that no more will come. A sink at the other side does not learn why (rule S16).

        Args:
            reason: what the `abort` of a sink in this Worker is given.
        """
        self._check()
        await self._sink.abort(reason)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            await self.abort(error)
        elif not self._sink.closed:
            await self.close()

    # Who may write.

    def _check(self) -> None:
        if self._lock is not None:
            error = StreamLockedError(WRITABLE_LOCKED)
            error.add_note(self._lock)
            raise error

    def _take(self, use: str) -> LocalSink | RemoteSink:
        """Lock the stream, and remember for what. Gives the sink to whoever does."""
        self._check()
        self._lock = use
        return self._sink

    def _let_go(self) -> None:
        """It is its owner's again: it was not sent after all, or nothing is piped in any more."""
        self._lock = None

    def __rpc_refer__(self, payload: PayloadLike) -> Reference:
        context = payload.context
        with advice_for(payload):
            sink = self._take(sending(context.host.calls.site()))
        hook: Hook
        if isinstance(sink, RemoteSink):
            hook = SinkRelay(sink.outlet, self._let_go)
        else:
            hook = SinkHook(sink, context, self._let_go)
        return payload.refer_writable(hook)

    def __repr__(self) -> str:
        if self._lock is not None:
            return f"<WritableStream, locked: {self._lock}>"
        return f"<WritableStream, {'closed' if self._sink.closed else 'open'}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return bundle(self)
