"""What passes by reference in one message: introductions on the way out, imports on the way in.

Floor: core. A codec meets such a value while it packs or unpacks, and asks here for its number.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, TypeVar

from rpclab.core.ahead import Ahead, ReadAhead, SendFirst
from rpclab.core.detour import Detour
from rpclab.core.events import introduced
from rpclab.core.handles import Handle
from rpclab.core.hooks import BrokenHook, ForwardHook, Hook, ServiceHook, TargetHook
from rpclab.core.imports import PENDING, Import, Pending
from rpclab.core.promised import Promised, PromisedAnswer, PromisedImport, Unreadable
from rpclab.core.relays import SinkRelay
from rpclab.core.sinks import SinkHook
from rpclab.core.streams import End, Inlet, Outlet, Pipe
from rpclab.core.targets import is_target
from rpclab.errors import DataCloneError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.session import Session

(STUB, BINDING, OWN_STUB, OWN_BINDING, RESULT, PROMISE, PLACEHOLDER, READABLE,
 WRITABLE) = range(1, 10)  # fmt: skip
"""The kinds of reference: introduced by the sender as a stub or binding; an export of the receiver
coming home; the result of a call that the receiver is answering; a promise announced by the sender;
a variable of a recorded function; a pipe that the sender has opened; the sink of a stream."""

_EXPORTED = frozenset({STUB, BINDING, WRITABLE})
_GENERATORS = (types.GeneratorType, types.AsyncGeneratorType)

Reference = tuple[int, int]
E = TypeVar("E", bound=End)


class Here(Exception):  # noqa: N818 - not an error: it carries a value out of a lookup
    """The value of a settled promise: it is packed where the promise stood."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Outgoing:
    """What one message introduces to the peer; used anew for each message of a session.

    Attributes:
        references: whether anything passed by reference was met.
        awaitables: the awaitables met in a result; it is sent again once they are there.
        moved: the handles in a result; they belong to the receiver once it is sent (rule O10).
        ahead: by `id` of a value among the arguments, what was sent ahead for it.
        opened: the streams of a result; their pipes are opened before it is sent.
        copying: whether the values of this message go on being used here.
    """

    def __init__(self, session: Any) -> None:
        self._session: Session = session
        self.context: ExecutionContext = session.keeper
        self.source: Answer | None = None
        self._known: dict[int, tuple[Any, Reference]] = {}
        self._introduced: list[int] = []
        self._used: list[Pending] = []
        self.moved: list[Handle] = []
        # To CPython -1 and -2 have one hash: a small table with both is slow to search, so no -1.
        self._last_export = -1
        self.references = False
        self.awaitables: list[Any] | None = None
        self.ahead: dict[int, Any] = {}
        self.opened: list[Any] = []
        self.copying = False

    def begin(self, context: ExecutionContext, source: Answer | None = None) -> None:
        """Start a message: arguments made in `context`, or the result that is `source`."""
        self.context = context
        self.source = source
        if self.references:
            self.reset()

    def reset(self) -> None:
        """Forget what the last message introduced."""
        self._known = {}
        self._introduced = []
        self._used = []
        self.moved = []
        self.references = False

    def refer(self, value: Any) -> Reference | None:
        """Give the reference under which a value is sent; None if it is no such value.

        One value mentioned several times in a message has one reference (rule F8).

        Raises:
            Here: it is a promise that has its value already.
            DataCloneError: it cannot be sent from here.
        """
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        if is_target(value):
            hook = self._hook_of(value)
            reference = (STUB, self.export(hook))
        elif isinstance(value, Hook):
            reference = (BINDING if isinstance(value, ServiceHook) else STUB, self.export(value))
        else:
            refer = getattr(type(value), "__rpc_refer__", None)
            if refer is None:
                if self.source is None or not isinstance(value, _GENERATORS):
                    return None
                return self.refer(self._stream_of(value))
            reference = refer(value, self)
            self.references = True
        self._known[id(value)] = (value, reference)
        return reference

    def _stream_of(self, generator: Any) -> Any:
        """A generator that a method returned is sent as a stream; as one, if it stands twice."""
        for stream, _ in self._known.values():
            if getattr(stream, "__rpc_source__", None) is generator:
                return stream
        return self._session.host.readable_of(generator)

    def _hook_of(self, value: Any) -> Hook:
        if self.source is not None:
            hook = self.source.hook_for(value)
            if hook is not None:
                return hook
        return TargetHook(value, self.context)

    def export(self, hook: Hook) -> int:
        """Introduce a hook under a number of its own."""
        self.references = True
        self._last_export -= 1
        export_id = self._last_export
        self._session.exports[export_id] = hook
        hook.retain()
        if self._session.host.observe is not None:
            self._session.host.observe(introduced(self._session.label, export_id, hook))
        hook.exported(self._session, export_id)
        self._introduced.append(export_id)
        return export_id

    def refer_handle(self, value: Any, handle: Handle, *, binding: bool = False) -> Reference:
        """Refer to a stub or binding; the peer gets a handle of its own (rules O9, O10, X4)."""
        entry = handle.entry
        session = self._session
        if session.host.observe is not None:
            session.host.observe(("passed", id(handle), session.label))
        source = None if binding else self.source
        kept = source.kept(value) if source is not None else None
        if entry is None:
            # A result that was sent has moved its stubs; the answer still knows what they were.
            return (STUB, self.export(kept or BrokenHook(handle.error())))
        present, entry = entry.present, entry.direct
        own = entry.session is session
        if own and source is None:
            return (OWN_BINDING if binding else OWN_STUB, entry.id)
        hook = kept or (self._at_home(entry) if present is entry else None) or ForwardHook(handle)
        if source is not None:
            self.moved.append(handle)
            if kept is None:
                source.keep(value, hook)
        if own:
            return (OWN_STUB, entry.id)
        return (BINDING if binding else STUB, self.export(hook))

    def _at_home(self, entry: Import) -> Hook | None:
        """What an import stands for, if that lives in this very Worker."""
        home = entry.session.peer
        if home is not None and home.keeper is self._session.keeper:
            hook = home.exports.get(entry.id)
            if isinstance(hook, (TargetHook, ServiceHook)):
                return hook
        return None

    def refer_property(self, value: Any, read: Callable[[], Any]) -> Reference:
        """Refer to a property: it is read when the call is made, and arrives as that value.

        Raises:
            SendFirst: it is to be read before this message is packed.
            Here, Exception: as `refer_promise`.
        """
        if self.source is not None:
            self.refuse_awaitable(value)
        if id(value) not in self.ahead:
            raise SendFirst(value, lambda: ReadAhead(read()))
        return self.ahead[id(value)].promise.__rpc_refer__(self)  # type: ignore[no-any-return]

    def refer_readable(self, value: Any, open_pipe: Callable[[Session], Any]) -> Reference:
        """Refer to a stream that is read at the other side from now on (rule S5).

        Args:
            value: the stream.
            open_pipe: locks it, and gives what will send its chunks: an `Ahead` with an `id`.

        Raises:
            SendFirst: its pipe is to be opened before this message is packed.
        """
        if self.source is not None:
            opened = open_pipe(self._session)
            self.opened.append(opened)
            return (READABLE, opened.id)
        if id(value) not in self.ahead:

            def send() -> Ahead:
                opened: Any = open_pipe(self._session)
                self._session.announce_pipe(opened.id)
                return opened  # type: ignore[no-any-return]

            raise SendFirst(value, send)
        return (READABLE, self.ahead[id(value)].id)

    def refer_writable(self, sink: Hook) -> Reference:
        """Refer to a stream that is written at the other side from now on (rule S5)."""
        return (WRITABLE, self.export(sink))

    def refer_promise(self, pending: Pending) -> Reference:
        """Refer to a promise: it arrives as what it resolves to.

        Raises:
            Here: it has its value already.
            Exception: it was rejected, and so is the call.
        """
        if self.source is not None:
            self.refuse_awaitable(pending)
        if pending.state == PENDING:
            pending.uses += 1
            self._used.append(pending)
            if self._session.host.special:
                self._session.host.used(pending, argument=True)
            if pending.session is self._session:
                return (RESULT, pending.id)
            return (PROMISE, self._session.announce(pending))
        raise Here(pending.result())

    def refuse_awaitable(self, value: Any) -> None:
        """An awaitable in a result is awaited first.

        Raises:
            DataCloneError: always; the session sends the result again when it is there.
        """
        self.awaitables = [*(self.awaitables or ()), value]
        raise DataCloneError("a result that holds an awaitable is awaited before it is sent")

    @property
    def is_result(self) -> bool:
        """Whether the message is the result of a method."""
        return self.source is not None

    def mark(self) -> int:
        """Remember what was introduced up to here."""
        return len(self._introduced)

    def withdraw(self, mark: int = 0) -> None:
        """Take back what was introduced since `mark`: the message, or that part, is not sent."""
        keep = self.source is not None
        for export_id in self._introduced[mark:]:
            hook: Any = self._session.exports.pop(export_id)
            if self._session.host.observe is not None:
                self._session.host.observe(("withdrawn", self._session.label, export_id))
            # The disposer runs for a target in a result, and not for an argument never sent.
            unsent = isinstance(hook, TargetHook) and not keep and hook.claims == 1
            if unsent or isinstance(hook, (SinkHook, SinkRelay)):
                hook.forget()
            hook.release()
        del self._introduced[mark:]
        if mark == 0:
            self.packed(sent=False)
            for pending in self._used:
                pending.uses -= 1
            self._used = []
        left = self._session.exports
        self._known = {
            key: (value, reference)
            for key, (value, reference) in self._known.items()
            if reference[0] not in _EXPORTED or reference[1] in left
        }

    def settle_ahead(self, *, sent: bool) -> None:
        """A message with arguments is packed: let go of what went ahead of it."""
        went, self.ahead = self.ahead, {}
        for ahead in went.values():
            ahead.packed(sent=sent)

    def packed(self, *, sent: bool) -> None:
        """A result is packed: its streams flow, if it is sent; else they are their owner's."""
        opened, self.opened = self.opened, []
        for stream in opened:
            if sent:
                self._session.announce_pipe(stream.id)
            stream.packed(sent=sent)


