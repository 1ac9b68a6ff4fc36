"""What a recording is told of the other end of a session, which is in another program.

Floor: net. Nothing there tells of what it sends; so it is told of here, in its name, when it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.events import NOBODY, answered, called, failure, opposite
from rpclab.core.messages import (
    CALL,
    CANCEL,
    MAP,
    PIPE,
    REJECT,
    RELEASE,
    RESOLVE,
    STREAM,
    Frame,
    apart,
    parse,
    size_of,
)
from rpclab.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.arrival import Arrival
    from rpclab.core.session import Session

    Decode = Callable[[Frame], tuple[object, Arrival | None]]


_NOT_KNOWN = (None, NOBODY)  # which call and task there made a call, and whether it is awaited


def decode_telling(session: Session, decode: Decode, frame: Frame) -> tuple[object, Arrival | None]:
    """Decode a message, and tell of it as the other end would.

    Args:
        session: the end at which it arrives.
        decode: reads it.
        frame: it.
    """
    message, arrival = decode(frame)
    far, host = opposite(session.label), session.host
    parts = [*apart(message)] if type(message) is list and message else [message]
    for part in parts:
        event = _event(far, part, size_of(frame) // len(parts))
        if event is not None and host.observe is not None:
            host.observe(event)
            host.observe(("left", far, 1))
            host.observe(("arrived", session.label, 1))
    return message, arrival


def tell_arrived(session: Session, count: int) -> None:
    """Tell of messages to the other end that they have arrived, as soon as they have left.

    When they do, only the other program knows; a picture would show them on their way for ever.
    """
    far, observe = opposite(session.label), session.host.observe
    if observe is not None:
        observe(("arrived", far, count))
        observe(("applied", far, 0))


def _event(far: str, unpacked: Any, size: int) -> tuple[Any, ...] | None:
    """The event of a message that the other end has sent; None where there is none."""
    try:
        message = parse(unpacked)
    except RemoteProtocolError:
        return None  # whoever applies it says so
    kind = message[0]
    if kind in (CALL, MAP, STREAM):
        return called(far, message, size, None, _NOT_KNOWN, ())
    if kind == RELEASE:
        return ("release", far, tuple(message[1::2]), size)
    if kind == CANCEL:
        return ("cancel", far, message[1], size)
    if kind == PIPE:
        opens = not message[2:]
        return ("pipe" if opens else "unread", far, message[1], size)
    if kind in (RESOLVE, REJECT) and message[1] > 0:
        return answered(far, message[1], message[2], size, failed=kind == REJECT)
    if kind == REJECT:
        return ("broke", far, message[1], failure(message[2]), size)
    return None
