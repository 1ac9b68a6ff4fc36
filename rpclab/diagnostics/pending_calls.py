"""Which calls somebody waits for at present: what to say when the wait is long.

Floor: rpc. A call that waits for an argument keeps its place, and calls made on the same stub after
it wait too (rule L5). If the argument comes from such a call, all of them wait for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rpclab.core.answers import Answer
from rpclab.core.hooks import Hook
from rpclab.core.imports import PENDING, Pending
from rpclab.core.promise_arguments import Announcement, PromisedAnswer, PromisedImport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rpclab.core.contexts import SessionLike


KNOT = "which waits for an argument that waits for it"
_FAR = 1000  # calls that are looked at, at most, for one


class Waiting(NamedTuple):
    """A call that is awaited and has no answer yet.

    Attributes:
        caller: the Worker that waits.
        worker: the Worker that was called.
        what: such as "increment()"; "" where that is not known.
        site: where the call was made, while calls are recorded; else None.
        knotted: whether it waits for itself, and so for ever.
    """

    caller: str
    worker: str
    what: str
    site: str | None
    knotted: bool = False

    def __str__(self) -> str:
        if not self.what or self.what[0] == "(":
            text = f"a call to {self.worker}"
        else:
            text = f"{self.worker}.{self.what}"
        text = f"{text}, made at {self.site}" if self.site else text
        return f"{text}, {KNOT}" if self.knotted else text


def waiting(sessions: Iterable[SessionLike], parked: Iterable[Pending] = ()) -> list[Waiting]:
    """List the awaited calls of some sessions, those of each in the order made.

    Args:
        sessions: the sessions.
        parked: further calls, which wait for their session.
    """
    found: list[Waiting] = []
    entries = [entry for session in sessions for entry in session.imports.values()]
    for entry in (*entries, *parked):
        if isinstance(entry, Pending) and entry.state == PENDING and entry.waiters:
            caller, _, worker = entry.session.name.partition("→")
            knotted = waits_for_itself(entry)
            found.append(Waiting(caller, worker, entry.what, entry.site, knotted))
    return found


def waits_for_itself(pending: Pending) -> bool:
    """Whether a call waits for an argument, or for a call, that waits for this one."""
    start = _answer_to(pending)
    if start is None:
        return False
    found, seen = [start], {id(start)}
    for answer in found:  # it grows under way
        for other in _causes(answer):
            if other is start:
                return True
            if id(other) not in seen and len(found) < _FAR:
                seen.add(id(other))
                found.append(other)
    return False


def _answer_to(pending: Pending | None) -> Answer | None:
    """The callee's half of a call that was made in this process, while it is not answered."""
    if pending is None or pending.state != PENDING or pending.session.peer is None:
        return None
    found = pending.session.peer.exports.get(pending.id)
    if isinstance(found, Announcement):  # a promise that came in: of another call
        return _answer_to(found.pending)
    return found if isinstance(found, Answer) and found.state == PENDING else None


def _causes(answer: Answer) -> Iterator[Answer]:
    """The calls that another one waits for."""
    place = answer.held_at
    if isinstance(place, Answer) and place.state == PENDING:
        yield place
    if isinstance(place, Hook):
        for held, *_, promised in place.blocked or ():
            if held is answer:
                for argument in promised or ():
                    if type(argument) is PromisedAnswer and argument.source.state == PENDING:
                        yield argument.source
                    elif type(argument) is PromisedImport:
                        yield from _known(_answer_to(argument.pending))
                break
            if promised and held.state == PENDING:
                yield held
    # A method waits for what it awaits; a forwarded call for where it went.
    running = answer.running
    awaited = getattr(getattr(running, "awaits", None), "pendings", ())
    for pending in (running,) if isinstance(running, Pending) else awaited:
        if isinstance(pending, Pending):
            yield from _known(_answer_to(pending))


def _known(answer: Answer | None) -> Iterator[Answer]:
    if answer is not None:
        yield answer
