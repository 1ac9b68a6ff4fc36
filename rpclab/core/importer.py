"""The importing half: calls on their way out, and their results on the way in.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.ahead import SendFirst
from rpclab.core.endpoint import Endpoint
from rpclab.core.events import SMALL, answering, called, scalars
from rpclab.core.imports import PENDING, REJECTED, RESOLVED, Import, Pending
from rpclab.core.messages import (
    CALL,
    CANCEL,
    KEYWORDS,
    MAP,
    PIPE,
    PULL,
    SCALARS,
    STREAM,
    Message,
)
from rpclab.core.streams import Unread
from rpclab.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from rpclab.core.contexts import ExecutionContext


call_answered = answering.get


class Importer(Endpoint):
    """Calls what the other side introduced."""

    def call(
        self,
        target: int,
        path: Any,
        args: tuple[Any, ...] | None,
        kwargs: dict[str, Any] | None,
        context: ExecutionContext,
    ) -> Pending:
        """Call the member at `path` of the peer's export `target`; read it where `args` is None.

        The arguments are packed now (rule V21); what cannot be sent rejects the promise (V22).
        """
        if self.closed is not None or context.ended:
            return self._too_late(context)
        if self._releases:
            # A stub disposed before this call is gone before it.
            self.put_releases()
        call = self._next_call
        values: list[Any] = [] if args is None else [*args]
        message: Message = [CALL, call, target, path, None if args is None else values]
        pending = Pending(self, call, context)
        if kwargs or self.host.special or self._pulls:
            pending.target = target
            holder = self.host.holder
            if holder is not None:
                held = holder.call(self, target, path, (args, kwargs), context)  # type: ignore[arg-type]
                if held is not None:
                    return held
            options = self._options(pending, kwargs)
            if options:
                message.append(options)
                values = [*values, *(kwargs or {}).values()]
            return self._push(pending, message, values, context)
        # The common case, without further calls: `_push` is the same with all its cases.
        for value in values:
            if type(value) not in SCALARS:
                outgoing, encode = self.outgoing, self._encode
                outgoing.context = context
                outgoing.source = None
                if outgoing.references:
                    outgoing.reset()
                try:
                    frame = encode(message, values)
                except Exception as error:
                    return self._not_sent(pending, message, values, context, error)
                break
        else:
            pack = self._codec.pack
            frame = pack(message)
            if len(frame) > self._most_bytes:
                return self._push(pending, message, values, context)
        # First of all, for it raises where the call comes from another thread.
        if not self._awake:
            self.awake()
        self._next_call = call + 1
        self.imports[call] = pending
        if not context.long:
            context.started(pending)
        if self.host.noting:
            self._note(pending, target, path, args, len(frame))
        self._outbox.append(frame)
        return pending

    def map(
        self,
        target: int,
        path: list[str],
        captures: list[Any],
        program: list[Any],
        context: ExecutionContext,
    ) -> Pending:
        """Replay a recorded function at the peer's export `target` (see `remap`)."""
        if self.closed is not None or context.ended:
            return self._too_late(context)
        holder = self.host.holder
        if holder is not None:
            held = holder.map(self, target, captures, program, context)  # type: ignore[arg-type]
            if held is not None:
                return held
        pending = Pending(self, self._next_call, context)
        message = [MAP, self._next_call, target, path, captures, program]
        if self.host.special:
            pending.target = target
            message.append(self._options(pending, None))
        return self._push(pending, message, captures, context)

    def write(
        self,
        pending: Pending,
        target: int,
        operation: str,
        args: list[Any],
        context: ExecutionContext,
    ) -> Pending:
        """Write to a sink that the peer has exported, or to a pipe there (see `streams`).

        Args:
            pending: settles when the sink, or the reader, has taken it. It belongs to a long
                context, and outlives `context`: what was written counts.
            target: the sink or pipe.
            operation: "write", "close" or "abort".
            args: the chunk, if any.
            context: in which the chunk was made.

        Returns:
            That same promise.
        """
        if self.closed is not None:
            pending.settle(REJECTED, self.closed)
            return pending
        pending.id = self._next_call
        message = [STREAM, self._next_call, target, operation, args]
        if self.host.special:
            pending.target = target
            message.append(self._options(pending, None))
        return self._push(pending, message, args, context)

    def open_pipe(self) -> Import:
        """Take a number for a pipe at the peer, which `announce_pipe` opens."""
        number = self._next_call
        self._next_call = number + 1
        session: Any = self
        entry = self.imports[number] = Import(session, number)
        entry.introductions = 0  # the peer does not know of it yet
        return entry

    def announce_pipe(self, number: int) -> None:
        """Open the pipe at the peer, before the message that mentions it."""
        self.imports[number].introductions = 1
        frame = self._encode([PIPE, number], [])
        self.send_frame(frame)
        if self.host.observe is not None:
            self.host.observe(("pipe", self.label, number, len(frame)))

    def _push(
        self, pending: Pending, message: Message, values: list[Any], context: ExecutionContext
    ) -> Pending:
        self.outgoing.begin(context)
        try:
            frame = self._encode(message, values)
        except Exception as error:
            return self._not_sent(pending, message, values, context, error)
        self.awake()
        call = message[1]
        self._next_call = call + 1
        self.imports[call] = pending
        if not pending.context.long:
            pending.context.started(pending)
        pending.size = len(frame)
        if self.host.noting:
            self._note_other(pending, message, len(frame))
        self.send_frame(frame)
        if self._pulls and message[0] != STREAM:
            self.send_frame(self._encode([PULL, call], []))
        return pending

    def _not_sent(
        self,
        pending: Pending,
        message: Message,
        values: list[Any],
        context: ExecutionContext,
        error: Exception,
    ) -> Pending:
        outgoing = self.outgoing
        outgoing.withdraw()
        if not isinstance(error, SendFirst):
            pending.settle(REJECTED, error)
            return pending
        outgoing.ahead[id(error.value)] = error.send()
        if self.host.special:
            self.host.packs_again(pending)
        pending.id = message[1] = self._next_call
        try:
            return self._push(pending, message, values, context)
        finally:
            outgoing.settle_ahead(sent=pending.state == PENDING)

    def _note(self, pending: Pending, target: int, path: Any, args: Any, size: int) -> None:
        """Tell those who watch of a plain call on its way out, and where it was made."""
        host = self.host
        calling_site, keep = host.calling_site, host.keep
        site = None
        if host.ambient:
            host.caused(self)
        if calling_site is not None:
            site = calling_site()
            pending.noted = site, CALL, path, args is None
        if keep is not None:
            clock, label, used = host.clock, self.label, None
            path = path if type(path) is str else tuple(path)
            for value in args or ():
                if type(value) not in SMALL:
                    if not SCALARS.issuperset(map(type, args)):
                        used = self.outgoing._used  # else it was not asked about this message
                    args = scalars(args)
                    break
            using = tuple([(other.session.label, other.id) for other in used]) if used else ()
            by = call_answered() or host.active
            call, at = pending.id, clock()
            keep((at, "call", label, call, target, path, args, size, site, by, using))

    def _note_other(self, pending: Pending, message: Message, size: int) -> None:
        """The same of any message that makes a promise."""
        host = self.host
        calling_site = host.calling_site
        site = None
        if host.ambient:
            host.caused(self)
        if calling_site is not None:
            site = calling_site()
            pending.noted = site, message[0], message[3], message[4] is None
        if host.observe is not None:
            using = tuple([(other.session.label, other.id) for other in self.outgoing._used])
            by = call_answered() or host.active
            host.observe(called(self.label, message, size, site, by, using))

    def _options(self, pending: Pending, kwargs: dict[str, Any] | None) -> dict[str, Any]:
        options = self.host.call_options(pending)
        if kwargs:
            if not self._dialect.keywords:
                raise TypeError("keyword arguments cannot be sent to a JavaScript peer")
            options[KEYWORDS] = kwargs
        return options

    def _too_late(self, context: ExecutionContext) -> Pending:
        if self.closed is not None:
            return self.rejected(self.closed, context)
        error = LocalProtocolError(
            f"the execution context of {context.worker} has ended; it can make no more calls"
        )
        return self.rejected(error, context)

    def rejected(self, error: BaseException, context: ExecutionContext) -> Pending:
        """A promise that has failed already, without a message."""
        pending = Pending(self, 0, context)
        pending.settle(REJECTED, error)
        return pending

    def resolved(self, value: Any, context: ExecutionContext) -> Pending:
        """A promise that has its value already, without a message."""
        pending = Pending(self, 0, context)
        pending.settle(RESOLVED, value)
        return pending

    def cancel(self, pending: Pending) -> None:
        """Tell the peer that nobody waits for this call any more."""
        if self.imports.pop(pending.id, None) is pending and self.closed is None:
            if self._dialect.cancels:
                frame = self._encode([CANCEL, pending.id], [])
                self.send_frame(frame)
                if self.host.observe is not None:
                    self.host.observe(("cancel", self.label, pending.id, len(frame)))
            else:
                self.give_back(pending.id)

    def release(self, entry: Import) -> None:
        """The last handle of an import is gone: give its introductions back."""
        known = self.imports.pop(entry.id, None) is entry and entry.introductions
        if known and self.closed is None:
            if self.host.observe is not None:
                self.host.observe(("let go", self.label, entry.id))
            self.give_back(entry.id, entry.introductions)

    def give_back(self, import_id: int, count: int = 1) -> None:
        """Release an id of the peer, with the next flush."""
        self._releases += (import_id, count)
        self.awake()

    def _receive_pipe_end(self, number: int, reason: object) -> None:
        """Nobody reads the stream any more that we send through a pipe."""
        entry = self.imports.get(number)
        if type(entry) is Import:
            entry.break_off(reason if isinstance(reason, BaseException) else Unread(reason))
        elif entry is not None or number >= self._next_call:
            raise RemoteProtocolError(f"the peer cancelled the pipe {number}, which is none")

    def _receive_settlement(self, message: Message, state: int, value: Any, size: int) -> None:
        number = message[1]
        incoming = self.incoming
        entry = self.imports.get(number)
        if number >= self._next_call:
            raise RemoteProtocolError(f"the peer settled id {number}, which is no call")
        if number > 0 and self._acknowledges and not incoming.references:
            self._seen += 1
        elif number > 0 or incoming.references:
            if (
                isinstance(entry, Pending)
                and entry.unanswered
                and (incoming.own or self.host.holder is not None)
                and incoming.detour(entry, value)
            ):
                entry.detoured = True
            else:
                self.give_back(number)
        if isinstance(entry, Pending):
            del self.imports[number]
            if len(message) > size:
                self.host.arrived(entry, message[size], failed=state == REJECTED)
            entry.ends = incoming.streams
            entry.settle(state, value, incoming.handles)
            for end in entry.take_ends():
                end.belong(None if entry.disposed else entry.context)
            return
        for handle in incoming.handles or ():
            handle.dispose()
        for end in incoming.streams or ():
            end.lost()
        if entry is not None and state == REJECTED:
            entry.break_off(value)
        elif entry is not None:
            raise RemoteProtocolError(f"the peer resolved id {number}, which is no promise")
