"""What one message on its way out passes by reference.

Floor: core. A codec meets such a value while it packs, and asks here for its reference. Nothing is
changed by that: what a message introduces enters the tables when its frame is queued (`commit`), so
one that is refused leaves no trace there (`discard`).
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from rpclab.core.containers import begun, contents
from rpclab.core.hooks import BrokenHook, ForwardHook, Hook, ServiceHook, TargetHook
from rpclab.core.imports import PENDING, REJECTED
from rpclab.core.promise_arguments import Announcement, ReadAhead
from rpclab.core.references import (
    BINDING,
    EXPORTED,
    MEMBER,
    OWN_BINDING,
    OWN_STUB,
    PROMISE,
    READABLE,
    RESULT,
    STUB,
    WRITABLE,
    Reference,
    Settled,
)
from rpclab.core.targets import is_target
from rpclab.errors import DataCloneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import ExecutionContext, SessionLike
    from rpclab.core.imports import Handle, Import, Pending
    from rpclab.core.messages import Path


_GENERATORS = (types.GeneratorType, types.AsyncGeneratorType)


class Ahead(Protocol):
    """What was sent ahead of a message because a value in that needs it."""

    def packed(self, *, sent: bool) -> None:
        """The message is queued, or was refused."""


class Payload:
    """The references of one message.

    A message is packed once where nothing has to go ahead of it. A property among its values is
    read first, and the pipe of a stream opened; then it is packed again (see `Session.pack`).

    Args:
        session: the end that sends it.
        context: the execution context in which its values were made.
        source: the call whose result it is; None for arguments.
        copying: whether the values go on being used here.

    Attributes:
        used: the promises among the arguments.
        moved: the handles in a result; they belong to the receiver once it is sent (rule O10).
        awaitables: whether a result holds an awaitable, which is awaited before it is sent.
        first: what has to go ahead of it, and how that is sent.
        references: whether the peer sees any; else the message is plain data.
    """

    # Defaults stand on the class: most messages need none of these of their own.
    used: Sequence[Pending] = ()
    moved: Sequence[Handle] = ()
    first: Sequence[tuple[object, Callable[[], object]]] = ()
    references = False
    awaitables = False
    _claimed: Sequence[Import] = ()
    _ahead: dict[int, Any] = MappingProxyType({})  # type: ignore[assignment]
    _streams: dict[int, object] = MappingProxyType({})  # type: ignore[assignment]

    def __init__(
        self,
        session: SessionLike,
        context: ExecutionContext,
        source: Answer | None = None,
        *,
        copying: bool = False,
    ) -> None:
        self.session = session
        self.context = context
        self.source = source
        self.copying = copying
        self._base = session.last_export
        self._hooks: list[Hook] = []
        self._known: dict[object, tuple[object, Reference | Settled]] = {}
        self._met: Counter[int] | None = None if session.dialect.shares else Counter()

    # While it is packed.

    def refer(self, value: object) -> Reference | Settled | None:
        """Give the reference under which a value is sent; None if it is no such value.

        One value mentioned several times in a message has one reference (rule F8), unless the
        dialect counts introductions.

        Raises:
            DataCloneError: it cannot be sent from here.
        """
        key: Any = id(value)
        if self._met is not None:
            self._met[key] += 1
            key = key, self._met[key]
        known = self._known.get(key)
        if known is not None:
            return known[1]
        reference: Reference | Settled | None
        if is_target(value):
            reference = (STUB, self._export(self._hook_of(value)))
        elif isinstance(value, Hook):
            reference = (BINDING if isinstance(value, ServiceHook) else STUB, self._export(value))
        else:
            refer = getattr(type(value), "__rpc_refer__", None)
            if refer is not None:
                reference = refer(value, self)
            elif self.source is not None and isinstance(value, _GENERATORS):
                return self.refer(self._stream_of(value))
            else:
                return None
        if type(reference) is tuple:
            self.references = True
        if reference is not None:
            self._known[key] = (value, reference)
        return reference

    def _stream_of(self, generator: object) -> object:
        """A generator that a method returned is sent as a stream; as one, if it stands twice."""
        stream = self._streams.get(id(generator))
        if stream is None:
            stream = self.session.wrap[READABLE](generator)
            self._streams = self._streams or {}
            self._streams[id(generator)] = stream
        return stream

    def stream_of(self, value: object, data: bytes) -> object:
        """Give a stream of the bytes that a value is sent as."""
        stream = self._streams.get(id(value))
        if stream is None:
            stream = self.session.wrap[READABLE](iter([data] if data else []))
            self._streams = self._streams or {}
            self._streams[id(value)] = stream
        return stream

    def _hook_of(self, value: object) -> Hook:
        if self.source is not None:
            hook = self.source.hook_for(value)
            if hook is not None:
                return hook
        return TargetHook(value, self.context)

    def _export(self, hook: Hook) -> int:
        self._hooks.append(hook)
        return self._base - len(self._hooks)

    def refer_handle(self, value: object, handle: Handle, *, binding: bool = False) -> Reference:
        """Refer to a stub or binding; the peer gets a handle of its own (rules O9, O10, X4)."""
        entry = handle.entry
        session = self.session
        if session.host.observe is not None:
            session.host.observe(("passed", id(handle), session.label))
        source = None if binding else self.source
        kept = source.kept(value) if source is not None else None
        if entry is None:
            # A result that was sent has moved its stubs; the answer still knows what they were.
            return (STUB, self._export(kept or BrokenHook(handle.error())))
        present, entry = entry.present, entry.direct
        own = entry.session is session
        if own and self._met is not None and entry.broken is not None:
            return (STUB, self._export(BrokenHook(entry.broken)))  # its number was given back
        if own and source is None:
            return (OWN_BINDING if binding else OWN_STUB, entry.id)
        hook = kept or (self._at_home(entry) if present is entry else None)
        hook = hook or ForwardHook(handle, binding=binding)
        if source is not None:
            self.moved = begun(self.moved, handle)
            if kept is None:
                source.keep(value, hook)
        whole = source is not None and value is source.value
        if own and (self._met is None or not whole):
            # Calls that are delivered before the result leaves may give up all others.
            entry.claim()
            self._claimed = begun(self._claimed, entry)
            return (OWN_STUB, entry.id)
        return (BINDING if binding else STUB, self._export(hook))

    def _at_home(self, entry: Import) -> Hook | None:
        """What an import stands for, if that lives in this very Worker."""
        home = entry.session.peer
        if home is not None and home.keeper is self.session.keeper:
            hook = home.exports.get(entry.id)
            if isinstance(hook, (TargetHook, ServiceHook)):
                return hook
        return None

    def refer_property(
        self, value: object, read: Callable[[], object], of: Import | None, path: Path
    ) -> Reference | Settled:
        """Refer to a property: it is read when the call is made, and arrives as that value.

        Args:
            value: the property.
            read: makes the call that reads it, and gives its promise.
            of: what has it; None where that is no import.
            path: its path there.

        Raises:
            Exception: as `refer_promise`.
        """
        if self.source is not None:
            return self.await_first()
        if of is not None and of.session is self.session and of.has_paths:
            return (MEMBER, of.id, path)
        ahead = self._ahead.get(id(value))
        if ahead is None:
            self.first = begun(self.first, (value, lambda: ReadAhead(read())))
            return (RESULT, 0)
        return ahead.promise.__rpc_refer__(self)  # type: ignore[no-any-return]

    def refer_readable(self, value: object, open_pipe: Callable[[SessionLike], Any]) -> Reference:
        """Refer to a stream that is read at the other side from now on (rule S5).

        Args:
            value: the stream.
            open_pipe: locks it, and gives what will send its chunks: an `Ahead` with an `id`.
        """
        ahead = self._ahead.get(id(value))
        if self._met is not None and self._met[id(value)] > 1:
            raise DataCloneError(
                "a stream can stand in a message once: the peer reads it once; tee() makes two"
            )
        if ahead is not None:
            return (READABLE, ahead.id)

        def send() -> Any:
            opened = open_pipe(self.session)
            if not self.copying:
                self.session.announce_pipe(opened.id)
            return opened

        self.first = begun(self.first, (value, send))
        return (READABLE, 0)

    def goes_ahead(self, value: object) -> bool:
        """Whether something was sent for this value already."""
        return id(value) in self._ahead

    def refer_writable(self, sink: Hook) -> Reference:
        """Refer to a stream that is written at the other side from now on (rule S5)."""
        return (WRITABLE, self._export(sink))

    def refer_promise(self, pending: Pending) -> Reference | Settled:
        """Refer to a promise: it arrives as what it resolves to.

        Raises:
            Exception: it was rejected, and so is the call.
        """
        if self.source is not None:
            return self.await_first()
        if pending.state != PENDING:
            return Settled(pending.result())
        self.used = begun(self.used, pending)
        if pending.session is self.session:
            return (RESULT, pending.id)
        return (PROMISE, self._export(Announcement(self.session, pending)))

    def await_first(self) -> Reference:
        """An awaitable in a result is awaited; then the session sends the result again."""
        self.awaitables = True
        return (RESULT, 0)

    @property
    def is_result(self) -> bool:
        """Whether the message is the result of a method."""
        return self.source is not None

    # When it is packed.

    @property
    def complete(self) -> bool:
        """Whether nothing has to go ahead, and the numbers are free that it was packed with."""
        return not self.first and self._base == self.session.last_export

    def prepare(self) -> None:
        """Send what has to go ahead, and be ready to be packed again."""
        first, self.first = self.first, ()
        if self._met is not None:
            self._met.clear()
        again = {id(value) for value, _ in first}
        self._known = {key: one for key, one in self._known.items() if id(one[0]) not in again}
        self._ahead = self._ahead or {}
        for value, send in first:
            self._ahead[id(value)] = send()
        # Whatever went ahead, or ran meanwhile, may have taken numbers.
        shift = self.session.last_export - self._base
        self._base += shift
        for key, (value, reference) in self._known.items():
            if not isinstance(reference, Settled) and reference[0] in EXPORTED:
                self._known[key] = (value, (reference[0], reference[1] + shift))

    def commit(self) -> None:
        """What the message introduces stands in the tables from now on."""
        for pending in self.used:
            pending.uses += 1
            if pending.state == REJECTED:
                pending.look()
        for hook in self._hooks:
            self.session.introduce(hook)

    def sent(self) -> None:
        """The frame is queued: what went ahead of it, and what moved with it, can go on."""
        for ahead in self._ahead.values():
            ahead.packed(sent=True)
        # They belong to the receiver now; a release must not overtake the result they are in.
        for handle in self.moved:
            handle.dispose("returned")
        self._drop_claims()

    def _drop_claims(self) -> None:
        claimed, self._claimed = self._claimed, ()
        for entry in claimed:
            entry.drop()

    def take_back(self) -> None:
        """The frame is not queued after all."""
        self._drop_claims()
        for position in range(len(self._hooks)):
            self.session.withdraw(self._base - position - 1)
        for ahead in self._ahead.values():
            ahead.packed(sent=False)

    def opened(self) -> list[Any]:
        """The streams whose pipes were opened for it."""
        return [*self._ahead.values()]

    def discard(self, values: list[object]) -> None:
        """The message is not sent: dispose the targets in its values (rules V22, O7).

        Args:
            values: what the user gave; packing may have stopped before it met them all.
        """
        known = {id(value) for value, _ in self._known.values()}
        for value in contents(values, errors=True):
            if is_target(value) and id(value) not in known:
                self._export(self._hook_of(value))
        for hook in self._hooks:
            hook.unsent()
        self._drop_claims()
        for ahead in self._ahead.values():
            ahead.packed(sent=False)
        self.first = ()  # each refers to this payload, and to what it would have sent
