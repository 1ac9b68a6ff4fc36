"""What a session asks of its codec.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.arrival import Arrival
    from rpclab.core.dialects import Dialect
    from rpclab.core.messages import Frame, Message
    from rpclab.core.payload import Payload


class Codec(Protocol):
    """Operations to bytes and back, for one session."""

    dialect: Dialect

    @property
    def pack(self) -> Callable[[Message], bytes]:
        """Packs a message in which the user gave small scalars only; quicker than `encode`."""

    def pack_run(self, run: Message) -> list[Frame]:
        """Pack what stands in a row (see `messages`): in one message, or each in one of its own."""

    @property
    def read_plain(self) -> Callable[[list[Any]], list[Message]] | None:
        """Reads the first few of some frames (the last one first), as far as they are plain calls.

        Gives them checked, a call as `[CALL, target, name, args]`. None where these are runs.
        """

    def encode(
        self, message: Message, values: list[object], payload: Callable[[], Payload]
    ) -> tuple[Frame, Payload | None]:
        """Pack a message.

        Args:
            message: the message.
            values: what of it the user gave.
            payload: makes the payload; called once a value is met that passes by reference.

        Returns:
            The frame, and the payload if there is one. If it raises, the payload was discarded.

        Raises:
            Exception: a value cannot be sent.
        """

    def reference(self, kind: int, number: int) -> object:
        """What stands in a message for a reference, to be packed by `pack`."""

    def encode_part(self, value: object, references: object) -> object:
        """Pack a part of a program, in which `references` gives the references; packed in turn."""

    def weight_of(self, frame: Any) -> int:
        """How many bytes a message takes once it is unpacked, at most, about."""

    def count(self, frames: list[Frame]) -> int:
        """How many calls, results and other messages there are in frames."""

    def decode(self, frame: Frame) -> tuple[object, Arrival | None]:
        """Unpack a message. Gives it, and what it mentions by reference, if anything.

        Raises:
            RemoteProtocolError: it is none.
        """
