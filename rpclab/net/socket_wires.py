"""What the ends of byte streams and of WebSockets have alike: a socket, and what waits to leave.

Floor: net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rpclab.net.reading import Reading

if TYPE_CHECKING:
    import asyncio

    from rpclab.net.connection import Connection

HIGH = 256 * 1024
"""Bytes that wait to leave, from which on the listening end stops reading."""


class SocketWire(Reading):
    """One end of a socket.

    Args:
        listens: whether the other end has dialled.
    """

    def __init__(self, *, listens: bool) -> None:
        self._listens = listens
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """What carries the bytes."""
        assert self._transport is not None  # noqa: S101 - nobody sends before there is one
        return self._transport

    @property
    def held_by(self) -> Connection | None:
        """The connection, once the two ends know one another."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH)

    def pause_writing(self) -> None:
        # Were the end that has dialled to stop reading, too, each could wait for the other.
        if self._listens:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._listens:
            self.transport.resume_reading()
        if self.held_by is not None:
            self.held_by.heard()

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        self.transport.abort()

    def unsent(self) -> int:
        """How many bytes have not left yet."""
        return self.transport.get_write_buffer_size()
