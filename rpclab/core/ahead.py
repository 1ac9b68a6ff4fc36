"""What is sent before a message can be packed: a property is read, the pipe of a stream opened.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Ahead(Protocol):
    """What was sent ahead of a message, because a value in that needs it."""

    def packed(self, *, sent: bool) -> None:
        """The message is packed, and sent or not."""


class SendFirst(Exception):  # noqa: N818 - not an error: it asks for a message before this one
    """Something must be sent before this message can be packed.

    A property is read, and a pipe is opened for a stream; then the message is packed again.

    Args:
        value: the property or stream.
        send: sends what goes ahead.
    """

    def __init__(self, value: Any, send: Callable[[], Ahead]) -> None:
        # It is read where nothing can go ahead: in an error, or the reason of a cancel.
        super().__init__("streams and properties stand in the arguments or result of a call")
        self.value = value
        self.send = send


class ReadAhead:
    """The call that reads a property among the arguments.

    Args:
        promise: its promise. Nobody else can dispose it: what was read is for the callee alone.
    """

    def __init__(self, promise: Any) -> None:
        self.promise = promise

    def packed(self, *, sent: bool) -> None:
        """Let go of what was read."""
        del sent
        self.promise.dispose()
