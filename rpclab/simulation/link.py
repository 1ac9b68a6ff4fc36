"""Links that take their time: ordered frames with a latency, a bandwidth, jitter, and cuts.

Floor: rpc. Nothing here waits: time and scheduling are handed in, so that a loop, a virtual
clock or a test by hand can drive it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from rpclab.core.messages import Frame, size_of
from rpclab.previews import counted
from rpclab.simulation.units import bytes_per_second, rate_text, seconds, time_text

Deliver = Callable[[int, list[Frame]], None]
"""Takes a batch, as `Session.receive` does."""


class Timer(Protocol):
    """A call that was scheduled."""

    def cancel(self) -> None:
        """Take it back."""


class Clock(Protocol):
    """What a link needs from the world."""

    def now(self) -> float:
        """The time, in seconds."""

    def call_at(self, when: float, function: Callable[[], None]) -> Timer | None:
        """Call a function at a time, or soon after; None if `Link.rearm` will be called first."""


class Link:
    """The way between two ends, alike in both directions.

    Everything can be changed while frames are under way, and acts on these at once. While a link is
    cut it stands still: frames wait where they are, and go on from there when it is mended.

    Args:
        one: the name of an end.
        other: the name of the other.
        clock: the time, and how to wait for it.
        seed: of the jitter; the same seed gives the same delays.

    Attributes:
        ends: the names.
        changed: called when anything was changed.
    """

    def __init__(self, one: str, other: str, *, clock: Clock, seed: int = 0) -> None:
        self.ends = (one, other)
        self.changed: Callable[[Link], None] | None = None
        self._seed = seed
        self._clock = clock
        self._rtt = 0.0
        self._bandwidth = math.inf
        self._jitter = 0.0
        self._cut_at: float | None = None
        self._stood_still = 0.0
        self._lanes: list[Lane] = []

    @property
    def seed(self) -> int:
        """The seed of the jitter; setting it begins the row of delays anew."""
        return self._seed

    @seed.setter
    def seed(self, value: int) -> None:
        self._seed = value
        for lane in self._lanes:
            lane.begin_jitter()

    @property
    def rtt(self) -> float:
        """The round trip, in seconds: half of it one way."""
        return self._rtt

    @rtt.setter
    def rtt(self, value: float | str) -> None:
        self.change(rtt=value)

    @property
    def bandwidth(self) -> float:
        """Bytes a second in each direction; `math.inf` where there is no limit."""
        return self._bandwidth

    @bandwidth.setter
    def bandwidth(self, value: float | str) -> None:
        self.change(bandwidth=value)

    @property
    def jitter(self) -> float:
        """How much longer than half the round trip a frame may take at most, in seconds."""
        return self._jitter

    @jitter.setter
    def jitter(self, value: float | str) -> None:
        self.change(jitter=value)

    @property
    def up(self) -> bool:
        """Whether frames get through; else they wait."""
        return self._cut_at is None

    @up.setter
    def up(self, value: bool) -> None:
        self.change(up=value)

    def cut(self) -> None:
        """Let frames wait until the link is mended."""
        self.change(up=False)

    def mend(self) -> None:
        """Let the frames that wait go on."""
        self.change(up=True)

    def change(
        self,
        *,
        rtt: float | str | None = None,
        bandwidth: float | str | None = None,
        jitter: float | str | None = None,
        up: bool | None = None,
    ) -> None:
        """Change what is given, at once, also for the frames that are under way.

        Raises:
            ValueError: a time or rate is none.
            TypeError: likewise, of another type.
        """
        span = None if rtt is None else seconds(rtt, "rtt")
        rate = None if bandwidth is None else bytes_per_second(bandwidth, "bandwidth")
        spread = None if jitter is None else seconds(jitter, "jitter")
        for lane in self._lanes:
            lane.transmit()
        self._rtt = self._rtt if span is None else span
        self._bandwidth = self._bandwidth if rate is None else rate
        self._jitter = self._jitter if spread is None else spread
        if up is False and self._cut_at is None:
            self._cut_at = self._clock.now()
        elif up and self._cut_at is not None:
            self._stood_still += self._clock.now() - self._cut_at
            self._cut_at = None
        for lane in self._lanes:
            lane.arm()
        if self.changed is not None:
            self.changed(self)

    @property
    def is_nothing(self) -> bool:
        """Whether frames pass as if it were not there."""
        return not self._rtt and not self._jitter and self.up and self._bandwidth == math.inf

    # What its lanes ask.

    def time(self) -> float:
        """The time of the link, which stands still while it is cut."""
        now = self._clock.now() if self._cut_at is None else self._cut_at
        return now - self._stood_still

    def call_at(self, when: float, function: Callable[[], None]) -> Timer | None:
        """Call a function at a time of the link; not at all while it is cut."""
        return self._clock.call_at(when + self._stood_still, function) if self.up else None

    def join(self, lane: Lane) -> None:
        """Take a lane on."""
        self._lanes.append(lane)

    def leave(self, lane: Lane) -> None:
        """Let a lane go."""
        self._lanes.remove(lane)

    def rearm(self) -> None:
        """Wait anew: the clock has lost what was scheduled."""
        for lane in self._lanes:
            lane.arm()

    def __str__(self) -> str:
        parts = [f"round trip {time_text(self._rtt)}"]
        if self._jitter:
            parts.append(f"jitter {time_text(self._jitter)}")
        if self._bandwidth != math.inf:
            parts.append(rate_text(self._bandwidth))
        waiting = sum(len(lane) for lane in self._lanes)
        if waiting:
            parts.append(f"{counted(waiting, 'frame')} under way")
        if not self.up:
            parts.append("cut")
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<Link {self.ends[0]} ↔ {self.ends[1]}: {self}>"


class _Flight:
    """A frame under way.

    Attributes:
        frame: its bytes; None where a batch has only an acknowledgement.
        seen: what it acknowledges on arrival.
        left: how many bytes have not left the sender yet.
        since: when it was sent, in the time of the link.
        luck: its share of the jitter, from 0 to 1.
        departed: when its last byte left.
    """

    __slots__ = ("departed", "frame", "left", "luck", "seen", "since")

    def __init__(self, frame: Frame | None, seen: int, since: float, luck: float) -> None:
        self.frame = frame
        self.seen = seen
        self.left: float = size_of(frame) if frame is not None else 0
        self.since = since
        self.luck = luck
        self.departed = 0.0


class Lane:
    """One direction of a link between two sessions. Frames arrive in the order sent, each once.

    Args:
        link: what it goes along.
        deliver: takes what arrives.
        name: such as "notebook→counter"; with the link's seed it decides the jitter.
    """

    def __init__(self, link: Link, deliver: Deliver, name: str) -> None:
        self._link = link
        self._deliver = deliver
        self._name = name
        self.begin_jitter()
        self._sending: deque[_Flight] = deque()
        self._flying: deque[_Flight] = deque()
        self._free = -math.inf  # since when the sender has sent all before
        self._acknowledged = 0
        self._due: float | None = None
        self._timer: Timer | None = None
        link.join(self)

    def __len__(self) -> int:
        return len(self._sending) + len(self._flying)

    def begin_jitter(self) -> None:
        """Begin the row of delays that the seed of the link gives."""
        self._random = Random(f"{self._link.seed} {self._name}")  # noqa: S311 - no secrets

    def send(self, seen: int, frames: list[Frame]) -> None:
        """Send a batch; to be a session's `send`."""
        link = self._link
        if not self._sending and not self._flying and link.is_nothing:
            self._acknowledged = seen
            self._deliver(seen, frames)
            return
        now = link.time()
        last = len(frames) - 1
        for position, frame in enumerate(frames or [None]):
            # What a batch acknowledges holds once all of it has arrived.
            acknowledged = seen if position >= last else self._acknowledged
            self._sending.append(_Flight(frame, acknowledged, now, self._random.random()))
        self._acknowledged = seen
        if self._due is None:
            self.arm()

    def move(self, link: Link) -> None:
        """Go along another link from now on, with what is under way."""
        if link is self._link:
            return
        self.transmit()
        later = link.time() - self._link.time()
        for flight in (*self._sending, *self._flying):
            flight.since += later
            flight.departed += later
        self._free += later
        self._link.leave(self)
        self._link = link
        link.join(self)
        self.arm()

    def close(self) -> None:
        """Drop what is under way: the session has ended."""
        self._sending.clear()
        self._flying.clear()
        self.arm()
        self._link.leave(self)

    def transmit(self) -> None:
        """Let the sender send until now, at the present rate."""
        if not self._sending:
            return
        now = self._link.time()
        self._let_depart(now)
        if self._sending:
            flight = self._sending[0]
            begin = max(self._free, flight.since)
            if begin < now:
                flight.left -= (now - begin) * self._link.bandwidth
                self._free = now

    def _let_depart(self, now: float) -> None:
        while self._sending:
            flight = self._sending[0]
            end = self._departure(flight)
            if end > now:
                return
            flight.departed = self._free = end
            self._flying.append(self._sending.popleft())

    def _departure(self, flight: _Flight) -> float:
        begin = max(self._free, flight.since)
        return begin + flight.left / self._link.bandwidth if flight.left > 0 else begin

    def _next_arrival(self) -> float | None:
        if self._flying:
            flight, departure = self._flying[0], self._flying[0].departed
        elif self._sending:
            flight, departure = self._sending[0], self._departure(self._sending[0])
        else:
            return None
        return departure + self._link.rtt / 2 + flight.luck * self._link.jitter

    def arm(self) -> None:
        """Wait for what arrives next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._due = self._next_arrival()
        if due is not None:
            self._timer = self._link.call_at(due, lambda: self._arrive(due))

    def _arrive(self, due: float) -> None:
        if due != self._due or not self._link.up:
            return  # it was changed while this was on its way
        self._timer = None
        # A timer may be a hair early.
        now = max(self._link.time(), due)
        self._let_depart(now)
        frames: list[Frame] = []
        seen = 0
        while (arrival := self._next_arrival()) is not None and arrival <= now:
            flight = self._flying.popleft()
            seen = flight.seen
            if flight.frame is not None:
                frames.append(flight.frame)
        self.arm()
        self._deliver(seen, frames)
