"""Frames of WebSockets that hold a whole message: read and written without a step for each part.

Floor: net. Sans-IO. Nearly every frame holds one message. Whatever else comes (pieces of a message,
pings, the close, what breaks a rule) is the business of the library `websockets`, which is given
the bytes of that frame. So a message costs a fifth of what it does there (benchmark
`socket_burst`). RFC 6455, section 5.2.
"""

from __future__ import annotations

import os
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Any

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
_WHOLE = {_FINAL | TEXT: TEXT, _FINAL | BINARY: BINARY}  # by the first byte of a frame
_COPIED = 256 * 1024  # bytes that are copied once, to cut small pieces out of them sooner

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

    def _joined(self, data: bytes | memoryview) -> Any:
        """What is to be read: what has come, behind what was left. As bytes, if it is not much."""
        view: bytes | bytearray | memoryview = data
        if self._skipped:
            view = self._behind_skipped(data)
        if self._rest:
            self._rest += view
            view = self._rest
        return bytes(view) if len(view) <= _COPIED else view

    def pass_by(self) -> None:
        """No message is wanted any more: let go of what has come of one, and keep none.

        Other frames are given as before: the other end may still say that it closes.
        """
        self._passes_by = self.apart = True
        if not self._feeds:
            self._let_go()

    def _let_go(self) -> None:
        """Let go of a message that is not whole. Where its frame ends is known from its head."""
        rest = self._rest
        if len(rest) < 2 or rest[0] & 0x0F > BINARY:  # noqa: PLR2004 - the bytes with its length
            return
        start, length = _head(rest, 0)
        if len(rest) >= start:
            self._skipped = start + length - len(rest)
            rest.clear()

    def _behind_skipped(self, data: bytes | memoryview) -> bytes | memoryview:
        """What comes after the frame that nobody wants."""
        passed = min(self._skipped, len(data))
        self._skipped -= passed
        return data[passed:]

    def _keep(self, view: bytes | bytearray | memoryview, read: int) -> None:
        """Keep what was not read: it is no whole frame yet."""
        if self._rest:
            del self._rest[:read]
        elif read < len(view):
            self._rest += view[read:]

    def feed(  # noqa: PLR0915 - one loop: each byte that comes in passes here
        self, data: bytes | memoryview
    ) -> Iterator[tuple[int, list[bytes]]]:
        """Take bytes as they come.

        Returns:
            Whole messages of one kind that stand in a row, with their kind; or OTHER, and the bytes
            of one frame itself. Of a frame that is too long, all there is.
        """
        view, masked = self._joined(data), self._masked
        position, size, is_cut = 0, len(view), type(view) is bytes
        row: list[bytes] = []
        kind, whole = TEXT, _FINAL | TEXT
        ahead, short = (6 if masked else 2), min(_SHORT, self._most)
        self._feeds = True
        apart = self._in_pieces or self.apart
        try:
            while size - position > 1:
                first, second = view[position], view[position + 1]
                start, length = position + ahead, second - masked
                if first == whole and 0 <= length <= short and not apart:
                    # A short message of the kind at hand, as nearly all are.
                    end = start + length
                    if end > size:
                        break
                else:
                    start, length = _head(view, position)
                    end = size if length > self._most else start + length
                    if end > size:
                        break
                    is_one = not apart and length <= self._most and second & _MASKED == masked
                    found = _WHOLE.get(first, OTHER) if is_one else OTHER
                    if found != kind and row:
                        yield kind, row
                        row = []
                        # What is wanted may have changed meanwhile: look at the frame again.
                        apart = self._in_pieces or self.apart
                        continue
                    if self._passes_by and first & 0x0F <= BINARY and length <= self._most:
                        position = end
                        continue
                    if found == OTHER:
                        begun, position = position, end
                        if first & 0x0F <= BINARY and length <= self._most:
                            self._in_pieces = not first & _FINAL
                        yield OTHER, [bytes(view[begun:end])]
                        apart = self._in_pieces or self.apart
                        continue
                    kind, whole = found, first
                message = view[start:end]
                if masked:
                    mask = view[start - 4 : start]
                    message = apply_mask(message, mask if is_cut else bytes(mask))
                row.append(message if is_cut or masked else bytes(message))
                position = end
            if row:
                yield kind, row
        finally:
            self._keep(view, position)
            self._feeds = False
            if self._passes_by:
                self._let_go()


def _head(view: bytes | bytearray | memoryview, position: int) -> tuple[int, int]:
    """Read the head of a frame: where its message begins, and how long that is.

    Where the head is not there as a whole, the message begins behind all there is.
    """
    start, length = position + 2, view[position + 1] & 0x7F
    if length > _SHORT:
        wide = 2 if length == _SHORT + 1 else 8
        start += wide
        if len(view) < start:
            return start, 0
        length = int.from_bytes(view[start - wide : start], "big")
    return start + (4 if view[position + 1] & _MASKED else 0), length


def framed(kind: int, messages: Iterable[bytes], *, masked: bool) -> list[bytes]:
    """Put each of some messages into a frame.

    Args:
        kind: TEXT or BINARY.
        messages: what they hold.
        masked: whether to mask them, as whoever has dialled has to.

    Returns:
        The frames, in pieces.
    """
    pieces: list[bytes] = []
    first, mark = _FINAL | kind, _MASKED if masked else 0
    short = _short_heads(first, mark)
    for message in messages:
        length = len(message)
        if length <= _SHORT:
            head = short[length]
        elif length <= _MIDDLE:
            head = _with_middle(first, mark | _SHORT + 1, length)
        else:
            head = _with_long(first, mark | _SHORT + 2, length)
        if masked:
            if not _masks:
                drawn = os.urandom(4 * _MASKS)
                _masks.extend([drawn[at : at + 4] for at in range(0, len(drawn), 4)])
            mask = _masks.pop()
            pieces += (head, mask, apply_mask(message, mask))
        else:
            pieces += (head, message)
    return pieces


@cache
def _short_heads(first: int, mark: int) -> list[bytes]:
    """The heads of short frames, by the length of the message."""
    return [bytes((first, mark | length)) for length in range(_SHORT + 1)]
