"""Batches of frames as bytes, and back: for a byte stream, or for one message of a WebSocket.

Floor: transports. Sans-IO: bytes go in, records come out. A *record* is a byte that says its kind,
and what follows:

    BATCH    an array of the acknowledgement and the packed frames, in msgpack
    BESIDE   the length of that array, the array, and the large bytes that ride beside its frames
    PING     is answered with a PONG
    PONG
    BYE      a reason in UTF-8: whoever has sent it sends nothing more
    HELLO    a map in msgpack: the first record of each side, on a byte stream

In an array, a frame with large bytes beside it is an array itself: the packed message, and their
sizes. On a byte stream each record is preceded by its length, four bytes, big-endian.
"""

from __future__ import annotations

from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any

import msgpack

from rpclab.core.messages import MOST, Frame, size_of
from rpclab.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH, BESIDE, PING, PONG, BYE, HELLO = range(6)

VERSION = 2
"""Of the protocol, frames and all: both ends must have one. In 2, calls and results make runs."""

MAGIC = b"\0rpclab" + bytes([VERSION])
"""What each side of a byte stream begins with, as no text does; the last byte is the version."""

LARGEST_HELLO = 8 * 1024
"""So long may a HELLO be, which comes from whoever has not shown who they are."""

_LENGTH = Struct(">I")
LENGTH_BYTES = _LENGTH.size
"""So long is the length that precedes a record of a byte stream."""

_BATCH_BYTES = 256 * 1024  # from so many on, a batch is divided
_BATCH_FRAMES = 4096  # likewise; a peer that puts more into one is none of ours
_SLACK = 512 * 1024  # what a record may be longer than the longest message
_ONLY_BYTES = frozenset({bytes})
_REASON = 123  # bytes, as in the close frame of a WebSocket

_pack = msgpack.Packer(autoreset=True).pack
_unpack = partial(
    msgpack.unpackb,
    max_array_len=_BATCH_FRAMES + 1,
    max_map_len=0,
    max_ext_len=0,
    max_str_len=0,
)


def batches(seen: int, frames: list[Frame]) -> Iterator[list[bytes]]:
    """Divide a batch into records of a good size.

    Args:
        seen: how many plain settlements of the peer were seen; said with the last one.
        frames: the packed messages.

    Returns:
        Each record as the pieces that it consists of.
    """
    size, start = 0, 0
    last = len(frames) - 1
    for position, frame in enumerate(frames):
        size += len(frame) if type(frame) is bytes else size_of(frame)
        if position < last and (size >= _BATCH_BYTES or position - start >= _BATCH_FRAMES - 1):
            # What a batch acknowledges holds once all of it has arrived.
            yield _record(0, frames[start : position + 1])
            size, start = 0, position + 1
    yield _record(seen, frames[start:] if start else frames)


def _record(seen: int, frames: list[Frame]) -> list[bytes]:
    beside: list[bytes] = []
    array: list[Any] = [seen]
    for frame in frames:
        if isinstance(frame, bytes):
            array.append(frame)
        else:
            large = frame[1:]
            array.append([frame[0], *map(len, large)])
            beside += large
    packed = _pack(array)
    if beside:
        return [b"\1" + _LENGTH.pack(len(packed)) + packed, *beside]
    return [b"\0" + packed]


def framed_alone(seen: int, frame: bytes) -> bytes:
    """A record of a byte stream with one frame, which has nothing beside it."""
    packed: bytes = _pack([seen, frame])
    return _LENGTH.pack(len(packed) + 1) + b"\0" + packed


def unbatch(record: bytes | memoryview) -> tuple[int, list[Frame]]:
    """Give what a record of the kind BATCH or BESIDE holds; nothing in that is the record's own.

    Raises:
        RemoteProtocolError: it is none.
    """
    try:
        if record[0] == BATCH:
            array, end = _unpack(record[1:]), len(record)
        else:
            end = 5 + _LENGTH.unpack_from(record, 1)[0]
            array = _unpack(record[5:end])
        seen, *frames = array
        if not _ONLY_BYTES.issuperset(map(type, frames)):
            end = _take_beside(frames, memoryview(record), end)
    except RemoteProtocolError:
        raise
    except Exception as error:
        raise RemoteProtocolError(f"the peer sent a broken batch: {type(error).__name__}") from None
    if type(array) is not list or type(seen) is not int or not 0 <= seen < MOST:
        raise RemoteProtocolError("the peer sent a broken batch: it says not what it has seen")
    if end != len(record):
        raise RemoteProtocolError("the peer sent a broken batch: its parts do not fit")
    return seen, frames


def _take_beside(frames: list[Any], record: memoryview, position: int) -> int:
    """Put the large bytes to their frames. Gives where they end."""
    for number, frame in enumerate(frames):
        if type(frame) is bytes:
            continue
        head, *sizes = frame
        if type(frame) is not list or type(head) is not bytes or not sizes:
            raise TypeError
        parts = [head]
        for size in sizes:
            if type(size) is not int or not 0 <= size <= len(record) - position:
                raise ValueError
            parts.append(bytes(record[position : position + size]))
            position += size
        frames[number] = parts
    return position


def goodbye(reason: str) -> bytes:
    """The record BYE."""
    return bytes([BYE]) + cut(reason)


