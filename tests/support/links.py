"""A transport that takes its time: each direction has a latency that changes, and keeps order."""

from __future__ import annotations

import asyncio
from collections import deque


class Links:
    """Joins sessions as `rpclab.transports.memory` does, by links on which frames travel a while.

    Args:
        latency: gives the seconds that the next batch of a link takes at least.
    """

    def __init__(self, latency) -> None:
        self._latency = latency

    def connect(self, one, other):
        """Join two sessions; to be an engine's `connect`."""
        one.peer, other.peer = other, one
        # A Worker is at no distance from itself.
        latency = self._latency if one.keeper is not other.keeper else float
        one.send = _Link(other, latency).send
        other.send = _Link(one, latency).send


class _Link:
    """One direction."""

    def __init__(self, to, latency) -> None:
        self._to = to
        self._latency = latency
        self._batches = deque()
        self._last = 0.0

    def send(self, seen, frames):
        loop = asyncio.get_running_loop()
        # Later than all before it: a link keeps the order.
        self._last = max(self._last, loop.time() + self._latency())
        self._batches.append((seen, frames))
        loop.call_at(self._last, self._to.host.again, self._arrive)

    def _arrive(self):
        self._to.receive(*self._batches.popleft())
