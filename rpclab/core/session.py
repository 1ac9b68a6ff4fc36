"""One session between two Workers: a symmetric state machine, and its tables.

Floor: core. Batches of frames go in through `receive`, and come out through `flush`; nothing here
waits. Both ends are alike: each imports what the other introduces.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from rpclab.core.answers import Answer
from rpclab.core.contexts import ExecutionContext
from rpclab.core.hooks import BrokenHook, Hook, TargetHook
from rpclab.core.imports import PENDING, REJECTED, RESOLVED, Import, Pending
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.core.messages import (
    ABORT, CALL, CANCEL, DEADLINE, KEYWORDS, MAP, NODE, PULL, REJECT, RELEASE, RESOLVE, Message,
    parse, spell,
)  # fmt: skip
from rpclab.core.references import Incoming, Outgoing, ReadFirst
from rpclab.core.remap import Program, replay
from rpclab.errors import DisconnectedError, LocalProtocolError, RemoteProtocolError, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.dialects import Dialect
    from rpclab.core.handles import Handle
    from rpclab.core.host import Host
    from rpclab.core.promised import Promised


class Codec(Protocol):
    """Operations to bytes and back, for one session.

    Values that are passed by reference go through `session.outgoing` and `session.incoming`.
    """

    dialect: Dialect

    def encode(self, message: Message, values: list[Any]) -> bytes:
        """Pack a message in which `values` are what the user gave."""

    def encode_part(self, value: Any, recording: Any) -> bytes:
        """Pack a part of a program, in which `recording` gives the references."""

    def decode(self, frame: bytes) -> object:
        """Unpack a message."""


class Session:
    """One end of a session.

    Args:
        name: for texts, such as "notebook→counter".
        codec: makes the codec of this session.
        host: the world around it.
        main: what the peer reaches as id 0; nothing unless given.
        limits: what it accepts and sends at most.

    Attributes:
        imports: by id, what the other side introduced and is held here.
        exports: by id, what was introduced to the other side, and the calls being answered.
        keeper: the long context that owns what belongs to no event.
        peer: the other end, where it is in this process.
        closed: why the session ended; None while it is open.
    """

    def __init__(
        self,
        name: str,
        *,
        codec: Callable[[Session], Codec],
        host: Host,
        keeper: ExecutionContext,
        main: Hook | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.name = name
        self.host = host
        self.keeper = keeper
        self.limits = limits
        self.closed: BaseException | None = None
        self.imports: dict[int, Import] = {}
        self.exports: dict[int, Hook | Answer] = {}
        self.outgoing = Outgoing(self)
        self.incoming = Incoming(self)
        self.send: Callable[[int, list[bytes]], None] = _unconnected
        self.peer: Session | None = None
        self._codec = codec(self)
        self._encode = self._codec.encode
        self._decode = self._codec.decode
        self._dialect = self._codec.dialect
        self._most_exports = limits.exports
        self._acknowledges = self._dialect.acknowledges
        self._pulls = not self._dialect.call_pulls
        self._outbox: list[bytes] = []
        self._releases: list[int] = []
        self._awake = False
        self._next_call = 1
        self._last_call = 0
        self._seen = 0
        self._told = 0
        self._acknowledged = 0
        self._unacknowledged: deque[int] = deque()
        if main is not None:
            self.exports[0] = main
            main.retain()

    def __repr__(self) -> str:
        state = "open" if self.closed is None else "closed"
        imports, exports = len(self.imports), len(self.exports)
        return f"<Session {self.name}, {state}, {imports} imports, {exports} exports>"

    # Calls on their way out.

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
        except Exception as error:  # noqa: BLE001 - also what the values' own code raises
            return self._not_sent(pending, message, values, context, error)
        self._next_call = call + 1
        self.imports[call] = pending
        if not context.long:
            context.started(pending)
        self._outbox.append(frame)
        if not self._awake:
            self.awake()
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
        return self._push(pending, message, captures, context)

    def _push(
        self, pending: Pending, message: Message, values: list[Any], context: ExecutionContext
    ) -> Pending:
        self.outgoing.begin(context)
        try:
            frame = self._encode(message, values)
        except Exception as error:  # noqa: BLE001 - also what the values' own code raises
            return self._not_sent(pending, message, values, context, error)
        call = message[1]
        self._next_call = call + 1
        self.imports[call] = pending
        if self.host.sites:
            pending.site = self.host.site()
            pending.what = spell(message)
        if not context.long:
            context.started(pending)
        if self.host.observe is not None:
            self._observe_call(message, len(frame))
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
            outgoing.reads.clear()

    def _observe_call(self, message: Message, size: int) -> None:
        kind, call, target, path = message[:4]
        if kind == MAP:
            self.host.observe(("map", self.name, call, target, len(message[5]) - 1, size))
        else:
            keywords = message[5].get(KEYWORDS) if len(message) > 5 else None
            event = ("call", self.name, call, target, path, message[4], keywords, size)
            self.host.observe(event)

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
                    self.host.observe(("cancel", self.name, pending.id, "", len(frame)))
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

    # Answers on their way out.

    def send_result(self, answer: Answer, value: Any) -> bool:
        """Send the result of a call; its stubs are moved (rule O10).

        Returns:
            Whether it could be sent; else the answer has been rejected, or is sent later.
        """
        outgoing = self.outgoing
        outgoing.context = answer.context or self.keeper
        outgoing.source = answer
        if outgoing.references:
            outgoing.reset()
        message = [RESOLVE, answer.id, value]
        if self.host.special:
            self.host.mark_result(answer, message)
        try:
            frame = self._encode(message, [value])
        except Exception as error:  # noqa: BLE001 - whatever the value's parts raise
            outgoing.withdraw()
            answer.state = PENDING
            if not self._retry_when_awaited(answer, value):
                answer.reject(error)
            return False
        if outgoing.references:
            outgoing.move()
            answer.plain = False
        # What was pipelined goes on before the result does, so that the order is kept.
        if answer.queue is not None:
            answer.flush()
        if answer.pulled is not True or self.host.special:
            self.reply(answer, frame)
            return True
        self._outbox.append(frame)
        if not self._awake:
            self.awake()
        if answer.plain and self._acknowledges:
            self._unacknowledged.append(answer.id)
        return True

    def encode_error(self, answer: Answer, error: BaseException, *, remote: bool) -> bytes:
        """Pack the failure of a call."""
        outgoing = self.outgoing
        outgoing.begin(answer.context or self.keeper)
        message = [REJECT, answer.id, error, remote]
        if self.host.special:
            self.host.mark_result(answer, message)
        try:
            frame = self._encode(message, [])
            answer.plain = not outgoing.references
        except Exception as failure:  # noqa: BLE001 - the error is still told, in fewer words
            outgoing.withdraw()
            message[2] = RpcError(f"{type(error).__name__} that could not be sent: {failure}")
            return self._encode(message, [])
        return frame

    def _retry_when_awaited(self, answer: Answer, value: Any) -> bool:
        """A result that holds awaitables is sent once they are there. Says whether it will be."""
        if self.outgoing.awaitables is None or answer.context is None:
            return False
        self.outgoing.awaitables = None
        self.host.drive(answer, self.host.await_inside(value), answer.context)
        return True

    def reply(self, answer: Answer, frame: bytes) -> None:
        """Send a settlement, unless the call was cancelled meanwhile."""
        if self.exports.get(answer.id) is not answer:
            return
        if not answer.pulled:
            answer.pulled = frame  # type: ignore[assignment]
            return
        if self.host.observe is not None:
            kind = "result" if answer.state == RESOLVED else "error"
            self.host.observe((kind, self.name, answer.id, answer.value, len(frame)))
        self._outbox.append(frame)
        if not self._awake:
            self.awake()
        if answer.plain and self._acknowledges:
            self._unacknowledged.append(answer.id)

    def announce(self, pending: Pending) -> int:
        """Introduce a promise of another session: the value follows when it is there."""
        announced = Announcement(self, pending)
        export_id = self.outgoing.export(announced)
        announced.id = export_id
        pending.follow(announced.settle)
        return export_id

    def export_broken(self, export_id: int, error: BaseException) -> None:
        """Tell the holder of an export that its target is gone."""
        if self.closed is None and export_id in self.exports:
            self.outgoing.begin(self.keeper)
            self.send_frame(self._encode([REJECT, export_id, error, False], []))

    def copy(self, source: Answer) -> tuple[Any, list[Handle]]:
        """Copy the value of an answer for a call within this Worker (see `promised`).

        Returns:
            The copy, and the handles inside it.
        """
        importer = self.host.loopback(source.context or self.keeper)
        exporter = importer.peer
        exporter.outgoing.begin(source.context or self.keeper, source=source)
        frame = exporter._encode([RESOLVE, 0, source.value], [source.value])
        importer.incoming.begin()
        message: Any = importer._decode(frame)
        handles = importer.incoming.handles or []
        importer.incoming.begin()
        return message[2], handles

    # The outbox.

    def send_frame(self, frame: bytes) -> None:
        """Put a frame in the outbox; it leaves with the next flush."""
        self._outbox.append(frame)
        if not self._awake:
            self._awake = True
            self.host.wake(self)

    def awake(self) -> None:
        """Have the session flushed in the next turn."""
        if not self._awake:
            self._awake = True
            self.host.wake(self)

    def asleep(self) -> None:
        """Nobody will flush the session yet: the next frame asks for it again."""
        self._awake = False

    def flush(self) -> None:
        """Send what has gathered, as one batch."""
        self._awake = False
        releases = self._releases
        if releases:
            self._releases = []
            frame = self._encode([RELEASE, *releases], [])
            self._outbox.append(frame)
            if self.host.observe is not None:
                ids = ", ".join(f"#{-number}" if number < 0 else f"{number}" for number in releases[::2])
                self.host.observe(("release", self.name, 0, ids, len(frame)))
        # What was sent is the sender's own again; to remember it here would keep it alive.
        if self.outgoing.references:
            self.outgoing.begin(self.keeper)
        frames = self._outbox
        if frames or self._told != self._seen:
            self._outbox = []
            self._told = self._seen
            self.send(self._seen, frames)

    # What comes in.

    def receive(self, seen: int, frames: list[bytes]) -> None:
        """Apply a batch of the peer.

        Args:
            seen: how many plain settlements of ours the peer has seen.
            frames: its messages, in order. What is left of them when this raises was not applied.

        A frame that is no message ends this session, with that reason, and raises nothing.
        """
        if self.closed is not None:
            return
        incoming, decode = self.incoming, self._decode
        frames.reverse()
        try:
            while frames:
                if incoming.references:
                    incoming.begin()
                try:
                    message = parse(decode(frames.pop()))
                except RemoteProtocolError:
                    raise
                except Exception as error:
                    text = f"the peer sent a frame that is no message: {error}"
                    raise RemoteProtocolError(text) from error
                kind = message[0]
                if kind == CALL:
                    self._receive_call(message)
                elif kind == RESOLVE:
                    self._receive_settlement(message, RESOLVED, message[2], 3)
                else:
                    self._receive_other(kind, message)
        except RemoteProtocolError as error:
            frames.clear()
            self.abort(error)
            return
        finally:
            frames.reverse()
            # What came in belongs to whoever took it; to remember it here would keep it alive.
            if self.incoming.references:
                self.incoming.begin()
        if seen > self._acknowledged:
            self._acknowledge(seen)
        if self._seen != self._told:
            self.awake()

    def _acknowledge(self, seen: int) -> None:
        exports, unacknowledged = self.exports, self._unacknowledged
        if seen - self._acknowledged > len(unacknowledged):
            self.abort(RemoteProtocolError("the peer acknowledges settlements that were not sent"))
            return
        for _ in range(seen - self._acknowledged):
            exports.pop(unacknowledged.popleft(), None)
        self._acknowledged = seen

    def _receive_other(self, kind: int, message: Message) -> None:
        if kind == REJECT:
            error = message[2]
            if message[3]:
                error.remote = True
            self._receive_settlement(message, REJECTED, error, 4)
        elif kind == RELEASE:
            for position in range(1, len(message), 2):
                self._receive_release(message[position])
        elif kind == CANCEL:
            answer = self.exports.pop(message[1], None)
            if isinstance(answer, Answer):
                answer.cancel()
                answer.drop()
        elif kind == PULL:
            self._receive_pull(message[1])
        elif kind == MAP:
            self._receive_map(message)
        elif kind == ABORT:
            self.close(DisconnectedError(f"the other side ended the session: {message[1]}"))

    def _receive_call(self, message: Message) -> None:
        exports = self.exports
        call, target = message[1], message[2]
        hook = exports.get(target)
        if call <= self._last_call or hook is None or len(exports) > self._most_exports:
            raise self._bad_call(call, target)
        self._last_call = call
        incoming = self.incoming
        answer = exports[call] = Answer(self, call, incoming.handles)
        if self._pulls:
            answer.pulled = False
        kwargs = None
        if len(message) > 5:
            kwargs = message[5].get(KEYWORDS)
            if DEADLINE in message[5]:
                self.host.bound(answer, message[5][DEADLINE])
            answer.moment = message[5].get(NODE)
        if incoming.promised is None and type(hook) is TargetHook and hook.blocked is None:
            hook.start(answer, message[3], message[4], kwargs)
        else:
            hook.deliver(answer, message[3], message[4], kwargs, incoming.promised)

    def _bad_call(self, call: int, target: int) -> RemoteProtocolError:
        if call <= self._last_call:
            return RemoteProtocolError(f"the peer used the call id {call} twice")
        if target not in self.exports:
            return RemoteProtocolError(f"the peer called export {target}, which it does not hold")
        return RemoteProtocolError(f"the peer holds more than {self._most_exports} exports")

    def _receive_map(self, message: Message) -> None:
        _, call, target, path, captures, program = message
        hook = self.exports.get(target)
        if call <= self._last_call or hook is None:
            raise self._bad_call(call, target)
        self._last_call = call
        answer = self.exports[call] = Answer(self, call, self.incoming.handles)
        if self._pulls:
            answer.pulled = False
        parsed = Program.parse(program, len(captures))
        step = answer.step()
        hook.deliver(step, path, None, None, None)
        step.watch(lambda: replay(answer, step, captures, parsed, self))

    def encode_part(self, value: Any, recording: Any) -> bytes:
        """Pack a part of a program (see `remap`)."""
        return self._codec.encode_part(value, recording)

    def decode_part(self, frame: bytes) -> Any:
        """Unpack a part of a program (see `remap`)."""
        return self._decode(frame)

    def _receive_settlement(self, message: Message, state: int, value: Any, size: int) -> None:
        number = message[1]
        incoming = self.incoming
        entry = self.imports.get(number)
        if type(entry) is Pending and number > 0 and not incoming.references and self._acknowledges:
            self._seen += 1
            del self.imports[number]
            if len(message) > size:
                self.host.arrived(entry, message[size])
            entry.settle(state, value)
            return
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
                self.host.arrived(entry, message[size])
            entry.settle(state, value, incoming.handles)
            return
        for handle in incoming.handles or ():
            handle.dispose()
        if entry is not None and state == REJECTED:
            entry.break_off(value)
        elif entry is not None:
            raise RemoteProtocolError(f"the peer resolved id {number}, which is no promise")

    def _receive_release(self, number: int) -> None:
        hook = self.exports.pop(number, None)
        if isinstance(hook, Answer):
            if hook.state == PENDING:
                hook.cancel()
            hook.drop()
        elif hook is not None:
            hook.release()
        elif not 0 < number <= self._last_call:
            raise RemoteProtocolError(f"the peer released export {number}, which it does not hold")

    def _receive_pull(self, number: int) -> None:
        answer = self.exports.get(number)
        if isinstance(answer, Answer) and answer.pulled is not True:
            frame, answer.pulled = answer.pulled, True
            if frame:
                self.reply(answer, frame)  # type: ignore[arg-type]

    def hosted(self) -> list[TargetHook]:
        """The targets that live at this end and are held at the other."""
        return [hook for hook in self.exports.values() if isinstance(hook, TargetHook)]

    def live_exports(self) -> list[int]:
        """The ids the peer can use; not the settled calls whose acknowledgement is on its way."""
        return [
            number
            for number, hook in self.exports.items()
            if not isinstance(hook, Answer) or hook.state == PENDING
        ]

    # The end.

    def abort(self, error: BaseException) -> None:
        """End the session because of the peer, and tell it why."""
        if self.closed is None:
            self.outgoing.begin(self.keeper)
            self.send_frame(self._encode([ABORT, error], []))
            self.flush()
            self.close(error)

    def close(self, error: BaseException) -> None:
        """End the session: every promise of it rejects with `error`, every export is let go."""
        if self.closed is None:
            self.closed = error
        imports, self.imports = self.imports, {}
        exports, self.exports = self.exports, {}
        for entry in imports.values():
            if isinstance(entry, Pending):
                entry.settle(REJECTED, error)
            else:
                entry.break_off(error)
        for hook in exports.values():
            if isinstance(hook, Answer):
                hook.cancel()
                hook.drop()
            else:
                hook.release()


class Announcement(Hook):
    """The export of a promise that another session will settle."""

    __slots__ = ("_pending", "_session", "id")

    def __init__(self, session: Session, pending: Pending) -> None:
        super().__init__(None)
        self._session = session
        self._pending = pending
        self.id = 0

    def settle(self) -> None:
        """Send the value, as duplicates of its stubs, or the error."""
        session, pending = self._session, self._pending
        if session.closed is not None or self.id not in session.exports:
            return
        session.outgoing.begin(session.keeper)
        value = pending.value
        try:
            if pending.state == REJECTED:
                remote = bool(getattr(value, "remote", False))
                frame = session._encode([REJECT, self.id, value, remote], [])
            else:
                frame = session._encode([RESOLVE, self.id, value], [value])
        except Exception as error:  # noqa: BLE001 - whatever the value's parts raise
            session.outgoing.withdraw()
            frame = session._encode([REJECT, self.id, error, False], [])
        session.send_frame(frame)
        if not session.outgoing.references:
            session.exports.pop(self.id).release()

    def start(self, answer: Answer, path: Any, args: Any, kwargs: Any) -> None:
        """Nothing is ever called on it: the peer waits for the value."""
        del path, args, kwargs
        answer.reject(LocalProtocolError("a promise that was announced cannot be called"))


def _unconnected(_seen: int, _frames: list[bytes]) -> None:
    raise LocalProtocolError("the session has no transport")


__all__ = ["BrokenHook", "Codec", "Promised", "Session", "TargetHook"]
