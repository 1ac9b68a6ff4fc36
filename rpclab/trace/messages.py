"""What events say of calls and messages, in the words of a reader; and which messages are shown.

Floor: trace.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rpclab.core.events import opposite, spelled
from rpclab.previews import counted
from rpclab.printable import printable
from rpclab.trace import events as ev

if TYPE_CHECKING:
    from rpclab.trace.model import CallBar
    from rpclab.trace.states import MessageState

_SHOWN = frozenset({
    ev.CallSent, ev.MapSent, ev.CallReturned, ev.CallRaised, ev.CallCancelled, ev.Released,
    ev.ChunkSent,
})  # fmt: skip


def shown(messages: Iterable[MessageState]) -> list[MessageState]:
    """Give the messages that a sequence diagram shows: no pipes, and no answers to chunks."""
    found = []
    writes: set[tuple[str, int]] = set()
    for message in messages:
        event = message.event
        if type(event) is ev.ChunkSent:
            writes.add((event.session, event.id))
        if type(event) in _SHOWN and (
            type(event) is ev.Released or (opposite(event.session), event.id) not in writes
        ):
            found.append(message)
    return found


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
        return f"{before}.map of {counted(event.steps, 'step')}"
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


def method_of(event: ev.CallSent | ev.MapSent, function: str = "") -> str:
    """The member that is called or read, without what it is given; else the name of a function."""
    path = printable(event.path if type(event.path) is str else ".".join(event.path))
    if type(event) is ev.MapSent:
        return f"{path}.map".lstrip(".")
    return path or called(function)


def member_of(call: CallBar) -> str:
    """The member that a call is of, as one writes it: "increment()", "user.name", "items.map()"."""
    return call.method if call.kind == "read" else f"{call.method}()"


def result_of(answer: ev.CallReturned | ev.CallRaised) -> str:
    """The result of a call in a few characters."""
    return printable(answer.error) if isinstance(answer, ev.CallRaised) else told(answer.value)


def said(event: Any, call: CallBar | None, released: tuple[int | None, ...]) -> tuple[str, str]:
    """The kind of a message, and what a reader wants to see of it.

    Args:
        event: of its sending.
        call: that it makes, answers or cancels.
        released: the numbers of the calls that a release gives back.
    """
    match event:
        case ev.CallSent() | ev.MapSent() if call is not None:
            return call.kind, call.label
        case ev.CallReturned():
            return "result", told(event.value)
        case ev.CallRaised():
            return "error", printable(event.error)
        case ev.CallCancelled():
            return "cancel", ""
        case ev.Released():
            return "release", ", ".join(map(_name, event.ids, released))
        case ev.ExportBroken():
            return "broken", printable(event.error)
        case ev.PromiseResolved():
            return "result", "a promise that was passed on"
        case ev.PromiseRejected():
            return "error", "a promise that was passed on"
        case ev.ChunkSent():
            return event.operation, f"{event.size} bytes"
        case ev.StreamOpened():
            return "stream", "opened"
        case _:
            return "stream", "nobody reads it any more"


def _name(number: int, call: int | None) -> str:
    """A released id: what was introduced under it, or the call that it stands for."""
    if number < 0:
        return f"#{-number}"
    return "an earlier call" if call is None else str(call)
