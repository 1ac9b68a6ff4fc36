"""A sandbox without pipelining: calls made on or with a promise wait until that has settled.

Floor: rpc. It serves to prove what pipelining saves. A call is held back at the caller as if the
promise had been awaited first, alone: what else the program does goes on. Calls on one stub still
leave in the order made, so those behind one that is held back wait too (rule L5).
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.core.containers import contents, replaced
from rpclab.core.events import NOBODY, Actor, answering
from rpclab.core.imports import PENDING, REJECTED, Pending
from rpclab.core.map import Captured
from rpclab.errors import fresh_copy
from rpclab.rpc.members import call_value
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpclab.core.contexts import ExecutionContext, SessionLike
    from rpclab.core.imports import Import
    from rpclab.errors import CallCancelledError
    from rpclab.rpc.protocols import Shell


class Call:
    """A call as it was made: what to send, once its target and arguments are there.

    Args:
        path: of the member, at the target.
        values: the arguments and keyword arguments; or what a program captured, if there is one.
        context: the execution context that makes it.
        program: of `map`.
    """

    def __init__(
        self, path: Any, values: tuple[Any, ...], context: ExecutionContext, program: Any = None
    ) -> None:
        self.path = path
        self.values: Any = values
        self.context = context
        self.program = program

    def send(self, session: SessionLike, target: Any) -> Pending:
        """Send it to what the peer exports."""
        if self.program is not None:
            return session.map(target, self.values[0], self.program, self.context)
        args, kwargs = self.values
        return session.call(target, self.path, args, kwargs, self.context)

    def make_on(self, pending: Pending) -> Pending:
        """Make it on the value of a promise that has settled."""
        if self.program is None:
            names = [self.path] if type(self.path) is str else list(self.path)
            args, kwargs = self.values
            return call_value(pending, names, args, kwargs, self.context)
        with RpcStub(lambda value: value) as local:
            here = local(pending.value).__pending__
        return here.map(self.values[0], self.program, self.context)


class Spot(NamedTuple):
    """The id of a promise that has settled, where the other side still takes calls on it."""

    session: SessionLike
    id: int

    @property
    def broken(self) -> None:
        """It is not: a promise that has settled stays."""

    def claim(self) -> None:
        """It stays as long as a call on it is unanswered."""

    def drop(self) -> None:
        """As above."""


class Held(Pending):
    """The promise of a call that has not been sent yet.

    Attributes:
        actual: the promise of the call, once it was sent.
        number: tells it from others while somebody records; else 0.
        made_at: where it was made, while places are noted.
    """

    def __init__(self, session: SessionLike, call: Call, holder: CallHolder) -> None:
        super().__init__(session, 0, call.context)
        self.call_made = call
        self.actual: Pending | None = None
        self.waits: list[Pending] = []
        self.promised: list[RpcPromise] = []  # kept, for they are known by their identity
        self.dups: list[RpcStub] = []
        self.variables: Context = copy_context()
        self.number = 0
        self.made_at: str | None = None
        self._counted = False
        self._settles_later = False
        self._holder = holder
        self.entry: Import | Spot | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its arguments are there, or nobody wants it any more."""
        return self.state != PENDING or all(pending.state != PENDING for pending in self.waits)

    def take_value(self, promise: RpcPromise) -> None:
        """Keep what a promise among the arguments has resolved to, whoever disposes of that."""
        pending = promise.__pending__
        if pending.state == REJECTED or self.state != PENDING:
            return
        dups = {
            id(part): part.dup()
            for part in contents(pending.value)
            if type(part) is RpcStub and part.__handle__.entry is not None
        }
        self.dups += dups.values()
        self.call_made.values = replaced(
            self.call_made.values, {id(promise): replaced(pending.value, dups)}
        )

    @property
    def at_the_other_side(self) -> Pending | None:
        """The promise of the call as it was sent, if that settles just now."""
        actual = self.actual
        if actual is None or not self._settles_later:
            return None
        return actual.at_the_other_side if isinstance(actual, Held) else actual

    def become(self, actual: Pending) -> None:
        """It was sent: settle as that call does."""
        self.actual = actual
        self._settles_later = actual.state == PENDING
        self._count_on_actual()
        actual.follow(self._settle_as_actual)
        self.let_go()

    def _settle_as_actual(self) -> None:
        actual = self.actual
        if actual is not None:
            self._stand_for(actual)
            self.settle(actual.state, actual.value, actual.stubs)

    def _stand_for(self, pending: Pending) -> None:
        """Whoever traces or records takes it for that call, which was sent."""
        self.session, self.id = pending.session, pending.id

    def fail_as(self, pending: Pending) -> None:
        """It is never sent, for that promise has failed."""
        self._stand_for(pending)
        self.settle(REJECTED, fresh_copy(pending.value))
        self.let_go()

    def let_go(self) -> None:
        """Nothing is to be sent any more."""
        for stub in self.dups:
            stub.dispose()

    def pipeline(
        self,
        path: Any,
        args: tuple[Any, ...] | None,
        kwargs: dict[str, Any] | None,
        context: ExecutionContext,
    ) -> Pending:
        self.uses += 1
        return self._made_on(self._holder.hold(self, Call(path, (args, kwargs), context)))

    def map(self, captures: list[Any], program: list[Any], context: ExecutionContext) -> Pending:
        return self._made_on(self._holder.hold(self, Call([], (captures,), context, program)))

    def _made_on(self, pending: Pending) -> Pending:
        super()._made_on(pending)
        self._count_on_actual()
        return pending

    def _count_on_actual(self) -> None:
        """The result stays at the other side until the calls made on it here are answered."""
        actual = self.actual
        if actual is not None and actual.state == PENDING and self.unanswered and not self._counted:
            self._counted = True
            actual.unanswered += 1

    def answered(self, call: int) -> None:
        super().answered(call)
        if self.unanswered == 0 and self._counted and self.actual is not None:
            self._counted = False
            self.actual.answered(call)

    def give_up(self, error: CallCancelledError) -> None:
        if self.actual is not None:
            self.actual.give_up(error)
        else:
            super().give_up(error)
            if self.entry is not None:
                self._holder.advance(self.entry)


