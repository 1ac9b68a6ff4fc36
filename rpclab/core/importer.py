"""The importing half: calls on their way out, and their results on the way in.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.endpoint import Endpoint
from rpclab.core.imports import REJECTED, RESOLVED, Import, Pending
from rpclab.core.messages import CALL, CANCEL, KEYWORDS, MAP, PULL, Message, spell
from rpclab.core.references import ReadFirst
from rpclab.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.host import Observer


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
        values: list[Any] = [] if args is None else list(args)
        message: Message = [CALL, call, target, path, None if args is None else values]
        pending = Pending(self, call, context)
        if kwargs or self.host.special or self._pulls:
            options = self._options(pending, kwargs)
            if options:
                message.append(options)
                values = [*values, *(kwargs or {}).values()]
            return self._push(pending, message, values, context)
        # The common case, without further calls: `_push` is the same with all its cases.
        outgoing = self.outgoing
        outgoing.context = context
        outgoing.source = None
        if outgoing.references:
            outgoing.reset()
        try:
            frame = self._encode(message, values)
        except Exception as error:
            return self._not_sent(pending, message, values, context, error)
        # First of all, for it raises where the call comes from another thread.
        if not self._awake:
            self.awake()
        self._next_call = call + 1
        self.imports[call] = pending
        if not context.long:
            context.started(pending)
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
        pending = Pending(self, self._next_call, context)
        message = [MAP, self._next_call, target, path, captures, program]
        if self.host.special:
            message.append(self._options(pending, None))
        return self._push(pending, message, captures, context)

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
        if self.host.sites:
            pending.site = self.host.site()
            pending.what = spell(message)
        if not context.long:
            context.started(pending)
        if self.host.observe is not None:
            self._observe_call(self.host.observe, message, len(frame))
        self.send_frame(frame)
        if self._pulls:
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
        if not isinstance(error, ReadFirst):
            pending.settle(REJECTED, error)
            return pending
        outgoing.reads[id(error.value)] = error.read()
        pending.id = message[1] = self._next_call
        try:
            return self._push(pending, message, values, context)
        finally:
            # Nobody else can: what was read is for the callee alone.
            for promise in outgoing.reads.values():
                promise.dispose()
            outgoing.reads.clear()

    def _observe_call(self, observe: Observer, message: Message, size: int) -> None:
        kind, call, target, path = message[:4]
        if kind == MAP:
            observe(("map", self.name, call, target, len(message[5]) - 1, size))
        else:
            keywords = message[5].get(KEYWORDS) if len(message) > 5 else None
            observe(("call", self.name, call, target, path, message[4], keywords, size))

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
                    self.host.observe(("cancel", self.name, pending.id, len(frame)))
            else:
                self.give_back(pending.id)

    def release(self, entry: Import) -> None:
        """The last handle of an import is gone: give its introductions back."""
        if self.imports.pop(entry.id, None) is entry and self.closed is None:
            self.give_back(entry.id, entry.introductions)

    def give_back(self, import_id: int, count: int = 1) -> None:
        """Release an id of the peer, with the next flush."""
        self._releases += (import_id, count)
        self.awake()

    def _receive_settlement(self, message: Message, state: int, value: Any, size: int) -> None:
        number = message[1]
        incoming = self.incoming
        entry = self.imports.get(number)
        if type(entry) is Pending and number > 0 and not incoming.references and self._acknowledges:
            self._seen += 1
            del self.imports[number]
            if len(message) > size:
                self.host.arrived(entry, message[size], failed=state == REJECTED)
            entry.settle(state, value)
            return
        if number >= self._next_call:
            raise RemoteProtocolError(f"the peer settled id {number}, which is no call")
        if number > 0 and self._acknowledges and not incoming.references:
            self._seen += 1
        elif number > 0 or incoming.references:
            if (
                incoming.own
                and isinstance(entry, Pending)
                and entry.unanswered
                and incoming.detour(entry, value)
            ):
                entry.detoured = True
            else:
                self.give_back(number)
        if isinstance(entry, Pending):
            del self.imports[number]
            if len(message) > size:
                self.host.arrived(entry, message[size], failed=state == REJECTED)
            entry.settle(state, value, incoming.handles)
            return
        for handle in incoming.handles or ():
            handle.dispose()
        if entry is not None and state == REJECTED:
            entry.break_off(value)
        elif entry is not None:
            raise RemoteProtocolError(f"the peer resolved id {number}, which is no promise")
