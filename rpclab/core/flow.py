"""Flow control of one stream, in bytes: how much may be on its way before the reader has taken it.

Floor: core. The clock is handed in.

The window follows the bandwidth-delay product of the way to the reader, after BBR (Cardwell et
al., ACM Queue 14(5), 2016): the rate at which chunks were taken, times the shortest round trip,
times two so that a faster link shows. A reader that slows down lowers the rate, and the window with
it; one that stops leaves the window where it was: nothing is acknowledged, and no more is sent.

What is on its way lengthens the round trip, so that the shortest one is not seen again while the
stream is at full speed. Now and then the window is made small until one chunk has shown how
long an almost empty way takes; else a window would grow for ever, and all that shares the link
would wait behind it.

Streams to another program share an `Uplink`. It bounds what of them waits in this program until the
socket takes it, so that a long way is filled and no memory here; and where the way is far, a stream
begins with the window that one before it has found, and not round trip by round trip.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024
FIRST_WINDOW = 256 * KIB
LEAST_WINDOW = 64 * KIB
MOST_CHUNKS = 1536
"""So many chunks may be on their way, however small: each costs a message."""

MOST_QUEUED = 512 * KIB
"""Bytes of streams that wait to leave, from which on no more is written."""

FAR = 0.005
"""Seconds that the shortest round trip of a far way takes; nearer ones are found in no time."""

GAIN = 2.0
"""How often what the way holds fits into the window."""

NEAR_GAIN = 4.0
"""The same between two ends in one process that no link joins. There is no way that could fill up;
a round trip is the turn of both ends, and twice what was taken in that holds but four chunks of 64
KiB, while a turn takes as long as three (benchmark `upload`)."""

_MEMORY, _MEMORY_TRIPS = 10.0, 30
"""Seconds, and round trips, after which the shortest is measured anew: the longer of the two."""

_FIRST_TRIPS = 2
"""For so many round trips a stream keeps at least the window that it began with."""

_RATE_MEMORY, _RATE_MEMORY_TRIPS = 1.0, 2
"""For how many seconds, and round trips, a rate counts at least: likewise."""

Token = tuple[float, int, float, int]
"""(sent at, bytes acknowledged then, time of that acknowledgement, size): of one chunk."""


class FlowController:
    """Decides when the next chunk of one stream may be sent.

    Args:
        now: the clock, in seconds.
        most: the largest window, in bytes.
        first: how large the window is until something was measured.

    Attributes:
        gain: how often what the way holds fits into the window.
        window: how many bytes may be on their way. One chunk always may, whatever its size.
        in_flight: how many bytes were sent and not taken by the reader yet.
        chunks: how many chunks these are.
    """

    __slots__ = (
        "__weakref__", "_acknowledged", "_acknowledged_at", "_measured_at", "_most", "_now",
        "_probing_since", "_rate", "_shortest", "chunks", "gain", "in_flight", "window",
    )  # fmt: skip

    def __init__(self, now: Callable[[], float], most: int, first: int = FIRST_WINDOW) -> None:
        self._now = now
        self.gain = GAIN
        self._most = most
        self._acknowledged = 0
        self._acknowledged_at = 0.0
        self._rate = _Highest()
        self._shortest = math.inf
        self._measured_at = 0.0
        self._probing_since: float | None = None
        self.window = min(first, most)
        self.in_flight = 0
        self.chunks = 0

    @property
    def room(self) -> bool:
        """Whether any chunk may be sent now."""
        return self.fits(1)

    def fits(self, size: int) -> bool:
        """Whether a chunk of that size may be sent now: it fits, or is alone."""
        in_flight = self.in_flight
        return in_flight == 0 or (in_flight + size <= self.window and self.chunks < MOST_CHUNKS)

    def sent(self, size: int) -> Token:
        """A chunk was sent. Its token is for `acknowledged`."""
        now = self._now()
        if self.in_flight == 0:
            # The way was empty, so the time until now says nothing about its speed.
            self._acknowledged_at = now
        self.in_flight += size
        self.chunks += 1
        return (now, self._acknowledged, self._acknowledged_at, size)

    def acknowledged(self, token: Token, held: float = 0.0) -> None:
        """The reader has taken that chunk.

        Args:
            token: from `sent`.
            held: for how many seconds the chunk lay at the other side until the reader took it.
        """
        sent_at, acknowledged_then, acknowledged_at, size = token
        now = self._now()
        if not 0.0 <= held < math.inf:
            held = 0.0  # the peer says it, and no time is like that
        self.in_flight -= size
        self.chunks -= 1
        self._acknowledged += size
        self._acknowledged_at = now
        if now <= acknowledged_at:
            return  # a clock that stands still tells nothing
        round_trip = now - sent_at - held
        self._measure(round_trip if round_trip > 0 else 0.0, sent_at, now)
        rate = (self._acknowledged - acknowledged_then) / (now - acknowledged_at)
        rate = self._rate.take(rate, now, self._shortest)
        window = int(self.gain * rate * self._shortest)
        if acknowledged_then == 0 and now - acknowledged_at < _FIRST_TRIPS * self._shortest:
            # Of what left before anything came back the first is acknowledged after a whole round
            # trip, and says little of the rate: until there is more, the window only grows.
            window = max(window, self.window)
        if window < LEAST_WINDOW or self._probing_since is not None:
            window = LEAST_WINDOW
        self.window = min(window, self._most)

    @property
    def is_far(self) -> bool:
        """Whether the window is that of a far way."""
        return self._probing_since is None and FAR <= self._shortest < math.inf

    @property
    def acknowledged_bytes(self) -> int:
        """How many bytes the reader has taken."""
        return self._acknowledged

    def _measure(self, round_trip: float, sent_at: float, now: float) -> None:
        """Keep the shortest round trip; a chunk that was sent on an emptied way measures anew."""
        probing_since = self._probing_since
        emptied = probing_since is not None and sent_at >= probing_since
        if emptied or round_trip <= self._shortest:
            self._shortest = round_trip
            self._measured_at = now
            self._probing_since = None
        elif probing_since is None:
            age = now - self._measured_at
            if age > _MEMORY and age > _MEMORY_TRIPS * self._shortest:
                self._probing_since = now

    def withdrawn(self, token: Token) -> None:
        """That chunk will not be taken any more."""
        self.in_flight -= token[3]
        self.chunks -= 1


class HeldBack(Protocol):
    """An end of a stream that may not be written to at present."""

    def changed(self) -> None:
        """It may be."""


class Uplink:
    """What the streams of one end share whose other end is in another program.

    Args:
        unsent: says how many bytes of all that was sent have not left this program.

    Attributes:
        queued: how many bytes of them were written, and have not left this program.
        found: the window that a stream has found, where the way is far; else 0.
    """

    __slots__ = ("_flows", "_held_back", "_unsent", "found", "queued")

    def __init__(self, unsent: Callable[[], int]) -> None:
        self._unsent = unsent
        self.queued = 0
        self.found = 0
        self._flows: WeakSet[FlowController] | None = None
        self._held_back: dict[HeldBack, None] = {}

    def flow(self, now: Callable[[], float], most: int) -> FlowController:
        """Give the flow control of a new stream.

        What was found is what fits into the way. What other streams have there already is taken
        off, so that many that nobody reads hold no more in all.
        """
        if self._flows is None:
            self._flows = WeakSet()
        first = self.found - sum([flow.in_flight for flow in self._flows]) if self.found else 0
        flow = FlowController(now, most, max(FIRST_WINDOW, first))
        self._flows.add(flow)
        return flow

    def learn(self, flow: FlowController) -> None:
        """Remember what a stream has found; one that has carried less than that knows no better."""
        if flow.is_far and flow.acknowledged_bytes >= self.found:
            self.found = flow.window

    def takes_from(self, end: HeldBack) -> bool:
        """Whether a stream may be written to; if not, its end is told when that has changed."""
        if self.queued < MOST_QUEUED:
            return True
        self._held_back[end] = None
        return False

    def look(self) -> None:
        """See what has left, once all that was written was sent; streams may go on."""
        if self.queued:
            self.queued = self._unsent()
        if self.queued < MOST_QUEUED and self._held_back:
            ends, self._held_back = self._held_back, {}
            for end in ends:
                end.changed()


class _Highest:
    """The highest of the samples of the last while, kept as that of this period and of the last."""

    __slots__ = ("_before", "_now", "_since")

    def __init__(self) -> None:
        self._since = 0.0
        self._now = 0.0
        self._before = 0.0

    def take(self, sample: float, at: float, round_trip: float) -> float:
        """Take a sample, and give the highest.

        Args:
            sample: it.
            at: the time.
            round_trip: in seconds; a period is no shorter than a few of them.
        """
        age = at - self._since
        if age >= _RATE_MEMORY and age >= _RATE_MEMORY_TRIPS * round_trip:
            period = max(_RATE_MEMORY, _RATE_MEMORY_TRIPS * round_trip)
            self._before = self._now if age < 2 * period else 0.0
            self._now, self._since = sample, at
        elif sample > self._now:
            self._now = sample
        return max(self._before, self._now)
