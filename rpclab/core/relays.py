"""Streams that came in and are passed on: each chunk goes on by itself.

Floor: core. The Worker in the middle neither reads nor buffers: it hands a chunk on as it comes,
and the acknowledgement back when it comes. So flow control is between the two ends of the line,
over any number of Workers; and as with a stub that was introduced (rule W5), the line outlives the
context that passed the stream on.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rpclab.core.hooks import Hook, work_of
from rpclab.core.imports import PENDING, REJECTED, Pending
from rpclab.core.streams import ABORT, CLOSE, WRITE, let_go, operation_of
from rpclab.errors import WRITABLE_CLOSED, DataCloneError, StreamClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import SessionLike
    from rpclab.core.hooks import Delivery
    from rpclab.core.imports import Import
    from rpclab.core.streams import Arrived, Inlet, Outlet

T = TypeVar("T")

_MOST_INSIDE = 32  # streams that stand in chunks of one another


_inside: ContextVar[int] = ContextVar("rpclab.relays", default=0)
"""How many relays hand on a chunk now, each inside a chunk of the one before."""


def _depth() -> int:
    """Give the depth of a relay that is made now.

    A peer can have a stream stand in a chunk of its own: such a chunk would be handed on for ever,
    each time with a new relay inside the one before.

    Raises:
        DataCloneError: it is too large.
    """
    depth = _inside.get()
    if depth > _MOST_INSIDE:
        raise DataCloneError(
            f"a stream stands in a chunk of a stream, and so on, more than {_MOST_INSIDE} deep:"
            " perhaps in a chunk of its own"
        )
    return depth


def _at_depth(depth: int, hand: Callable[[], T]) -> T:
    """Hand a chunk on; the relays of the streams in it are inside one of that depth."""
    token = _inside.set(depth + 1)
    try:
        return hand()
    finally:
        _inside.reset(token)


class PipeRelay:
    """Hands the chunks of a pipe on to another one, which it opens.

    Args:
        inlet: the claim on the pipe, of whoever passes the stream on.
        session: to the Worker that reads it from now on.
        rest: chunks that were taken from the pipe already, and go first.
        unsent: called if the message that mentions the stream is not sent.

    Attributes:
        id: of the pipe at the other side.
    """

    def __init__(
        self, inlet: Inlet, session: SessionLike, rest: list[object], unsent: Callable[[], None]
    ) -> None:
        self._inlet = inlet
        self._pipe = inlet.pipe
        self._session = session
        self._rest = rest
        self._unsent = unsent
        self._over = False
        self._depth = _depth()
        self._entry: Import = session.open_pipe()
        self._entry.claim()
        self.id = self._entry.id

    def packed(self, *, sent: bool) -> None:
        """Start, if the message that mentions the stream is sent; else give the stream back."""
        if not sent:
            self._entry.drop()
            self._unsent()
            return
        self._inlet.finish()
        self._pipe.hand_to(None)
        self._pipe.relay = self._hand_on
        for chunk in self._rest:
            _at_depth(self._depth, partial(self._send, WRITE, [chunk]))
        self._entry.watch(self._unread)
        self._hand_on()

    def _hand_on(self) -> None:
        """Hand on what has come, and the end after it."""
        pipe = self._pipe
        while pipe.chunks and not self._over:
            self._hand(pipe.pop())
        if self._over or not (pipe.ended or pipe.error):
            return
        self._over = True
        let_go(self._entry, _as_work_of(pipe.ending, self._session, self._hand_on_the_end))

    def _hand_on_the_end(self) -> Pending | None:
        """Send the end on; gives the call that says it, if there is one."""
        error = self._pipe.error
        if self._pipe.ended:
            return self._send(CLOSE, [])
        if self._session.dialect.web_streams:
            return self._send(ABORT, [error])
        for note in getattr(error, "__notes__", [])[:1]:
            return self._send(ABORT, [note])
        return None

    def _hand(self, arrived: Arrived) -> None:
        answer = arrived.answer
        write = _as_work_of(
            answer,
            self._session,
            lambda: _at_depth(self._depth, lambda: self._send(WRITE, [arrived.chunk])),
        )
        arrived.give_back()
        _pass_back(write, answer)
        if arrived.last is not None:
            _pass_back(write, arrived.last)
        if write.state == REJECTED:
            # What comes after a chunk that could not be handed on must not be read.
            self._unread(write.value)

    def _send(self, operation: str, args: list[object]) -> Pending:
        session = self._session
        pending = Pending(session, 0, session.keeper)
        pending.unseen = False  # its failure is passed back
        return session.write(pending, self._entry, operation, args, session.keeper)

    def _unread(self, error: BaseException) -> None:
        """Nobody reads at the other side: nor does anybody here."""
        if not self._over:
            self._over = True
            self._pipe.cancel(error)
            self._entry.drop()


class SinkRelay(Hook):
    """Hands writes on to a sink at the far end of an outlet.

    Args:
        outlet: of the stream that is passed on. The hook keeps it.
        unsent: called if the message that mentions the stream is not sent.
    """

    __slots__ = ("_depth", "_outlet", "_unsent")

    in_order = True

    def __init__(self, outlet: Outlet, unsent: Callable[[], None]) -> None:
        super().__init__(None)
        self._depth = _depth()
        self._outlet = outlet
        self._unsent = unsent
        outlet.moved = True

    def start(self, call: Delivery) -> None:
        """Hand a chunk on, or the end."""
        answer, args = call.answer, call.args or ()
        outlet, operation = self._outlet, operation_of(call)
        if operation is None:
            return
        if outlet.error is not None:
            answer.reject(outlet.error, remote=False)
        elif outlet.done:
            answer.reject(StreamClosedError(WRITABLE_CLOSED))
        else:
            session = outlet.session

            def tell() -> Pending:
                if operation == CLOSE:
                    return outlet.close()
                return _at_depth(self._depth, lambda: outlet.tell(operation, *args))

            _pass_back(_as_work_of(answer, session, tell), answer)

    def unclaimed(self) -> None:
        if self._outlet.moved:
            self._outlet.abort()

    def unsent(self) -> None:
        """It was never sent: leave the sink to its owner."""
        self._outlet.moved = False
        self._unsent()


def _as_work_of(answer: Answer | None, session: SessionLike, send: Callable[[], T]) -> T:
    """Send something on, as the work of the message that has brought it."""
    host = session.host
    if answer is not None and (host.calls.special or host.observe is not None):
        return work_of(answer, session.keeper).run(send)
    return send()


def _pass_back(write: Pending, answer: Answer) -> None:
    """Settle a write as the one does that it was handed on as."""

    def settled() -> None:
        answer.forwarded(write)
        if answer.state == PENDING:
            if write.state == REJECTED:
                answer.reject(write.value, remote=getattr(write.value, "remote", False))
            else:
                session = answer.session
                web = session is not None and session.dialect.web_streams
                answer.resolve(None if web else write.value)

    write.follow(settled)
