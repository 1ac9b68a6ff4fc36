"""The callee's half of a call: what is computed here for a peer, and what is pipelined on it.

Floor: core.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rpclab.core.hooks import BrokenHook, ForwardHook, Hook, TargetHook
from rpclab.core.imports import PENDING, REJECTED, RESOLVED
from rpclab.core.targets import is_target, no_such_step
from rpclab.errors import CallCancelledError, not_callable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.handles import Handle
    from rpclab.core.imports import Pending
    from rpclab.core.promised import Promised
    from rpclab.core.session import Session

Delivery = tuple["Answer", Any, Any, Any, Any]
"""(answer, path, args, kwargs, promised): a call on its way to the target."""


class Answer:
    """One call being answered. It is in the export table until the importer has seen the result.

    An answer without a session is a step on the way to another one: a property that was read
    because the path goes through it, or one step of a replayed function.

    Attributes:
        value: the result as the method returned it, or the error.
        params: the handles among the arguments; disposed when the method has returned (rule O7).
        path: the whole path asked for, for the words of rule C7.
    """

    __slots__ = (
        "_hooks", "_queue", "_serving", "_steps", "_watchers", "causes", "context", "deadline", "id",
        "moment", "origin", "params",
        "path", "plain", "pulled", "remote", "running", "session", "settled_at", "state",
        "suspended", "trace", "value", "via",
    )  # fmt: skip

    def __init__(self, session: Session | None, answer_id: int) -> None:
        self.session = session
        self.id = answer_id
        self.state = PENDING
        self.value: Any = None
        self.params: list[Handle] | None = None
        self.context: ExecutionContext | None = None
        self.via: Hook | None = None
        self.running: Any = None
        self.suspended = False
        self.remote = True
        self._serving = False
        self.path: tuple[str, ...] = ()
        self.plain = True
        self.pulled: Any = True
        # For the accounting of a trace: see trace/accounting.py.
        self.moment: int | None = None
        self.origin: Answer | None = None
        self.causes: tuple[int, ...] = ()
        self.settled_at: int | None = None
        self.trace: Any = None
        self.deadline: Any = None
        self._hooks: dict[int, tuple[Any, Hook]] | None = None
        self._queue: deque[Delivery] | None = None
        self._steps: list[Answer] | None = None
        self._watchers: list[Callable[[], None]] | None = None

    # Running.

    def serve(self, via: Hook, context: ExecutionContext) -> None:
        """The method starts now, in that context."""
        self.via = via
        self.context = context
        self._serving = True
        context._holds += 1  # noqa: SLF001 - hold(), once a call

    def suspend(self, running: Any) -> None:
        """The method has not returned yet; `running.cancel()` stops it."""
        self.running = running
        self.suspended = True
        if self.context is not None:
            self.context.suspended(self)

    def step(self) -> Answer:
        """Make an answer that this one goes through; dropped when this one has finished."""
        inner = Answer(None, 0)
        inner.origin = self.origin or self
        self._steps = self._steps or []
        self._steps.append(inner)
        return inner

    def follow(self, pending: Pending) -> None:
        """Settle as `pending` does: the call was forwarded."""
        self.running = pending

        def settled() -> None:
            self.running = None
            if pending.arrival:
                self.causes = (*self.causes, *pending.arrival)
            if pending.state == RESOLVED:
                self.resolve(pending.value)
            else:
                self.reject(pending.value, remote=getattr(pending.value, "remote", False))

        pending.follow(settled)

    # Settling.

    def resolve(self, value: Any) -> None:
        """The method returned `value`: send it, moving the stubs inside (rule O10)."""
        if self.state != PENDING:
            return
        self.state = RESOLVED
        self.value = value
        session = self.session
        if session is not None:
            try:
                frame = session.encode_result(self, value)
            except Exception as error:  # noqa: BLE001 - whatever the value's parts raise
                self.state = PENDING
                if not session.retry_when_awaited(self, value, error):
                    self.reject(error)
                return
            # What was pipelined goes on before the result does, so that the order is kept.
            if self._queue is not None:
                self._flush()
            session.reply(self, frame)
        elif self._queue is not None:
            self._note_step()
            self._flush()
        self._finish()

    def _note_step(self) -> None:
        context = self.context
        if context is not None and context.host.special:
            context.host.mark_result(self, [])

    def reject(self, error: BaseException, *, remote: bool = True) -> None:
        """The method raised. `remote` marks errors that were thrown here (rule Z2)."""
        if self.state != PENDING:
            return
        self.state = REJECTED
        self.value = error
        self.remote = remote
        if self._queue is not None:
            self._flush()
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
            running.cancel()

    def cancel(self) -> None:
        """Nobody waits any more: stop the method where it stands (rules C26, W7)."""
        running, self.running = self.running, None
        if self.state == PENDING:
            self.state = REJECTED
            self.value = CallCancelledError("The call was cancelled: the caller gave it up.")
            if self._queue is not None:
                self._flush()
            if self.context is not None:
                self.context.cut_off = True
            self._finish()
        if running is not None:
            running.cancel("the caller gave it up")

    def _finish(self) -> None:
        if self.params is not None:
            for handle in self.params:
                handle.dispose("parameter")
            self.params = None
        if self._steps is not None:
            for step in self._steps:
                step.cancel()
                step.drop()
            self._steps = None
        if self._serving:
            self._serving = False
            self.running = None
            context, via = self.context, self.via
            if self.suspended:
                context.finished(self)
            via.returned()
            context.let_go()
        if self._watchers is not None:
            watchers, self._watchers = self._watchers, None
            for watcher in watchers:
                watcher()

    def drop(self) -> None:
        """The importer needs the result no more: let go of the targets in it."""
        if self._hooks is not None:
            hooks, self._hooks = self._hooks, None
            for _, hook in hooks.values():
                hook.release()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher()` when the answer settles; at once if it has."""
        if self.state == PENDING:
            self._watchers = self._watchers or []
            self._watchers.append(watcher)
        else:
            watcher()

    # Pipelining.

    def deliver(
        self, answer: Answer, path: Any, args: Any, kwargs: Any, promised: list[Promised] | None
    ) -> None:
        """Take a call that was made on this result, perhaps before it is there (rules L1 to L7)."""
        if self.state == PENDING:
            self._queue = self._queue or deque()
            self._queue.append((answer, path, args, kwargs, promised))
        else:
            self._route(answer, path, args, kwargs, promised)

    def _flush(self) -> None:
        queue, self._queue = self._queue, None
        for delivery in queue or ():
            self._route(*delivery)

    def _route(
        self, answer: Answer, path: Any, args: Any, kwargs: Any, promised: list[Promised] | None
    ) -> None:
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
                if type(value) is not dict or name not in value:
                    path = answer.path or tuple(names)
                    answer.reject(no_such_step(path, len(path) - len(names) + position, value))
                    return
                value = value[name]
        if args is None:
            answer.resolve(value)
        else:
            answer.reject(not_callable(answer.path or tuple(names)))

    def hook_for(self, value: Any) -> Hook | None:
        """The hook behind a target, function or stub in this result; None for plain data."""
        hooks = self._hooks
        if hooks is not None and id(value) in hooks:
            return hooks[id(value)][1]
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
        found = self._hooks.get(id(value)) if self._hooks is not None else None
        return found[1] if found is not None else None

    def adopt(self, other: Answer, value: Any) -> None:
        """Take over the hooks that another answer has for the parts of `value`."""
        hooks = other._hooks
        if hooks is not None:
            del value
            for part, hook in list(hooks.values()):
                if self._hooks is None or id(part) not in self._hooks:
                    self.keep(part, hook)

    def keep(self, value: Any, hook: Hook) -> None:
        """Remember the hook of a part of the result, for calls pipelined on it; a claim on it."""
        if self._hooks is None:
            self._hooks = {}
        self._hooks[id(value)] = (value, hook)
        hook.retain()

