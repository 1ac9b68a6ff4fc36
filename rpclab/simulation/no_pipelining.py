"""A sandbox without pipelining: calls made on or with a promise wait until that has settled.

Floor: rpc. It serves to prove what pipelining saves. A call is held back at the caller as if the
promise had been awaited first, alone: what else the program does goes on. Calls on one stub still
leave in the order made, so those behind one that is held back wait too (rule L5).
"""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from rpclab.core.containers import contents, replaced
from rpclab.core.events import NOBODY, Actor, answering
from rpclab.core.imports import PENDING, REJECTED, RESOLVED, Pending
from rpclab.core.map import Captured
from rpclab.errors import fresh_copy
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext, SendHeld
    from rpclab.core.imports import Import
    from rpclab.errors import CallCancelledError
    from rpclab.rpc.protocols import Shell


class HeldCall(Pending):
    """The promise of a call that was not sent yet, with what it takes to send it.

    Args:
        target: what it was made on: a promise, or another import.
        values: what it was given.
        context: the execution context that makes it.
        send: sends it.
        advance: sends what need not wait any more of what was made on that target.

    Attributes:
        waits: the promises that it waits for.
        variables: the context variables that it was made in.
        number: tells it from others while somebody records; else 0.
        made_at: where it was made, while places are noted.
    """

    def __init__(
        self,
        target: Import,
        values: Any,
        context: ExecutionContext,
        send: SendHeld,
        advance: Callable[[], None],
    ) -> None:
        super().__init__(target.session, 0, context)
        self.target = target
        self.send = send
        self.waits = [target] if _is_under_way(target) else []
        self.variables = copy_context()
        self.number = 0
        self.made_at: str | None = None
        self._advance = advance
        self._dups: list[RpcStub] = []
        self.values = self._kept(values)
        for pending in self.waits:
            if pending is not target:
                pending.uses += 1
                pending.follow(advance)

    def _kept(self, values: Any) -> Any:
        """Copy what the call was given (rule V21), with stubs of its own, and wait for promises."""
        taken: dict[int, Any] = {}
        for part in contents(values):
            given = part.__read__() if isinstance(part, RpcProperty) else part
            if isinstance(given, RpcPromise):
                pending = given.__pending__
                self.waits.append(pending)
                if pending.state == RESOLVED:
                    given = self._kept(pending.value)
                else:
                    pending.follow(partial(self._take, given))
            elif type(given) is RpcStub and given.__handle__.entry is not None:
                given = given.dup()
                self._dups.append(given)
            elif type(given) is bytearray:
                given = bytes(given)
            elif _is_missing(given):
                self.waits.append(given.value)
            if given is not part:
                taken[id(part)] = given
        return replaced(values, taken)

    def _take(self, promise: RpcPromise) -> None:
        """Put what a promise has resolved to in its place, whoever disposes of that."""
        pending = promise.__pending__
        if pending.state == RESOLVED and self.state == PENDING:
            self.values = replaced(self.values, {id(promise): self._kept(pending.value)})

    @property
    def failed(self) -> Pending | None:
        """The first that has failed of what it waits for."""
        return next((pending for pending in self.waits if pending.state == REJECTED), None)

    @property
    def is_ready(self) -> bool:
        """Whether it need not wait, for all is there, or it is not to be sent any more."""
        is_over = self.state != PENDING or self.failed is self.target
        return is_over or not any(map(_is_under_way, self.waits))

    def let_go(self) -> None:
        """Nothing is to be sent any more."""
        for stub in self._dups:
            stub.dispose()

    def give_up(self, error: CallCancelledError) -> None:
        super().give_up(error)
        self._advance()


class Lane(deque[HeldCall]):
    """The calls on one promise, or other import, that are held back, in the order made.

    Attributes:
        last: the number of the last that left, while somebody records.
    """

    last = 0


class CallHolder:
    """Holds back the calls of one sandbox (see `core.contexts.Holder`).

    Args:
        engine: the host of its sessions.
    """

    def __init__(self, engine: Shell) -> None:
        self._engine = engine
        self._lanes: dict[Import, Lane] = {}
        self._sending = False

    def hold(
        self, target: Import, values: Any, context: ExecutionContext, send: SendHeld
    ) -> Pending | None:
        lane = self._lanes.get(target)
        waits = lane is not None or _is_under_way(target) or any(map(_is_missing, contents(values)))
        if self._sending or not waits:
            return None
        held = HeldCall(target, values, context, send, partial(self._advance, target))
        self._note(held)
        if lane is None:
            lane = self._lanes[target] = Lane()
            if _is_under_way(target):
                target.follow(partial(self._advance, target, now=True))
            elif not isinstance(target, Pending):
                target.claim()
        lane.append(held)
        if not context.long:
            context.started(held)
        return held

    def _note(self, held: HeldCall) -> None:
        """Note where a call is made, and by which method, for those who watch."""
        engine = self._engine
        noting = engine.noting
        if noting is not None and noting.calling_site is not None:
            held.made_at = noting.calling_site()
        if engine.observe is not None:
            by, task = engine.acting()
            held.number = engine.new_number()
            # It is sent by whatever runs when that can be.
            held.variables.run(answering.set, Actor(by, NOBODY - held.number))
            engine.observe(("held", held.number, by, task))

    def _advance(self, target: Import, *, now: bool = False) -> None:
        """Send the calls that need not wait any more; `now` tells that the target settles."""
        lane = self._lanes.get(target)
        if lane is None or _is_under_way(target):
            return
        while lane and lane[0].is_ready:
            self._leave(lane.popleft(), lane, now=now)
        if lane or self._lanes.pop(target, None) is None:
            return  # one of those may have gone on with the others
        if not isinstance(target, Pending):
            target.drop()

    def _leave(self, held: HeldCall, lane: Lane, *, now: bool) -> None:
        """The first call of a lane is sent, or fails as what it has waited for."""
        if held.state == PENDING:
            observe = self._engine.observe if held.number else None
            waited = (tuple((p.session.label, p.id) for p in held.waits), lane.last)
            if observe is not None:
                lane.last = held.number
                observe(("held goes", held.number, *waited))
            failed = held.failed
            if failed is not None:
                # Whoever traces or records takes it for that call, which was sent.
                held.session, held.id = failed.session, failed.id
                held.settle(REJECTED, fresh_copy(failed.value))
            else:
                held.variables.run(self._send, held, now=now)
                if observe is not None and held.id:
                    observe(("held sent", held.number, held.session.label, held.id, *waited))
        held.let_go()

    def _send(self, held: HeldCall, *, now: bool) -> None:
        target, noting = held.target, self._engine.noting
        finder = None if noting is None else noting.calling_site
        if noting is not None and finder is not None:
            # It was made there; nothing of that is on the stack any more.
            noting.calling_site = lambda: held.made_at
        self._sending = True
        try:
            if isinstance(target, Pending) and not (now or target.embargoed):
                # The other side has let go of the value, which is plain: one here is as good.
                with RpcStub(lambda value: value) as local:
                    target = local(target.value).__pending__
            target.session.send_held(held, target, held.values, held.send)
        finally:
            self._sending = False
            if noting is not None:
                noting.calling_site = finder


def _is_under_way(value: object) -> TypeGuard[Pending]:
    return isinstance(value, Pending) and value.state == PENDING


def _is_missing(part: object) -> bool:
    """Whether a part of the arguments is a promise that has not settled."""
    if isinstance(part, RpcPromise):
        return _is_under_way(part.__pending__)
    return isinstance(part, RpcProperty) or (type(part) is Captured and _is_under_way(part.value))
