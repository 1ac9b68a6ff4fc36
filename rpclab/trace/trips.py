"""Round trips as a recording shows them: how often the program waited, and what was saved.

Floor: trace. A recording tells which call was made by which method, on and with which promises, and
when results were awaited. So each call has a depth, as in `accounting.py`: that of its maker, and
one for each link crossed. What a recording does not tell is which of several tasks of one method
awaited a result; they count as one, so where tasks go on at different depths the numbers here may
be larger than those of a traced block, and never smaller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rpclab.core.events import opposite
from rpclab.trace import events as ev
from rpclab.trace.replay import Replay
from rpclab.trace.states import CallState

_OUTSIDE = 0  # in the place of a call's number: the notebook, or a script


class Trips(NamedTuple):
    """Round trips that the program around the Workers waited for.

    Attributes:
        waited: how many; a half is a message one way.
        saved: how many more it would have been, had each promise been awaited before its use.
    """

    waited: float
    saved: float


class _Depth(NamedTuple):
    """How many links were crossed one after another: as it was, and without pipelining."""

    as_it_was: int = 0
    awaited: int = 0

    def later(self, other: _Depth) -> _Depth:
        return _Depth(
            max(self.as_it_was, other.as_it_was), max(self.awaited, other.awaited)
        )  # fmt: skip

    def over(self, links: int) -> _Depth:
        return _Depth(self.as_it_was + links, self.awaited + links)


class TripCounter:
    """Counts round trips event by event.

    Args:
        replay: plays the same events; each is given to `play` after it was played there.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._actors: dict[int, _Depth] = {_OUTSIDE: _Depth()}
        self._made: dict[int, _Depth] = {}
        self._results: dict[int, _Depth] = {}

    @property
    def trips(self) -> Trips:
        """The numbers so far."""
        depth = self._actors[_OUTSIDE]
        return Trips(_half(depth.as_it_was), _half(max(depth.awaited - depth.as_it_was, 0)))

    def play(self, event: Any) -> None:
        """Take an event in."""
        match event:
            case ev.CallSent() | ev.MapSent():
                call = self._replay.calls[-1]
                if call.by is not None:
                    self._begin(call.by)  # which a call that is only forwarded does nowhere else
                self._made[call.number] = self._actors[_maker(call)]
            case ev.CallStarted():
                answered = self._replay.call_of((opposite(event.session), event.id))
                if answered is not None:
                    self._begin(answered)
            case ev.CallReturned() | ev.CallRaised():
                answered = self._replay.call_of((opposite(event.session), event.id))
                if answered is not None:
                    self._begin(answered)
                    self._results[answered.number] = self._actors.pop(answered.number)
            case ev.Awaited():
                for number in event.ids:
                    self._waited(self._replay.call_of((event.session, number)))
            case ev.Settled():
                call_ = self._replay.call_of((event.session, event.id))
                if call_ is not None and call_.by is not None:
                    self._waited(call_)

    def _begin(self, call: CallState) -> None:
        """The method of a call runs: after its making, and after the promises that it needs."""
        if call.number in self._actors:
            return
        links = _links(call)
        made = self._made.get(call.number, _Depth())
        begun = made.over(links)
        for other in (call.on, *call.using):
            if other is None or other.number not in self._results:
                continue
            result = self._results[other.number]
            way = 0 if other.worker == call.worker else _links(other) + links
            begun = _Depth(
                max(begun.as_it_was, result.as_it_was + way),
                max(begun.awaited, result.awaited + _links(other) + links),
            )
        self._actors[call.number] = begun

    def _waited(self, call: CallState | None) -> None:
        """Whoever made a call has gone on with its result."""
        if call is None or call.number not in self._results:
            return
        maker = _maker(call)
        arrived = self._results[call.number].over(_links(call))
        if maker in self._actors:
            self._actors[maker] = self._actors[maker].later(arrived)


def round_trips(recording: Iterable[Any]) -> Trips:
    """Count the round trips of a recording.

    Args:
        recording: a recording, or some of its events in order.
    """
    replay = Replay()
    counter = TripCounter(replay)
    for event in recording:
        replay.play((event,))
        counter.play(event)
    return counter.trips


def _maker(call: CallState) -> int:
    return _OUTSIDE if call.by is None else call.by.number


def _links(call: CallState) -> int:
    return 0 if call.caller == call.worker else 1


def _half(depth: int) -> float:
    return depth // 2 if depth % 2 == 0 else depth / 2
