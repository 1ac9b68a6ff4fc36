"""Sessions between Workers in different programs of one sandbox, and the sockets that carry them.

Floor: sandbox. The sandbox, and each child process, has the sessions of its Workers with those
elsewhere; both ends are alike. A *way* is such a session with its socket. It is made when something
is bound, and its socket is asked for with the first message; what is sent until then waits.

Bindings stand on the sessions as ordinary imports, so a call on one costs what any call over a
socket does. Their ids are the importer's choice, told ahead of the first call (BIND); whoever is
bound checks that the sandbox has granted it. When a session ends, its bindings move to a new one,
so a binding outlives the process that it led to.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import msgpack

from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.core.answers import Answer
from rpclab.core.imports import PENDING, Import, Pending
from rpclab.core.messages import values_given
from rpclab.errors import DisconnectedError, RemoteProtocolError, overloaded
from rpclab.net.addresses import Address
from rpclab.net.closing import FAULT, NORMAL, closed_there
from rpclab.net.loops import running_loop
from rpclab.net.sessions import FarSession
from rpclab.net.socket_wires import HIGH
from rpclab.net.streams import StreamWire
from rpclab.placement.doors import PATIENCE, Door, dial
from rpclab.previews import preview
from rpclab.transports.batches import BYE, framed

if TYPE_CHECKING:
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.hooks import Hook
    from rpclab.core.messages import Frame, Given, Keywords, Path
    from rpclab.placement.engine import End
    from rpclab.rpc.engine import Engine

_FEW = 64  # imports that are counted each time

BOUND = -(10**12)
"""Ids from here on downwards are those of bindings; no program counts so many exports."""

BIND, CAUSE, SAID, DRAIN, DRAINED = range(16, 21)
"""Records of these ways alone, beside those of `rpclab.transports.batches`: a binding's id and what
it leads to; the number of what caused the calls that follow; that something was printed before
what follows, which comes over the line; that this end wants to go; and that the other end has read
all before that, and calls no binding on this way any more."""

_READ_UP = 0.5  # seconds in which what a host has sent last is read after its end

Granted = list[Any]
"""What a binding leads to, as plain data: ["entrypoint", name, props, validate], or ["object",
class, key, name] of a Durable Object."""


class PlacedSession(FarSession):
    """One end of a session with a Worker in another program of this sandbox.

    Attributes:
        way: what carries it.
        bound: the bindings that stand on it, by id.
        most_calls: how many calls of this end may be under way.
    """

    tells_places = True
    way: Way
    most_calls: float = math.inf

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.bound: dict[int, Granted] = {}
        self._last_bound = BOUND
        self._stubs = 0  # among the imports, when they were last counted
        self._counted = 0  # how many imports there were then
        self._uncounted = 0  # calls until that is done again

    def call(
        self,
        target: Import,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        # Most that is held of the other end are calls under way, so they are counted only then.
        if len(self.imports) >= self.most_calls and self.calls >= self.most_calls:
            values = values_given(args, kwargs)
            return self.rejected(self.way.overloaded(self.calls), context, values)
        return super().call(target, path, args, kwargs, context)

    def cancel(self, pending: Pending) -> None:
        is_under_way = pending.id in self.imports
        super().cancel(pending)
        if is_under_way and self.closed is None:
            self.way.given_up(pending)

    @property
    def calls(self) -> int:
        """How many calls of this end are under way; of very many about as many."""
        size = len(self.imports)
        self._uncounted -= 1
        changed = abs(size - self._counted)
        if self._uncounted <= 0 or size < _FEW or changed > size // 8:
            # To count the stubs among them for each call would be dear where calls are many, which
            # is when nothing may be.
            self._stubs = sum(type(entry) is Import for entry in self.imports.values())
            self._counted, self._uncounted = size, size // 8
        return size - self._stubs

    @property
    def is_asking(self) -> bool:
        """Whether a call of this end has no answer yet."""
        return any(
            type(entry) is not Import and isinstance(entry, Pending) and entry.state == PENDING
            for entry in self.imports.values()
        )

    @property
    def is_answering(self) -> bool:
        """Whether a call of the other end has no answer yet."""
        return any(
            isinstance(hook, Answer) and hook.state == PENDING for hook in self.exports.values()
        )

    def bind(self, granted: Granted) -> int:
        """Take an id for a binding, and tell the other end what it leads to."""
        number = self._last_bound = self._last_bound - 1
        self.bound[number] = granted
        self.way.bind(number, granted)
        return number

    def introduce_as(self, number: int, hook: Hook) -> None:
        """Enter a hook under the id that the importer has chosen."""
        if number > BOUND or number in self.exports:
            raise RemoteProtocolError(f"the peer cannot bind the id {number}")
        self.exports[number] = hook
        hook.retain()
        if self.host.observe is not None:
            self.host.observe(("introduced", id(hook), self.label, number, *hook.identity()))
        hook.exported(self, number)

    def release(self, entry: Import) -> None:
        self.bound.pop(entry.id, None)
        if entry.id <= BOUND and not self._outbox and self.way.takes_back(entry.id):
            self.imports.pop(entry.id, None)
            return
        super().release(entry)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, and neither end holds anything of this one.

        Bindings of this end to the other one do not count.
        """
        return (
            not self._outbox
            and not self.way.unsent()
            and not self.busy()
            and not self.live_exports()
            and all(number <= BOUND for number in self.imports)
        )

    def known(self, entry: Import) -> Hook | None:
        """What stands for a binding of this end, for those who look; None where that is not known.

        Args:
            entry: the binding.
        """
        granted = self.bound.get(entry.id)
        return None if granted is None else self.way.known(granted)

    @property
    def is_bound(self) -> bool:
        """Whether the other end may call bindings to this one."""
        return any(number <= BOUND for number in self.exports)

    def leave(self) -> list[tuple[Import, Granted]]:
        """Give up the bindings that stand on it, for another session to take.

        The other end is told behind the calls that were made on them: it gets no more.
        """
        left = self._give_up()
        for number, _, _ in left:
            if self._outbox or not self.way.takes_back(number):
                self.give_back(number)
        return [(entry, granted) for _, entry, granted in left]

    def _give_up(self) -> list[tuple[int, Import, Granted]]:
        bound, self.bound = self.bound, {}
        return [
            (number, entry, granted)
            for number, granted in bound.items()
            if (entry := self.imports.pop(number, None)) is not None
        ]

    def take(self, moved: list[tuple[Import, Granted]]) -> None:
        """Take bindings that another session has given up. Whoever holds them sees no change."""
        for entry, granted in moved:
            entry.session = self
            entry.id = self.bind(granted)
            self.imports[entry.id] = entry

    def close(self, error: BaseException) -> None:
        moved = [(entry, granted) for _, entry, granted in self._give_up()]
        try:
            super().close(error)
        finally:
            if moved and not self.host.calls.closing:
                self.way.bound_anew(moved)


