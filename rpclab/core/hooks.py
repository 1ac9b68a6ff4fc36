"""What stands behind an export: a target, a service, or a stub held elsewhere that we forward to.

Floor: core. A hook is counted: each export of it, and each answer that holds it, is a claim.
"""

from __future__ import annotations

from collections import Counter, deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.core.containers import replaced
from rpclab.core.contexts import opened
from rpclab.core.events import Actor, answering
from rpclab.core.imports import PENDING
from rpclab.core.targets import (
    Exposed,
    disposer_of,
    is_function,
    method_of,
    read_function_attribute,
    read_member,
)
from rpclab.errors import no_keywords, not_callable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context as Variables

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import ExecutionContext, SessionLike
    from rpclab.core.imports import Handle, Import, Pending
    from rpclab.core.messages import Arguments, Keywords, Path

_qualified_name_of = type.__dict__["__qualname__"].__get__  # a metaclass may have its own
_SPARE = 16  # how many places that are released a target may remember


class PromisedArgument:
    """The place of an argument that may not be there yet."""

    __slots__ = ()

    @property
    def settled(self) -> bool:
        """Whether the value, or the error, is there."""
        raise NotImplementedError

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher()` when it is there."""
        raise NotImplementedError

    def keep(self) -> None:
        """The call waits, and the importer may let go of the value before it can start."""

    def take(self, answer: Answer) -> object:
        """Give the value to the call that `answer` stands for, with handles of its own.

        Raises:
            Exception: the promise was rejected; so is the call.
        """
        raise NotImplementedError

    def give_back(self) -> None:
        """The call is over: where it has not taken the value, nobody will."""


class Places(list[PromisedArgument]):
    """The places among the arguments of one call. Each is waited for once, one after the other."""

    __slots__ = ("_there", "_watched", "_watcher")

    def __init__(self, places: Iterable[PromisedArgument] = ()) -> None:
        super().__init__(places)
        self._there = 0
        self._watched = -1
        self._watcher: Callable[[], None] | None = None

    def wait(self, answer: Answer, watcher: Callable[[], None]) -> bool:
        """Have `watcher()` called when there is news, if the call that `answer` stands for waits.

        Returns:
            Whether it does: it is not over, and a value is not there yet.
        """
        if answer.state != PENDING:
            return False
        while self._there < len(self) and self[self._there].settled:
            self._there += 1
        if self._there == len(self):
            return False
        if self._watcher != watcher:  # the first, or the call has moved on to another hook
            self._watcher = watcher
            self._watched = -1
            answer.watch(watcher)  # it may be cancelled first
        if self._watched < self._there:
            self._watched = self._there
            self[self._there].watch(watcher)
        return True

    def give_back(self) -> None:
        """The call is over: let go of what was kept for it, and it has not taken."""
        for argument in self:
            argument.give_back()


class Delivery(NamedTuple):
    """A call on its way to what it is made on.

    Attributes:
        answer: takes the result, or the error.
        path: of the member: one name, or a list of names; an empty list means the target itself.
        args: the arguments, a list; None to read.
        kwargs: the keyword arguments, or None.
        promised: the places among the arguments that may not be there yet.
    """

    answer: Answer
    path: Path
    args: Arguments
    kwargs: Keywords = None
    promised: Places | None = None


class Hook:
    """The receiving end of calls.

    Calls are started in the order in which they were delivered: one whose arguments are promised
    and not there yet holds back those behind it.
    """

    __slots__ = ("blocked", "claims", "context")

    in_order = False
    """Whether calls are started in that order, whatever the rules of the session are."""

    def __init__(self, context: ExecutionContext | None) -> None:
        self.context = context
        self.claims = 0
        self.blocked: deque[Delivery] | None = None

    def retain(self) -> None:
        """One more claim."""
        self.claims += 1

    def release(self) -> None:
        """One claim less."""
        self.claims -= 1
        if self.claims == 0:
            self.unclaimed()

    def unclaimed(self) -> None:
        """The last claim is gone."""

    def unsent(self) -> None:
        """The message that would have introduced it is not sent."""
        self.retain()
        self.release()

    def end(self) -> None:
        """The session that it was introduced in is over."""
        self.release()

    def has_run(self, answer: Answer, context: ExecutionContext) -> None:
        """A method was called for `answer`; where it goes on, what it needs is kept meanwhile."""

    def exported(self, session: SessionLike, export_id: int) -> None:
        """The hook was introduced to a peer under this id."""

    def identity(self) -> tuple[str, str, tuple[str, int] | None, bool]:
        """For those who watch: its kind, its name, the import it stands for, and whether it is new.

        Before it is exported; a hook that was exported already is not new.
        """
        return ("other", type(self).__name__, None, True)

    def deliver(self, call: Delivery) -> None:
        """Start a call, when all before it have started and its arguments are there."""
        if self.blocked is not None:
            self._hold_back(call)
        elif call.promised is None:
            self.start(call)
        elif not self.in_order and not _keeps_order(call.answer):
            self._start_when_filled(call, call.promised)
        else:
            self.blocked = deque()
            self._hold_back(call)
            self._advance()

    def _start_when_filled(self, call: Delivery, promised: Places) -> None:
        """Start a call once its arguments are there, whatever was called before or after it."""
        answer, path, args, kwargs, _ = call
        self.retain()
        for argument in promised:
            argument.keep()

        def start(both: tuple[Arguments, Keywords]) -> None:
            self.start(Delivery(answer, path, *both))

        fill(answer, (args, kwargs), promised, start, answer.reject)
        answer.watch(self.release)

    def _hold_back(self, call: Delivery) -> None:
        # A call that was made keeps what it was made on, also when its maker has let go of that.
        self.retain()
        for argument in call.promised or ():
            argument.keep()
        self.blocked.append(call)  # type: ignore[union-attr]
        call.answer.held_at = self

    def _advance(self) -> None:
        blocked = self.blocked
        while blocked:
            call = blocked[0]
            if call.promised is not None and call.promised.wait(call.answer, self._advance):
                return
            del blocked[0]
            if call.answer.state == PENDING:
                self._start_with(call)
            self.release()
        if self.blocked is blocked:
            self.blocked = None

    def _start_with(self, call: Delivery) -> None:
        answer, path, args, kwargs, promised = call
        failure = None
        if promised:
            try:
                fill = Filler(answer, promised)
                call = Delivery(answer, path, fill(args), fill(kwargs))
            except Exception as error:
                failure = error
        if failure is not None:
            answer.reject(failure)
        else:
            self.start(call)

    def start(self, call: Delivery) -> None:
        """Run the call now."""
        raise NotImplementedError


class Witness(NamedTuple):
    """What shows that somebody else holds something, as long as no handle is added to one's own.

    Attributes:
        held: an entry, or a target.
        claims: how many claims on it there can be that were looked at.
    """

    held: Import | TargetHook
    claims: int

    @property
    def is_good(self) -> bool:
        """Whether there are still more."""
        return self.held.all_claims > self.claims


class TargetHook(Hook):
    """One stub made of a target or function; its disposer runs when the last claim is gone (T6)."""

    __slots__ = ("_at_home", "_number", "_places", "_session", "broken", "target")

    context: ExecutionContext

    def __init__(self, target: object, context: ExecutionContext) -> None:
        self.context = context
        self.claims = 0
        self.blocked = None
        self.target = target
        self.broken = False
        self._session: SessionLike | None = None
        self._number = 0
        self._places: list[tuple[SessionLike, int]] | None = None
        self._at_home: list[tuple[SessionLike, int]] | None = None
        context.exported(self)

    def start(self, call: Delivery) -> None:
        """Run the call on the target, in the context that made it."""
        answer, path = call.answer, call.path
        context = self.context
        if context.ended:
            answer.reject(context.gone(), remote=False)
            return
        if answer.serving:
            answer.moves_on()
        answer.via = self
        answer.context = context
        target = self.target
        self.claims += 1  # the disposer waits for the method, which may end the session
        try:
            if (
                call.args is not None
                and type(path) is str
                and (function := context.method(target, path)) is not None
            ):
                # The list is the peer's, and may stand among its own arguments.
                _run(call, function, [target, *call.args], context, bound=True)
            else:
                dispatch(call, target, context)
        finally:
            self.has_run(answer, context)
            self.release()

    def has_run(self, answer: Answer, context: ExecutionContext) -> None:
        # A method that returned at once has kept nothing waiting, and nothing alive.
        if answer.state == PENDING:
            context.hold()
            answer.served_by(self, context)

    def release(self) -> None:
        claims = self.claims = self.claims - 1
        if claims > 0:
            self.context.part_with_itself()
        elif claims == 0:
            self._dispose()

    def is_abroad(self) -> bool:
        """Whether anybody but its own Worker holds it.

        Each place is looked at until it is known to be over, or at home: so it takes a step for
        each time that the target was introduced, however often this is asked.
        """
        if self._session is not None and _is_abroad(self, self._session, self._number):
            return True
        places = self._places
        while places:
            session, number = places[-1]
            if _is_abroad(self, session, number):
                return True
            del places[-1]
            if session.exports.get(number) is self:
                self._at_home = self._at_home or []
                self._at_home.append((session, number))
        return False

    @property
    def all_claims(self) -> int:
        """How many claims there are on it."""
        return self.claims

    @staticmethod
    def other_holder_of(targets: Iterable[TargetHook], handles: Iterable[Handle]) -> Witness | None:
        """Give what else holds one of these targets than those handles, if anything."""
        claims = claims_of(handles)
        return next(filter(None, (hook.other_holder(claims) for hook in targets)), None)

    def other_holder(self, claims: Counter[Import]) -> Witness | None:
        """Give what else holds the target than the handles that make these claims, if anything."""
        places = self._live_places()
        if len(places) != self.claims:
            return Witness(self, len(places))
        for session, number in places:
            held = None if session.peer is None else session.peer.imports.get(number)
            if held is None:
                return Witness(self, self.claims - 1)  # its release is on its way
            if claims[held] != held.handles:
                return Witness(held, claims[held])
        return None

    def _live_places(self) -> list[tuple[SessionLike, int]]:
        return [
            (session, number)
            for session, number in self._all_places()
            if session.exports.get(number) is self
        ]

    def _all_places(self) -> list[tuple[SessionLike, int]]:
        first = [] if self._session is None else [(self._session, self._number)]
        return first + (self._places or []) + (self._at_home or [])

    def forget(self) -> None:
        """It was never sent: let it go without running the disposer."""
        self.broken = True
        self.context.withdrawn(self)

    def _dispose(self) -> None:
        context = self.context
        if self.broken or context.ended:
            return
        self.broken = True
        dispose(self.target, context)
        context.withdrawn(self)

    def identity(self) -> tuple[str, str, tuple[str, int] | None, bool]:
        # Where a local function or class was written says its line; pictures have little room.
        return (
            "target",
            name_of(self.target).rpartition("<locals>.")[2],
            None,
            not self._all_places(),
        )

    def exported(self, session: SessionLike, export_id: int) -> None:
        self.context.introduced(self)
        # Nearly every stub is introduced once, and needs no list for that.
        if self._session is None:
            self._session = session
            self._number = export_id
            return
        self._places = self._places or []
        self._places.append((session, export_id))
        if len(self._places) > 2 * self.claims + _SPARE:
            live = self._live_places()
            self._session = self._at_home = None
            self._places = live

    def break_off(self) -> None:
        """The context ended: tell the holders (rule W6). The disposer does not run."""
        self.broken = True
        for session, export_id in self._all_places():
            session.export_broken(export_id, self.context.gone())


def _is_abroad(hook: TargetHook, session: SessionLike, number: int) -> bool:
    """Whether a target is held under that number by anybody but its own Worker."""
    if session.exports.get(number) is not hook:
        return False
    return session.peer is None or session.peer.keeper is not session.keeper


def bare_hook(context: ExecutionContext) -> TargetHook:
    """Make the hook of a target without a disposer, for the next call on it alone.

    It stands in no table, its context knows nothing of it, and nobody has to let go of it.
    """
    hook = object.__new__(TargetHook)
    hook.context = context
    hook.claims = hook._number = 0
    hook.blocked = hook._session = hook._places = hook._at_home = None
    hook.broken = False
    return hook


def dispose(target: object, context: ExecutionContext) -> None:
    """Run the disposer of a target, if it has one (T6); nobody waits for it."""
    disposer = disposer_of(target)
    if disposer is not None:
        context.host.detach(disposer, context, f"the disposer of {name_of(target)}")


def dispatch(call: Delivery, target: object, context: ExecutionContext) -> None:
    """Call (or read) the member of `target` at the path of `call`, and settle its answer.

    Args:
        call: what is asked for.
        target: a target, an entrypoint instance or a function.
        context: where the code runs.
    """
    path = call.path
    if not isinstance(path, str):
        if len(path) != 1:
            _dispatch_long(call, target, path, context)
            return
        path = path[0]
    if call.args is None:
        context.host.run(call.answer, _reader(target), [target, path], None, context)
        return
    function = method_of(target, path) if isinstance(target, Exposed) else None
    if function is not None:
        _run(call, function, [target, *call.args], context, bound=True)
    else:
        # A property or an attribute that may hold a function: read it, then call that.
        _through(call, target, path, [], context)


def _run(
    call: Delivery,
    function: Callable[..., Any],
    args: list[object],
    context: ExecutionContext,
    *,
    bound: bool,
) -> None:
    """Run a plain method or a function, if the door of its context lets the call in."""
    if context.door is not None:
        refusal = context.door.refusal(function, call.args or (), call.kwargs, bound=bound)
        if refusal is not None:
            call.answer.reject(refusal)
            return
    context.host.run(call.answer, function, args, call.kwargs, context)


def _dispatch_long(
    call: Delivery, target: object, path: list[str], context: ExecutionContext
) -> None:
    answer, args = call.answer, call.args
    if path:
        if not answer.path:
            answer.path = tuple(path)
        _through(call, target, path[0], path[1:], context)
    elif args is None:
        answer.resolve(answer.via)
    elif not is_function(target):
        answer.reject(not_callable(answer.path))
    else:
        _run(call, target, args, context, bound=False)


def _through(
    call: Delivery, target: object, name: str, rest: list[str], context: ExecutionContext
) -> None:
    """Read a member as a step of its own, and deliver the call to what comes out."""
    answer, _, args, kwargs, _ = call
    if not answer.path:
        answer.path = (name,)
    step = answer.step()
    step.context = context
    step.deliver(Delivery(answer, rest, args, kwargs))
    context.host.run(step, _reader(target), [target, name], None, context)


def _reader(target: object) -> Callable[..., Any]:
    return read_function_attribute if is_function(target) else read_member


def claims_of(
    handles: Iterable[Handle], forwards: Mapping[Hook, int] = MappingProxyType({})
) -> Counter[Import]:
    """Count the claims of some handles by entry.

    A stand-in that only they hold makes a claim, too, and so does a hook that forwards to an entry.

    Args:
        handles: the handles.
        forwards: the hooks that forward, and at how many places each is held.
    """
    claims: Counter[Import] = Counter()
    whole: list[Import] = []  # entries that only those handles hold, as far as is known
    held: Counter[Hook] = Counter()

    def claim(entry: Import | None) -> None:
        if entry is not None:
            claims[entry] += 1
            if claims[entry] == entry.handles:
                whole.append(entry)

    for handle in handles:
        claim(handle.entry)
    while whole:
        entry = whole.pop()
        claim(entry.behind)
        hook = None if entry.session.peer is None else entry.session.peer.exports.get(entry.id)
        if isinstance(hook, ForwardHook) and hook in forwards:
            held[hook] += 1
            if held[hook] == forwards[hook] == hook.claims:
                claim(hook.entry)
    return claims


class ServiceHook(Hook):
    """A binding: each call gets a new entrypoint instance in a new context (rule E2).

    Attributes:
        unusual: the names that are refused, or whose calls run as only `dispatch` knows; None if
            all may be.
    """

    __slots__ = ()

    unusual: frozenset[str] | None = None
    dispatch = staticmethod(dispatch)

    def __init__(self) -> None:
        super().__init__(None)

    def identity(self) -> tuple[str, str, tuple[str, int] | None, bool]:
        return ("binding", "", None, True)

    def refusal(self, name: str) -> BaseException | None:
        """The error of a name that is refused (rules C16, C17)."""
        raise NotImplementedError

    def open(self) -> tuple[object, ExecutionContext]:
        """Make the instance and its context, for one call.

        Raises:
            Exception: it cannot be made; the call is rejected with that (E4).
        """
        raise NotImplementedError

    def start(self, call: Delivery) -> None:
        """Make the instance and its context, and run the call there."""
        path = call.path
        refusal = self.refusal(path if type(path) is str else path[0] if path else "")
        if refusal is not None:
            call.answer.reject(refusal)
            return
        try:
            instance, context = self.open()
        except Exception as error:
            self.not_opened(error, call)
            return
        self.serve(call, instance, context)

    def not_opened(self, error: Exception, call: Delivery) -> None:
        """Reject a call for which no instance could be made."""
        call.answer.reject(error)

    def serve(self, call: Delivery, instance: object, context: ExecutionContext) -> None:
        """Run a call on an instance that was made for it."""
        answer = call.answer
        answer.via = self
        answer.context = context
        context.hold()
        if context.host.observe is not None:
            context.host.observe(opened(context, answer.call))
        try:
            self.dispatch(call, instance, context)
        finally:
            self.has_run(answer, context)

    def has_run(self, answer: Answer, context: ExecutionContext) -> None:
        if answer.state == PENDING:
            answer.served_by(self, context)
        else:
            context.let_go()


class ForwardHook(Hook):
    """A stub held by this Worker and introduced to another one: calls go on to where it lives.

    It outlives the context that introduced it (rule W5).

    Args:
        handle: the holder's handle; the hook makes a claim of its own on what it stands for.
        binding: whether it was introduced as a binding.
    """

    __slots__ = ("_binding", "entry")

    def __init__(self, handle: Handle, *, binding: bool = False) -> None:
        super().__init__(None)
        self._binding = binding
        if handle.entry is None:
            raise handle.error()
        entry = handle.entry.present
        entry.claim()
        self.entry: Import = entry

    def start(self, call: Delivery) -> None:
        """Call on, and settle as that call does; who asks for the stub itself gets this one."""
        if call.args is None and not call.path and self._may_stand_for_itself(call.answer):
            call.answer.resolve(self)
        else:
            call_on(call, self.entry.session, self.entry.call)

    def _may_stand_for_itself(self, answer: Answer) -> bool:
        """Whether the question for the stub is answered here.

        At the target it would wait behind calls that may have this very stub as their argument.
        Who has introduced the stub here is asked all the same: that leads it home.
        """
        session, entry = answer.session, self.entry
        return (
            session is not None
            and session is not entry.session
            and entry.broken is None
            and not self._binding
        )

    def identity(self) -> tuple[str, str, tuple[str, int] | None, bool]:
        entry = self.entry.direct
        return ("stub", "", (entry.session.label, entry.id), True)

    def unclaimed(self) -> None:
        self.entry.drop()


class OnwardHook(Hook):
    """The result of a call that was forwarded: calls pipelined on it go on without waiting for it.

    Args:
        source: the answer that waits for the result.
        pending: the forwarded call.
    """

    __slots__ = ("_pending", "_source")

    def __init__(self, source: Answer, pending: Pending) -> None:
        super().__init__(None)
        self._source = source
        self._pending = pending

    def start(self, call: Delivery) -> None:
        """Pipeline the call on the forwarded one."""
        if call.answer.state == PENDING:  # else it was cancelled while it was queued
            call_on(call, self._pending.session, self._pending.pipeline)

    def hand_over(self) -> deque[Delivery] | None:
        """Give up the calls that wait for arguments, in order: the result is there."""
        blocked, self.blocked = self.blocked, None
        return blocked


def work_of(answer: Answer, context: ExecutionContext) -> Variables:
    """Give the context variables for work of `answer` that no method of a target does."""
    variables = context.fresh_variables()
    context.host.calls.carry(variables, answer)
    if context.host.observe is not None:
        variables.run(answering.set, Actor(answer.call))
    return variables


def call_on(call: Delivery, session: SessionLike, make: Callable[..., Pending]) -> None:
    """Make a call on what lives elsewhere, and settle its answer as that one does.

    Args:
        call: the call that goes on.
        session: to where it goes.
        make: makes the call there.
    """
    answer, path, args, kwargs, _ = call
    if kwargs and not session.dialect.keywords:
        answer.reject(no_keywords())
        return
    arguments = None if args is None else tuple(args)
    keeper = session.keeper
    answer.follow(work_of(answer, keeper).run(make, path, arguments, kwargs, keeper))


class BrokenHook(Hook):
    """What a disposed stub becomes when it is sent: every call on it rejects (rule O4)."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        super().__init__(None)
        self.error = error

    def start(self, call: Delivery) -> None:
        """Reject."""
        call.answer.reject(self.error, remote=False)


class Filler:
    """Puts the values of promised arguments where their placeholders stand.

    Args:
        answer: the call they are for; it owns the handles of what is copied.
        promised: the placeholders, all of them settled.

    Raises:
        Exception: one of the promises was rejected.
    """

    def __init__(self, answer: Answer, promised: Places) -> None:
        self._values = {id(argument): argument.take(answer) for argument in promised}

    def __call__(self, value: Any) -> Any:
        """Give `value` with the placeholders replaced, at any depth."""
        return replaced(value, self._values)


def fill(
    answer: Answer,
    value: object,
    promised: Places | None,
    filled: Callable[[Any], None],
    failed: Callable[[BaseException], None],
) -> None:
    """Call `filled(value)` once all is there that is promised in `value`; or `failed(error)`.

    Neither is called where `answer` is over before. It owns the handles of what is copied.
    """

    def go_on() -> None:
        if promised is not None and promised.wait(answer, go_on):
            return
        if answer.state != PENDING:
            return
        try:
            whole = value if not promised else Filler(answer, promised)(value)
        except Exception as error:
            failed(error)
        else:
            filled(whole)

    go_on()


def _keeps_order(answer: Answer) -> bool:
    session = (answer.origin or answer).session
    return session is None or session.dialect.keeps_order


def name_of(target: object) -> str:
    """Name a target without calling anything of it."""
    name = getattr(target, "__qualname__", None) if is_function(target) else None
    return name if type(name) is str else _qualified_name_of(type(target))
