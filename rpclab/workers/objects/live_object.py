"""One Durable Object while it is in memory: its instance, its calls, its gates.

Floor: workers. Rules D1, D8 to D16.

Unlike a Worker, an object has one execution context for as long as it is in memory, as on the
platform: stubs that it keeps, and tasks that it begins, live on between its calls.
"""

from __future__ import annotations

from contextvars import Context as Variables
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary, WeakSet

from rpclab.core.contexts import ExecutionContext, current, opened
from rpclab.core.hooks import ServiceHook
from rpclab.core.imports import PENDING
from rpclab.core.targets import Exposed
from rpclab.diagnostics.places import note_place, place_parameters
from rpclab.errors import (
    ContextEndedError,
    NoSuchMemberError,
    NotCallableError,
    ObjectElsewhereError,
    RpcError,
    add_note,
    fresh_copy,
)
from rpclab.previews import described, type_name
from rpclab.rpc.activity import StepInterrupted
from rpclab.workers.entrypoints import refuse_reserved
from rpclab.workers.http_calls import dispatch
from rpclab.workers.objects.input_gate import InputGate
from rpclab.workers.objects.state import DurableObjectState
from rpclab.workers.request_counts import begin
from rpclab.workers.storage.key_values import Slot
from rpclab.workers.storage.storage import DurableObjectStorage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rpclab.core.answers import Answer
    from rpclab.core.hooks import Delivery
    from rpclab.core.imports import Handle, Pending
    from rpclab.rpc.engine import Engine
    from rpclab.workers.objects.running_class import RunningClass
    from rpclab.workers.objects.state import DurableObjectId

LONGEST_BLOCK = 30.0
"""Seconds that `block_concurrency_while` may take, as on the platform."""

_TOO_LONG = (
    "A call to block_concurrency_while() in a Durable Object waited for too long. The call was"
    " canceled and the Durable Object was reset."
)

_NO_BASE = (
    "The receiving Durable Object does not support RPC, because its class was not derived from"
    " DurableObject. In order to enable RPC, make sure your class derives from the class"
    ' DurableObject, which can be imported from the module "workers".'
)


class ObjectHook(ServiceHook):
    """What stands behind one stub of a Durable Object: the instance there is, made on first use.

    Args:
        running_class: the namespace, where it runs.
        id: of the object.

    Attributes:
        broken: the error of the reset that a call on this stub has met (rule D14).
    """

    __slots__ = ("broken", "id", "running_class")

    def __init__(self, running_class: RunningClass, id: DurableObjectId) -> None:
        super().__init__()
        self.running_class = running_class
        self.id = id
        self.broken: BaseException | None = None

    def start(self, call: Delivery) -> None:
        """Deliver the call to the object, when its gate is open."""
        answer, path, *_ = call
        name = path if type(path) is str else path[0] if path else ""
        refusal = refuse_reserved(name)
        if refusal is not None:
            answer.reject(refusal)
        elif self.broken is not None:
            answer.reject(self.broken, remote=False)
        else:
            queue = self.running_class.queue()
            if queue is None:
                self._deliver(call)
            else:
                queue.enter(answer, self, partial(self._deliver, call))

    def _deliver(self, call: Delivery) -> None:
        if self.running_class.away is not None:
            self.running_class.away(self.id, call)
            return
        try:
            live = self.running_class.live(self.id)
        except Exception as error:  # its storage cannot be opened
            call.answer.reject(error)
        else:
            live.deliver(self, call)

    def kind(self) -> type:
        """The class of the object, of the present version.

        Raises:
            RpcError: there is no such Worker, or no such class.
        """
        return self.running_class.kind()

    def wrap(self, handle: Handle) -> object:
        """Make the stub that a Worker sees to which a stub of the object was sent."""
        return self.running_class.wrap(handle, self.id)


