"""Pumps: what moves the chunks of a stream that was sent, and is read at the other side.

Floor: rpc. A pump runs in the execution context that the stream comes from, and keeps it alive; it
ends with it. A stream that came in itself needs none: see `core/relays.py`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol

from rpclab.core.contexts import current
from rpclab.core.streams import Outlet, reason_of
from rpclab.previews import message_of, type_name
from rpclab.rpc.activity import Activity, StepInterrupted
from rpclab.rpc.streams.sources import NOTHING, PIECE, pieces_of, size_of
from rpclab.rpc.waiter import StreamWaiter

if TYPE_CHECKING:
    from rpclab.core.answers import Answer
    from rpclab.core.contexts import ExecutionContext, SessionLike


class Pumped(Protocol):
    """A stream whose chunks are sent, as the pump sees it that has locked it."""

    def _at_hand(self) -> Any:
        """Give the next chunk; NOTHING if one has to wait."""

    async def _pull(self) -> Any:
        """Wait for the next chunk."""

    async def _give_up(self, reason: object) -> None:
        """Nobody reads it any more."""

    def __not_sent__(self) -> None:
        """The message that it was to go with was not sent."""


class Pump:
    """Sends the chunks of one stream through a pipe.

    Args:
        stream: whose chunks they are; locked already.
        session: to the Worker that reads them.
        context: where the stream comes from.
        answer: the call in whose result it is; None where it is among the arguments of a call.

    Attributes:
        id: of the pipe at the other side.
    """

    def __init__(
        self,
        stream: Pumped,
        session: SessionLike,
        context: ExecutionContext,
        answer: Answer | None,
    ) -> None:
        self._stream = stream
        self._session = session
        self._context = context
        self._outlet = Outlet(session.open_pipe(), context)
        self._outlet.on_broken = self._reader_left
        self._activity: Activity | None = None
        self._pulling = False
        self.id = self._outlet.id
        # The chunks are made by code of the sender, as it was when it sent them.
        self._variables = copy_context() if answer is None else _variables_of(context)
        engine: Any = session.host
        if engine.observe is not None:
            maker = engine.acting() if answer is None else (answer.call, 0)
            engine.begins_apart(self._variables, *maker)

    def packed(self, *, sent: bool) -> None:
        """Start, if the message that mentions the stream is sent; else give the stream back."""
        if not sent:
            self._outlet.abort()
            self._stream.__not_sent__()
            return
        self._context.hold()
        engine: Any = self._session.host
        engine.again(self._begin)

    def _begin(self) -> None:
        context = self._context
        engine: Any = self._session.host
        if context.ended:
            self._outlet.abort()
        activity = self._activity = Activity(
            engine.loop, self._run(), self._variables, self._through
        )
        if not context.long:
            if context.tasks is None:
                context.tasks = set()
            context.tasks.add(activity)
        if engine.observe is not None:
            engine.acts_as(activity, self._variables)
        activity.start()

    def _through(self, _value: Any, error: BaseException | None) -> None:
        context = self._context
        if context.tasks is not None:
            context.tasks.discard(self._activity)
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self._session.host.report(error, "the cancelling of a stream's source")
        context.let_go()

    def _reader_left(self, _reason: BaseException) -> None:
        # A source that waits for something is woken; one that is held back sees it by itself.
        if self._pulling and self._activity is not None:
            self._activity.cancel("nobody reads the stream any more")

    async def _run(self) -> None:
        outlet = self._outlet
        try:
            await self._send_all()
        except asyncio.CancelledError:
            if outlet.error is None:
                # The context ended: the reader learns it, and so does the source.
                outlet.abort()
                await self._cancel_source(RuntimeError("its execution context ended"))
                raise
            await self._cancel_source(outlet.error)
        except _ReaderLeft:
            await self._cancel_source(outlet.error)
        except (Exception, StepInterrupted) as error:
            note = f"its source raised {type_name(error)}: {message_of(error)}"
            if isinstance(error, StepInterrupted):
                note = "its source was left by KeyboardInterrupt"
            outlet.abort(note if self._session.host.debug else None, error)  # type: ignore[attr-defined]
            with suppress(Exception):  # it is broken already, and the reader is told
                await self._cancel_source(error)

    async def _cancel_source(self, reason: BaseException | None) -> None:
        await self._stream._give_up(None if reason is None else reason_of(reason))

    async def _send_all(self) -> None:
        outlet, stream = self._outlet, self._stream
        while True:
            if outlet.done or not outlet.fits(1):
                await self._room(1)
            try:
                chunk = stream._at_hand()
                if chunk is NOTHING:
                    self._pulling = True
                    chunk = await stream._pull()
            except StopAsyncIteration:
                break
            finally:
                self._pulling = False
            if type(chunk) is bytes and len(chunk) <= PIECE and outlet.fits(len(chunk)):
                outlet.write(chunk)
                continue
            for piece in pieces_of(chunk):
                await self._room(size_of(piece))
                outlet.write(piece)
        if outlet.error is None:
            outlet.close()

    async def _room(self, size: int) -> None:
        await room(self._outlet, size)
        if self._outlet.done:
            raise _ReaderLeft


async def room(outlet: Outlet, size: int) -> None:
    """Wait until a chunk of that size may be sent, or the stream is through."""
    if _goes_on(outlet, size):
        return
    host: Any = outlet.session.host
    if host.observe is not None:
        host.observe(("stalled", outlet.session.label, outlet.id))
    while not _goes_on(outlet, size):
        await StreamWaiter.on(outlet)
    if host.observe is not None:  # others may watch by now, or nobody
        host.observe(("resumed", outlet.session.label, outlet.id))
    note_credit(outlet)


def _goes_on(outlet: Outlet, size: int) -> bool:
    return outlet.done or outlet.fits(size)


def note_credit(outlet: Outlet) -> None:
    """Tell those who watch that the running task goes on after the last credit."""
    host: Any = outlet.session.host
    if host.observe is not None and outlet.credit is not None:
        host.observe(("awaited", outlet.session.label, (outlet.credit.id,), *host.went_on()))


def _variables_of(context: ExecutionContext) -> Context:
    variables = Context() if context.variables is None else context.variables.copy()
    variables.run(current.set, context)
    return variables


class _ReaderLeft(Exception):  # noqa: N818 - it only leads out of the loop
    """Nobody reads the stream any more."""
