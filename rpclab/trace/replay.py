"""Plays a recording event by event, and knows at each moment what there is.

Floor: trace. The sessions' tables follow from their messages: an event tells when a message was
put in the outbox, `Left` and `Arrived` how many of them travelled, and what an end applies changes
its tables as it did there. All analyses are questions to the states that stand here at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rpclab.core.events import NOBODY, Call, ends, opposite
from rpclab.printable import printable
from rpclab.trace import events as ev
from rpclab.trace.messages import asked, kind_of, method_of, result_of, said
from rpclab.trace.model import CANCELLED, LOST, RAISED, RETURNED, RUNNING, Note
from rpclab.trace.states import (
    UNKNOWN,
    CallState,
    EndState,
    Export,
    Held,
    MessageState,
    StubState,
    TargetState,
)
from rpclab.trace.stream_states import KINDS, Flows

_CALLS = frozenset({ev.CallSent, ev.MapSent, ev.ChunkSent})
_SETTLEMENTS = frozenset({ev.CallReturned, ev.CallRaised, ev.PromiseResolved, ev.PromiseRejected})


class Replay:
    """The state of all sessions after the events played so far.

    Args:
        events: what to play at once.

    Attributes:
        moment: how many events were played.
        began: the time of the first of them.
        time: that of the last.
        flows: the streams.
        noted: the Workers that notes name, in their order, as keys.
    """

    def __init__(self, events: Iterable[Any] = ()) -> None:
        self.moment = 0
        self.began: float | None = None
        self.time = 0.0
        self.ends: dict[str, EndState] = {}
        self.calls: list[CallState] = []
        self.messages: list[MessageState] = []
        self.targets: list[TargetState] = []
        self.stubs: list[StubState] = []
        self.notes: list[Note] = []
        self.flows = Flows()
        self.noted: dict[str, None] = {}
        self.deployed: dict[str, list[tuple[int, float]]] = {}
        self.bindings: dict[tuple[str, str], ev.Bound] = {}
        self._call_of: dict[Call, CallState] = {}
        self._target_of: dict[int, TargetState] = {}
        self._stub_of: dict[int, StubState] = {}
        self._number_of: dict[int, int] = {}  # of the stubs
        self._contexts: dict[int, int] = {}
        self._owners: dict[int, int] = {}  # the numbers of contexts that own stubs
        self._applying: EndState | None = None
        self._introduced_at = ("", -1)
        self._before = 0.0
        self._held_back: int | None = None  # the task that sends a call which was held back
        self._rules: dict[type, Callable[[Any], None]] = {
            ev.Joined: self._joined,
            ev.Parted: self._parted,
            ev.CallSent: self._call,
            ev.MapSent: self._call,
            ev.HeldCallGoes: self._held_goes,
            ev.CallStarted: self._started,
            ev.CallWentOn: self._went_on,
            ev.CallReturned: self._answered,
            ev.CallRaised: self._answered,
            ev.CallCancelled: self._cancelled,
            ev.Settled: self._settled,
            ev.Awaited: self._awaited,
            ev.PromiseResolved: self._promise_settled,
            ev.PromiseRejected: self._promise_settled,
            ev.Left: self._left,
            ev.Arrived: self._arrived,
            ev.Applied: self._applied,
            ev.Introduced: self._introduced,
            ev.Withdrawn: self._withdrawn,
            ev.Imported: self._imported,
            ev.LetGo: self._let_go,
            ev.StubMade: self._stub,
            ev.StubOwned: self._owned,
            ev.StubPassed: self._passed,
            ev.StubDisposed: self._disposed,
            ev.StubForgotten: self._forgotten,
            ev.ContextBegun: self._context,
            ev.ContextEnded: self._context_ended,
            ev.ChunkSent: self._write,
            ev.StreamOpened: self._pipe,
            ev.Deployed: self._deployed,
            ev.Bound: self._bound,
            ev.LinkChanged: self._link,
        }
        self.play(events)

    def play(self, events: Iterable[Any]) -> None:
        """Play further events."""
        rules = self._rules
        for event in events:
            if self.began is None:
                self.began = event.at
            self._before, self.time = self.time, event.at
            rule = rules.get(type(event))
            if rule is not None:
                rule(event)
            if ev.crosses(event):
                self._message(event)
            if type(event) in KINDS:
                self.flows.play(self.moment, event)
            self.moment += 1

    def end(self, label: str) -> EndState:
        """An end of a session; the other one comes with it."""
        found = self.ends.get(label)
        if found is None:
            found = self.ends[label] = EndState(label, *ends(label))
            self.ends[opposite(label)] = EndState(opposite(label), *ends(opposite(label)))
        return found

    def _note(self, kind: str, text: str, *workers: str) -> None:
        self.notes.append(Note(kind, text, workers, self.time, self.moment))
        self.noted.update(dict.fromkeys(workers))

    # Sessions.

    def _joined(self, event: ev.Joined) -> None:
        # A session that was closed may be opened again, and its ids begin anew.
        for label in (event.session, opposite(event.session)):
            self._empty(self.end(label))
            del self.ends[label]
        self.end(event.session)

    def _parted(self, event: ev.Parted) -> None:
        self._empty(self.end(event.session))

    def _empty(self, end: EndState) -> None:
        for number in list(end.exports):
            self._unexport(end, number)
        for held in end.imports.values():
            call = held.call
            if call is not None and call.outcome == RUNNING:
                call.outcome, call.ended = LOST, self.time
                call.left, call.left_at = self.time, self.moment
        end.imports.clear()
        for queue in (end.outbox, end.wire, end.inbox):
            queue.clear()
        self._call_of = {key: call for key, call in self._call_of.items() if key[0] != end.label}

    # Calls.

    def _call(self, event: ev.CallSent | ev.MapSent) -> None:
        end = self.end(event.session)
        by = self._maker(event.by)
        on = self._call_of.get((event.session, event.target)) if event.target > 0 else None
        using = [self._call_of[key] for key in event.using if key in self._call_of]
        called = end.imports.get(event.target)
        waited = event.task == self._held_back
        is_function = called is not None and called.target is not None and not event.path
        function = called.target.name if is_function else ""  # type: ignore[union-attr]
        call = CallState(
            number=len(self.calls) + 1,
            kind=kind_of(event),
            label=asked(event, 0 if on is None else on.number, function),
            method=method_of(event, function),
            caller=end.here,
            worker=end.there,
            site=event.site,
            made=event.at,
            begun=None,
            ended=None,
            settled=None,
            outcome=RUNNING,
            result="",
            depth=0 if by is None else by.depth + 1,
            by=None if by is None else by.number,
            pipelined_on=None if on is None or waited else on.number,
            using=tuple([other.number for other in using]),
            made_at=self.moment,
            settled_at=None,
            sent=event,
        )
        for other in using if on is None else (on, *using):
            other.used = True
        if by is not None and by.begun is None:
            by.begun = event.at  # a call that is forwarded runs no method here
        self.calls.append(call)
        self._call_of[event.session, event.id] = call
        end.imports[event.id] = Held("call", call=call, handles=1)

    def _held_goes(self, event: ev.HeldCallGoes) -> None:
        """What its task sends is no call on a promise any more."""
        self._held_back = NOBODY - event.number
        for key in event.after:
            if key in self._call_of:
                self._call_of[key].used = True

    def _maker(self, by: Call | None) -> CallState | None:
        """The call whose method makes a call."""
        return None if by is None else self._at_work(*by)

    def _at_work(self, session: str, number: int) -> CallState | None:
        """The call that this end answers; its method runs, so it has been applied."""
        call = self._answering(session, number)
        if self._apply_until(self.end(session), _CALLS, number) and call is not None:
            # It began as it was applied, right after what happened before this.
            call.begun = max(self._before, call.message.arrived or 0.0 if call.message else 0.0)
        return call

    def _answering(self, session: str, number: int) -> CallState | None:
        return self._call_of.get((opposite(session), number))

    def _started(self, event: ev.CallStarted) -> None:
        call = self._at_work(event.session, event.id)
        if call is not None and (call.begun is None or call.begun > event.at):
            call.begun = event.at

    def _went_on(self, event: ev.CallWentOn) -> None:
        self._at_work(event.session, event.id)

    def _answered(self, event: ev.CallReturned | ev.CallRaised) -> None:
        call = self._at_work(event.session, event.id)
        self._unexport(self.end(event.session), event.id)
        if call is None:
            return
        call.answer = event
        if event.size or call.outcome == RUNNING:
            call.left, call.left_at = event.at, self.moment
        call.result = result_of(event)
        if call.outcome == RUNNING:
            call.ended = event.at
            call.outcome = RETURNED if type(event) is ev.CallReturned else RAISED
        if not event.size:
            # Its caller goes on without it.
            call.settled, call.settled_at = event.at, self.moment

    def _cancelled(self, event: ev.CallCancelled) -> None:
        self.end(event.session).imports.pop(event.id, None)
        call = self._call_of.get((event.session, event.id))
        if call is not None and call.settled is None:
            call.outcome, call.ended = CANCELLED, event.at
            call.left, call.left_at = event.at, self.moment

    def _awaited(self, event: ev.Awaited) -> None:
        for number in event.ids:
            call = self._call_of.get((event.session, number))
            if call is not None and call.awaited_at is None:
                call.awaited_at = self.moment

    def _promise_settled(self, event: ev.PromiseResolved | ev.PromiseRejected) -> None:
        if event.plain:
            self._unexport(self.end(event.session), event.id)

    def _write(self, event: ev.ChunkSent) -> None:
        self.end(event.session).imports[event.id] = Held("write")

    def _pipe(self, event: ev.StreamOpened) -> None:
        self.end(event.session).imports[event.id] = Held("stream")

    # Messages under way.

    def _message(self, event: Any) -> None:
        end = self.end(event.session)
        answers = type(event) in (ev.CallReturned, ev.CallRaised)
        makes = type(event) in (ev.CallSent, ev.MapSent)
        if makes or type(event) is ev.CallCancelled:
            call = self._call_of.get((event.session, event.id))
        elif answers:
            call = self._answering(event.session, event.id)
        else:
            call = None
        released: tuple[int | None, ...] = ()
        if type(event) is ev.Released:
            # The numbers mean these calls now; a session that is opened anew counts again.
            calls = [self._call_of.get((event.session, id_)) for id_ in event.ids]
            released = tuple([None if other is None else other.number for other in calls])
        called = None if call is None else call.number
        made_in = None if call is None else self._bar_of_maker(call)
        kind, text = said(event, call, released)
        message = MessageState(
            kind=kind,
            text=text,
            call=called,
            sender=end.here,
            receiver=end.there,
            size=event.size,
            sent=event.at,
            arrived=None,
            pipelined=makes and event.target > 0 and event.task != self._held_back,
            sent_at=self.moment,
            arrived_at=None,
            begins=called if answers else made_in,
            ends=made_in if answers else called,
            event=event,
            of=call,
            stubs=end.passing,
        )
        end.passing = []
        if call is not None and makes:
            call.message = message
        if type(event) is not ev.CallsQuieted:  # a mark on the calls of the batch, and no more
            self.messages.append(message)
        end.outbox.append(message)
        if end.fresh and _may_carry(event):
            # The last ones: a result waits while what was pipelined on it is done, and sends.
            for export in end.fresh.pop():
                export.message = message

    def _bar_of_maker(self, call: CallState) -> int | None:
        """The number of the call whose method made that one, in the lane it was made from."""
        by = call.by
        return by if by is not None and self.calls[by - 1].worker == call.caller else None

    def _left(self, event: ev.Left) -> None:
        end = self.end(event.session)
        for _ in range(min(event.messages, len(end.outbox))):
            end.wire.append(end.outbox.popleft())

    def _arrived(self, event: ev.Arrived) -> None:
        end = self.end(event.session)
        wire = self.end(opposite(event.session)).wire
        known = min(event.messages, len(wire))
        if known < event.messages:
            # Where the recording began later, the oldest messages are not in it: one stands for
            # all of these, for they are applied before the others.
            end.inbox.append(None)
        for _ in range(known):
            message = wire.popleft()
            end.inbox.append(message)
            if message is not None and message.arrived is None:
                message.arrived, message.arrived_at = event.at, self.moment
                call = message.of
                if call is not None and call.message is message:
                    call.arrived, call.arrived_at = event.at, self.moment
                self.flows.arrived(message.event, self.moment, event.at)
        self._applying = end

    def _applied(self, event: ev.Applied) -> None:
        end = self.end(event.session)
        while len(end.inbox) > event.left:
            self._apply(end, end.inbox.popleft())
        wire = self.end(opposite(event.session)).wire
        while end.inbox:
            wire.appendleft(end.inbox.pop())
        self._applying = None

    def _apply_until(self, end: EndState, kinds: frozenset[type], number: int) -> bool:
        """The message of these kinds with that id is being applied, so all before it are.

        Returns:
            Whether it was not yet.
        """
        for position, message in enumerate(end.inbox):
            event = None if message is None else message.event
            if type(event) in kinds and event.id == number:  # type: ignore[union-attr]
                for _ in range(position + 1):
                    self._apply(end, end.inbox.popleft())
                return True
        return False

    def _settled(self, event: ev.Settled) -> None:
        self._apply_until(self.end(event.session), _SETTLEMENTS, event.id)

    def _apply(self, end: EndState, message: MessageState | None) -> None:
        event = None if message is None else message.event
        match event:
            case ev.CallSent() | ev.MapSent() | ev.ChunkSent():
                self._receive_call(end, message)
            case ev.CallReturned() | ev.CallRaised():
                end.imports.pop(event.id, None)
                call = message.of if message is not None else None
                if call is not None and call.settled is None and call.outcome != CANCELLED:
                    call.settled, call.settled_at = self.time, self.moment
            case ev.CallCancelled():
                end.exports.pop(event.id, None)
            case ev.PromiseResolved() | ev.PromiseRejected():
                end.imports.pop(event.id, None)
            case ev.Released():
                for number in event.ids:
                    self._unexport(end, number)
            case ev.ExportBroken():
                held = end.imports.get(event.id)
                if held is not None:
                    held.broken = True
                    if held.target is not None and held.target.broken is None:
                        held.target.broken = self.time
            case ev.StreamOpened():
                end.exports[event.id] = Export("stream")

    def _receive_call(self, end: EndState, message: Any) -> None:
        call = message.of
        if call is None or call.answer is None:
            end.exports[message.event.id] = Export("call", call=call)

    # Exports and imports.

    def _introduced(self, event: ev.Introduced) -> None:
        end = self.end(event.session)
        export = Export(event.kind)
        if event.kind == "target":
            target = self._target_of.get(event.number)
            if event.new or target is None:
                target = self._target(event.name, end.here)
                self._target_of[event.number] = target
            export.target = target
        elif event.of is not None:
            held = self.end(event.of[0]).imports.get(event.of[1])
            export.target = None if held is None else held.target
        end.exports[event.id] = export
        if not end.fresh or self._introduced_at != (end.label, self.moment - 1):
            end.fresh.append([])
        end.fresh[-1].append(export)
        self._introduced_at = (end.label, self.moment)
        if export.target is not None:
            export.target.live.add((event.session, event.id))
            self._count(export.target)

    def _target(self, name: str, worker: str) -> TargetState:
        number = len(self.targets) + 1
        target = TargetState(
            number=number,
            name=printable(name),
            worker=worker,
            introduced=self.time,
            gone=None,
            broken=None,
            introduced_at=self.moment,
            gone_at=None,
        )
        self.targets.append(target)
        return target

    def _count(self, target: TargetState) -> None:
        live = len(target.live)
        target.references.append((self.moment, self.time, live))
        target.gone, target.gone_at = (None, None) if live else (self.time, self.moment)

    def _unexport(self, end: EndState, number: int) -> None:
        export = end.exports.pop(number, None)
        if export is not None and export.target is not None:
            export.target.live.discard((end.label, number))
            self._count(export.target)

    def _withdrawn(self, event: ev.Withdrawn) -> None:
        end = self.end(event.session)
        export = end.exports.get(event.id)
        _take(end.fresh, export)
        self._unexport(end, event.id)

    def _imported(self, event: ev.Imported) -> None:
        self._hold((event.session, event.id))

    def _hold(self, key: Call) -> Held:
        end = self.end(key[0])
        held = end.imports.get(key[1])
        if held is None:
            export = self.end(opposite(key[0])).exports.get(key[1])
            kind = "promise" if export is not None and export.kind == "other" else "stub"
            held = Held(kind) if export is None else Held(kind, export.target, export.call)
            if export is not None and export.kind == "binding":
                held.kind = "binding"
            end.imports[key[1]] = held
        return held

    def _let_go(self, event: ev.LetGo) -> None:
        self.end(event.session).imports.pop(event.id, None)

    # Stubs.

    def _stub(self, event: ev.StubMade) -> None:
        key = (event.session, event.id)
        end, held = self.end(event.session), self._hold(key)
        held.handles += 1
        export = self.end(opposite(event.session)).exports.get(event.id)
        if export is not None and export.message is None:
            _take(self.end(opposite(event.session)).fresh, export)
        if event.how == "binding":
            held.kind = "binding"
            return
        if held.target is None:
            held.target = self._target(UNKNOWN, end.there)
        # A stub that came home stands for an import of another session, or of one's own Worker.
        source, giver = export.message if export is not None else None, end
        applying = self._applying if event.how == "came" else None
        if applying is not None and (source is None or applying is not end):
            source = next((m for m in applying.inbox if m is None or _may_carry(m.event)), None)
            giver = applying
        number = self._number_of[event.number] = len(self.stubs) + 1
        call = None if source is None else source.of
        stub = StubState(
            number=number,
            holder=end.here,
            context=None,
            target=held.target.number,
            how=event.how,
            of=self._number_of.get(event.of),
            call=None if call is None else call.number,
            site=event.site,
            made=event.at,
            ended=None,
            why="",
            ended_site=None,
            made_at=self.moment,
            ended_at=None,
            key=key,
            leads_to=held.target,
            source=call,
            introducer=giver.there,
        )
        if event.how == "came":
            given = source is None or type(source.event) in (ev.CallSent, ev.MapSent)
            stub.how = "parameter" if given else "result"
            if stub.how == "result" and call is not None:
                stub.site = call.site
        self.stubs.append(stub)
        self._stub_of[event.number] = stub
        if stub.holder not in held.target.holders:
            held.target.holders = (*held.target.holders, stub.holder)

    def _owned(self, event: ev.StubOwned) -> None:
        stub = self._stub_of.get(event.number)
        if stub is not None:
            owners = self._owners
            stub.context = owners.setdefault(event.context, len(owners) + 1)

    def _passed(self, event: ev.StubPassed) -> None:
        stub = self._stub_of.get(event.number)
        if stub is not None:
            stub.passed.append((self.moment, event.at, ends(event.session)[1]))
            self.end(event.session).passing.append(stub)

    def _disposed(self, event: ev.StubDisposed) -> None:
        self._stub_ends(event.number, event.why, event.site)

    def _forgotten(self, event: ev.StubForgotten) -> None:
        self._stub_ends(event.number, "forgotten", None)

    def _stub_ends(self, number: int, why: str, site: str | None) -> None:
        stub = self._stub_of.pop(number, None)
        if stub is None:
            return
        stub.ended, stub.ended_at, stub.why, stub.ended_site = self.time, self.moment, why, site
        held = self.end(stub.key[0]).imports.get(stub.key[1])
        if held is not None:
            held.handles -= 1

    # What is worth a mark.

    def _context(self, event: ev.ContextBegun) -> None:
        self._contexts[event.number] = self.moment
        if event.call is None:
            self._note("context", f"an event of {event.worker} began", event.worker)

    def _context_ended(self, event: ev.ContextEnded) -> None:
        if self._contexts.pop(event.number, None) is not None:
            self._note("context ended", f"a context of {event.worker} ended", event.worker)

    def _deployed(self, event: ev.Deployed) -> None:
        self.deployed.setdefault(event.worker, []).append((self.moment, event.at))
        self._note("deployed", f"{event.worker}, version {event.version}", event.worker)

    def _bound(self, event: ev.Bound) -> None:
        self.bindings[event.holder, event.name] = event
        held = self._hold((event.session, event.id))
        held.kind, held.handles = "binding", max(held.handles, 1)
        text = f"{event.holder}: env.{event.name} → {event.worker}"
        self._note("bound", text, event.holder, event.worker)

    def _link(self, event: ev.LinkChanged) -> None:
        text = f"{event.one} and {event.other}: {event.state}"
        self._note("link", text, event.one, event.other)


def replayed(recording: Iterable[Any] | Replay) -> Replay:
    """Play a recording, unless that is done already."""
    return recording if isinstance(recording, Replay) else Replay(recording)


def _may_carry(event: Any) -> bool:
    """Whether a message may introduce something: it has a value that is no plain one."""
    match event:
        case ev.CallSent():
            values = [*(event.args or ()), *(value for _, value in event.keywords or ())]
        case ev.CallReturned():
            values = [event.value]
        case _:
            return type(event) in (ev.MapSent, ev.CallRaised, ev.PromiseResolved, ev.ChunkSent)
    return any(type(value) is tuple for value in values)


def _take(fresh: list[list[Export]], export: Export | None) -> None:
    """Take an export from those whose message is yet to be told of."""
    for group in fresh:
        group[:] = [other for other in group if other is not export]
    fresh[:] = filter(None, fresh)