class Lane(deque[Held]):
    """The calls on one import that are held back, in the order made.

    Attributes:
        last: the number of the last that left, while somebody records.
        waited: what was waited for since by calls that were never sent, as keys.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last = 0
        self.waited: list[tuple[str, int]] = []


class CallHolder:
    """Holds back the calls of one sandbox.

    Args:
        engine: the host of its sessions.
    """

    def __init__(self, engine: Shell) -> None:
        self._engine = engine
        self._lanes: dict[Import | Spot, Lane] = {}
        self._sending = False

    def call(
        self,
        session: SessionLike,
        target: Import,
        path: Any,
        values: tuple[Any, ...],
        context: ExecutionContext,
    ) -> Pending | None:
        return self._take(session, target, Call(path, values, context))

    def map(
        self,
        session: SessionLike,
        target: Import,
        captures: list[Any],
        program: list[Any],
        context: ExecutionContext,
    ) -> Pending | None:
        return self._take(session, target, Call([], (captures,), context, program))

    def _take(self, session: SessionLike, target: Import, call: Call) -> Pending | None:
        if self._sending:
            return None
        entry: Import | Spot = session.imports.get(target.id) or Spot(session, target.id)
        waits = entry in self._lanes or (isinstance(entry, Pending) and entry.state == PENDING)
        if not waits and not any(map(_is_missing, contents(call.values))):
            return None
        return self.hold(entry, call)

    def hold(self, entry: Import | Spot, call: Call) -> Held:
        """Hold a call on an import back until that has settled, and its arguments have."""
        held = Held(entry.session, call, self)
        held.entry = entry
        self._note(held)
        self._keep(held)
        lane = self._lanes.get(entry)
        if lane is None:
            lane = self._lanes[entry] = Lane()
            if isinstance(entry, Pending) and entry.state == PENDING:
                entry.follow(lambda: self._arrived(entry))
            else:
                entry.claim()
        lane.append(held)
        if not call.context.long:
            call.context.started(held)
        for pending in held.waits:
            pending.uses += 1
            pending.follow(partial(self._has_argument, held))
        return held

    def _note(self, held: Held) -> None:
        """Note where a call is made, and by which method, for those who watch."""
        engine = self._engine
        if engine.calling_site is not None:
            held.made_at = engine.calling_site()
        if engine.observe is not None:
            by, task = engine.acting()
            held.number = engine.new_number()
            # It is sent by whatever runs when that can be.
            held.variables.run(answering.set, Actor(by, NOBODY - held.number))
            engine.observe(("held", held.number, by, task))

    def _keep(self, held: Held) -> None:
        """Copy what the call was given (rule V21), and keep the stubs in it."""
        taken: dict[int, Any] = {}
        for part in list(contents(held.call_made.values)):
            value = part
            if isinstance(part, RpcProperty):
                value = taken[id(part)] = part.__read__()
            if isinstance(value, RpcPromise):
                held.promised.append(value)
                held.waits.append(value.__pending__)
                value.__pending__.follow(partial(held.take_value, value))
            elif type(value) is RpcStub and value.__handle__.entry is not None:
                taken[id(part)] = value.dup()
                held.dups.append(taken[id(part)])
            elif type(value) is bytearray:
                taken[id(part)] = bytes(value)
            elif type(value) is Captured and isinstance(value.value, Pending):
                held.waits.append(value.value)
        held.call_made.values = replaced(held.call_made.values, taken)

    def _has_argument(self, held: Held) -> None:
        if held.entry is not None:
            self.advance(held.entry)

    def advance(self, entry: Import | Spot) -> None:
        """Send the calls on an import that need not wait any more."""
        lane = self._lanes.get(entry)
        if lane is None or isinstance(entry, Pending):
            return
        while lane and lane[0].is_ready:
            self._send(lane.popleft(), entry, entry, lane)
        if not lane and self._lanes.pop(entry, None) is not None:
            entry.drop()

    def _arrived(self, entry: Pending) -> None:
        """A promise settles: its calls leave before anything that follows from that."""
        late = False
        there = entry.at_the_other_side if isinstance(entry, Held) else entry
        lane = self._lanes.pop(entry, None) or Lane()
        for held in lane:
            if held.state != PENDING:
                held.let_go()
            elif entry.state == REJECTED:
                held.fail_as(entry)
            elif held.is_ready and not late and there is not None:
                self._send(held, there, entry, lane)
            elif there is not None and there.embargoed:
                # The other side takes calls on the promise until all of these are answered.
                late = True
                held.entry = Spot(there.session, there.id)
                self._lanes.setdefault(held.entry, Lane()).append(held)
            else:
                late = True
                held.become(held.variables.run(self._make_now, held, entry))

    def _send(self, held: Held, target: Import | Spot, entry: Import | Spot, lane: Lane) -> None:
        failed = [pending for pending in held.waits if pending.state == REJECTED]
        if held.state != PENDING:
            held.let_go()
            return
        if self._engine.observe is not None:
            lane.waited += [(pending.session.label, pending.id) for pending in held.waits]
        if failed:
            held.fail_as(failed[0])
        else:
            held.become(held.variables.run(self._send_now, held, target, entry, lane))

    def _make_now(self, held: Held, entry: Pending) -> Pending:
        if self._engine.observe is not None and held.number:
            keys = ((entry.session.label, entry.id),)
            self._engine.observe(("held goes", held.number, keys, 0))
        with self._at(held):
            return held.call_made.make_on(entry)

    @contextmanager
    def _at(self, held: Held) -> Iterator[None]:
        """What is sent was made where the call was; nothing of that is on the stack any more."""
        finder = self._engine.calling_site
        if finder is not None:
            self._engine.calling_site = lambda: held.made_at
        try:
            yield
        finally:
            self._engine.calling_site = finder

    def _send_now(
        self, held: Held, target: Import | Spot, entry: Import | Spot, lane: Lane
    ) -> Pending:
        engine = self._engine
        noted: tuple[tuple[tuple[str, int], ...], int] | None = None
        if engine.observe is not None and held.number:
            settled = [entry] if isinstance(entry, Pending) else []
            lane.waited += [(pending.session.label, pending.id) for pending in settled]
            noted = (tuple(lane.waited), lane.last)
            lane.waited, lane.last = [], held.number
            engine.observe(("held goes", held.number, *noted))
        self._sending = True
        try:
            with self._at(held):
                sent = held.call_made.send(target.session, target)
        finally:
            self._sending = False
        if engine.observe is not None and noted is not None and sent.id:
            end = sent.session.label
            engine.observe(("held sent", held.number, end, sent.id, *noted))
        return sent


def _is_missing(part: object) -> bool:
    """Whether a part of the arguments is a promise that has not settled."""
    if isinstance(part, RpcPromise):
        return part.__pending__.state == PENDING
    if type(part) is Captured:
        return isinstance(part.value, Pending) and part.value.state == PENDING
    return isinstance(part, RpcProperty)
