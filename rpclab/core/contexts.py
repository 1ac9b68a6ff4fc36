"""Execution contexts: who owns what, and what ends with it; and the world around them.

Floor: core. One context for each call into a Worker; the notebook, or a script, is one long one.
Rules C26, X8, O12 to O15, W6, W7.

The protocols below stand for what lies above the tables: the host, the session and what it packs,
streams. The tables hold those and need not be read with them. The class itself says what a member
does; of the two hosts, asyncio's is `rpc/engine.py` and the tests' is in `tests/support`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context as Variables
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rpclab.core.targets import is_ordinary, method_of
from rpclab.errors import CALL_CONTEXT_ENDED, HOST_CONTEXT_ENDED, ContextEndedError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping, MutableMapping, Sequence

    from rpclab.core.answers import Answer
    from rpclab.core.cascade import Cascade
    from rpclab.core.dialects import Dialect
    from rpclab.core.events import Call, Kept
    from rpclab.core.flow import Uplink
    from rpclab.core.hooks import Hook, TargetHook, Witness
    from rpclab.core.imports import Handle, Import, Pending
    from rpclab.core.limits import Limits
    from rpclab.core.messages import Frame, Given, Keywords, Message, Path
    from rpclab.core.references import Reference, Settled

T = TypeVar("T")

current: ContextVar[ExecutionContext | None] = ContextVar("rpclab_context", default=None)
"""The execution context that the running code belongs to; None outside every Worker."""


Methods = dict[tuple[type, str], Any]
"""The plain functions that are methods of targets, by class and name."""

_NONE_YET: Methods = {}
_MOST_METHODS = 1000  # a Worker may make classes without end


class ExecutionContext:
    """The owner of the stubs, calls and exports of one event.

    A context with `long` set (the notebook, a script) lasts until it is ended, and lets go of what
    Python has forgotten. Every other one ends by itself when nothing holds it any more: no call
    running in it, no live stub of its targets elsewhere, no work given to `wait_until`.

    Attributes:
        worker: the name of the Worker.
        platform: the `ctx` object that the application sees, if there is one.
        door: looks at the arguments of each call that runs in it; None where nothing does.
        ended: whether it is over.
        tasks: what the code of the context has started by itself; cancelled at the end (rule X8).
        methods: those of its targets that were called before; the calls on a Worker share them.
        cut_off: set where a call in it was cancelled, so that its code could not tidy up.
    """

    gate: Any = None  # the input gate of a Durable Object

    __slots__ = (
        "_at_home", "_holds", "_kept_by", "_owned", "_pending", "_running", "_streams", "_targets",
        "_unwanted", "cut_off", "door", "ended", "host", "long", "methods", "platform", "recording",
        "tasks", "variables", "worker",
    )  # fmt: skip

    def __init__(self, host: Host, worker: str, *, long: bool = False) -> None:
        self.host = host
        self.worker = worker
        self.long = long
        self.ended = False
        self.cut_off = False
        self.platform: Any = None
        self.door: Door | None = None
        self.recording: RecorderLike | None = None
        self.variables: Variables | None = None
        self.methods = _NONE_YET
        self.tasks: set[Any] | None = None
        self._holds = 0
        self._owned: dict[Handle, None] | None = None
        self._pending: dict[Pending, None] | None = None
        self._running: dict[Answer, None] | None = None
        self._streams: MutableMapping[EndLike, None] | None = None
        self._targets: dict[TargetHook, None] | None = None
        # Those of them that only its own Worker holds, as far as is known, and who does.
        self._at_home: dict[TargetHook, None] | None = None
        self._kept_by: Witness | None = None
        self._unwanted: list[Pending] | None = None

    def __repr__(self) -> str:
        state = "ended" if self.ended else f"{self._holds} holds"
        return f"<ExecutionContext of {self.worker}, {state}>"

    def fresh_variables(self) -> Variables:
        """The context variables of a call that begins in this context."""
        variables: Variables | None = self.variables
        if variables is None:
            variables = self.variables = Variables()
            variables.run(current.set, self)
        return variables.copy()

    def method(self, target: object, name: str) -> Any:
        """Give the plain function that is this method of a target, or None (see `method_of`)."""
        kind = type(target)
        known = self.methods
        function = known.get((kind, name))
        # One that was found before is found again with fewer questions.
        if function is not None and name not in target.__dict__:
            try:
                if getattr(kind, name) is function:
                    return function
            except Exception:  # noqa: S110 - of what was put in its place
                pass
        function = method_of(target, name)
        if function is not None and is_ordinary(kind):  # a peer may invent names without end
            if known is _NONE_YET:
                known = self.methods = {}
            elif len(known) >= _MOST_METHODS:
                known.clear()
            known[kind, name] = function
        return function

    # What keeps a context alive.

    def hold(self) -> None:
        """Keep the context alive until `let_go`."""
        self._holds += 1

    def let_go(self) -> None:
        """Give a hold back; the last one ends the context, unless it is a long one."""
        holds = self._holds = self._holds - 1
        if holds <= 0 and not self.long and not self.ended:
            self.end()
            return
        if self._unwanted and self._lives_for_its_targets:
            unwanted, self._unwanted = self._unwanted, None
            for pending in reversed(unwanted):
                self.arrived(pending)
                pending.session.release(pending)
        if self._owned:
            self.part_with_itself()

    def work_begins(self) -> None:
        """Work of the context's own begins, such as what was given to `wait_until`."""
        self.hold()

    def work_ends(self) -> None:
        """Work of the context's own is done."""
        self.let_go()

    def part_with_itself(self) -> None:
        """Dispose its stubs, if only they keep the targets that keep the context: it is over.

        This is asked each time that a stub of one of those targets goes. What was found out is
        remembered, so that it takes no longer the more stubs and targets there are.
        """
        owned = self._owned
        if not owned or not self._lives_for_its_targets or self._is_held_abroad():
            return
        if self._kept_by is not None and self._kept_by.is_good:
            return
        at_home = self._at_home or {}
        witness = next(iter(at_home)).other_holder_of(at_home, owned)
        if witness is not None:
            # A stand-in may become a claim of its own while no handle is added.
            stands_in = any(handle.entry and handle.entry.behind for handle in owned)
            self._kept_by = None if stands_in else witness
            return
        self._owned = None
        for handle in reversed(list(owned)):
            handle.dispose("context")

    def _is_held_abroad(self) -> bool:
        """Whether anybody but its own Worker holds one of its targets."""
        targets = self._targets
        while targets:
            hook = next(iter(targets))
            if hook.is_abroad():
                return True
            del targets[hook]
            self._at_home = self._at_home or {}
            self._at_home[hook] = None
        return False

    @property
    def _lives_for_its_targets(self) -> bool:
        """Whether its own work is done, and it goes on for those who hold stubs of its targets."""
        if self._targets is None or self.long:
            return False
        return 0 < self._holds == len(self._targets) + len(self._at_home or ())

    def kept_only_by(self, claims: Counter[Import]) -> bool:
        """Whether nothing keeps it but stubs of its targets, which make these claims."""
        return self._lives_for_its_targets and all(
            hook.other_holder(claims) is None for hook in self._all_targets()
        )

    def _all_targets(self) -> list[TargetHook]:
        return [*(self._targets or ()), *(self._at_home or ())]

    # What a context owns.

    def own(self, handle: Handle) -> None:
        """Take note of a handle, to dispose it at the end. A long context keeps no note."""
        if self.long:
            return
        if self._owned is None:
            self._owned = {}
        self._owned[handle] = None
        self._kept_by = None

    def disown(self, handle: Handle) -> None:
        """Forget a handle that was disposed."""
        if self._owned is not None:
            self._owned.pop(handle, None)

    def started(self, pending: Pending) -> None:
        """Take note of a call on its way out, to cancel it at the end (rule C26)."""
        if self._pending is None:
            self._pending = {}
        self._pending[pending] = None

    def arrived(self, pending: Pending) -> None:
        """Forget a call that has its answer."""
        if self._pending is not None:
            self._pending.pop(pending, None)

    def unwanted(self, pending: Pending) -> bool:
        """Nobody can ask for the result of a call any more.

        Returns:
            Whether it is given back now, as in a long context; another one gives it back when it
            ends, in reverse order (rule L8), or when nothing keeps it but its targets: those may be
            held by the very result, and it would never end.
        """
        if self._lives_for_its_targets:
            self.arrived(pending)
            return True
        self._unwanted = self._unwanted or []
        self._unwanted.append(pending)
        return False

    def suspended(self, answer: Answer) -> None:
        """Take note of a call being answered here, to break it at the end (rule W7)."""
        if self._running is None:
            self._running = {}
        self._running[answer] = None

    def finished(self, answer: Answer) -> None:
        """Forget a call that was answered."""
        if self._running is not None:
            self._running.pop(answer, None)

    def opened(self, end: EndLike) -> None:
        """Take note of an end of a stream, to break it off at the end (rules S9, S16)."""
        if self._streams is None:
            self._streams = {}
        self._streams[end] = None

    def closed(self, end: EndLike) -> None:
        """Forget an end of a stream that is through."""
        if self._streams is not None:
            self._streams.pop(end, None)

    def exported(self, hook: TargetHook) -> None:
        """Take note of a target made here that a peer holds: it keeps the context alive (O14)."""
        targets = self._targets
        if targets is None:
            targets = self._targets = {}
        targets[hook] = None
        self._holds += 1

    def introduced(self, hook: TargetHook) -> None:
        """Take note that a target made here is held at one more place."""
        if self._at_home and self._targets is not None and hook in self._at_home:
            del self._at_home[hook]
            self._targets[hook] = None
            self._kept_by = None

    def withdrawn(self, hook: TargetHook) -> None:
        """Forget a target whose last stub is gone."""
        targets, at_home = self._targets, self._at_home
        if (targets is not None and targets.pop(hook, self) is None) or (
            at_home is not None and at_home.pop(hook, self) is None
        ):
            self.let_go()

    def running(self) -> list[Answer]:
        """The calls being answered in this context that have suspended."""
        return list(self._running or ())

    def undisposed(self) -> list[Handle]:
        """The handles this context still owns (a long context does not know them)."""
        return list(self._owned or ())

    @staticmethod
    def gone() -> ContextEndedError:
        """Build the error of whoever calls what has lived here (rule W6)."""
        return ContextEndedError(HOST_CONTEXT_ENDED)

    def end(self) -> None:
        """End the context: cancel what runs, dispose its stubs, break its exports.

        Ending it twice is fine.
        """
        if self.ended:
            return
        self.ended = True
        if self.host.observe is not None:
            self.host.observe(("context ended", id(self), self.worker))
        if not (
            self._running
            or self._pending
            or self._streams
            or self._owned
            or self._targets
            or self._at_home
            or self.tasks
        ):
            return  # as after nearly every call on a binding (benchmark `binding`)
        tell = self.host.calls.undisposed(self) if self._owned else None
        for answer in list(self._running or ()):
            answer.interrupt(ContextEndedError(CALL_CONTEXT_ENDED))
        for pending in reversed(list(self._pending or ())):
            pending.cut_off(f"the context of {self.worker} that made it ended")
        for end in list(self._streams or ()):
            end.lost()
        # In reverse order, so that what was reached through another goes first (rule L8).
        for handle in reversed(list(self._owned or ())):
            handle.dispose("context")
        for hook in self._all_targets():
            hook.break_off()
        for task in list(self.tasks or ()):
            task.cancel()
        self._running = self._pending = self._owned = self._streams = self._targets = None
        self._at_home = self._kept_by = self._unwanted = None
        if tell is not None:
            tell()


