"""A promise of one session, introduced to another: its value follows when it is there.

Floor: core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.ahead import SendFirst
from rpclab.core.hooks import Hook
from rpclab.core.imports import REJECTED, RESOLVED
from rpclab.core.messages import REJECT, RESOLVE
from rpclab.errors import LocalProtocolError

if TYPE_CHECKING:
    from rpclab.core.answers import Answer
    from rpclab.core.exporter import Exporter
    from rpclab.core.imports import Pending


class Announcement(Hook):
    """The export of a promise that another session will settle."""

    __slots__ = ("_pending", "_session", "id")

    def __init__(self, session: Exporter, pending: Pending) -> None:
        super().__init__(None)
        self._session = session
        self._pending = pending
        self.id = 0

    def settle(self) -> None:
        """Send the value, as duplicates of its stubs, or the error."""
        session, pending = self._session, self._pending
        if session.closed is not None or self.id not in session.exports:
            return
        session.outgoing.begin(session.keeper)
        value = pending.value
        if pending.state == REJECTED:
            message = [REJECT, self.id, value, bool(getattr(value, "remote", False))]
        else:
            message = [RESOLVE, self.id, value]
        if session.host.special:
            session.host.mark_announced(pending, message)
        try:
            frame = self._packed(message, value)
        except Exception as error:
            session.outgoing.settle_ahead(sent=False)
            frame = session._encode([REJECT, self.id, error, False], [])
        session.send_frame(frame)
        plain = not session.outgoing.references
        session.outgoing.settle_ahead(sent=True)
        if session.host.observe is not None:
            kind = "resolved" if pending.state == RESOLVED else "rejected"
            session.host.observe((kind, session.label, self.id, plain, len(frame)))
        if plain:
            del session.exports[self.id]
            self.release()

    def _packed(self, message: list[Any], value: Any) -> bytes:
        outgoing = self._session.outgoing
        while True:
            try:
                return self._session._encode(message, [value])
            except SendFirst as first:
                # A stream in the value moves on to where the promise was sent.
                outgoing.withdraw()
                outgoing.ahead[id(first.value)] = first.send()
                outgoing.begin(self._session.keeper)
            except Exception:
                outgoing.withdraw()
                raise

    def start(self, answer: Answer, path: Any, args: Any, kwargs: Any) -> None:
        """Nothing is ever called on it: the peer waits for the value."""
        del path, args, kwargs
        answer.reject(LocalProtocolError("a promise that was announced cannot be called"))