class SpreadSession(PlacedSession):
    """A session with the first of several processes of a Worker, which spreads its bindings' calls.

    Each call of a binding makes a new instance, which may run anywhere: it goes to the process that
    has the fewest calls under way. Each other session has bindings of its own for those here.
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._mirrors: dict[int, dict[int, Import]] = {}
        self._turn = 0

    def call(
        self,
        target: Import,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        if target.id <= BOUND:
            chosen = self._choose(target)
            if chosen is not target:
                return chosen.session.call(chosen, path, args, kwargs, context)
        return super().call(target, path, args, kwargs, context)

    def map(
        self,
        target: Import,
        captures: list[Any],
        program: list[Any],
        context: ExecutionContext,
        path: Sequence[str] = (),
    ) -> Pending:
        if target.id <= BOUND:
            chosen = self._choose(target)
            if chosen is not target:
                return chosen.session.map(chosen, captures, program, context, path)
        return super().map(target, captures, program, context, path)

    def _choose(self, target: Import) -> Import:
        """The binding on the session that has the fewest calls under way; in turn where equal."""
        sessions = self.way.siblings()
        self._turn += 1
        turned = range(self._turn, self._turn + len(sessions))
        slots = [slot % len(sessions) for slot in turned]
        best = min(slots, key=lambda slot: sessions[slot].calls)
        session = sessions[best]
        if session is self:
            return target
        mirrors = self._mirrors.setdefault(target.id, {})
        mirror = mirrors.get(best)
        if mirror is None or mirror.session is not session:
            mirror = mirrors[best] = Import(session, session.bind(self.bound[target.id]))
            session.imports[mirror.id] = mirror
            mirror.claim()
        return mirror

    def release(self, entry: Import) -> None:
        self._drop_mirrors(entry.id)
        super().release(entry)

    def _give_up(self) -> list[tuple[int, Import, Granted]]:
        for number in list(self._mirrors):
            self._drop_mirrors(number)
        return super()._give_up()

    def _drop_mirrors(self, number: int) -> None:
        for mirror in self._mirrors.pop(number, {}).values():
            mirror.drop()


class PlacedWire(StreamWire):
    """One end of the socket. The two need no greeting: the sandbox has introduced them."""

    def __init__(self, way: Way, *, dialled: bool, most: int, secret: bytes = b"") -> None:
        address = Address("unix", path=way.there) if dialled else None
        super().__init__({}, dialled=address, greeted=_never, most=most)
        self._reader.skip_greeting()
        self._connection: Any = way
        self._secret = secret  # of whoever has dialled another node; it goes ahead of all
        self._held: list[bytes] | None = None

    @property
    def is_made(self) -> bool:
        """Whether it can send."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH)
        if not self._connection.is_open:
            self._transport.abort()
            return
        if self._secret:
            self._transport.write(self._secret)
        self._connection.joined()

    def tell(self, kind: int, *values: Any) -> None:
        """Send a record of these ways alone."""
        self._write(framed([bytes([kind]) + msgpack.packb(values)]))

    def hold(self) -> None:
        """Keep what comes from now on, until `go_on`."""
        if self._held is None:
            self._held = []
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Take what was kept, and what comes."""
        held, self._held = self._held, None
        if held is None:
            return
        if not self._ended:
            self.transport.resume_reading()
        try:
            for record in held:
                self._take(self._connection, record)
        except RemoteProtocolError as error:
            self._fault(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.go_on()
        super().connection_lost(error)

    def _take(self, connection: Any, record: bytes | memoryview) -> None:
        if self._held is not None:
            self._held.append(bytes(record))
        elif BIND <= record[0] <= DRAINED:
            try:
                values = msgpack.unpackb(memoryview(record)[1:])
            except Exception:
                values = None
            if type(values) is not list or not values or type(values[0]) is not int:
                raise RemoteProtocolError(f"the peer binds nothing, but says {preview(values)}")
            connection.told(record[0], *values)
        elif record[0] == BYE:
            connection.end(closed_there(str(record[1:], "utf-8", "replace")))
        else:
            super()._take(connection, record)


class Causes(Protocol):
    """What calls carry from those that caused them, as numbers that mean the same everywhere.

    Attributes:
        said: how much was printed and logged here for the sandbox.
    """

    said: int

    def number_of(self, cause: Context | None) -> int:
        """The number of what caused a batch; 0 where nobody knows."""

    def variables_of(self, number: int) -> Context | None:
        """The variables of calls that it caused."""


class Owner(Protocol):
    """The program that ways belong to: the sandbox, or a child process.

    Attributes:
        door: where others dial it; None where nobody does.
    """

    door: Door | None

    def meet(self, way: Way) -> None:
        """A way is needed: see that it gets its socket (see `Way.attach`)."""

    def known(self, way: Way, granted: Granted) -> Hook | None:
        """What is known here of what a binding to the other end leads to, if anything."""

    def siblings(self, way: Way) -> list[PlacedSession]:
        """The sessions with all processes of a Worker, of which a way leads to the first."""

    def given_up(self, way: Way, call: int, what: str) -> None:
        """A call was given up that may be what the other end computes: see that it lets go.

        Args:
            way: it was made on.
            call: its id.
            what: was called.
        """

    def granted(self, way: Way, granted: Granted) -> Hook:
        """Give what the other end is bound to here.

        Raises:
            RemoteProtocolError: it was not granted that.
        """

    def bound_anew(self, way: Way, moved: list[tuple[Import, Granted]]) -> None:
        """A way is over: put its bindings on another one."""

    def leave(self, way: Way) -> None:
        """The other end of a way wants to go: use other ways for bindings from now on."""

    def said(self, way: Way, number: int) -> None:
        """So much was printed and logged there in all: show it before what follows on the way."""

    def lost(self, way: Way, error: BaseException) -> None:
        """The socket of a way is gone; whoever knows why ends the way with that (`Way.end`)."""

    def parted(self, way: Way) -> None:
        """A way is over."""


class Way:
    """A session with a Worker elsewhere, and the socket that carries it.

    Args:
        engine: runs what the other end calls.
        owner: the program it belongs to.
        causes: see there.
        here: the Worker at this end.
        there: the one at the other end.
        called: what that is called in texts and recordings, which no other session is named after.
        slot: which of its processes, where it has several.
        kind: the class of its session.
        most_calls: how many calls of this end may be under way.

    Attributes:
        session: the session.
        asked: whether it has asked for its socket, or has it.
        expects: whether it was opened for what the other end has to send, and nothing has come yet.
        number: what the sandbox calls it; None before it has a socket.
        host: whom it leads to, for whoever owns it.
        grants: what the other end may bind, for whoever owns it.
    """

    def __init__(
        self,
        engine: Engine,
        owner: Owner,
        causes: Causes,
        here: str,
        there: str,
        called: str,
        slot: int = 0,
        *,
        kind: type[PlacedSession] = PlacedSession,
        most_calls: float = math.inf,
    ) -> None:
        self.here = here
        self.there = there
        self.slot = slot
        self.asked = False
        self.expects = False
        self.number: int | None = None
        self.host: Any = None
        self.grants: Any = None
        self._engine = engine
        self._owner = owner
        self._causes = causes
        self._wire: PlacedWire | None = None
        self._early: list[tuple[Any, ...]] = []
        self._cause = 0  # of what comes in
        self._said = 0
        self._told = 0  # the cause that the other end was told of last
        self._drains = 0  # how often the other end was asked whether it has read all
        self._asks_drain = False  # nothing has left since it was asked last
        self._is_drained = False  # ... and it has said so
        self._is_left = False  # the other end calls no binding on it any more
        self._losing = False
        self._why: BaseException | None = None  # it ends, once all is read that has come
        self._timer: asyncio.TimerHandle | None = None
        self.session = kind(
            f"{here}→{called}",
            codec=MsgpackCodec,
            host=engine,
            keeper=engine.keeper(here),
            limits=engine.limits,
        )
        self.session.way = self
        self.session.most_calls = most_calls
        self.session.send = self._send
        self.session.ended = self._ended
        engine.join(self.session)

    def known(self, granted: Granted) -> Hook | None:
        """What is known here of what a binding leads to."""
        return self._owner.known(self, granted)

    def siblings(self) -> list[PlacedSession]:
        """The sessions with all processes of that Worker."""
        return self._owner.siblings(self)

    def overloaded(self, calls: int) -> BaseException:
        """The error of a call beyond those that may be under way."""
        most = int(self.session.most_calls)
        advice = "rpclab.processes(…, calls=…) allows more, and more processes take more at a time"
        of = f'the process of Worker "{self.there}"'
        return overloaded(of, self.there, calls, most, advice)

    def given_up(self, pending: Pending) -> None:
        """Nobody waits for that call any more."""
        if self.number is not None:
            self._owner.given_up(self, pending.id, pending.what)

    @property
    def is_open(self) -> bool:
        """Whether its session goes on."""
        return self.session.closed is None

    # The socket.

    def attach(self, end: End, number: int, *, dialled: bool) -> None:
        """Take an end, and send what has waited for it.

        Args:
            end: how the other end is met; its socket is owned from now on.
            number: what the sandbox calls this way.
            dialled: whether this end has asked for it: then it never stops reading.
        """
        self.number = number
        self.asked = True
        self.expects = not dialled and self.is_open
        if not self.is_open or (end.socket is None and not end.words):
            if end.socket is not None:
                end.socket.close()
            return
        secret = end.words.get("secret", b"")
        most = self.session.limits.message_bytes
        self._wire = wire = PlacedWire(self, dialled=dialled, most=most, secret=secret)
        loop, door = asyncio.get_running_loop(), self._owner.door
        opening: Coroutine[Any, Any, Any]
        if end.socket is not None:
            opening = loop.create_connection(lambda: wire, sock=end.socket)
        elif "accept" in end.words and door is not None:
            door.expect(end.words["accept"], end.words["name"], wire, self._is_late)
            return
        else:
            opening = dial(end.words, None if door is None else door.identity, lambda: wire)
        # In no Worker's context: its end would cancel the task.
        Context().run(loop.create_task, opening).add_done_callback(self._opened)

    def _is_late(self) -> None:
        self.lost(DisconnectedError(f"{self.there} has not come within {PATIENCE:g} s"))

    def _opened(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            why = str(error) or f"no answer in {PATIENCE:g} s"
            self.lost(DisconnectedError(f"the way to {self.there} could not be opened: {why}"))

    def joined(self) -> None:
        """The wire can send now."""
        early, self._early = self._early, []
        for kind, *values in early:
            if kind == BIND:
                self._bind(*values)
            else:
                self._send_now(*values)

    @property
    def _is_joined(self) -> bool:
        return self._wire is not None and self._wire.is_made and not self._early

    # What the session sends.

    def _send(self, seen: int, frames: list[Frame]) -> None:
        if self._why is not None or self._losing:
            return  # nobody is there, and writing would close what is still to be read
        cause = self._causes.number_of(self._engine._cause)
        if self._is_joined:
            self._send_now(cause, seen, frames)
            return
        self._early.append((CAUSE, cause, seen, frames))
        if not self.asked:
            self.asked = True
            self._owner.meet(self)

    def _send_now(self, cause: int, seen: int, frames: list[Frame]) -> None:
        self._asks_drain = self._is_drained = False
        wire = self._wire
        assert wire is not None  # noqa: S101 - it is joined
        if cause != self._told:
            self._told = cause
            wire.tell(CAUSE, cause)
        if self._said != self._causes.said:
            self._said = self._causes.said
            wire.tell(SAID, self._said)
        wire.send(seen, frames)
        if self.unsent() > self.session.limits.session_bytes:
            error = DisconnectedError(
                f"{self.there} does not read: more than {self.session.limits.session_bytes:,} bytes"
                " wait for it (Limits.session_bytes)"
            )
            self._engine.again(lambda: self.end(error))

    def bind(self, number: int, granted: Granted) -> None:
        """Tell the other end what an id is bound to."""
        if self._is_joined:
            self._bind(number, granted)
        else:
            self._early.append((BIND, number, granted))

    def _bind(self, number: int, granted: Granted) -> None:
        if self._wire is not None:
            self._wire.tell(BIND, number, granted)

    def takes_back(self, number: int) -> bool:
        """Take back a binding that the other end was not told of; says whether that could be."""
        if any(kind == CAUSE for kind, *_ in self._early):
            return False
        for position, (kind, bound, *_) in enumerate(self._early):
            if kind == BIND and bound == number:
                del self._early[position]
                return True
        return False

    def bound_anew(self, moved: list[tuple[Import, Granted]]) -> None:
        """The session is over: its bindings go to another one."""
        self._owner.bound_anew(self, moved)

    # What the wire tells.

    def told(self, kind: int, number: int, *values: Any) -> None:
        """The other end binds something, or says what caused the calls that follow, or goes."""
        if kind == DRAIN:
            self._engine.deliver(lambda: self._drain(number))
            return
        if kind == DRAINED:
            self._engine.deliver(lambda: self._has_drained(number))
            return
        self.expects = False
        if kind == CAUSE:
            self._cause = number
        elif kind == SAID:
            self._owner.said(self, number)
        elif self.is_open:
            if len(values) != 1 or type(values[0]) is not list or not values[0]:
                raise RemoteProtocolError(f"the peer binds nothing, but says {preview(values)}")
            self.session.introduce_as(number, self._owner.granted(self, values[0]))

    def drained(self) -> bool:
        """Ask whether the other end has read all that has left; says whether it has confirmed that.

        A socket that closes takes along what the other end has not read, once that writes to it.
        """
        self._ask_drain()
        return self._is_drained or not self._is_joined

    def is_left(self) -> bool:
        """Ask the other end to call no binding on it; says whether it has confirmed that."""
        if not self._drains:
            self._ask_drain()
        return self._is_left or not self._is_joined

    def _ask_drain(self) -> None:
        if self._wire is not None and self._is_joined and not self._asks_drain:
            self._asks_drain = True
            self._drains += 1
            self._wire.tell(DRAIN, self._drains)

    def _drain(self, number: int) -> None:
        """The other end wants to go: say that it may, behind all that leads there."""
        if self.is_open:
            self._owner.leave(self)
        if self.is_open and not self._losing and self._wire is not None:
            self.session.put()
            self._wire.tell(DRAINED, number)

    def _has_drained(self, number: int) -> None:
        self._is_left = True
        self._is_drained = self._asks_drain and number == self._drains

    def hold(self) -> None:
        """Let what comes wait, until `go_on`."""
        if self._wire is not None:
            self._wire.hold()

    def go_on(self) -> None:
        """Let it come."""
        if self._wire is not None:
            self._wire.go_on()

    def receive(self, seen: int, frames: list[Frame]) -> None:
        """A batch has come in."""
        if self.is_open:
            variables = self._causes.variables_of(self._cause)
            self._engine.deliver(lambda: self._apply(variables, seen, frames))

    def _apply(self, variables: Context | None, seen: int, frames: list[Frame]) -> None:
        self._engine._cause = variables
        try:
            self.session.receive(seen, frames)
        finally:
            self._engine._cause = None

    def heard(self) -> None:
        """Something has come in that is no batch."""

    def lost(self, error: BaseException) -> None:
        """The socket is gone, or the other end has said why it closes."""
        if self.is_open and not self._losing:
            self._losing = True
            if self._why is not None:
                self.end(self._why)
            else:
                self._owner.lost(self, error)

    def fault(self, error: RemoteProtocolError) -> None:
        """The other end breaks the rules of the wire."""
        if self.is_open:
            self._engine.deliver(lambda: self.session.abort(error))

    def gone(self) -> None:
        """The wire is gone."""
        self.lost(DisconnectedError(f"the way to {self.there} is closed"))

    # The end.

    def end(self, error: BaseException) -> None:
        """End the session: all its promises reject with `error`, all its stubs break."""
        if self.is_open:
            self._engine.deliver(lambda: self.session.close(error))

    def end_when_read(self, error: BaseException) -> None:
        """End it likewise; the other end is no more, and what it has sent before counts.

        That it has ended may be known before its last answers have come out of the socket.
        """
        wire = self._wire
        if running_loop() is None or wire is None or not wire.is_made or self._losing:
            self.end(error)
        elif self.is_open:
            self._why = error
            loop = asyncio.get_running_loop()
            # Who has inherited the socket, as a process that it has started may, keeps it open.
            self._timer = loop.call_later(_READ_UP, self.end, error)

    def unsent(self) -> int:
        """How many bytes wait to be taken by the socket."""
        wire = self._wire
        return wire.unsent() if wire is not None and wire.is_made else 0

    def abort(self) -> None:
        """Close the socket; what was not sent is lost."""
        if self._wire is not None and self._wire.is_made:
            with suppress(RuntimeError):  # the loop that it was on is closed
                self._wire.abort()

    def leave(self) -> list[tuple[Import, Granted]]:
        """Take no more bindings, and give up those there are, for another way to take."""
        self._engine.part(self.session)
        return self.session.leave()

    def retire(self, error: BaseException) -> None:
        """End the session once nothing is under way and nobody holds anything of it."""
        session = self.session

        def holds() -> bool:
            return not session.idle

        session.when_over(lambda: [holds] if holds() else [], lambda: self.end(error))

    def _ended(self, error: BaseException) -> None:
        self.expects = False
        if self._timer is not None:
            self._timer.cancel()
        self._engine.part(self.session)
        self._early.clear()
        wire = self._wire
        if wire is not None and wire.is_made:
            fault = not isinstance(error, DisconnectedError)
            wire.end(str(error) if fault else "", FAULT if fault else NORMAL)
        self._owner.parted(self)


def _never(*_: object) -> NoReturn:
    raise RemoteProtocolError("nobody greets here")


class Origins:
    """The causes of calls in a child process: the numbers as they came, for what it prints."""

    def __init__(self) -> None:
        self.said = 0
        self._variables: dict[int, Context] = {}

    def number_of(self, cause: Context | None) -> int:
        return 0 if cause is None else cause.get(origin, 0)

    def variables_of(self, number: int) -> Context | None:
        if not number:
            return None
        variables = self._variables.get(number)
        if variables is None:
            if len(self._variables) >= _MOST_CAUSES:
                self._variables.clear()
            variables = self._variables[number] = Context()
            variables.run(origin.set, number)
        return variables


class Callers:
    """The causes of calls in the sandbox, by number: the variables that calls carry there.

    Args:
        engine: whose calls carry them.
    """

    said = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers: dict[tuple[int, ...], int] = {}
        self._variables: dict[int, Context] = {}
        self._last = 0

    def number_of(self, cause: Context | None) -> int:
        ambient = self._engine.ambient
        if cause is None or not ambient:
            return 0
        values = [cause.get(variable) for variable in ambient]
        key = tuple(map(id, values))
        number = self._numbers.get(key, 0)
        if not number:
            number = self._last = self._last + 1
            kept = Context()
            for variable, value in zip(ambient, values, strict=True):
                if variable in cause:
                    kept.run(variable.set, value)
            self._numbers[key] = number
            self._variables[number] = kept  # so that the ids of the values stay theirs
            if len(self._numbers) > _MOST_CAUSES:
                oldest = next(iter(self._numbers))
                self._variables.pop(self._numbers.pop(oldest))
        return number

    def variables_of(self, number: int) -> Context | None:
        return self._variables.get(number)


origin: ContextVar[int] = ContextVar("rpclab_origin", default=0)
"""In a child process: the number of what caused the running call."""

_MOST_CAUSES = 10_000
