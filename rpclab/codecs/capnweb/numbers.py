"""Numbers: what JavaScript has for them, `number` and `bigint`.

Floor: codecs.
"""

from __future__ import annotations

import math
import re
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
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)


def write_integer(value: int) -> Any:
    """Write an integer: as it is, or as a bigint.

    Raises:
        DataCloneError: it has too many digits.
    """
    if -MOST_SAFE <= value <= MOST_SAFE:
        return value
    sign = "-" if value < 0 else ""
    # One that is too large by a digit has as many pieces, of which the first is larger.
    text = sign + _digits(abs(value)).lstrip("0") if value.bit_length() < _MOST_BITS else ""
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
    scale: int = 10**half
    return _number(digits[:-half]) * scale + _number(digits[-half:])


def _digits(value: int, count: int = 32 * _PIECE) -> str:
    """The digits of an integer that has at most so many, with zeros in front."""
    if count <= _PIECE:
        return str(value).zfill(count)
    half = count // 2
    left, right = divmod(value, 10**half)
    return _digits(left, half) + _digits(right, half)


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
