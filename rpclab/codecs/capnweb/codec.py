"""One end's codec: what a `Session` asks for.

Floor: codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.codecs.capnweb import messages, text
from rpclab.codecs.capnweb.reading import Reader
from rpclab.codecs.capnweb.writing import Writer, reference
from rpclab.codecs.paths import path_of
from rpclab.codecs.refusals import too_deep
from rpclab.codecs.too_large import check_size
from rpclab.core.dialects import CAPN_WEB
from rpclab.core.messages import Frame, Message
from rpclab.errors import DataCloneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.payload import Payload
    from rpclab.core.session import Session


class CapnWebCodec:
    """Writes and reads the messages of one end of a session.

    A frame is the text of one message, in UTF-8.

    Args:
        session: whose tables number what passes by reference.

    Attributes:
        decode: reads a message (see `Reader`).
        read_plain: reads messages of plain calls that stand in a row (likewise).
    """

    dialect = CAPN_WEB
    reference = staticmethod(reference)
    weight_of = staticmethod(text.weight_of)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._apart: dict[int, tuple[Any, Any, Callable[[], None] | None]] = {}
        reader = Reader(session)
        self.decode = reader.decode
        self.read_plain = reader.plain

    def pack(self, message: Message) -> bytes:
        """Write a message in which the user gave small scalars only."""
        # A writer for each would cost as much as the text.
        tree = messages.plain(message)
        if tree is None:
            tree = messages.written(message, self._writer(message, _no_payload))
        return text.write(tree)

    def pack_run(self, run: Message) -> list[Frame]:
        """Write what stands in a row, each message as a text of its own."""
        return [*messages.run_of_texts(run)]

    def _writer(self, message: Message, payload: Callable[[], Any]) -> Writer:
        raised = message[0] in messages.REASONS
        return Writer(self._session.limits, payload, self._apart, raised=raised)

    @staticmethod
    def count(frames: list[Frame]) -> int:
        """How many messages there are in frames: each is one."""
        return len(frames)

    def encode(
        self, message: Message, values: list[Any], payload: Callable[[], Payload]
    ) -> tuple[Frame, Payload | None]:
        """Write a message.

        Args:
            message: the message.
            values: what of it the user gave.
            payload: makes the payload; called once a value is met that passes by reference.

        Returns:
            The frame, and the payload if there is one. If it raises, the payload was discarded.

        Raises:
            DataCloneError: something in it cannot be sent; the error says what, and where.
            MessageTooLargeError: it is over the limit.
            Exception: whatever the values' own code raises.
        """
        made: list[Payload] = []

        def once() -> Payload:
            if not made:
                made.append(payload())
            return made[0]

        try:
            frame = text.write(messages.written(message, self._writer(message, once)))
            check_size(message, len(frame), self._session.limits.message_bytes)
        except BaseException as error:
            # The payload also disposes the targets that writing did not come to.
            once().discard(values)
            self._take_back()
            raise self._failure(error, message) from None
        if self._apart and (not made or made[0].complete):
            self._apart = {}
        return frame, made[0] if made else None

    def encode_part(self, value: Any, references: Any) -> Any:
        """Write a part of a program, in which `references` gives the references."""
        message: Message = [messages.PART, value]
        try:
            return self._writer(message, lambda: references).value(value, 0)
        except BaseException as error:
            self._take_back()
            raise self._failure(error, message) from None

    def _take_back(self) -> None:
        """Give back what the values of a message have lost by being written: it is not sent."""
        apart, self._apart = self._apart, {}
        for _, _, give_back in apart.values():
            if give_back is not None:
                give_back()

    def _failure(self, error: BaseException, message: Message) -> BaseException:
        """Turn what went wrong while writing into an error that says where."""
        if isinstance(error, RecursionError):
            error = too_deep(self._session.limits.nesting)
        if isinstance(error, DataCloneError) and not error.path:
            culprit = error.__dict__.pop("culprit", None)
            error.path = path_of(culprit, message) if culprit is not None else ""
            if error.path:
                error.args = (f"{error.args[0]} It stands at {error.path}.",)
        return error


def _no_payload() -> NoReturn:
    raise DataCloneError("there is no message that could hold a reference")
