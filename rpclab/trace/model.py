"""What the analyses of a recording give, and the views draw: plain data, whole in itself.

Floor: trace. Each field is named here and nowhere else. A replay fills calls, messages, stubs,
targets and streams in as they come (`states.py` adds what it alone needs), and the rows that live
views are given have the same fields (`feed.COLUMNS`).

Everywhere here a *moment* is the index of an event of the recording (its place in it, from 0), and
a *time* is seconds of the sandbox's clock. Calls, stubs and streams are numbered from 1 in the
order in which they were made, so that the same recording always gives the same numbers. What the
recording does not tell, because it began later or has not come to that yet, is None. Sites are
texts such as "Cell In[3], line 2" or "/home/me/counter.py, line 2".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RUNNING, RETURNED, RAISED, CANCELLED, LOST = "running", "returned", "raised", "cancelled", "lost"
"""How a call may have ended: not yet, with a value, with an error, given up by its caller, or with
its session."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A Worker, as a row of the timeline.

    Attributes:
        name: its name; "notebook" is the program around the Workers, and the first lane.
        versions: the moments and times at which a version of it was deployed.
    """

    name: str
    versions: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class CallBar:
    """One call, read or map, from its making to its result.

    Attributes:
        number: counts the calls.
        kind: "call", "read" (of a property) or "map".
        label: what was asked for, such as "increment(5)" or "(1).depth()", where (1) is a call.
        method: the member alone, such as "increment" or "user.name".
        caller: the Worker that made it.
        worker: the Worker it was sent to, whose lane the bar stands in.
        site: where in the user's code it was made.
        made: the time at which it was made; the caller's side of the bar begins.
        begun: the time at which its method began to run.
        ended: the time at which it returned or raised, or was given up.
        settled: the time at which the caller had the result.
        outcome: RUNNING, RETURNED, RAISED, CANCELLED or LOST.
        result: the value or error in a few characters, such as "5" or "ValueError: no".
        depth: how many calls it runs inside of; 0 for one made by the notebook itself.
        by: the number of the call whose method made it; None for the notebook's own.
        pipelined_on: the number of the call whose promise it was made on, before that had settled.
        using: the numbers of the calls whose promises are among its arguments.
        made_at: the moment of its making.
        settled_at: the moment at which the caller had the result.
        arrived: the time at which it came to the Worker, where its bar begins.
        arrived_at: that moment.
        left: the time at which its answer left, or it was given up or lost, where its bar ends.
        left_at: that moment.
    """

    number: int
    kind: str
    label: str
    method: str
    caller: str
    worker: str
    site: str | None
    made: float
    begun: float | None
    ended: float | None
    settled: float | None
    outcome: str
    result: str
    depth: int
    by: int | None
    pipelined_on: int | None
    using: tuple[int, ...]
    made_at: int
    settled_at: int | None
    arrived: float | None = None
    arrived_at: int | None = None
    left: float | None = None
    left_at: int | None = None


@dataclass(slots=True)
class Arrow:
    """One message between two Workers, or of a Worker to itself.

    Attributes:
        kind: "call", "read", "map", "result", "error", "release", "cancel", or another kind of
            message, such as those of streams.
        text: what a reader wants to see of it.
        call: the number of the call it makes, answers or cancels; None where it has none.
        sender: the Worker it left.
        receiver: the Worker it went to.
        size: in bytes.
        sent: the time at which it was given to the link.
        arrived: the time at which it arrived; None while it is under way, or if it never will.
        pipelined: whether it is a call on a result that was not there yet.
        sent_at: the moment of its sending.
        arrived_at: the moment of its arrival.
        begins: the number of the call whose bar it leaves; None for the line of the Worker's own.
        ends: the number of the call to whose bar it goes; None likewise.
    """

    kind: str
    text: str
    call: int | None
    sender: str
    receiver: str
    size: int
    sent: float
    arrived: float | None
    pipelined: bool
    sent_at: int
    arrived_at: int | None
    begins: int | None = None
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a mark on the timeline: a deployment, a binding, a link that changed.

    Attributes:
        kind: the kind of event, such as "deployed", "bound", "link" or "context ended".
        text: what happened, in a few words.
        workers: whom it concerns.
        time: when.
        moment: when, as a moment.
    """

    kind: str
    text: str
    workers: tuple[str, ...]
    time: float
    moment: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Who called whom, and when.

    Attributes:
        lanes: the Workers, the notebook first, then in order of appearance.
        calls: the bars.
        arrows: the messages, in the order sent.
        notes: what else happened.
        begin: the time of the first event.
        end: the time of the last one.
        moments: how many events the recording has; the scrubber goes from 0 to there.
    """

    lanes: tuple[Lane, ...]
    calls: tuple[CallBar, ...]
    arrows: tuple[Arrow, ...]
    notes: tuple[Note, ...]
    begin: float
    end: float
    moments: int

    @property
    def bytes(self) -> int:
        """The size of all messages, in bytes."""
        return sum(arrow.size for arrow in self.arrows)


@dataclass(slots=True)
class StubBar:
    """One handle of a stub, from its making to its end: a stub, a dup, a parameter.

    Attributes:
        number: counts the handles.
        holder: the Worker that holds it.
        context: the number of the execution context that made it; None for a long one's.
        target: the number of the `TargetBar` that it leads to.
        how: "result", "parameter", "dup" or "local" (made of a target of the holder's own).
        of: the number of the handle it was made from by `dup`, else None.
        call: the number of the call whose result or parameter it is.
        site: where in the user's code it was made.
        made: the time.
        ended: the time of its disposal; None while it lives.
        why: how it ended: "user" (disposed by its holder), "parameter" (when the method returned),
            "returned" (moved to the caller), "context" (with it), "forgotten" (by Python); "" while
            it lives.
        ended_site: where in the user's code it was disposed.
        passed: the moments, times and receivers of the messages that it was sent in.
        made_at: the moment of its making.
        ended_at: the moment of its end.
    """

    number: int
    holder: str
    context: int | None
    target: int
    how: str
    of: int | None
    call: int | None
    site: str | None
    made: float
    ended: float | None
    why: str
    ended_site: str | None
    passed: Sequence[tuple[int, float, str]]
    made_at: int
    ended_at: int | None


@dataclass(slots=True)
class TargetBar:
    """A target or function that stubs lead to, from its first introduction to its last release.

    Attributes:
        number: counts the targets.
        name: its class, or the function; "something" where that is not known here.
        worker: the Worker it lives in.
        introduced: the time of its first introduction.
        gone: the time at which the last stub of it was released; None while there is one.
        broken: the time at which it broke, because its context ended; None if it did not.
        references: how many introductions it has from which moment and time on, over all sessions.
        holders: the Workers that hold a stub of it, in order of appearance.
        introduced_at: the moment of its first introduction.
        gone_at: the moment of its last release.
    """

    number: int
    name: str
    worker: str
    introduced: float
    gone: float | None
    broken: float | None
    references: Sequence[tuple[int, float, int]]
    holders: tuple[str, ...]
    introduced_at: int
    gone_at: int | None


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Which stubs lived when, and what they led to.

    Attributes:
        stubs: the handles, in order of their making.
        targets: what they lead to, in order of introduction.
        moments: how many events the recording has.
        begin: the time of the first event.
        end: the time of the last one.
    """

    stubs: tuple[StubBar, ...]
    targets: tuple[TargetBar, ...]
    moments: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class StreamPoint:
    """The state of a stream from one moment on.

    Attributes:
        moment: that moment.
        time: its time.
        window: how many bytes may be on their way and unread at most; None while not known.
        in_flight: bytes that were sent and not acknowledged.
        buffered: bytes that arrived and were not read.
        sent: bytes sent so far.
        read: bytes read so far.
    """

    moment: int
    time: float
    window: int | None
    in_flight: int
    buffered: int
    sent: int
    read: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time.

    Attributes:
        begin: its first time.
        end: its last; None while it lasts.
    """

    begin: float
    end: float | None


@dataclass(slots=True)
class StreamSeries:
    """One stream, over time.

    Attributes:
        number: counts the streams.
        sender: the Worker that writes.
        receiver: the Worker that reads.
        id: its number in their session.
        opened: the time of its first event.
        closed: the time of its end; None while it is open.
        outcome: "open", "closed", "aborted" or "cancelled".
        chunks: how many chunks were sent.
        points: its state, from each event on.
        held_back: when the writer had to wait.
    """

    number: int
    sender: str
    receiver: str
    id: int
    opened: float
    closed: float | None
    outcome: str
    chunks: int
    points: Sequence[StreamPoint]
    held_back: Sequence[Interval]


@dataclass(frozen=True, slots=True)
class Binding:
    """A line of the graph: a Worker's `env` has a binding.

    Attributes:
        holder: whose `env`.
        name: the name in it.
        worker: the Worker it leads to; it need not be there yet.
        entrypoint: the entrypoint there.
    """

    holder: str
    name: str
    worker: str
    entrypoint: str


@dataclass(frozen=True, slots=True)
class LiveStubs:
    """A line of the graph: a Worker holds stubs of a target.

    Attributes:
        holder: the Worker that holds them.
        worker: the Worker the target lives in.
        target: its number among the targets (see `TargetBar`).
        name: the class of the target, or the function.
        count: how many live handles there are.
        introducer: the Worker that gave the holder its first stub; the target's own Worker, or
            one between.
    """

    holder: str
    worker: str
    target: int
    name: str
    count: int
    introducer: str


@dataclass(frozen=True, slots=True)
class Introduction:
    """One Worker gave another one a stub of something that lives in a third.

    Attributes:
        introducer: who gave it.
        receiver: who got it.
        worker: where the target lives.
        target: its number among the targets.
        name: the class of the target, or the function.
        time: when.
        moment: when, as a moment.
    """

    introducer: str
    receiver: str
    worker: str
    target: int
    name: str
    time: float
    moment: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Who can call whom at the end of a recording.

    Attributes:
        workers: their names, the notebook first; those too that only a binding names.
        deployed: the names of those that are deployed.
        bindings: the bindings of their environments.
        stubs: the stubs they hold.
        introductions: how stubs came to third parties.
    """

    workers: tuple[str, ...]
    deployed: frozenset[str]
    bindings: tuple[Binding, ...]
    stubs: tuple[LiveStubs, ...]
    introductions: tuple[Introduction, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """How one Worker can reach another.

    Attributes:
        worker: the Worker reached.
        through: the names of the bindings and targets on the shortest way, such as
            ("env.COUNTER", "a stub of Counter").
    """

    worker: str
    through: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """Awaits of one task that cost a round trip each, and need not.

    Attributes:
        calls: the numbers of the calls, in the order made.
        sites: where each of them was made.
        removable: the calls, among these, whose `await` can go: the next call is made on, or
            with, their promise.
        awaits: how many round trips the calls take as written.
        trips: how many they would take.
        times: how often that happened at these places; `calls` are those of the first time.
        text: the advice in one line, such as
            "3 awaits could be 1 round trip: lines 2, 3, 4 of Cell In[3]; …".
    """

    calls: tuple[int, ...]
    sites: tuple[str | None, ...]
    removable: tuple[int, ...]
    awaits: int
    trips: int
    times: int
    text: str

    @property
    def saved(self) -> int:
        """Round trips that following it would save."""
        return (self.awaits - self.trips) * self.times
