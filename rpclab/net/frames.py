"""Frames of WebSockets that hold a whole message: read and written without a step for each part.

Floor: net. Sans-IO. Nearly every frame holds one message. Whatever else comes (pieces of a message,
pings, the close, what breaks a rule) is the business of the library `websockets`, which is given
the bytes of that frame. So a message costs a fifth of what it does there (benchmark
`socket_burst`). RFC 6455, section 5.2.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import TYPE_CHECKING

try:
    from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C or in Python
except ModuleNotFoundError as missing:
    raise ImportError("a WebSocket needs the extra rpclab[serve]") from missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OTHER, TEXT, BINARY = range(3)
"""What a frame holds: a whole message of text, or of bytes, or something else."""

_FINAL = 0x80  # in the first byte: the frame is the last of its message
_MASKED = 0x80  # in the second
_SHORT, _MIDDLE = 125, 2**16 - 1  # bytes whose number stands in the second byte, in two more
_MASKS = 1024  # masks that are made at a time; each is used once

_with_middle, _with_long = Struct(">BBH").pack, Struct(">BBQ").pack
_masks: list[bytes] = []


class FrameReader:
    """Takes a byte stream apart into frames.

    Args:
        masked: whether they have to be masked, as those of whoever has dialled.
        most: how many bytes a message may have.

    Attributes:
        apart: whether messages are no longer wanted: all frames are given as they are.
    """

    def __init__(self, *, masked: bool, most: int) -> None:
        self.apart = False
        self._masked = _MASKED if masked else 0
        self._most = most
        self._rest = bytearray()
        self._in_pieces = False
        self._feeds = self._passes_by = False
        self._skipped = 0  # bytes that are still to come of a frame that nobody wants

    @property
    def held(self) -> int:
        """How many bytes of a frame that is not whole have come."""
        return len(self._rest)

    def pass_by(self) -> None:
        """No message is wanted any more: let go of what has come of one, and keep none.

        Other frames are given as before: the other end may still say that it closes.
        """
        self._passes_by = True
        if not self._feeds:
            self._let_go()

    def _let_go(self) -> None:
        """Let go of a message that is not whole. Where its frame ends is known from its head."""
        rest = self._rest
        if len(rest) < 2 or rest[0] & 0x0F > BINARY:  # noqa: PLR2004 - the bytes with its length
            return
        start, length = _head(rest)
        if len(rest) >= start:
            self._skipped = start + length - len(rest)
            rest.clear()

    def _behind_skipped(self, data: bytes | memoryview) -> bytes | memoryview:
        """What comes after the frame that nobody wants."""
        passed = min(self._skipped, len(data))
        self._skipped -= passed
        return data[passed:]

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
        """Take bytes as they come.

        Returns:
            For each frame that is whole what it holds, and the message; where that is OTHER, the
            bytes of the frame itself. Of a frame that is too long, all there is.
        """
        rest, masked = self._rest, self._masked
        if self._skipped:
            data = self._behind_skipped(data)
        view: bytes | bytearray | memoryview = data
        if rest:
            rest += data
            view = rest
        position, size = 0, len(view)
        self._feeds = True
        try:
            while size - position > 1:
                first, second = view[position], view[position + 1]
                start, length = position + 2, second & 0x7F
                if length > _SHORT:
                    wide = 2 if length == _SHORT + 1 else 8
                    start += wide
                    if size < start:
                        return
                    length = int.from_bytes(view[start - wide : start], "big")
                if length > self._most:
                    begun, position = position, size
                    yield OTHER, bytes(view[begun:])
                    return
                if second & _MASKED:
                    start += 4
                end = start + length
                if end > size:
                    return
                begun, position = position, end
                kind = first & 0x0F
                if self._passes_by and kind <= BINARY:
                    continue
                if (
                    first == _FINAL | kind
                    and 0 < kind <= BINARY
                    and second & _MASKED == masked
                    and not self._in_pieces
                    and not self.apart
                ):
                    message = view[start:end]
                    if masked:
                        yield kind, apply_mask(message, bytes(view[start - 4 : start]))
                    else:
                        yield kind, bytes(message)
                    continue
                if kind <= BINARY:
                    self._in_pieces = not first & _FINAL
                yield OTHER, bytes(view[begun:end])
        finally:
            if view is rest:
                del rest[:position]
            elif position < size:
                rest += data[position:]
            self._feeds = False
            if self._passes_by:
                self._let_go()


def _head(frame: bytes | bytearray) -> tuple[int, int]:
    """Where the message of a frame starts, and how long it is; the length may not be there yet."""
    start, length = 2, frame[1] & 0x7F
    if length > _SHORT:
        wide = 2 if length == _SHORT + 1 else 8
        start += wide
        length = int.from_bytes(frame[start - wide : start], "big")
    return start + (4 if frame[1] & _MASKED else 0), length


def framed(kind: int, messages: Iterable[bytes], *, masked: bool) -> list[bytes]:
    """Put each of some messages into a frame.

    Args:
        kind: TEXT or BINARY.
        messages: what they hold.
        masked: whether to mask them, as whoever has dialled has to.

    Returns:
        The frames, in pieces.
    """
    pieces = []
    first, mark = _FINAL | kind, _MASKED if masked else 0
    for message in messages:
        length = len(message)
        if length <= _SHORT:
            pieces.append(bytes((first, mark | length)))
        elif length <= _MIDDLE:
            pieces.append(_with_middle(first, mark | _SHORT + 1, length))
        else:
            pieces.append(_with_long(first, mark | _SHORT + 2, length))
        if masked:
            if not _masks:
                drawn = os.urandom(4 * _MASKS)
                _masks.extend([drawn[at : at + 4] for at in range(0, len(drawn), 4)])
            mask = _masks.pop()
            pieces.append(mask)
            message = apply_mask(message, mask)  # noqa: PLW2901 - as it is sent
        pieces.append(message)
    return pieces
