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

from rpclab.codecs.records import RECORDS
from rpclab.codecs.refusals import unsendable
from rpclab.codecs.sharing import FORBIDDEN, ignore, is_ndarray
from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES
from rpclab.core.hooks import Hook
from rpclab.core.messages import SCALARS
from rpclab.core.targets import is_target
from rpclab.errors import DataCloneError

(TUPLE, SET, FROZENSET, INTEGER, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, PATTERN, ARRAY,
 NDARRAY, EXCEPTION, GRAPH, JOINT, NODE, INLINE, RECORD,
 BESIDE) = range(16, 36)  # fmt: skip


def _zone(holder: dt.datetime | dt.time) -> Any:
    zone = holder.tzinfo
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [_span(offset), *name]
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    error = unsendable(zone, "send the time in UTC, or with a zoneinfo.ZoneInfo that has a key")
    error.culprit = holder  # type: ignore[attr-defined]
    raise error


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
        value.hour, value.minute, value.second, value.microsecond, value.fold, _zone(value),
    ]  # fmt: skip


def _read_datetime(parts: list[Any]) -> dt.datetime:
    year, month, day, *clock = parts
    return dt.datetime.combine(dt.date(year, month, day), _read_time(clock))


def _read_time(parts: list[Any]) -> dt.time:
    hour, minute, second, microsecond, fold, zone = parts
    return dt.time(hour, minute, second, microsecond, _read_zone(zone), fold=fold)


def _array(value: array.array[Any]) -> list[Any]:
    if value.typecode == "u":  # its items have 2 bytes on some machines, and 4 on others
        return ["u", value.tounicode()]
    return [value.typecode, value.itemsize, sys.byteorder, value.tobytes()]


def _read_array(parts: list[Any]) -> array.array[Any]:
    if parts[0] == "u":
        return array.array(*parts)
    code, size, order, data = parts
    value = array.array(code)
    if value.itemsize != size:
        raise ValueError(f"items of {code!r} have {value.itemsize} bytes here, not {size}")
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
    value = numpy.empty(shape, kind)
    if value.nbytes:
        value[...] = numpy.ndarray(shape, kind, data)
    return value


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
    re.Pattern: (PATTERN, lambda value: [value.pattern, int(value.flags & ~re.DEBUG)]),
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

ignore(ENCODERS)


def can_be_sent(root: Any, nesting: int) -> bool:
    """Whether a value can be sent; exceptions always can. Nothing is packed or introduced."""
    level, seen = [root], {id(root)}
    for _ in range(nesting + 1):
        inside: list[Any] = []
        for value in level:
            kind = type(value)
            if kind in DICT_TYPES:
                inside += [*value.keys(), *value.values()]
            elif kind in CONTAINER_TYPES:
                inside += value
            elif not _is_sendable_leaf(value, kind):
                return False
        level = list({id(value): value for value in inside if id(value) not in seen}.values())
        seen.update(map(id, level))
        if not level:
            return True
    return False


def _is_sendable_leaf(value: Any, kind: type) -> bool:
    if kind in SCALARS or kind in (bytearray, memoryview) or isinstance(value, BaseException):
        return True
    if kind in ENCODERS:
        try:
            ENCODERS[kind][1](value)
        except DataCloneError:
            return False
        return True
    if is_ndarray(kind):
        return not value.dtype.hasobject
    if kind in RECORDS:
        return not getattr(value, "body_used", False)
    # A promise may still fail, so it is not taken along in an error.
    refers = is_target(value) or isinstance(value, Hook) or hasattr(kind, "__rpc_handle__")
    return refers and kind not in FORBIDDEN
