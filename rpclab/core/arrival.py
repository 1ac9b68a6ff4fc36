"""What one message of the peer mentions by reference, as it becomes stubs, bindings and streams.

Floor: core. A codec meets a reference while it unpacks, and asks here for what it stands for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rpclab.core.answers import Answer
from rpclab.core.containers import begun
from rpclab.core.embargo import place_all
from rpclab.core.gathering import Gathered
from rpclab.core.hooks import Delivery, ForwardHook, Hook, Places, PromisedArgument, TargetHook
from rpclab.core.imports import Handle, Import, Pending
from rpclab.core.map import Program, replay
from rpclab.core.messages import MAP
from rpclab.core.promise_arguments import (
    Announcement,
    PromisedAnswer,
    PromisedImport,
    Unreadable,
    Variable,
)
from rpclab.core.references import (
    BINDING,
    OWN_BINDING,
    OWN_STUB,
    PLACEHOLDER,
    PROMISE,
    READABLE,
    RESULT,
    STUB,
    WRITABLE,
    Reference,
)
from rpclab.core.streams import End, Inlet, Outlet, Pipe
from rpclab.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.core.contexts import SessionLike
    from rpclab.core.messages import Path

E = TypeVar("E", bound=End)


class Evaluation(NamedTuple):
    """A call inside a message, or the reading of a member (see `Arrival.later`)."""

    hook: Hook | Answer
    step: Answer
    path: Path
    args: list[object] | None
    inside: Arrival
    program: Program | None = None


class Arrival:
    """The references in one message; made for a message that has any.

    Whoever takes the message disposes the handles, and has the streams belong somewhere.

    Attributes:
        handles: the handles made for it.
        promised: the places of promised values in it.
        variables: the places of a mapped function's variables in it.
        unreadable: the places of values that cannot be made here.
        own: the handles among them whose target lives in this Worker.
        streams: the ends of streams in it.
        evaluations: the calls in it, which are made when it is taken (Cap'n Web).
        references: whether the peer mentioned anything by reference.
    """

    # Defaults stand on the class: most messages need none of these of their own.
    handles: list[Handle] | None = None
    promised: Places | None = None
    variables: list[Variable] | None = None
    unreadable: list[Unreadable] | None = None
    own: list[Handle] | None = None
    streams: list[End] | None = None
    references = False
    evaluations: Sequence[Evaluation] = ()

    def __init__(self, session: SessionLike) -> None:
        self._session = session
        self._known: dict[Reference, object] = {}

    def take(self, kind: int, number: int) -> object:
        """Give the stub, binding, stream or place that a reference stands for.

        Raises:
            RemoteProtocolError: there is no such thing; that is the peer's fault.
        """
        self.references = True
        if not self._session.dialect.shares:
            return self._make(kind, number)
        value = self._known.get((kind, number))
        if value is None:
            value = self._known[kind, number] = self._make(kind, number)
        return value

    def check(self, kind: int) -> None:
        """Check that a message of this kind may mention what it does.

        Raises:
            RemoteProtocolError: it mentions a variable, and is no program.
        """
        if self.variables and kind != MAP:
            raise RemoteProtocolError("the peer mentions a variable outside of a program")

    def _make(self, kind: int, number: int) -> object:
        session = self._session
        if kind in (STUB, BINDING):
            # Between a Worker and itself any stub is at home, and may be called or passed on past
            # those on their way here.
            peer = session.peer
            home = peer is not None and peer.keeper is session.keeper
            entry = self._come_home(number) if home else None
            if entry is None:
                entry = session.introduced(number)
            return self._wrap(entry, binding=kind == BINDING, home=home)
        if kind in (OWN_STUB, OWN_BINDING):
            hook = session.exports.get(number)
            if isinstance(hook, Announcement):
                return self._promise(PromisedImport(hook.pending))
            if not isinstance(hook, Hook):
                raise RemoteProtocolError(f"the peer sent export {number}, which it does not hold")
            if kind == OWN_BINDING and isinstance(hook, TargetHook):
                # As a binding, nobody would dispose it.
                raise RemoteProtocolError(f"the peer sent export {number} as a binding")
            return self._wrap(self._home(hook), binding=kind == OWN_BINDING, home=True)
        if kind == RESULT:
            source = session.answer_to(number)
            if source is None:
                raise RemoteProtocolError(f"the peer sent the result of {number}, which is no call")
            return self._promise(PromisedAnswer(source, session))
        if kind == PROMISE:
            pending = Pending(session, number, session.keeper)
            pending.unseen = False  # of no call that was made here
            session.enter(pending)
            return self._promise(PromisedImport(pending))
        if kind == READABLE:
            return session.wrap[READABLE](self._end(Inlet(self._pipe(number), session.keeper)))
        if kind == WRITABLE:
            entry = Import(session, number)
            session.enter(entry)
            return session.wrap[WRITABLE](self._end(Outlet(entry, session.keeper)))
        if kind == PLACEHOLDER:
            variable = Variable(number)
            self.variables = begun(self.variables or (), variable)
            return variable
        raise RemoteProtocolError(f"the peer sent a reference of unknown kind {kind}")

    def _pipe(self, number: int) -> Pipe:
        pipe = self._session.exports.get(number)
        if not isinstance(pipe, Pipe) or pipe.taken:
            raise RemoteProtocolError(f"the peer sent the pipe {number}, which it did not open")
        return pipe

    def _end(self, end: E) -> E:
        if self.streams is None:
            self.streams = []
        self.streams.append(end)
        return end

    def cannot_read(self, why: Exception) -> Unreadable:
        """Give the place of a value that cannot be made here; the call that needs it rejects."""
        place = Unreadable(why)
        self.unreadable = begun(self.unreadable or (), place)
        self._promise(place)
        return place

    def _promise(self, place: PromisedArgument) -> PromisedArgument:
        if self.promised is None:
            self.promised = Places()
        self.promised.append(place)
        return place

    def _come_home(self, number: int) -> Import | None:
        """Between a Worker and itself a stub that came home stands for what it stood for."""
        session = self._session
        peer = session.peer
        assert peer is not None  # noqa: S101 - it is in this process
        hook = peer.exports.get(number)
        if not isinstance(hook, ForwardHook):
            return None
        entry = hook.entry
        entry.claim()
        peer.exports.pop(number)
        if session.host.observe is not None:
            session.host.observe(("withdrawn", peer.label, number))
        hook.release()
        entry.handles -= 1
        return entry

    def later(
        self,
        number: int,
        path: Path,
        args: list[object] | None,
        inside: Arrival,
        program: Program | None = None,
    ) -> PromisedArgument:
        """Give the place of the result of a call, or of a member, that stands inside the message.

        Args:
            number: of the export that it is made on.
            path: of the member.
            args: the arguments; None to read the member.
            inside: what the arguments mention.
            program: what is mapped with, where it is a map.

        Raises:
            RemoteProtocolError: there is no such export.
        """
        hook = self._session.export_of(number)
        if hook is None:
            raise RemoteProtocolError(f"the peer called export {number}, which it does not hold")
        step = Answer(None, 0)
        made = Evaluation(hook, step, path, args, inside, program)
        self.evaluations = begun(self.evaluations, made)
        return self._promise(PromisedAnswer(step, self._session))

    def later_map(
        self, number: int, path: Path, captures: list[object], program: list[Any]
    ) -> PromisedArgument:
        """Give the place of the result of a map that stands inside the message (see `later`).

        Raises:
            RemoteProtocolError: there is nothing of that number.
        """
        mapped = Program(program, captures, None)
        return self.later(number, path, None, Arrival(self._session), mapped)

    def gather(self, number: int, build: Callable[[bytes], object]) -> PromisedArgument:
        """Give the place of a value that is made of a whole stream of bytes.

        Args:
            number: of the pipe that it comes through.
            build: makes it.

        Raises:
            RemoteProtocolError: there is no such pipe, or somebody else reads it.
        """
        return self._promise(Gathered(self._pipe(number), build))

    def evaluate(self, answer: Answer) -> None:
        """Make the calls inside the message, in order; `answer` stands for the whole of it."""
        evaluations, self.evaluations = self.evaluations, ()
        for hook, step, path, args, inside, program in evaluations:
            step.origin = answer
            step.reads = args is None and self._session.dialect.undefined
            step.params = inside.handles
            if inside.streams is not None:
                step.take_ends(inside.streams)
            if inside.promised is not None:
                step.watch(inside.promised.give_back)
            inside.evaluate(step)
            answer.watch(step.drop)
            if program is None:
                hook.deliver(Delivery(step, path, args, None, inside.promised))
            else:
                source = step.step()
                hook.deliver(Delivery(source, path, None))
                source.watch(partial(replay, step, source, program, self._session))

    def _home(self, hook: Hook) -> Import:
        if isinstance(hook, ForwardHook):
            return hook.entry
        importer = self._session.host.loopback(self._session.keeper)
        if importer.peer is None:
            raise RemoteProtocolError("a stub came home to a Worker without a loopback")
        return importer.enter(Import(importer, importer.peer.introduce(hook)))

    def _wrap(self, entry: Import, *, binding: bool, home: bool) -> object:
        session = self._session
        handle = Handle(entry, session.keeper)
        if session.host.observe is not None:
            how = "binding" if binding else "came"
            at, number = entry.direct.session.label, entry.direct.id
            session.host.observe(("stub", id(handle), at, number, how, 0, None))
        if binding:
            # Nobody disposes a binding (rule O18): it goes when Python forgets it.
            return session.wrap[BINDING](handle)
        if self.handles is None:
            self.handles = []
        self.handles.append(handle)
        if home:
            self.own = begun(self.own or (), handle)
        return session.wrap[STUB](handle)

    def embargo(self, pending: Pending, value: object) -> bool:
        """Let stubs in `value` that came home go the long way while calls are still on it.

        Returns:
            Whether any does.
        """
        # Where calls are held back at this side, any stub may have some behind it.
        held = self._session.host.calls.holder is not None
        return place_all((self.handles if held else self.own) or (), pending, value)

    def give_back(self) -> None:
        """Nobody takes the message: let go of what it mentioned."""
        for handle in self.handles or ():
            handle.dispose()
        for end in self.streams or ():
            end.belong(None)
        for evaluation in self.evaluations:
            evaluation.inside.give_back()
