"""How the messages of a session are packed, with what they pass by reference.

Floor: core.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from rpclab.core.answers import Answer, awaited_inside
from rpclab.core.events import answered, failure
from rpclab.core.hooks import Hook, work_of
from rpclab.core.imports import PENDING, REJECTED, Handle
from rpclab.core.messages import (
    CALL,
    MAP,
    PIPE,
    REJECT,
    RESOLVE,
    SCALARS,
    STREAM,
    Frame,
    Message,
    size_of,
)
from rpclab.core.payload import Payload
from rpclab.core.streams import reason_of
from rpclab.core.tables import IN_TABLE, Tables
from rpclab.core.targets import is_target
from rpclab.errors import DataCloneError, RpcError
from rpclab.previews import message_of, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext, Packed
    from rpclab.core.streams import End


_MAKES_A_CALL = frozenset({CALL, STREAM, MAP})


class Packing(Tables):
    """Packs messages: a message that is refused was never in the tables."""

    __slots__ = ()

    def pack(
        self,
        message: Message,
        values: list[object],
        context: ExecutionContext,
        source: Answer | None = None,
        *,
        copying: bool = False,
        ahead: bool = True,
    ) -> tuple[Frame, Payload | None]:
        """Pack a message, and send what has to go ahead of it.

        Args:
            message: the message.
            values: what of it the user gave.
            context: the execution context in which they were made.
            source: the call whose result it is.
            copying: whether the values go on being used here.
            ahead: whether anything can go ahead: not of an error.

        Returns:
            The frame, and the payload, which is to be committed when the frame is queued.

        Raises:
            Exception: a value cannot be sent. Targets in the values were disposed (rule V22).
        """
        references = partial(Payload, self, context, source, copying=copying)
        return self._pack(message, values, references, ahead=ahead)

    def _pack(
        self,
        message: Message,
        values: list[object],
        references: Callable[[], Payload],
        *,
        ahead: bool = True,
    ) -> tuple[Frame, Payload | None]:
        frame, payload = self._codec.encode(message, values, references)
        while payload is not None and not payload.complete and not payload.awaitables:
            if not ahead and payload.first:
                payload.discard([])
                raise DataCloneError("streams and properties stand in arguments or a result")
            payload.prepare()
            if message[0] in _MAKES_A_CALL:
                # What went ahead has taken the number.
                message[1] = self._next_call
            frame, _ = self._codec.encode(message, values, lambda: payload)
        return frame, payload

    def encode_part(self, value: object, references: object) -> object:
        """Pack a part of a program (see `map`)."""
        return self._codec.encode_part(value, references)

    # Results and errors.

    def pack_result(self, answer: Answer, value: object) -> Packed | None:
        """Pack the result of a call; its stubs are moved (rule O10).

        Returns:
            None where it is not sent now: the answer has been rejected instead, or it is sent
            later, when what the value holds was awaited.
        """
        message = [RESOLVE, answer.id, value]
        try:
            frame, payload = self.pack(message, [value], answer.context or self.keeper, answer)
        except Exception as error:
            self._refuse_result(answer, error)
            return None
        if payload is not None and not self._commit_result(answer, value, payload):
            return None
        return frame, payload

    def _refuse_result(self, answer: Answer, error: Exception) -> None:
        """The result cannot be sent: the call has failed."""
        answer.state = PENDING
        # How packing failed tells nobody anything, and would keep the value alive.
        answer.reject(error.with_traceback(None))

    def _commit_result(self, answer: Answer, value: object, payload: Payload) -> bool:
        """Enter what a result refers to in the tables. Says whether it is sent now."""
        if payload.awaitables and answer.context is not None:
            answer.state = PENDING
            payload.discard([])
            self.host.ran(answer, awaited_inside(value), work_of(answer, answer.context))
            return False
        answer.plain = not payload.references
        payload.commit()
        return True

    def stays(self, answer: Answer, value: object) -> bool:
        """Keep the result of a quiet call here, for what was made on it.

        Returns:
            Whether it does: what cannot be sent is an error all the same (rule V22), and streams
            and awaitables go the way of any result.
        """
        kind = type(value)
        if kind in SCALARS:
            return True
        if is_target(value) and answer.hook_for(value) is not None:
            return True
        context = answer.context or self.keeper
        try:
            _, payload = self._codec.encode(
                [RESOLVE, answer.id, value], [value], partial(Payload, self, context, answer)
            )
        except Exception:
            return False  # what it says is found out again
        if payload is not None:
            if payload.first or payload.awaitables:
                return False
            payload.sent()
        return True

    def pack_error(self, answer: Answer, error: BaseException, *, remote: bool) -> Packed:
        """Pack the failure of a call."""
        reply = self._pack_error([REJECT, answer.id, error, remote], 2, answer.context)
        _, payload = reply
        answer.plain = payload is None or not payload.references
        if payload is not None:
            payload.commit()
        return reply

    def _pack_error(
        self, message: Message, position: int, context: ExecutionContext | None = None
    ) -> Packed:
        """Pack a message with an error in it; one that cannot be sent is told of."""
        error = message[position]
        try:
            frame, payload = self.pack(message, [error], context or self.keeper, ahead=False)
        except Exception as failed:
            message[position] = RpcError(
                f"{type_name(error)} that could not be sent: {message_of(failed)}"
            )
            frame, payload = self.pack(message, [], context or self.keeper)
        return frame, payload

    def reply(self, answer: Answer, reply: Packed) -> None:
        """Queue a settlement, unless the call was cancelled meanwhile."""
        frame, payload = reply
        if self.exports.get(answer.id) is not answer or self.closed is not None:
            if payload is not None:
                payload.take_back()
            return
        if self.host.observe is not None:
            failed = answer.state == REJECTED
            size = size_of(frame)
            self.host.observe(answered(self.label, answer.id, answer.value, size, failed=failed))
        self._outbox.append(frame)
        if not self._awake:
            self._awake = self.host.wake(self)
        if answer.plain and self._acknowledges:
            self._unacknowledged[answer.id] = IN_TABLE
        if payload is not None:
            payload.sent()
        if answer.gives_itself_back:
            del self.exports[answer.id]
            answer.drop()

    def copy(self, source: Answer) -> tuple[object, list[Handle], list[End], int]:
        """Copy the value of an answer for a call within this Worker (see `promise_arguments`).

        Returns:
            The copy, the handles inside it, the streams, and how many bytes it took as a message.
        """
        importer = cast("Packing", self.host.loopback(source.context or self.keeper))
        exporter = cast("Packing", importer.peer)
        message = [RESOLVE, 0, source.value]
        frame, payload = exporter.pack(
            message, [source.value], source.context or self.keeper, source, copying=True
        )
        if payload is None:
            return importer._codec.decode(frame)[0][2], [], [], size_of(frame)  # type: ignore[index]
        payload.commit()
        for stream in payload.opened():
            # No message tells of the pipe, so it comes before those that are on their way.
            importer._enter_pipe(stream.id)
        copied, arrival = importer._codec.decode(frame)
        payload.sent()
        handles, streams = (None, None) if arrival is None else (arrival.handles, arrival.streams)
        return copied[2], handles or [], streams or [], size_of(frame)  # type: ignore[index]

    # What is told without having been asked.

    def export_broken(self, export_id: int, error: BaseException) -> None:
        """Tell the holder of an export that its target is gone."""
        if self.closed is None and export_id in self.exports:
            frame = self._pack_error([REJECT, export_id, error, False], 2)[0]
            self.send_frame(frame)
            if self.host.observe is not None:
                size = size_of(frame)
                self.host.observe(("broke", self.label, export_id, failure(error), size))

    def cancel_pipe(self, pipe: Hook, number: int, reason: BaseException) -> None:
        """Tell the sender of a stream that nobody reads it any more."""
        if not self._dialect.cancels:
            return  # it learns that from its writes
        if self.closed is None and self.exports.get(number) is pipe:
            frame = self._pack_error([PIPE, number, reason_of(reason)], 2)[0]
            self.send_frame(frame)
            if self.host.observe is not None:
                self.host.observe(("unread", self.label, number, size_of(frame)))
