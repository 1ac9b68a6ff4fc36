"""Tuples read as the classes of events, and the lines of a file checked first.

Floor: trace. What a session tells is read as it is. What stands in a file may be damaged, or of
another program: there each field has to be what the class of the event says it is. An event of a
kind that is not known is of a later version, and is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isfinite
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from rpclab.trace import events as ev

Event = (
    ev.Joined | ev.Parted
    | ev.CallSent | ev.MapSent | ev.CallHeld | ev.HeldCallGoes
    | ev.CallStarted | ev.CallWentOn
    | ev.CallReturned | ev.CallRaised | ev.CallCancelled | ev.CallsQuieted | ev.Mapped
    | ev.Settled | ev.Awaited | ev.TaskBegun | ev.TaskDone | ev.CallForwarded
    | ev.PromiseResolved | ev.PromiseRejected
    | ev.Released | ev.ExportBroken | ev.Left | ev.Arrived | ev.Applied
    | ev.Introduced | ev.Withdrawn | ev.Imported | ev.LetGo
    | ev.StubMade | ev.StubOwned | ev.StubPassed | ev.StubDisposed | ev.StubForgotten
    | ev.ContextBegun | ev.ContextEnded
    | ev.ChunkSent | ev.ChunkRead | ev.StreamOpened | ev.StreamUnread
    | ev.CreditGiven | ev.WriterHeldBack | ev.WriterWentOn
    | ev.Deployed | ev.Bound | ev.LinkChanged | ev.Other
)  # fmt: skip

Fits = Callable[[Any], bool]

EXACT = 1 << 53
"""Integers from here on a JavaScript reader would round; a recording writes them as text."""

_COUNTS = frozenset(
    {"size", "messages", "left", "steps", "window", "in_flight", "buffered", "version"}
)
_KINDS_OF_JSON = {int: "a number", float: "a number", str: "a text", bool: "true or false"}


def read(raw: ev.Raw) -> Event:
    """Read the tuple of an event, its time in front, as its class."""
    known = ev.KINDS.get(raw[1])
    if known is None:
        return ev.Other(raw[0], raw[1], raw[2:])
    at, _, *fields = raw
    event: Event = known(at, *fields)
    return event


def what_is_wrong(raw: ev.Raw) -> str:
    """Say why the tuple of an event, of a file, cannot be read; "" if it can.

    Args:
        raw: its time, its kind, and its fields.
    """
    at, kind, *given = raw
    if type(at) not in (int, float) or not abs(at) < EXACT:
        return f"its time is {_shown(at)}, and no number"
    if type(kind) is not str:
        return f"its kind is {_shown(kind)}, and no text"
    known = ev.KINDS.get(kind)
    if known is None:
        return ""
    least, fields = _fields(known)
    if not least <= len(given) <= len(fields):
        needed = f"{least}" if least == len(fields) else f"{least} to {len(fields)}"
        return f"an event {kind!r} has {needed} fields after that, and here are {len(given)}"
    for value, (name, fits, expected) in zip(given, fields, strict=False):
        if not fits(value):
            return f"the field {name!r} of an event {kind!r} is {_shown(value)}, and not {expected}"
    return ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - what fits in a line


@cache
def _fields(kind: Any) -> tuple[int, list[tuple[str, Fits, str]]]:
    """How many fields an event of a class has at least, and its fields, after time and kind."""
    found = []
    for name, annotation in get_type_hints(kind).items():
        if name == "at":
            continue
        fits = _fits(annotation)
        expected = " or ".join(dict.fromkeys(map(_named, get_args(annotation) or (annotation,))))
        if name in _COUNTS:
            fits, expected = _is_count, "a number from 0 on"
        elif name == "session":
            fits, expected = _is_label, "the end of a session"
        found.append((name, fits, "a list" if get_origin(annotation) is tuple else expected))
    return len(found) - len(kind._field_defaults), found


def _fits(annotation: Any) -> Fits:
    """Whether a value, as JSON gave it with tuples for lists, is of a type."""
    parts = get_args(annotation)
    if get_origin(annotation) is not tuple:
        if annotation in (int, float):
            return lambda value: type(value) is annotation and _is_exact(value)
        if not parts:
            return lambda value: type(value) is annotation
        checks = [_fits(part) for part in parts]
        return lambda value: any(fits(value) for fits in checks)
    if parts[-1] is Ellipsis:
        item = _fits(parts[0])
        return lambda value: type(value) is tuple and all(map(item, value))
    items = [_fits(part) for part in parts]
    return lambda value: (
        type(value) is tuple
        and len(value) == len(items)
        and all(fits(part) for fits, part in zip(items, value, strict=True))
    )


def _is_exact(value: float) -> bool:
    """Whether a number is one that a recording writes: others it writes down as text."""
    if type(value) is float:
        return isfinite(value)
    return abs(value) < EXACT


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < EXACT


def _is_label(value: Any) -> bool:
    return type(value) is str and ("→" in value or "↩" in value)


def _named(annotation: Any) -> str:
    if annotation is NoneType:
        return "null"
    return _KINDS_OF_JSON.get(annotation, "a list")
