"""Arrays of the standard library and of NumPy: numbers side by side, as one piece of bytes.

Floor: codecs. NumPy is only there if somebody has it installed.
"""

from __future__ import annotations

import array
import math
import re
import sys
from typing import Any

from rpclab.codecs.refusals import malformed, unsendable

_CODES = frozenset("bBhHiIlLqQfd")
_TEXT_CODES = frozenset("uw")  # items of "u" have 2 bytes on some machines, and 4 on others
_UTF_32 = f"utf-32-{sys.byteorder[0]}e"

# The types of NumPy that stand for bytes, as NumPy writes them; "O" stands for a pointer.
_SIMPLE = re.compile(
    r"[<>|](?:[biufc][0-9]{1,2}|[SUV][0-9]{1,9}|[mM]8(?:\[[0-9]{0,9}[a-zA-Z]{1,2}\])?)"
)
_KINDS = frozenset("biufcSUVmM")
_DIMENSIONS = 64
_LEVELS = 16  # of a type of several fields
_LARGEST = 2**40  # items, also where there are none for one dimension is zero
_MOST_EMPTY = 2**16  # items without bytes; and bytes of an item, where there is none


def encode_array(value: array.array[Any]) -> list[Any]:
    """Give the parts of an array."""
    code: str = value.typecode  # "w", since Python 3.13, is none for type checkers of older ones
    if code == "w":  # whose own `tounicode` takes no half of a surrogate pair
        return ["w", value.tobytes().decode(_UTF_32, "surrogatepass")]
    if code in _TEXT_CODES:
        return [code, value.tounicode()]
    return [code, value.itemsize, sys.byteorder, value.tobytes()]


def read_array(parts: Any) -> array.array[Any]:
    """Make an array.

    Raises:
        ValueError: its items are of another size here.
    """
    kinds = [*map(type, parts)] if type(parts) is list else []
    if kinds == [str, str] and parts[0] in _TEXT_CODES:
        return array.array(*parts)
    if kinds != [str, int, str, bytes] or parts[0] not in _CODES:
        raise malformed("array", parts)
    code, size, order, data = parts
    value = array.array(code)
    if value.itemsize != size:
        raise ValueError(f"items of {code!r} have {value.itemsize} bytes here, not {size}")
    if len(data) % size or order not in ("little", "big"):
        raise malformed("array", parts)
    value.frombytes(data)
    if order != sys.byteorder:
        value.byteswap()
    return value


def encode_ndarray(value: Any) -> list[Any]:
    """Give the parts of an array of NumPy."""
    if value.dtype.hasobject:
        raise unsendable(value, "an array of objects cannot be sent: send value.tolist()")
    if not value.nbytes and max(value.dtype.itemsize, value.size) > _MOST_EMPTY:
        raise unsendable(value, "an array without data cannot be sent: send value.shape")
    return [_describe(value.dtype, value), list(value.shape), value.tobytes()]


def _describe(kind: Any, value: Any) -> Any:
    """Write a type down: a text; or [type, shape]; or [size, [name, type, offset, title?], ...]."""
    if kind.subdtype is not None:
        base, shape = kind.subdtype
        return [_describe(base, value), list(shape)]
    if kind.names is not None:
        fields = [(name, *kind.fields[name]) for name in kind.names]
        return [
            kind.itemsize,
            *[[name, _describe(inner, value), *more] for name, inner, *more in fields],
        ]
    if kind.kind not in _KINDS:
        raise unsendable(value, "an array of that type cannot be sent: send value.tolist()")
    return kind.str


def read_ndarray(parts: Any) -> Any:
    """Make an array of NumPy.

    Raises:
        ImportError: NumPy is not installed.
        TypeError: NumPy has no such type on this machine.
    """
    if type(parts) is not list or len(parts) != 3 or type(parts[2]) is not bytes:
        raise malformed("array of NumPy", parts)
    import numpy  # noqa: PLC0415, ICN001 - heavy, and only needed for what was sent as one

    description, shape, data = parts
    kind = numpy.dtype(_checked(description, 0))
    items = _items(shape)
    if kind.hasobject or items * kind.itemsize != len(data):
        raise malformed("array of NumPy", parts)
    if not data and max(items, kind.itemsize) > _MOST_EMPTY:
        raise malformed("array of NumPy", parts)
    value = numpy.empty(shape, kind)
    if value.dtype != kind or value.nbytes != len(data):
        raise malformed("array of NumPy", parts)
    if data:
        # Byte by byte: what lies between the fields would else be whatever was in memory.
        value.reshape(-1).view(numpy.uint8)[...] = numpy.frombuffer(data, numpy.uint8)
    return value


def _checked(description: Any, level: int) -> Any:
    """Give a description of a type in the form in which NumPy reads it."""
    if type(description) is str:
        if _SIMPLE.fullmatch(description) is None:
            raise malformed("type of NumPy", description)
        return description
    if type(description) is not list or len(description) < 1 or level == _LEVELS:
        raise malformed("type of NumPy", description)
    first, *rest = description
    if type(first) is not int:
        if len(rest) != 1:
            raise malformed("type of NumPy", description)
        _items(rest[0])
        return (_checked(first, level + 1), tuple(rest[0]))
    for field in rest:
        kinds = [*map(type, field)] if type(field) is list else []
        if kinds[2:] not in ([int], [int, str]) or kinds[0] is not str or not field[0]:
            raise malformed("type of NumPy", description)
    return {
        "names": [field[0] for field in rest],
        "formats": [_checked(field[1], level + 1) for field in rest],
        "offsets": [field[2] for field in rest],
        "titles": [field[3] if len(field) > 3 else None for field in rest],
        "itemsize": first,
    }


def _items(shape: Any) -> int:
    """How many items an array of that shape has."""
    if type(shape) is not list or len(shape) > _DIMENSIONS or not {*map(type, shape)} <= {int}:
        raise malformed("shape", shape)
    if min(shape, default=0) < 0 or max(shape, default=0) > _LARGEST:
        raise malformed("shape", shape)
    if math.prod(each or 1 for each in shape) > _LARGEST:
        raise malformed("shape", shape)
    return math.prod(shape)
