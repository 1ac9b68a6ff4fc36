"""How bytes are read from a socket: into memory that is there already.

Floor: net.
"""

from __future__ import annotations

import asyncio
import threading

_AT_ONCE = 256 * 1024  # bytes; as many as asyncio reads at a time


class _Shared(threading.local):
    """The memory that all connections of a thread read into, one after the other."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_AT_ONCE))


_shared = _Shared()


class Reading(asyncio.BufferedProtocol):
    """A protocol whose `data_received` gets what came, in bytes of just that size.

    For another one asyncio asks for 256 KiB with each read, and cuts them to size. Where these are
    the last of the heap, that is memory given back to the system and asked for again: more work
    than a small call is in all (benchmarks `http`, `socket_sequential`).
    """

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return _shared.view

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(_shared.view[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        raise NotImplementedError
