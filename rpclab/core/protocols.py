"""What the files of the core ask of one another's objects, and of the world around them.

Floor: core. A session, its calls, its stubs and its streams all know one another. If each file
named the classes of the others, none could be read alone; so they name what they need, here. This
file stands at the bottom: it imports only files that import nothing of the core themselves. A
`HandleLike` is whatever can be used as a `Handle` is; what its members do is told there.

Two hosts exist: asyncio's (`rpc/engine.py`) and the tests' (`tests/support`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from contextvars import Context, ContextVar

    from rpclab.core.cascade import Cascade
    from rpclab.core.flow import FlowController
    from rpclab.core.limits import Limits
    from rpclab.core.messages import Frame, Message, Path
    from rpclab.core.references import Reference, Settled

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound="ImportLike")

Observer = Callable[[tuple[Any, ...]], None]
"""Takes an event: see `events`."""

Given = tuple[Any, ...] | None
"""The arguments of a call as its maker gives them; None to read a property."""

Arguments = list[Any] | None
"""The arguments of a call as they came in, a list of one's own; None to read a property."""

Keywords = dict[str, Any] | None
"""The keyword arguments of a call, if there are any."""

Delivery = tuple["AnswerLike", "Path", Arguments, Keywords, "PlacesLike | None"]
"""(answer, path, args, kwargs, promised): a call on its way to the target."""

Packed = tuple["Frame", "PayloadLike | None"]
"""A message that is packed and not queued yet, and what it passes by reference, if anything."""


# Who owns what.


class ContextLike(Protocol):
    """Owns the stubs, calls and exports of one event (see `contexts`)."""

    @property
    def host(self) -> Host:
        """The world around it."""

    @property
    def worker(self) -> str:
        """The name of the Worker."""

    @property
    def long(self) -> bool:
        """Whether it lasts until it is ended."""

    @property
    def ended(self) -> bool:
        """Whether it is over."""

    @property
    def gate(self) -> Any:
        """The input gate of a Durable Object, if its code runs behind one."""

    @property
    def recording(self) -> RecorderLike | None:
        """What is written down here instead of being sent, while a function is recorded."""

    platform: Any
    cut_off: bool
    variables: Context | None
    methods: dict[tuple[type, str], Any]
    tasks: set[Any] | None

    def hold(self) -> None:
        """Keep it alive until `let_go`."""

    def let_go(self) -> None:
        """Give a hold back."""

    def fresh_variables(self) -> Context:
        """The context variables of a call that begins in this context."""

    def work_begins(self) -> None:
        """Work of its own begins."""

    def work_ends(self) -> None:
        """Work of its own is done."""

    def part_with_itself(self) -> None:
        """Dispose its stubs, if only they keep it."""

    def gone(self) -> BaseException:
        """Build the error of whoever calls what has lived here, once it is over (rule W6)."""

    def own(self, handle: HandleLike) -> None:
        """Take note of a handle."""

    def disown(self, handle: HandleLike) -> None:
        """Forget a handle."""

    def started(self, pending: PendingLike) -> None:
        """Take note of a call on its way out."""

    def arrived(self, pending: PendingLike) -> None:
        """Forget a call that has its answer."""

    def suspended(self, answer: AnswerLike) -> None:
        """Take note of a call being answered here."""

    def finished(self, answer: AnswerLike) -> None:
        """Forget a call that was answered."""

    def opened(self, end: EndLike) -> None:
        """Take note of an end of a stream."""

    def closed(self, end: EndLike) -> None:
        """Forget an end of a stream."""

    def exported(self, hook: TargetLike) -> None:
        """Take note of a target that a peer holds."""

    def withdrawn(self, hook: TargetLike) -> None:
        """Forget a target whose last stub is gone."""

    def running(self) -> Sequence[AnswerLike]:
        """The calls being answered here that have suspended."""

    def undisposed(self) -> Sequence[HandleLike]:
        """The handles it still owns."""

    def end(self) -> None:
        """End it."""

    def unwanted(self, pending: PendingLike) -> bool:
        """Nobody can ask for the result of a call any more. Says whether it is given back now."""


