"""Two ends of a session in one process.

Floor: transports. Packed frames are handed over as they are; nothing is joined or copied.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.messages import Frame
    from rpclab.core.session import Session


def connect(one: Session, other: Session, again: Callable[[Callable[[], None]], None]) -> None:
    """Join two sessions.

    Args:
        one: an end.
        other: the other end.
        again: runs a function in the next turn; used where a batch was interrupted half-way.
    """
    one.peer, other.peer = other, one
    one.send = Lane(other, again).send
    other.send = Lane(one, again).send


class Lane:
    """One direction. A batch that was interrupted goes on where it stopped."""

    def __init__(self, to: Session, again: Callable[[Callable[[], None]], None]) -> None:
        self._to = to
        self._again = again
        self._batches: deque[tuple[int, list[Frame]]] = deque()

    def send(self, seen: int, frames: list[Frame]) -> None:
        if self._batches:
            self._batches.append((seen, frames))
            return
        try:
            self._to.receive(seen, frames)
        except BaseException:
            self._batches.appendleft((seen, frames))
            self._again(self._go_on)
            raise

    def _go_on(self) -> None:
        """Deliver what an interrupted batch left, and what came after it."""
        while self._batches:
            batch = self._batches.popleft()
            try:
                self._to.receive(*batch)
            except BaseException:
                self._batches.appendleft(batch)
                self._again(self._go_on)
                raise
