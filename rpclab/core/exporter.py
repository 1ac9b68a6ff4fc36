"""The exporting half: calls of the peer on the way in, and their answers on the way out.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.announcement import Announcement
from rpclab.core.answers import Answer
from rpclab.core.endpoint import Endpoint
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import PENDING, RESOLVED
from rpclab.core.messages import DEADLINE, KEYWORDS, NODE, REJECT, RESOLVE, Message
from rpclab.core.remap import Program, replay
from rpclab.errors import RemoteProtocolError, RpcError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpclab.core.handles import Handle
    from rpclab.core.imports import Pending


class Exporter(Endpoint):
    """Answers calls on what it introduced to the other side."""

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
        # What was pipelined goes on before the result does, so that the order is kept.
        if answer.queue is not None:
            answer.flush()
        if answer.pulled is not True or self.host.special:
            self.reply(answer, frame)
        else:
            # As `reply` ends; a call of its own would cost each result.
            self._outbox.append(frame)
            if not self._awake:
                self.awake()
            if answer.plain and self._acknowledges:
                self._unacknowledged.append(answer.id)
        # They belong to the receiver now; a release must not overtake the result they are in.
        for handle in moved:
            handle.dispose("returned")
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
        exporter: Any = importer.peer
        exporter.outgoing.begin(source.context or self.keeper, source=source)
        frame = exporter._encode([RESOLVE, 0, source.value], [source.value])
        importer.incoming.begin()
        message: Any = importer._decode(frame)
        handles = importer.incoming.handles or []
        importer.incoming.begin()
        return message[2], handles

    # What comes in.

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
            self._apply(answer, message[5])
        if incoming.promised is None and type(hook) is TargetHook and hook.blocked is None:
            hook.start(answer, message[3], message[4], kwargs)
        else:
            hook.deliver(answer, message[3], message[4], kwargs, incoming.promised)

    def _apply(self, answer: Answer, options: dict[str, Any]) -> None:
        if DEADLINE in options:
            self.host.bound(answer, options[DEADLINE])
        answer.moment = options.get(NODE)

    def _bad_call(self, call: int, target: int) -> RemoteProtocolError:
        if call <= self._last_call:
            return RemoteProtocolError(f"the peer used the call id {call} twice")
        if target not in self.exports:
            return RemoteProtocolError(f"the peer called export {target}, which it does not hold")
        return RemoteProtocolError(f"the peer holds more than {self._most_exports} exports")

    def _receive_map(self, message: Message) -> None:
        _, call, target, path, captures, program, *options = message
        hook = self.exports.get(target)
        if call <= self._last_call or hook is None:
            raise self._bad_call(call, target)
        self._last_call = call
        answer = self.exports[call] = Answer(self, call, self.incoming.handles)
        if self._pulls:
            answer.pulled = False
        if options:
            self._apply(answer, options[0])
        parsed = Program.parse(program, len(captures))
        step = answer.step()
        hook.deliver(step, path, None, None, None)
        step.watch(lambda: replay(answer, step, captures, parsed, self))

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