class EventContext(ExecutionContext):
    """The context of an event from outside, such as a fetch: over when its own work is.

    Calls of others on its targets, and their stubs of these, do not keep it alive (rules W6, W7).
    """

    __slots__ = ("_work",)

    def __init__(self, host: Host, worker: str) -> None:
        super().__init__(host, worker)
        self._work = 0

    def work_begins(self) -> None:
        self._work += 1

    def work_ends(self) -> None:
        self._work -= 1
        if self._work == 0:
            self.end()

    @property
    def _lives_for_its_targets(self) -> bool:
        return False  # it ends with its work, whoever holds its targets

    def let_go(self) -> None:
        self._holds -= 1


def opened(context: ExecutionContext, call: Call | None = None) -> tuple[object, ...]:
    """The event of an execution context that begins, for a call or for an event from outside."""
    return ("context", id(context), context.worker, call)


Observer = Callable[[tuple[object, ...]], None]
"""Takes an event: see `events`."""

Packed = tuple["Frame", "PayloadLike | None"]
"""A message that is packed and not queued yet, and what it passes by reference, if anything."""


SendHeld = Callable[[Any, "Pending", "Import", Any], None]
"""Sends a call that was held back: takes the session, its promise, its target, and its values."""


class Resumable(Protocol):
    """Something that waits for a promise, or at the end of a stream; the host's business."""

    def settled(self, pending: Any, /) -> None:
        """It has settled, or changed: be resumed after the batch."""