class RecorderLike(Protocol):
    """Writes down what a mapped function does (see `map`)."""

    def capture(self, value: Any) -> int:
        """Give the variable of something from outside."""

    def add(self, subject: int, path: Path, args: Given, kwargs: Keywords) -> PendingLike:
        """Write down a call on a variable, or a property where `args` is None."""

    def refer_promise(self, pending: PendingLike) -> Reference:
        """Give the variable of a promise."""


# The importer's half.


class HandleLike(Protocol):
    """One holder's claim on an import (see `handles`)."""

    site: str | None

    @property
    def entry(self) -> ImportLike | None:
        """What it is a claim on; None once it was given back."""

    @property
    def context(self) -> ContextLike:
        """The execution context that owns it."""

    def belong(self, context: ContextLike) -> None:
        """Make `context` the owner."""

    def call(self, path: Path, args: Given, kwargs: dict[str, Any]) -> PendingLike:
        """Call the member at `path`, or read it where `args` is None."""

    def dup(self) -> HandleLike:
        """Make another one."""

    def dispose(self, why: str = "user") -> None:
        """Give the claim back."""

    def error(self) -> BaseException:
        """The error of a call on it, once it was given back."""


class ImportLike(Protocol):
    """Something that the other side introduced (see `imports`)."""

    handles: int

    @property
    def session(self) -> SessionLike:
        """Where it was introduced."""

    @property
    def id(self) -> int:
        """Its number there."""

    @property
    def introductions(self) -> int:
        """How often the peer has introduced it."""

    @property
    def broken(self) -> BaseException | None:
        """The error that broke it, if any."""

    @property
    def direct(self) -> ImportLike:
        """The entry behind it, where it is a stand-in."""

    @property
    def present(self) -> ImportLike:
        """The entry that calls made now must go through."""

    @property
    def behind(self) -> ImportLike | None:
        """What a stand-in stands for."""

    def call(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ContextLike,
    ) -> PendingLike:
        """Call the member at `path`, or read it where `args` is None."""

    def claim(self) -> None:
        """One more handle."""

    def drop(self) -> None:
        """One handle less."""

    def break_off(self, error: BaseException) -> None:
        """The target is gone."""

    def end(self, error: BaseException) -> None:
        """The session is over."""

    def watch(self, callback: Callable[[BaseException], None]) -> Callable[[], None]:
        """Call `callback(error)` once it is gone. Gives what takes that back."""


class PendingLike(ImportLike, Protocol):
    """The importer's half of a call (see `imports`)."""

    id: int
    """Its number in the session; that of a call is taken when it is sent."""

    uses: int
    """How many calls were made on or with it."""

    unanswered: int
    """How many calls made on it have no answer yet."""

    size: int
    target: int
    upstream: PendingLike | None
    noted: tuple[str | None, int, Any, bool, Context | None] | None
    looked_at: bool
    arrival: list[int] | None
    waiters: tuple[Resumable, ...] | None

    @property
    def context(self) -> ContextLike:
        """The execution context that made the call."""

    @property
    def state(self) -> int:
        """PENDING, RESOLVED or REJECTED."""

    @property
    def value(self) -> Any:
        """The value, or the error."""

    @property
    def stubs(self) -> Sequence[HandleLike] | None:
        """The handles inside the value."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing here waits for the result, or goes on with it."""

    @property
    def disposed(self) -> bool:
        """Whether nobody wants what the result holds."""

    @property
    def embargoed(self) -> bool:
        """Whether its number is kept until the calls made on it are answered."""

    @property
    def site(self) -> str | None:
        """Where the call was made, while somebody records."""

    @property
    def what(self) -> str:
        """What was called, likewise."""

    def settle(self, state: int, value: object, stubs: Sequence[HandleLike] | None = None) -> None:
        """Take the value or the error."""

    def pipeline(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ContextLike,
    ) -> PendingLike:
        """Call a member of the value at the side where it is, or will be."""

    def map(self, captures: list[Any], program: list[Any], context: ContextLike) -> PendingLike:
        """Replay a recorded function on the value."""

    def answered(self) -> None:
        """One call that was made on it has its answer."""

    def follow(self, follower: Callable[[], None]) -> None:
        """Call `follower()` in the moment of settling."""

    def take_ends(self) -> Sequence[EndLike]:
        """Give the streams inside the value to whoever will own them."""

    def look(self) -> None:
        """Somebody sees that it failed, or passes that on."""

    def result(self) -> Any:
        """The value; or raise the error."""

    def dispose_stubs(self) -> None:
        """Dispose what the result holds."""

    def cancel(self, by: str) -> None:
        """Give the call up."""

    def cut_off(self, by: str) -> None:
        """Give the call up, as its context is over."""


