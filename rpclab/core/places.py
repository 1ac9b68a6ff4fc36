"""Notes on errors that tell places in the code, of this program or of one before it.

Floor: core. They help whoever wrote the code, and nobody else: a session with another program sends
none of them, wherever in a message the error stands.
"""

from __future__ import annotations

RAISED = "raised in the Worker at"
"""The first line of a note; each of the others names a place."""

_STACK = "at the other side: "
_MADE, _DISPOSED, _SENT, _CALLED = "made at ", "disposed at ", "it was sent at ", " was called at "
_LINE = ", line "


def made_at(site: str) -> str:
    """Say where something was made."""
    return _MADE + site


def disposed_at(site: str) -> str:
    """Say where something was disposed."""
    return _DISPOSED + site


def sent_at(site: str) -> str:
    """Say where something was sent."""
    return _SENT + site


def called_at(what: str, site: str) -> str:
    """Say where something was called."""
    return what + _CALLED + site


def stack_of_peer(stack: str) -> str:
    """Say where in a peer an error was raised."""
    return _STACK + stack


def tells_place(note: str) -> bool:
    """Whether a note is one of these; after it has crossed a session, too."""
    if note.startswith((RAISED, _STACK)):
        return True
    said, _, line = note.rpartition(_LINE)
    return line.isdecimal() and (said.startswith((_MADE, _DISPOSED, _SENT)) or _CALLED in said)