class Cancellable(Protocol):
    """Work that can be given up: a method that has not returned, or a call that was forwarded."""

    def cancel(self, why: str, /) -> object:
        """Give it up, and say why."""


class Droppable(Protocol):
    """Something that Python may forget before it was given back."""

    def drop(self) -> None:
        """Give it back."""


class EndLike(Protocol):
    """One end of a stream (see `streams.End`)."""

    def belong(self, context: ExecutionContext | None) -> None: ...
    def lost(self) -> None: ...


class Door(Protocol):
    """Looks at the arguments of calls before they run."""

    def refusal(
        self, function: object, args: Sequence[object], kwargs: Keywords, *, bound: bool
    ) -> BaseException | None:
        """Say why a call is refused; None if it is not.

        Args:
            function: what would run; it is not called.
            args: the arguments of the peer, as they came.
            kwargs: likewise.
            bound: whether `function` takes an object as its first parameter, beside `args`.
        """


class RecorderLike(Protocol):
    """Writes down what a mapped function does (see `map.Recorder`)."""

    def capture(self, value: object) -> int: ...
    def add(self, subject: int, path: Path, args: Given, kwargs: Keywords) -> Pending: ...
    def refer_promise(self, pending: Pending) -> Reference: ...


class PayloadLike(Protocol):
    """What one message on its way out passes by reference (see `payload.Payload`)."""

    session: SessionLike
    context: ExecutionContext
    copying: bool
    references: bool
    source: Answer | None

    @property
    def is_result(self) -> bool: ...
    def goes_ahead(self, value: object) -> bool: ...
    def refer_handle(
        self, value: object, handle: Handle, *, binding: bool = False
    ) -> Reference: ...
    def refer_property(
        self, value: object, read: Callable[[], object], of: Import | None, path: Path
    ) -> Reference | Settled: ...
    def refer_promise(self, pending: Pending) -> Reference | Settled: ...
    def refer_readable(
        self, value: object, open_pipe: Callable[[SessionLike], Any]
    ) -> Reference: ...
    def refer_writable(self, sink: Hook) -> Reference: ...
    def commit(self) -> None: ...
    def sent(self) -> None: ...
    def take_back(self) -> None: ...