class Resumable(Protocol):
    """Something that waits for a promise, or at the end of a stream; the host's business."""

    def settled(self, pending: Any, /) -> None:
        """It has settled, or changed: be resumed after the batch."""


# The exporter's half.


class Cancellable(Protocol):
    """Work that can be given up: a method that has not returned, or a call that was forwarded."""

    def cancel(self, why: str, /) -> object:
        """Give it up, and say why."""


class Exported(Protocol):
    """Stands in an export table: a hook, or the answer to a call."""

    @property
    def context(self) -> ContextLike | None:
        """Where its code runs, if anywhere."""

    def end(self) -> None:
        """The session is over."""

    def deliver(
        self,
        answer: AnswerLike,
        path: Path,
        args: Arguments,
        kwargs: Keywords,
        promised: PlacesLike | None,
    ) -> None:
        """Take a call, which may have to wait for those before it and for its arguments."""


class HookLike(Exported, Protocol):
    """The receiving end of calls (see `hooks`)."""

    def retain(self) -> None:
        """One more claim."""

    def release(self) -> None:
        """One claim less."""

    def unsent(self) -> None:
        """The message that would have introduced it is not sent."""

    def exported(self, session: SessionLike, export_id: int) -> None:
        """It was introduced to a peer under this id."""

    def returned(self) -> None:
        """A call that was started has finished."""

    def identity(self) -> tuple[str, str, tuple[str, int] | None, bool]:
        """Its kind, its name, the import it stands for, and whether it is new."""


class TargetLike(Protocol):
    """The hook of a target, as the context knows it that the target was made in."""

    def held_only_by(self, handles: Iterable[HandleLike]) -> bool:
        """Whether those handles in its own Worker are all there are."""

    def break_off(self) -> None:
        """The context ended: tell the holders."""


