"""How bytes are read from a socket: into memory that is there already.

Floor: net.
"""

from __future__ import annotations

import asyncio
import threading

_AT_ONCE = 1024 * 1024  # bytes; so that several large records come in one read
_SMALL = 4096  # bytes that are copied sooner than one has seen to who else reads


class _Shared(threading.local):
    """The memory that all connections of a thread read into, one after the other.

    Attributes:
        view: it.
        is_used: whether somebody takes what was read into it, just now.
    """

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_AT_ONCE))
        self.is_used = False


_shared = _Shared()


class Reading(asyncio.BufferedProtocol):
    """A protocol whose `data_received` gets what came; that holds until it returns.

    For another one asyncio asks for 256 KiB with each read, and cuts them to size. Where these are
    the last of the heap, that is memory given back to the system and asked for again: more work
    than a small call is in all (benchmarks `http`, `socket_sequential`). And whoever takes a chunk
    out of what came needs no copy of the whole (benchmark `far_upload`).
    """

    _view: memoryview

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        view = _shared.view
        if _shared.is_used:  # a loop runs inside the callback of another
            view = memoryview(bytearray(_SMALL))
        self._view = view
        return view

    def buffer_updated(self, nbytes: int) -> None:
        view = self._view
        if nbytes <= _SMALL:
            self.data_received(bytes(view[:nbytes]))
            return
        _shared.is_used = True
        try:
            self.data_received(view[:nbytes])
        finally:
            _shared.is_used = False

    def data_received(self, data: bytes | memoryview) -> None:
        """Take what came."""
        raise NotImplementedError
