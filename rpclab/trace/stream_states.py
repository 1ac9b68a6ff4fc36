"""Follows the streams of a recording: window, bytes in flight and buffered, who is held back.

Floor: trace. A part of the replay, which says what has arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rpclab.core.events import Call, ends, opposite
from rpclab.trace import events as ev
from rpclab.trace.model import Interval, StreamPoint, StreamSeries

KINDS = frozenset({
    ev.Joined, ev.ChunkSent, ev.StreamOpened, ev.CallReturned, ev.CreditGiven, ev.WriterHeldBack,
    ev.WriterWentOn, ev.StreamUnread, ev.LetGo,
})  # fmt: skip
"""The events that concern streams."""

OPEN, CLOSED, ABORTED, CANCELLED = "open", "closed", "aborted", "cancelled"


@dataclass(slots=True, kw_only=True)
class StreamState(StreamSeries):
    """A stream as far as it has come; `writes` are the sizes on the way, by the id of the write."""

    points: list[StreamPoint] = field(default_factory=list)
    held_back: list[Interval] = field(default_factory=list)
    window: int | None = None
    closing: bool = False
    sent: int = 0
    taken: int = 0
    acknowledged: int = 0
    arrived: int = 0
    writes: dict[int, tuple[str, int]] = field(default_factory=dict)

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


class Flows:
    """Follows the streams of a recording.

    Attributes:
        streams: as far as they have come, by number.
    """

    def __init__(self) -> None:
        self.streams: dict[int, StreamState] = {}
        # By the end that writes, and the number there, while the session lasts.
        self._open: dict[Call, StreamState] = {}
        self._of_write: dict[Call, StreamState] = {}

    def stream(self, key: Call, at: float) -> StreamState:
        """Find a stream, or take note of a new one."""
        found = self._open.get(key)
        if found is None:
            sender, receiver = ends(key[0])
            found = self._open[key] = StreamState(
                number=len(self.streams) + 1,
                sender=sender,
                receiver=receiver,
                id=key[1],
                opened=at,
                closed=None,
                outcome=OPEN,
                chunks=0,
            )
            self.streams[found.number] = found
        return found

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

    def arrived(self, message: Any, moment: int, at: float) -> None:
        """A message arrived, which may be a write or the answer to one."""
        is_write = type(message) is ev.ChunkSent
        if not is_write and type(message) not in (ev.CallReturned, ev.CallRaised):
            return
        writer = message.session if is_write else opposite(message.session)
        stream = self._of_write.get((writer, message.id))
        if stream is None or message.id not in stream.writes:
            return
        if is_write:
            stream.arrived += stream.writes[message.id][1]
        else:
            stream.acknowledged += stream.writes.pop(message.id)[1]
        stream.point(moment, at)
