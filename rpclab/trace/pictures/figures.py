"""The figures that stand on top of every picture.

Floor: trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rpclab.trace.pictures.templates import said
from rpclab.trace.pictures.words import WORDS
from rpclab.trace.round_trips import Trips

if TYPE_CHECKING:
    from rpclab.trace.model import Timeline


class Figures(NamedTuple):
    """How much happened.

    Attributes:
        calls: calls made, and properties read.
        messages: messages sent, in both directions.
        bytes: their size in all; None where that is not told.
        round_trips: how often the program waited for one; None where nobody traced.
        saved: how many more it would have been without pipelining; None likewise.
        pipelined: how many calls were made on a result that was not there yet.
        at_most: whether the round trips may be fewer, for a recording does not tell tasks apart.
        seconds: how long it took by a virtual clock; None where nobody traced, or time is real.
    """

    calls: int
    messages: int
    bytes: int | None
    round_trips: float | None = None
    saved: float | None = None
    pipelined: int = 0
    at_most: bool = False
    seconds: float | None = None

    @classmethod
    def of(cls, timeline: Timeline) -> Figures:
        """Count what a timeline shows."""
        pipelined = sum(arrow.pipelined for arrow in timeline.arrows)
        return cls(len(timeline.calls), len(timeline.arrows), timeline.bytes, pipelined=pipelined)

    def parts(self) -> list[str]:
        """The figures, each with its noun, the most important ones first."""
        known = self._asdict()
        if self.round_trips is not None and self.saved is not None:
            compared = Trips(self.round_trips, self.saved).compared(pipelined=self.pipelined > 0)
            _, known["without"], known["pipelined"] = compared
            known["trips"] = said(WORDS["trips"], known)
        return [part for part in (said(each, known) for each in WORDS["figures"]) if part]

    def line(self) -> str:
        """The figures in a line."""
        first, *rest = self.parts()
        if self.round_trips is None:
            return ", ".join([first, *rest])
        return f"{first} · {', '.join(rest)}"
