"""The callee's half of a call: what is computed here for a peer, and what is pipelined on it.

Floor: core.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.core.cascade import Cascade
from rpclab.core.containers import DICT_TYPES, bulk_of, bulk_of_data, contents, replaced
from rpclab.core.events import answered
from rpclab.core.hooks import (
    BrokenHook,
    Delivery,
    ForwardHook,
    Hook,
    OnwardHook,
    TargetHook,
    dispose,
)
from rpclab.core.imports import PENDING, REJECTED, RESOLVED
from rpclab.core.messages import SCALARS, Index
from rpclab.core.targets import attribute_of, is_target, no_such_step
from rpclab.errors import (
    CallCancelledError,
    is_absent,
    not_callable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.core.contexts import Cancellable, EndLike, ExecutionContext, Packed, SessionLike
    from rpclab.core.events import Call
    from rpclab.core.imports import Handle, Pending


_GIVEN_UP = "the caller gave it up"


class Answer:
    """One call being answered. It is in the export table until the importer has seen the result.

    An answer without a session is a step on the way to another one: a property that was read
    because the path goes through it, or one step of a replayed function.

    Attributes:
        value: the result as the method returned it, or the error.
        params: the handles among the arguments; disposed when the method has returned (rule O7).
        ends: the streams among the arguments; then they belong to the context of the method.
        size: of the message, in bytes, if it is a write to a stream.
        held_at: where it was held back, if it was: at a result that is not there yet, or behind a
            call whose promised arguments are not.
        weight: how many bytes it keeps until it has settled (see `holdings`).
        bulk: how many bytes its result takes, if it is kept until it is asked for.
        mapped: how many steps the maps in it have taken.
        mapped_values: how many values of their functions those have copied.
        mapped_bytes: how many bytes their results come to.
        copied: how many bytes the promises among its arguments have come to.
        quiet: whether nobody can ask for the result: it stays here, for what was made on it.
        plain: whether the settlement holds no references; then it is released by itself.
        pulled: whether the importer wants the result; else it stays here until it is asked for.
        awaits_pull: whether its context waits for whether the result is asked for.
        gives_itself_back: whether its settlement releases it, and nothing else does.
        released: whether the peer has given it back, and it goes as soon as it has settled.
        reads: whether it reads a member, for a peer to whom one that is not there is undefined.
        path: the whole path asked for, for the words of rule C7.
    """

    # What every call reads has a slot; it costs less than half of what a class's default does.
    __slots__ = (
        "__dict__", "_hook", "_part", "context", "followers", "id", "params", "plain", "pulled",
        "queue", "serving", "session", "state", "value", "via",
    )  # fmt: skip

    # Defaults stand on the class: most answers need none of these of their own.
    running: Cancellable | None = None
    remote = True
    quiet = False
    gives_itself_back = False
    awaits_pull = False
    released = False
    reads = False
    path: tuple[str, ...] = ()
    deadline: Any = None
    ends: list[EndLike] | None = None
    size = 0
    weight = 0
    bulk = 0
    mapped = 0
    mapped_values = 0
    mapped_bytes = 0
    copied = 0
    held_at: Hook | Answer | None = None
    onward: OnwardHook | None = None
    _others: dict[int, tuple[object, Hook]] | None = None
    origin: Answer | None = None

    def __init__(
        self,
        session: SessionLike | None,
        answer_id: int,
        params: Sequence[Handle] | None = None,
    ) -> None:
        self.session = session
        self.id = answer_id
        self.params = params
        self.state = PENDING
        self.value: Any = None
        self.context: ExecutionContext | None = None
        self.via: Hook | None = None
        self.serving = False
        self.plain = True
        self.pulled = True
        self.queue: deque[Delivery] | None = None
        self.followers: deque[Callable[[], None]] | None = None
        # The first part of the result that has a hook, and the hook; `_others` are the others.
        # Nearly always there is one, and to spare it a dict spares the garbage collector work.
        self._part: object = None
        self._hook: Hook | None = None

    @property
    def call(self) -> Call | None:
        """The call that this answers, or is a step of; None for what no peer asked."""
        origin = self.origin or self
        return None if origin.session is None else (origin.session.label, origin.id)

    # Running.

    def suspend(self, running: Cancellable) -> None:
        """The method has not returned yet; `running.cancel()` stops it."""
        if self.state != PENDING:
            running.cancel(_GIVEN_UP)  # the call was over before the method first waited
            return
        self.running = running
        if self.context is not None:
            self.context.suspended(self)

    def step(self) -> Answer:
        """Make an answer that this one goes through; dropped when this one has finished."""
        inner = Answer(None, 0)
        inner.origin = self.origin or self
        self.watch(inner.end)
        return inner

    def follow(self, pending: Pending) -> None:
        """Settle as `pending` does: the call was forwarded, and what is pipelined on it follows."""
        self.running = pending
        if pending.state == PENDING:
            self.onward = OnwardHook(self, pending)
            if self.queue:
                self._cascade().conclude(_HandingOn(self))

        def settled() -> None:
            self.running = None
            if self.onward is not None:
                # Later calls go to the result. Those that still wait for arguments must go there
                # before it leaves, and wait there.
                blocked, self.onward = self.onward.hand_over(), None
                if blocked:
                    self.queue = deque([*blocked, *(self.queue or ())])
            self.forwarded(pending)
            if self.state != PENDING:
                self._conclude(None)
            elif pending.state == RESOLVED:
                if self.session is None:
                    self._take_over(pending)
                self.resolve(pending.value)
            else:
                self.reject(pending.value, remote=getattr(pending.value, "remote", False))

        pending.follow(settled)

    def forwarded(self, pending: Pending) -> None:
        """Tell those who watch that this call is answered with the result of that one."""
        observe, call = pending.session.host.observe, self.call
        if observe is not None and call is not None:
            observe(("forwarded", *call, (pending.session.label, pending.id)))

    def _take_over(self, pending: Pending) -> None:
        """The stubs that a step was given go with the step; a message would have moved them."""
        if pending.stubs:
            for part in contents(pending.value):
                self.hook_for(part)
            pending.dispose_stubs()

    # Settling.

    def resolve(self, value: object) -> None:
        """The method returned `value`: send it, moving the stubs inside (rule O10)."""
        if self.state != PENDING:
            self._come_too_late(value)
            return
        self.state = RESOLVED
        self.value = value
        session, reply = self.session, None
        if session is None or (self.quiet and session.stays(self, value)):
            if self.origin is not None and type(value) not in SCALARS:
                self._hold_targets(value)
            self._note_quiet()
        elif not self.pulled:
            self._note_quiet()
            bulk = self._bulk_by_itself(value)
            if bulk is not None:
                self._conclude(None)
                session.tuck_away(self, bulk)
                return
            self.hold_parts(value)
            session.keep_for_later(self)
            if self.context is not None:
                # A stream in it is opened by the message that may be asked for.
                self.context.hold()
                self.awaits_pull = True
        elif self.queue is None and session.reply_at_once(self, value):
            pass
        else:
            reply = session.pack_result(self, value)
            if reply is None:
                return
        self._conclude(reply)

    def reject(self, error: BaseException, *, remote: bool = True) -> None:
        """The method raised. `remote` marks errors that were thrown here (rule Z2)."""
        if self.state != PENDING:
            return
        if self.reads and is_absent(error):
            self.resolve(None)
            return
        self.state = REJECTED
        self.value = error
        self.remote = remote
        session, reply = self.session, None
        if self.quiet or not self.pulled:
            self._note_quiet()
        elif session is not None and session.closed is None:
            # When a session ends, thousands of calls may fail that nobody is told of any more.
            reply = session.pack_error(self, error, remote=remote)
        self._conclude(reply)
        if self._hook is not None:
            # Nothing can be reached any more of what would have been the result.
            self.drop()
        if not self.pulled and session is not None and self.queue is None:
            session.tuck_away(self, bulk_of(error))

    def _hold_targets(self, value: object) -> None:
        """No message takes the result of a step along: when that is dropped, so are its targets."""
        for part in contents(value):
            if is_target(part):
                self.hook_for(part)

    def hold_parts(self, value: object) -> None:
        """The result stays here for now: keep what it refers to, as its message would."""
        if type(value) not in SCALARS:
            for part in contents(value):
                self.hook_for(part)

    def _bulk_by_itself(self, value: object) -> int | None:
        """How many bytes a result takes that nobody has asked for.

        Returns:
            None where it is not plain, or something stands on it: it does not wait by itself.
        """
        if self.queue is not None or self.onward is not None:
            return None
        return bulk_of_data(value)

    def pull(self) -> None:
        """The importer wants the result: it gets it now, or once it is there."""
        session = self.session
        if self.pulled or session is None:
            return
        self.pulled = True
        if self.state == RESOLVED:
            at_once = self.queue is None and session.reply_at_once(self, self.value)
            reply = None if at_once else session.pack_result(self, self.value)
        elif self.state == REJECTED:
            reply = session.pack_error(self, self.value, remote=self.remote)
        else:
            return
        if reply is not None:
            session.reply(self, reply)
        self._let_go_of_context()

    def _let_go_of_context(self) -> None:
        """The result was asked for, or nobody will: its context need not wait for that."""
        if self.awaits_pull and self.context is not None:
            self.awaits_pull = False
            self.context.let_go()

    def _come_too_late(self, value: object) -> None:
        """The call was cancelled before its method returned: no message takes that (rule O7)."""
        context = self.context
        if context is not None and self.state == REJECTED:
            for part in contents(value):
                if is_target(part) and self.kept(part) is None:
                    dispose(part, context)

    def _note_quiet(self) -> None:
        """Tell those who watch that this has settled, and no message does."""
        session = self.session
        if session is not None and session.host.observe is not None:
            failed = self.state == REJECTED
            session.host.observe(answered(session.label, self.id, self.value, 0, failed=failed))

    def _conclude(self, reply: Packed | None) -> None:
        """Deliver what was pipelined on this, queue the settlement, and let go of the rest."""
        if self.queue is None and self.followers is None:
            if reply is not None:
                self.session.reply(self, reply)  # type: ignore[union-attr]
            if self.serving or self.params is not None:
                self.finish()
            return
        self._cascade().conclude(_Conclusion(self, reply))

    def _cascade(self) -> Cascade:
        session = (self.origin or self).session
        return session.cascade if session is not None else Cascade(_nothing)

    def interrupt(self, error: BaseException) -> None:
        """The context of the method ended: stop it, and reject (rule W7)."""
        running, self.running = self.running, None
        if self.context is not None:
            self.context.cut_off = True
        self.reject(error)
        if running is not None:
            running.cancel("its execution context ended")

    def cancel(self) -> None:
        """Nobody waits any more: stop the method where it stands (rules C26, W7)."""
        running, self.running = self.running, None
        if self.state == PENDING:
            self.state = REJECTED
            self.value = CallCancelledError("The call was cancelled: the caller gave it up.")
            if self.context is not None:
                self.context.cut_off = True
            self._conclude(None)
        if running is not None:
            running.cancel(_GIVEN_UP)

    def served_by(self, via: Hook, context: ExecutionContext) -> None:
        """What `via` has started goes on: keep that, and the hold on its context, until it is over.

        The way to a member leads through others: each of them stays as well.
        """
        via.retain()
        if self.via is via and not self.serving:
            self.serving = True
        else:
            self.watch(partial(_over, via, context))

    def moves_on(self) -> None:
        """The call goes on at another hook, while what has led there is kept."""
        via, context = self.via, self.context
        if self.serving and via is not None and context is not None:
            self.serving = False
            self.watch(partial(_over, via, context))

    def take_ends(self, ends: Sequence[EndLike]) -> None:
        """Take streams among the arguments: during the call they are the message's."""
        if not ends:
            return
        if self.ends is None:
            self.ends = []
            self.watch(self._settle_down)
        self.ends += ends

    def _settle_down(self) -> None:
        ends, self.ends = self.ends, None
        for end in ends or ():
            end.belong(self.context)

    def finish(self) -> None:
        """The method is over: let go of its arguments, and of what it kept alive."""
        if self.params is not None:
            for handle in self.params:
                handle.dispose("parameter")
            self.params = None
        context, via = self.context, self.via
        if self.serving and context is not None and via is not None:
            self.serving = False
            self.running = None
            context.finished(self)
            via.release()
            context.let_go()

    def end(self) -> None:
        """Nobody waits any more: the session is over, or the answer that went through this one."""
        self.cancel()
        self.drop()

    def drop(self) -> None:
        """The importer needs the result no more: let go of the targets in it."""
        if self.state == PENDING:
            # A quiet call: what was made on it still needs the result.
            self.watch(self.drop)
            return
        if self.awaits_pull:
            self._let_go_of_context()
        first, self._hook, self._part = self._hook, None, None
        if first is not None:
            others, self._others = self._others, None
            first.release()
            for _, hook in others.values() if others is not None else ():
                hook.release()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher()` when the answer settles; at once if it has."""
        if self.state == PENDING:
            if self.followers is None:
                self.followers = deque()
            self.followers.append(watcher)
        else:
            watcher()

    # Pipelining.

    @property
    def target(self) -> Hook | None:
        """What calls on this result are made on, if it is just that and they need not queue."""
        if self.state == RESOLVED and self.queue is None and self.onward is None:
            return self._hook if self._part is self.value else None
        return None

    def deliver(self, call: Delivery) -> None:
        """Take a call that was made on this result, perhaps before it is there (rules L1 to L7)."""
        if self.onward is not None and not self.queue:
            self.onward.deliver(call)
        elif self.state == PENDING or self.queue:
            for argument in call.promised or ():
                argument.keep()
            self.queue = self.queue or deque()
            self.queue.append(call)
            call.answer.held_at = self
        else:
            self.route(call)

    def route(self, call: Delivery) -> None:
        """Deliver a call to the part of this result that its path leads to."""
        answer, path, args, kwargs, promised = call
        if answer.state != PENDING:
            return
        if self.state == REJECTED:
            answer.reads = False
            answer.reject(self.value, remote=self.remote)
            return
        names = [path] if type(path) is str else path
        value = self.value
        for position in range(len(names) + 1):
            hook = self.hook_for(value)
            if hook is not None:
                if not answer.path:
                    answer.path = tuple(names)
                hook.deliver(Delivery(answer, names[position:], args, kwargs, promised))
                return
            if position < len(names):
                name = names[position]
                if type(name) is Index and type(value) is list and int(name) < len(value):
                    value = value[int(name)]
                    continue
                if type(value) not in DICT_TYPES or name not in value:
                    whole = answer.path or tuple(names)
                    answer.reject(no_such_step(whole, len(whole) - len(names) + position, value))
                    return
                value = value[name]
        if args is None:
            # What was read shares the stubs inside with the result it is a part of.
            self.share(answer, value)
            answer.resolve(value)
        else:
            answer.reject(not_callable(answer.path or tuple(names)))

    def hook_for(self, value: Any) -> Hook | None:
        """The hook behind a target, function or stub in this result; None for plain data."""
        if self._hook is not None and (kept := self.kept(value)) is not None:
            return kept
        if issubclass(type(value), Hook):
            return value  # type: ignore[no-any-return]
        if is_target(value):
            if self.context is None:
                return None
            hook: Hook = TargetHook(value, self.context)
        else:
            handle = attribute_of(type(value), "__rpc_handle__")
            if handle is None:
                return None
            claim = handle(value)
            hook = BrokenHook(claim.error()) if claim.entry is None else ForwardHook(claim)
        self.keep(value, hook)
        return hook

    def kept(self, value: object) -> Hook | None:
        """The hook of a part of the result, if it is known already."""
        if self._hook is None or value is self._part:
            return self._hook
        found = self._others.get(id(value)) if self._others is not None else None
        return found[1] if found is not None else None

    def share(self, answer: Answer, value: object) -> None:
        """Let another answer, whose result is `value`, have the hooks of its parts from here."""
        if self._hook is None:
            return
        for part in contents(value):
            hook = self.kept(part)
            if hook is not None and answer.kept(part) is None:
                answer.keep(part, hook)

    def keep(self, value: object, hook: Hook) -> None:
        """Remember the hook of a part of the result, for calls pipelined on it; a claim on it."""
        hook.claims += 1
        if self._hook is None:
            self._part = value
            self._hook = hook
            return
        if self._others is None:
            self._others = {}
        self._others[id(value)] = (value, hook)


class _Conclusion:
    """What is left to do once an answer has settled, piece by piece (see `cascade`)."""

    __slots__ = ("_answer", "_replied", "_reply")

    def __init__(self, answer: Answer, reply: Packed | None) -> None:
        self._answer = answer
        self._reply = reply
        self._replied = False

    def step(self) -> bool:
        answer = self._answer
        # What was pipelined goes on before the result does, so that the order is kept.
        if answer.queue:
            answer.route(answer.queue.popleft())
        elif not self._replied:
            self._replied = True
            answer.queue = None
            if self._reply is not None:
                answer.session.reply(answer, self._reply)  # type: ignore[union-attr]
            answer.finish()
        elif answer.followers:
            answer.followers.popleft()()
        else:
            return False
        return True


class _HandingOn:
    """The calls that were pipelined on an answer go on to where that was forwarded."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def step(self) -> bool:
        answer = self._answer
        if answer.onward is None or not answer.queue:
            return False
        answer.onward.deliver(answer.queue.popleft())
        return True


async def awaited_inside(value: object) -> object:
    """Give a value with the awaitables in it awaited, at any depth."""
    found = {
        id(part): await part
        for part in contents(value)
        if type(part) not in SCALARS and attribute_of(type(part), "__await__") is not None
    }
    return replaced(value, found)


def _over(via: Hook, context: ExecutionContext) -> None:
    via.release()
    context.let_go()


def _nothing() -> None:
    """A step without a session is concluded at once, and nothing interrupts it."""


class DataHook(TargetHook):
    """The stub of a dict: calls go to its members, as if they were pipelined on it (rule O19)."""

    __slots__ = ("_members",)

    def __init__(self, target: dict[str, object], context: ExecutionContext) -> None:
        super().__init__(target, context)
        self._members = Answer(None, 0)
        self._members.context = context
        self._members.resolve(target)

    def start(self, call: Delivery) -> None:
        """Go on to the member; its stub is the same for all calls on this one."""
        if self.context.ended:
            call.answer.reject(self.context.gone(), remote=False)
        else:
            call.answer.context = self.context
            self._members.deliver(call)

    def _dispose(self) -> None:
        self._members.drop()
        super()._dispose()
