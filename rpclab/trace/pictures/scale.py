"""Where a moment of a recording stands in a picture: by the order of events, or by the clock.

Floor: trace. The order is the same on every run of a program, wall-clock times are not; so pictures
show the order unless the clock is virtual, or somebody asks for the times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from math import floor, fsum, log10
from typing import NamedTuple

from rpclab.trace.pictures.look import LOOK

ORDER, TIME = "order", "time"
SCALES = (ORDER, TIME)

_UNITS = [(1e-6, "µs"), (1e-3, "ms"), (1.0, "s")]
_TICK = LOOK["sizes"]["tick"]
_STRIDE = 70  # pixels between two events of a short recording, at most


class Stop(NamedTuple):
    """A moment that the scale of an order shows, and how far it stands from the one before."""

    moment: int
    weight: float
    time: float | None = None


class Tick(NamedTuple):
    """A mark on the axis."""

    x: float
    text: str


class Scale:
    """From moments and times to pixels.

    Args:
        left: where the first moment stands.
        right: where the last one does.
        by: ORDER or TIME.
        begin: the time of the first moment.
        end: the time of the last one.
        stops: the moments that an order shows; others stand between them.

    Raises:
        ValueError: there is no such scale.
    """

    def __init__(
        self, left: float, right: float, by: str, begin: float, end: float, stops: Iterable[Stop]
    ) -> None:
        self.left, self.right = left, right
        self.by = checked(by)
        self._begin, self._span = begin, end - begin
        if not self._span > 0:
            # All at one time, which only the order can tell apart.
            self.by = ORDER
        weights: dict[int, float] = {}
        times: dict[int, float] = {}
        for stop in stops:
            if stop.time is not None:
                times[stop.moment] = stop.time
            weights[stop.moment] = max(stop.weight, weights.get(stop.moment, 0))
        self._moments = sorted(weights)
        self._times = sorted((time, moment) for moment, time in times.items())
        # Not `sum`, which adds up in another way since Python 3.12.
        total = fsum(weights.values()) or 1
        stretch = min((right - left) / total, _STRIDE)
        at = left
        self._places = [at := at + weights[moment] * stretch for moment in self._moments]
        self.last = min(at + stretch, right) if self.by == ORDER else right

    def x(self, moment: int | None, time: float | None) -> float:
        """Where something stands; the end of the picture for what has not happened."""
        if self.by == TIME:
            if time is None:
                return self.right
            share = (time - self._begin) / self._span
            return self.left + min(max(share, 0), 1) * (self.right - self.left)
        if moment is None and time is not None and self._times:
            # Of several moments at that time, the last one.
            before = bisect_right(self._times, (time, float("inf")))
            moment = self._times[before - 1][1] if before else None
        if moment is None:
            return self.last
        after = bisect_right(self._moments, moment)
        return self._places[after - 1] if after else self.left

    def ticks(self) -> list[Tick]:
        """The marks of the axis; an order has none."""
        if self.by == ORDER:
            return []
        step = tick_step(self._span, self.right - self.left)
        times = [n * step for n in range(int(self._span / step + 1e-9) + 1)]
        return [
            Tick(self.x(None, self._begin + time), tick_text(time, step, self._span))
            for time in times
        ]


def tick_step(span: float, pixels: float) -> float:
    """From one tick to the next: 1, 2 or 5 times a power of ten.

    Args:
        span: what is shown.
        pixels: how wide it is drawn.
    """
    least = span / max(pixels / _TICK, 1) * (1 - 1e-9)
    power = 10.0 ** floor(log10(least))
    return next((n * power for n in (1, 2, 5) if n * power >= least), 10 * power)


def tick_text(time: float, step: float, most: float) -> str:
    """What stands at a tick, in the unit and with the digits that all of an axis have.

    Args:
        time: that it stands for, in seconds.
        step: from one tick to the next.
        most: the time of the last one.
    """
    unit, name = next((each for each in _UNITS if most < 1000 * each[0]), _UNITS[-1])
    digits = max(-floor(log10(step / unit) + 1e-9), 0)
    text = f"{time / unit:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text} {name}"


def checked(by: str) -> str:
    """A scale that there is.

    Raises:
        ValueError: there is none of that name.
    """
    if by not in SCALES:
        raise ValueError(f'a scale is "order" or "time", not {by!r}')
    return by
