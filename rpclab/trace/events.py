"""The events of a recording as classes: facts in the past tense.

Floor: trace. Sessions give events as plain tuples (`core/events.py`); a recording puts the time in
front and keeps them so, and here they are read. Fields that many have:

    at        the time, in seconds of the sandbox's clock
    session   the end of the session that speaks, such as "notebook→counter" (`core.events.ends`)
    id        a number in that session: positive for calls, negative for what was introduced
    size      of the message, in bytes
    number    tells one stub, target or context of the recording from the others
    by        the call whose code acts; None for the program around the Workers
    task      which of the tasks of that code: 0 the first, and below it one that nothing waits for

A kind not in the table, of a later version, is read as `Other`. The fields of a kind never change
without a new version of the file; `reading.py` reads tuples, and refuses what does not fit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rpclab.core.events import Call, Scalar

Raw = tuple[Any, ...]


class Joined(NamedTuple):
    """Two Workers have a session from now on; `session` is the end that asked for it."""

    at: float
    session: str


class Parted(NamedTuple):
    """A session ended at this end."""

    at: float
    session: str


class CallSent(NamedTuple):
    """A call was made, or (where `args` is None) a property is being read.

    Attributes:
        target: what it was made on: an export of the other end, or an earlier call of this one.
        path: one name, or several.
        args: small scalars as they are, other values in a few characters.
        keywords: likewise, by name.
        site: where in the user's code.
        using: the promises among its arguments.
    """

    at: float
    session: str
    id: int
    target: int
    path: str | tuple[str, ...]
    args: tuple[Scalar, ...] | None
    size: int
    site: str | None
    by: Call | None
    using: tuple[Call, ...]
    keywords: tuple[tuple[str, Scalar], ...] | None = None
    task: int = 0


class MapSent(NamedTuple):
    """A function was sent to be replayed at the callee; `steps` counts what it calls."""

    at: float
    session: str
    id: int
    target: int
    path: tuple[str, ...]
    steps: int
    size: int
    site: str | None
    by: Call | None
    using: tuple[Call, ...]
    task: int = 0


class CallHeld(NamedTuple):
    """Without pipelining: a call on or with a promise is held back until that has settled."""

    at: float
    number: int
    by: Call | None
    task: int = 0


class HeldCallGoes(NamedTuple):
    """That call can be made now: what it causes comes after this, by the task NOBODY - `number`.

    Attributes:
        number: as of `CallHeld`.
        after: the calls whose results it waited for, and
        behind: the number of the held call that left before, whose results it waited for too.
    """

    at: float
    number: int
    after: tuple[Call, ...]
    behind: int


class CallStarted(NamedTuple):
    """A method began to run, later than its call was applied. `session` is the end that answers.

    A call that does not say so began as it was applied: before it went on, returned or raised.
    """

    at: float
    session: str
    id: int


class CallWentOn(NamedTuple):
    """A method returned something to await: it goes on, and is not done."""

    at: float
    session: str
    id: int


class CallReturned(NamedTuple):
    """A method returned, and its result was sent; or it stays, for nobody can ask for it.

    Attributes:
        value: a small scalar as it is, another value in a few characters.
        size: of the message, in bytes; 0 where there is none.
        members: the scalars in it by name, where it is a small dict.
    """

    at: float
    session: str
    id: int
    value: Scalar
    size: int
    members: tuple[tuple[str, Scalar], ...] | None = None


class CallRaised(NamedTuple):
    """A method raised, or the call was refused; the error, as a text, was sent, or stays.

    Attributes:
        size: of the message, in bytes; 0 where there is none.
    """

    at: float
    session: str
    id: int
    error: str
    size: int


class Mapped(NamedTuple):
    """A recorded function begins to be replayed at the callee.

    Attributes:
        steps: how many there are, for all items (see `Limits.map_steps`).
    """

    at: float
    session: str
    id: int
    steps: int


class CallsQuieted(NamedTuple):
    """A batch says of which calls nobody can ask for the results: these stay at the callee."""

    at: float
    session: str
    ids: tuple[int, ...]
    size: int


class CallCancelled(NamedTuple):
    """The caller gave a call up, and said so."""

    at: float
    session: str
    id: int
    size: int


class Settled(NamedTuple):
    """A promise has settled that others follow: what waited for it may begin."""

    at: float
    session: str
    id: int


class Awaited(NamedTuple):
    """A task went on with the results of these calls, or after these writes to a stream.

    In a file of an earlier version `task` is None: then it was one of whoever made the calls.
    """

    at: float
    session: str
    ids: tuple[int, ...]
    by: Call | None = None
    task: int | None = None


class TaskBegun(NamedTuple):
    """A further task acts for the first time.

    Attributes:
        of: the task that has started it.
        since: how often that one has gone on meanwhile.
    """

    at: float
    number: int
    by: Call | None
    of: int
    since: int


class TaskDone(NamedTuple):
    """A task is done, and the one that has started it goes on after it."""

    at: float
    number: int


class CallForwarded(NamedTuple):
    """A call, or a write, is answered with the result of another one, which is there now.

    Attributes:
        to: the other one.
    """

    at: float
    session: str
    id: int
    to: Call


class PromiseResolved(NamedTuple):
    """A promise that this end had introduced has its value; `plain` if nothing is held of it."""

    at: float
    session: str
    id: int
    plain: bool
    size: int


class PromiseRejected(NamedTuple):
    """A promise that this end had introduced failed."""

    at: float
    session: str
    id: int
    plain: bool
    size: int


class Released(NamedTuple):
    """This end gave back what the other one had introduced, or the results of its own calls."""

    at: float
    session: str
    ids: tuple[int, ...]
    size: int


class ExportBroken(NamedTuple):
    """The context of a target ended, and its holder was told so."""

    at: float
    session: str
    id: int
    error: str
    size: int


class Left(NamedTuple):
    """A batch of so many messages was given to the link."""

    at: float
    session: str
    messages: int


class Arrived(NamedTuple):
    """So many messages arrived at this end, and are applied now, one after another."""

    at: float
    session: str
    messages: int


class Applied(NamedTuple):
    """All of these are applied, but for so many that are left, where a method was interrupted."""

    at: float
    session: str
    left: int


class Introduced(NamedTuple):
    """Something was exported under an id.

    Attributes:
        number: of the target.
        kind: "target", "stub" (held here, and introduced to a third Worker), "binding" or "other".
        name: the class of the target, or the function.
        of: for a stub, the import it stands for.
        new: whether the target was exported for the first time.
    """

    at: float
    number: int
    session: str
    id: int
    kind: str
    name: str
    of: Call | None
    new: bool


class Withdrawn(NamedTuple):
    """An export was taken back: its message was not sent, or it came home."""

    at: float
    session: str
    id: int


class Imported(NamedTuple):
    """Something that the other end introduced is held here."""

    at: float
    session: str
    id: int


class LetGo(NamedTuple):
    """The last handle of an import is gone."""

    at: float
    session: str
    id: int


class StubMade(NamedTuple):
    """A stub, or another handle of one, was made.

    Attributes:
        how: "came" (in a message), "dup", "local" (of a target of one's own) or "binding".
        of: for a dup, the number of the other handle.
        site: where in the user's code.
    """

    at: float
    number: int
    session: str
    id: int
    how: str
    of: int
    site: str | None


class StubOwned(NamedTuple):
    """A stub became the property of an execution context that ends."""

    at: float
    number: int
    context: int


class StubPassed(NamedTuple):
    """A stub was put into a message of that session."""

    at: float
    number: int
    session: str


class StubDisposed(NamedTuple):
    """A stub was given back; `why` is a word of `core.imports.WHY`."""

    at: float
    number: int
    why: str
    site: str | None


class StubForgotten(NamedTuple):
    """Python forgot a stub that nobody had disposed."""

    at: float
    number: int


class ContextBegun(NamedTuple):
    """An execution context began; for a call, or (None) for an event from outside."""

    at: float
    number: int
    worker: str
    call: Call | None


class ContextEnded(NamedTuple):
    """An execution context ended."""

    at: float
    number: int
    worker: str


class ChunkSent(NamedTuple):
    """An operation was sent to a sink or pipe: "write", "close" or "abort"."""

    at: float
    session: str
    id: int
    target: int
    operation: str
    size: int
    by: Call | None = None
    task: int = 0


class ChunkRead(NamedTuple):
    """A reader goes on with a chunk, or with the end, and the writer is told so.

    `session` is the end that reads, and `id` that of the write.
    """

    at: float
    session: str
    id: int
    by: Call | None
    task: int


class StreamOpened(NamedTuple):
    """A pipe was opened at the other end, for a stream that is read there."""

    at: float
    session: str
    id: int
    size: int


class StreamUnread(NamedTuple):
    """Nobody reads the stream any more, and its sender was told so."""

    at: float
    session: str
    id: int
    size: int


class CreditGiven(NamedTuple):
    """The first write left, or one was acknowledged: how many bytes may be, and are, on their way.

    Attributes:
        buffered: bytes that arrived and were not taken yet.
    """

    at: float
    session: str
    id: int
    window: int
    in_flight: int
    buffered: int = 0


class WriterHeldBack(NamedTuple):
    """The writer has to wait: the window is full."""

    at: float
    session: str
    id: int


class WriterWentOn(NamedTuple):
    """The writer may write again."""

    at: float
    session: str
    id: int


class Deployed(NamedTuple):
    """A version of a Worker serves from now on."""

    at: float
    worker: str
    version: int


class Bound(NamedTuple):
    """The environment of `holder` has a binding. `session` and `id` are its import."""

    at: float
    holder: str
    name: str
    worker: str
    entrypoint: str
    session: str
    id: int


class LinkChanged(NamedTuple):
    """The link between two Workers changed; `state` says what it is now."""

    at: float
    one: str
    other: str
    state: str


class Other(NamedTuple):
    """An event of a kind that this version does not know."""

    at: float
    kind: str
    details: tuple[Any, ...]


KINDS: dict[str, Any] = {
    "joined": Joined,
    "parted": Parted,
    "call": CallSent,
    "map": MapSent,
    "held": CallHeld,
    "held goes": HeldCallGoes,
    "started": CallStarted,
    "goes on": CallWentOn,
    "result": CallReturned,
    "error": CallRaised,
    "mapped": Mapped,
    "quiet": CallsQuieted,
    "cancel": CallCancelled,
    "settled": Settled,
    "awaited": Awaited,
    "task": TaskBegun,
    "task done": TaskDone,
    "forwarded": CallForwarded,
    "resolved": PromiseResolved,
    "rejected": PromiseRejected,
    "release": Released,
    "broke": ExportBroken,
    "left": Left,
    "arrived": Arrived,
    "applied": Applied,
    "introduced": Introduced,
    "withdrawn": Withdrawn,
    "imported": Imported,
    "let go": LetGo,
    "stub": StubMade,
    "owned": StubOwned,
    "passed": StubPassed,
    "disposed": StubDisposed,
    "forgotten": StubForgotten,
    "context": ContextBegun,
    "context ended": ContextEnded,
    "stream": ChunkSent,
    "read": ChunkRead,
    "pipe": StreamOpened,
    "unread": StreamUnread,
    "credit": CreditGiven,
    "stalled": WriterHeldBack,
    "resumed": WriterWentOn,
    "deployed": Deployed,
    "bound": Bound,
    "link": LinkChanged,
}
"""The class of each kind. A new kind needs a line here, and nothing else to be kept and saved."""

MESSAGES = frozenset({
    CallSent, MapSent, CallReturned, CallRaised, CallCancelled, PromiseResolved, PromiseRejected,
    CallsQuieted, Released, ExportBroken, ChunkSent, StreamOpened, StreamUnread,
})  # fmt: skip
"""The events that are messages: each is one frame, sent by the end that is its `session`. (A result
of size 0 is none: it stays at the callee. See `crosses`.)"""


def crosses(event: object) -> bool:
    """Whether an event is a message."""
    return type(event) in MESSAGES and event.size > 0  # type: ignore[attr-defined]
