"""Streams of one session: chunks that go to a sink at the other side, and come in from one there.

Floor: core. As in Cap'n Web, a stream flows as writes into a sink: a ReadableStream that is sent
opens a *pipe* at the receiver, and its chunks are written there; a WritableStream that is sent is
exported, and the receiver writes into it. A write is acknowledged when the reader, or the sink,
has taken the chunk; so what is unacknowledged is all there is on the way, and `FlowController`
bounds it.

    Outlet     the near end: it sends chunks to a sink at the other side
    Pipe       the far end of a readable stream: the chunks that came in and were not read yet
    Inlet      the reader's claim on a pipe

The far end of a writable stream is a `SinkHook` (`sinks.py`). A stream that came in and is passed
on is handed on chunk by chunk, without its reader or writer (`relays.py`).
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rpclab.core.contexts import current
from rpclab.core.flow import GAIN, NEAR_GAIN, FlowController
from rpclab.core.hooks import Hook
from rpclab.core.imports import PENDING, REJECTED, Pending
from rpclab.errors import (
    READABLE_BROKEN,
    READER_GONE,
    WRITABLE_CLOSED,
    WRITER_GONE,
    DisconnectedError,
    StreamClosedError,
    fresh_copy,
    no_such_member,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import EndLike, ExecutionContext, Resumable, SessionLike
    from rpclab.core.flow import Token
    from rpclab.core.hooks import Delivery
    from rpclab.core.imports import Handle, Import

WRITE, CLOSE, ABORT = "write", "close", "abort"


def lost(words: str) -> DisconnectedError:
    """Build the error of a stream whose other end is gone (rules S4, S9, S16)."""
    error = DisconnectedError(words)
    error.retryable = True
    return error


def operation_of(call: Delivery) -> str | None:
    """Read what a peer asks of a sink; where there is no such operation, None, and its answer."""
    path, args = call.path, call.args
    if path == WRITE and args:
        return WRITE  # the common case
    operation: str = path if type(path) is str else ".".join(path)
    if operation not in (WRITE, CLOSE, ABORT) or args is None or (operation == WRITE and not args):
        call.answer.reject(no_such_member(operation, (WRITE, CLOSE, ABORT)))
        return None
    return operation


def let_go(entry: Import, told: Pending | None) -> None:
    """Drop the last claim on a sink; where streams are those of the web, once it has answered."""
    if told is not None and entry.session.dialect.web_streams:
        told.follow(entry.drop)
    else:
        entry.drop()


def held_since(since: float, answer: Answer) -> float | None:
    """What a write is answered with: for how long the chunk lay here, if the peer wants to know."""
    session = answer.session
    if session is None or session.dialect.web_streams:
        return None
    return session.host.clock() - since


class Unread(Exception):  # noqa: N818 - it is a reason, and nobody raises it
    """Why nobody reads a stream any more, where the reader's reason is no exception (rule S8)."""


def reason_of(error: BaseException) -> object:
    """The reader's reason as it was given."""
    return error.args[0] if type(error) is Unread else error


class End:
    """One end of a stream, as its holder sees it: owned by a context, and waited for.

    Attributes:
        context: the execution context that owns it.
        done: whether it is through: closed, cancelled or broken.
        waiters: what is resumed when something has changed; the holder looks what.
    """

    __slots__ = ("__weakref__", "context", "done", "waiters")

    uses = 1
    """A task that waits here and is cancelled leaves the stream alone."""

    unasked = False
    """What happens here comes by itself."""

    def __init__(self, context: ExecutionContext) -> None:
        self.context = context
        self.done = False
        self.waiters: tuple[Resumable, ...] | None = None

    def belong(self, context: ExecutionContext | None) -> None:
        """Make `context` the owner: the end of it is the end of this. None: nobody took it."""
        if self.done:
            return
        if context is None or context.ended:
            self.lost()
            return
        self.context = context
        if not context.long:
            context.opened(self)

    def lost(self) -> None:
        """The context that owned it ended."""
        raise NotImplementedError

    def finish(self) -> None:
        """It is through: its context need not end it."""
        self.done = True
        if not self.context.long:
            self.context.closed(self)

    def changed(self) -> None:
        """Resume who waits."""
        waiters, self.waiters = self.waiters, None
        for waiter in waiters or ():
            waiter.settled(self)