class ObjectContext(ExecutionContext):
    """The execution context of an object in memory: it ends with that, and not with its calls.

    Handles and streams that Python forgets are given back, as in any context that lasts.
    """

    __slots__ = ("_handles", "_live", "gate")

    def __init__(self, live: LiveObject, gate: InputGate) -> None:
        super().__init__(_Host(live.engine, live), live.running_class.worker_name)
        self._handles: WeakSet[Handle] = WeakSet()
        self._streams = WeakKeyDictionary()
        self._live = live
        self.gate: InputGate = gate

    def fresh_variables(self) -> Variables:
        variables = super().fresh_variables()
        begin(variables)
        return variables

    def let_go(self) -> None:
        self._holds -= 1

    @property
    def _lives_for_its_targets(self) -> bool:
        return False  # it does not end with what is held of it

    def own(self, handle: Handle) -> None:
        self._handles.add(handle)

    def disown(self, handle: Handle) -> None:
        self._handles.discard(handle)

    def undisposed(self) -> list[Handle]:
        return list(self._handles)

    @property
    def idle(self) -> bool:
        """Whether it has no task, no call under way, no stream and no target that others hold."""
        return not (self._holds or self.tasks or self._pending or self._streams)

    def started(self, pending: Pending) -> None:
        """A call leaves the object, and with it what it has written."""
        self._live.save()
        super().started(pending)

    def unwanted(self, pending: Pending) -> bool:
        self.arrived(pending)
        return True

    def gone(self) -> ContextEndedError:  # type: ignore[override]
        error = super().gone()
        error.add_note(
            f"it lived in {self._live}, which {self._live.left}: ask the object for it again; what"
            " is to last is kept in ctx.storage"
        )
        return error

    def end(self) -> None:
        if not self.ended:
            super().end()
            for handle in list(self._handles):
                handle.dispose("context")


class _Host:
    """The engine, as an object's context sees it: code runs behind the gates of the object."""

    def __init__(self, engine: Engine, live: LiveObject) -> None:
        self._engine = engine
        self._live = live

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(
        self,
        answer: Answer,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any] | None,
        context: ExecutionContext,
    ) -> None:
        """Call a member; what it has written is saved before its answer leaves."""
        if self._engine.sites and answer.params is not None:
            place_parameters(answer.params, function)  # the engine sees what stands around it
        self._engine.run(answer, self._live.behind_gates(function), args, kwargs, context)

    def ran(
        self,
        answer: Answer,
        value: Any,
        variables: Variables,
        error: BaseException | None = None,
    ) -> None:
        """Settle `answer` with what comes of a sink's work, likewise."""
        self._engine.ran(answer, self._live.finish(value), variables, error)


