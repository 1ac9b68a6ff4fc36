"""The extension types: how each value that msgpack lacks is written and read.

Floor: codecs. `ENCODERS` maps a type to (code, parts); `DECODERS` a code to a reader of the parts,
which C packs in their turn.
"""

from __future__ import annotations

import array
import datetime as dt
import re
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from rpclab.codecs.sharing import unsendable

(TUPLE, SET, FROZENSET, INTEGER, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, PATTERN, ARRAY,
 NDARRAY, EXCEPTION, GRAPH, JOINT, NODE, INLINE) = range(16, 34)  # fmt: skip


def _zone(zone: dt.tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [_span(offset), *name]
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    raise unsendable(zone, "send the time in UTC, or with a zoneinfo.ZoneInfo that has a key")


def _read_zone(parts: Any) -> dt.tzinfo | None:
    if parts is None:
        return None
    if type(parts) is str:
        return zoneinfo.ZoneInfo(parts)
    offset, *name = parts
    if not offset[0] and not offset[1] and not offset[2] and not name:
        return dt.UTC
    return dt.timezone(dt.timedelta(*offset), *name)


def _span(value: dt.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _datetime(value: dt.datetime) -> list[Any]:
    return [value.year, value.month, value.day, *_clock(value)]


def _clock(value: dt.datetime | dt.time) -> list[Any]:
    return [
        value.hour, value.minute, value.second, value.microsecond, value.fold, _zone(value.tzinfo),
    ]  # fmt: skip


def _read_datetime(parts: list[Any]) -> dt.datetime:
    *numbers, fold, zone = parts
    return dt.datetime(*numbers, tzinfo=_read_zone(zone), fold=fold)


def _read_time(parts: list[Any]) -> dt.time:
    *numbers, fold, zone = parts
    return dt.time(*numbers, tzinfo=_read_zone(zone), fold=fold)


def _array(value: array.array[Any]) -> list[Any]:
    if value.typecode == "u":
        return ["u", value.tounicode()]
    return [value.typecode, value.itemsize, sys.byteorder, value.tobytes()]


def _read_array(parts: list[Any]) -> array.array[Any]:
    if parts[0] == "u":
        return array.array("u", parts[1])
    code, size, order, data = parts
    value = array.array(code)
    if value.itemsize != size:
        raise ValueError(f"an array of {code!r} has items of {value.itemsize} bytes here, not {size}")
    value.frombytes(data)
    if order != sys.byteorder:
        value.byteswap()
    return value


def _ndarray(value: Any) -> list[Any]:
    import numpy  # noqa: PLC0415, ICN001 - only there if somebody else imported it

    if value.dtype.hasobject:
        raise unsendable(value, "an array of objects cannot be sent: send value.tolist()")
    description = numpy.lib.format.dtype_to_descr(value.dtype)
    return [description, list(value.shape), value.tobytes()]


def _read_ndarray(parts: list[Any]) -> Any:
    import numpy  # noqa: PLC0415, ICN001 - heavy, and only needed for what was sent as one

    description, shape, data = parts
    kind = numpy.lib.format.descr_to_dtype(description)
    return numpy.frombuffer(data, dtype=kind).reshape(shape).copy()


def _integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)


ENCODERS: dict[type, tuple[int, Callable[[Any], Any]]] = {
    tuple: (TUPLE, list),
    set: (SET, list),
    frozenset: (FROZENSET, list),
    int: (INTEGER, _integer),
    dt.datetime: (DATETIME, _datetime),
    dt.date: (DATE, dt.date.toordinal),
    dt.time: (TIME, _clock),
    dt.timedelta: (TIMEDELTA, _span),
    Decimal: (DECIMAL, str),
    uuid.UUID: (UUID, lambda value: value.bytes),
    re.Pattern: (PATTERN, lambda value: [value.pattern, value.flags]),
    array.array: (ARRAY, _array),
}

DECODERS: dict[int, Callable[[Any], Any]] = {
    TUPLE: tuple,
    SET: set,
    FROZENSET: frozenset,
    INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    DATETIME: _read_datetime,
    DATE: dt.date.fromordinal,
    TIME: _read_time,
    TIMEDELTA: lambda parts: dt.timedelta(*parts),
    DECIMAL: Decimal,
    UUID: lambda data: uuid.UUID(bytes=data),
    PATTERN: lambda parts: re.compile(*parts),
    ARRAY: _read_array,
    NDARRAY: _read_ndarray,
}

encode_ndarray = _ndarray
