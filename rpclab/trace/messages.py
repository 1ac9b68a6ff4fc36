"""The messages of a recording, as a sequence diagram shows them: calls, results, releases.

Floor: trace.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rpclab.core.events import ends, opposite, spelled
from rpclab.printable import printable
from rpclab.trace import events as ev


class Sent(NamedTuple):
    """A message that one Worker sent to another.

    Attributes:
        kind: "call", "read", "map", "result", "error", "release", "cancel", or what was done to a
            stream: "write", "close" or "abort".
        sender: the Worker it left.
        receiver: the Worker it went to.
        number: the call it makes, answers or cancels.
        text: what a reader wants to see of it.
        size: in bytes.
        pipelined: whether a call was made on a result that was not there yet.
    """

    kind: str
    sender: str
    receiver: str
    number: int
    text: str
    size: int
    pipelined: bool = False


def messages(events: Iterable[Any]) -> list[Sent]:
    """Give the messages among events.

    Calls are numbered over all sessions, in the order in which they were made, from 1; a call that
    was made before the first event has the number 0.
    """
    numbers: dict[tuple[str, int], int] = {}
    functions: dict[tuple[str, int], str] = {}
    writes: set[tuple[str, int]] = set()
    found: list[Sent] = []
    for event in events:
        if type(event) is ev.ChunkSent:
            writes.add((event.session, event.id))
        elif type(event) is ev.HeldCallSent and found:
            found[-1] = found[-1]._replace(pipelined=False)  # what it was made on had settled
        elif type(event) is ev.Introduced:
            functions[opposite(event.session), event.id] = printable(event.name)
        elif type(event) in (ev.CallSent, ev.MapSent):
            numbers[event.session, event.id] = len(numbers) + 1
        message = _sent(event, numbers, functions)
        if message is not None and (opposite(event.session), getattr(event, "id", 0)) not in writes:
            found.append(message)
    return found


def _sent(
    event: Any, numbers: dict[tuple[str, int], int], functions: dict[tuple[str, int], str]
) -> Sent | None:
    """The message that an event is, if it is one that is shown."""
    if type(event) not in _SHOWN or not event.size:
        return None
    sender, receiver = ends(event.session)
    kind, number, text, pipelined = "", 0, "", False
    match event:
        case ev.CallSent() | ev.MapSent():
            number, pipelined = numbers[event.session, event.id], event.target > 0
            kind = kind_of(event)
            target = event.session, event.target
            text = asked(event, numbers.get(target, 0), functions.get(target, ""))
        case ev.CallReturned():
            number = numbers.get((opposite(event.session), event.id), 0)
            kind, text = "result", told(event.value)
        case ev.CallRaised():
            number = numbers.get((opposite(event.session), event.id), 0)
            kind, text = "error", printable(event.error)
        case ev.CallCancelled():
            kind, number = "cancel", numbers.get((event.session, event.id), 0)
        case ev.Released():
            kind = "release"
            text = ", ".join(_released(numbers, event.session, number) for number in event.ids)
        case ev.ChunkSent():
            kind, text = event.operation, f"{event.operation}, {event.size} bytes"
    return Sent(kind, sender, receiver, number, text, event.size, pipelined)


_SHOWN = frozenset(
    {
        ev.CallSent, ev.MapSent, ev.CallReturned, ev.CallRaised, ev.CallCancelled, ev.Released,
        ev.ChunkSent,
    }
)  # fmt: skip


def kind_of(event: ev.CallSent | ev.MapSent) -> str:
    """Whether that is a "call", a "read" of a property or a "map"."""
    if isinstance(event, ev.MapSent):
        return "map"
    return "read" if event.args is None else "call"


def asked(event: ev.CallSent | ev.MapSent, on: int, function: str = "") -> str:
    """What a call asks for, such as "increment(5)".

    Args:
        event: the call.
        on: the number of the call whose promise it was made on, 0 if that is not known.
        function: the name of what is called, where that is no member but the target itself.
    """
    before = f"({on})" if event.target > 0 else ""
    if isinstance(event, ev.MapSent):
        return f"{before}.map of {event.steps} step{'s' * (event.steps != 1)}"
    label = printable(event.path if type(event.path) is str else ".".join(event.path))
    what = f"{before}.{label}" if before and label else before or label or called(function)
    if event.args is None:
        return what
    named = [f"{printable(name)}={told(value)}" for name, value in event.keywords or ()]
    return f"{what}({', '.join([*map(told, event.args), *named])})"


def called(function: str) -> str:
    """A function that was passed on, by its name; "function" where that is not known."""
    return function.strip("<>") or "function"


def told(value: Any) -> str:
    """A value of an event as a reader wants to see it; what it holds may be a peer's."""
    return printable(spelled(value))


def _released(numbers: dict[tuple[str, int], int], session: str, number: int) -> str:
    if number < 0:
        return f"#{-number}"
    return str(numbers.get((session, number), 0) or "an earlier call")
