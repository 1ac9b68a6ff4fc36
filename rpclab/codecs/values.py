"""The extension types: how each value that msgpack lacks is written and read.

Floor: codecs. `ENCODERS` maps a type to (code, parts); `DECODERS` a code to a reader of the parts,
which C packs in their turn, unless the code is one of `BYTES`. `KEYS` are watched where they come
as keys. What a subclass is told to do stands in `refusals`. A reader trusts nothing: what no peer
of ours writes, it refuses with a `RemoteProtocolError`; any other error says that the value cannot
be made here.
"""

from __future__ import annotations

import array
import datetime as dt
import functools
import re
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from rpclab.codecs.arrays import encode_array, read_array, read_ndarray
from rpclab.codecs.patterns import encode_pattern, read_pattern
from rpclab.codecs.refusals import malformed, unsendable
from rpclab.codecs.sharing import ignore

(TUPLE, SET, FROZENSET, INTEGER, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, PATTERN, ARRAY,
 NDARRAY, EXCEPTION, GRAPH, JOINT, NODE, INLINE, RECORD,
 BESIDE) = range(16, 36)  # fmt: skip

# A key is no path: it has no dots, is not absolute, and leads to no file but a zone's.
_ZONE_KEY = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")


def _zone(holder: dt.datetime | dt.time) -> Any:
    zone = holder.tzinfo
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [_span(offset), *name]
    if type(zone) is zoneinfo.ZoneInfo and _is_zone_key(zone.key):
        return zone.key
    error = unsendable(zone, "send the time in UTC, or with a zoneinfo.ZoneInfo that has a key")
    error.culprit = holder  # type: ignore[attr-defined]
    raise error


def _is_zone_key(key: object) -> bool:
    return type(key) is str and _ZONE_KEY.fullmatch(key) is not None


def _read_zone(parts: Any) -> dt.tzinfo | None:
    if parts is None:
        return None
    if type(parts) is str:
        if not _is_zone_key(parts):
            raise malformed("time zone", parts)
        return _Zones.named(parts)
    if type(parts) is not list or not 1 <= len(parts) <= 2 or type(parts[-1]) not in (str, list):
        raise malformed("time zone", parts)
    offset, *name = parts
    span = _read_timedelta(offset)
    if not span and not name:
        return dt.UTC
    try:
        return dt.timezone(span, *name)
    except (TypeError, ValueError) as error:
        raise malformed("time zone", parts) from error


class _Zones:
    """The time zones that are installed here."""

    some_missing = False

    @classmethod
    def named(cls, key: str) -> zoneinfo.ZoneInfo:
        """Give a zone.

        Raises:
            zoneinfo.ZoneInfoNotFoundError: there is none of that key.
        """
        # To look for a zone in vain takes long; so that is done once, and then there is a list.
        if cls.some_missing and key not in cls.installed():
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        try:
            return zoneinfo.ZoneInfo(key)
        except Exception:
            cls.some_missing = True
            raise

    @staticmethod
    @functools.cache
    def installed() -> set[str]:
        """The keys of all zones."""
        return zoneinfo.available_timezones()


def _span(value: dt.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _datetime(value: dt.datetime) -> list[Any]:
    return [value.year, value.month, value.day, *_clock(value)]


def _clock(value: dt.datetime | dt.time) -> list[Any]:
    return [
        value.hour, value.minute, value.second, value.microsecond, value.fold, _zone(value),
    ]  # fmt: skip


def _read_datetime(parts: Any) -> dt.datetime:
    year, month, day, *clock, fold, zone = _listed(parts, 9, "datetime")
    tzinfo = _read_zone(zone)
    try:
        hour, minute, second, microsecond = clock
        return dt.datetime(
            year, month, day, hour, minute, second, microsecond, tzinfo=tzinfo, fold=fold
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise malformed("datetime", parts) from error


def _read_date(ordinal: Any) -> dt.date:
    try:
        return dt.date.fromordinal(ordinal)
    except (TypeError, ValueError, OverflowError) as error:
        raise malformed("date", ordinal) from error


def _read_time(parts: Any) -> dt.time:
    hour, minute, second, microsecond, fold, zone = _listed(parts, 6, "time")
    tzinfo = _read_zone(zone)
    try:
        return dt.time(hour, minute, second, microsecond, tzinfo=tzinfo, fold=fold)
    except (TypeError, ValueError, OverflowError) as error:
        raise malformed("time", parts) from error


def _read_timedelta(parts: Any) -> dt.timedelta:
    try:
        # As an offset, which takes no fractions, and is no number of a peer's own type.
        days, seconds, microseconds = map(int.__index__, _listed(parts, 3, "timedelta"))
        return dt.timedelta(days, seconds, microseconds)
    except (TypeError, ValueError, OverflowError) as error:
        raise malformed("timedelta", parts) from error


def _listed(parts: Any, length: int, what: str) -> list[Any]:
    if type(parts) is not list or len(parts) != length:
        raise malformed(what, parts)
    return parts


def _read_decimal(text: Any) -> Decimal:
    if type(text) is not str:
        raise malformed("Decimal", text)
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise malformed("Decimal", text) from error


def _read_uuid(data: bytes) -> uuid.UUID:
    if len(data) != 16:
        raise malformed("UUID", data)
    return uuid.UUID(bytes=data)


def _integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)


def _read_tuple(parts: Any) -> tuple[Any, ...]:
    if type(parts) is not list:
        raise malformed("tuple", parts)
    return tuple(parts)


def _read_set(parts: Any) -> set[Any]:
    return set(_hashable(parts))


def _read_frozenset(parts: Any) -> frozenset[Any]:
    return frozenset(_hashable(parts))


def _hashable(parts: Any) -> list[Any]:
    if type(parts) is not list:
        raise malformed("set", parts)
    try:
        for part in parts:
            hash(part)
    except TypeError as error:
        raise malformed("set", parts) from error
    return parts


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
    re.Pattern: (PATTERN, encode_pattern),
    array.array: (ARRAY, encode_array),
}

DECODERS: dict[int, Callable[[Any], Any]] = {
    TUPLE: _read_tuple,
    SET: _read_set,
    FROZENSET: _read_frozenset,
    INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    DATETIME: _read_datetime,
    DATE: _read_date,
    TIME: _read_time,
    TIMEDELTA: _read_timedelta,
    DECIMAL: _read_decimal,
    UUID: _read_uuid,
    PATTERN: read_pattern,
    ARRAY: read_array,
    NDARRAY: read_ndarray,
}

BYTES = frozenset({INTEGER, UUID})
"""Those whose parts are bytes that stand in the frame as they are; C packs all others."""

KEYS = frozenset({TUPLE, FROZENSET, INTEGER, DATETIME, TIME, TIMEDELTA, DECIMAL, UUID})
"""Those whose values may be keys, and have a hash that whoever sends them can choose."""

ignore(ENCODERS)
