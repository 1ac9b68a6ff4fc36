"""Two ends of a session in one process.

Floor: transports. Packed frames are handed over as they are; nothing is joined or copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpclab.core.session import Session


def connect(one: Session, other: Session) -> None:
    """Join two sessions."""
    one.peer, other.peer = other, one
    one.send, other.send = other.receive, one.receive