def cut(reason: str) -> bytes:
    """A reason in as many bytes as the close frame of a WebSocket has room for."""
    return reason.encode("utf-8", "replace")[:_REASON].decode("utf-8", "ignore").encode()


def hello(words: dict[str, Any]) -> bytes:
    """The record HELLO."""
    packed: bytes = _pack(words)
    return bytes([HELLO]) + packed


def read_hello(record: bytes | memoryview) -> dict[str, Any]:
    """Give what a record of the kind HELLO says: texts and numbers by their names.

    Raises:
        RemoteProtocolError: it is none.
    """
    try:
        words = msgpack.unpackb(
            record[1:], max_map_len=16, max_array_len=0, max_ext_len=0, max_str_len=LARGEST_HELLO
        )
    except Exception:
        words = None
    if record[0] != HELLO or type(words) is not dict or not all(type(k) is str for k in words):
        raise RemoteProtocolError("the peer did not introduce itself")
    return words


class OtherVersion(RemoteProtocolError):  # noqa: N818 - whoever meets it is told of one
    """The peer speaks another version of the protocol.

    Args:
        version: of the peer.

    Attributes:
        magic: what such a peer begins with, and understands a BYE after.
    """

    def __init__(self, version: int) -> None:
        # It has to fit into a BYE.
        super().__init__(
            f"the ends speak versions {version} and {VERSION} of rpclab's protocol, which do not"
            " fit: install one rpclab at both"
        )
        self.magic = MAGIC[:-1] + bytes([version])


class RecordReader:
    """Takes a byte stream apart into records.

    Args:
        most: how many bytes a message may have. Until `welcome` it is that of a HELLO.
    """

    def __init__(self, most: int) -> None:
        self._most = most + _SLACK
        self._limit = LARGEST_HELLO
        self._buffer = bytearray()
        self._begun = False

    def skip_greeting(self) -> None:
        """Both ends were introduced to each other: no greeting comes."""
        self._begun = True
        self.welcome()

    def welcome(self) -> None:
        """The peer has introduced itself: from now on records may be as long as messages are."""
        self._limit = self._most

    @property
    def held(self) -> int:
        """How many bytes of a record that is not whole have come."""
        return len(self._buffer)

    def is_one(self, data: bytes | memoryview) -> bool:
        """Whether what comes is one whole record, as nearly always where calls are few and small.

        Raises:
            RemoteProtocolError: it is too long.
        """
        return (
            self._begun
            and not self._buffer
            and len(data) > _LENGTH.size
            and _LENGTH.size + self._length(data, 0) == len(data)
        )

    def feed(self, data: bytes | memoryview) -> Iterator[bytes | memoryview]:
        """Take bytes as they come. Gives the records that are whole now, one after another.

        Args:
            data: they; to be left as they are until the last record was taken.

        Raises:
            RemoteProtocolError: the peer speaks something else, or sends a record that is too long.
        """
        buffer = self._buffer
        if not self._begun:
            buffer += data
            if not MAGIC.startswith(buffer[: len(MAGIC)]):
                if buffer.startswith(MAGIC[:-1]):
                    raise OtherVersion(buffer[len(MAGIC) - 1])
                raise RemoteProtocolError(
                    f"the peer does not speak rpclab, but says {bytes(buffer[:40])!r}"
                )
            if len(buffer) < len(MAGIC):
                return
            self._begun = True
            data = bytes(memoryview(buffer)[len(MAGIC) :])
            buffer.clear()
        elif buffer:
            missing = self._missing(buffer)
            if missing > 0 and len(buffer) < _LENGTH.size:
                buffer += data[:missing]
                data = data[missing:]
                missing = self._missing(buffer)
            if missing > len(data):
                buffer += data
                return
            self._buffer = bytearray()
            if missing >= 0:
                # Of a read that may have many records, only the rest of the one that has begun.
                buffer += data[:missing]
                data = data[missing:]
                try:
                    yield memoryview(buffer)[_LENGTH.size :]
                except GeneratorExit:
                    self._buffer += data  # nobody takes more of it now
                    raise
            else:  # there is more than that, for nobody took it
                data = bytes(buffer + data)
        position, size = 0, len(data)
        try:
            while size - position >= _LENGTH.size:
                start = position + _LENGTH.size
                end = start + self._length(data, position)
                if size < end:
                    return
                position = end
                yield data[start:end]
        finally:
            if position < size:
                self._buffer += data[position:]

    def _missing(self, buffer: bytearray) -> int:
        """How many bytes its first record lacks, or as long as that is not known, its length."""
        if len(buffer) < _LENGTH.size:
            return _LENGTH.size - len(buffer)
        return _LENGTH.size + self._length(buffer, 0) - len(buffer)

    def _length(self, data: bytes | bytearray | memoryview, position: int) -> int:
        length: int = _LENGTH.unpack_from(data, position)[0]
        if not 0 < length <= self._limit:
            raise RemoteProtocolError(
                f"the peer sent a record of {length:,} bytes, and {self._limit:,} are"
                " allowed (Limits.message_bytes)"
            )
        return length


def framed(pieces: list[bytes]) -> list[bytes]:
    """A record of a byte stream, of its pieces: with its length in front."""
    first, *others = pieces
    size = len(first) + sum(map(len, others))
    return [_LENGTH.pack(size) + first, *others]
