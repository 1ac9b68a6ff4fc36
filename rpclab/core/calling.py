"""The importer's half of a session: calls on their way out, and their results.

Floor: core.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.events import called
from rpclab.core.hooks import fill
from rpclab.core.imports import (
    REJECTED,
    RESOLVED,
    Forgettable,
    Handle,
    Import,
    Pending,
    UnseenFailure,
)
from rpclab.core.messages import (
    CALL,
    CANCEL,
    DEADLINE,
    FEW,
    KEYWORDS,
    LARGE,
    MAP,
    SCALARS,
    STREAM,
    Frame,
    Message,
    are_small,
    size_of,
    values_given,
)
from rpclab.core.packing import Packing
from rpclab.core.payload import Payload
from rpclab.core.references import STUB, Introduced
from rpclab.core.streams import Unread
from rpclab.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    fresh_copy,
    late,
    no_keywords,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpclab.core.arrival import Arrival
    from rpclab.core.contexts import ExecutionContext, Noting, SendHeld
    from rpclab.core.events import Call
    from rpclab.core.messages import Given, Keywords, Options, Path


LONG_RUN = 96
"""Parts of a run; in a longer one little is saved."""

_CUT_OFF = 100  # calls that may have failed before their context was over
_SMALL = SCALARS - {bytes}


class Calling(Packing):
    """Makes calls on what the peer exports, and settles their promises."""

    __slots__ = ()

    _cut_off: dict[int, UnseenFailure] | None = None

    def call(
        self,
        target: Import,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        """Call the member at `path` of what the peer exports; read it where `args` is None.

        The arguments are packed now (rule V21); what cannot be sent rejects the promise (V22).
        """
        if self.closed is not None or context.ended or target.broken is not None:
            return self._refused(target, context, values_given(args, kwargs))
        calls = self._calls
        call = self._next_call
        pending = self._promise(self, call, context, None if args is None else path)
        if (
            args is None
            or kwargs
            or self._runs is None
            or calls.special
            or type(path) is not str
            or len(path) > FEW
            or (args and not are_small(args))
            or (calls.noting is not None and not self._dialect.notes_runs)
        ):
            return self._call_apart(pending, target, path, args, kwargs, context)
        # Nothing can refuse such a call. It joins those before it, and is packed with them when
        # they leave: of what a call in flight takes that is a tenth, and makes it half as dear
        # where it is one of a chain (benchmarks `burst`, `chain`).
        if self._releases:
            # A stub disposed before this call is gone before it.
            self._put_releases()
        # First of all, for it raises where the call comes from another thread.
        if not self._awake:
            self._awake = self.host.wake(self)
        if not context.long:
            context.started(pending)
        self._next_call = call + 1
        self.imports[call] = pending
        run, outbox = self._call_run, self._outbox
        given = [*args] if self.packs_runs else args
        if outbox and outbox[-1] is run and len(run) < LONG_RUN:
            run += (target.id, path, given)
        else:
            run = self._call_run = [CALL, call, target.id, path, given]
            self._runs.append(len(outbox))
            outbox.append(run)
        noting = calls.noting  # which is another one once there is a loop
        if noting is not None:
            noting.call(pending, run)
        return pending

    def _call_apart(
        self,
        pending: Pending,
        target: Import,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        """Make a call in a message of its own."""
        if args is None:
            values: list[object] = []
            message: Message = [CALL, pending.id, target.id, path, None]
        else:
            values = [*args]
            message = [CALL, pending.id, target.id, path, values]
        holder = self._calls.holder
        if holder is not None:

            def send(session: Calling, held: Pending, there: Import, values: Any) -> None:
                args, kwargs = values
                session._call_apart(held, there, path, args, kwargs, context)

            held = holder.hold(target, (args, kwargs), context, send)
            if held is not None:
                return held
        return self._push(pending, message, values, context, kwargs)

    def map(
        self,
        target: Import,
        captures: list[object],
        program: list[object],
        context: ExecutionContext,
        path: Sequence[str] = (),
    ) -> Pending:
        """Replay a recorded function on what the peer exports, or a member (see `map`)."""
        if self.closed is not None or context.ended or target.broken is not None:
            return self._refused(target, context, captures)
        holder = self._calls.holder
        if holder is not None:

            def send(session: Calling, held: Pending, there: Import, values: list[object]) -> None:
                session._map_apart(held, there, values, program, context, path)

            held = holder.hold(target, captures, context, send)
            if held is not None:
                return held
        pending = self._promise(self, self._next_call, context, [*path, "map"])
        return self._map_apart(pending, target, captures, program, context, path)

    def _map_apart(
        self,
        pending: Pending,
        target: Import,
        captures: list[object],
        program: list[object],
        context: ExecutionContext,
        path: Sequence[str],
    ) -> Pending:
        """Replay a recorded function, with that promise of its result."""
        message = [MAP, pending.id, target.id, list(path), captures, program]
        return self._push(pending, message, captures, context)

    def send_held(self, pending: Pending, target: Import, values: object, send: SendHeld) -> None:
        """Send a call that was held back, whose promise is there already (see `Holder`)."""
        context = pending.context
        pending.session = self
        if self.closed is None and not context.ended and target.broken is None:
            pending.id = self._next_call
            send(self, pending, target, values)
            if not self._dialect.call_pulls:
                self.ask(pending)
        else:
            refused = self._refused(target, context, [values])
            refused.look()
            pending.settle(REJECTED, refused.value)

    def write(
        self,
        pending: Pending,
        target: Import,
        operation: str,
        args: list[object],
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
            Payload(self, self.keeper).discard(args)
            pending.settle(REJECTED, self.closed)
            return pending
        message = [STREAM, self._next_call, target.id, operation, args]
        return self._push(pending, message, args, context)

    def _push(
        self,
        pending: Pending,
        message: Message,
        values: list[object],
        context: ExecutionContext,
        kwargs: Keywords = None,
    ) -> Pending:
        """Pack a message that makes a promise, and queue it."""
        if kwargs or self._calls.special:
            options = self._options(pending, kwargs)
            if options:
                message.append(options)
                values = [*values, *(kwargs or {}).values()]
                if DEADLINE in options and self._is_late(pending, options, values):
                    return pending
        if self._releases and message[0] == CALL:
            # A stub disposed before this call is gone before it.
            self._put_releases()
        frame: Frame
        payload = None
        try:
            for value in values:
                if type(value) not in _SMALL and (type(value) is not bytes or len(value) >= LARGE):
                    frame, payload = self.pack(message, values, context)
                    break
            else:
                # Small scalars can be refused for the size of one, or of all.
                frame = self._codec.pack(message)
                if len(frame) > self.limits.message_bytes:
                    frame, _ = self.pack(message, values, context)
        except Exception as error:
            pending.settle(REJECTED, error)
            return pending
        # First of all, for it raises where the call comes from another thread.
        if not self._awake:
            self._awake = self.host.wake(self)
        call = pending.id = message[1]
        if not pending.context.long:
            try:
                pending.context.started(pending)
            except BaseException:
                if payload is not None:
                    payload.discard(values)
                raise
        self._next_call = call + 1
        self.imports[call] = pending
        if message[0] == STREAM:
            pending.size = size_of(frame)
            if not self._acknowledges:
                self._streaming.add(call)  # what settles it gives its number back
        if payload is not None:
            # Before the call is told of: what a message introduces comes before it in a recording.
            payload.commit()
        if self._calls.noting is not None:
            size = len(frame) if type(frame) is bytes else size_of(frame)
            self._note(self._calls.noting, pending, message, size, payload)
        self._outbox.append(frame)
        if payload is not None:
            payload.sent()
        return pending

    def _note(
        self,
        noting: Noting,
        pending: Pending,
        message: Message,
        size: int,
        payload: Payload | None,
    ) -> None:
        """Tell those who watch of a message that makes a promise, and where it was made."""
        if noting.ambient:
            pending.cause = self._calls.caused(self)
        find = noting.calling_site
        # Of a call that was held back nothing is on the stack any more.
        site = None if find is None else pending.site or find()
        using: tuple[Call, ...] = ()
        if payload is not None:
            using = tuple([(other.session.label, other.id) for other in payload.used])
        # Who acts is told of first, if that is new.
        maker = (None, 0) if self.host.kept is None else self._calls.acting()
        event = (self.host.clock(), *called(self.label, message, size, site, maker, using))
        noting.kept.append(event)
        if find is not None and message[0] != STREAM:
            pending.noted, pending.site = event, site

    def _options(self, pending: Pending, kwargs: Keywords) -> Options:
        options: Options = {}
        if self._calls.special:
            left = self._calls.left(pending)
            if left is not None:
                options[DEADLINE] = left
        if kwargs:
            if not self._dialect.keywords:
                raise no_keywords()
            options[KEYWORDS] = kwargs
        return options

    def _is_late(self, pending: Pending, options: Options, values: Sequence[object]) -> bool:
        """Whether the deadline of a call has passed before it was made; then it is not sent."""
        if options.get(DEADLINE, 1) > 0:  # on a virtual clock it may be this very moment
            return False
        Payload(self, self.keeper).discard([*values])
        pending.settle(REJECTED, late())
        return True

    # Calls that cannot be made, or need not.

    def _refused(self, target: Import, context: ExecutionContext, values: list[object]) -> Pending:
        """The promise of a call that cannot be made any more, with those values.

        Of two calls on what is gone, one may be seen to fail and the other not: each has an error
        of its own. When all is over nobody is told of any.
        """
        if self.closed is not None:
            return self.rejected(self.closed, context, values)
        if context.ended:
            error = LocalProtocolError(
                f"the execution context of {context.worker} has ended; it can make no more calls"
            )
            return self.rejected(error, context, values)
        assert target.broken is not None  # noqa: S101 - that is the third reason
        return self.rejected(fresh_copy(target.broken), context, values)

    def rejected(
        self, error: BaseException, context: ExecutionContext, values: Sequence[object] = ()
    ) -> Pending:
        """A promise that has failed already, without a message.

        Args:
            error: why.
            context: who has made the call.
            values: its arguments; the targets in them are disposed, as in any message that is not
                sent (rule V22).
        """
        if values:
            Payload(self, self.keeper).discard([*values])
        pending = Pending(self, 0, context)
        pending.settle(REJECTED, error)
        return pending

    def resolved(self, value: object, context: ExecutionContext) -> Pending:
        """A promise that has its value already, without a message."""
        pending = Pending(self, 0, context)
        pending.settle(RESOLVED, value)
        return pending

    # Calls and stubs that nobody needs any more.

    def cut_off(self, pending: Pending) -> None:
        """Tell of that call if it has failed before the peer learns that it is given up.

        Of the last few only: where it has not failed, the peer says nothing more.
        """
        if self.imports.get(pending.id) is pending:
            cut_off = self._cut_off = self._cut_off or {}
            if len(cut_off) >= _CUT_OFF:
                del cut_off[next(iter(cut_off))]
            cut_off[pending.id] = UnseenFailure(pending, None)

    def cancel(self, pending: Pending) -> None:
        """Tell the peer that nobody waits for this call any more."""
        if not pending.is_known:
            return
        del self.imports[pending.id]
        if self.closed is None:
            if self._dialect.cancels:
                frame = self._codec.pack([CANCEL, pending.id])
                self.send_frame(frame)
                if self.host.observe is not None:
                    self.host.observe(("cancel", self.label, pending.id, len(frame)))
            elif pending.id in self._streaming:
                self._streaming.discard(pending.id)
            else:
                self.give_back(pending.id)

    def release(self, entry: Import) -> None:
        """The last handle of an import is gone: give it back."""
        number = entry.id
        if self.imports.get(number) is not entry:
            return
        del self.imports[number]
        if self.closed is None:
            if self.host.observe is not None:
                self.host.observe(("let go", self.label, number))
            self.give_back(number)

    # Results of the peer.

    def ask(self, pending: Pending) -> None:
        """Ask the peer for the result of a call: somebody waits for it."""
        number = pending.id
        known = self.imports.get(number)
        if known is not pending:
            if type(known) is not Forgettable:
                return
            # What is asked for is kept, also where Python forgets the promise meanwhile.
            self.imports[number] = pending
        if not self._awake:
            self._awake = self.host.wake(self)
        self._pulls.append(number)

    def _receive_stub(self, number: int, introduced: Introduced) -> None:
        """Take a result that is a stub, from the other end in this process."""
        entry = self.imports.get(number)
        number_of_stub = int(introduced)
        handle = Handle(self.enter(Import(self, number_of_stub)), self.keeper)
        if self.host.observe is not None:
            self.host.observe(("stub", id(handle), self.label, number_of_stub, "came", 0, None))
        self._seen += 1
        if isinstance(entry, Pending):
            del self.imports[number]
            entry.settle(RESOLVED, self.wrap[STUB](handle), (handle,))
        else:
            handle.dispose()

    def _receive_settlement(self, message: Message, arrival: Arrival | None, state: int) -> None:
        number, value = message[1], message[2]
        entry = self.imports.get(number)
        if not self._dialect.shares:
            self._receive_counted_settlement(number, value, arrival, state)
            return
        if number >= self._next_call:
            raise RemoteProtocolError(f"the peer settled id {number}, which is no call")
        references = arrival is not None and arrival.references
        if arrival is not None and arrival.unreadable and state == RESOLVED:
            # What could not be read stands for the whole value.
            state, value = REJECTED, arrival.unreadable[0].error
        if number > 0 and self._acknowledges and not references:
            self._seen += 1
        elif number > 0 or references:
            if (
                isinstance(entry, Pending)
                and (entry.unanswered or entry.doubtful)
                and self._is_kept(entry, value, arrival)
            ):
                entry.embargoed = True
            else:
                self.give_back(number)
        if isinstance(entry, Pending):
            del self.imports[number]
            if arrival is None:
                entry.settle(state, value)
                return
            entry.ends = arrival.streams
            entry.settle(state, value, arrival.handles)
            for end in entry.take_ends():
                end.belong(None if entry.disposed else entry.context)
            return
        if arrival is not None:
            arrival.give_back()
        if entry is None and self._cut_off and number in self._cut_off:
            failure = self._cut_off.pop(number)
            if state == REJECTED:
                failure.error = value
                failure.drop()
        elif entry is not None and state == REJECTED:
            entry.break_off(value)
        elif entry is not None:
            raise RemoteProtocolError(f"the peer resolved id {number}, which is no promise")

    def _receive_counted_settlement(
        self, number: int, value: Any, arrival: Arrival | None, state: int
    ) -> None:
        """Take a settlement where each number is given back by a message of its own."""
        entry = self.imports.get(number)
        if type(entry) is Forgettable:
            entry = entry.pending() or entry
        if isinstance(entry, Pending):
            del self.imports[number]
            self._settle(entry, state, value, arrival)
            return
        if entry is not None and number < 0 and state == RESOLVED:
            raise RemoteProtocolError(f"the peer resolved id {number}, which is no promise")
        if arrival is not None:
            arrival.give_back()
        if entry is not None and number != 0 and state == REJECTED:
            del self.imports[number]
            self.give_back(number)
            entry.break_off(value)

    def _is_kept(self, entry: Pending, value: object, arrival: Arrival | None) -> bool:
        """Whether the peer keeps a result until the calls on it are answered."""
        if self._calls.holder is not None:
            # They may be held back at this side, also behind others on a stub that is in it.
            if arrival is not None:
                arrival.embargo(entry, value)
            return entry.unanswered > 0
        if arrival is None or not arrival.own or arrival.promised:
            return False
        if not arrival.embargo(entry, value):
            return False
        if entry.doubtful:
            entry.probe()
        return True

    def _settle(self, entry: Pending, state: int, value: object, arrival: Arrival | None) -> None:
        """Settle a promise of this end, once all is there that the value mentions."""
        if (entry.unanswered or entry.doubtful) and self._is_kept(entry, value, arrival):
            entry.embargoed = True
        elif entry.id in self._streaming:
            self._streaming.discard(entry.id)
        else:
            self.give_back(entry.id)
        if arrival is None:
            entry.settle(state, value)
            return
        owner = Answer(None, 0)
        owner.params = arrival.handles
        if arrival.streams is not None:
            owner.take_ends(arrival.streams)
        arrival.evaluate(owner)

        def settle(state: int, value: object) -> None:
            handles, owner.params = owner.params, None
            ends, owner.ends = owner.ends, None
            owner.resolve(None)
            entry.ends = ends
            entry.settle(state, value, handles)
            for end in entry.take_ends():
                end.belong(None if entry.disposed else entry.context)

        def failed(error: BaseException) -> None:
            settle(REJECTED, error)
            entry.dispose_stubs()

        fill(owner, value, arrival.promised, partial(settle, state), failed)

    def _receive_pipe_end(self, number: int, reason: object) -> None:
        """Nobody reads the stream any more that we send through a pipe."""
        entry = self.imports.get(number)
        if type(entry) is Import:
            entry.break_off(reason if isinstance(reason, BaseException) else Unread(reason))
        elif entry is not None or number >= self._next_call:
            raise RemoteProtocolError(f"the peer cancelled the pipe {number}, which is none")