class AnswerLike(Exported, Protocol):
    """The callee's half of a call (see `answers`)."""

    state: int
    plain: bool
    pulled: Any
    context: ContextLike | None
    via: HookLike | None
    serving: bool
    path: tuple[str, ...]
    params: Sequence[HandleLike] | None
    ends: list[EndLike] | None
    running: Cancellable | None
    held_at: Exported | None
    deadline: Any
    moment: int | None
    causes: tuple[int, ...]
    settled_at: int | None
    trace: Any

    @property
    def session(self) -> SessionLike | None:
        """Where the call came from; None for a step on the way to another answer."""

    @property
    def id(self) -> int:
        """The number of the call."""

    @property
    def origin(self) -> AnswerLike | None:
        """The answer that a step belongs to."""

    @property
    def value(self) -> Any:
        """The result as the method returned it, or the error."""

    @property
    def quiet(self) -> bool:
        """Whether nobody can ask for the result."""

    @property
    def size(self) -> int:
        """Of the message, in bytes, if it is a write to a stream."""

    def step(self) -> AnswerLike:
        """Make an answer that this one goes through."""

    def suspend(self, running: Cancellable) -> None:
        """The method has not returned yet; `running.cancel(why)` stops it."""

    def follow(self, pending: PendingLike) -> None:
        """Settle as `pending` does."""

    def resolve(self, value: Any) -> None:
        """The method has returned."""

    def reject(self, error: BaseException, *, remote: bool = True) -> None:
        """The method has raised."""

    def interrupt(self, error: BaseException) -> None:
        """Stop the method, and reject."""

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher()` when it settles; at once if it has."""

    def served_by(self, via: HookLike, context: ContextLike) -> None:
        """What `via` has started goes on."""

    def moves_on(self) -> None:
        """The call goes on at another hook."""

    def take_ends(self, ends: Sequence[EndLike]) -> None:
        """Take streams among the arguments."""

    def hook_for(self, value: Any) -> HookLike | None:
        """The hook behind a part of the result that passes by reference; None for plain data."""

    def kept(self, value: Any) -> HookLike | None:
        """The hook of a part of the result, if it is known already."""

    def keep(self, value: Any, hook: HookLike) -> None:
        """Remember the hook of a part of the result."""


class PromisedLike(Protocol):
    """The place of an argument that may not be there yet (see `promise_arguments`)."""

    @property
    def settled(self) -> bool:
        """Whether the value, or the error, is there."""

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher()` when it is there."""

    def keep(self) -> None:
        """The call waits."""

    def take(self, answer: AnswerLike) -> Any:
        """Give the value to the call."""


# Streams.


class PlacesLike(Protocol):
    """The places of promised values among the arguments of one call (see `Places`)."""

    def __iter__(self) -> Iterator[PromisedLike]:
        """Each of them."""

    def wait(self, answer: Any, watcher: Callable[[], None]) -> bool:
        """Have `watcher()` called when there is news. Says whether the call waits for any."""


class EndLike(Protocol):
    """One end of a stream, as its holder sees it (see `streams`)."""

    waiters: tuple[Resumable, ...] | None

    @property
    def done(self) -> bool:
        """Whether it is through."""

    def belong(self, context: ContextLike | None) -> None:
        """Make `context` the owner. None: nobody took it."""

    def lost(self) -> None:
        """The context that owned it ended."""


class ArrivedLike(Protocol):
    """A chunk that came in."""

    @property
    def chunk(self) -> Any:
        """Itself."""

    @property
    def answer(self) -> AnswerLike:
        """The write that brought it."""

    def give_back(self) -> None:
        """Let go of what passed by reference in it."""


class PipeLike(HookLike, Protocol):
    """Keeps the chunks of a stream that came in, until they are read."""

    awaited: InletLike | None
    relay: Callable[[], None] | None

    @property
    def session(self) -> SessionLike:
        """Whose peer opened it."""

    @property
    def number(self) -> int:
        """Under which."""

    @property
    def ready(self) -> bool:
        """Whether there is a chunk, the end or an error."""

    @property
    def chunks(self) -> Sized:
        """Those that were not read yet."""

    @property
    def ended(self) -> bool:
        """Whether all have come."""

    @property
    def error(self) -> BaseException | None:
        """Why no more will come, where that is not all."""

    def hand_to(self, inlet: None) -> None:
        """Nobody reads it as a stream any more: it is passed on."""

    def pop(self) -> ArrivedLike:
        """Take the next chunk out."""

    def cancel(self, reason: BaseException) -> None:
        """Nobody reads any more."""


class InletLike(EndLike, Protocol):
    """The reader's claim on a pipe."""

    @property
    def pipe(self) -> PipeLike:
        """The pipe."""

    def take(self) -> Any:
        """Take the next chunk, and acknowledge it."""

    def cancel_with(self, reason: BaseException) -> None:
        """Stop reading, and let the sender know why."""

    def finish(self) -> None:
        """It is through."""


class OutletLike(EndLike, Protocol):
    """Sends chunks to a sink at the other side."""

    moved: bool
    on_broken: Callable[[BaseException], None] | None

    @property
    def session(self) -> SessionLike:
        """To the other side."""

    @property
    def id(self) -> int:
        """Its number there."""

    @property
    def flow(self) -> FlowController:
        """Says whether there is room."""

    @property
    def error(self) -> BaseException | None:
        """Why no more can be sent."""

    @property
    def last(self) -> PendingLike | None:
        """The write that was sent last."""

    @property
    def credit(self) -> PendingLike | None:
        """The write that was acknowledged last."""

    def write(self, chunk: Any) -> None:
        """Send a chunk; there is room."""

    def close(self) -> PendingLike:
        """Say that no more will come."""

    def abort(self, note: str | None = None) -> None:
        """Break the stream off."""

    def tell(self, operation: str, *args: Any) -> PendingLike:
        """Send something that is no chunk."""


# A session, and what is packed for it.


class Table(Protocol[T_co]):
    """A table of a session, by number."""

    def get(self, number: int, /) -> T_co | None:
        """What stands there."""

    def pop(self, number: int, /) -> T_co:
        """Take it out."""

    def values(self) -> Iterable[T_co]:
        """All that stand there."""

    def __contains__(self, number: object, /) -> bool: ...
    def __delitem__(self, number: int, /) -> None: ...
    def __len__(self) -> int: ...


