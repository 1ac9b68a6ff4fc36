"""Places for bars and their labels: rows in which nothing lies on anything else.

Floor: trace.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

from rpclab.trace.pictures.drawing import elided, width_of

_GAP = 8  # pixels between neighbours in a row


class Placed(NamedTuple):
    """A bar with its label.

    Attributes:
        row: which row, from 0.
        text: the label, as much of it as there is room for.
        x: where the label begins or, with "end", ends.
        anchor: "start" or "end".
        inside: whether it stands in the bar.
    """

    row: int
    text: str
    x: float
    anchor: str
    inside: bool = False


class Rows:
    """Rows that fill from the first one on.

    Args:
        left: where they begin, in pixels.
        right: where they end.
    """

    def __init__(self, left: float, right: float) -> None:
        self._left, self._right = left, right
        self._taken: list[list[tuple[float, float]]] = []

    def __len__(self) -> int:
        return len(self._taken)

    def place(self, begin: float, end: float, label: str, extra: float = 0) -> Placed:
        """Find a row for a bar, with its label.

        That stands behind the bar; where it has no room there, before it or in it; and where it
        has none at all, cut, on the wider side.

        Args:
            begin: the left end of the bar.
            end: its right end.
            label: what stands beside it.
            extra: pixels between the bar and its label.
        """
        behind, before = self._right - end - extra - 5, begin - self._left - 5
        needed = width_of(label)
        if max(behind, before) < needed <= end - begin - 8:
            return Placed(self._row(begin, end + extra), label, begin + 4, "start", inside=True)
        if needed <= behind or behind >= before or not label:
            text = elided(label, max(behind, 0))
            x, anchor = end + extra + 5, "start"
            span = (begin, x + width_of(text))
        else:
            text = elided(label, before)
            x, anchor = begin - 5, "end"
            span = (x - width_of(text), end + extra)
        return Placed(self._row(*span), text, x, anchor)

    def _row(self, begin: float, end: float) -> int:
        span = (begin - _GAP / 2, end + _GAP / 2)
        for row, taken in enumerate(self._taken):
            at = bisect_left(taken, span)
            free_before = at == 0 or taken[at - 1][1] <= span[0]
            if free_before and (at == len(taken) or span[1] <= taken[at][0]):
                insort(taken, span)
                return row
        self._taken.append([span])
        return len(self._taken) - 1
