"""Numbers: what JavaScript has for them, `number` and `bigint`.

Floor: codecs.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from rpclab.codecs.refusals import malformed
from rpclab.errors import DataCloneError

MOST_SAFE = 2**53 - 1
"""The largest integer that a double tells from its neighbours; a larger one is a bigint."""

_MOST_DIGITS = 16_384  # of a bigint, with its sign; JavaScript's peers take no more
_MOST_BITS = 54_500
# Python bounds the digits that are read or written at once, for the whole program, at 640 or more;
# and takes a time with the square of their number.
_PIECE = 512
_DIGITS_A_BIT = math.log10(2)
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)


def write_integer(value: int) -> Any:
    """Write an integer: as it is, or as a bigint.

    Raises:
        DataCloneError: it has too many digits.
    """
    if -MOST_SAFE <= value <= MOST_SAFE:
        return value
    sign, bits = "-" if value < 0 else "", value.bit_length()
    text = ""
    if bits < _MOST_BITS:
        text = sign + _digits(abs(value), math.ceil(bits * _DIGITS_A_BIT)).lstrip("0")
    if not text or len(text) > _MOST_DIGITS:
        raise DataCloneError(
            f"an integer has at most {_MOST_DIGITS:,} digits there; send it as bytes"
        )
    return ["bigint", text]


def read_integer(text: object) -> int:
    """Read a bigint.

    Raises:
        RemoteProtocolError: it is none.
    """
    if type(text) is not str or len(text) > _MOST_DIGITS or not _INTEGER.fullmatch(text):
        raise malformed("bigint", text)
    number = _number(text.lstrip("-"))
    return -number if text[0] == "-" else number


def _number(digits: str) -> int:
    if len(digits) <= _PIECE:
        return int(digits)
    half = len(digits) // 2
    return _number(digits[:-half]) * _power(half) + _number(digits[-half:])


def _digits(value: int, count: int) -> str:
    """The digits of an integer that has at most so many, with zeros in front."""
    if count <= _PIECE:
        return str(value).zfill(count)
    half = count // 2
    left, right = divmod(value, _power(half))
    return _digits(left, count - half) + _digits(right, half)


@lru_cache(maxsize=64)
def _power(digits: int) -> int:
    power: int = 10**digits
    return power


def write_float(value: float) -> Any:
    """Write a float; JSON has no text for some."""
    if math.isfinite(value):
        return value
    return ["nan"] if value != value else ["inf" if value > 0 else "-inf"]  # noqa: PLR0124 - nan


def read_number(value: int) -> int | float:
    """Read an integer as JavaScript does: one that is not safe is a double."""
    if -MOST_SAFE <= value <= MOST_SAFE:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