class Incoming:
    """What one message of the peer introduces; used anew for each message of a session.

    Attributes:
        handles: the handles made for it; whoever takes the message disposes them.
        promised: the places of promised values in it.
        references: whether anything passed by reference was in it.
        own: the handles among them whose target lives in this Worker.
        streams: the ends of streams in it; whoever takes the message has them belong somewhere.
        variables: of the recorded function being replayed, if any.
        captures: what that function captured.
    """

    def __init__(self, session: Any) -> None:
        self._session: Session = session
        self._known: dict[Reference, Any] = {}
        self.handles: list[Handle] | None = None
        self.promised: list[Promised] | None = None
        self.references = False
        self.own: list[Handle] | None = None
        self.streams: list[End] | None = None
        self.variables: list[Answer] | None = None
        self.captures: list[Answer] = []

    def begin(self) -> None:
        """Start a message."""
        if self.references:
            self._known = {}
            self.references = False
            self.own = None
            self.streams = None
        self.handles = None
        self.promised = None

    def take(self, kind: int, number: int) -> Any:
        """Give the stub, binding or place that a reference stands for.

        Raises:
            RemoteProtocolError: there is no such thing; that is the peer's fault.
        """
        self.references = True
        reference = (kind, number)
        value = self._known.get(reference)
        if value is None:
            session = self._session
            peer = session.peer
            if kind == STUB and (peer is None or peer.keeper is not session.keeper):
                value = self._new_stub(number)
            else:
                value = self._make(kind, number)
            self._known[reference] = value
        return value

    def _new_stub(self, number: int) -> Any:
        """The common case, in one step: a stub of something at the other side."""
        session = self._session
        imports = session.imports
        if number >= 0 or number in imports:
            raise RemoteProtocolError(f"the peer introduced the id {number} twice")
        entry = imports[number] = Import(session, number)
        handle = Handle(entry, session.keeper)
        if self.handles is None:
            self.handles = [handle]
        else:
            self.handles.append(handle)
        if session.host.observe is not None:
            session.host.observe(("stub", id(handle), session.label, number, "came", 0, None))
        return session.host.stub(handle)

    def _make(self, kind: int, number: int) -> Any:
        session = self._session
        if kind in (STUB, BINDING):
            return self._wrap(kind == BINDING, self._introduced(number))
        if kind in (OWN_STUB, OWN_BINDING):
            hook = session.exports.get(number)
            if not isinstance(hook, Hook):
                raise RemoteProtocolError(f"the peer sent export {number}, which it does not hold")
            stub = self._wrap(kind == OWN_BINDING, self._home(hook))
            if kind == OWN_STUB and self.handles:
                self.own = [*(self.own or ()), self.handles[-1]]
            return stub
        if kind == RESULT:
            source = session.export_of(number)
            if source is None or isinstance(source, Hook):
                raise RemoteProtocolError(f"the peer sent the result of {number}, which is no call")
            return self._promise(PromisedAnswer(source, session))
        if kind == PROMISE:
            pending = Pending(session, number, session.keeper)
            self._enter(number, pending)
            return self._promise(PromisedImport(pending))
        if kind == READABLE:
            return session.host.readable(self._end(Inlet(self._pipe(number), session.keeper)))
        if kind == WRITABLE:
            entry = Import(session, number)
            self._enter(number, entry)
            return session.host.writable(self._end(Outlet(entry, session.keeper)))
        if kind == PLACEHOLDER and self.variables is not None:
            return self._variable(number, self.variables)
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

    def _variable(self, number: int, variables: list[Answer]) -> Any:
        if -len(self.captures) <= number < 0:
            return self._promise(PromisedAnswer(self.captures[-number - 1], self._session))
        if 0 <= number < len(variables):
            return self._promise(PromisedAnswer(variables[number], self._session))
        raise RemoteProtocolError(f"the peer's program has no variable {number}")

    def unreadable(self, why: Exception) -> Promised:
        """Give the place of a value that cannot be made here; the call that needs it rejects."""
        return self._promise(Unreadable(why))

    def _promise(self, place: Promised) -> Promised:
        if self.promised is None:
            self.promised = []
        self.promised.append(place)
        return place

    def _introduced(self, number: int) -> Import:
        session = self._session
        peer = session.peer
        if peer is not None and peer.keeper is session.keeper:
            # Both ends are in one Worker: a stub that came home stands for what it stood for.
            hook = peer.exports.get(number)
            if isinstance(hook, ForwardHook):
                entry = hook.entry
                entry.claim()
                peer.exports.pop(number)
                if session.host.observe is not None:
                    session.host.observe(("withdrawn", peer.label, number))
                hook.release()
                entry.handles -= 1
                return entry
        entry = Import(session, number)
        self._enter(number, entry)
        return entry

    def _enter(self, number: int, entry: Import) -> None:
        if number >= 0 or number in self._session.imports:
            raise RemoteProtocolError(f"the peer introduced the id {number} twice")
        self._session.imports[number] = entry
        if self._session.host.observe is not None:
            self._session.host.observe(("imported", self._session.label, number))

    def _home(self, hook: Hook) -> Import:
        if isinstance(hook, ForwardHook):
            return hook.entry
        importer = self._session.host.loopback(self._session.keeper)
        exporter = importer.peer
        if exporter is None:
            raise RemoteProtocolError("a stub came home to a Worker without a loopback")
        number = exporter.outgoing.export(hook)
        entry = Import(importer, number)
        importer.imports[number] = entry
        if importer.host.observe is not None:
            importer.host.observe(("imported", importer.label, number))
        return entry

    def _wrap(self, binding: bool, entry: Import) -> Any:  # noqa: FBT001 - private
        session = self._session
        handle = Handle(entry, session.keeper)
        if session.host.observe is not None:
            how = "binding" if binding else "came"
            at, number = entry.direct.session.label, entry.direct.id
            session.host.observe(("stub", id(handle), at, number, how, 0, None))
        if binding:
            # Nobody disposes a binding (rule O18): it goes when Python forgets it.
            return session.host.binding(handle)
        if self.handles is None:
            self.handles = []
        self.handles.append(handle)
        return session.host.stub(handle)

    def detour(self, pending: Pending, value: Any) -> bool:
        """Let stubs in `value` that came home go the long way while calls are still on it.

        Returns:
            Whether any does.
        """
        made = False
        # Where calls are held back at this side, any stub may have some behind it.
        held = self._session.host.holder is not None
        for handle in (self.handles if held else self.own) or ():
            if Detour.take_over(handle, pending, value):
                made = True
        return made