class SessionLike(Protocol):
    """One end of a session (see `session.Session`)."""

    name: str
    label: str

    host: Host
    keeper: ExecutionContext
    limits: Limits
    wrap: Mapping[int, Callable[[Any], Any]]
    closed: BaseException | None
    cascade: Cascade
    latest: Answer | None
    imports: dict[int, Import]
    exports: dict[int, Hook | Answer]
    last_export: int
    first_unsent: int
    pipelined: list[Pending]
    uplink: Uplink | None

    @property
    def peer(self) -> SessionLike | None: ...
    @property
    def is_near(self) -> bool: ...
    @property
    def last_call_of_peer(self) -> int: ...

    # The outbox and the tables.

    def send_frame(self, frame: Frame) -> None: ...
    def flush(self) -> int: ...
    def soon(self, function: Callable[[], None]) -> None: ...
    def introduce(self, hook: Hook) -> int: ...
    def withdraw(self, export_id: int) -> None: ...
    def enter(self, entry: Import) -> Import: ...
    @property
    def dialect(self) -> Dialect: ...
    @property
    def gathered(self) -> int: ...
    @property
    def result_bytes(self) -> int: ...
    def hold(self, size: int) -> None: ...
    def tuck_away(self, answer: Answer, bulk: int) -> None: ...
    def keep_for_later(self, answer: Answer) -> None: ...
    def introduced(self, number: int) -> Import: ...
    def export_of(self, number: int) -> Hook | Answer | None: ...
    def answer_to(self, number: int) -> Answer | None: ...
    def unseen_results(self) -> Iterable[object]: ...
    def pack(self, message: Message, values: list[object], context: ExecutionContext) -> Packed: ...
    def encode_part(self, value: object, references: object) -> object: ...

    # Calls on their way out.

    def call(
        self, target: Import, path: Path, args: Given, kwargs: Keywords, context: ExecutionContext
    ) -> Pending: ...
    def map(
        self,
        target: Import,
        captures: list[object],
        program: list[object],
        context: ExecutionContext,
        path: Sequence[str] = (),
    ) -> Pending: ...
    def send_held(
        self, pending: Pending, target: Import, values: object, send: SendHeld
    ) -> None: ...
    def write(
        self,
        pending: Pending,
        target: Import,
        operation: str,
        args: list[object],
        context: ExecutionContext,
    ) -> Pending: ...
    def rejected(
        self, error: BaseException, context: ExecutionContext, values: Sequence[object] = ()
    ) -> Pending: ...
    def resolved(self, value: object, context: ExecutionContext) -> Pending: ...
    def cut_off(self, pending: Pending) -> None: ...
    def ask(self, pending: Pending) -> None: ...
    def cancel(self, pending: Pending) -> None: ...
    def release(self, entry: Import) -> None: ...
    def give_back(self, import_id: int) -> None: ...
    def open_pipe(self) -> Import: ...
    def announce_pipe(self, number: int) -> None: ...
    def cancel_pipe(self, pipe: Hook, number: int, reason: BaseException) -> None: ...

    # Results on their way out.

    def pack_result(self, answer: Answer, value: object) -> Packed | None: ...
    def pack_error(self, answer: Answer, error: BaseException, *, remote: bool) -> Packed: ...
    def reply(self, answer: Answer, reply: Packed) -> None: ...
    def reply_at_once(self, answer: Answer, value: object) -> bool: ...
    def stays(self, answer: Answer, value: object) -> bool: ...
    def export_broken(self, export_id: int, error: BaseException) -> None: ...
    def copy(self, source: Answer) -> tuple[object, Sequence[Handle], Sequence[EndLike], int]: ...


