"""What has come of messages that are not whole yet, of all peers of a server together.

Floor: net. Each peer is bounded by itself. Thousands that all stop just before the end of a large
message are bounded by this.
"""

from __future__ import annotations

from rpclab.errors import DisconnectedError


class Unfinished:
    """A bound for all.

    Args:
        most: how many bytes.

    Attributes:
        size: how many there are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0

    def share(self) -> Share:
        """Give what one peer counts by."""
        return Share(self)

    def error(self) -> DisconnectedError:
        """What ends the session of a peer whose bytes are too many."""
        error = DisconnectedError(
            f"the server holds more than {self.most:,} bytes of messages that are not whole yet"
            " (ServerLimits.unfinished_bytes)"
        )
        error.retryable = True
        return error


class Share:
    """What has come of one peer's message.

    Args:
        together: that of all.
    """

    __slots__ = ("_held", "_together")

    def __init__(self, together: Unfinished) -> None:
        self._together = together
        self._held = 0

    def fits(self, held: int) -> bool:
        """Say how many bytes there are now. False where they are more than before, and too many."""
        together, more = self._together, held - self._held
        self._held = held
        together.size += more
        return more <= 0 or together.size <= together.most

    def error(self) -> DisconnectedError:
        """Why the session ends where they are too many."""
        return self._together.error()

    def give_back(self) -> None:
        """The message is whole, or will never be."""
        self.fits(0)
