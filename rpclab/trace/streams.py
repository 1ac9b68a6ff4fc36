"""Streams over time: window, bytes in flight, bytes buffered, and when the writer was held back.

Floor: trace. A pure function of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rpclab.core.events import Call, ends, opposite
from rpclab.trace import events as ev
from rpclab.trace.model import Interval, StreamPoint, StreamSeries
from rpclab.trace.replay import Replay

OPEN, CLOSED, ABORTED, CANCELLED = "open", "closed", "aborted", "cancelled"


@dataclass(slots=True)
class StreamState:
    """A stream as far as it has come; `writes` are the sizes on the way, by the id of the write."""

    number: int
    key: Call
    opened: float
    window: int | None = None
    outcome: str = OPEN
    closed: float | None = None
    chunks: int = 0
    closing: bool = False
    sent: int = 0
    taken: int = 0
    acknowledged: int = 0
    arrived: int = 0
    writes: dict[int, tuple[str, int]] = field(default_factory=dict)
    points: list[StreamPoint] = field(default_factory=list)
    held_back: list[Interval] = field(default_factory=list)

    def point(self, moment: int, time: float) -> None:
        self.points.append(
            StreamPoint(
                moment,
                time,
                self.window,
                self.sent - self.acknowledged,
                self.arrived - self.taken,
                self.sent,
                self.taken,
            )
        )

    def end(self, outcome: str, time: float) -> None:
        if self.outcome == OPEN:
            self.outcome, self.closed = outcome, time
            self.go_on(time)

    def go_on(self, time: float) -> None:
        if self.held_back and self.held_back[-1].end is None:
            self.held_back[-1] = Interval(self.held_back[-1].begin, time)


class StreamsPlay:
    """Follows the streams of a recording.

    Args:
        arrivals: by the moment of an arrival, the messages of streams that arrived.

    Attributes:
        streams: as far as they have come, by number.
    """

    def __init__(self, arrivals: dict[int, list[Any]]) -> None:
        self.streams: dict[int, StreamState] = {}
        # By the end that writes, and the number there, while the session lasts.
        self._open: dict[Call, StreamState] = {}
        self._of_write: dict[Call, StreamState] = {}
        self._arrivals = arrivals

    def stream(self, key: Call, at: float) -> StreamState:
        """Find a stream, or take note of a new one."""
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = StreamState(len(self.streams) + 1, key, at)
            self.streams[found.number] = found
        return found

    def is_answer(self, event: Any) -> bool:
        """Whether a message answers a write."""
        if type(event) not in (ev.CallReturned, ev.CallRaised):
            return False
        return (opposite(event.session), event.id) in self._of_write

    def play(self, moment: int, event: Any) -> None:
        """Take an event in."""
        changed: StreamState | None = None
        match event:
            case ev.Joined():
                self._joined(event)
            case ev.ChunkSent():
                changed = self._sent(event)
            case ev.StreamOpened():
                changed = self.stream((event.session, event.id), event.at)
            case ev.CallReturned():
                changed = self._taken(event)
            case ev.CreditGiven():
                changed = self.stream((event.session, event.id), event.at)
                changed.window = event.window
            case ev.WriterHeldBack():
                changed = self.stream((event.session, event.id), event.at)
                changed.held_back.append(Interval(event.at, None))
            case ev.WriterWentOn():
                changed = self.stream((event.session, event.id), event.at)
                changed.go_on(event.at)
            case ev.StreamUnread():
                changed = self.stream((opposite(event.session), event.id), event.at)
                changed.end(CANCELLED, event.at)
            case ev.LetGo():
                changed = self._let_go(event)
            case ev.Arrived():
                self._arrived(moment, event)
        if changed is not None:
            changed.point(moment, event.at)

    def _joined(self, event: ev.Joined) -> None:
        """A session that was closed is opened again, and its ids begin anew."""
        ended = (event.session, opposite(event.session))
        for known in (self._open, self._of_write):
            for key in [key for key in known if key[0] in ended]:
                del known[key]

    def _sent(self, event: ev.ChunkSent) -> StreamState:
        stream = self.stream((event.session, event.target), event.at)
        size = event.size if event.operation == "write" else 0
        stream.writes[event.id] = (event.operation, size)
        stream.chunks += event.operation == "write"
        stream.sent += size
        self._of_write[event.session, event.id] = stream
        stream.closing |= event.operation == "close"
        if event.operation == "abort":
            stream.end(ABORTED, event.at)
        return stream

    def _let_go(self, event: ev.LetGo) -> StreamState | None:
        """The writer is through; if it did not say that all has come, it broke off."""
        stream = self._open.get((event.session, event.id))
        if stream is None or stream.closing or stream.outcome != OPEN:
            return None
        stream.end(ABORTED, event.at)
        return stream

    def _taken(self, event: ev.CallReturned) -> StreamState | None:
        """A write was answered: the reader has taken the chunk."""
        stream = self._of_write.get((opposite(event.session), event.id))
        if stream is None or event.id not in stream.writes:
            return None
        operation, size = stream.writes[event.id]
        stream.taken += size
        if operation == "close":
            stream.end(CLOSED, event.at)
        return stream

    def _arrived(self, moment: int, event: ev.Arrived) -> None:
        for message in self._arrivals.get(moment, ()):
            is_write = type(message) is ev.ChunkSent
            writer = message.session if is_write else opposite(message.session)
            stream = self._of_write.get((writer, message.id))
            if stream is None or message.id not in stream.writes:
                continue
            if is_write:
                stream.arrived += stream.writes[message.id][1]
            else:
                stream.acknowledged += stream.writes.pop(message.id)[1]
            stream.point(moment, event.at)


def streams(recording: Iterable[Any]) -> tuple[StreamSeries, ...]:
    """Give each stream of a recording as a series, in the order in which they were opened.

    Args:
        recording: a recording, or some of its events in order.
    """
    events = list(recording)
    replay = Replay(events)
    writes = {(e.session, e.id) for e in events if type(e) is ev.ChunkSent}
    arrivals: dict[int, list[Any]] = {}
    for message in replay.messages:
        event = message.event
        answers = type(event) in (ev.CallReturned, ev.CallRaised)
        concerns = (opposite(event.session), event.id) in writes if answers else False
        if message.arrived_at is not None and (concerns or type(event) is ev.ChunkSent):
            arrivals.setdefault(message.arrived_at, []).append(event)
    follow = StreamsPlay(arrivals)
    for moment, event in enumerate(events):
        follow.play(moment, event)
    return tuple(_series(stream) for stream in follow.streams.values())


def _series(stream: StreamState) -> StreamSeries:
    sender, receiver = ends(stream.key[0])
    return StreamSeries(
        stream.number,
        sender,
        receiver,
        stream.key[1],
        stream.opened,
        stream.closed,
        stream.outcome,
        stream.chunks,
        tuple(stream.points),
        tuple(stream.held_back),
    )