class PayloadLike(Protocol):
    """What one message on its way out passes by reference (see `payload`)."""

    @property
    def session(self) -> SessionLike:
        """The end that sends it."""

    @property
    def context(self) -> ContextLike:
        """The execution context in which its values were made."""

    @property
    def copying(self) -> bool:
        """Whether the values go on being used here."""

    @property
    def references(self) -> bool:
        """Whether the peer sees any."""

    @property
    def is_result(self) -> bool:
        """Whether the message is the result of a method."""

    def goes_ahead(self, value: object) -> bool:
        """Whether something was sent for this value already."""

    def refer_handle(self, value: Any, handle: HandleLike, *, binding: bool = False) -> Reference:
        """Refer to a stub or binding."""

    def refer_property(self, value: Any, read: Callable[[], Any]) -> Reference | Settled:
        """Refer to a property, which is read first."""

    def refer_promise(self, pending: PendingLike) -> Reference | Settled:
        """Refer to a promise."""

    def refer_readable(self, value: Any, open_pipe: Callable[[SessionLike], Any]) -> Reference:
        """Refer to a stream that is read at the other side from now on."""

    def refer_writable(self, sink: HookLike) -> Reference:
        """Refer to a stream that is written at the other side from now on."""

    def commit(self) -> None:
        """What the message introduces stands in the tables from now on."""

    def sent(self) -> None:
        """The frame is queued."""

    def take_back(self) -> None:
        """The frame is not queued after all."""


class SessionLike(Protocol):
    """One end of a session (see `session`)."""

    @property
    def name(self) -> str:
        """For texts."""

    @property
    def label(self) -> str:
        """Tells this end from every other one, in events."""

    @property
    def host(self) -> Host:
        """The world around it."""

    @property
    def keeper(self) -> ContextLike:
        """The long context that owns what belongs to no event."""

    @property
    def limits(self) -> Limits:
        """What it accepts and sends at most."""

    @property
    def closed(self) -> BaseException | None:
        """Why it ended; None while it is open."""

    @property
    def peer(self) -> SessionLike | None:
        """The other end, where it is in this process."""

    @property
    def cascade(self) -> Cascade:
        """What is concluded at present."""

    @property
    def latest(self) -> AnswerLike | None:
        """While observed, the call that is being applied."""

    @property
    def last_export(self) -> int:
        """The id that was introduced last."""

    @property
    def imports(self) -> Table[ImportLike]:
        """What the other side introduced and is held here."""

    @property
    def exports(self) -> Table[HookLike | AnswerLike]:
        """What was introduced to the other side, and the calls being answered."""

    def send_frame(self, frame: Frame) -> None:
        """Put a frame in the outbox."""

    def flush(self) -> int:
        """Send what has gathered. Gives how many messages these were."""

    def asleep(self) -> None:
        """Nobody will flush it yet."""

    def soon(self, function: Callable[[], None]) -> None:
        """Go on with long work after others had their turn."""

    def introduce(self, hook: HookLike) -> int:
        """Enter a hook in the export table. Gives its number."""

    def withdraw(self, export_id: int) -> None:
        """Take back what the peer has never been told of."""

    def enter(self, entry: E) -> E:
        """Enter what the peer has introduced in the import table."""

    def answer_to(self, number: int) -> AnswerLike | None:
        """What this end has answered, or is going to answer, to a call of the peer."""

    def unseen_results(self) -> Iterable[Any]:
        """The results that are kept by themselves until the peer has seen them."""

    def pack(
        self,
        message: Message,
        values: list[Any],
        context: ContextLike,
    ) -> Packed:
        """Pack a message, and send what has to go ahead of it."""

    def encode_part(self, value: Any, references: Any) -> Any:
        """Pack a part of a program."""

    def call(
        self,
        target: ImportLike,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ContextLike,
    ) -> PendingLike:
        """Call the member at `path` of what the peer exports."""

    def map(
        self,
        target: ImportLike,
        captures: list[Any],
        program: list[Any],
        context: ContextLike,
    ) -> PendingLike:
        """Replay a recorded function on what the peer exports."""

    def write(
        self,
        pending: PendingLike,
        target: ImportLike,
        operation: str,
        args: list[Any],
        context: ContextLike,
    ) -> PendingLike:
        """Write to a sink or pipe."""

    def rejected(
        self, error: BaseException, context: ContextLike, values: Sequence[Any] = ()
    ) -> PendingLike:
        """A promise that has failed already."""

    def resolved(self, value: Any, context: ContextLike) -> PendingLike:
        """A promise that has its value already."""

    @property
    def first_unsent(self) -> int:
        """The first call that has not left yet."""

    @property
    def pipelined(self) -> list[PendingLike]:
        """The promises that calls were made on before they have left."""

    def cut_off(self, pending: PendingLike) -> None:
        """Tell of that call if it has failed before the peer learns that it is given up."""

    def cancel(self, pending: PendingLike) -> None:
        """Tell the peer that nobody waits for this call any more."""

    def release(self, entry: ImportLike) -> None:
        """The last handle of an import is gone."""

    def give_back(self, import_id: int, count: int = 1) -> None:
        """Release an id of the peer."""

    def open_pipe(self) -> ImportLike:
        """Take a number for a pipe at the peer."""

    def announce_pipe(self, number: int) -> None:
        """Open a pipe at the peer."""

    def cancel_pipe(self, pipe: PipeLike, reason: BaseException) -> None:
        """Tell the sender of a stream that nobody reads it any more."""

    def pack_result(self, answer: AnswerLike, value: Any) -> Packed | None:
        """Pack the result of a call; None where it is not sent now."""

    def pack_error(self, answer: AnswerLike, error: BaseException, *, remote: bool) -> Packed:
        """Pack the failure of a call."""

    def reply(self, answer: AnswerLike, reply: Packed) -> None:
        """Queue a settlement."""

    def reply_at_once(self, answer: AnswerLike, value: Any) -> bool:
        """Queue the result of a call on which nothing waits, if it is a simple one."""

    def stays(self, answer: AnswerLike, value: Any) -> bool:
        """Keep the result of a quiet call here."""

    def export_broken(self, export_id: int, error: BaseException) -> None:
        """Tell the holder of an export that its target is gone."""

    def copy(self, source: AnswerLike) -> tuple[Any, Sequence[HandleLike], Sequence[EndLike]]:
        """Copy the value of an answer for a call within this Worker."""


