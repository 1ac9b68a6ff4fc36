"""Settling one answer lets others run, which settle in their turn: to any depth, without recursion.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Conclusion(Protocol):
    """What is left to do once an answer has settled."""

    def step(self) -> bool:
        """Do the next piece of it. Says whether there is more."""


class Cascade:
    """The conclusions that are under way, the deepest last.

    What a conclusion brings about is concluded before it goes on itself, as if each had called the
    next one; so calls keep their order.

    Args:
        interrupted: called where an interrupt left some behind, to have `go_on` called.

    Attributes:
        waits: whether an interrupt has left some behind.
    """

    __slots__ = ("_interrupted", "_running", "_under_way", "waits")

    def __init__(self, interrupted: Callable[[], None]) -> None:
        self._interrupted = interrupted
        self._under_way: list[Conclusion] = []
        self._running = False
        self.waits = False

    def conclude(self, conclusion: Conclusion) -> None:
        """Do this, now or before whatever brought it about goes on."""
        self._under_way.append(conclusion)
        if not self._running:
            self.go_on()

    def go_on(self) -> None:
        """Do what is left."""
        under_way = self._under_way
        self._running = True
        try:
            while under_way:
                deepest = len(under_way) - 1
                if not under_way[deepest].step():
                    del under_way[deepest]
        finally:
            self._running = False
            self.waits = bool(under_way)
            if under_way:
                self._interrupted()
