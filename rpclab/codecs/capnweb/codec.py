"""One end's codec: what a `Session` asks for.

Floor: codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.codecs.capnweb import messages, text
from rpclab.codecs.capnweb.reading import Reader
from rpclab.codecs.capnweb.writing import Writer, reference
from rpclab.codecs.encoding import Encoder, no_payload
from rpclab.codecs.too_large import check_size
from rpclab.core.dialects import CAPN_WEB
from rpclab.core.messages import Frame, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.payload import Payload
    from rpclab.core.session import Session


class CapnWebCodec(Encoder):
    """Writes and reads the messages of one end of a session (see `core.codec`).

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
        super().__init__(session)
        reader = Reader(session)
        self.decode = reader.decode
        self.read_plain = None if text.orjson is None else reader.plain

    def pack(self, message: Message) -> bytes:
        """Write a message in which the user gave small scalars only."""
        # A writer for each would cost as much as the text.
        tree = messages.plain(message)
        if tree is None:
            tree = messages.written(message, self._writer(message, no_payload))
        return text.write(tree)

    def pack_run(self, run: Message) -> list[Frame]:
        """Write what stands in a row, each message as a text of its own."""
        return [*messages.run_of_texts(run)]

    def _writer(self, message: Message, payload: Callable[[], Any]) -> Writer:
        raised = message[0] in messages.REASONS
        return Writer(self._session.limits, payload, self.parts_of, raised=raised)

    @staticmethod
    def count(frames: list[Frame]) -> int:
        """How many messages there are in frames: each is one."""
        return len(frames)

    def encode(
        self, message: Message, values: list[Any], payload: Callable[[], Payload]
    ) -> tuple[Frame, Payload | None]:
        """Write a message.

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
            raise self._failure(error, message) from None
        found = made[0] if made else None
        if self._apart:
            self._packed(found)
        return frame, found

    def encode_part(self, value: Any, references: Any) -> Any:
        """Write a part of a program, in which `references` gives the references."""
        message: Message = [messages.PART, value]
        try:
            return self._writer(message, lambda: references).value(value, 0)
        except BaseException as error:
            raise self._failure(error, message) from None
