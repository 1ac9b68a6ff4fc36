"""The callee's half of a call: what is computed here for a peer, and what is pipelined on it.

Floor: core.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rpclab.core.containers import DICT_TYPES, contents
from rpclab.core.hooks import BrokenHook, ForwardHook, Hook, OnwardHook, TargetHook
from rpclab.core.imports import PENDING, REJECTED, RESOLVED
from rpclab.core.targets import is_target, no_such_step
from rpclab.errors import (
    HOST_CONTEXT_ENDED,
    CallCancelledError,
    ContextEndedError,
    not_callable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.handles import Handle
    from rpclab.core.imports import Pending
    from rpclab.core.promised import Promised
    from rpclab.core.session import Session
    from rpclab.core.streams import End

Delivery = tuple["Answer", Any, Any, Any, Any]
"""(answer, path, args, kwargs, promised): a call on its way to the target."""


class Answer:
    """One call being answered. It is in the export table until the importer has seen the result.

    An answer without a session is a step on the way to another one: a property that was read
    because the path goes through it, or one step of a replayed function.

    Attributes:
        value: the result as the method returned it, or the error.
        params: the handles among the arguments; disposed when the method has returned (rule O7).
        ends: the streams among the arguments; then they belong to the context of the method.
        size: of the message, in bytes, if it is a write to a stream.
        path: the whole path asked for, for the words of rule C7.
    """

    # What every call reads has a slot; it costs less than half of what a class's default does.
    __slots__ = (
        "__dict__", "_after", "_hook", "_part", "context", "id", "params", "plain", "pulled",
        "queue", "serving", "session", "state", "value", "via",
    )  # fmt: skip

    # Defaults stand on the class: most answers need none of these of their own.
    running: Any = None
    remote = True
    path: tuple[str, ...] = ()
    deadline: Any = None
    ends: list[End] | None = None
    size = 0
    onward: OnwardHook | None = None
    _others: dict[int, tuple[Any, Hook]] | None = None
    # For the accounting of a trace: see trace/accounting.py.
    moment: int | None = None
    origin: Answer | None = None
    causes: tuple[int, ...] = ()
    settled_at: int | None = None
    trace: Any = None

    def __init__(self, session: Any, answer_id: int, params: list[Handle] | None = None) -> None:
        self.session: Session | None = session
        self.id = answer_id
        self.params = params
        self.state = PENDING
        self.value: Any = None
        self.context: ExecutionContext | None = None
        self.via: Hook | None = None
        self.serving = False
        self.plain = True
        self.pulled: Any = True
        self.queue: deque[Delivery] | None = None
        self._after: list[Callable[[], None]] | None = None
        # The first part of the result that has a hook, and the hook; `_others` are the others.
        # Nearly always there is one, and to spare it a dict spares the garbage collector work.
        self._part: Any = None
        self._hook: Hook | None = None

    # Running.

    def suspend(self, running: Any) -> None:
        """The method has not returned yet; `running.cancel()` stops it."""
        self.running = running
        if self.context is not None:
            self.context.suspended(self)

    def step(self) -> Answer:
        """Make an answer that this one goes through; dropped when this one has finished."""
        inner = Answer(None, 0)
        inner.origin = self.origin or self
        self.watch(inner.let_go)
        return inner

    def let_go(self) -> None:
        """The answer that went through this one has finished."""
        self.cancel()
        self.drop()

    def follow(self, pending: Pending) -> None:
        """Settle as `pending` does: the call was forwarded, and what is pipelined on it follows."""
        if pending.session.host.special:
            pending.session.host.mark_result(self, [])
        self.running = pending
        self.onward = OnwardHook(self, pending)
        queue, self.queue = self.queue, None
        for delivery in queue or ():
            self.onward.deliver(*delivery)

        def settled() -> None:
            self.running = None
            if pending.arrival:
                self.causes = (*self.causes, *pending.arrival)
            if pending.state == RESOLVED:
                if self.session is None:
                    self._take_over(pending)
                self.resolve(pending.value)
            else:
                self.reject(pending.value, remote=getattr(pending.value, "remote", False))

        pending.follow(settled)

    def _take_over(self, pending: Pending) -> None:
        """The stubs that a step was given go with the step; a message would have moved them."""
        if pending.stubs:
            for part in contents(pending.value):
                self.hook_for(part)
            pending.dispose_stubs()

    # Settling.

    def resolve(self, value: Any) -> None:
        """The method returned `value`: send it, moving the stubs inside (rule O10)."""
        if self.state != PENDING:
            return
        self.state = RESOLVED
        self.value = value
        session = self.session
        if session is not None:
            if not session.send_result(self, value):
                return
        else:
            self._note_step()
            if self.queue is not None:
                self.flush()
        if self.serving or self.params is not None or self._after is not None:
            self._finish()

    def _note_step(self) -> None:
        """Tell the accounting that this has settled, before a message does, or where none does."""
        owner = (self.origin or self).session or self.context
        if owner is not None and owner.host.special:
            owner.host.mark_result(self, [])

    def reject(self, error: BaseException, *, remote: bool = True) -> None:
        """The method raised. `remote` marks errors that were thrown here (rule Z2)."""
        if self.state != PENDING:
            return
        self.state = REJECTED
        self.value = error
        self.remote = remote
        self._note_step()
        if self.queue is not None:
            self.flush()
        session = self.session
        if session is not None:
            session.reply(self, session.encode_error(self, error, remote=remote))
        self._finish()

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
            if self.queue is not None:
                self.flush()
            if self.context is not None:
                self.context.cut_off = True
            self._finish()
        if running is not None:
            running.cancel("the caller gave it up")

    def take_ends(self, ends: Sequence[End]) -> None:
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

    def _finish(self) -> None:
        if self.params is not None:
            for handle in self.params:
                handle.dispose("parameter")
            self.params = None
        context, via = self.context, self.via
        if self.serving and context is not None and via is not None:
            self.serving = False
            self.running = None
            context.finished(self)
            via.returned()
            context.let_go()
        if self._after is not None:
            after, self._after = self._after, None
            for follow_up in after:
                follow_up()

    def drop(self) -> None:
        """The importer needs the result no more: let go of the targets in it."""
        if self.onward is not None and self.onward.blocked:
            self.onward.dropped = True
            return
        first, self._hook, self._part = self._hook, None, None
        if first is not None:
            others, self._others = self._others, None
            first.release()
            for _, hook in others.values() if others is not None else ():
                hook.release()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher()` when the answer settles; at once if it has."""
        if self.state == PENDING:
            if self._after is None:
                self._after = []
            self._after.append(watcher)
        else:
            watcher()

    # Pipelining.

    def deliver(
        self, answer: Answer, path: Any, args: Any, kwargs: Any, promised: list[Promised] | None
    ) -> None:
        """Take a call that was made on this result, perhaps before it is there (rules L1 to L7)."""
        onward = self.onward
        if onward is not None and (self.state == PENDING or onward.blocked):
            onward.deliver(answer, path, args, kwargs, promised)
        elif self.state == PENDING:
            for argument in promised or ():
                argument.keep()
            self.queue = self.queue or deque()
            self.queue.append((answer, path, args, kwargs, promised))
        else:
            self.route(answer, path, args, kwargs, promised)

    def flush(self) -> None:
        queue, self.queue = self.queue, None
        for delivery in queue or ():
            self.route(*delivery)

    def route(
        self, answer: Answer, path: Any, args: Any, kwargs: Any, promised: list[Promised] | None
    ) -> None:
        """Deliver a call to the part of this result that its path leads to."""
        if answer.state != PENDING:
            return
        if self.settled_at is not None:
            answer.causes = (*answer.causes, self.settled_at)
        if self.state == REJECTED:
            answer.reject(self.value, remote=self.remote)
            return
        names = [path] if type(path) is str else path
        value = self.value
        for position in range(len(names) + 1):
            hook = self.hook_for(value)
            if hook is not None:
                if not answer.path:
                    answer.path = tuple(names)
                hook.deliver(answer, names[position:], args, kwargs, promised)
                return
            if position < len(names):
                name = names[position]
                if type(value) not in DICT_TYPES or name not in value:
                    path = answer.path or tuple(names)
                    answer.reject(no_such_step(path, len(path) - len(names) + position, value))
                    return
                value = value[name]
        if args is None:
            # What was read shares the stubs inside with the result it is a part of.
            answer.adopt(self, value)
            answer.resolve(value)
        else:
            answer.reject(not_callable(answer.path or tuple(names)))

    def hook_for(self, value: Any) -> Hook | None:
        """The hook behind a target, function or stub in this result; None for plain data."""
        kept = self.kept(value)
        if kept is not None:
            return kept
        if isinstance(value, Hook):
            return value
        if is_target(value):
            if self.context is None:
                return None
            hook: Hook = TargetHook(value, self.context)
        else:
            handle = getattr(type(value), "__rpc_handle__", None)
            if handle is None:
                return None
            claim = handle(value)
            hook = BrokenHook(claim.error()) if claim.entry is None else ForwardHook(claim)
        self.keep(value, hook)
        return hook

    def kept(self, value: Any) -> Hook | None:
        """The hook of a part of the result, if it is known already."""
        if self._hook is None or value is self._part:
            return self._hook
        found = self._others.get(id(value)) if self._others is not None else None
        return found[1] if found is not None else None

    def adopt(self, other: Answer, value: Any) -> None:
        """Take over the hooks that another answer has for the parts of `value`."""
        if other._hook is None:
            return
        for part in contents(value):
            hook = other.kept(part)
            if hook is not None and self.kept(part) is None:
                self.keep(part, hook)

    def keep(self, value: Any, hook: Hook) -> None:
        """Remember the hook of a part of the result, for calls pipelined on it; a claim on it."""
        hook.retain()
        if self._hook is None:
            self._part = value
            self._hook = hook
            return
        if self._others is None:
            self._others = {}
        self._others[id(value)] = (value, hook)


class DataHook(TargetHook):
    """The stub of a dict: calls go to its members, as if they were pipelined on it (rule O19)."""

    __slots__ = ("_members",)

    def __init__(self, target: dict[str, Any], context: ExecutionContext) -> None:
        super().__init__(target, context)
        self._members = Answer(None, 0)
        self._members.context = context
        self._members.resolve(target)

    def start(self, answer: Answer, path: Any, args: Any, kwargs: Any) -> None:
        """Go on to the member; its stub is the same for all calls on this one."""
        if self.context.ended:
            answer.reject(ContextEndedError(HOST_CONTEXT_ENDED), remote=False)
            return
        answer.context = self.context
        self._members.deliver(answer, path, args, kwargs, None)

    def _dispose(self) -> None:
        self._members.drop()
        super()._dispose()
