"""Records over a stream socket: plain data in msgpack, and sockets that are handed over beside it.

Floor: sandbox. A record is preceded by its length, four bytes, big-endian. One with a socket has
the key `handed`; the socket travels with its first byte (SCM_RIGHTS), so sockets come in order.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, Any

import msgpack

from rpclab.errors import RemoteProtocolError
from rpclab.previews import preview

if TYPE_CHECKING:
    import asyncio

    from rpclab.placement.engine import Record

HANDED = "handed"

MOST = 64 * 2**20
"""How many bytes a record may have: the text of a Worker is the longest."""

_LENGTH = Struct(">I")
_READ = 256 * 1024
_SOCKETS = 64  # that may come with what is read at once


def packed(record: Record) -> bytes:
    """A record as bytes, with its length."""
    body: bytes = msgpack.packb(record, unicode_errors="surrogatepass")
    return _LENGTH.pack(len(body)) + body


async def next_record(reader: asyncio.StreamReader) -> tuple[Record, int]:
    """Read a record from a stream without sockets beside it.

    Returns:
        That, and how many bytes it has.

    Raises:
        EOFError: the other end is gone.
        OSError: the line broke.
        RemoteProtocolError: it sends no records.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    _check_length(length)
    return _record_of(await reader.readexactly(length)), length


def _check_length(length: int) -> None:
    if length > MOST:
        raise RemoteProtocolError(f"a record of {length:,} bytes; {MOST:,} are allowed")


def _record_of(body: bytes) -> Record:
    try:
        record: Any = msgpack.unpackb(body, unicode_errors="surrogatepass")
    except Exception as error:
        raise RemoteProtocolError(f"no record: {type(error).__name__}") from None
    if type(record) is not dict or type(record.get("kind")) is not str:
        raise RemoteProtocolError(f"no record, but {preview(record)}")
    return record


class Incoming:
    """Takes what comes in apart into records.

    Args:
        line: the socket.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._buffer = bytearray()
        self._handed: deque[int] = deque()

    def read(self) -> Iterator[tuple[Record, socket.socket | None]]:
        """Read once. Gives the records that are whole now, each with the socket beside it.

        Raises:
            EOFError: the other end is gone.
            BlockingIOError: nothing is there, on a socket that does not block.
            OSError: the line broke.
            RemoteProtocolError: it sends no records.
        """
        data, handed, _, _ = socket.recv_fds(self._line, _READ, _SOCKETS)
        self._handed += handed
        if not data:
            raise EOFError
        buffer = self._buffer
        buffer += data
        position = 0
        try:
            while len(buffer) - position >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, position)
                _check_length(length)
                end = position + _LENGTH.size + length
                if len(buffer) < end:
                    return
                body = bytes(buffer[end - length : end])
                position = end
                yield self._record(body)
        finally:
            del buffer[:position]

    def _record(self, body: bytes) -> tuple[Record, socket.socket | None]:
        record = _record_of(body)
        if not record.get(HANDED):
            return record, None
        if not self._handed:
            raise RemoteProtocolError("a record without the socket that it speaks of")
        return record, socket.socket(fileno=self._handed.popleft())

    def close(self) -> None:
        """Close the sockets that nobody has taken."""
        while self._handed:
            socket.socket(fileno=self._handed.popleft()).close()
