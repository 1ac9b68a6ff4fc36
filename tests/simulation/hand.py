"""A clock that a test moves by hand."""

from __future__ import annotations

import heapq
from itertools import count

from rpclab.simulation.link import Lane, Link


class Timer:
    def __init__(self, function):
        self.function = function

    def cancel(self):
        self.function = None


class HandClock:
    """Time that passes when the test says so."""

    def __init__(self):
        self.reading = 0.0
        self._timers = []
        self._numbers = count()

    def now(self):
        return self.reading

    def call_at(self, when, function):
        timer = Timer(function)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def advance(self, seconds):
        """Let time pass, and what is due happen at its time."""
        end = self.reading + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self.reading = max(self.reading, when)
            if timer.function is not None:
                timer.function()
        self.reading = end


class Wire:
    """One direction of a link, and what came out of it when."""

    def __init__(self, *, seed=0, name="a→b", **changes):
        self.clock = HandClock()
        self.link = Link("a", "b", clock=self.clock, seed=seed)
        self.link.change(**changes)
        self.arrived = []
        self.seen = []
        self.lane = Lane(self.link, self._take, name)

    def _take(self, seen, frames):
        self.seen.append(seen)
        self.arrived += [(round(self.clock.reading, 9), bytes(frame)) for frame in frames]
        frames.clear()

    def send(self, *frames, seen=0):
        self.lane.send(seen, list(frames))

    @property
    def times(self):
        return [when for when, _ in self.arrived]
