"""Frames and values as a hostile peer writes them: by hand, so that none is too odd to be sent.

The numbers are those of the wire, and are written down here once more on purpose: a peer has no
code of ours. That they are right is tested: an honest conversation must be understood.
"""

from __future__ import annotations

import struct

import msgpack

CALL, PULL, RESOLVE, REJECT, RELEASE, CANCEL, STREAM, PIPE, ABORT, MAP, QUIET = range(11)
KINDS = (
    "CALL", "PULL", "RESOLVE", "REJECT", "RELEASE", "CANCEL", "STREAM", "PIPE", "ABORT", "MAP",
    "QUIET",
)  # fmt: skip

(STUB, BINDING, OWN_STUB, OWN_BINDING, RESULT, PROMISE, PLACEHOLDER, READABLE,
 WRITABLE) = range(1, 10)  # fmt: skip

(TUPLE, SET, FROZENSET, INTEGER, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, PATTERN, ARRAY,
 NDARRAY, EXCEPTION, GRAPH, JOINT, NODE, INLINE, RECORD, BESIDE) = range(16, 36)  # fmt: skip

LIST_NODE, DICT_NODE, SET_NODE, TUPLE_NODE, FROZENSET_NODE, LEAF_NODE, ERROR_NODE = range(7)


class Raw(bytes):
    """Bytes that are a packed value already."""

    __slots__ = ()


class Ext:
    """An extension value: its payload is bytes, or a value that is packed in its turn."""

    __slots__ = ("code", "payload")

    def __init__(self, code, payload) -> None:
        self.code = code
        self.payload = payload

    def __repr__(self) -> str:
        return f"Ext({self.code}, {self.payload!r})"


class Pairs(list):
    """A map whose keys may be anything, and stand twice."""

    __slots__ = ()


def beside(number):
    """Bytes that ride beside the frame."""
    return Ext(BESIDE, number.to_bytes(4, "big"))


def part(value):
    """A value of a recorded function, which is packed by itself."""
    return Ext(INLINE, pack(value))


def reference(kind, number):
    """What passes by reference, by its kind and number."""
    bits = max(64, (number.bit_length() + 8) // 8 * 8)
    return Ext(kind, number.to_bytes(bits // 8, "big", signed=True))


def integer(value):
    """An integer of any size."""
    if -(2**63) <= value < 2**64:
        return value
    return Ext(INTEGER, value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True))


def node(number):
    """A part of a graph."""
    return Ext(NODE, (number % 2**32).to_bytes(4, "big"))


def error(name, arguments=(), attributes=None, notes=()):
    """An exception."""
    return Ext(EXCEPTION, [name, list(arguments), attributes or {}, list(notes)])


def pack(value):
    """The bytes of a value."""
    out = []
    _write(value, out.append)
    return b"".join(out)


class Beside(bytes):
    """Bytes that ride beside the frame of the message they stand in."""

    __slots__ = ()


def frame(value):
    """The frame of a message: its bytes, or a list of these and of those that ride beside them."""
    apart = []
    out = []
    _write(value, out.append, apart)
    packed = b"".join(out)
    return [packed, *apart] if apart else packed


def head(first, count):
    """The head of an array (0x90), a map (0x80), or, with 32 bits, of a text or bytes."""
    if count < 16:
        return bytes([first | count])
    wide = 0xDC if first == 0x90 else 0xDE
    if count < 1 << 16:
        return struct.pack(">BH", wide, count)
    return struct.pack(">BI", wide + 1, count)


def extension(code, payload):
    """An extension value around packed bytes."""
    return Raw(struct.pack(">BIb", 0xC9, len(payload), code) + payload)


def _write(value, put, apart=None):
    if isinstance(value, Raw):
        put(value)
    elif isinstance(value, Beside):
        if apart is None:
            put(pack(bytes(value)))
        else:
            apart.append(bytes(value))
            put(pack(beside(len(apart) - 1)))
    elif isinstance(value, Ext):
        payload = value.payload
        put(extension(value.code, payload if type(payload) is bytes else pack(payload)))
    elif isinstance(value, Pairs):
        put(head(0x80, len(value)))
        for key, item in value:
            _write(key, put, apart)
            _write(item, put, apart)
    elif isinstance(value, dict):
        _write(Pairs(value.items()), put, apart)
    elif isinstance(value, (list, tuple)):
        put(head(0x90, len(value)))
        for item in value:
            _write(item, put, apart)
    elif type(value) is int:
        value = integer(value)
        if type(value) is int:
            put(msgpack.packb(value))
        else:
            _write(value, put, apart)
    else:
        put(msgpack.packb(value, unicode_errors="surrogatepass"))


def parts_of(frame):
    """The packed message of a frame, and the bytes beside it."""
    return (frame, []) if isinstance(frame, bytes) else (frame[0], frame[1:])


def size_of(frame):
    """The size of a frame, in bytes, with what rides beside it."""
    return len(frame) if isinstance(frame, bytes) else sum(map(len, frame))


def unpack(frame):
    """A frame of an honest end, with extension values as they are, and no bytes beside it."""
    frame, _ = parts_of(frame)
    return msgpack.unpackb(
        frame, ext_hook=msgpack.ExtType, strict_map_key=False, unicode_errors="surrogatepass"
    )
