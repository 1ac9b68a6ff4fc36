"""What writing a message has in common, whatever the dialect.

Floor: codecs. Records are taken apart once, and a message that cannot be sent is told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.codecs.paths import path_of
from rpclab.codecs.refusals import too_deep
from rpclab.errors import DataCloneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.codecs.records import Record
    from rpclab.core.messages import Message
    from rpclab.core.payload import Payload
    from rpclab.core.session import Session


class Encoder:
    """The writing half of a codec.

    Args:
        session: whose messages it writes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # By `id`: a record of the message at hand, its parts, and what gives them back to it.
        self._apart: dict[int, tuple[Any, list[Any], Callable[[], None] | None]] = {}

    def parts_of(self, value: Any, record: Record, *, copied: bool) -> list[Any]:
        """Take a value apart; once, however often its message is packed.

        Args:
            value: it.
            record: says how.
            copied: see `TakeApart`.
        """
        if id(value) in self._apart:
            return self._apart[id(value)][1]
        parts, give_back = record.take_apart(value, copied=copied)
        self._apart[id(value)] = value, parts, give_back
        return parts

    def _packed(self, payload: Payload | None) -> None:
        """A message was packed: what it took apart is given away, unless it is packed again."""
        if payload is None or payload.complete:
            self._apart = {}

    def _failure(self, error: BaseException, message: Message) -> BaseException:
        """Give back what values have lost to a message that is not sent, and say what is wrong.

        Args:
            error: what was raised while it was packed.
            message: it.

        Returns:
            An error that says where the value stands.
        """
        apart, self._apart = self._apart, {}
        for _, _, give_back in apart.values():
            if give_back is not None:
                give_back()
        if isinstance(error, (ValueError, RecursionError)) and "recursion" in str(error):
            error = too_deep(self._session.limits.nesting)
        if isinstance(error, DataCloneError) and not error.path:
            culprit = error.__dict__.pop("culprit", None)
            error.path = path_of(culprit, message) if culprit is not None else ""
            if error.path:
                error.args = (f"{error.args[0]} It stands at {error.path}.",)
        return error


def no_payload() -> NoReturn:
    """In the place of what makes a payload, where a message can have none."""
    raise DataCloneError("there is no message that could hold a reference")
