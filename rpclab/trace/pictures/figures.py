"""The figures that stand on top of every picture.

Floor: trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rpclab.trace.pictures.scale import duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpclab.trace.model import Timeline
    from rpclab.trace.trace import Trace

TIMES = "\N{MULTIPLICATION SIGN}"
CALLS = frozenset({"call", "read", "map"})


class Figures(NamedTuple):
    """How much happened.

    Attributes:
        calls: calls made, and properties read.
        messages: messages sent, in both directions.
        bytes: their size in all.
        round_trips: how often the program waited for one; None where nobody traced.
        saved: how many more it would have been without pipelining; None likewise.
        at_most: whether the round trips may be fewer, for a recording does not tell tasks apart.
        seconds: how long it took by a virtual clock; None where nobody traced, or time is real.
    """

    calls: int
    messages: int
    bytes: int
    round_trips: float | None = None
    saved: float | None = None
    at_most: bool = False
    seconds: float | None = None

    @classmethod
    def of(cls, timeline: Timeline) -> Figures:
        """Count what a timeline shows."""
        return cls(len(timeline.calls), len(timeline.arrows), timeline.bytes)

    @classmethod
    def of_trace(cls, trace: Trace) -> Figures:
        """Those of a traced block."""
        return cls(
            calls=trace.calls,
            messages=trace.messages,
            bytes=trace.bytes,
            round_trips=trace.round_trips,
            saved=trace.saved,
            seconds=trace.seconds,
        )

    def parts(self) -> list[str]:
        """The figures, each with its noun, the most important ones first."""
        counted = [count(self.calls, "call"), count(self.messages, "message")]
        counted.append(count(self.bytes, "byte"))
        if self.round_trips is None or self.saved is None:
            return counted
        without = self.round_trips + self.saved
        saved = f"{without:g} without pipelining" if self.saved else "nothing was pipelined"
        trips = f"{'at most ' * self.at_most}{count(self.round_trips, 'round trip')}"
        took = f" in {duration(self.seconds)}" if self.seconds else ""
        return [f"{trips}{took}; {saved}", *counted]

    def line(self) -> str:
        """The figures in a line."""
        first, *rest = self.parts()
        if self.round_trips is None:
            return ", ".join([first, *rest])
        return f"{first} · {', '.join(rest)}"


def count(number: float, noun: str) -> str:
    """A number with its noun."""
    shown = f"{number:,.1f}".removesuffix(".0")
    return f"{shown} {noun}{'s' * (number != 1)}"


def listed(words: Iterable[str], most: int = 4) -> str:
    """Some words in a row, and how many more there are."""
    words = list(words)
    rest = [f"{len(words) - most} more"] if len(words) > most else []
    return ", ".join([*words[:most], *rest])
