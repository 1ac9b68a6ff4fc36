"""Which calls somebody waits for at present: what to say when the wait is long.

Floor: rpc.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rpclab.core.imports import PENDING, Pending
from rpclab.core.session import Session


class Waiting(NamedTuple):
    """A call that is awaited and has no answer yet.

    Attributes:
        caller: the Worker that waits.
        worker: the Worker that was called.
        what: such as "increment()"; "" unless calls are recorded.
        site: where the call was made, likewise; else None.
    """

    caller: str
    worker: str
    what: str
    site: str | None

    def __str__(self) -> str:
        if not self.what or self.what[0] == "(":
            text = f"a call to {self.worker}"
        else:
            text = f"{self.worker}.{self.what}"
        return f"{text}, made at {self.site}" if self.site else text


def waiting(sessions: Iterable[Session]) -> list[Waiting]:
    """List the awaited calls of some sessions, those of each in the order made."""
    found: list[Waiting] = []
    for session in sessions:
        caller, _, worker = session.name.partition("→")
        found += [
            Waiting(caller, worker, entry.what, entry.site)
            for entry in session.imports.values()
            if isinstance(entry, Pending) and entry.state == PENDING and entry.waiters
        ]
    return found
