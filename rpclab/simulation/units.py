"""Spans of time and rates of transfer, as numbers or as texts such as "80ms" and "1MB/s".

Floor: rpc.
"""

from __future__ import annotations

import math
import re

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0}
_BYTES = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
    "bit": 1 / 8, "kbit": 10**3 / 8, "Mbit": 10**6 / 8, "Gbit": 10**9 / 8,
}  # fmt: skip
_FORM = r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ]*)(/s)?\s*"


def seconds(value: object, what: str = "a time") -> float:
    """Read a span of time.

    Args:
        value: seconds, or a text such as "80ms", "1.5s", "2min".
        what: what it is, for the error.

    Raises:
        ValueError: it is below zero, not finite, or a text that is no time.
        TypeError: it is neither a number nor a text.
    """
    if isinstance(value, str):
        found = re.fullmatch(_FORM, value)
        if found is None or found[3] or found[2] not in _SECONDS:
            raise ValueError(
                f'{what} is seconds, or a text such as "80ms" or "1.5s", not {value!r}'
            )
        return float(found[1]) * _SECONDS[found[2]]
    number = _number(value, what)
    if not math.isfinite(number):
        raise ValueError(f"{what} is finite, not {value!r}")
    return number


def bytes_per_second(value: object, what: str = "a bandwidth") -> float:
    """Read a rate of transfer.

    Args:
        value: bytes a second, `math.inf`, or a text such as "1MB/s", "512KiB/s", "10Mbit/s" or
            "unlimited".
        what: what it is, for the error.

    Raises:
        ValueError: it is not above zero, or a text that is no rate.
        TypeError: it is neither a number nor a text.
    """
    if isinstance(value, str):
        if value.strip() == "unlimited":
            return math.inf
        found = re.fullmatch(_FORM, value)
        if found is None or not found[3] or found[2] not in _BYTES:
            raise ValueError(
                f'{what} is bytes a second, or a text such as "1MB/s", "512KiB/s", "10Mbit/s"'
                f' or "unlimited", not {value!r}'
            )
        number = float(found[1]) * _BYTES[found[2]]
    else:
        number = _number(value, what)
    if number == 0:
        raise ValueError(f"{what} is above zero; to let nothing through, cut the link (up=False)")
    return number


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is a number or a text, not {type(value).__name__}")
    if not value >= 0:
        raise ValueError(f"{what} is not below zero, as {value!r} is")
    return float(value)


def time_text(span: float) -> str:
    """Write a span of time, such as "80 ms"."""
    return f"{span:g} s" if span >= 1 or not span else f"{span * 1000:.4g} ms"


def rate_text(rate: float) -> str:
    """Write a rate of transfer, such as "1 MB/s"."""
    for unit in ("GB", "MB", "kB"):
        if rate >= _BYTES[unit]:
            return f"{rate / _BYTES[unit]:.4g} {unit}/s"
    return f"{rate:.4g} B/s"
