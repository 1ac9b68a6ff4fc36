"""A sandbox without pipelining: calls made on or with a promise wait until that has settled.

Floor: rpc. It serves to prove what pipelining saves. A call is held back at the caller as if the
promise had been awaited first, alone: what else the program does goes on. Calls on one stub still
leave in the order made, so those behind one that is held back wait too (rule L5).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from rpclab.core.containers import contents, replaced
from rpclab.core.events import NOBODY, Actor, answering
from rpclab.core.imports import PENDING, REJECTED, RESOLVED, Pending
from rpclab.core.map import Captured
from rpclab.errors import fresh_copy
from rpclab.rpc.later_calls import LaterCall
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext, SendHeld
    from rpclab.core.imports import Import
    from rpclab.errors import CallCancelledError
    from rpclab.rpc.protocols import Shell


class HeldCall(LaterCall):
    """The promise of a call that is held back.

    Args:
        target: what it was made on: a promise, or another import.
        values: what it was given.
        context: the execution context that makes it.
        send: sends it.
        advance: sends what need not wait any more of what was made on that target.

    Attributes:
        waits: the promises that it waits for.
        number: tells it from others while somebody records; else 0.
    """

    def __init__(
        self, target: Import, values: Any, context: ExecutionContext, send: SendHeld,
        advance: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__(target.session, context)
        self.target = target
        self.send = send
        self.waits = [target] if _is_under_way(target) else []
        self.number = 0
        self._advance = advance
        self.values = self.kept(values)
        for pending in self.waits:
            if pending is not target:
                pending.uses += 1
                pending.follow(advance)

    def kept_part(self, part: Any) -> Any:
        given = super().kept_part(part)
        if isinstance(given, RpcPromise):
            pending = given.__pending__
            self.waits.append(pending)
            if pending.state == RESOLVED:
                return self.kept(pending.value)
            pending.follow(partial(self._take, given))
        elif _is_missing(given):
            self.waits.append(given.value)
        return given

    def _take(self, promise: RpcPromise) -> None:
        """Put what a promise has resolved to in its place, whoever disposes of that."""
        pending = promise.__pending__
        if pending.state == RESOLVED and self.state == PENDING:
            self.values = replaced(self.values, {id(promise): self.kept(pending.value)})

    @property
    def failed(self) -> Pending | None:
        """The first that has failed of what it waits for."""
        return next((pending for pending in self.waits if pending.state == REJECTED), None)

    @property
    def is_ready(self) -> bool:
        """Whether it need not wait, for all is there, or it is not to be sent any more."""
        is_over = self.state != PENDING or self.failed is self.target
        return is_over or not any(map(_is_under_way, self.waits))

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
            held.site = noting.calling_site()
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
            held = lane.popleft()
            if held.state == PENDING:
                self._leave(held, lane, now=now)
            held.let_go()
        if lane or self._lanes.pop(target, None) is None:
            return  # one of those may have gone on with the others
        if not isinstance(target, Pending):
            target.drop()

    def _leave(self, held: HeldCall, lane: Lane, *, now: bool) -> None:
        """The first call of a lane is sent, or fails as what it has waited for."""
        if held.number and self._engine.observe is not None:
            waited = tuple([(other.session.label, other.id) for other in held.waits])
            self._engine.observe(("held goes", held.number, waited, lane.last))
            lane.last = held.number
        failed = held.failed
        if failed is None:
            held.variables.run(self._send, held, now=now)
        else:
            # Whoever traces or records takes it for that call, which was sent.
            held.session, held.id = failed.session, failed.id
            held.settle(REJECTED, fresh_copy(failed.value))

    def _send(self, held: HeldCall, *, now: bool) -> None:
        target = held.target
        self._sending = True
        try:
            if isinstance(target, Pending) and not (now or target.embargoed):
                # The other side has let go of the value, which is plain: one here is as good.
                with RpcStub(lambda value: value) as local:
                    target = local(target.value).__pending__
            target.session.send_held(held, target, held.values, held.send)
        finally:
            self._sending = False


def _is_under_way(value: object) -> TypeGuard[Pending]:
    return isinstance(value, Pending) and value.state == PENDING


def _is_missing(part: object) -> bool:
    """Whether a part of the arguments is a promise that has not settled."""
    if isinstance(part, RpcPromise):
        return _is_under_way(part.__pending__)
    return isinstance(part, RpcProperty) or (type(part) is Captured and _is_under_way(part.value))
