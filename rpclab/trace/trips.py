"""Round trips as a recording shows them: how often the program waited, and what was saved.

Floor: trace. A recording tells which call was made by which method, on and with which promises, and
when results were awaited. So the graph of `accounting.py` can be drawn anew from it: what is done
is a node, a message costs one, and the depth of a node is the longest way to it. What a recording
does not tell is which of several tasks of one method awaited a result; they count as one, so where
tasks go on at different depths the numbers here may be larger than those of a traced block. Nor who
reads a stream: what is waited for chunks is not counted here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from rpclab.core.events import opposite
from rpclab.trace import events as ev
from rpclab.trace.replay import Replay
from rpclab.trace.states import CallState

_OUTSIDE = 0  # in the place of a call's number: the notebook, or a script
_BEGIN = 0  # the node that everything comes after


class Trips(NamedTuple):
    """Round trips that the program around the Workers waited for.

    Attributes:
        waited: how many; a half is a message one way.
        saved: how many more it would have been, had each promise been awaited before its use; less
            than none where a call would not have been made, for the promise has failed.
    """

    waited: float
    saved: float


class _Graph:
    """What came after what, and how many links were crossed from there.

    Attributes:
        arrivals: by the number of a call, the node at which its caller has the result.
        failed: the calls that failed.
    """

    def __init__(self) -> None:
        self.arrivals: dict[int, int] = {}
        self.failed: set[int] = set()
        self._before: list[list[tuple[int, int]]] = [[]]
        self._depths = [0]
        self._awaited = [0]  # the depths without pipelining, as far as results are there
        # The nodes for which that may change yet, each with those that come after it.
        self._open: dict[int, set[int]] = {}
        self._lacking: dict[int, list[int]] = {}  # by the call whose result they come after
        self._goes_round = False
        self._made_with: dict[int, list[int]] = {}
        self._behind: dict[int, int] = {}
        self._results: dict[int, CallState] = {}

    def after(self, *before: tuple[int, int]) -> int:
        """Give the node that comes after others, each with the links crossed from there."""
        if len(before) == 1 and before[0][1] == 0:
            return before[0][0]
        return self._reckon(self._add([*before]), [])

    def made(self, node: int, calls: list[CallState], behind: int | None) -> int:
        """Give the node of a call.

        Args:
            node: how far its maker had come.
            calls: those on and with whose promises it is made.
            behind: the node of an earlier call on the same stub, which would have been held back.
        """
        if not calls and behind is None:
            return node
        made = self._add([(node, 0)])
        self._made_with[made] = [other.number for other in calls]
        if behind is not None:
            self._behind[made] = behind
        return self._reckon(made, self._made_with[made])

    def arrived(self, call: CallState, node: int, *, failed: bool) -> None:
        """The result of a call is sent at `node`."""
        if failed:
            self.failed.add(call.number)
        links, promises = _links(call), _promises(call)
        arrival = node
        if links:
            arrival = self._add([(node, links)])
            if promises:
                self._results[arrival] = call
            self._reckon(arrival, [other.number for other in promises])
        self.arrivals[call.number] = arrival
        self._reckon_anew(self._lacking.pop(call.number, []))

    def depth(self, node: int) -> int:
        """The depth of a node, as it happened."""
        return self._depths[node]

    def awaited_depth(self, node: int) -> int:
        """The depth of a node, had each promise been awaited before its use."""
        return self._awaited[node]

    def _add(self, before: list[tuple[int, int]]) -> int:
        self._before.append(before)
        self._depths.append(max(self._depths[node] + links for node, links in before))
        return len(self._before) - 1

    def _reckon(self, node: int, calls: list[int]) -> int:
        """Find how deep a new node is without pipelining; the results of calls may change that."""
        self._awaited.append(0)
        self._open[node] = set()
        for number in calls:
            if number not in self.arrivals:
                self._lacking.setdefault(number, []).append(node)
        self._reckon_anew([node])
        return node

    def _reckon_anew(self, nodes: list[int]) -> None:
        """What these come after has changed; what changes by that follows."""
        changed = deque(nodes)
        while changed and not self._goes_round:
            node = changed.popleft()
            if node not in self._open:
                continue
            before, final = self._without_pipelining(node)
            for earlier, _ in before:
                if earlier in self._open:
                    self._open[earlier].add(node)
                    final = False
            depth = max((self._awaited[earlier] + links for earlier, links in before), default=0)
            # Only a damaged recording has a call that comes after its own result.
            self._goes_round = depth > len(self._before)
            if final:
                changed += self._open.pop(node)
            elif depth != self._awaited[node]:
                changed += self._open[node]
            self._awaited[node] = depth

    def _without_pipelining(self, node: int) -> tuple[list[tuple[int, int]], bool]:
        """What a node would come after, and whether that is for certain."""
        call = self._results.get(node)
        if call is not None:
            others = [other.number for other in _promises(call)]
            failed = [number for number in others if number in self.failed]
            if failed:  # had it been awaited, the call would not have been made
                return [(self.arrivals[number], 0) for number in failed], True
            return self._before[node], all(number in self.arrivals for number in others)
        others = self._made_with.get(node, [])
        there = [(self.arrivals[number], 0) for number in others if number in self.arrivals]
        if node in self._behind:
            there.append((self._behind[node], 0))
            return self._before[node] + there, len(there) > len(others)
        return self._before[node] + there, len(there) == len(others)


class TripCounter:
    """Counts round trips event by event.

    Args:
        replay: plays the same events; each is given to `play` after it was played there.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._graph = _Graph()
        self._actors: dict[int, int] = {_OUTSIDE: _BEGIN}
        self._made: dict[int, int] = {}
        self._replies: dict[int, int] = {}
        self._held: dict[int, int] = {}
        self._left: dict[int, int] = {}  # by a call held back, after what all up to it waited for
        # By what calls are made on, the last that came with a promise; those behind it wait too.
        self._lanes: dict[tuple[str, int], int] = {}
        self._ahead: dict[int, int] = {}
        self._begun: dict[int, int] = {}

    @property
    def trips(self) -> Trips:
        """The numbers so far."""
        node = self._actors[_OUTSIDE]
        depth = self._graph.depth(node)
        return Trips(_half(depth), _half(self._graph.awaited_depth(node) - depth))

    def play(self, event: Any) -> None:
        """Take an event in."""
        call_of = self._replay.call_of
        match event:
            case ev.CallSent() | ev.MapSent():
                call, lane = self._replay.calls[-1], (event.session, event.target)
                ahead = self._lanes.get(lane)
                node = self._graph.made(
                    self._actor(call.by), _promises(call), ahead and self._made[ahead]
                )
                self._made[call.number] = node
                if ahead is not None:
                    self._ahead[call.number] = ahead
                if call.using:
                    self._lanes[lane] = call.number
            case ev.CallStarted():
                self._actor(call_of((opposite(event.session), event.id)), late=True)
            case ev.CallReturned() | ev.CallRaised():
                answered = call_of((opposite(event.session), event.id))
                if answered is not None:
                    node = self._replies[answered.number] = self._actor(answered)
                    failed = type(event) is ev.CallRaised
                    self._graph.arrived(answered, node, failed=failed)
            case ev.Awaited():
                self._waited([call_of((event.session, number)) for number in event.ids])
            case ev.Settled():
                settled = call_of((event.session, event.id))
                if settled is not None and settled.by is not None:
                    self._waited([settled])
            case ev.CallHeld():
                self._held[event.number] = self._actor(call_of(_asked(event.by)))
            case ev.HeldCallSent():
                self._sent_at_last(event)

    def _sent_at_last(self, event: ev.HeldCallSent) -> None:
        """A call was held back: it comes after what it waited for, and not after its maker."""
        call = self._replay.call_of((event.session, event.id))
        held = self._held.pop(event.number, None)
        if call is not None and held is not None:
            arrivals = self._arrivals([self._replay.call_of(key) for key in event.after])
            ahead = self._left.pop(event.behind, _BEGIN)
            waited = self._left[event.number] = self._graph.after((ahead, 0), *arrivals)
            self._made[call.number] = self._graph.after((held, 0), (waited, 0))

    def _actor(self, call: CallState | None, *, late: bool = False) -> int:
        """How far the method of a call has come; or the program outside, where there is none.

        A method begins after the making of its call, and after the promises that it needs; one
        that begins late, after the method of the call in front of it.
        """
        if call is None:
            return self._actors[_OUTSIDE]
        waiting = [call]
        while waiting:
            top = waiting[-1]
            # An error goes down a chain of calls first, and is told of the last one first.
            before = [
                other
                for other in _promises(top)
                if _is_near(other, top) and other.number not in self._actors
            ]
            if before:
                waiting += before
            else:
                del waiting[-1]
                if top.number not in self._actors:
                    self._begin(top, late=late and top is call)
        return self._actors[call.number]

    def _begin(self, call: CallState, *, late: bool) -> None:
        links = _links(call)
        before = [(self._made.get(call.number, _BEGIN), links)]
        for other in _promises(call):
            reply = self._replies.get(other.number)
            if _is_near(other, call):
                before.append((self._actors[other.number] if reply is None else reply, 0))
            elif reply is not None:
                before.append((reply, _links(other) + links))
        ahead = self._begun.get(self._ahead.get(call.number, -1))
        if late and ahead is not None:
            before.append((ahead, 0))
        node = self._actors[call.number] = self._graph.after(*before)
        if call.using or call.number in self._ahead:
            self._begun[call.number] = node

    def _waited(self, calls: list[CallState | None]) -> None:
        """Whoever made these calls has gone on with their results."""
        for maker in {_maker(call) for call in calls if call is not None}:
            if maker in self._actors:
                arrivals = self._arrivals(
                    [call for call in calls if call is not None and _maker(call) == maker]
                )
                self._actors[maker] = self._graph.after((self._actors[maker], 0), *arrivals)

    def _arrivals(self, calls: list[CallState | None]) -> list[tuple[int, int]]:
        nodes = (self._graph.arrivals.get(call.number) for call in calls if call is not None)
        return [(node, 0) for node in nodes if node is not None]


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


def _promises(call: CallState) -> list[CallState]:
    """The calls on and with whose promises a call was made."""
    return call.using if call.on is None else [call.on, *call.using]


def _is_near(other: CallState, call: CallState) -> bool:
    """Whether the end that answers a call has the result of the other one without a message."""
    return other.sent.session == call.sent.session


def _maker(call: CallState) -> int:
    return _OUTSIDE if call.by is None else call.by.number


def _asked(answering: Any) -> Any:
    """A call as its caller knows it, from what the end says that answers it."""
    return None if answering is None else (opposite(answering[0]), answering[1])


def _links(call: CallState) -> int:
    return 0 if call.caller == call.worker else 1


def _half(depth: int) -> float:
    return depth // 2 if depth % 2 == 0 else depth / 2
