"""Frames and values as a hostile peer writes them: by hand, so that none is too odd to be sent.

The numbers are those of the wire, and are written down here once more on purpose: a peer has no
code of ours. That they are right is tested: an honest conversation must be understood.
"""

from __future__ import annotations

import struct

import msgpack

CALL, PULL, RESOLVE, REJECT, RELEASE, CANCEL, STREAM, PIPE, ABORT, MAP = range(10)
KINDS = (
    "CALL", "PULL", "RESOLVE", "REJECT", "RELEASE", "CANCEL", "STREAM", "PIPE", "ABORT", "MAP",
)  # fmt: skip

(STUB, BINDING, OWN_STUB, OWN_BINDING, RESULT, PROMISE, PLACEHOLDER, READABLE,
 WRITABLE) = range(1, 10)  # fmt: skip

(TUPLE, SET, FROZENSET, INTEGER, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, PATTERN, ARRAY,
 NDARRAY, EXCEPTION, GRAPH, JOINT, NODE, INLINE, RECORD) = range(16, 35)  # fmt: skip

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


def _write(value, put):
    if isinstance(value, Raw):
        put(value)
    elif isinstance(value, Ext):
        payload = value.payload
        put(extension(value.code, payload if type(payload) is bytes else pack(payload)))
    elif isinstance(value, Pairs):
        put(head(0x80, len(value)))
        for key, item in value:
            _write(key, put)
            _write(item, put)
    elif isinstance(value, dict):
        _write(Pairs(value.items()), put)
    elif isinstance(value, (list, tuple)):
        put(head(0x90, len(value)))
        for item in value:
            _write(item, put)
    elif type(value) is int:
        value = integer(value)
        if type(value) is int:
            put(msgpack.packb(value))
        else:
            _write(value, put)
    else:
        put(msgpack.packb(value, unicode_errors="surrogatepass"))


def unpack(frame):
    """A frame of an honest end, with extension values as they are."""
    return msgpack.unpackb(
        frame, ext_hook=msgpack.ExtType, strict_map_key=False, unicode_errors="surrogatepass"
    )
