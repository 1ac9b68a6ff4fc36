"""Sessions by name within one program: `memory:name`.

Floor: net. What a test or a tutorial uses where two programs would use sockets.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rpclab.net.closing import FAULT, broken, closed_there
from rpclab.transports.batches import cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.messages import Frame
    from rpclab.net.connection import Connection
    from rpclab.net.dialling import Dialling

    Accept = Callable[["MemoryWire", str | None], Connection]

listening: dict[str, Accept] = {}
"""By name, what takes a connection: it is given the wire and the token."""


class MemoryWire:
    """One end of a connection in memory.

    Attributes:
        other: the other end.
        connection: what is told of what comes in.
    """

    def __init__(self) -> None:
        self.other: MemoryWire = self
        self.connection: Connection | None = None
        self._loop = asyncio.get_running_loop()
        self._over = False

    def send(self, seen: int, frames: list[Frame]) -> None:
        if not self._over:
            self._loop.call_soon(self.other._receive, seen, frames)

    def _receive(self, seen: int, frames: list[Frame]) -> None:
        if self.connection is not None:
            self.connection.receive(seen, frames)

    def ask(self) -> None:
        self._loop.call_soon(self._hear)

    def _hear(self) -> None:
        if self.connection is not None and not self.other._over:
            self.connection.heard()

    def end(self, reason: str, code: int) -> None:
        del code
        if not self._over:
            self._over = True
            self._loop.call_soon(self.other._end, cut(reason).decode())
            self._loop.call_soon(self._gone)

    def _end(self, reason: str) -> None:
        if self.connection is not None:
            self.connection.lost(closed_there(reason))

    def _gone(self) -> None:
        if self.connection is not None:
            self.connection.gone()

    def abort(self) -> None:
        self.end("the connection broke", FAULT)

    def unsent(self) -> int:
        return 0


async def dial(dialling: Dialling) -> Connection:
    """Connect to whoever listens under a name.

    Raises:
        DisconnectedError: nobody does.
    """
    name = dialling.address.path
    accept = listening.get(name)
    if accept is None:
        raise broken(f"{dialling.address} cannot be reached: nobody serves that name")
    near, far = MemoryWire(), MemoryWire()
    near.other, far.other = far, near
    accept(far, dialling.token)
    near.connection = connection = dialling.connection(near)
    try:
        await asyncio.sleep(0)
    except BaseException:
        connection.let_go()
        raise
    return connection


def listen(name: str, accept: Accept) -> Callable[[], None]:
    """Listen under a name.

    Returns:
        A function that ends it.

    Raises:
        OSError: somebody else does.
    """
    if name in listening:
        raise OSError(f"memory:{name} is served already")
    listening[name] = accept

    def close() -> None:
        listening.pop(name, None)

    return close
