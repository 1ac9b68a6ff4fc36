"""One side of an HTTP batch: the messages that it sends, and how its streams go on without answers.

Floor: net. In a batch nothing comes back before all has been sent. So that a stream is sent whole,
each of its chunks is taken here for acknowledged as it leaves, up to a bound.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rpclab.core.messages import size_of

if TYPE_CHECKING:
    from rpclab.core.messages import Frame
    from rpclab.net.connection import Connection

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


class TapeWire:
    """One side of a batch, in the place of a wire: what leaves is put on a tape.

    Args:
        most: how many bytes that may have.

    Attributes:
        tape: takes what leaves.
        connection: is told what the other side would have said.
    """

    def __init__(self, most: int) -> None:
        self.tape = Tape(most)
        self.connection: Connection | None = None
        self.over = False
        self.loop = asyncio.get_running_loop()

    def send(self, seen: int, frames: list[Frame]) -> None:
        """Put a batch on the tape."""
        del seen
        if self.connection is not None:
            answers: list[Frame] = [*self.tape.add(frames)]
            if answers:
                self.connection.receive(0, answers)

    def ask(self) -> None:
        """There is no sign of life in a batch."""

    def end(self, reason: str, code: int) -> None:
        """The batch is over."""
        del reason, code
        if not self.over and self.connection is not None:
            self.over = True
            self.loop.call_soon(self.connection.gone)

    def abort(self) -> None:
        """Likewise."""
        self.end("", 0)

    def unsent(self) -> int:
        """Nothing waits for a socket."""
        return 0


def lines_of(body: bytes) -> list[Frame]:
    """The messages in the body of a batch."""
    return [*body.split(b"\n")] if body else []
