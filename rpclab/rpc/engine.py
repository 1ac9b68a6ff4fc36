"""The host of the sessions of one sandbox: it runs the code of Workers, and wraps what they hold.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from contextvars import Context
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from rpclab.core.contexts import ExecutionContext, current
from rpclab.core.cycles import let_go_of_cycles
from rpclab.core.events import NOBODY, Actor, answering, opposite
from rpclab.core.hooks import ForwardHook
from rpclab.core.imports import PENDING, Pending
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.core.references import BINDING, READABLE, STUB, WRITABLE
from rpclab.core.session import Session
from rpclab.core.streams import Inlet
from rpclab.core.targets import attribute_of
from rpclab.diagnostics.places import calling_site, note_place, place_parameters, trim
from rpclab.errors import STEERING, DisconnectedError, NoSuchMemberError, RpcError, steers
from rpclab.previews import class_name, described, message_of, shown, type_name
from rpclab.rpc import deadlines, local
from rpclab.rpc.activity import Activity, StepInterrupted, is_interrupt
from rpclab.rpc.advice import advise
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.deadlines import Deadlines, current_deadline
from rpclab.rpc.observing import Observed, no_clock
from rpclab.rpc.run_queue import RunQueue
from rpclab.rpc.stubs import RpcPromise, RpcStub
from rpclab.rpc.tasks import forget_tasks
from rpclab.transports import memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import Calls, Door, Holder
    from rpclab.core.imports import Handle
    from rpclab.core.streams import Outlet
    from rpclab.rpc.protocols import Lasting
    from rpclab.rpc.streams import ReadableStream, WritableStream

    Connect = Callable[[Session, Session], None]

T = TypeVar("T")

log = logging.getLogger("rpclab")

_NO_PLACE = "Sandbox(record=True), or Python's option -X dev, says where"
_HINT = 200  # characters of the names that a misspelt one may mean
_OLDEST = 2  # generation of garbage, which a full collection looks at, too
_INTERRUPTED = "the method was left by KeyboardInterrupt"

_DATA = frozenset({type(None), bool, int, float, str, bytes, list, dict, tuple, set})


class Engine(RunQueue, Observed, Deadlines):
    """All sessions between the Workers of one sandbox, on one event loop.

    Args:
        limits: hold for every session.
        debug: put the remote traceback on errors, as a note.
        virtual: run the code of Workers on a virtual clock.
        pipelining: send calls on promises at once; else hold them back until these have settled.

    Attributes:
        calls: what is done with calls beyond sending and answering them: this engine knows.
        validation: whose calls are checked against annotations; None where nobody's are. What it
            may be asked, `rpclab.workers.validation.policy.Policy` says.
        special: whether calls carry options; kept up to date by who needs that.
        warn_undisposed: whether to warn of a context that ends with stubs its code left behind.
        connect: joins the two ends of a session.
        http_call: makes the HTTP calls of bindings.
        holder: holds calls back, where there is no pipelining.
        tell_unseen: takes the line about a call that failed unseen; else it is logged.
        lasting: what outlives its sessions, and may have none at present.
        closing: whether all contexts are being ended, so that nothing is told of what they cut off.
        paces: how many bytes of streams a second Workers read, where that is bounded.
        elsewhere: gives the session of a Worker with one that runs in another process, if it does.
        visits: the calls that no session carries, and whose methods have not returned yet.
    """

    def __init__(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        debug: bool = True,
        virtual: bool = False,
        pipelining: bool = True,
    ) -> None:
        RunQueue.__init__(self)
        Observed.__init__(self)
        self.limits = limits
        self.debug = debug
        self.http_call: Callable[[ServiceBinding, Any, dict[str, Any]], Any] = _no_http
        self.calls: Calls = self
        self.wrap = _WRAP
        self.special = deadlines.in_use
        self.warn_undisposed = False
        self.connect: Connect = memory.connect
        self._keepers: dict[str, ExecutionContext] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._visitors = 0
        self.closing = False
        self.lasting: set[Lasting] = set()
        self.tell_unseen: Callable[[str], None] = log.error
        self.validation: Any = None
        self.paces: dict[str, float] = {}
        self.elsewhere: Callable[[str, str], Session | None] | None = None
        self.holder: Holder | None = None
        self.visits: set[Answer] = set()
        if not pipelining:
            from rpclab.simulation.no_pipelining import CallHolder  # noqa: PLC0415 - for those who need it

            self.holder = CallHolder(self)
            self.special += 1
        if virtual:
            self.use_clock(virtual=True)
        self._looks_for_cycles = False
        deadlines.engines.add(self)
        _follow_collections(self)

    def use_clock(self, *, virtual: bool) -> None:
        """Run the code of Workers on a loop of its own, whose time jumps; or on the running one.

        While there are no sessions.
        """
        self.loop = self.guest = None
        self.clock = no_clock
        self.scheduled = False
        if virtual:
            from rpclab.simulation.clock import GuestLoop  # noqa: PLC0415 - for those who need it

            # What has no place on a virtual clock is refused by name.
            self.loop = self.guest = GuestLoop()  # type: ignore[abstract]
            self.guest.awaited = self._awaited_outside
            self.use_clock_of(self.guest)

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
        adopted = super()._adopt(loop)
        if loop.get_debug():  # whoever debugs asyncio wants to know places
            self.sites = True
        self.use_clock_of(adopted)
        return adopted

    def _awaited_outside(self) -> bool:
        return any(
            waiter.get_loop() is not self.guest  # type: ignore[attr-defined]
            for session in self.sessions()
            for entry in session.imports.values()
            if isinstance(entry, Pending)
            for waiter in entry.waiters or ()
        )

    def python_has_collected(self) -> None:
        """Look for contexts that only keep one another, soon. Safe in any thread, at any moment."""
        if self._sessions and not self.closing and not self._looks_for_cycles:
            self._looks_for_cycles = True
            self.forget(self)

    def drop(self) -> None:
        """Let go of contexts that only keep one another."""
        self._looks_for_cycles = False
        let_go_of_cycles(self.sessions())

    # Workers and the sessions between them.

    def keeper(self, worker: str) -> ExecutionContext:
        """The long context of a Worker, which owns what belongs to no event."""
        found = self._keepers.get(worker)
        if found is None:
            found = self._keepers[worker] = ExecutionContext(self, worker, long=True)
            found.door = self.new_door(worker)
        return found

    def use_validation(self, policy: Any) -> None:
        """Check calls as a policy says, from now on; those of nobody if it is None."""
        self.validation = policy
        for worker, keeper in self._keepers.items():
            keeper.door = self.new_door(worker)

    def new_door(self, worker: str, entrypoint: str | None = None) -> Door | None:
        """Give what checks the calls to a Worker, or to one of its entrypoints, if they are."""
        policy = self.validation
        covered = policy is not None and policy.covers(worker, entrypoint)
        return policy.new_door() if covered else None

    def session(self, importer: str, exporter: str) -> Session:
        """The end, at `importer`, of its session with `exporter`."""
        found = self._sessions.get((importer, exporter))
        if found is not None and found.closed is not None:
            found = None
        if (found is None or found.peer is not None) and self.elsewhere is not None:
            # A session in this process carries on what is under way there, also where its Worker
            # has moved meanwhile. What is made on it now would only come back.
            found = self.elsewhere(importer, exporter) or found
        return found or self._connect(importer, exporter)

    def _connect(self, one: str, other: str) -> Session:
        from rpclab.codecs.msgpack import MsgpackCodec  # noqa: PLC0415 - half of the import time

        near, far = (
            Session(
                f"{here}→{there}",
                codec=MsgpackCodec,
                host=self,
                keeper=self.keeper(here),
                limits=self.limits,
            )
            for here, there in ((one, other), (other, one))
        )
        self.connect(near, far)
        if one == other:
            far.label = opposite(near.label)
        if self.observe is not None:
            self.observe(("joined", near.label))
        self._sessions[one, other] = near
        # A Worker's session with itself has an importing and an exporting end of one name.
        if one != other:
            self._sessions[other, one] = far
        return near

    def join(self, session: Session) -> None:
        """Take on an end of a session whose other end is in another program."""
        one, _, other = session.name.partition("→")
        self._sessions[one, other] = session
        if self.observe is not None:
            self.observe(("joined", session.label))

    def part(self, session: Session) -> None:
        """Forget such an end: it is over."""
        one, _, other = session.name.partition("→")
        if self._sessions.get((one, other)) is session:
            del self._sessions[one, other]

    def unused(self, here: str, name: str) -> str:
        """A name like that one which no session at `here` leads to."""
        number, free = 1, name
        while (here, free) in self._sessions:
            number += 1
            free = f"{name} ({number})"
        return free

    def visitors(self) -> int:
        """The number of a peer that dials in, counted from 1."""
        self._visitors += 1
        return self._visitors

    def sessions(self) -> Iterable[Session]:
        """Every open end, the exporting ends of loopbacks too."""
        for (one, other), session in list(self._sessions.items()):
            yield session
            if one == other and session.peer is not None:
                yield session.peer

    def loopback(self, context: ExecutionContext) -> Session:
        """The importing end of a Worker's session with itself."""
        return self.session(context.worker, context.worker)

    # Running the code of Workers.

    def run(
        self,
        answer: Answer,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any] | None,
        context: ExecutionContext,
    ) -> None:
        """Call a member in a fresh context; settle `answer` with what it returns or raises."""
        if self.special or self.ambient:
            variables = context.fresh_variables()
            self.carry(variables, answer)
        else:
            variables = context.fresh_variables()
        if self.noting:
            if answer.params is not None and self.sites:
                place_parameters(answer.params, function)
            if self.observe is not None:
                self.active = answer.call
                origin = answer.origin or answer
                if origin.session is not None and origin.session.latest is not origin:
                    self.observe(("started", origin.session.label, origin.id))
        try:
            if kwargs:
                value = variables.run(function, *args, **kwargs)
            else:
                value = variables.run(function, *args)
        except BaseException as error:
            self.ran(answer, None, variables, error)
        else:
            self.ran(answer, value, variables)

    def ran(
        self,
        answer: Answer,
        value: Any,
        variables: Context,
        error: BaseException | None = None,
    ) -> None:
        """Settle with what a member returned, awaited where that can be, or has raised."""
        self.active = None
        if error is not None:
            self._failed(answer, error)
            if isinstance(error, KeyboardInterrupt) and not isinstance(error, StepInterrupted):
                raise error
            return
        kind = type(value)
        if kind in _DATA:
            answer.resolve(value)
            return
        if self.observe is not None:
            self._note_work(answer, kind, variables)
        if kind is CoroutineType:
            self._drive(answer, value, variables)
        elif kind is RpcPromise:
            self._settle_as(answer, value, variables)
        elif attribute_of(kind, "__await__") is None:
            answer.resolve(value)
        else:
            self._drive(answer, _await(value), variables)

    def _note_work(self, answer: Answer, kind: type, variables: Context) -> None:
        """A method that returned an awaitable goes on; what it calls says whose work it is."""
        call = answer.call if attribute_of(kind, "__await__") is not None else None
        actor = variables.get(answering)
        if actor is not None and actor.call == call:
            return  # it was told of before: this is the work of a call, and no method
        if call is not None and self.observe is not None:
            variables.run(answering.set, Actor(call))
            self.observe(("goes on", *call))

    def _drive(self, answer: Answer, work: Any, variables: Context) -> None:
        loop = self.loop
        if loop is None:
            raise RpcError("no event loop is running")

        activity = Activity(loop, work, variables, partial(self._worked, answer, variables))
        if self.observe is not None:
            self.acts_as(activity, variables)
        if not activity.start():
            answer.suspend(activity)

    def _worked(
        self, answer: Answer, variables: Context, value: Any, error: BaseException | None
    ) -> None:
        """The coroutine of a call is through."""
        if self.observe is not None:
            self.acted(variables)
        if self._draining:
            self._settle(answer, variables, value, error)
        else:
            # The loop resumed it; what follows from the result is the drain's business.
            self.again(partial(self._settle, answer, variables, value, error))

    def _settle(
        self, answer: Answer, variables: Context, value: Any, error: BaseException | None
    ) -> None:
        if self.ambient:
            self._cause = variables  # of the calls that waited for this result
        if error is not None:
            self._failed(answer, error)
        elif type(value) is RpcPromise:
            self._settle_as(answer, value, variables)
        else:
            answer.resolve(value)

    def _settle_as(self, answer: Answer, promise: RpcPromise, variables: Context) -> None:
        """The method returned a promise: its result is the answer, and pipelined calls go on."""
        pending = promise.__pending__
        if pending.state == PENDING and not pending.disposed:
            pending.uses += 1
            answer.suspend(pending)
            answer.follow(pending)
        else:
            self._drive(answer, _await(promise), variables.copy())

    def carry(self, variables: Context, answer: Answer | None = None) -> None:
        """Give a call the variables that it carries from what caused it, and its deadline."""
        if self.ambient and self._cause is not None:
            for variable in self.ambient:
                if variable in self._cause:
                    variables.run(variable.set, self._cause[variable])
        if answer is not None and answer.deadline is not None:
            variables.run(current_deadline.set, answer.deadline)

    def _failed(self, answer: Answer, error: BaseException) -> None:
        try:
            error = self._told(error)
        except Exception as failed:  # of a class that raises where it is looked at
            text = f"{type_name(error)} that cannot be told of: {message_of(failed)}"
            error = RpcError(f"the method was left by {text}")
        answer.reject(error)

    def _told(self, error: BaseException) -> BaseException:
        """What the caller is told of an error that has left a method."""
        names = map(class_name, type(error).__mro__)
        steering = [name for name in names if name in STEERING]
        if is_interrupt(error):
            error = RpcError(_INTERRUPTED).with_traceback(error.__traceback__)
        elif steering or steers(type(error)):
            said, name = message_of(error), steering[0] if steering else type_name(error)
            text = f"{name}: {said}" if said else name
            error = RpcError(f"the method was left by {text}").with_traceback(error.__traceback__)
        advise(error, worker=True)
        if self.debug:
            trim(error)
            note_place(error)
        return error

    def detach(self, function: Callable[[], Any], context: ExecutionContext, what: str) -> None:
        """Run something nobody waits for; report its failure (rule O16)."""
        context.hold()
        variables = Context() if context.variables is None else context.variables.copy()
        variables.run(current.set, context)
        if self.observe is not None:
            variables.run(answering.set, Actor(None, NOBODY))
        self.carry(variables)

        def settled(_value: Any, error: BaseException | None) -> None:
            if error is not None and not isinstance(error, asyncio.CancelledError):
                self.report(error, what)
            context.let_go()

        async def work() -> None:
            result = function()
            if attribute_of(type(result), "__await__") is not None:
                await result

        def start() -> None:
            if self.loop is not None:
                Activity(self.loop, work(), variables, settled).start()

        # Whoever let go may be in the middle of a step, where no other can begin.
        loop = self.loop
        if loop is None or (
            loop.is_running() and (not self._draining or asyncio.current_task(loop) is not None)
        ):
            self.again(start)
        else:
            start()

    def now(self) -> float:
        """The clock, in seconds, as a link asks for it."""
        return self.clock()

    def site(self) -> str | None:
        """Where rpclab was called from, while somebody records."""
        return calling_site(1) if self.sites else None

    def undisposed(self, context: ExecutionContext) -> Callable[[], None] | None:
        """Warn of what the code of a context has left behind, if that is wanted."""
        if not self.warn_undisposed:
            return None
        from rpclab.diagnostics.undisposed import warning_of  # noqa: PLC0415 - for those warned

        return warning_of(context)

    def report(self, error: BaseException, what: str) -> None:
        """Tell of a failure that nobody waits for."""
        said = "was interrupted" if is_interrupt(error) else f"failed: {described(error)}"
        log.error("%s %s", what, said, exc_info=error)

    def unseen(self, error: BaseException, worker: str, what: str, site: str | None) -> None:
        """Tell of a call that failed, whose promise nobody has awaited and nobody can."""
        call = f"a call on {worker}"
        if what.strip("()"):  # a function that is called has no name here
            call = f"{worker}.{shown(what)}"
        where = f" ({site})" if site else ""
        text = f"{call}{where} failed, and nobody awaited it: {described(error)}"
        hints = getattr(error, "__notes__", ()) if isinstance(error, NoSuchMemberError) else ()
        text += "".join([f" ({shown(hint, _HINT)})" for hint in hints[:1]])
        if not site and not self.sites:
            text += f" ({_NO_PLACE})"
        self.tell_unseen(text)

    def close(self) -> None:
        """End every session and context. What was exported breaks; no disposer runs (rule W6)."""
        error = DisconnectedError("the sandbox was closed")
        sessions = list(self.sessions())
        contexts = {hook.context for session in sessions for hook in session.hosted()}
        self.closing = True
        for each in list(self.lasting):
            each.end(error)
        for session in sessions:
            session.closed = session.closed or error
        for context in [*contexts, *self._keepers.values()]:
            context.end()
        for session in sessions:
            session.close(error)
        for visit in list(self.visits):
            visit.interrupt(error)
        self.closing = False
        self._sessions.clear()
        self._keepers.clear()
        others = (engine for engine in deadlines.engines if engine is not self)
        if self.loop is not None and all(engine.loop is not self.loop for engine in others):
            forget_tasks(self.loop)


