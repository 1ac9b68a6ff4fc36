"""Numbers: what JavaScript has for them, `number` and `bigint`.

Floor: codecs.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from rpclab.codecs.refusals import malformed
from rpclab.errors import DataCloneError

MOST_SAFE = 2**53 - 1
"""The largest integer that a double tells from its neighbours; a larger one is a bigint."""

_MOST_DIGITS = 16_384  # of a bigint, with its sign; JavaScript's peers take no more
_MOST_BITS = 54_500
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)


def write_integer(value: int) -> Any:
    """Write an integer: as it is, or as a bigint.

    Raises:
        DataCloneError: it has too many digits.
    """
    if -MOST_SAFE <= value <= MOST_SAFE:
        return value
    # `Decimal` has no bound on digits; that of `str` holds for the whole program.
    text = str(Decimal(value)) if value.bit_length() < _MOST_BITS else ""
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
    return int(Decimal(text)) if len(text) > 4000 else int(text)


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
