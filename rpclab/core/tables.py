"""The tables of a session, and its outbox: what is held of the peer, and what it holds.

Floor: core.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.arrival import Arrival
from rpclab.core.cascade import Cascade
from rpclab.core.containers import bulk_of
from rpclab.core.holdings import ENTRY, Holdings
from rpclab.core.hooks import BrokenHook, Hook, TargetHook
from rpclab.core.imports import (
    PENDING,
    REJECTED,
    RESOLVED,
    Forgettable,
    Import,
    Pending,
    Unasked,
)
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.core.messages import LONGEST_RUN, PIPE, PULL, RELEASE, Frame, size_of
from rpclab.core.results import FORGOTTEN, MISSING, Failure, Results, forgotten, size_of_scalar
from rpclab.core.streams import Pipe
from rpclab.errors import LocalProtocolError, RemoteProtocolError, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rpclab.core.codec import Codec
    from rpclab.core.contexts import ExecutionContext, Host, SessionLike
    from rpclab.core.dialects import Dialect
    from rpclab.core.flow import Uplink
    from rpclab.core.messages import Message
else:
    SessionLike = object

IN_TABLE = object()
"""Stands for the result of a call whose answer is in the export table."""


class Tables(SessionLike):
    """What one end of a session knows of the other, and what changes one table alone.

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
        "_most_plain", "_next_call", "_outbox", "_promise", "_pulls", "_quiet", "_read_plain",
        "_releases", "_result_run", "_runs", "_seen", "_soon", "_told", "_unacknowledged",
        "cascade", "closed", "exports", "first_unsent", "holdings", "host", "hurries", "imports",
        "is_far", "keeper", "label", "last_export", "latest", "limits", "name", "packs_runs",
        "peer", "pipelined", "send", "uplink", "wrap",
    )  # fmt: skip

    gathered: int

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
        self.peer: SessionLike | None = None
        self.uplink: Uplink | None = None
        self.packs_runs = True
        self.cascade = Cascade(self.awake)
        self.holdings = Holdings(self)
        self.gathered = 0
        self._codec = codec(self)
        self._decode = self._codec.decode
        self._read_plain = self._codec.read_plain
        self._dialect = self._codec.dialect
        self._acknowledges = self._dialect.acknowledges
        self._promise = Pending if self._dialect.call_pulls else partial(Unasked, unasked=True)
        self.last_export = self._dialect.last_export
        self._outbox: list[Any] = []  # frames, and runs
        # Runs of calls and of results (see `messages`) are packed when they leave. Until then they
        # stand unpacked in the outbox, at those places; one grows while it is the last thing there.
        self._runs: list[int] | None = [] if limits.message_bytes >= LONGEST_RUN else None
        self._call_run: Message = []  # the one that has grown last; it may have left
        self._result_run: Message = []
        self._releases: list[int] = []
        self._pulls: list[int] = []
        self._soon: deque[Callable[[], None]] = deque()
        self._interrupted: list[tuple[int, list[Frame]]] = []
        self._awake = self._applies = self.hurries = self.is_far = False
        # As an importer: the next id of a call, the first that has not left yet, and the promises
        # that calls were made on meanwhile.
        self._next_call = self.first_unsent = 1
        self.pipelined: list[Pending] = []
        self._seen = self._told = 0
        # Where these are counted, and not acknowledged: ids introduced several times, with how
        # often, and the writes to streams that are on their way.
        self._introductions: dict[int, int] = {}
        self._streaming: set[int] = set()
        self._results = Results(limits.results)
        # As an exporter: the last id of a call, and the results that the peer has not seen yet.
        self._last_call = 0
        self._quiet: set[int] = set()
        self._acknowledged = 0
        self._unacknowledged: dict[int, object] = {}
        if main is None and not self._dialect.shares:
            main = BrokenHook(RpcError("This connection has no main object."))
        if main is not None:
            self.exports[0] = main
            main.retain()

    @property
    def dialect(self) -> Dialect:
        """What its frames can say."""
        return self._dialect

    @property
    def is_near(self) -> bool:
        """Whether what it sends is at once at the other end: in this process, and over no link."""
        receive = getattr(self.peer, "receive", None)
        return receive is not None and self.send == receive

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

    def give_back(self, import_id: int) -> None:
        """Release an id of the peer, with the next flush; as often as it has introduced it."""
        count = self._introductions.pop(import_id, 1) if self._introductions else 1
        self._releases += (import_id, count)
        if not self._awake:
            self._awake = self.host.wake(self)

    def _put_releases(self) -> None:
        """Put what was given back in the outbox: before the next call, or with the next flush.

        What was asked for meanwhile comes before it: it may be given back by now.
        """
        pulls, releases = self._pulls, self._releases
        if pulls:
            self._pulls = []
            self._outbox += self._codec.pack_run([PULL, *pulls])
        if not releases:
            return
        self._releases = []
        frames = self._codec.pack_run([RELEASE, *releases])
        self._outbox += frames
        if self.host.observe is not None:
            size = sum(map(size_of, frames))
            self.host.observe(("release", self.label, tuple(releases[::2]), size))

    def _hold_weakly(self) -> None:
        """Of calls that leave, and that nobody has asked for, the table only knows that they are.

        So Python may forget the promise, which gives the number back.
        """
        imports = self.imports
        for number in range(self.first_unsent, self._next_call):
            entry = imports.get(number)
            if type(entry) is Unasked and entry.unasked:
                imports[number] = Forgettable(entry)

    # What is introduced to the peer, and by it.

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
        hook = self.exports.pop(export_id, None)
        if isinstance(hook, Hook):
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

    @property
    def last_call_of_peer(self) -> int:
        """The number of the peer's call that was taken last."""
        return self._last_call

    @property
    def next_call_of_peer(self) -> int:
        """The number that the next call of the peer has, where its message does not say."""
        return self._last_call + 1

    def arrival(self) -> Arrival:
        """Make what a message mentions by reference that is being unpacked."""
        return Arrival(self)

    # Results that stand in no table by an answer of their own, for they refer to nothing.

    @property
    def result_bytes(self) -> int:
        """How many bytes are kept in results that nobody has asked for."""
        return self._results.size

    def unseen_results(self) -> Iterable[object]:
        """The results that are kept by themselves until the peer has seen them."""
        return self._unacknowledged.values()

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

    def tuck_away(self, answer: Answer, bulk: int) -> None:
        """A plain result is there, and nobody has asked for it: perhaps nobody ever will.

        Args:
            answer: the call.
            bulk: how many bytes the result takes.
        """
        if self.exports.get(answer.id) is answer and not answer.released:
            del self.exports[answer.id]
            value = answer.value
            if answer.state == REJECTED:
                value = Failure(value.with_traceback(None), answer.remote)
            self._keep_result(answer.id, value, bulk)

    def keep_for_later(self, answer: Answer) -> None:
        """A result is there that refers to something, and is kept until it is asked for."""
        answer.bulk = bulk_of(answer.value)
        self.holdings.most += answer.bulk

    def _keep_result(self, call: int, value: object, bulk: int | None = None) -> bool:
        """Keep a result until it is asked for, which takes so many bytes. It always does."""
        if bulk is None:
            bulk = size_of_scalar(value)
        self.holdings.most += ENTRY + bulk
        self._results.add(call, value, bulk)
        return True

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

    def _enter_pipe(self, number: int) -> None:
        pipe = self.exports[number] = Pipe(self, number)
        pipe.retain()


def _unconnected(_seen: int, _frames: list[Frame]) -> None:
    raise LocalProtocolError("the session has no transport")