def _follow_collections(engine: Engine) -> None:
    """Have an engine look for cycles of contexts after each full collection of Python's own."""

    def collected(phase: str, info: dict[str, int]) -> None:
        engine = found()
        if engine is not None and phase == "stop" and info["generation"] == _OLDEST:
            engine.python_has_collected()

    found = weakref.ref(engine, lambda _: gc.callbacks.remove(collected))
    gc.callbacks.append(collected)


def _binding(handle: Handle) -> ServiceBinding:
    """Wrap a handle as a binding; one of a Durable Object knows its id, if it is near."""
    entry = handle.entry
    hook: Any = None
    while entry is not None and entry.session.peer is not None:
        hook = entry.session.peer.exports.get(entry.id)
        entry = hook.entry if isinstance(hook, ForwardHook) else None
    wrap = getattr(hook, "wrap", ServiceBinding)
    return wrap(handle)


def _readable(source: Any) -> ReadableStream:
    """Wrap a stream that came in, or what a returned generator yields."""
    from rpclab.rpc.streams import ReadableStream  # noqa: PLC0415 - for those who have one

    if isinstance(source, Inlet):
        return ReadableStream.__from_inlet__(source)
    return ReadableStream(source)


def _writable(outlet: Outlet) -> WritableStream:
    """Wrap a sink at the other side."""
    from rpclab.rpc.streams import WritableStream  # noqa: PLC0415 - for those who have one

    return WritableStream.__from_outlet__(outlet)


_WRAP: Mapping[int, Callable[[Any], Any]] = {
    STUB: RpcStub.__from_handle__,
    BINDING: _binding,
    READABLE: _readable,
    WRITABLE: _writable,
}


def _no_http(*_: object) -> NoReturn:
    raise RpcError("HTTP calls are made in a Sandbox")


async def _await(value: Awaitable[Any]) -> Any:
    return await value


local.register(Engine)