class LiveObject:
    """A Durable Object, from its first call until it is evicted or reset.

    Args:
        running_class: its namespace.
        id: its id.

    Attributes:
        context: its execution context.
        slot: where its stored data is.
        left: why it is no longer in memory, as the end of a sentence; "" while it is.
    """

    def __init__(self, running_class: RunningClass, id: DurableObjectId) -> None:
        self.running_class = running_class
        self.id = id
        self.engine = running_class.engine
        self._gate = InputGate(self.engine.again)
        self.slot = Slot(running_class.file, running_class.file.open(id._key, id.name))
        self.context = ObjectContext(self, self._gate)
        self._calls: dict[Answer, ObjectHook] = {}
        self._instance: Any = None
        self._made = False
        self.left = ""

    def __repr__(self) -> str:
        name = str(self.id)[:8] + "…" if self.id.name is None else repr(self.id.name)
        return f"{self.running_class.class_name} {name} of {self.running_class.worker_name}"

    @property
    def busy(self) -> bool:
        """Whether it is answering calls."""
        return bool(self._calls) or not self._gate.idle

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do, and nobody holds anything of it."""
        return not self.busy and self.context.idle

    # Calls.

    def deliver(self, hook: ObjectHook, call: Delivery) -> None:
        """Take a call that was made on a stub, in the order made (rule D11)."""
        answer = call.answer
        self._calls[answer] = hook
        answer.watch(partial(self._over, answer))
        if self._made or self._make():
            self._gate.enter(lambda: self._begin(hook, call))

    def undisturbed(self, function: Callable[[], None]) -> None:
        """Run a function when nobody holds the gate; at once if the object leaves memory."""
        if self.running_class.has(self):
            self._gate.enter(function)
        else:
            function()

    def _over(self, answer: Answer) -> None:
        self._calls.pop(answer, None)
        if not self._calls and not self.context.ended:
            self.running_class.rests(self)

    def _make(self) -> bool:
        """Make the instance. Says whether that went well; else the object was reset (D13)."""
        self._made = True
        context = self.context
        if self.engine.observe is not None:
            self.engine.observe(opened(context))
        context.variables = Variables()
        context.variables.run(current.set, context)
        try:
            kind = self.running_class.kind()
            storage = DurableObjectStorage(
                self.slot, self._gate, has_alarm_handler=callable(getattr(kind, "alarm", None))
            )
            state = DurableObjectState(self, storage, self.running_class.exports())
            context.platform = state
            self._instance = context.variables.copy().run(kind, state, self.running_class.env())
            self.save()
        except Exception as error:
            self.reset(error)
        except BaseException as error:
            self.reset(RpcError(f"the constructor was left by {type_name(error)}"))
            if isinstance(error, KeyboardInterrupt) and not isinstance(error, StepInterrupted):
                raise
        return not context.ended

    def _begin(self, hook: ObjectHook, call: Delivery) -> None:
        answer = call.answer
        if answer.state != PENDING:
            return
        context = self.context
        answer.context = context
        answer.via = hook
        context.door = self.running_class.door()
        context.hold()
        if isinstance(self._instance, Exposed) or call.path in ("fetch", ["fetch"]):
            dispatch(call, self._instance, context)
        else:
            answer.reject(TypeError(_NO_BASE))
        if answer.state == PENDING:
            answer.served_by(hook, context)
        else:
            context.let_go()

    def behind_gates(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function that does the same, and saves what was written before it returns."""

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                value = function(*args, **kwargs)
            except Exception as error:
                self._leaves(error)
                raise
            if type(value) is CoroutineType:
                return self.finish(value)
            self.save()
            return value

        return call

    async def finish(self, coroutine: Any) -> Any:
        """Run a coroutine behind the input gate, and save what was written when it is over."""
        try:
            value = await self._gate.guard(coroutine)
        except Exception as error:
            self._leaves(error)
            raise
        self.save()
        return value

    def _leaves(self, error: Exception) -> None:
        """Mark an error that the code of the object has raised (rule D12)."""
        self.save()
        if not isinstance(error, NoSuchMemberError | NotCallableError):
            error.durable_object_id = str(self.id)  # type: ignore[attr-defined]

    def save(self) -> None:
        """The output gate: what was written is safe when this returns, and the object is ours.

        Raises:
            Exception: it could not be written, or the object lives elsewhere; it was reset.
        """
        rows = self.slot.rows
        if rows.unsaved:
            rows.save()
        else:
            rows.confirm()

    def is_ours(self) -> bool:
        """Whether no other node can have the object; else it was reset."""
        try:
            self.slot.rows.confirm()
        except ObjectElsewhereError:
            return False
        return True

    # Blocks that run alone.

    def block(self, callback: Callable[[], Any]) -> asyncio.Task[Any]:
        """See `ctx.block_concurrency_while`."""
        task = self._gate.run_alone(callback)
        timer = task.get_loop().call_later(
            LONGEST_BLOCK, lambda: self.engine.again(lambda: self.reset(RpcError(_TOO_LONG)))
        )

        def over(task: asyncio.Task[Any]) -> None:
            timer.cancel()
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Exception):
                self.reset(error)

        if task.done():  # a task factory that starts tasks at once; nobody may see the error first
            over(task)
        else:
            task.add_done_callback(over)
        return task

    # The end.

    def abort(self, reason: str) -> NoReturn:
        """Reset the object, and leave the code that asked for it."""
        error = RpcError(reason)
        self.reset(error)
        raise fresh_copy(error)

    def reset(self, error: BaseException) -> None:
        """Forget the object: its calls reject with `error`, and their stubs stay broken (D14)."""
        if self.context.ended:
            return
        if self.engine.debug:
            note_place(error)
        error.durable_object_reset = True  # type: ignore[attr-defined]
        again = "get(id)" if self.id.name is None else f"get_by_name({self.id.name!r})"
        add_note(
            error,
            f"{self} was reset; what it has stored stays. Stubs of it that a call was under way on"
            f" stay broken: take a new one, with {again}",
        )
        self.running_class.forget(self)
        calls, self._calls = self._calls, {}
        for answer, hook in calls.items():
            hook.broken = error
            running, answer.running = answer.running, None
            answer.reject(error, remote=False)
            if running is not None:
                running.cancel("the Durable Object was reset")
        self.leave(f"was reset ({described(error)})")

    def leave(self, why: str) -> None:
        """Leave memory. What was written stays, transactions that are open do not.

        Args:
            why: goes on the sentence that its name begins.
        """
        self.left = why
        self.running_class.forget(self)
        rows = self.slot.rows
        rows.leave()
        try:
            rows.save()
            rows.close()
        except Exception as error:
            self.engine.report(error, f"saving {self}")
        self._gate.clear()
        self.context.end()
