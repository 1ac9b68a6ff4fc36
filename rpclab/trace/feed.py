"""A recording as rows that grow: what live views are given while it is made, and draw from.

Floor: trace. The analyses answer for a whole recording; here the same states are followed event by
event, and `news` gives what is new or has changed since the last time, as plain lists that JSON can
hold. Rows are those of `model.py`, field by field (`COLUMNS`); a row with a number that came before
takes its place. Import and export tables come as changes, so that a view can show them at any
moment without asking. Here a *moment* counts the events that had happened by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any

from rpclab.core.events import opposite
from rpclab.trace import events as ev
from rpclab.trace.graph import binding_name, binding_step, introduces, introduction_name, stub_step
from rpclab.trace.model import (
    CANCELLED,
    LOST,
    Arrow,
    CallBar,
    Note,
    StreamPoint,
    StreamSeries,
    StubBar,
    TargetBar,
)
from rpclab.trace.replay import Replay
from rpclab.trace.round_trips import TripCounter
from rpclab.trace.states import CallState, EndState, MessageState, StubState, TargetState
from rpclab.trace.table_rows import export_row, import_row
from rpclab.trace.timeline import NOTEBOOK, by_use, lanes, users

News = dict[str, list[Any]]
"""New and changed rows, by the name of what they are rows of."""


def _names(kind: type, *more: str) -> list[str]:
    return [*(field.name for field in fields(kind)), *more]


COLUMNS: dict[str, list[str]] = {
    "times": [],  # of the events, plain numbers
    "workers": [],  # plain names, all of them each time that there is a new one
    "lanes": [],  # the same in the order of a timeline
    "deployed": ["worker", "moment", "time"],
    "calls": _names(CallBar),
    "arrows": ["number", *_names(Arrow)],
    "notes": _names(Note),
    "stubs": _names(StubBar, "introducer"),
    "targets": _names(TargetBar),
    "tables": ["moment", "here", "there", "side", "id", "what", "kind", "references"],
    "edges": ["moment", "kind", "holder", "worker", "name", "step", "change"],
    "streams": _names(StreamSeries)[:-2],  # points and waits are rows of their own
    "points": ["stream", *_names(StreamPoint)],
    "held": ["number", "stream", "begin", "end"],
    "figures": ["moment", "round_trips", "without", "pipelined"],  # see `Trips.compared`
}
"""The names of a row's fields. Rows of calls, arrows, stubs, targets, streams and held have a
number, which stays theirs. Of `tables`, `side` is "imports" or "exports", and `what` is None for an
entry that went. An edge says how many more, or fewer, of a line of the graph there are: `name` is
what the line stands for, `step` the way that it is for its holder, None where it is none."""

_CALL, _NOTE, _STUB, _TARGET, _STREAM = (
    attrgetter(*COLUMNS[kind]) for kind in ("calls", "notes", "stubs", "targets", "streams")
)
_ARROW, _POINT = attrgetter(*_names(Arrow)), attrgetter(*_names(StreamPoint))


_MOVES = frozenset({ev.Awaited, ev.TaskDone, ev.ChunkRead})
"""The events after which a program may have waited for more round trips."""


class _Table(dict[int, Any]):
    """A table that notes which of its entries were touched."""

    def __init__(self, note: Callable[[int], None]) -> None:
        super().__init__()
        self._note = note

    def __setitem__(self, number: int, entry: Any) -> None:
        super().__setitem__(number, entry)
        self._note(number)

    def pop(self, number: int, default: Any = None) -> Any:
        self._note(number)
        return super().pop(number, default)

    def clear(self) -> None:
        for number in self:
            self._note(number)
        super().clear()


class _Followed(Replay):
    """A replay that notes what each event touches.

    Attributes:
        entries: (end, side, id) of entries of tables.
        touched: targets, by number.
        edges: of the graph, as rows without their moment.
    """

    def __init__(self) -> None:
        self.edges: list[tuple[Any, ...]] = []
        self._bindings: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._holders: dict[int, Counter[str]] = {}
        self.entries: dict[tuple[str, str, int], EndState] = {}
        self.touched: dict[int, TargetState] = {}
        super().__init__()

    def end(self, label: str) -> EndState:
        known = self.ends.get(label)
        if known is not None:
            return known
        found = super().end(label)
        for each in (found, self.ends[opposite(label)]):
            each.imports = _Table(self._noting(each, "imports"))
            each.exports = _Table(self._noting(each, "exports"))
        return found

    def _noting(self, end: EndState, side: str) -> Callable[[int], None]:
        def note(number: int) -> None:
            self.entries[end.label, side, number] = end

        return note

    def touch(self, key: tuple[str, int]) -> None:
        """An import has another number of handles, or broke."""
        end = self.end(key[0])
        if key[1] in end.imports:
            self.entries[key[0], "imports", key[1]] = end

    def _count(self, target: TargetState) -> None:
        there = target.gone is None
        super()._count(target)
        self.touched[target.number] = target
        if there != (target.gone is None):
            for holder, number in self._holders.get(target.number, {}).items():
                self._held(target, holder, -number if there else number)

    def _held(self, target: TargetState, holder: str, change: int) -> None:
        """A Worker holds more or fewer stubs of a target, and can call it."""
        step = stub_step(target.name)
        self.edges.append(("stub", holder, target.worker, target.name, step, change))

    def _bound(self, event: ev.Bound) -> None:
        super()._bound(event)
        key = event.holder, event.name
        if key in self._bindings:
            self.edges.append((*self._bindings[key], -1))
        if event.name:
            name = binding_name(event.name, event.entrypoint)
            step = binding_step(event.name)
            self._bindings[key] = "binding", event.holder, event.worker, name, step
            self.edges.append((*self._bindings[key], 1))

    def _apply(self, end: EndState, message: MessageState | None) -> None:
        super()._apply(end, message)
        event = None if message is None else message.event
        if type(event) is ev.ExportBroken:
            self.touch((end.label, event.id))
            held = end.imports.get(event.id)
            if held is not None and held.target is not None:
                self.touched[held.target.number] = held.target

    def _stub(self, event: ev.StubMade) -> None:
        known = len(self.stubs)
        super()._stub(event)
        self.touch((event.session, event.id))
        if len(self.stubs) == known:
            return
        stub = self.stubs[-1]
        target, holder = stub.leads_to, stub.holder
        self.touched[target.number] = target
        self._holders.setdefault(target.number, Counter())[holder] += 1
        if target.gone is None:
            self._held(target, holder, 1)
        if introduces(stub):
            name = introduction_name(target.name, target.worker)
            self.edges.append(("introduction", stub.introducer, holder, name, None, 1))

    def _stub_ends(self, number: int, why: str, site: str | None) -> None:
        stub = self._stub_of.get(number)
        super()._stub_ends(number, why, site)
        if stub is not None:
            self.touch(stub.key)
            self._holders[stub.target][stub.holder] -= 1
            if stub.leads_to.gone is None:
                self._held(stub.leads_to, stub.holder, -1)


class Feed:
    """Follows a recording, and gives what is new.

    Attributes:
        moments: how many events it has taken.
    """

    def __init__(self) -> None:
        self._replay = _Followed()
        self._trips = TripCounter()
        self._pipelined = False
        self._figures = self._trips.trips.compared(pipelined=False)
        self._workers: list[str] = []
        self._lanes: list[str] = []
        self._used: dict[str, None] = {}
        self._made: dict[str, int] = {}
        self._open: dict[str, dict[int, tuple[Any, Any]]] = {
            kind: {} for kind in ("calls", "arrows", "stubs")
        }
        self._held_numbers: dict[tuple[int, int], int] = {}  # of a stream's number and its wait's
        self._tables: dict[tuple[str, str, int], tuple[Any, ...] | None] = {}
        self._changes: News = {"tables": [], "times": [], "edges": [], "figures": []}

    @property
    def moments(self) -> int:
        """How many events it has taken."""
        return self._replay.moment

    def take(self, events: Iterable[Any]) -> None:
        """Take events in, as classes (`reading.read`)."""
        replay, times = self._replay, self._changes["times"]
        for event in events:
            moment = replay.moment
            replay.play((event,))
            times.append(event.at)
            self._trips.play(event)
            if type(event) in _MOVES:
                self._note_trips()
            if replay.edges:
                self._changes["edges"] += [(moment + 1, *edge) for edge in replay.edges]
                replay.edges.clear()
            if replay.entries:
                self._note_entries()

    def news(self) -> News:
        """Give the rows that are new or have changed since the last time.

        Kinds of which there are none are left out.
        """
        replay, changes = self._replay, self._changes
        self._changes = {key: [] for key in changes}
        news: News = {
            **changes,
            "workers": self._new_workers(),
            "lanes": self._new_lanes(),
            "deployed": [[name, *at] for name, at in self._new_versions()],
            "calls": self._new_calls(),
            "arrows": [(number, *_ARROW(sent)) for number, sent in self._new_messages()],
            "notes": [_NOTE(note) for note in self._new("notes", replay.notes)],
            "stubs": self._new_stubs(),
            "targets": [_row(_TARGET(target)) for target in self._new_targets()],
            **self._stream_news(),
        }  # fmt: skip
        return {key: rows for key, rows in news.items() if rows}

    # What changes with each event.

    def _note_entries(self) -> None:
        entries = self._replay.entries
        for key, end in entries.items():
            label, side, number = key
            # The session may have been opened anew meanwhile, by another pair of ends.
            entry = getattr(self._replay.ends.get(label, end), side).get(number)
            row = None
            if entry is not None:
                row = import_row(entry) if side == "imports" else export_row(entry)
            if self._tables.get(key) != row:
                self._tables[key] = row
                if row is None:
                    del self._tables[key]
                values = row or (None, None, 0)
                moment = self._replay.moment
                self._changes["tables"].append([moment, end.here, end.there, side, number, *values])
        entries.clear()

    def _note_trips(self) -> None:
        new = self._new("pipelined", self._replay.messages)
        self._pipelined = self._pipelined or any(message.pipelined for message in new)
        figures = self._trips.trips.compared(pipelined=self._pipelined)
        if figures != self._figures:
            self._figures = figures
            self._changes["figures"].append([self._replay.moment, *figures])

    # What is new.

    def _new(self, kind: str, states: list[Any]) -> list[Any]:
        first = self._made.get(kind, 0)
        self._made[kind] = len(states)
        return states[first:]

    def _changed(
        self,
        kind: str,
        states: list[Any],
        print_of: Callable[[Any], Any],
        is_done: Callable[[Any], bool],
    ) -> Iterator[Any]:
        """The states that are new, and those that were not done and have changed."""
        waiting = self._open[kind]
        for number, (state, before) in list(waiting.items()):
            now = print_of(state)
            if now != before:
                yield state
                if is_done(state):
                    del waiting[number]
                else:
                    waiting[number] = (state, now)
        for state in self._new(kind, states):
            yield state
            if not is_done(state):
                waiting[state.number] = (state, print_of(state))

    def _new_calls(self) -> list[Any]:
        changed = self._changed("calls", self._replay.calls, _of_call, _call_is_done)
        return [_CALL(call) for call in changed]

    def _new_stubs(self) -> list[Any]:
        changed = self._changed("stubs", self._replay.stubs, _of_stub, _stub_is_done)
        return [_row(_STUB(stub)) for stub in changed]

    def _new_messages(self) -> Iterator[tuple[int, MessageState]]:
        waiting = self._open["arrows"]
        for number, (message, _) in list(waiting.items()):
            if message.arrived is not None:
                del waiting[number]
                yield number, message
        first = self._made.get("arrows", 0)
        for number, message in enumerate(self._new("arrows", self._replay.messages), first + 1):
            if message.arrived is None:
                waiting[number] = (message, None)
            yield number, message

    def _new_workers(self) -> list[str]:
        """All names, if there are more than the last time."""
        # A session that was opened anew puts its Workers last; they keep their lanes.
        found = list(dict.fromkeys([*self._workers, *lanes(self._replay)]))
        if len(found) == len(self._workers):
            return []
        self._workers = sorted(found, key=lambda name: name != NOTEBOOK)
        return list(self._workers)

    def _new_lanes(self) -> list[str]:
        """The names as a timeline has them, if that is not as the last time."""
        self._used.update(dict.fromkeys(users(self._new("users", self._replay.calls))))
        named = by_use(self._workers, self._used)
        if named == self._lanes:
            return []
        self._lanes = named
        return list(named)

    def _new_versions(self) -> Iterator[tuple[str, tuple[int, float]]]:
        for name, versions in self._replay.deployed.items():
            for version in self._new(f"versions of {name}", versions):
                yield name, version

    def _new_targets(self) -> list[TargetState]:
        touched = self._replay.touched
        for target in self._new("targets", self._replay.targets):
            touched.setdefault(target.number, target)
        found = [touched[number] for number in sorted(touched)]
        touched.clear()
        return found

    def _stream_news(self) -> News:
        streams: list[Any] = []
        points: list[Any] = []
        held: list[Any] = []
        for stream in self._replay.flows.streams.values():
            new = self._new(f"points of {stream.number}", stream.points)
            before = self._made.get(f"held of {stream.number}", 0)
            if not new:  # each change of a stream is a point
                continue
            streams.append(_STREAM(stream))
            points += [(stream.number, *_POINT(point)) for point in new]
            # The last one that was given may have ended since.
            first = max(before - 1, 0)
            for number, interval in enumerate(stream.held_back[first:], first):
                key = self._held_numbers.setdefault(
                    (stream.number, number), len(self._held_numbers) + 1
                )
                held.append([key, stream.number, interval.begin, interval.end])
            self._made[f"held of {stream.number}"] = len(stream.held_back)
        return {"streams": streams, "points": points, "held": held}


def _row(values: tuple[Any, ...]) -> list[Any]:
    """A row of what stands there now: a list of the replay grows on."""
    return [tuple(value) if type(value) is list else value for value in values]


def _of_call(call: CallState) -> Any:
    return (call.arrived_at, call.begun, call.left_at, call.settled, call.outcome)


def _call_is_done(call: CallState) -> bool:
    if call.outcome == CANCELLED:
        return call.arrived_at is not None  # it is on its way still
    return call.settled is not None or call.outcome == LOST


def _of_stub(stub: StubState) -> Any:
    return (stub.ended_at, len(stub.passed), stub.context)


def _stub_is_done(stub: StubState) -> bool:
    return stub.ended_at is not None
