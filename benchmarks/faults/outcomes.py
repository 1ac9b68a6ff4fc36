"""What came of one kind of failure, as a line of a table; and looks at the processes there are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

ORPHANS = 5.0
"""Seconds after which nothing is left of what has failed."""
HANGS = 30.0
"""Seconds after which a call is said to have no end."""


@dataclass
class Outcome:
    """What came of one kind of failure.

    Attributes:
        what: failed.
        most: how long a call may wait for its end, in seconds.
        times: how often.
        calls: how many calls were under way, or made meanwhile.
        unsettled: how many had no end within the time.
        nameless: how many rejected with a reason that does not name the cause.
        lost: how many were rejected, or not stored, that should not have been.
        doubled: how many ran twice, or were stored by two.
        left: processes that were there `ORPHANS` seconds later.
        waits: how long each call waited for its end, in seconds.
        told: reasons that do not name the cause.
    """

    what: str
    most: float
    times: int = 0
    calls: int = 0
    unsettled: int = 0
    nameless: int = 0
    lost: int = 0
    doubled: int = 0
    left: int = 0
    waits: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def slowest(self) -> float:
        """The longest that a call waited for its end, in seconds."""
        return max(self.waits, default=0.0)

    @property
    def kept(self) -> bool:
        """Whether all is as promised."""
        bad = self.unsettled + self.nameless + self.lost + self.doubled + self.left
        return not bad and self.slowest <= self.most

    def waited(self, since: float) -> None:
        """A call has come to its end now."""
        self.waits.append(perf_counter() - since)

    def names_not(self, reason: str) -> None:
        """A call has rejected with another reason than it should."""
        self.nameless += 1
        self.told.append(reason)

    async def gone(self, pids: Iterable[int]) -> None:
        """Wait until these processes have ended; after `ORPHANS` seconds those left are counted."""
        pids = list(pids)
        until = perf_counter() + ORPHANS
        while any(map(lives, pids)) and perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.left += sum(map(lives, pids))

    def row(self) -> str:
        """A line of the table."""
        half = sorted(self.waits)[len(self.waits) // 2] if self.waits else 0.0
        figures = (self.calls, self.unsettled, self.nameless, self.lost, self.doubled, self.left)
        cells = [self.what, self.times, *(f"{n:,}" for n in figures)]
        cells += [f"{half * 1000:.0f}", f"{self.slowest * 1000:.0f}", f"{self.most * 1000:.0f}"]
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| what | times | calls | unsettled | nameless | lost | doubled | left | half waited ms"
    " | slowest ms | may ms |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def lives(pid: int) -> bool:
    """Whether a process runs, or stands still."""
    return _state(pid) not in ("", "Z", "X")


def stands_still(pid: int) -> bool:
    """Whether a process was stopped."""
    return _state(pid) == "T"


def _state(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def parent(pid: int) -> int:
    """Who has started a process."""
    text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    return int(text.rpartition(")")[2].split()[1])


def descendants(pid: int) -> set[int]:
    """What a process has started, and what that has."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text("ascii").split()
        except OSError:  # the thread has ended
            continue
        for child in map(int, children):
            found |= {child, *descendants(child)}
    return found
