"""One session between two Workers: a symmetric state machine.

Floor: core. Batches of frames go in through `receive`, and come out through `flush`; nothing here
waits. Both ends are alike: each imports what the other exports, calls that, and answers the calls
of the other end.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, cast

from rpclab.core.answers import Answer, awaited_inside
from rpclab.core.arrival import Arrival
from rpclab.core.cascade import Cascade
from rpclab.core.containers import CONTAINER_TYPES, bulk_of
from rpclab.core.contexts import opened
from rpclab.core.events import RUN as _RUN
from rpclab.core.events import (
    answered,
    called,
    failure,
    scalar,
    scalars,
)
from rpclab.core.holdings import EMPTY_PIPE, ENTRY, Holdings
from rpclab.core.hooks import (
    BrokenHook,
    Hook,
    ServiceHook,
    TargetHook,
    bare_hook,
    fill,
    work_of,
)
from rpclab.core.imports import (
    PENDING,
    REJECTED,
    RESOLVED,
    Forgettable,
    Handle,
    Import,
    Pending,
    Unasked,
    UnseenFailure,
)
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.core.map import Program, replay
from rpclab.core.messages import (
    ABORT,
    CALL,
    CANCEL,
    DEADLINE,
    FEW,
    KEYWORDS,
    LARGE,
    LONGEST_RUN,
    MAP,
    MOST,
    PIPE,
    PULL,
    PUSH,
    QUIET,
    REJECT,
    RELEASE,
    RESOLVE,
    SCALARS,
    STREAM,
    Frame,
    InOrder,
    Message,
    apart,
    are_small,
    is_small,
    parse,
    size_of,
)
from rpclab.core.payload import Payload
from rpclab.core.references import STUB, Introduced
from rpclab.core.results import FORGOTTEN, MISSING, Failure, Results, forgotten
from rpclab.core.streams import Pipe, Unread, reason_of
from rpclab.core.targets import RpcTarget, attribute_of, is_passive, is_target
from rpclab.errors import (
    DataCloneError,
    DisconnectedError,
    LocalProtocolError,
    MessageTooLargeError,
    RemoteProtocolError,
    RpcError,
    fresh_copy,
    late,
    no_keywords,
)
from rpclab.previews import message_of, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextvars import Context as Variables

    from rpclab.core.contexts import ExecutionContext, Host, Noting, Packed, SendHeld
    from rpclab.core.dialects import Dialect
    from rpclab.core.events import Call
    from rpclab.core.flow import Uplink
    from rpclab.core.messages import Given, Keywords, Path
    from rpclab.core.streams import End

Passed = tuple[int, int, "TargetHook | None", "tuple[Any, ...] | None"]
"""How far calls of a run were taken at once: see `Session._pass_on`."""

Taken = tuple[str, list[Any], "Frame | None"]
"""A plain call that was taken: its path and arguments, and its frame, if it had one of its own."""

IN_TABLE: Any = object()
"""Stands for the result of a call whose answer is in the export table."""


class Codec(Protocol):
    """Operations to bytes and back, for one session."""

    dialect: Dialect

    @property
    def pack(self) -> Callable[[Message], bytes]:
        """Packs a message in which the user gave small scalars only; quicker than `encode`.

        To be asked for each time: the codec may change its mind.
        """

    def encode(
        self, message: Message, values: list[Any], payload: Callable[[], Payload]
    ) -> tuple[Frame, Payload | None]:
        """Pack a message.

        Args:
            message: the message.
            values: what of it the user gave.
            payload: makes the payload; called once a value is met that passes by reference.

        Returns:
            The frame, and the payload if there is one. If it raises, the payload was discarded.

        Raises:
            Exception: a value cannot be sent.
        """

    def reference(self, kind: int, number: int) -> Any:
        """What stands in a message for a reference, to be packed by `pack`."""

    def encode_part(self, value: Any, references: Any) -> Any:
        """Pack a part of a program, in which `references` gives the references; packed in turn."""

    def weight_of(self, frame: Any) -> int:
        """How many bytes a message takes once it is unpacked, at most, about."""

    def count(self, frames: list[Frame]) -> int:
        """How many calls, results and other messages there are in frames."""

    def decode(self, frame: Frame) -> tuple[object, Arrival | None]:
        """Unpack a message. Gives it, and what it mentions by reference, if anything.

        Raises:
            RemoteProtocolError: it is none.
        """


class Session:
    """One end of a session.

    Args:
        name: for texts, such as "notebook→counter".
        codec: makes the codec of this session.
        host: the world around it.
        keeper: the long context that owns what belongs to no event.
        main: what the peer reaches as id 0; nothing unless given.
        limits: what it accepts and sends at most.

    Attributes:
        imports: by id, what the other side introduced and is held here.
        exports: by id, what was introduced to the other side, and the calls being answered.
        last_export: the id that was introduced last.
        peer: the other end, where it is in this process.
        label: tells this end from every other one, in events (see `events.opposite`).
        gathered: how many bytes of what comes in parts are kept until it is whole.
        latest: while observed, the call that is being applied: if it runs now, it does so at once.
        closed: why the session ended; None while it is open.
        tells_places: whether the peer may know places in the code here (see `places`).
        is_far: whether the other end is in another program. Then what only acknowledges and gives
            back waits for a turn, unless this end `hurries`, and what was flushed is told of.
        hurries: whether that does not wait.
        uplink: what streams to another program share; None where they need not.
        packs_runs: whether runs are packed as they leave. Between two ends in one process they need
            not be, for there is nothing in them that anybody could change.
        first_unsent: the id of the first call that has not left yet.
        pipelined: the promises that calls were made on before they had left.
        send: the transport: takes how many plain settlements were seen, and frames.
    """

    # The interpreter finds the attributes of an instance slowly where it has more than thirty.
    __slots__ = (
        "__dict__", "__weakref__", "_acknowledged", "_acknowledges", "_applies", "_awake",
        "_call_run", "_calls", "_codec", "_decode", "_dialect", "_interrupted", "_last_call",
        "_most_plain", "_next_call", "_outbox", "_promise", "_quiet", "_releases", "_result_run",
        "_runs", "_seen", "_soon", "_told", "_unacknowledged", "cascade", "closed", "exports",
        "first_unsent", "holdings", "host", "hurries", "imports", "keeper", "label", "last_export",
        "latest", "limits", "name", "peer", "pipelined", "send", "wrap",
    )  # fmt: skip

    packs_runs = True
    tells_places = True
    is_far = False
    uplink: Uplink | None = None
    _cut_off: dict[int, UnseenFailure] | None = None
    _refusal: Hook | None = None

    def __init__(
        self,
        name: str,
        *,
        codec: Callable[[Any], Codec],
        host: Host,
        keeper: ExecutionContext,
        main: Hook | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.name = name
        self.label = name
        self.latest: Answer | None = None
        self.host = host
        self._calls = host.calls
        self.wrap = host.calls.wrap
        self.keeper = keeper
        self.limits = limits
        # While so many exports are held at most, a call need not ask whether it is accepted.
        self._most_plain = limits.exports
        self.closed: BaseException | None = None
        self.imports: dict[int, Import] = {}
        self.exports: dict[int, Hook | Answer] = {}
        self.send: Callable[[int, list[Frame]], None] = _unconnected
        self.peer: Session | None = None
        self.cascade = Cascade(self.awake)
        self.holdings = Holdings(self)
        self.gathered = 0
        self._codec = codec(self)
        self._decode = self._codec.decode
        self._dialect = self._codec.dialect
        self._acknowledges = self._dialect.acknowledges
        self._promise = Pending if self._dialect.call_pulls else Unasked
        self.last_export = self._dialect.last_export
        self._outbox: list[Any] = []  # frames, and runs
        # Runs of calls and of results (see `messages`) are packed when they leave. Until then they
        # stand unpacked in the outbox, at those places; one grows while it is the last thing there.
        gathers = self._dialect.runs and limits.message_bytes >= LONGEST_RUN
        self._runs: list[int] | None = [] if gathers else None
        self._call_run: Any = None  # the one that has grown last; it may have left
        self._result_run: Any = None
        self._releases: list[int] = []
        self._soon: deque[Callable[[], None]] = deque()
        self._interrupted: list[tuple[int, list[Frame]]] = []
        self._awake = self._applies = self.hurries = False
        # As an importer: the next id of a call, the first that has not left yet, and the promises
        # that calls were made on meanwhile.
        self._next_call = 1
        self.first_unsent = 1
        self.pipelined: list[Pending] = []
        self._seen = 0
        self._told = 0
        # Where these are counted, and not acknowledged: ids introduced several times, with how
        # often, and the writes to streams that are on their way.
        self._introductions: dict[int, int] = {}
        self._streaming: set[int] = set()
        self._results = Results(limits.results)
        # As an exporter: the last id of a call, and the results that the peer has not seen yet.
        self._last_call = 0
        self._quiet: set[int] = set()
        self._acknowledged = 0
        self._unacknowledged: dict[int, Any] = {}
        if main is None and not self._dialect.shares:
            main = BrokenHook(RpcError("This connection has no main object."))
        if main is not None:
            self.exports[0] = main
            main.retain()

    @property
    def dialect(self) -> Dialect:
        """What its frames can say."""
        return self._dialect

    def __repr__(self) -> str:
        state = "open" if self.closed is None else "closed"
        imports, exports = len(self.imports), len(self.exports)
        return f"<Session {self.name}, {state}, {imports} imports, {exports} exports>"

    # The outbox.

    def send_frame(self, frame: Frame) -> None:
        """Put a frame in the outbox; it leaves with the next flush."""
        if not self._awake:
            self._awake = self.host.wake(self)
        self._outbox.append(frame)

    def awake(self) -> None:
        """Have the session flushed in the next turn."""
        if not self._awake:
            self._awake = self.host.wake(self)

    def soon(self, function: Callable[[], None]) -> None:
        """Go on with long work after others had their turn."""
        self._soon.append(function)
        self.awake()

    def flush(self) -> int:
        """Send what has gathered, as one batch. Gives how many messages these were."""
        if (
            self.is_far
            and not self._outbox
            and not self.hurries
            and not self._soon
            and (self._releases or self._told != self._seen)
        ):
            # Whoever was waiting for what has come is resumed in this turn, and nearly always
            # calls next. What only acknowledges and gives back waits for that, and leaves with it:
            # a message less for each call that follows another (benchmark `socket_sequential`).
            self.hurries = True
            self._awake = self.host.wake(self)
            return 0
        self._awake = True  # what follows need not ask for a turn of its own
        if self.cascade.waits or self._soon:
            self._go_on()
        if self.pipelined:
            self._quieten()
        frames = self._outbox
        more = 0
        if self._runs:
            for position in self._runs:
                run = frames[position]
                more += (len(run) // 3 if run[0] == CALL else len(run) // 2) - 1
                if self.packs_runs:
                    frames[position] = self._codec.pack(run)
            self._runs.clear()
        if self._releases:
            self._put_releases()
        count = len(frames) + more
        self._awake = False
        if self._soon:
            self.awake()
        if frames or self._told != self._seen:
            if self.host.observe is not None:
                self.host.observe(("left", self.label, count))
            self._outbox = []
            self.first_unsent = self._next_call
            self._told = self._seen
            self.send(self._seen, frames)
        if self.is_far:
            self.hurries = False
            self._flushed(count)
        return count

    def put(self) -> int:
        """Send what has gathered, now."""
        self.hurries = True
        return self.flush()

    def forgo_runs(self) -> None:
        """Send each call and result in a message of its own from now on."""
        for position in reversed(self._runs or ()):
            messages = [self._outbox[position]]
            if Introduced in map(type, messages[0]):
                messages = [*apart(messages[0])]
            for message in messages:
                if type(message[2]) is Introduced:
                    # A message by itself that refers to something is not acknowledged.
                    del self._unacknowledged[message[1]]
                    message[2] = self._codec.reference(STUB, message[2])
            self._outbox[position : position + 1] = map(self._codec.pack, messages)
        self._runs = None

    def _go_on(self) -> None:
        """Do what was left for this turn; what an interrupt leaves of it, in the next one."""
        try:
            if self.cascade.waits:
                self.cascade.go_on()
            for _ in range(len(self._soon)):
                self._soon.popleft()()
        except BaseException:
            self._awake = self.host.wake(self)
            raise

    def _quieten(self) -> None:
        """Tell the peer which calls of this batch nobody can ask for the results of.

        Calls were made on them, and nobody here holds their promise any more: all but the last of
        `x.a().b().c()`. Their results stay at the callee, for what was made on them. In a run, a
        call with but one call on it, the next, is given back by that (benchmark `chain`); the peer
        is told of the others ahead of the batch.
        """
        pipelined, self.pipelined = self.pipelined, []
        if not self._dialect.quiet or self.closed is not None:
            return
        quiet: list[int] = []
        imports, observe = self.imports, self.host.observe
        runs: list[Any] = [self._outbox[position] for position in self._runs or ()]
        run: Message = [CALL, 0]
        for pending in pipelined:
            # The list, the table, the name here and the function's argument; and each call on it.
            long, call = pending.context.long, pending.id
            if (
                _COUNT(pending) == _ELSEWHERE + pending.unanswered - long
                and pending.is_plain
                and imports.get(call) is pending
            ):
                if not long and not pending.context.unwanted(pending):
                    quiet.append(call)  # its context's end lets go of it (rule L8)
                    continue
                del imports[call]
                if observe is not None:
                    observe(("let go", self.label, call))
                elif pending.unanswered == 1:
                    position = 3 * (call - run[1]) + 5
                    if not 0 < position < len(run):
                        run, position = _follows(runs, call)
                    if position and run[position] == call:
                        run[position] = None
                        continue
                quiet.append(call)
                self._releases += (call, 1)
        if quiet:
            frame = self._codec.pack([QUIET, *quiet])
            self._outbox.insert(0, frame)
            if self._runs:
                self._runs = [position + 1 for position in self._runs]
            if observe is not None:
                observe(("quiet", self.label, tuple(quiet), len(frame)))

    def _put_releases(self) -> None:
        """Put what was given back in the outbox: before the next call, or with the next flush."""
        releases, self._releases = self._releases, []
        if self._dialect.release_lists:
            frame = self._codec.pack([RELEASE, *releases])
        else:
            frames = [
                self._codec.pack([RELEASE, number, count])
                for number, count in zip(releases[::2], releases[1::2], strict=True)
            ]
            frame = frames.pop()
            self._outbox += frames
        self._outbox.append(frame)
        if self.host.observe is not None:
            self.host.observe(("release", self.label, tuple(releases[::2]), len(frame)))

    # The tables.

    def introduce(self, hook: Hook) -> int:
        """Enter a hook in the export table, under a number of its own."""
        self.last_export -= 1
        export_id = self.last_export
        self.exports[export_id] = hook
        hook.retain()
        self.holdings.most += ENTRY
        if self.host.observe is not None:
            self.host.observe(("introduced", id(hook), self.label, export_id, *hook.identity()))
        hook.exported(self, export_id)
        return export_id

    def withdraw(self, export_id: int) -> None:
        """Take back what the peer has never been told of."""
        hook: Any = self.exports.pop(export_id, None)
        if hook is not None:
            if self.host.observe is not None:
                self.host.observe(("withdrawn", self.label, export_id))
            hook.unsent()
            hook.release()

    def enter(self, entry: Import) -> Import:
        """Enter what the peer has introduced in the import table.

        Raises:
            RemoteProtocolError: it has used that number already.
        """
        number = entry.id
        if number >= 0:
            raise RemoteProtocolError(
                f"the peer introduced the id {number}, and may choose -1 down"
            )
        if number in self.imports:
            raise RemoteProtocolError(f"the peer introduced the id {number} twice")
        if len(self.imports) > self.limits.imports:
            raise RemoteProtocolError(
                f"the peer introduced more than {self.limits.imports} stubs (Limits.imports)"
            )
        self.holdings.most += ENTRY
        self.imports[number] = entry
        if self.host.observe is not None:
            self.host.observe(("imported", self.label, number))
        return entry

    def introduced(self, number: int) -> Import:
        """Give the entry of a stub that the peer introduces.

        Where mentions are counted, it may be introduced already.

        Raises:
            RemoteProtocolError: the number is taken, or there are too many.
        """
        if not self._dialect.shares:
            found = self.imports.get(number)
            if type(found) is Import and number < 0:
                self._introductions[number] = self._introductions.get(number, 1) + 1
                return found
        return self.enter(Import(self, number))

    def hold(self, size: int) -> None:
        """So many bytes more are kept for the peer that stand in no table; or fewer."""
        self.gathered += size
        self.holdings.most += max(size, 0)

    @property
    def result_bytes(self) -> int:
        """How many bytes are kept in results that nobody has asked for."""
        return self._results.size

    def unseen_results(self) -> Iterable[Any]:
        """The results that are kept by themselves until the peer has seen them."""
        return self._unacknowledged.values()

    def hosted(self) -> list[TargetHook]:
        """The targets that live at this end and are held at the other."""
        exports = self.exports.items()
        return [hook for number, hook in exports if number <= 0 and isinstance(hook, TargetHook)]

    def live_exports(self) -> list[int]:
        """The ids the peer can use; not the settled calls whose acknowledgement is on its way."""
        return [
            number
            for number, hook in self.exports.items()
            if (
                hook.state == PENDING
                if isinstance(hook, Answer)
                else number <= 0 or not isinstance(hook, TargetHook)
            )
        ]

    # Packing.

    def pack(
        self,
        message: Message,
        values: list[Any],
        context: ExecutionContext,
        source: Answer | None = None,
        *,
        copying: bool = False,
        ahead: bool = True,
    ) -> tuple[Frame, Payload | None]:
        """Pack a message, and send what has to go ahead of it.

        Args:
            message: the message.
            values: what of it the user gave.
            context: the execution context in which they were made.
            source: the call whose result it is.
            copying: whether the values go on being used here.
            ahead: whether anything can go ahead: not of an error.

        Returns:
            The frame, and the payload, which is to be committed when the frame is queued.

        Raises:
            Exception: a value cannot be sent. Targets in the values were disposed (rule V22).
        """
        references = partial(Payload, self, context, source, copying=copying)
        return self._pack(message, values, references, ahead=ahead)

    def _pack(
        self,
        message: Message,
        values: list[Any],
        references: Callable[[], Payload],
        *,
        ahead: bool = True,
    ) -> tuple[Frame, Payload | None]:
        frame, payload = self._codec.encode(message, values, references)
        while payload is not None and not payload.complete and not payload.awaitables:
            if not ahead and payload.first:
                payload.discard([])
                raise DataCloneError("streams and properties stand in arguments or a result")
            payload.prepare()
            if message[0] in _MAKES_A_CALL:
                # What went ahead has taken the number.
                message[1] = self._next_call
            frame, _ = self._codec.encode(message, values, lambda: payload)
        return frame, payload

    @property
    def next_call_of_peer(self) -> int:
        """The number that the next call of the peer has, where its message does not say."""
        return self._last_call + 1

    def arrival(self) -> Arrival:
        """Make what a message mentions by reference that is being unpacked."""
        return Arrival(self)

    def encode_part(self, value: Any, references: Any) -> Any:
        """Pack a part of a program (see `map`)."""
        return self._codec.encode_part(value, references)

    # Calls on their way out.

    def call(
        self,
        target: Import,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        """Call the member at `path` of what the peer exports; read it where `args` is None.

        The arguments are packed now (rule V21); what cannot be sent rejects the promise (V22).
        """
        if self.closed is not None or context.ended or target.broken is not None:
            return self._refused(target, context, [*(args or ()), *(kwargs or {}).values()])
        call = self._next_call
        pending = self._promise(self, call, context, None if args is None else path)
        if (
            args is None
            or kwargs
            or self._runs is None
            or self._calls.special
            or type(path) is not str
            or len(path) > FEW
            or (args and not are_small(args))
        ):
            return self._call_apart(pending, target, path, args, kwargs, context)
        # Nothing can refuse such a call. It joins those before it, and is packed with them when
        # they leave: of what a call in flight takes that is a tenth, and makes it half as dear
        # where it is one of a chain (benchmarks `burst`, `chain`).
        if self._releases:
            # A stub disposed before this call is gone before it.
            self._put_releases()
        # First of all, for it raises where the call comes from another thread.
        if not self._awake:
            self._awake = self.host.wake(self)
        if not context.long:
            context.started(pending)
        self._next_call = call + 1
        self.imports[call] = pending
        run, outbox = self._call_run, self._outbox
        if outbox and outbox[-1] is run and len(run) < _LONG_RUN:
            run += (target.id, path, [*args])
        else:
            run = self._call_run = [CALL, call, target.id, path, [*args]]
            self._runs.append(len(outbox))
            outbox.append(run)
        noting = self._calls.noting
        if noting is not None:
            noting.call(pending, run)
        return pending

    def _call_apart(
        self,
        pending: Pending,
        target: Import,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        """Make a call in a message of its own."""
        if args is None:
            values: list[Any] = []
            message: Message = [CALL, pending.id, target.id, path, None]
        else:
            values = [*args]
            message = [CALL, pending.id, target.id, path, values]
        if kwargs or self._calls.special:
            holder = self._calls.holder
            if holder is not None:

                def send(session: Session, held: Pending, there: Import, values: Any) -> None:
                    args, kwargs = values
                    session._call_apart(held, there, path, args, kwargs, context)

                held = holder.hold(target, (args, kwargs), context, send)
                if held is not None:
                    return held
            options = self._options(pending, kwargs)
            if options:
                message.append(options)
                values = [*values, *(kwargs or {}).values()]
                if self._is_late(pending, options, values):
                    return pending
        return self._push(pending, message, values, context)

    def map(
        self,
        target: Import,
        captures: list[Any],
        program: list[Any],
        context: ExecutionContext,
        path: Sequence[str] = (),
    ) -> Pending:
        """Replay a recorded function on what the peer exports, or a member (see `map`)."""
        if self.closed is not None or context.ended or target.broken is not None:
            return self._refused(target, context, captures)
        holder = self._calls.holder
        if holder is not None:

            def send(session: Session, held: Pending, there: Import, values: list[Any]) -> None:
                session._map_apart(held, there, values, program, context, path)

            held = holder.hold(target, captures, context, send)
            if held is not None:
                return held
        pending = self._promise(self, self._next_call, context, [*path, "map"])
        return self._map_apart(pending, target, captures, program, context, path)

    def _map_apart(
        self,
        pending: Pending,
        target: Import,
        captures: list[Any],
        program: list[Any],
        context: ExecutionContext,
        path: Sequence[str],
    ) -> Pending:
        """Replay a recorded function, with that promise of its result."""
        message = [MAP, pending.id, target.id, list(path), captures, program]
        if self._calls.special:
            options = self._options(pending, None)
            message.append(options)
            if self._is_late(pending, options, captures):
                return pending
        return self._push(pending, message, captures, context)

    def send_held(self, pending: Pending, target: Import, values: Any, send: SendHeld) -> None:
        """Send a call that was held back, whose promise is there already (see `Holder`)."""
        context = pending.context
        pending.session = self
        if self.closed is None and not context.ended and target.broken is None:
            pending.id = self._next_call
            send(self, pending, target, values)
            if not self._dialect.call_pulls:
                self.ask(pending)
        else:
            refused = self._refused(target, context, [values])
            refused.look()
            pending.settle(REJECTED, refused.value)

    def write(
        self,
        pending: Pending,
        target: Import,
        operation: str,
        args: list[Any],
        context: ExecutionContext,
    ) -> Pending:
        """Write to a sink that the peer has exported, or to a pipe there (see `streams`).

        Args:
            pending: settles when the sink, or the reader, has taken it. It belongs to a long
                context, and outlives `context`: what was written counts.
            target: the sink or pipe.
            operation: "write", "close" or "abort".
            args: the chunk, if any.
            context: in which the chunk was made.

        Returns:
            That same promise.
        """
        if self.closed is not None:
            Payload(self, self.keeper).discard(args)
            pending.settle(REJECTED, self.closed)
            return pending
        message = [STREAM, self._next_call, target.id, operation, args]
        if self._calls.special:
            options = self._options(pending, None)
            message.append(options)
            if self._is_late(pending, options, args):
                return pending
        if not self._acknowledges:
            self._streaming.add(self._next_call)  # what settles it gives its number back
        return self._push(pending, message, args, context)

    def _push(
        self, pending: Pending, message: Message, values: list[Any], context: ExecutionContext
    ) -> Pending:
        """Pack a message that makes a promise, and queue it."""
        if self._releases and message[0] == CALL:
            # A stub disposed before this call is gone before it.
            self._put_releases()
        frame: Frame
        payload = None
        try:
            for value in values:
                if type(value) not in _SMALL and (type(value) is not bytes or len(value) >= LARGE):
                    frame, payload = self.pack(message, values, context)
                    break
            else:
                # Small scalars can be refused for the size of one, or of all.
                frame = self._codec.pack(message)
                if len(frame) > self.limits.message_bytes:
                    frame, _ = self.pack(message, values, context)
        except Exception as error:
            pending.settle(REJECTED, error)
            return pending
        # First of all, for it raises where the call comes from another thread.
        if not self._awake:
            self._awake = self.host.wake(self)
        call = pending.id = message[1]
        if not pending.context.long:
            try:
                pending.context.started(pending)
            except BaseException:
                if payload is not None:
                    payload.discard(values)
                raise
        self._next_call = call + 1
        self.imports[call] = pending.stand_in if pending.unasked else pending
        if message[0] == STREAM:
            pending.size = size_of(frame)
        if payload is not None:
            # Before the call is told of: what a message introduces comes before it in a recording.
            payload.commit()
        if self._calls.noting is not None:
            size = len(frame) if type(frame) is bytes else size_of(frame)
            self._note(self._calls.noting, pending, message, size, payload)
        self._outbox.append(frame)
        if payload is not None:
            payload.sent()
        return pending

    def ask(self, pending: Pending) -> None:
        """Ask the peer for the result of a call: somebody waits for it."""
        if self.closed is None and self.imports.get(pending.id) is pending.stand_in:
            # What is asked for is kept, also where Python forgets the promise meanwhile.
            self.imports[pending.id] = pending
            self.send_frame(self._codec.pack([PULL, pending.id]))

    def _note(
        self,
        noting: Noting,
        pending: Pending,
        message: Message,
        size: int,
        payload: Payload | None,
    ) -> None:
        """Tell those who watch of a message that makes a promise, and where it was made."""
        if noting.ambient:
            pending.cause = self._calls.caused(self)
        find = noting.calling_site
        site = None if find is None else find()
        using: tuple[Call, ...] = ()
        if payload is not None:
            using = tuple([(other.session.label, other.id) for other in payload.used])
        # Who acts is told of first, if that is new.
        maker = (None, 0) if self.host.kept is None else self._calls.acting()
        at = self.host.clock()
        event: tuple[Any, ...]
        if message[0] == CALL and len(message) == 5:
            _, call, target, path, shown = message
            if shown is not None:
                shown = scalars(shown)
            if type(path) is not str:
                path = tuple(path)
            by, task = maker
            event = (at, "call", self.label, call, target, path, shown, size, site, by, using)
            if task != 0:
                event += (None, task)  # what is as usual is left out at the end
        else:
            event = (at, *called(self.label, message, size, site, maker, using))
        noting.kept.append(event)
        if find is not None and message[0] != STREAM:
            pending.noted, pending.site = event, site

    def _options(self, pending: Pending, kwargs: Keywords) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._calls.special:
            left = self._calls.left(pending)
            if left is not None:
                options[DEADLINE] = left
        if kwargs:
            if not self._dialect.keywords:
                raise no_keywords()
            options[KEYWORDS] = kwargs
        return options

    def _is_late(self, pending: Pending, options: dict[str, Any], values: Sequence[Any]) -> bool:
        """Whether the deadline of a call has passed before it was made; then it is not sent."""
        if options.get(DEADLINE, 1) > 0:  # on a virtual clock it may be this very moment
            return False
        Payload(self, self.keeper).discard([*values])
        pending.settle(REJECTED, late())
        return True

    def _refused(self, target: Import, context: ExecutionContext, values: list[Any]) -> Pending:
        """The promise of a call that cannot be made any more, with those values.

        Of two calls on what is gone, one may be seen to fail and the other not: each has an error
        of its own. When all is over nobody is told of any.
        """
        if self.closed is not None:
            return self.rejected(self.closed, context, values)
        if context.ended:
            error = LocalProtocolError(
                f"the execution context of {context.worker} has ended; it can make no more calls"
            )
            return self.rejected(error, context, values)
        assert target.broken is not None  # noqa: S101 - that is the third reason
        return self.rejected(fresh_copy(target.broken), context, values)

    def rejected(
        self, error: BaseException, context: ExecutionContext, values: Sequence[Any] = ()
    ) -> Pending:
        """A promise that has failed already, without a message.

        Args:
            error: why.
            context: who has made the call.
            values: its arguments; the targets in them are disposed, as in any message that is not
                sent (rule V22).
        """
        if values:
            Payload(self, self.keeper).discard([*values])
        pending = Pending(self, 0, context)
        pending.settle(REJECTED, error)
        return pending

    def resolved(self, value: Any, context: ExecutionContext) -> Pending:
        """A promise that has its value already, without a message."""
        pending = Pending(self, 0, context)
        pending.settle(RESOLVED, value)
        return pending

    def cut_off(self, pending: Pending) -> None:
        """Tell of that call if it has failed before the peer learns that it is given up.

        Of the last few only: where it has not failed, the peer says nothing more.
        """
        if self.imports.get(pending.id) is pending:
            cut_off = self._cut_off = self._cut_off or {}
            if len(cut_off) >= _CUT_OFF:
                del cut_off[next(iter(cut_off))]
            cut_off[pending.id] = UnseenFailure(pending, None)

    def cancel(self, pending: Pending) -> None:
        """Tell the peer that nobody waits for this call any more."""
        if self.imports.get(pending.id) is not (pending.stand_in if pending.unasked else pending):
            return
        del self.imports[pending.id]
        if self.closed is None:
            if self._dialect.cancels:
                frame = self._codec.pack([CANCEL, pending.id])
                self.send_frame(frame)
                if self.host.observe is not None:
                    self.host.observe(("cancel", self.label, pending.id, len(frame)))
            elif pending.id in self._streaming:
                self._streaming.discard(pending.id)
            else:
                self.give_back(pending.id)

    def release(self, entry: Import) -> None:
        """The last handle of an import is gone: give it back."""
        number = entry.id
        if self.imports.get(number) is not entry:
            return
        del self.imports[number]
        if self.closed is None:
            if self.host.observe is not None:
                self.host.observe(("let go", self.label, number))
            self.give_back(number)

    def give_back(self, import_id: int) -> None:
        """Release an id of the peer, with the next flush; as often as it has introduced it."""
        count = self._introductions.pop(import_id, 1) if self._introductions else 1
        self._releases += (import_id, count)
        if not self._awake:
            self._awake = self.host.wake(self)

    # Pipes: what a stream flows through that is sent to the peer, or comes from there.

    def open_pipe(self) -> Import:
        """Take a number for a pipe at the peer, which `announce_pipe` opens at once."""
        number = self._next_call
        self._next_call = number + 1
        entry = self.imports[number] = Import(self, number)
        return entry

    def announce_pipe(self, number: int) -> None:
        """Open a pipe at the peer, ahead of the message that mentions it."""
        frame = self._codec.pack([PIPE, number])
        self.send_frame(frame)
        if self.host.observe is not None:
            self.host.observe(("pipe", self.label, number, len(frame)))

    def cancel_pipe(self, pipe: Hook, number: int, reason: BaseException) -> None:
        """Tell the sender of a stream that nobody reads it any more."""
        if not self._dialect.cancels:
            return  # it learns that from its writes
        if self.closed is None and self.exports.get(number) is pipe:
            frame = self._pack_error([PIPE, number, reason_of(reason)], 2)[0]
            self.send_frame(frame)
            if self.host.observe is not None:
                self.host.observe(("unread", self.label, number, size_of(frame)))

    # Results on their way out.

    def pack_result(self, answer: Answer, value: Any) -> Packed | None:
        """Pack the result of a call; its stubs are moved (rule O10).

        Returns:
            None where it is not sent now: the answer has been rejected instead, or it is sent
            later, when what the value holds was awaited.
        """
        message = [RESOLVE, answer.id, value]
        try:
            frame, payload = self.pack(message, [value], answer.context or self.keeper, answer)
        except Exception as error:
            self._refuse_result(answer, error)
            return None
        if payload is not None and not self._commit_result(answer, value, payload):
            return None
        return frame, payload

    def _refuse_result(self, answer: Answer, error: Exception) -> None:
        """The result cannot be sent: the call has failed."""
        answer.state = PENDING
        # How packing failed tells nobody anything, and would keep the value alive.
        answer.reject(error.with_traceback(None))

    def _commit_result(self, answer: Answer, value: Any, payload: Payload) -> bool:
        """Enter what a result refers to in the tables. Says whether it is sent now."""
        if payload.awaitables and answer.context is not None:
            answer.state = PENDING
            payload.discard([])
            self.host.ran(answer, awaited_inside(value), work_of(answer, answer.context))
            return False
        answer.plain = not payload.references
        payload.commit()
        return True

    def stays(self, answer: Answer, value: Any) -> bool:
        """Keep the result of a quiet call here, for what was made on it.

        Returns:
            Whether it does: what cannot be sent is an error all the same (rule V22), and streams
            and awaitables go the way of any result.
        """
        kind = type(value)
        if kind in SCALARS:
            return True
        if is_target(value) and answer.hook_for(value) is not None:
            return True
        context = answer.context or self.keeper
        try:
            _, payload = self._codec.encode(
                [RESOLVE, answer.id, value], [value], partial(Payload, self, context, answer)
            )
        except Exception:
            return False  # what it says is found out again
        if payload is not None:
            if payload.first or payload.awaitables:
                return False
            payload.sent()
        return True

    def pack_error(self, answer: Answer, error: BaseException, *, remote: bool) -> Packed:
        """Pack the failure of a call."""
        reply = self._pack_error([REJECT, answer.id, error, remote], 2, answer.context)
        _, payload = reply
        answer.plain = payload is None or not payload.references
        if payload is not None:
            payload.commit()
        return reply

    def _pack_error(
        self, message: Message, position: int, context: ExecutionContext | None = None
    ) -> Packed:
        """Pack a message with an error in it; one that cannot be sent is told of."""
        error = message[position]
        try:
            frame, payload = self.pack(message, [error], context or self.keeper, ahead=False)
        except Exception as failed:
            message[position] = RpcError(
                f"{type_name(error)} that could not be sent: {message_of(failed)}"
            )
            frame, payload = self.pack(message, [], context or self.keeper)
        return frame, payload

    def reply(self, answer: Answer, reply: Packed) -> None:
        """Queue a settlement, unless the call was cancelled meanwhile."""
        frame, payload = reply
        if self.exports.get(answer.id) is not answer or self.closed is not None:
            if payload is not None:
                payload.take_back()
            return
        if self.host.observe is not None:
            failed = answer.state == REJECTED
            size = size_of(frame)
            self.host.observe(answered(self.label, answer.id, answer.value, size, failed=failed))
        self._outbox.append(frame)
        if not self._awake:
            self._awake = self.host.wake(self)
        if answer.plain and self._acknowledges:
            self._unacknowledged[answer.id] = IN_TABLE
        if payload is not None:
            payload.sent()
        if answer.gives_itself_back:
            del self.exports[answer.id]
            answer.drop()

    def _reply_scalar(self, call: int, value: Any, stands: Any) -> bool:
        """Queue a result that is a small scalar. Says whether it is one.

        Args:
            call: the id of the call.
            value: the scalar.
            stands: for it, until the peer has seen it.
        """
        noting = self._calls.noting
        if self._runs is not None and is_small(value):
            run, outbox = self._result_run, self._outbox
            if outbox and outbox[-1] is run and len(run) < _LONG_RUN:
                run += (call, value)
            else:
                run = self._result_run = [RESOLVE, call, value]
                self._runs.append(len(outbox))
                outbox.append(run)
            self.holdings.most += ENTRY + FEW
            if noting is not None:
                kept = noting.kept
                if kept and (last := kept[-1])[_RUN] is run:
                    last.append(noting.clock())
                else:
                    kept.append(["result", self.label, run, len(run) // 2 - 1, noting.clock()])
        else:
            if type(value) is bytes and len(value) >= LARGE:
                return False
            try:
                frame = self._codec.pack([RESOLVE, call, value])
            except DataCloneError:
                return False
            size = len(frame)
            if size > self.limits.message_bytes:
                return False
            self._outbox.append(frame)
            self.holdings.most += ENTRY + size
            if noting is not None:
                at = noting.clock()
                noting.kept.append((at, "result", self.label, call, scalar(value), size))
        if self._acknowledges:
            self._unacknowledged[call] = stands
        if not self._awake:
            self._awake = self.host.wake(self)
        return True

    def _reply_target(self, call: int, value: Any, context: ExecutionContext) -> bool:
        """Queue a result that is a target, unless the call is quiet. Says whether it is one.

        The hook of the target stands for the answer itself (see `answer_to`). Between two ends in
        one process the result joins a run, and the call is given back by being acknowledged: so a
        reference costs a quarter less (benchmark `references`).
        """
        if not is_target(value) or attribute_of(type(value), "__await__") is not None:
            return False
        hook = self.exports[call] = TargetHook(value, context)
        hook.claims = 1
        self.holdings.most += ENTRY
        if call in self._quiet:
            self._quiet.remove(call)
            return True
        number, peer = self.introduce(hook), self.peer
        if self._runs is None or self.packs_runs or peer is None or peer.keeper is self.keeper:
            stub = self._codec.reference(STUB, number)
            self._outbox.append(self._codec.pack([RESOLVE, call, stub]))
        else:
            self._join_results(call, Introduced(number))
            self._unacknowledged[call] = IN_TABLE
        if not self._awake:
            self._awake = self.host.wake(self)
        return True

    def _join_results(self, call: int, value: Any) -> Message:
        """Put a result in a run. Gives the run."""
        run, outbox = self._result_run, self._outbox
        if outbox and outbox[-1] is run and len(run) < _LONG_RUN:
            run += (call, value)
        else:
            run = self._result_run = [RESOLVE, call, value]
            self._runs.append(len(outbox))  # type: ignore[union-attr]
            outbox.append(run)
        return run  # type: ignore[no-any-return]

    def _reply_data(
        self, call: int, value: Any, hook: Hook, context: ExecutionContext
    ) -> Answer | None:
        """Queue a result that is a container. Gives the answer, if one had to be made.

        Most refer to nothing, and need none: a dictionary comes back a tenth sooner so (benchmark
        `dict1k`).
        """
        answers: list[Answer] = []

        def references() -> Payload:
            if not answers:  # a message is packed again once what goes ahead of it is known
                answer = self._answer_of(call, hook, context)
                answer.state, answer.value = RESOLVED, value
                answers.append(answer)
            return Payload(self, context, answers[0])

        try:
            frame, payload = self._pack([RESOLVE, call, value], [value], references)
        except Exception as error:
            # Whoever packs has asked for what is to be discarded.
            self._refuse_result(answers[0], error)
            return answers[0]
        if payload is not None:
            if self._commit_result(answers[0], value, payload):
                self.reply(answers[0], (frame, payload))
            return answers[0]
        self._unacknowledged[call] = value
        self._outbox.append(frame)
        self.holdings.most += ENTRY + size_of(frame)
        if not self._awake:
            self._awake = self.host.wake(self)
        return None

    def _reply_without_answer(
        self,
        call: int,
        value: Any,
        hook: Hook,
        context: ExecutionContext,
        taken: Taken,
    ) -> bool:
        """Queue what a method has returned, if it is a container or a target."""
        if type(value) in CONTAINER_TYPES:
            if call in self._quiet:
                return False
            answer = self._reply_data(call, value, hook, context)
            if answer is not None:
                self._goes_on(answer, hook, context, taken)
                return True
        elif not self._reply_target(call, value, context):
            return False
        if type(hook) is not TargetHook:
            context.let_go()
        return True

    def reply_at_once(self, answer: Answer, value: Any) -> bool:
        """Queue the result of a call on which nothing waits, if it is a small scalar or a target.

        Most results are one of these, and a reference costs a third less so (benchmarks
        `sequential`, `references`). The rest goes through `pack_result`.
        """
        if answer.pulled is not True or self._calls.special:
            return False
        if type(value) in SCALARS:
            if self._acknowledges:
                return self._reply_scalar(answer.id, value, IN_TABLE)
            if self.exports.get(answer.id) is not answer:
                return True
            sent = self._reply_scalar(answer.id, value, IN_TABLE)
            if sent and answer.gives_itself_back:
                del self.exports[answer.id]
            return sent
        hook = answer.hook_for(value) if is_target(value) else None
        if hook is None or self.exports.get(answer.id) is not answer:
            return False
        answer.plain = False
        stub = self._codec.reference(STUB, self.introduce(hook))
        self.reply(answer, (self._codec.pack([RESOLVE, answer.id, stub]), None))
        return True

    def export_broken(self, export_id: int, error: BaseException) -> None:
        """Tell the holder of an export that its target is gone."""
        if self.closed is None and export_id in self.exports:
            frame = self._pack_error([REJECT, export_id, error, False], 2)[0]
            self.send_frame(frame)
            if self.host.observe is not None:
                size = size_of(frame)
                self.host.observe(("broke", self.label, export_id, failure(error), size))

    def copy(self, source: Answer) -> tuple[Any, list[Handle], list[End], int]:
        """Copy the value of an answer for a call within this Worker (see `promise_arguments`).

        Returns:
            The copy, the handles inside it, the streams, and how many bytes it took as a message.
        """
        importer = cast("Session", self.host.loopback(source.context or self.keeper))
        exporter = importer.peer
        assert exporter is not None  # noqa: S101 - it is in this process
        message = [RESOLVE, 0, source.value]
        frame, payload = exporter.pack(
            message, [source.value], source.context or self.keeper, source, copying=True
        )
        if payload is None:
            return importer._codec.decode(frame)[0][2], [], [], size_of(frame)  # type: ignore[index]
        payload.commit()
        for stream in payload.opened():
            # No message tells of the pipe, so it comes before those that are on their way.
            importer._enter_pipe(stream.id)
        copied, arrival = importer._codec.decode(frame)
        payload.sent()
        handles, streams = (None, None) if arrival is None else (arrival.handles, arrival.streams)
        return copied[2], handles or [], streams or [], size_of(frame)  # type: ignore[index]

    # What comes in.

    def receive(self, seen: int, frames: list[Frame]) -> None:
        """Apply a batch of the peer.

        Args:
            seen: how many plain settlements of ours the peer has seen.
            frames: its messages, in order.

        A frame that is no message ends this session, with that reason, and raises nothing; so does
        any error of our own while a message is applied. Only what interrupts the program goes on;
        what that leaves of the batch is applied in the next turn, and what follows after it.
        """
        if self.closed is not None:
            return
        if self._interrupted:
            self._interrupted.append((seen, frames))
            return
        kept = self.host.kept
        if kept is not None:
            kept.append((self.host.clock(), "arrived", self.label, self._codec.count(frames)))
        frames.reverse()
        error: Exception | None = None
        is_inside, self._applies = self._applies, True
        try:
            self._apply(frames)
        except RemoteProtocolError as fault:
            error = fault
        except Exception as fault:
            error = RemoteProtocolError(
                f"a message of the peer could not be applied: {failure(fault)}"
            )
        except BaseException:
            self._interrupted.append((seen, frames))
            self.soon(self._receive_rest)
            raise
        finally:
            self._applies = is_inside
            if self.closed is not None:  # a message has ended it
                self.close(self.closed)  # type: ignore[unreachable]
            frames.reverse()
            if kept is not None:
                self.latest = None
                kept.append((self.host.clock(), "applied", self.label, self._codec.count(frames)))
        if error is not None:
            self.abort(error)
        if self.closed is not None:
            frames.clear()  # type: ignore[unreachable]
            return
        if seen > self._acknowledged:
            self._acknowledge(seen)
        if not self._awake and self._seen != self._told:
            self._awake = self.host.wake(self)

    def _receive_rest(self) -> None:
        """Apply what an interrupted batch has left, and what came after it."""
        batches, self._interrupted = self._interrupted, []
        while batches:
            try:
                self.receive(*batches.pop(0))
            except BaseException:
                self._interrupted += batches
                raise

    def _apply(self, frames: list[Frame]) -> None:
        """Apply messages, the last one first, and take each off the list."""
        holdings, most = self.holdings, self.limits.message_bytes
        decode = (
            self._decode_watched if self.is_far and self.host.observe is not None else self._decode
        )
        exports, unacknowledged = self.exports, self._unacknowledged
        most_exports = self._most_plain
        while frames and self.closed is None:
            frame: Any = frames.pop()
            if holdings.most > holdings.enough:
                holdings.weigh()
            if type(frame) is bytes:
                size = len(frame)
            elif type(frame[0]) is int:
                self._receive_run(frame, frames)  # the other end, in this process, did not pack it
                continue
            else:
                size = size_of(frame)
            if size > most:
                raise RemoteProtocolError(
                    f"the peer sent a message of over {most} bytes (Limits.message_bytes)"
                )
            try:
                message, arrival = decode(frame)
            except RemoteProtocolError:
                raise
            except Exception as error:
                text = f"the peer sent a frame that is no message: {failure(error)}"
                raise RemoteProtocolError(text) from None
            in_order = False
            if type(message) is list and self._acknowledges:
                # The two most common messages are judged here: that and what they need alone are a
                # quarter of a call in turn (benchmark `socket_sequential`). What is not quite in
                # order goes the way of any message, where it is checked in full, and refused.
                if len(message) == 3:
                    kind, number, value = message
                    if type(kind) is int and kind == RESOLVE and type(number) is int and number > 0:
                        entry = self.imports.get(number)
                        if type(entry) is Pending:
                            if arrival is None:
                                self._seen += 1
                                del self.imports[number]
                                entry.settle(RESOLVED, value)
                                continue
                            in_order = True
                elif arrival is None and len(message) == 5 and message[0] != RESOLVE:
                    kind, call, target, path, args = message
                    if (
                        type(kind) is int
                        and kind == CALL
                        and type(call) is int
                        and type(target) is int
                        and type(path) is str
                        and type(args) is list
                        and self._last_call < call < MOST
                        and target in exports
                        and len(exports) <= most_exports
                        and len(unacknowledged) <= most_exports
                    ):
                        self._last_call = call
                        self._receive_plain_call(call, exports[target], path, args, frame)
                        continue
                elif arrival is None and self._receive_run(message, frames):
                    continue
            elif type(message) is InOrder and self._receive_in_order(message, frame):
                continue
            self._receive_any(message, arrival, frame, in_order=in_order)

    def _receive_in_order(self, message: InOrder, frame: Frame) -> bool:
        """Take one of the messages of a plain call, where results are sent when they are asked for.

        Says whether it was taken: else it is for `_receive_any`. With fewer steps for each of the
        four, a call in flight costs two thirds (benchmark `socket_burst`, Cap'n Web).
        """
        kind, number = message[0], message[1]
        if kind == RESOLVE:
            entry = self.imports.get(number)
            if type(entry) is not Unasked or number in self._streaming:
                return False
            del self.imports[number]
            self.give_back(number)
            entry.settle(RESOLVED, message[2])
            return True
        calls = self._calls
        if calls.noting or calls.special:
            return False
        if kind == CALL:
            exports, most = self.exports, self._most_plain
            hook = exports.get(message[2])
            if (
                type(hook) is not TargetHook
                or len(exports) > most
                or len(self._unacknowledged) > most
            ):
                return False
            self._last_call = number
            self._receive_plain_call(number, hook, message[3], message[4], frame)
            return True
        if kind == PULL:
            value = self._results.scalar(number)
            if value is MISSING or number in self.exports:
                return False
            if not self._reply_scalar(number, value, value):
                return False
            self._results.pop(number)
            self._unacknowledged[number] = value
            return True
        # A release: of what was sent and needed no answer.
        return message[2] == 1 and self._unacknowledged.pop(number, MISSING) is not MISSING

    def _receive_run(self, run: Message, frames: list[Any]) -> bool:
        """Take calls, or results, in a row. Says whether these are; an interrupt puts some back."""
        if len(run) > 2 and type(run[0]) is int and type(run[1]) is int:
            if run[0] == CALL and len(run) % 3 == 2:
                self._receive_calls(run, frames)
                return True
            if run[0] == RESOLVE and len(run) % 2:
                self._receive_results(run, frames)
                return True
        return False

    def _receive_calls(self, run: Message, frames: list[Any]) -> None:
        """Take a run of calls whose arguments refer to nothing.

        What is in order goes on to `_receive_plain_call`.
        """
        exports, holdings = self.exports, self.holdings
        call, end = run[1], len(run)
        most = self._most_plain + 1 - (end - 2) // 3
        in_order = (
            self._last_call < call < MOST
            and len(exports) <= most
            and len(self._unacknowledged) <= most
            and end < _LONG_RUN + 3
        )
        left: TargetHook | None = None
        back: list[int] = []
        position = 2
        try:
            while position < end and self.closed is None:
                target, path, args = run[position], run[position + 1], run[position + 2]
                if target is None and call > 1:
                    target = call - 1
                    back.append(target)
                hook: Any = None
                if type(target) is int:
                    hook = exports.get(target) if left is None else left
                left = None
                if end > position + 3 and run[position + 3] is None:
                    if in_order and type(hook) is TargetHook:
                        at = position
                        position, call, left, failed = self._pass_on(run, at, call, hook)
                        if failed is not None:
                            self._quiet.add(call - 1)
                            self._raised(call - 1, *failed)
                        if position > at:
                            continue
                    self._quiet.add(call)
                position += 3
                if in_order and hook is not None and type(path) is str and type(args) is list:
                    self._last_call = call
                    self._receive_plain_call(call, hook, path, args, None)
                else:
                    if holdings.most > holdings.enough:
                        holdings.weigh()
                    message = [CALL, call, target, path, args]
                    self._receive_any(message, None, self._codec.pack(message))
                call += 1
        except BaseException as error:
            if position < end and not isinstance(error, Exception):
                frames.append([CALL, self._last_call + 1, *run[position:]])
            raise
        finally:
            for number in back:
                if number in self.exports:
                    self._receive_release(number)

    def _receive_results(self, run: Message, frames: list[Any]) -> None:
        """Take a run of results that refer to nothing."""
        position, end = 1, len(run)
        imports = self.imports
        try:
            while position < end and self.closed is None:
                number, value = run[position], run[position + 1]
                position += 2
                if type(value) is Introduced:
                    self._receive_stub(number, value)
                    continue
                if type(number) is int and number > 0:
                    entry = imports.get(number)
                    if type(entry) is Pending:
                        self._seen += 1
                        del imports[number]
                        entry.settle(RESOLVED, value)
                        continue
                self._receive_any([RESOLVE, number, value], None, b"")
        except BaseException as error:
            if position < end and not isinstance(error, Exception):
                frames.append([RESOLVE, *run[position:]])
            raise

    def _receive_stub(self, number: int, introduced: Introduced) -> None:
        """Take a result that is a stub, from the other end in this process."""
        entry = self.imports.get(number)
        number_of_stub = int(introduced)
        handle = Handle(self.enter(Import(self, number_of_stub)), self.keeper)
        if self.host.observe is not None:
            self.host.observe(("stub", id(handle), self.label, number_of_stub, "came", 0, None))
        self._seen += 1
        if isinstance(entry, Pending):
            del self.imports[number]
            entry.settle(RESOLVED, self.wrap[STUB](handle), (handle,))
        else:
            handle.dispose()

    def _receive_any(
        self, unpacked: Any, arrival: Arrival | None, frame: Frame, *, in_order: bool = False
    ) -> None:
        """Apply a message of any kind; it is checked first, unless it is known to be in order."""
        try:
            message = unpacked if in_order else parse(unpacked)
            kind = message[0]
            if arrival is not None:
                arrival.check(kind)
            if kind == CALL:
                self._receive_call(message, arrival, frame)
            elif kind == RESOLVE:
                self._receive_settlement(message, arrival, RESOLVED)
            elif kind == STREAM:
                self._receive_write(message, arrival, frame)
            elif kind == PUSH:
                self._receive_push(message, arrival, frame)
            else:
                self._receive_other(kind, message, arrival, frame)
        except Exception:
            if arrival is not None:
                arrival.give_back()
            raise

    def _receive_other(
        self, kind: int, message: Message, arrival: Arrival | None, frame: Frame
    ) -> None:
        if kind == REJECT:
            error = message[2]
            if message[3]:
                error.remote = True
            self._receive_settlement(message, arrival, REJECTED)
        elif kind == RELEASE:
            numbers, counts = message[1::2], message[2::2]
            if self._dialect.shares:
                for number in numbers:
                    self._receive_release(number)
            else:
                for number, count in zip(numbers, counts, strict=True):
                    self._receive_counted_release(number, count)
        elif kind == CANCEL:
            answer = self._call_of_peer(message[1], "cancelled")
            if answer is not None:
                del self.exports[message[1]]
                answer.cancel()
                answer.drop()
        elif kind == PIPE:
            if len(message) == 2:
                self._receive_pipe(message[1])
            else:
                self._receive_pipe_end(message[1], message[2])
        elif kind == PULL:
            self._receive_pull(message[1])
        elif kind == MAP:
            self._receive_map(message, arrival, frame)
        elif kind == QUIET:
            last, calls = self._last_call, message[1:]
            if min(calls, default=0) <= last:
                calls = [call for call in calls if call > last]
            self._quiet.update(calls)
            if len(self._quiet) > self.limits.exports:
                raise self._too_many()
        elif kind == ABORT:
            self.close(
                DisconnectedError(f"the other side ended the session: {message_of(message[1])}")
            )

    # Calls of the peer.

    def _accept(self, call: int, target: int) -> Hook | Answer:
        """The preamble of every message that makes a call. Gives what it is made on."""
        hook = self.exports.get(target)
        if hook is None:
            hook = self.export_of(target)
        most = self.limits.exports
        if call <= self._last_call:
            raise RemoteProtocolError(f"the peer used the call id {call} twice")
        if hook is None:
            raise RemoteProtocolError(f"the peer called export {target}, which it does not hold")
        if len(self.exports) > most or len(self._unacknowledged) > most:
            raise self._too_many()
        self._last_call = call
        if self._refusal is not None and not isinstance(hook, (Answer, Pipe)):
            return self._refusal
        return hook

    def refuse(self, error: BaseException) -> None:
        """Take no more calls, but those on results of calls under way, and chunks of streams.

        Args:
            error: what the others are rejected with.
        """
        self._refusal = BrokenHook(error)
        self._most_plain = -1

    def _take_number(self, number: int) -> None:
        """The preamble of what takes a number, and is no call."""
        if number <= self._last_call:
            raise RemoteProtocolError(f"the peer used the call id {number} twice")
        if len(self.exports) > self.limits.exports:
            raise self._too_many()
        self._last_call = number

    def _too_many(self) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"the peer holds more than {self.limits.exports} exports (Limits.exports)"
        )

    def _answer(self, call: int, arrival: Arrival | None, frame: Frame) -> Answer:
        """Enter the answer to a call in the table, with what is among its arguments."""
        answer = self.exports[call] = Answer(self, call)
        answer.weight = self._codec.weight_of(frame)
        self.holdings.most += ENTRY + answer.weight
        if self.host.observe is not None:
            self.latest = answer
        if not self._dialect.call_pulls:
            answer.pulled = False
        if self._quiet and call in self._quiet:
            self._quiet.discard(call)
            answer.quiet = True
        if arrival is not None:
            answer.params = arrival.handles
            if arrival.streams is not None:
                answer.take_ends(arrival.streams)
            if arrival.promised is not None:
                answer.watch(arrival.promised.give_back)
        return answer

    def _receive_plain_call(
        self,
        call: int,
        hook: Any,
        path: str,
        args: list[Any],
        frame: Frame | None,
    ) -> None:
        """Take a call of one name, with arguments that refer to nothing, and no options.

        A plain method of a target or an entrypoint is run here, and what it returns is queued with
        no `Answer` for the call. So a call in flight costs two thirds of what it does without
        (benchmarks `burst`, `binding`), and one in a chain half (benchmark `chain`). Only a scalar
        is kept, or the hook of a target, for what may have been pipelined on it. What follows is
        `Hook.start`, `Host.run` and `Answer.resolve` in one.

        Args:
            call: its id.
            hook: what it is made on.
            path: the name.
            args: the arguments.
            frame: its message; None if that has others in it.
        """
        if type(hook) is Answer:
            hook = hook.target or hook
        host, calls, noting = self.host, self._calls, self._calls.noting
        function = None
        if type(hook) is TargetHook:
            context = hook.context
            begun = context.variables
            if (
                begun is not None
                and hook.blocked is None
                and not context.ended
                and context.door is None
                and not calls.special
            ):
                instance, variables = hook.target, begun.copy()
                function = context.method(instance, path)
        elif (
            isinstance(hook, ServiceHook)
            and hook.blocked is None
            and hook.unusual is not None
            and path not in hook.unusual
            and not calls.special
        ):
            try:
                instance, context = hook.open()
            except Exception as error:
                answer = self._answer_alone(call, path, args, frame)
                hook.not_opened(error, answer, path, args, None)
                return
            function = context.method(instance, path)
            if function is None or context.door is not None:
                answer = self._answer_alone(call, path, args, frame)
                hook.serve(answer, instance, context, path, args, None)
                return
            context.hold()
            if host.observe is not None:
                host.observe(opened(context, (self.label, call)))
            variables = context.fresh_variables()
        if function is None:
            answer = self._answer_alone(call, path, args, frame)
            hook.deliver(answer, path, args, None, None)
            return
        if noting is not None:
            if noting.ambient:
                calls.carry(variables)
            noting.serving, noting.call_served = self, call
        try:
            value = variables.run(function, instance, *args)
        except BaseException as error:
            if noting is not None:
                noting.serving = None
            self._raised(call, hook, context, variables, error, (path, args, frame))
            return
        if noting is not None:
            noting.serving = None
        if not self._acknowledges:
            if type(value) in SCALARS and self.closed is None and host.observe is None:
                self._keep_result(call, value)  # until it is asked for
                return
        elif self.closed is None and not calls.special:  # which the method may have changed
            if type(value) in SCALARS:
                if call not in self._quiet and self._reply_scalar(call, value, value):
                    if type(hook) is not TargetHook:
                        context.let_go()
                    return
            elif host.observe is None and self._reply_without_answer(
                call, value, hook, context, (path, args, frame)
            ):
                return
        self._returned(call, value, hook, context, variables, (path, args, frame))

    def _returned(
        self,
        call: int,
        value: Any,
        hook: Hook,
        context: ExecutionContext,
        variables: Variables,
        taken: Taken,
    ) -> None:
        """A method has returned that was run for such a call: it is answered as any other."""
        answer = self._answer_of(call, hook, context)
        self.host.ran(answer, value, variables)
        self._goes_on(answer, hook, context, taken)

    def _raised(
        self,
        call: int,
        hook: Hook,
        context: ExecutionContext,
        variables: Variables,
        error: BaseException,
        taken: Taken,
    ) -> None:
        """A method has raised that was run for such a call."""
        answer = self._answer_of(call, hook, context)
        try:
            self.host.ran(answer, None, variables, error)
        finally:
            self._goes_on(answer, hook, context, taken)

    def _pass_on(self, run: Message, position: int, call: int, hook: TargetHook) -> Passed:
        """Take the calls of a run that are each made on what the one before has returned.

        As long as these are plain methods that give plain targets, and nobody else needs what they
        give: that is in no table then, and half as dear (benchmark `chain`).

        Args:
            run: the run.
            position: where the first of the calls stands in it.
            call: its id.
            hook: what that is made on.

        Returns:
            The place and the id of the call that follows, the hook that it is to be made on, if
            there is none in the tables, and the arguments of `_raised` for the last one taken.
        """
        context, calls = hook.context, self._calls
        begun, end = context.variables, len(run) - 3
        left: TargetHook | None = None
        if (
            begun is None
            or hook.blocked is not None
            or context.door is not None
            or calls.noting is not None
        ):
            return position, call, None, None
        instance, plain = hook.target, None
        while (
            position < end
            and run[position + 3] is None
            and not (context.ended or calls.special)
            and self.closed is None
        ):
            path, args = run[position + 1], run[position + 2]
            if type(path) is not str or type(args) is not list:
                break
            function = context.method(instance, path)
            if function is None:
                break
            self._last_call = call
            variables = begun.copy()
            try:
                value = variables.run(function, instance, *args)
            except BaseException as error:
                hook = hook if left is None else left
                failed = (hook, context, variables, error, (path, args, None))
                return position + 3, call + 1, None, failed
            position += 3
            call += 1
            kind = type(value)
            if kind is not plain:
                if not issubclass(kind, RpcTarget) or not is_passive(kind):
                    self._quiet.add(call - 1)
                    taken = (path, args, None)
                    self._returned(call - 1, value, left or hook, context, variables, taken)
                    return position, call, None, None
                plain = kind
                left = left or bare_hook(context)
            instance = value
            if left is not None:
                left.target = value
        return position, call, left, None

    def _answer_alone(self, call: int, path: str, args: list[Any], frame: Frame | None) -> Answer:
        """Enter the answer to such a call in the table."""
        return self._answer(call, None, frame or self._codec.pack([CALL, call, 0, path, args]))

    def _answer_of(self, call: int, hook: Hook, context: ExecutionContext) -> Answer:
        """Make the answer to a call that a method has returned from, or raised in."""
        answer = Answer(self, call)
        self.holdings.most += ENTRY
        if not self._dialect.call_pulls:
            answer.pulled = False
        answer.via = hook
        answer.context = context
        if self._quiet and call in self._quiet:
            self._quiet.discard(call)
            answer.quiet = True
        if self.closed is None:
            self.exports[call] = answer
        else:  # by that very method
            answer.cancel()
        return answer

    def _goes_on(self, answer: Answer, hook: Hook, context: ExecutionContext, taken: Taken) -> None:
        """Keep what a call needs whose method has not come to its end."""
        if answer.state == PENDING:
            answer.weight = self._weight_of(answer.id, taken)
            self.holdings.most += answer.weight
        hook.has_run(answer, context)

    def _weight_of(self, call: int, taken: Taken) -> int:
        path, args, frame = taken
        return self._codec.weight_of(frame or self._codec.pack([CALL, call, 0, path, args]))

    def _receive_call(self, message: Message, arrival: Arrival | None, frame: Frame) -> None:
        call, target, path, args = message[1:5]
        hook = self._accept(call, target)
        answer = self._answer(call, arrival, frame)
        if arrival is not None and arrival.evaluations:
            arrival.evaluate(answer)
        answer.reads = args is None and self._dialect.undefined
        kwargs = None
        if len(message) > 5:
            kwargs = message[5].get(KEYWORDS)
            self._apply_options(answer, message[5])
        promised = None if arrival is None else arrival.promised
        hook.deliver(answer, path, args, kwargs, promised)

    def _receive_write(self, message: Message, arrival: Arrival | None, frame: Frame) -> None:
        hook = self._accept(message[1], message[2])
        answer = self._answer(message[1], arrival, frame)
        answer.pulled = True
        answer.gives_itself_back = not self._acknowledges
        answer.size = size_of(frame)
        if arrival is not None and arrival.evaluations:
            arrival.evaluate(answer)
        if len(message) > 5:
            self._apply_options(answer, message[5])
        promised = None if arrival is None else arrival.promised
        hook.deliver(answer, message[3], message[4], None, promised)

    def _receive_push(self, message: Message, arrival: Arrival | None, frame: Frame) -> None:
        """The peer names a value, for calls on it and as an argument of others."""
        self._take_number(message[1])
        answer = self._answer(message[1], arrival, frame)
        if arrival is None:
            answer.resolve(message[2])
            return
        arrival.evaluate(answer)

        def resolve(value: Any) -> None:
            answer.hold_parts(value)
            answer.resolve(value)

        fill(answer, message[2], arrival.promised, resolve, answer.reject)

    def _receive_map(self, message: Message, arrival: Arrival | None, frame: Frame) -> None:
        _, call, target, path, captures, program, *options = message
        hook = self._accept(call, target)
        answer = self._answer(call, arrival, frame)
        if options:
            self._apply_options(answer, options[0])
        parsed = Program(program, captures, arrival)
        if arrival is not None and arrival.evaluations:
            arrival.evaluate(answer)
        step = answer.step()
        hook.deliver(step, path, None, None, None)
        step.watch(lambda: replay(answer, step, parsed, self))

    def _apply_options(self, answer: Answer, options: dict[str, Any]) -> None:
        if DEADLINE in options:
            self._calls.bound(answer, options[DEADLINE])

    def export_of(self, number: int) -> Hook | Answer | None:
        """What the peer means by a number, if there is anything."""
        found = self.exports.get(number)
        if found is None and not self._acknowledges:
            return self._result_of(number)
        if found is None:
            value = self._unacknowledged.get(number, IN_TABLE)
            if value is not IN_TABLE:
                found = self.exports[number] = Answer(self, number)
                found.state = RESOLVED
                found.value = value
                self._unacknowledged[number] = IN_TABLE
        return found

    def _result_of(self, number: int) -> Answer | None:
        """The answer to a call that stands in no table, for its result is plain; back in one."""
        value = self._unacknowledged.pop(number, MISSING)
        asked_for = value is not MISSING
        if not asked_for:
            value = self._results.pop(number)
        if value is MISSING:
            return None
        answer = self.exports[number] = Answer(self, number)
        answer.pulled = asked_for
        answer.state = RESOLVED
        answer.value = value
        if type(value) is Failure:
            answer.state, answer.value, answer.remote = REJECTED, value.error, value.remote
        elif value is FORGOTTEN:
            answer.state, answer.value, answer.remote = REJECTED, forgotten(), False
        return answer

    def tuck_away(self, answer: Answer) -> None:
        """A plain result is there, and nobody has asked for it: perhaps nobody ever will."""
        if self.exports.get(answer.id) is answer and not answer.released:
            del self.exports[answer.id]
            value = answer.value
            if answer.state == REJECTED:
                value = Failure(value.with_traceback(None), answer.remote)
            self._keep_result(answer.id, value)

    def keep_for_later(self, answer: Answer) -> None:
        """A result is there that refers to something, and is kept until it is asked for."""
        answer.bulk = bulk_of(answer.value)
        self.holdings.most += answer.bulk

    def _keep_result(self, call: int, value: Any) -> None:
        self.holdings.most += ENTRY + self._results.add(call, value)

    def answer_to(self, number: int) -> Answer | None:
        """What this end has answered, or is going to answer, to a call of the peer."""
        found = self.export_of(number)
        if number > 0 and type(found) is TargetHook:
            # A method returned it (see `_reply_target`); now there are questions beyond its calls.
            answer = self.exports[number] = Answer(self, number)
            answer.state = RESOLVED
            answer.value = found.target
            answer.context = found.context
            answer.plain = False
            answer.keep(found.target, found)
            found.release()
            return answer
        return found if isinstance(found, Answer) else None

    def _receive_pipe(self, number: int) -> None:
        self._take_number(number)
        self.holdings.most += ENTRY + EMPTY_PIPE
        self._enter_pipe(number)

    def _enter_pipe(self, number: int) -> None:
        pipe = self.exports[number] = Pipe(self, number)
        pipe.retain()

    def _receive_release(self, number: int) -> None:
        hook = self.exports.pop(number, None)
        if number in self._unacknowledged:
            self._unacknowledged[number] = IN_TABLE  # the value is not needed any more
        if isinstance(hook, Answer):
            if hook.state == PENDING and not hook.quiet:
                hook.cancel()
            hook.drop()
        elif hook is not None:
            hook.release()
        elif not 0 < number <= self._last_call:
            raise RemoteProtocolError(f"the peer released export {number}, which it does not hold")

    def _receive_counted_release(self, number: int, count: int) -> None:
        hook = self.exports.get(number)
        if hook is None and count == 1:
            if self._unacknowledged.pop(number, MISSING) is not MISSING:
                return
            if self._results.pop(number) is not MISSING:
                return
        # What is introduced here has a number of its own each time.
        released = isinstance(hook, Answer) and hook.released
        if hook is None or released or number == 0 or count != 1:
            raise RemoteProtocolError(
                f"the peer released export {number} {count} times, which it does not hold as often"
            )
        if isinstance(hook, Answer) and hook.state == PENDING:
            # A release stops nothing: it goes when it has settled, and a result asked for is sent.
            hook.released = True
            hook.watch(partial(self._let_go_of, hook))
            return
        del self.exports[number]
        if isinstance(hook, Answer):
            hook.drop()
        else:
            hook.release()

    def _let_go_of(self, answer: Answer) -> None:
        """An answer has settled that the peer had given back before."""
        if self.exports.get(answer.id) is answer:
            del self.exports[answer.id]
        answer.drop()

    def _call_of_peer(self, number: int, what: str) -> Answer | None:
        """The call of that number; None if it is over."""
        if number in self.exports:
            answer = self.answer_to(number)
            if answer is not None:
                return answer
        if not 0 < number <= self._last_call:
            raise RemoteProtocolError(f"the peer {what} id {number}, which is no call")
        return None

    def _receive_pull(self, number: int) -> None:
        hook = self.export_of(number)
        if isinstance(hook, Answer):
            hook.pull()
        elif self._dialect.shares:
            self._call_of_peer(number, "pulled")
        elif hook is not None:
            # It is no promise; whoever asks for it all the same gets one stub more.
            stub = self._codec.reference(STUB, self.introduce(hook))
            self.send_frame(self._codec.pack([RESOLVE, number, stub]))
        else:
            raise RemoteProtocolError(f"the peer pulled id {number}, which is no call")

    # Results of the peer.

    def _receive_settlement(self, message: Message, arrival: Arrival | None, state: int) -> None:
        number, value = message[1], message[2]
        entry = self.imports.get(number)
        if not self._dialect.shares:
            self._receive_counted_settlement(number, value, arrival, state)
            return
        if number >= self._next_call:
            raise RemoteProtocolError(f"the peer settled id {number}, which is no call")
        references = arrival is not None and arrival.references
        if arrival is not None and arrival.unreadable and state == RESOLVED:
            # What could not be read stands for the whole value.
            state, value = REJECTED, arrival.unreadable[0].error
        if number > 0 and self._acknowledges and not references:
            self._seen += 1
        elif number > 0 or references:
            if (
                isinstance(entry, Pending)
                and (entry.unanswered or entry.doubtful)
                and self._is_kept(entry, value, arrival)
            ):
                entry.embargoed = True
            else:
                self.give_back(number)
        if isinstance(entry, Pending):
            del self.imports[number]
            if arrival is None:
                entry.settle(state, value)
                return
            entry.ends = arrival.streams
            entry.settle(state, value, arrival.handles)
            for end in entry.take_ends():
                end.belong(None if entry.disposed else entry.context)
            return
        if arrival is not None:
            arrival.give_back()
        if entry is None and self._cut_off and number in self._cut_off:
            failure = self._cut_off.pop(number)
            if state == REJECTED:
                failure.error = value
                failure.drop()
        elif entry is not None and state == REJECTED:
            entry.break_off(value)
        elif entry is not None:
            raise RemoteProtocolError(f"the peer resolved id {number}, which is no promise")

    def _receive_counted_settlement(
        self, number: int, value: Any, arrival: Arrival | None, state: int
    ) -> None:
        """Take a settlement where each number is given back by a message of its own."""
        entry = self.imports.get(number)
        if type(entry) is Forgettable:
            entry = entry.pending() or entry
        if isinstance(entry, Pending):
            del self.imports[number]
            self._settle(entry, state, value, arrival)
            return
        if entry is not None and number < 0 and state == RESOLVED:
            raise RemoteProtocolError(f"the peer resolved id {number}, which is no promise")
        if arrival is not None:
            arrival.give_back()
        if entry is not None and number != 0 and state == REJECTED:
            del self.imports[number]
            self.give_back(number)
            entry.break_off(value)

    def _is_kept(self, entry: Pending, value: Any, arrival: Arrival | None) -> bool:
        """Whether the peer keeps a result until the calls on it are answered."""
        if self._calls.holder is not None:
            # They may be held back at this side, also behind others on a stub that is in it.
            if arrival is not None:
                arrival.embargo(entry, value)
            return entry.unanswered > 0
        if arrival is None or not arrival.own or arrival.promised:
            return False
        if not arrival.embargo(entry, value):
            return False
        if entry.doubtful:
            entry.probe()
        return True

    def _settle(self, entry: Pending, state: int, value: Any, arrival: Arrival | None) -> None:
        """Settle a promise of this end, once all is there that the value mentions."""
        if (entry.unanswered or entry.doubtful) and self._is_kept(entry, value, arrival):
            entry.embargoed = True
        elif entry.id in self._streaming:
            self._streaming.discard(entry.id)
        else:
            self.give_back(entry.id)
        if arrival is None:
            entry.settle(state, value)
            return
        owner = Answer(None, 0)
        owner.params = arrival.handles
        if arrival.streams is not None:
            owner.take_ends(arrival.streams)
        arrival.evaluate(owner)

        def settle(state: int, value: object) -> None:
            handles, owner.params = owner.params, None
            ends, owner.ends = owner.ends, None
            owner.resolve(None)
            entry.ends = ends
            entry.settle(state, value, handles)
            for end in entry.take_ends():
                end.belong(None if entry.disposed else entry.context)

        def failed(error: BaseException) -> None:
            settle(REJECTED, error)
            entry.dispose_stubs()

        fill(owner, value, arrival.promised, partial(settle, state), failed)

    def _receive_pipe_end(self, number: int, reason: object) -> None:
        """Nobody reads the stream any more that we send through a pipe."""
        entry = self.imports.get(number)
        if type(entry) is Import:
            entry.break_off(reason if isinstance(reason, BaseException) else Unread(reason))
        elif entry is not None or number >= self._next_call:
            raise RemoteProtocolError(f"the peer cancelled the pipe {number}, which is none")

    def _acknowledge(self, seen: int) -> None:
        """The peer has seen so many of our plain settlements: let go of those."""
        unacknowledged = self._unacknowledged
        count = seen - self._acknowledged
        if count > len(unacknowledged):
            self.abort(RemoteProtocolError("the peer acknowledges settlements that were not sent"))
            return
        self._acknowledged = seen
        for number in [*islice(unacknowledged, count)]:
            if unacknowledged.pop(number) is IN_TABLE:
                answer: Any = self.exports.pop(number, None)
                if type(answer) is TargetHook:
                    answer.release()
                elif answer is not None:
                    answer.drop()

    # The end.

    def abort(self, error: BaseException) -> None:
        """End the session because of the peer, and tell it why."""
        if self.closed is None:
            with suppress(MessageTooLargeError):  # then it ends without a word
                self._outbox.append(self._pack_error([ABORT, error], 1)[0])
            self._mark_closed(error)  # whatever comes back meanwhile is too late
            self._let_go(self.flush)
            self.close(error)

    def _mark_closed(self, error: BaseException) -> None:
        # A traceback would keep the message alive that ended the session; so would that of a cause.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self.closed = error

    def close(self, error: BaseException) -> None:
        """End the session: every promise of it rejects with `error`, every export is let go.

        It always comes to its end: what fails on the way is reported, and the rest goes on. A
        target may end the session in a method; it is let go of when that has returned.
        """
        self._ending(error)
        if self.closed is None:
            self._mark_closed(error)
        imports, self.imports = self.imports, {}
        exports: dict[int, Hook | Answer] = {}
        if not self._applies:
            exports, self.exports = self.exports, exports
        self._unacknowledged = {}
        self._cut_off = None
        self.pipelined = []
        self._outbox = []
        self._runs = None if self._runs is None else []
        ends = [*(partial(entry.end, self._reason_of(entry, error)) for entry in imports.values())]
        interrupts = [self._let_go(end) for end in ends]
        interrupts += [self._let_go(hook.end) for hook in exports.values()]
        exports.clear()  # whoever is in the middle of a batch has a name for it
        if self.host.observe is not None:
            self.host.observe(("parted", self.label))
        interrupts.append(self._let_go(partial(self._ended, error)))
        for interrupt in filter(None, interrupts):
            raise interrupt

    def _let_go(self, end: Callable[[], Any]) -> BaseException | None:
        """Do a part of the end. Gives what interrupted it, to be raised when all is done."""
        try:
            end()
        except Exception as failed:
            self.host.report(failed, f"the end of the session {self.name}")
        except BaseException as interrupt:
            return interrupt
        return None

    # Hooks for an end whose other end is in another program.

    def _decode_watched(self, frame: Frame) -> tuple[object, Arrival | None]:
        """Unpack a message while somebody watches: nobody tells of the other end."""
        return self._decode(frame)

    def _flushed(self, count: int) -> None:
        """What had gathered was sent: so many messages."""

    def _ending(self, error: BaseException) -> None:
        """The session is going to end; the tables are still as they were."""

    def _reason_of(self, entry: Import, error: BaseException) -> BaseException:
        """What an import ends with when the session does."""
        del entry
        return error

    def _ended(self, error: BaseException) -> None:
        """All that the session had was ended."""


_COUNT = getattr(sys, "getrefcount", lambda _: 1 << 60)
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    _COUNT = lambda _: 1 << 60  # noqa: E731 - the count is no exact one there


def _counted_here() -> int:
    """How often the count has what one function alone has a name for.

    Its name and the argument of `_COUNT`; from Python 3.14 on, the argument only borrows.
    """
    alone = object()
    return _COUNT(alone)


_ELSEWHERE = 3 + _counted_here()  # a list, its turn in the loop, and the table of imports

_LONG_RUN = 96  # parts of a run; in a longer one little is saved
_CUT_OFF = 100  # calls that may have failed before their context was over
_MAKES_A_CALL = frozenset({CALL, STREAM, MAP})
_SMALL = SCALARS - {bytes}


def _unconnected(_seen: int, _frames: list[Frame]) -> None:
    raise LocalProtocolError("the session has no transport")


def _follows(runs: list[Message], call: int) -> tuple[Message, int]:
    """Give the run in which another call stands right after this one, and its place; or 0."""
    for run in runs:
        position = 3 * (call - run[1]) + 5
        if run[0] == CALL and 5 <= position < len(run):
            return run, position
    return [CALL, 0], 0