class Write(Pending):
    """A chunk on its way.

    Args:
        session: to the other side.
        outlet: whose it is.
    """

    token: Token = (0.0, 0, 0.0, 0)

    def __init__(self, session: SessionLike, outlet: Outlet) -> None:
        super().__init__(session, 0, session.keeper)
        self._outlet: Outlet | None = outlet

    def settle(self, state: int, value: object, stubs: Sequence[Handle] | None = None) -> None:
        """The chunk was taken, or the sink has failed."""
        for handle in stubs or ():
            handle.dispose()
        if self.state == PENDING:
            self.state = state
            self.value = value
            outlet, self._outlet = self._outlet, None
            if outlet is not None and self.size:  # else it was not sent
                outlet.acknowledged(self)


class Outlet(End):
    """Sends chunks to a sink at the other side, as many as there is room for.

    Args:
        entry: the import of the sink. The outlet makes a claim on it.
        context: the owner.

    Attributes:
        flow: says whether there is room.
        error: why no more can be sent; None while it can.
        on_broken: called once with the error, where the other side broke the stream.
        moved: whether the stream was passed on, and outlives the context.
        last: the write that was sent last.
        credit: the write that was acknowledged last.
    """

    __slots__ = (
        "_closing", "_unwatch", "credit", "entry", "error", "flow", "last", "moved", "on_broken",
        "session",
    )  # fmt: skip

    def __init__(self, entry: Import, context: ExecutionContext) -> None:
        super().__init__(context)
        session = entry.session
        self.entry = entry
        self.session: SessionLike = session
        # The clock of a host is another one once its loop is known.
        now = lambda: session.host.clock()  # noqa: E731, PLW0108 - so it is looked up each time
        uplink = session.uplink
        flow = FlowController if uplink is None else uplink.flow
        self.flow = flow(now, session.limits.stream_window)
        self.error: BaseException | None = None
        self.on_broken: Callable[[BaseException], None] | None = None
        self.moved = False
        self.last: Write | None = None
        self.credit: Write | None = None
        self._closing: Pending | None = None
        self._unwatch: Callable[[], None] = lambda: None
        entry.claim()
        # The table must not keep an outlet that Python could forget.
        broken = weakref.WeakMethod(self._break)
        self._unwatch = entry.watch(lambda error: _call(broken(), error))

    def __del__(self) -> None:
        if not self.done:
            self.session.host.forget(self.entry)

    @property
    def id(self) -> int:
        """Its number in the session."""
        return self.entry.id

    def fits(self, size: int) -> bool:
        """Whether a chunk of that size may be sent now; else `changed` is called once it may be."""
        if not self.flow.fits(size):
            return False
        uplink = self.session.uplink
        return uplink is None or uplink.takes_from(self)

    def write(self, chunk: object) -> None:
        """Send a chunk. Whoever writes has seen to it that there is room.

        Raises:
            DataCloneError: the chunk cannot be sent; the stream goes on.
        """
        session = self.session
        write = Write(session, self)
        session.write(write, self.entry, WRITE, [chunk], self.context)
        if write.state == REJECTED:
            raise fresh_copy(write.value)
        write.token = self.flow.sent(write.size)
        if session.uplink is not None:
            session.uplink.queued += write.size
        if self.last is None:
            self._note_window()
        self.last = write

    def acknowledged(self, write: Write) -> None:
        """A chunk was taken, or refused."""
        if write.state == REJECTED:
            self.flow.withdrawn(write.token)
            self._break(write.value)
            return
        self.credit = write
        flow, held = self.flow, write.value
        flow.gain = NEAR_GAIN if self.session.is_near else GAIN
        flow.acknowledged(write.token, held if type(held) is float else 0.0)
        if self.session.uplink is not None:
            self.session.uplink.learn(flow)
        self._note_window()
        if self.waiters is not None:
            self.changed()

    def _note_window(self) -> None:
        """Tell those who watch how much may be, and is, on its way."""
        observe = self.session.host.observe
        if observe is not None:
            flow = self.flow
            observe(("credit", self.session.label, self.id, flow.window, flow.in_flight, 0))

    def close(self) -> Pending:
        """Say that no more will come. The promise resolves when the sink has closed (rule S14)."""
        if self._closing is None:
            self._closing = self.tell(CLOSE)
            self._closing.uses += 1
            self._end(self._closing)
        return self._closing

    def abort(self, note: str | None = None, reason: object = None) -> None:
        """Break the stream off: the other side learns that, and no more (rules S4, S16).

        Args:
            note: what a sandbox tells its user beside that.
            reason: why; the other side learns it where streams are those of the web.
        """
        if not self.done:
            told = None
            if self.entry.broken is None and self.session.dialect.web_streams:
                told = None if reason is None else self.tell(ABORT, reason)
            elif note is not None and self.entry.broken is None:
                told = self.tell(ABORT, note)
            self._end(told)

    def tell(self, operation: str, *args: object) -> Pending:
        """Send something that is no chunk."""
        pending = Pending(self.session, 0, self.session.keeper)
        pending.unseen = False  # the stream tells of a failure
        return self.session.write(pending, self.entry, operation, list(args), self.context)

    def lost(self) -> None:
        if not self.moved:
            if self.error is None:
                self.error = lost(WRITER_GONE)
            self.abort()

    def _break(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            on_broken, self.on_broken = self.on_broken, None
            if on_broken is not None:
                on_broken(error)
        self._end()
        self.changed()

    def _end(self, told: Pending | None = None) -> None:
        """It is through; `told` is what the other side was told last."""
        if not self.done:
            self._unwatch()
            self.finish()
            let_go(self.entry, told)
            self.changed()


class Arrived(NamedTuple):
    """A chunk that came in, and was not read yet.

    Attributes:
        chunk: itself.
        size: of its message, in bytes.
        answer: the write that brought it; to be resolved when it is taken.
        since: when it came.
        handles: those in it, which become the reader's.
        ends: the streams in it, likewise.
        last: the close that came after it, if that waits for it.
    """

    chunk: object
    size: int
    answer: Answer
    since: float
    handles: Sequence[Handle] | None
    ends: Sequence[EndLike] | None
    last: Answer | None = None

    def let_go(self, reason: BaseException) -> None:
        """Nobody will read it."""
        self.give_back()
        self.answer.reject(reason, remote=False)
        if self.last is not None:
            self.last.reject(reason, remote=False)

    def give_back(self) -> None:
        """Let go of what passed by reference in it."""
        for handle in self.handles or ():
            handle.dispose()
        for end in self.ends or ():
            end.belong(None)


class Pipe(Hook):
    """Keeps the chunks of a readable stream that came in, until they are read.

    Args:
        session: whose peer opened it.
        number: under which.

    Attributes:
        chunks: those that were not read yet.
        ended: whether all have come.
        error: why no more will come, where that is not all.
        taken: whether a message has mentioned it.
        awaited: the reader, while it waits: it must not be forgotten then.
        relay: what hands the chunks on, where the stream was passed on.
        ending: the message that has brought the end, once it has come.
    """

    __slots__ = (
        "_buffered", "_closing", "_inlet", "awaited", "chunks", "ended", "ending", "error",
        "number", "relay", "session", "taken",
    )  # fmt: skip

    in_order = True

    def __init__(self, session: SessionLike, number: int) -> None:
        super().__init__(None)
        self.session = session
        self.number = number
        self.taken = False
        self.awaited: Inlet | None = None
        self.ended = False
        self.error: BaseException | None = None
        self.relay: Callable[[], None] | None = None
        self.ending: Answer | None = None
        self.chunks: deque[Arrived] = deque()
        self._buffered = 0
        self._closing: Answer | None = None
        self._inlet: Callable[[], Inlet | None] | None = None

    def start(self, call: Delivery) -> None:
        """Take a chunk, or the end."""
        answer, args = call.answer, call.args or []
        operation = operation_of(call)
        if operation is None:
            return
        if self.ended or self.error is not None:
            told = self.session.dialect.web_streams and not self.ended
            error = self.error if told else None
            answer.reject(error or StreamClosedError(WRITABLE_CLOSED))
        elif operation == WRITE:
            self._write(answer, args[0])
        else:
            self.ending = answer
            if operation == CLOSE:
                self.ended = True
            else:
                self._break(*args[:1])
            if self.ended and self.chunks and self.session.dialect.web_streams:
                self._closing = answer  # to be answered when all before it is taken
            else:
                answer.resolve(None)
            self._tell()

    def _write(self, answer: Answer, chunk: object) -> None:
        size = answer.size
        if self._buffered + size > self.session.limits.stream_buffer:
            self._break("the other side sent more than was asked for")
            answer.reject(lost(READABLE_BROKEN))
        else:
            # What passes by reference in it is the reader's, and not given back with the write.
            handles, answer.params = answer.params, None
            ends, answer.ends = answer.ends, None
            self._buffered += size
            now = self.session.host.clock()
            self.chunks.append(Arrived(chunk, size, answer, now, handles, ends))
        self._tell()

    def _break(self, note: object = None) -> None:
        self.error = lost(READABLE_BROKEN)
        if isinstance(note, BaseException) and self.session.dialect.web_streams:
            self.error = note
        elif type(note) is str:
            self.error.add_note(note)

    def _tell(self) -> None:
        if self.relay is not None:
            self.relay()
        elif self._inlet is not None:
            inlet = self._inlet()
            if inlet is not None and inlet.waiters is not None:
                inlet.changed()

    def unclaimed(self) -> None:
        # The sender is through with it. If it has not said so, it was cut off.
        if not self.ended and self.error is None:
            self._break()
            self._tell()

    def hand_to(self, inlet: Inlet | None) -> None:
        """Tell this reader what comes in; the pipe does not keep it alive."""
        self.taken = True
        self._inlet = None if inlet is None else weakref.ref(inlet)

    @property
    def ready(self) -> bool:
        """Whether there is a chunk, the end or an error."""
        return bool(self.chunks) or self.ended or self.error is not None

    def pop(self) -> Arrived:
        """Take the next chunk out; whoever does so settles the write that brought it."""
        arrived = self.chunks.popleft()
        self._buffered -= arrived.size
        if self._closing is not None and not self.chunks:
            arrived = arrived._replace(last=self._closing)
            self._closing = None
        return arrived

    def cancel(self, reason: BaseException) -> None:
        """Nobody reads any more: tell the sender, with the reason (rule S8)."""
        if not self.ended and self.error is None:
            self.error = reason
            self.session.cancel_pipe(self, self.number, reason)
        while self.chunks:
            self.pop().let_go(reason)

    def drop(self) -> None:
        """Python forgot the reader."""
        self.cancel(lost(READER_GONE))


class Inlet(End):
    """The reader's claim on a pipe."""

    __slots__ = ("pipe",)

    def __init__(self, pipe: Pipe, context: ExecutionContext) -> None:
        super().__init__(context)
        self.pipe = pipe
        pipe.hand_to(self)

    def __del__(self) -> None:
        if not self.done:
            self.pipe.session.host.forget(self.pipe)

    def take(self) -> object:
        """Take the next chunk, and acknowledge it. What is in it is the running code's.

        Raises:
            StopAsyncIteration: the stream is at its end.
            DisconnectedError: it broke off; what came before has been read (rule S4).
        """
        pipe = self.pipe
        if not pipe.chunks:
            if not self.done:
                self._note_read(pipe.ending)
                self.finish()
            if pipe.error is not None:
                raise fresh_copy(pipe.error)
            raise StopAsyncIteration
        arrived = pipe.pop()
        if arrived.handles is not None or arrived.ends is not None:
            owner = current.get() or self.context
            for handle in arrived.handles or ():
                handle.belong(owner)
            for end in arrived.ends or ():
                end.belong(owner)
        answer = arrived.answer
        if answer.state == PENDING:
            self._note_read(answer)
            answer.resolve(held_since(arrived.since, answer))
        if arrived.last is not None:
            arrived.last.resolve(None)
        return arrived.chunk

    def _note_read(self, write: Answer | None) -> None:
        """Tell those who watch that the running code goes on with what a message has brought."""
        session = self.pipe.session
        host = session.host
        if write is not None and host.observe is not None:
            host.observe(("read", session.label, write.id, *host.calls.went_on()))

    def cancel_with(self, reason: BaseException) -> None:
        """Stop reading, and let the sender know why."""
        if not self.done:
            self.finish()
            self.pipe.cancel(reason)
            self.changed()

    def lost(self) -> None:
        self.cancel_with(lost(READER_GONE))


def _call(method: Callable[[BaseException], None] | None, error: BaseException) -> None:
    if method is not None:
        method(error)
