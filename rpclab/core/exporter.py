"""The exporting half: calls of the peer on the way in, and their answers on the way out.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.announcement import Announcement
from rpclab.core.answers import Answer
from rpclab.core.endpoint import Endpoint
from rpclab.core.events import SMALL, answered, failure, scalar
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import PENDING, RESOLVED
from rpclab.core.messages import (
    DEADLINE,
    KEYWORDS,
    NODE,
    PIPE,
    REJECT,
    RESOLVE,
    SCALARS,
    Message,
)
from rpclab.core.remap import Program, replay
from rpclab.core.streams import Pipe, reason_of
from rpclab.errors import RemoteProtocolError, RpcError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpclab.core.handles import Handle
    from rpclab.core.hooks import Hook
    from rpclab.core.imports import Pending
    from rpclab.core.streams import End


IN_TABLE: Any = object()
"""Stands for the result of a call whose answer is in the export table."""


class Exporter(Endpoint):
    """Answers calls on what it introduced to the other side."""

    def send_result(self, answer: Answer, value: Any) -> bool:
        """Send the result of a call; its stubs are moved (rule O10).

        Returns:
            Whether it could be sent; else the answer has been rejected, or is sent later.
        """
        host = self.host
        if (
            type(value) in SCALARS
            and answer.pulled is True
            and answer.queue is None
            and not host.special
            and self._send_scalar(answer.id, value)
        ):
            # The common case; what follows is the same with all its cases.
            if self._acknowledges:
                self._unacknowledged[answer.id] = IN_TABLE
            return True
        outgoing, encode = self.outgoing, self._encode
        outgoing.context = answer.context or self.keeper
        outgoing.source = answer
        if outgoing.references:
            outgoing.reset()
        message = [RESOLVE, answer.id, value]
        if self.host.special:
            self.host.mark_result(answer, message)
        try:
            frame = encode(message, [value])
        except Exception as error:
            outgoing.withdraw()
            answer.state = PENDING
            if not self._retry_when_awaited(answer, value):
                answer.reject(error)
            return False
        moved: Sequence[Handle] = ()
        if outgoing.references:
            moved = outgoing.moved
            answer.plain = False
            if outgoing.opened:
                outgoing.packed(sent=True)
        # What was pipelined goes on before the result does, so that the order is kept.
        if answer.queue is not None:
            answer.flush()
        self.reply(answer, frame)
        # They belong to the receiver now; a release must not overtake the result they are in.
        for handle in moved:
            handle.dispose("returned")
        return True

    def _send_scalar(self, call: int, value: Any) -> bool:
        """Send a result that is a scalar. Says whether it could be: it may be too large."""
        pack = self._codec.pack
        frame = pack([RESOLVE, call, value])
        if len(frame) > self._most_bytes:
            return False
        self._outbox.append(frame)
        if not self._awake:
            self.awake()
        host = self.host
        keep = host.keep
        if keep is not None:
            clock = host.clock
            if type(value) not in SMALL:
                value = scalar(value)
            keep((clock(), "result", self.label, call, value, len(frame)))
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
        except Exception as failure:
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
            answer.pulled = frame
            return
        if self.host.observe is not None:
            self.host.observe(answered(self.label, answer, len(frame)))
        self._outbox.append(frame)
        if not self._awake:
            self.awake()
        if answer.plain and self._acknowledges:
            self._unacknowledged[answer.id] = IN_TABLE

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
            frame = self._encode([REJECT, export_id, error, False], [])
            self.send_frame(frame)
            if self.host.observe is not None:
                self.host.observe(("broke", self.label, export_id, failure(error), len(frame)))

    def cancel_pipe(self, pipe: Pipe, reason: BaseException) -> None:
        """Tell the sender of a stream that nobody reads it any more."""
        if self.closed is None and self.exports.get(pipe.number) is pipe:
            self.outgoing.begin(self.keeper)
            try:
                frame = self._encode([PIPE, pipe.number, reason_of(reason)], [])
            except Exception as failure:
                self.outgoing.withdraw()
                kind = type(reason_of(reason)).__name__
                error = RpcError(f"{kind} that could not be sent: {failure}")
                frame = self._encode([PIPE, pipe.number, error], [])
            self.send_frame(frame)
            if self.host.observe is not None:
                self.host.observe(("unread", self.label, pipe.number, len(frame)))

    def copy(self, source: Answer) -> tuple[Any, list[Handle], list[End]]:
        """Copy the value of an answer for a call within this Worker (see `promised`).

        Returns:
            The copy, the handles inside it, and the streams.
        """
        importer = self.host.loopback(source.context or self.keeper)
        exporter: Any = importer.peer
        exporter.outgoing.begin(source.context or self.keeper, source=source)
        exporter.outgoing.copying = True
        try:
            frame = exporter._encode([RESOLVE, 0, source.value], [source.value])
        finally:
            exporter.outgoing.copying = False
        opened, exporter.outgoing.opened = exporter.outgoing.opened, []
        for stream in opened:
            importer._open_pipe_directly(stream.id, exporter)
        importer.incoming.begin()
        message: Any = importer._decode(frame)
        handles, ends = importer.incoming.handles or [], importer.incoming.streams or []
        importer.incoming.begin()
        for stream in opened:
            stream.packed(sent=True)
        return message[2], handles, ends

    # What comes in.

    def _receive_plain_call(self, message: Message) -> bool:
        """Receive a call without options and references; answer it in one step, if possible.

        It is for a plain method of a target. That is run, and its result sent, in fewer steps than
        `TargetHook.start`, `Host.run`, `Answer.resolve` and `send_result` take, which do the same
        for any. A result that is a scalar needs no `Answer`; only the value is kept, for what may
        have been pipelined on it.

        Returns:
            Whether it was such a call; else nothing has been done.
        """
        _, call, target, path, args = message
        if (
            type(target) is not int
            or type(path) is not str
            or type(args) is not list
            or type(call) is not int
            or call <= self._last_call
            or not self._acknowledges
        ):
            return False
        hook, host = self.exports.get(target), self.host
        if type(hook) is not TargetHook or hook.blocked is not None or host.special:
            return self._deliver(hook or self.export_of(target), call, path, args)
        context = hook.context
        variables = context.variables
        if (
            variables is None
            or context.ended
            or context.host is not host
            or len(self._unacknowledged) > self._most_exports
            or (function := hook.method(path)) is None
        ):
            return self._deliver(hook, call, path, args)
        self._last_call = call
        variables = variables.copy()
        if host.ambient:
            host.carry(variables)
        if host.noting:
            host.active = (self.label, call)
        try:
            value = variables.run(function, hook.target, *args)
        except BaseException as error:
            host.raised(self._answer(call, hook), error)
            return True
        host.active = None
        if (
            type(value) in SCALARS
            and self.closed is None
            and not self.host.special  # which the method may have changed
            and self._send_scalar(call, value)
        ):
            self._unacknowledged[call] = value
            return True
        answer = self._answer(call, hook)
        host.returned(answer, value, variables)
        if answer.state == PENDING:
            hook.goes_on(answer)
        return True

    def _deliver(self, hook: Hook | Answer | None, call: int, path: str, args: list[Any]) -> bool:
        """Deliver a plain call that takes more than one step. Says whether it could be."""
        if hook is None or self._is_full():
            return False
        self._last_call = call
        answer = self.exports[call] = Answer(self, call)
        if self.host.observe is not None:
            self.latest = answer
        hook.deliver(answer, path, args, None, None)
        return True

    def _answer(self, call: int, hook: TargetHook) -> Answer:
        """Make the answer to a call that a method has returned from, or raised in."""
        answer = Answer(self, call)
        answer.via = hook
        answer.context = hook.context
        if self.closed is None:
            self.exports[call] = answer
        else:  # by that very method
            answer.cancel()
        return answer

    def export_of(self, number: int) -> Hook | Answer | None:
        """What the peer means by a number, if there is anything."""
        found = self.exports.get(number)
        if found is None:
            value = self._unacknowledged.get(number, IN_TABLE)
            if value is not IN_TABLE:
                found = self.exports[number] = Answer(self, number)
                found.state = RESOLVED
                found.value = value
                self._unacknowledged[number] = IN_TABLE
        return found

    def _receive_call(self, message: Message) -> None:
        exports = self.exports
        call, target = message[1], message[2]
        hook = self.export_of(target)
        if call <= self._last_call or hook is None or self._is_full():
            raise self._bad_call(call, target)
        self._last_call = call
        incoming = self.incoming
        answer = exports[call] = Answer(self, call, incoming.handles)
        if self.host.observe is not None:
            self.latest = answer
        if self._pulls:
            answer.pulled = False
        kwargs = None
        if len(message) > 5:
            kwargs = message[5].get(KEYWORDS)
            self._apply(answer, message[5])
        if incoming.streams is not None:
            answer.take_ends(incoming.streams)
        if incoming.promised is None and type(hook) is TargetHook and hook.blocked is None:
            hook.start(answer, message[3], message[4], kwargs)
        else:
            hook.deliver(answer, message[3], message[4], kwargs, incoming.promised)

    def _receive_write(self, message: Message, size: int) -> None:
        # As a call is received, which is the hottest path of all and has nothing to ask for this.
        exports = self.exports
        call, target = message[1], message[2]
        hook = self.export_of(target)
        if call <= self._last_call or hook is None or self._is_full():
            raise self._bad_call(call, target)
        self._last_call = call
        incoming = self.incoming
        answer = exports[call] = Answer(self, call, incoming.handles)
        answer.size = size
        if len(message) > 5:
            self._apply(answer, message[5])
        if incoming.streams is not None:
            answer.take_ends(incoming.streams)
        hook.deliver(answer, message[3], message[4], None, incoming.promised)

    def _apply(self, answer: Answer, options: dict[str, Any]) -> None:
        if DEADLINE in options:
            self.host.bound(answer, options[DEADLINE])
        answer.moment = options.get(NODE)

    def _is_full(self) -> bool:
        most = self._most_exports
        return len(self.exports) > most or len(self._unacknowledged) > most

    def _bad_call(self, call: int, target: int | None = None) -> RemoteProtocolError:
        if call <= self._last_call:
            return RemoteProtocolError(f"the peer used the call id {call} twice")
        if target is not None and target not in self.exports:
            return RemoteProtocolError(f"the peer called export {target}, which it does not hold")
        return RemoteProtocolError(f"the peer holds more than {self._most_exports} exports")

    def _receive_pipe(self, number: int) -> None:
        if number <= self._last_call or self._is_full():
            raise self._bad_call(number)
        self._last_call = number
        pipe: Any = Pipe(self, number)  # type: ignore[arg-type]
        self.exports[number] = pipe
        pipe.retain()

    def _open_pipe_directly(self, number: int, peer: Any) -> None:
        """Open the pipe of a value that is copied: no message tells of it."""
        peer.imports[number].introductions = 1
        pipe: Any = Pipe(self, number)  # type: ignore[arg-type]
        self.exports[number] = pipe
        pipe.retain()

    def _receive_map(self, message: Message) -> None:
        _, call, target, path, captures, program, *options = message
        hook = self.export_of(target)
        if call <= self._last_call or hook is None or self._is_full():
            raise self._bad_call(call, target)
        self._last_call = call
        answer = self.exports[call] = Answer(self, call, self.incoming.handles)
        if self._pulls:
            answer.pulled = False
        if self.incoming.streams is not None:
            answer.take_ends(self.incoming.streams)
        if options:
            self._apply(answer, options[0])
        parsed = Program.parse(program, len(captures))
        step = answer.step()
        hook.deliver(step, path, None, None, None)
        step.watch(lambda: replay(answer, step, captures, parsed, self))

    def _receive_release(self, number: int) -> None:
        hook = self.exports.pop(number, None)
        if number in self._unacknowledged:
            self._unacknowledged[number] = IN_TABLE  # the value is not needed any more
        if isinstance(hook, Answer):
            if hook.state == PENDING:
                hook.cancel()
            hook.drop()
        elif hook is not None:
            hook.release()
        elif not 0 < number <= self._last_call:
            raise RemoteProtocolError(f"the peer released export {number}, which it does not hold")

    def _call_of_peer(self, number: int, what: str) -> Answer | None:
        """The call of that number; None if it is over."""
        answer = self.exports.get(number)
        if isinstance(answer, Answer):
            return answer
        if not 0 < number <= self._last_call:
            raise RemoteProtocolError(f"the peer {what} id {number}, which is no call")
        return None

    def _receive_pull(self, number: int) -> None:
        answer = self._call_of_peer(number, "pulled")
        if answer is not None and answer.pulled is not True:
            frame, answer.pulled = answer.pulled, True
            if frame:
                self.reply(answer, frame)
