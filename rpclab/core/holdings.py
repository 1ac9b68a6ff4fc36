"""What a peer makes one end of a session hold, in bytes.

Floor: core. A peer decides how many calls are in flight here, how many results lie unseen, what its
streams have buffered, and how many stubs it has introduced. Each table has a bound of its own in
number; all together have one in bytes, `Limits.session_bytes`.

The bytes are not counted one by one. What comes in is added up, which is more than what is held;
only when that passes the limit is everything weighed, and the sum goes on from there. So an honest
peer costs an addition for each call that is not answered at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpclab.core.answers import Answer
from rpclab.core.containers import CONTAINER_TYPES, bulk_of
from rpclab.core.imports import PENDING
from rpclab.core.streams import Pipe
from rpclab.errors import RemoteProtocolError

if TYPE_CHECKING:
    from rpclab.core.contexts import SessionLike

ENTRY = 400
"""Bytes that an entry of a table takes beside its message: a call, a stub, a deadline."""

EMPTY_PIPE = 1000
"""Bytes that an empty pipe takes."""


def weigh(session: SessionLike) -> int:
    """How many bytes the peer makes this end hold now."""
    held = ENTRY * len(session.imports) + session.gathered + session.result_bytes
    for hook in session.exports.values():
        held += ENTRY
        if isinstance(hook, Answer):
            # Chunks of streams that were not taken yet are such answers, too.
            held += hook.weight if hook.state == PENDING else hook.bulk
        elif isinstance(hook, Pipe):
            held += EMPTY_PIPE
    for value in session.unseen_results():
        held += ENTRY
        if isinstance(value, (str, bytes)):
            held += len(value)
        elif type(value) in CONTAINER_TYPES:
            held += bulk_of(value)
    return held


class Holdings:
    """Bounds what the peer makes one end hold.

    Args:
        session: that end.

    Attributes:
        most: as much can be held, by what came in; whoever takes something in adds its weight.
        enough: from here on everything is to be weighed.
    """

    __slots__ = ("_session", "enough", "most")

    def __init__(self, session: SessionLike) -> None:
        self._session = session
        self.most = 0
        self.enough = session.limits.session_bytes

    def weigh(self) -> None:
        """See how much is held.

        Raises:
            RemoteProtocolError: it is more than the limit.
        """
        limit = self._session.limits.session_bytes
        held = self.most = weigh(self._session)
        if held > limit:
            raise RemoteProtocolError(
                f"the peer makes this end hold {held:,} bytes, and {limit:,} are allowed"
                " (Limits.session_bytes)"
            )
        # A peer that stays just below must not have everything weighed for each message.
        self.enough = max(limit, held + limit // 64)
