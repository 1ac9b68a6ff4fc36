"""When to ask a peer for a sign of life, and when to give it up.

Floor: net. Sans-IO: the time is handed in.
"""

from __future__ import annotations

import math

NOTHING, ASK, SILENT, IDLE = range(4)


class Pulse:
    """The life of one connection.

    Args:
        now: the time, in seconds.
        silence: how long nothing at all may be heard; the peer is asked after half of that.
        idle: how long nothing may happen, signs of life apart.

    Attributes:
        heard: when something was heard last.
        used: when something happened last.
    """

    __slots__ = ("_asked", "_idle", "_silence", "heard", "used")

    def __init__(self, now: float, *, silence: float = math.inf, idle: float = math.inf) -> None:
        self.heard = self.used = now
        self._silence = silence
        self._idle = idle
        self._asked = -math.inf

    def look(self, now: float, *, busy: bool) -> int:
        """Say what is to be done now.

        Args:
            now: the time.
            busy: whether calls are under way, so that nothing need be heard of them.
        """
        if busy:
            self.used = now
        if now - self.used >= self._idle:
            return IDLE
        if self._asked <= self.heard:
            if now - self.heard < self._silence / 2:
                return NOTHING
            self._asked = now
            return ASK
        # Whoever looks late has asked late, and the other end has its time all the same.
        return SILENT if now - self._asked >= self._silence / 2 else NOTHING

    def next(self, now: float) -> float:
        """Say in how many seconds to look again; infinite if never."""
        due = min(max(self.heard, self._asked) + self._silence / 2, self.used + self._idle)
        return max(due - now, _LEAST)


_LEAST = 0.001  # seconds; so that a clock that stands still is not asked without end
