"""Honest round-trip numbers: how deep a program is, as written and had it awaited every promise.

Floor: trace. Every step of a program is a node; a message crosses a link at the cost of one, and a
step comes after the one before it and after what scheduled it. The depth of a node is the longest
way to it, so a round trip is two. *Without pipelining* is the same graph in which each call made on
or with a promise also comes after that promise's result.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

from rpclab.core.imports import PENDING, REJECTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpclab.core.answers import Answer
    from rpclab.core.imports import Pending


_moment: ContextVar[Moment | None] = ContextVar("rpclab_moment", default=None)

Arrival = list[int]
"""Holds the node at which a result arrived, once it has; empty before."""


class Node(int):
    """The number of a node, which knows of what graph it is.

    Promises and answers outlive the block in which they were made, and the next one numbers anew.

    Attributes:
        graph: stands for the ledger, and keeps it not.
    """

    graph: object


class Moment:
    """How far one task has come."""

    __slots__ = ("children", "ledger", "node", "task")

    def __init__(self, ledger: Ledger, node: int, task: object) -> None:
        self.ledger = ledger
        self.node = node
        self.task = task
        self.children: list[Moment] = []

    def reach(self) -> int:
        """The node it has reached; tasks that it started and that are done count."""
        done = [child for child in self.children if _is_done(child.task)]
        if done:
            self.children = [child for child in self.children if child not in done]
            self.join(*[child.reach() for child in done])
        return self.node

    def join(self, *nodes: int) -> None:
        """Come after further nodes."""
        self.node = self.ledger.node([(node, 0) for node in {self.node, *nodes}])


def _is_done(task: Any) -> bool:
    return task is None or bool(task.done())


class Ledger:
    """The graph of what happened while somebody traced.

    Args:
        pipelining: whether calls on promises are sent at once. One that is held back comes after
            the promise's result anyway.
    """

    def __init__(self, *, pipelining: bool = True) -> None:
        self._pipelining = pipelining
        self._graph = object()
        self._before: list[list[tuple[int, int]]] = [[]]
        self._also: dict[int, list[Arrival]] = {}
        # By what calls are made on, the last that came with a promise; those behind it wait too.
        self._lanes: dict[tuple[str, int], int] = {}
        self._lane_of: dict[int, tuple[str, int]] = {}
        self._behind: dict[int, int] = {}
        self._following: list[Arrival] = []
        self._last = 0
        # For calls on a promise that failed: had it been awaited, they would not have been made.
        self._calls: dict[int, int] = {}
        self._arrival_of: dict[int, Arrival] = {}
        self._call_of: dict[int, int] = {}
        self._failed: set[int] = set()

    def node(self, before: list[tuple[int, int]]) -> int:
        """Add a node that comes after others, each with the links crossed from there."""
        if len(before) == 1 and before[0][1] == 0:
            return before[0][0]
        return self._add(before)

    def _add(self, before: list[tuple[int, int]]) -> Node:
        self._before.append(before)
        node = Node(len(self._before) - 1)
        node.graph = self._graph
        return node

    def _own(self, node: int) -> int:
        """A node, if it is of this ledger; else the one that everything comes after."""
        return node if getattr(node, "graph", None) is self._graph else 0

    def _arrivals(self, *arrivals: Arrival | None) -> list[int]:
        """The nodes at which results arrived, of those that arrived here."""
        return [arrival[0] for arrival in arrivals if arrival and self._own(arrival[0])]

    def here(self) -> Moment:
        """How far the running task has come."""
        moment = _moment.get()
        task = _current_task()
        if moment is None or moment.ledger is not self:
            moment = Moment(self, 0, task)
            _moment.set(moment)
        elif moment.task is not task:
            child = Moment(self, moment.reach(), task)
            moment.children.append(child)
            moment = child
            _moment.set(child)
        return moment

    # What the importer does.

    def follow(self, pending: Pending) -> None:
        """The next call is made on that promise."""
        if self._pipelining and pending.arrival is not None:
            self._following.append(pending.arrival)

    def call(self, pending: Pending) -> int:
        """A call is sent now. Gives its node, which travels with it."""
        node = self._last = self._add([(self.here().reach(), 0)])
        pending.arrival = []
        self._calls[id(pending.arrival)] = node
        self._arrival_of[int(node)] = pending.arrival
        lane = self._lane_of[node] = (pending.session.label, pending.target)
        if lane in self._lanes:
            self._behind[node] = self._lanes[lane]
        if self._following:
            self._also[node] = self._following
            self._following = []
        return int(node)

    def returns_to(self, pending: Pending) -> None:
        """That call is being packed again: a property among its arguments had to be read first."""
        if pending.arrival is not None:
            self._last = self._calls.get(id(pending.arrival), self._last)

    def uses(self, pending: Pending) -> None:
        """The call that is being packed has that promise among its arguments."""
        if self._pipelining and pending.arrival is not None:
            self._also.setdefault(self._last, []).append(pending.arrival)
            self._lanes[self._lane_of[self._last]] = self._last

    def arrived(self, pending: Pending, node: int, *, failed: bool) -> None:
        """The result, sent at `node`, has arrived."""
        if pending.arrival is None:
            pending.arrival = []
        # A number in a message that was under way before the block began means nothing here.
        known = node if node < len(self._before) else 0
        self._arrive(pending.arrival, known, pending.session, failed=failed)

    def _arrive(self, arrival: Arrival, node: int, session: Any, *, failed: bool) -> None:
        reached = self._add([(node, 0 if _is_loopback(session) else 1)])
        call = self._calls.get(id(arrival))
        if call is not None:
            self._call_of[reached] = call
        if failed:
            self._failed.add(reached)
        arrival[:] = [reached]

    def passed_on(self, pending: Pending) -> int:
        """A promise has settled that another session waits for."""
        return int(max(self._arrivals(pending.arrival), default=0))

    def awaited(self, pending: Pending) -> None:
        """The running task goes on after that result."""
        arrivals = self._arrivals(pending.arrival)
        if arrivals:
            self.here().join(*arrivals)

    def after(self, node: int, pendings: Sequence[Pending]) -> int:
        """Give a node that comes after another one, and after those results."""
        arrivals = self._arrivals(*[pending.arrival for pending in pendings])
        return self.node([(earlier, 0) for earlier in {self._own(node), *arrivals}])

    def resumed(self, node: int, pendings: Sequence[Pending], other: int = 0) -> None:
        """What the running code does next comes after one or two nodes, and those results."""
        both = self.node([(earlier, 0) for earlier in {self._own(node), self._own(other)}])
        _moment.set(Moment(self, self.after(both, pendings), _current_task()))

    # What the callee does.

    def started(self, answer: Answer, variables: Context) -> None:
        """A method starts, in that context."""
        moment = Moment(self, self._start(answer), None)
        answer.trace = moment
        variables.run(_moment.set, moment)

    def activity(self, task: object, variables: Context) -> None:
        """The method of that context is stepped as that task."""
        moment = variables.get(_moment)
        if moment is not None:
            moment.task = task

    def reply(self, answer: Answer) -> int:
        """A call is answered now. Gives its node, which travels with the result."""
        if answer.trace is None or answer.trace.ledger is not self:
            node = self._start(answer)
        else:
            reached = answer.trace.reach()
            node = self.node([(n, 0) for n in {reached, *map(self._own, answer.causes)}])
        answer.settled_at = node
        return int(node)

    def settled(self, answer: Answer) -> None:
        """A call has settled, before a message says so, or where none does."""
        node = self.reply(answer)
        if answer.quiet and answer.state != PENDING and answer.session is not None:
            # The result, which nobody can ask for, stays here; had it been awaited, it came.
            arrival = self._arrival_of.get(answer.moment or 0)
            if arrival is not None:
                failed = answer.state == REJECTED
                self._arrive(arrival, node, answer.session, failed=failed)

    def _start(self, answer: Answer) -> int:
        before = [(node, 0) for node in set(map(self._own, answer.causes))]
        origin = answer.origin or answer
        if origin.moment in self._lane_of:
            links = 0 if origin.session is None or _is_loopback(origin.session) else 1
            before.append((origin.moment, links))
        return self.node(before or [(0, 0)])

    def took(self, answer: Answer) -> None:
        """The running task goes on after the chunk that a write has brought, and credits it."""
        moment = self.here()
        moment.join(self._start(answer))
        answer.causes = (*answer.causes, moment.node)

    # Reading it.

    def depth(self, node: int, *, pipelined: bool = True) -> int:
        """The depth of a node.

        Args:
            node: which.
            pipelined: as it happened; else had each promise been awaited before its use.
        """
        depths: dict[int, int] = {}
        stack = [node]
        while stack:
            top = stack[-1]
            before = list(self._before[top])
            if not pipelined:
                before = self._without_pipelining(top, before)
            missing = [earlier for earlier, _ in before if earlier not in depths]
            if missing and top not in depths:
                stack += missing
            else:
                depths[top] = max((depths[earlier] + links for earlier, links in before), default=0)
                stack.pop()
        return depths[node]

    def _without_pipelining(
        self, node: int, before: list[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        made_on = self._also.get(self._call_of.get(node, -1), ())
        failed = [arrival for arrival in self._arrivals(*made_on) if arrival in self._failed]
        if failed:
            return [(node, 0) for node in failed]
        behind = [(self._behind[node], 0)] if node in self._behind else []
        also = [(arrival, 0) for arrival in self._arrivals(*self._also.get(node, ()))]
        return [*before, *behind, *also]


def _is_loopback(session: Any) -> bool:
    return session.peer is not None and session.peer.keeper is session.keeper


def _current_task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
