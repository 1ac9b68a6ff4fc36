"""Bytes and typed arrays, in base64.

Floor: codecs. A typed array of JavaScript is an `array.array` here. pybase64 does it where it is
installed, the standard library else, in a hundred times the time (benchmark `socket_bytes`).
"""

from __future__ import annotations

import array
import sys
from binascii import a2b_base64, b2a_base64
from typing import Any

from rpclab.codecs.refusals import malformed
from rpclab.errors import DataCloneError

_NAMES = {
    ("b", 1): "Int8Array", ("B", 1): "Uint8Array", ("h", 2): "Int16Array", ("H", 2): "Uint16Array",
    ("i", 4): "Int32Array", ("I", 4): "Uint32Array", ("l", 4): "Int32Array",
    ("L", 4): "Uint32Array", ("l", 8): "BigInt64Array", ("L", 8): "BigUint64Array",
    ("q", 8): "BigInt64Array", ("Q", 8): "BigUint64Array", ("f", 4): "Float32Array",
    ("d", 8): "Float64Array",
}  # fmt: skip
"""By typecode and size of an item, the type in JavaScript."""

_CODES = {
    "Int8Array": "b", "Uint8Array": "B", "Uint8ClampedArray": "B", "Int16Array": "h",
    "Uint16Array": "H", "Int32Array": "i", "Uint32Array": "I", "BigInt64Array": "q",
    "BigUint64Array": "Q", "Float32Array": "f", "Float64Array": "d",
}  # fmt: skip

pybase64: Any
try:
    import pybase64
except ModuleNotFoundError:
    pybase64 = None

_AS_BYTES = frozenset({"ArrayBuffer", "DataView"})
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def write_bytes(value: Any) -> list[Any]:
    """Write bytes, or what shows some."""
    if pybase64 is not None:
        return ["bytes", pybase64.b64encode_as_string(value).rstrip("=")]
    return ["bytes", b2a_base64(value, newline=False).rstrip(b"=").decode()]


def write_array(value: array.array[Any]) -> list[Any]:
    """Write an array.

    Raises:
        DataCloneError: JavaScript has no such type.
    """
    name = _NAMES.get((value.typecode, value.itemsize))
    if name is None:
        raise DataCloneError(
            f"JavaScript has no typed array like array({value.typecode!r}): send its text, or a"
            " list"
        )
    return [*write_bytes(_swapped(value)), name]


def write_ndarray(value: Any) -> list[Any]:
    """Write an array of NumPy.

    Raises:
        DataCloneError: it has several dimensions, or items of another kind.
    """
    kind = value.dtype
    code = {"i": "bhiq", "u": "BHIQ", "f": " .fd"}.get(kind.kind, "")
    position = kind.itemsize.bit_length() - 1
    if value.ndim != 1 or not 0 <= position < len(code) or code[position] in " .":
        raise DataCloneError(
            "JavaScript has typed arrays of one dimension, of integers up to 8 bytes and floats of"
            f" 4 or 8, not {value.ndim} of {kind.name}: send value.ravel() and its shape, or"
            " value.tolist()"
        )
    name = _NAMES[code[position], kind.itemsize]
    return [*write_bytes(value.astype(kind.newbyteorder("<")).tobytes()), name]


def read_bytes(parts: list[Any]) -> Any:
    """Read bytes, or a typed array: the expression without its kind.

    Raises:
        RemoteProtocolError: they are none.
    """
    if not parts or type(parts[0]) is not str:
        raise malformed("bytes", parts)
    data = _from_base64(parts[0])
    if len(parts) == 1 or parts[1] in _AS_BYTES:
        return data
    if type(parts[1]) is not str or parts[1] not in _CODES:
        raise malformed("typed array", parts[1])
    value = array.array(_CODES[parts[1]])
    if len(data) % value.itemsize:
        raise malformed(parts[1], f"{len(data)} bytes")
    value.frombytes(data)
    return _swapped(value)


def _from_base64(text: str) -> bytes:
    """Read base64 of either alphabet, with padding or without."""
    try:
        standard = text.encode("ascii").rstrip(b"=")
        if b"-" in standard or b"_" in standard:
            standard = standard.translate(_TO_STANDARD)
        padded = standard + b"=" * (-len(standard) % 4)
        if pybase64 is not None:
            decoded: bytes = pybase64.b64decode(padded, validate=True)
            return decoded
        return a2b_base64(padded, strict_mode=True)
    except ValueError:
        raise malformed("bytes", text) from None


def _swapped(value: array.array[Any]) -> array.array[Any]:
    """The same array in little endian, or from there."""
    if sys.byteorder == "little":
        return value
    value = value[:]
    value.byteswap()
    return value