class Holder(Protocol):
    """Takes calls that must wait until a promise has settled."""

    def hold(
        self, target: Import, values: object, context: ExecutionContext, send: SendHeld
    ) -> Pending | None:
        """Take a call that is about to be sent, and give its promise; None if it can be sent.

        Args:
            target: what it is made on.
            values: its (args, kwargs), or what a mapped function has captured.
            context: the execution context that makes it.
            send: for `SessionLike.send_held`, when nothing that it waits for is missing.
        """


class Noting(Protocol):
    """What is noted of each call: its place, whose work it is, what it carries."""

    kept: Kept
    """Takes what `Host.kept` takes, while somebody records; else nobody does."""

    serving: SessionLike | None
    """Whose peer has made the call whose plain method runs at this very moment: its last one."""

    clock: Callable[[], float]
    """Gives the time, in seconds."""

    ambient: tuple[ContextVar[Any], ...]
    """The context variables that calls carry: see `Calls.caused` and `Calls.carry`."""

    calling_site: Callable[[], str | None] | None
    """Finds where a session was called from, some frames away; None while nobody wants to know."""

    def call(self, pending: Pending, run: Message) -> None:
        """A call has joined a run: note its time, its place, who makes it, and what it carries."""


class Calls(Protocol):
    """What is done with calls beyond sending and answering them.

    They may carry options, be held back, or be noted: their place, whose work it is, what they
    carry. And what they give is wrapped for the application.
    """

    special: int
    """How many reasons there are for calls to carry options, or to be held back."""

    wrap: Mapping[int, Callable[[Any], Any]]
    """By kind of reference, what makes the object that the application sees.

    STUB and BINDING take a handle, WRITABLE the outlet to a sink at the other side, and READABLE
    the inlet of a stream that came in, or a generator that a method has returned.
    """

    holder: Holder | None
    """Holds calls back that are made on or with a promise, where there is no pipelining."""

    closing: bool
    """Whether all is being ended, so that nothing is told of what that cuts off."""

    @property
    def noting(self) -> Noting | None:
        """Notes what somebody wants to know of each call; None while nobody does."""

    def acting(self) -> tuple[Call | None, int]:
        """Who acts: the call whose code runs, None outside; and which of its tasks.

        While there is an observer.
        """

    def went_on(self) -> tuple[Call | None, int]:
        """Who acts, likewise; it goes on after something that is told of next."""

    def site(self) -> str | None:
        """The cell or file and line that called into rpclab; None while nobody wants to know."""

    def caused(self, session: SessionLike) -> Variables:
        """The running code makes a call on that session: a cause of what is flushed next.

        Returns:
            The variables that the call carries.
        """

    def carry(self, variables: Variables, answer: Answer | None = None) -> None:
        """Give a call the variables that it carries from what caused it, and its deadline."""

    def left(self, pending: Pending) -> float | None:
        """A call is sent now. Gives how many seconds it has; None where it has no deadline.

        Below zero the deadline has passed, and the call is not sent.
        """

    def bound(self, answer: Answer, seconds: float) -> None:
        """Cancel `answer` after so many seconds, unless it has settled."""

    def undisposed(self, context: ExecutionContext) -> Callable[[], None] | None:
        """A context ends that still owns handles; they are disposed next.

        Returns:
            What to do when the context has let go of everything, if anything.
        """

    def unseen(self, error: BaseException, worker: str, what: str, site: str | None) -> None:
        """Tell the user of a call that failed, whose promise nobody has awaited and nobody can.

        Runs in the variables that the call has carried, if any.

        Args:
            error: how it failed.
            worker: who was called.
            what: what was called there, such as "increment()"; "" where that is not known.
            site: where the call was made, if that was noted.
        """