# The world.


class Droppable(Protocol):
    """Something that Python may forget before it was given back."""

    def drop(self) -> None:
        """Give it back."""


class Holder(Protocol):
    """Takes calls that must wait until a promise has settled."""

    def call(
        self,
        session: SessionLike,
        target: ImportLike,
        path: Path,
        values: tuple[Any, ...],
        context: ContextLike,
    ) -> PendingLike | None:
        """Take a call with its (args, kwargs) that is about to be sent; None if it can be."""

    def map(
        self,
        session: SessionLike,
        target: ImportLike,
        captures: list[Any],
        program: list[Any],
        context: ContextLike,
    ) -> PendingLike | None:
        """Take a mapped function, likewise."""


class Watch(Protocol):
    """What is noted of each call: its place, whose work it is, what it carries."""

    active: tuple[str, int] | None
    """While there is an observer: the call whose method runs at this very moment, up to where it
    first waits."""

    ambient: tuple[ContextVar[Any], ...]
    """The context variables that calls carry: see `caused` and `carry`."""

    calling_site: Callable[[], str | None] | None
    """Finds where a session was called from, some frames away; None while nobody wants to know."""

    def site(self) -> str | None:
        """The cell or file and line that called into rpclab; None while nobody wants to know."""

    def caused(self, session: SessionLike) -> Context:
        """The running code makes a call on that session: a cause of what is flushed next.

        Returns:
            The variables that the call carries.
        """

    def carry(self, variables: Context) -> None:
        """Give a call the variables that it carries from what caused it."""


