"""Round trips: how often a program waited for a message to go and come back, and what was saved.

Floor: trace. What is done is a node of a graph, which comes after others: a method after the making
of its call, a task after the results that it awaited. A message costs one, and the depth of a node
is the longest way to it; so a round trip is two. *Without pipelining* is the same graph in which a
call made on or with a promise comes after the result of that, too.

All of it is told by the events of a recording: who made a call (`by` and `task`), on and with which
promises, who awaited its result or read a chunk, which tasks were started and seen to be done. A
task that another one waits for by an Event or a Queue alone is not known to be waited for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, MutableMapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from rpclab.core.events import NOBODY, Call, ends, opposite
from rpclab.trace import events as ev

MOST = 30_000
"""So many calls that are answered are known; an older promise that is used costs nothing."""

_STEPS = 64
"""A task that has acted for the first time so many steps late is known to the step."""

Who = tuple[Call | None, int]
"""Whose code acts, by the end that answers the call; and which of its tasks."""

PROGRAM: Who = (None, 0)


class Trips(NamedTuple):
    """Round trips that the program around the Workers waited for.

    Attributes:
        waited: how many; a half is a message one way.
        saved: how many more it would have been, had each promise been awaited before its use; less
            than none where a call would not have been made, for the promise has failed.
    """

    waited: float
    saved: float

    def compared(self, *, pipelined: bool) -> tuple[float, float, bool | None]:
        """The round trips, those without pipelining, and whether that saved something.

        The last is None where nothing was saved for this program, and something pipelined: by it,
        or by others.

        Args:
            pipelined: whether any call was made on a result that was not there yet.
        """
        unknown = pipelined and not self.saved
        return self.waited, self.waited + self.saved, None if unknown else bool(self.saved)


class _Made:
    """A call, or a write to a stream, as far as it has come.

    Attributes:
        session: the end that made it.
        maker: whose code made it.
        is_write: whether it is a write.
        links: how many its message crosses.
        promises: those on and with which it was made, while that may matter.
        made: the node of its making.
        ahead: the call in front of it on the same stub, where that came with a promise; the write
            in front of it.
        begun: the node at which its method began.
        reached: the node that its method has come to.
        reply: the node at which it was answered.
        arrival: the node at which its caller has the result.
        failed: whether that is an error.
        lacking: the nodes that come after its result, which is not there yet.
    """

    __slots__ = (
        "ahead", "arrival", "begun", "failed", "is_write", "lacking", "links", "made", "maker",
        "promises", "reached", "reply", "session",
    )  # fmt: skip

    def __init__(
        self,
        session: str,
        maker: Who,
        promises: Sequence[_Made] = (),
        *,
        is_write: bool = False,
    ) -> None:
        self.session = session
        self.maker = maker
        self.is_write = is_write
        self.links = _links(session)
        self.promises = promises
        self.made = _BEGIN
        self.ahead: _Made | None = None
        self.begun: _Node | None = None
        self.reached: _Node | None = None
        self.reply: _Node | None = None
        self.arrival: _Node | None = None
        self.failed = False
        self.lacking: list[_Node] = []


class _Node:
    """What comes after what, and how many links were crossed from there.

    Attributes:
        depth: as it happened.
        awaited: without pipelining, as far as that is known.
        before: what it comes after, with the links. This and the next are forgotten once `awaited`
            is certain.
        made_with: the calls whose results it would come after.
        behind: the node of an earlier call on the same stub, which would have been held back.
        result_of: the call with promises whose result it is.
        later: the nodes that come after it; None once `awaited` is certain.
    """

    __slots__ = ("awaited", "before", "behind", "depth", "later", "made_with", "result_of")

    def __init__(
        self,
        before: Sequence[tuple[_Node, int]] = (),
        made_with: Sequence[_Made] = (),
        behind: _Node | None = None,
        result_of: _Made | None = None,
    ) -> None:
        self.before = before
        self.made_with = made_with
        self.behind = behind
        self.result_of = result_of
        self.depth: int = max([node.depth + links for node, links in before], default=0)
        self.awaited = 0
        self.later: set[_Node] | None = set()


_BEGIN = _Node()
"""The node that everything comes after."""
_BEGIN.later = None


class _Graph:
    """Finds how deep nodes are; a result that arrives may change that of those before it."""

    def __init__(self) -> None:
        self._nodes = 0
        self._goes_round = False

    def after(self, *before: tuple[_Node, int]) -> _Node:
        """Give the node that comes after others, each with the links crossed from there."""
        if len(before) == 1 and before[0][1] == 0:
            return before[0][0]
        return self._add(_Node(before))

    def made(self, node: _Node, promises: Sequence[_Made], behind: _Node | None) -> _Node:
        """Give the node of a call that is made at another one."""
        if not promises and behind is None:
            return node
        return self._add(_Node(((node, 0),), promises, behind))

    def answered(self, call: _Made, node: _Node, *, failed: bool) -> None:
        """The result of a call is sent at that node."""
        call.reply, call.failed = node, failed
        arrival = node
        if call.links:
            result_of = call if call.promises else None
            arrival = self._add(_Node(((node, call.links),), result_of=result_of))
        call.arrival = arrival
        lacking, call.lacking = call.lacking, []
        self._reckon(lacking)

    def _add(self, node: _Node) -> _Node:
        self._nodes += 1
        of = node.result_of
        for other in node.made_with if of is None else of.promises:
            if other.arrival is None:
                other.lacking.append(node)
        self._reckon([node])
        return node

    def _reckon(self, nodes: Iterable[_Node]) -> None:
        """What these come after has changed; what changes by that follows."""
        changed = deque(nodes)
        while changed and not self._goes_round:
            node = changed.popleft()
            if node.later is None:
                continue
            before, final = self.without_pipelining(node)
            for earlier, _ in before:
                if earlier.later is not None:
                    earlier.later.add(node)
                    final = False
            depth = max([earlier.awaited + links for earlier, links in before], default=0)
            # Only a damaged recording has a call that comes after its own result.
            self._goes_round = depth > 2 * self._nodes
            if final:
                changed += node.later
                self.close(node)
            elif depth != node.awaited:
                changed += node.later
            node.awaited = depth

    def close(self, node: _Node) -> None:
        """A node is certain: let go of what it comes after."""
        if node.result_of is not None:
            node.result_of.promises = ()
        node.later = node.behind = node.result_of = None
        node.before = node.made_with = ()

    def without_pipelining(self, node: _Node) -> tuple[list[tuple[_Node, int]], bool]:
        """What a node would come after, and whether that is for certain."""
        of = node.result_of
        others = node.made_with if of is None else of.promises
        there = [(other.arrival, 0) for other in others if other.arrival is not None]
        if of is not None:
            failed = [other.arrival for other in others if other.failed and other.arrival]
            if failed:  # had it been awaited, the call would not have been made
                return [(arrival, 0) for arrival in failed], True
            return [*node.before], len(there) == len(others)
        behind = [] if node.behind is None else [(node.behind, 0)]
        return [*node.before, *there, *behind], len(there) == len(others)


class TripCounter:
    """Counts round trips event by event.

    What it keeps is bounded: what is under way, and the last calls that were answered.

    Args:
        whose: whose round trips; those of the program around the Workers unless given, all its
            tasks taken together.
    """

    def __init__(self, whose: Who | None = None) -> None:
        self._whose = whose
        self._graph = _Graph()
        self._calls: dict[Call, _Made] = {}
        self._over: deque[Call] = deque()
        self._told: set[str] = set()  # the ends whose answers are recorded
        # How far all have come that are no first task of a method, and who has started them.
        self._others: dict[Who, _Node] = {PROGRAM: _BEGIN}
        # What comes after all those that they have started, and that are done.
        self._done: dict[Who, _Node] = {}
        # Where they were before their last steps, for the tasks that they had started by then.
        self._past: dict[Who, list[_Node]] = {}
        self._started_by: dict[int, tuple[Who, Who]] = {}
        # By what calls are made on, the last that came with a promise; those behind it wait too.
        self._lanes: dict[Call, _Made] = {}
        self._writes: dict[Call, _Made] = {}
        self._held: dict[int, tuple[Call | None, _Node]] = {}
        self._left: dict[int, _Node] = {}  # after what all up to a held call have waited for

    @property
    def trips(self) -> Trips:
        """The numbers so far."""
        if self._whose is not None:
            nodes = [self._reached(*self._whose)]
        else:
            nodes = [node for (by, n), node in self._others.items() if by is None and n >= 0]
        depth = max(node.depth for node in nodes)
        return Trips(_half(depth), _half(max(node.awaited for node in nodes) - depth))

    def play(self, event: Any) -> None:
        """Take an event in."""
        match event:
            case ev.CallSent() | ev.MapSent():
                self._sent(event)
            case ev.CallStarted():
                self._begin(self._answering(event.session, event.id), late=True)
            case ev.CallReturned() | ev.CallRaised():
                self._answered(event)
            case ev.Awaited():
                self._awaited(event)
            case ev.CallForwarded():
                call, other = self._answering(event.session, event.id), self._calls.get(event.to)
                if other is not None and other.arrival is not None:
                    reached = self._begin(call)
                    call.reached = self._graph.after((reached, 0), (other.arrival, 0))
            case ev.ChunkSent():
                self._written(event)
            case ev.ChunkRead():
                write = self._answering(event.session, event.id)
                self._steps((event.by, event.task), (self._begin(write), 0))
                # The writer is told so by whoever reads.
                write.reached = self._reached(event.by, event.task)
            case ev.TaskBegun():
                self._task_begins(event)
            case ev.TaskDone():
                self._task_is_done(event.number)
            case ev.CallHeld():
                self._held[event.number] = event.by, self._reached(event.by, event.task)
                _bound(self._held)
            case ev.HeldCallGoes():
                self._goes_at_last(event)
            case ev.CallCancelled():
                self._is_over((event.session, event.id))
            case ev.Joined():
                self._joined(event.session)

    # Calls.

    def _sent(self, event: ev.CallSent | ev.MapSent) -> None:
        key, lane = (event.session, event.id), (event.session, event.target)
        on = self._calls.get(lane) if event.target > 0 else None
        using = [self._calls[other] for other in event.using if other in self._calls]
        maker = (event.by, event.task)
        call = _Made(event.session, maker, using if on is None else [on, *using])
        call.ahead = self._lanes.get(lane)
        call.made = self._reached(event.by, event.task)
        if NOBODY - event.task not in self._left:  # else it waited for all that already
            behind = None if call.ahead is None else call.ahead.made
            call.made = self._graph.made(call.made, call.promises, behind)
        self._calls[key] = call
        if using:
            self._lanes[lane] = call
            _bound(self._lanes)

    def _goes_at_last(self, event: ev.HeldCallGoes) -> None:
        """A call was held back: it comes after what it waited for, and not after its maker."""
        by, held = self._held.pop(event.number, (None, _BEGIN))
        arrivals = self._arrivals(event.after)
        ahead = self._left.get(event.behind, _BEGIN)
        waited = self._left[event.number] = self._graph.after((ahead, 0), *arrivals)
        _bound(self._left)
        self._goes_on((by, NOBODY - event.number), self._graph.after((held, 0), (waited, 0)))

    def _written(self, event: ev.ChunkSent) -> None:
        stream = (event.session, event.target)
        write = self._calls[event.session, event.id] = _Made(
            event.session, (event.by, event.task), is_write=True
        )
        write.made = self._reached(event.by, event.task)
        write.ahead = self._writes.get(stream)
        self._writes[stream] = write
        _bound(self._writes)

    def _answered(self, event: ev.CallReturned | ev.CallRaised) -> None:
        self._told.add(event.session)
        call = self._answering(event.session, event.id)
        self._graph.answered(call, self._begin(call), failed=type(event) is ev.CallRaised)
        self._is_over((call.session, event.id))
        self._past.pop(((event.session, event.id), 0), None)

    def _answered_elsewhere(self, call: _Made) -> None:
        """The other end is in another program: its answer, which was awaited, is not recorded."""
        found, looking = dict[_Made, None](), [call]
        while looking:
            top = looking.pop()
            if top.arrival is None and top not in found:
                found[top] = None
                looking += top.promises
        for top in reversed(found):
            self._graph.answered(top, self._begin(top), failed=False)

    def _is_over(self, key: Call) -> None:
        self._over.append(key)
        if len(self._over) > MOST:
            self._calls.pop(self._over.popleft(), None)

    def _joined(self, session: str) -> None:
        """A session that was closed is opened again, and its ids begin anew."""
        labels = (session, _opposite(session))
        for table in (self._calls, self._lanes, self._writes):
            for key in [key for key in table if key[0] in labels]:
                del table[key]

    def _answering(self, session: str, number: int) -> _Made:
        """The call that an end answers."""
        key = (_opposite(session), number)
        found = self._calls.get(key)
        if found is None:
            # It was made before the recording began.
            found = self._calls[key] = _Made(key[0], PROGRAM)
            found.reached = _BEGIN
        return found

    def _begin(self, call: _Made, *, late: bool = False) -> _Node:
        """How far the method of a call has come.

        It begins after the making of its call, and after the promises that it needs; one that
        begins late, after the method of the call in front of it, and a write after that was taken.
        """
        waiting = [call]
        while waiting and call.reached is None:
            top = waiting[-1]
            # An error goes down a chain of calls first, and is told of the last one first.
            before = [
                other
                for other in top.promises
                if other.session == top.session and other.reached is None
            ]
            if before and len(waiting) <= len(self._calls):
                waiting += before
                continue
            del waiting[-1]
            if top.reached is None:
                self._begin_at(top, late=late and top is call)
        return call.reached or _BEGIN

    def _begin_at(self, call: _Made, *, late: bool) -> None:
        before = [(call.made, call.links)]
        for other in call.promises:
            reply = other.reply
            if other.session == call.session:
                # The end that answers has the result without a message.
                before.append((reply or other.reached or _BEGIN, 0))
            elif reply is not None:
                before.append((reply, other.links + call.links))
        ahead, call.ahead = call.ahead, None
        if late and ahead is not None:
            turn = ahead.reply if call.is_write else ahead.begun
            before += [] if turn is None else [(turn, 0)]
        call.reached = self._graph.after(*before)
        if call.promises or ahead is not None:
            call.begun = call.reached

    # Those who act.

    def _reached(self, by: Call | None, task: int) -> _Node:
        if by is not None and task == 0:
            return self._begin(self._answering(*by))
        return self._others.get((by, task), _BEGIN)

    def _steps(self, who: Who, *after: tuple[_Node, int]) -> None:
        """Somebody goes on after further nodes."""
        here = self._reached(*who)
        past = self._past.get(who)
        if past is None:
            past = self._past[who] = []
            _bound(self._past)
        past.append(here)
        if len(past) > 2 * _STEPS:
            del past[:_STEPS]
        self._goes_on(who, self._graph.after((here, 0), *after))

    def _goes_on(self, who: Who, node: _Node) -> None:
        by, task = who
        if by is not None and task == 0:
            self._answering(*by).reached = node
            return
        self._others[who] = node
        if len(self._others) > MOST:
            # The program itself stands first.
            del self._others[next(islice(self._others, 1, None))]

    def _awaited(self, event: ev.Awaited) -> None:
        keys = [(event.session, number) for number in event.ids]
        if event.task is not None:
            self._steps((event.by, event.task), *self._arrivals(keys))
            return
        for key in keys:
            if key in self._calls:
                self._steps(self._calls[key].maker, *self._arrivals([key]))

    def _arrivals(self, keys: Iterable[Call]) -> list[tuple[_Node, int]]:
        calls = [self._calls[key] for key in keys if key in self._calls]
        for call in calls:
            if call.arrival is None and _opposite(call.session) not in self._told:
                self._answered_elsewhere(call)
        return [(call.arrival, 0) for call in calls if call.arrival is not None]

    def _task_begins(self, event: ev.TaskBegun) -> None:
        who, parent = (event.by, event.number), (event.by, event.of)
        past = self._past.get(parent, [])
        known = event.since and past
        here = past[max(-event.since, -len(past))] if known else self._reached(*parent)
        # Which of the tasks that are done by now it was started after, nobody knows: all of them.
        done = self._done.get(parent, _BEGIN)
        self._goes_on(who, self._graph.after((here, 0), (done, 0)))
        if event.number > 0:
            self._started_by[event.number] = who, parent
            _bound(self._started_by)

    def _task_is_done(self, number: int) -> None:
        who, parent = self._started_by.pop(number, (None, None))
        if who is not None and parent is not None:
            self._past.pop(who, None)
            node = self._others.pop(who, _BEGIN)
            done = self._done.get(parent, _BEGIN)
            self._done[parent] = self._graph.after((done, 0), (node, 0))
            _bound(self._done)
            here = self._reached(*parent)
            self._goes_on(parent, self._graph.after((here, 0), (node, 0)))


def round_trips(recording: Iterable[Any]) -> Trips:
    """Count the round trips of a recording.

    Args:
        recording: a recording, or some of its events in order.
    """
    counter = TripCounter()
    for event in recording:
        counter.play(event)
    return counter.trips


def _bound(table: MutableMapping[Any, Any]) -> None:
    if len(table) > MOST:
        del table[next(iter(table))]


@cache
def _links(session: str) -> int:
    here, there = ends(session)
    return 0 if here == there else 1


_opposite = cache(opposite)


def _half(depth: int) -> float:
    return depth // 2 if depth % 2 == 0 else depth / 2