class Host(Protocol):
    """The world around the sessions of one event loop."""

    observe: Observer | None
    """Takes the events of `Session` while somebody records, else None."""

    kept: Kept | None
    """Where what happens with each call is kept, in fewer steps (benchmark `recording`). None while
    nobody records."""

    clock: Callable[[], float]
    """Gives the time, in seconds."""

    calls: Calls
    """What is done with calls beyond sending and answering them."""

    def wake(self, session: SessionLike) -> bool:
        """Flush this session's outbox in the next turn, and never at once.

        Returns:
            Whether that will be; else the session asks again with its next frame.
        """

    def forget(self, entry: Droppable) -> None:
        """A handle, or an end of a stream, died without having been disposed.

        May be called at any time, in any thread.
        """

    def run(
        self,
        answer: Answer,
        function: Callable[..., Any],
        args: list[object],
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> None:
        """Call a member in its context; settle `answer` with what it returns or raises."""

    def ran(
        self,
        answer: Answer,
        value: object,
        variables: Variables,
        error: BaseException | None = None,
    ) -> None:
        """Settle `answer` with what a member has returned, or raised, that ran in `variables`.

        An awaitable is run there first.
        """

    def detach(self, function: Callable[[], object], context: ExecutionContext, what: str) -> None:
        """Run something nobody waits for (a disposer); report its failure as `what`."""

    def loopback(self, context: ExecutionContext) -> SessionLike:
        """The importing end of the session that this context's Worker has with itself."""

    def report(self, error: BaseException, what: str) -> None:
        """Tell the user of a failure that nobody waits for."""