class LedgerLike(Protocol):
    """Does the accounting of round trips (see `trace.accounting`).

    A node is a step of the program. Calls and settlements carry the number of theirs.
    """

    def call(self, pending: PendingLike) -> int:
        """A call is sent now. Gives its node."""

    def returns_to(self, pending: PendingLike) -> None:
        """A call is packed anew, after others were made that its arguments needed."""

    def follow(self, pending: PendingLike) -> None:
        """The next call is made on that promise."""

    def uses(self, pending: PendingLike) -> None:
        """The call that is being packed has that promise among its arguments."""

    def reply(self, answer: AnswerLike) -> int:
        """A call is answered now. Gives the node of its settlement."""

    def settled(self, answer: AnswerLike) -> None:
        """A call has settled, before a message says so, or where none does."""

    def passed_on(self, pending: PendingLike) -> int:
        """An announced promise has settled. Gives the node of its settlement."""

    def arrived(self, pending: PendingLike, node: int, *, failed: bool) -> None:
        """A settlement came in that was sent at `node`."""

    def awaited(self, pending: PendingLike) -> None:
        """The running task goes on after that result."""

    def took(self, answer: AnswerLike) -> None:
        """The running task goes on after the chunk that this write has brought."""


class DeadlinesLike(Protocol):
    """Gives up calls that take too long (see `rpc.deadlines`)."""

    def left(self, pending: PendingLike) -> float | None:
        """A call is sent now. Gives how many seconds it has; None where it has no deadline."""

    def bound(self, answer: AnswerLike, seconds: float) -> None:
        """Cancel `answer` after so many seconds, unless it has settled."""


class Host(Protocol):
    """The world around the sessions of one event loop."""

    observe: Observer | None
    """Takes the events of `Session` while somebody records, else None."""

    keep: Observer | None
    """The same for what happens with each call, in fewer steps: takes an event that has its time,
    as `clock` gives it, in front."""

    clock: Callable[[], float]
    """Gives the time, in seconds."""

    special: int
    """Whether calls carry options at present: a deadline, or the marks of a trace."""

    holder: Holder | None
    """Holds calls back that are made on or with a promise, where there is no pipelining."""

    wrap: Mapping[int, Callable[[Any], Any]]
    """By kind of reference, what makes the object that the application sees.

    STUB and BINDING take a handle, WRITABLE the outlet to a sink at the other side, and READABLE
    the inlet of a stream that came in, or a generator that a method has returned.
    """

    closing: bool
    """Whether all is being ended, so that nothing is told of what that cuts off."""

    watching: Watch | None
    """What is noted of calls: None while there is no observer, nobody wants to know places, and
    calls carry no variables."""

    @property
    def deadlines(self) -> DeadlinesLike:
        """Has calls given up that take too long."""

    @property
    def ledger(self) -> LedgerLike | None:
        """Does the accounting of round trips while somebody traces, else None."""

    def wake(self, session: SessionLike) -> None:
        """Flush this session's outbox in the next turn. Never flushes at once."""

    def forget(self, entry: Droppable) -> None:
        """A handle, or an end of a stream, died without having been disposed.

        May be called at any time, in any thread.
        """

    def run(
        self,
        answer: AnswerLike,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: Keywords,
        context: ContextLike,
    ) -> None:
        """Call a member in its context; settle `answer` with what it returns or raises."""

    def ran(
        self,
        answer: AnswerLike,
        value: Any,
        variables: Context,
        error: BaseException | None = None,
    ) -> None:
        """Settle `answer` with what a member has returned, or raised, that ran in `variables`."""

    def drive(self, answer: AnswerLike, work: Awaitable[Any], context: ContextLike) -> None:
        """Run an awaitable in its context; settle `answer` with what it returns or raises."""

    def detach(self, function: Callable[[], Any], context: ContextLike, what: str) -> None:
        """Run something nobody waits for (a disposer); report its failure as `what`."""

    def apart(self, answer: AnswerLike, function: Callable[[], T], context: ContextLike) -> T:
        """Call a function of the core in a fresh context, as the work of `answer`."""

    def loopback(self, context: ContextLike) -> SessionLike:
        """The importing end of the session that this context's Worker has with itself."""

    def undisposed(self, context: ContextLike) -> Callable[[], None] | None:
        """A context ends that still owns handles; they are disposed next.

        Returns:
            What to do when the context has let go of everything, if anything.
        """

    def report(self, error: BaseException, what: str) -> None:
        """Tell the user of a failure that nobody waits for."""

    def unseen(self, error: BaseException, worker: str, what: str, site: str | None) -> None:
        """Tell the user of a call that failed, whose promise nobody has awaited and nobody can.

        Runs in the variables that the call has carried, if any.

        Args:
            error: how it failed.
            worker: who was called.
            what: what was called there, such as "increment()"; "" where that is not known.
            site: where the call was made, if that was noted.
        """
