"""Bodies that were compressed for the way, unpacked in pieces of bounded size.

Floor: workers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
"""What a server is told that it may send."""

_PIECE = 2**16
_GZIP = 16 + zlib.MAX_WBITS
_GZIP_BEGINS = b"\x1f\x8b"


class Unpacking:
    """One body that arrives.

    Args:
        encoding: its Content-Encoding: "gzip", "x-gzip" or "deflate".
    """

    def __init__(self, encoding: str) -> None:
        self._gzip = encoding != "deflate"
        self._stream = zlib.decompressobj(_GZIP if self._gzip else zlib.MAX_WBITS)
        self._begun = False

    @property
    def finished(self) -> bool:
        """Whether all that began has come to its end."""
        return self._stream.eof or not self._begun

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpack what arrived; so little data may stand for so much that it comes in pieces.

        Raises:
            zlib.error: this is nothing of that encoding.
        """
        while data:
            if self._stream.eof:
                # A gzip file may have several members; what else stands behind the end is nothing.
                if not self._gzip or not data.startswith(_GZIP_BEGINS):
                    return
                self._stream = zlib.decompressobj(_GZIP)
            piece = self._decompress(data)
            while piece:
                yield piece
                rest = self._stream.unconsumed_tail
                piece = self._stream.decompress(rest, _PIECE) if not self._stream.eof else b""
            data = self._stream.unused_data if self._stream.eof else b""

    def _decompress(self, data: bytes) -> bytes:
        first = not self._begun
        self._begun = True
        try:
            return self._stream.decompress(data, _PIECE)
        except zlib.error:
            if self._gzip or not first:
                raise
            # Some servers send "deflate" without the frame that it has.
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._stream.decompress(data, _PIECE)


def unpacking(encoding: str) -> Unpacking | None:
    """Give what unpacks a Content-Encoding; None for one that was not asked for."""
    encoding = encoding.strip().lower()
    return Unpacking(encoding) if encoding in ("gzip", "x-gzip", "deflate") else None
