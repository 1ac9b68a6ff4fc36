"""What is told of each request: the facts behind a line in the terminal.

Floor: server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rpclab.previews import shown

_SHOWN = 200  # characters of a path


class Access(NamedTuple):
    """A request that was answered, or a session that was opened or has ended.

    Attributes:
        client: the address it came from; "" where it is not known.
        method: such as "GET"; "WS" when a session is opened, and "WS END" when it is over.
        path: what was asked for, without query.
        status: of the answer; of a session that ended, its close code.
        seconds: how long it took until the last byte had left.
        size: the bytes of the body of the answer.
        worker: what has answered, as "worker#Entrypoint"; "" where nothing did.
        note: why it went wrong, if it did.
    """

    client: str
    method: str
    path: str
    status: int
    seconds: float
    size: int = 0
    worker: str = ""
    note: str = ""

    def __str__(self) -> str:
        client, method, path = (shown(text, _SHOWN) for text in self[:3])
        parts = [client or "-", method, path, str(self.status), _time(self.seconds)]
        if self.worker:
            parts.append(self.worker)
        if self.note:
            parts.append(f"({shown(self.note, _SHOWN)})")
        return " ".join(parts)


Tell = Callable[[Access], None]
"""Is told of each request."""


def _time(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds >= 1 else f"{seconds * 1000:.0f}ms"
