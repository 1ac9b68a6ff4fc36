"""One side of an HTTP batch: the messages that it sends, and how its streams go on without answers.

Floor: net. In a batch nothing comes back before all has been sent. So that a stream is sent whole,
each of its chunks is taken here for acknowledged as it leaves, up to a bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpclab.core.messages import size_of

if TYPE_CHECKING:
    from rpclab.core.messages import Frame

_PULL, _STREAM = b'["pull"', b'["stream"'
_COUNTED = (b'["push"', _STREAM, b'["pipe"')  # what takes a number, each in turn


class Tape:
    """The messages of one side, in order.

    Args:
        most: how many bytes they may have.

    Attributes:
        lines: the messages.
        size: their bytes, with the ends of the lines.
        pulls: whether any asks for a result.
    """

    def __init__(self, most: int) -> None:
        self.lines: list[bytes] = []
        self.size = 0
        self.pulls = False
        self._most = most
        self._numbers = 0

    @property
    def is_full(self) -> bool:
        """Whether there are more bytes than may be."""
        return self.size > self._most

    def add(self, frames: list[Frame]) -> list[bytes]:
        """Put messages on it.

        Returns:
            What acknowledges the chunks of streams among them: messages of the other side that
            never come, to be taken as if they had.
        """
        answers = []
        for frame in frames:
            line = frame if isinstance(frame, bytes) else b"".join(frame)
            self.lines.append(line)
            self.size += size_of(line) + 1
            if line.startswith(_COUNTED):
                self._numbers += 1
                if line.startswith(_STREAM) and not self.is_full:
                    answers.append(b'["resolve",%d,["undefined"]]' % self._numbers)
            elif line.startswith(_PULL):
                self.pulls = True
        return answers

    def body(self) -> bytes:
        """All of it, as the body of a request or a response."""
        return b"\n".join(self.lines)


def lines_of(body: bytes) -> list[Frame]:
    """The messages in the body of a batch."""
    return [*body.split(b"\n")] if body else []
