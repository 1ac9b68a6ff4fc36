"""What KV takes: keys, values, options, and how large each may be.

Floor: workers. The words of the errors are the platform's, as `workerd` says them.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.errors import KVError, near
from rpclab.workers.http.text import encoded
from rpclab.workers.javascript_names import PYTHON_NAMES
from rpclab.workers.request_counts import TOO_MANY, count_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpclab.workers.kv.limits import KVLimits

TYPES = ("text", "json", "arrayBuffer", "stream", "bytes")
"""What a value can be read as; "bytes" is our own word."""

BODY_TYPES = (
    "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values."
)
UNKNOWN_TYPE = (
    'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".'
)

_INT32 = range(-(2**31), 2**31)
_RANGE = "Value out of range. Must be between -2147483648 and 2147483647 (inclusive)."
_FIRST_EXPONENT = 1e21  # JavaScript writes numbers from here on with an exponent,
_LAST_FRACTION = 1e-6  # and those below this


class Expiry(NamedTuple):
    """When a key expires: in seconds since 1970, and in how many seconds from now."""

    expiration: int
    seconds: float


def failed(method: str, status: int, why: str, advice: str = "") -> KVError:
    """Build the error of an operation.

    Args:
        method: as the platform calls it: GET, GET_BULK, PUT or DELETE.
        status: the HTTP status of the platform's answer.
        why: what is wrong.
        advice: what to do, where there is something to say.
    """
    error = KVError(f"KV {method} failed: {status} {why}")
    error.status = status
    if advice:
        error.add_note(advice)
    return error


def check_requests(limits: KVLimits) -> None:
    """Count a request.

    Raises:
        KVError: the running invocation has made too many.
    """
    advice = count_request(limits)
    if advice:
        error = KVError(TOO_MANY)
        error.status = 429
        error.add_note(advice)
        raise error


def options(
    method: str, known: tuple[str, ...], given: Any, named: Mapping[str, Any]
) -> dict[str, Any]:
    """Read the options of an operation, in either spelling.

    Args:
        method: its name, for errors.
        known: the names there are, in Python's spelling.
        given: a dict of options, or None.
        named: those that are given by name.

    Returns:
        Those that are not None, by their names in Python.

    Raises:
        TypeError: there is no such option, or it is given twice.
    """
    if given is not None and not isinstance(given, dict):
        raise TypeError(f"the options of {method}() are a dict, not {type(given).__name__}")
    found: dict[str, Any] = {}
    for name, value in [*(given or {}).items(), *named.items()]:
        python_name = PYTHON_NAMES.get(name, name)
        if python_name not in known:
            error = TypeError(f"{method}() has no option {name!r}")
            error.add_note(near(str(name), known) or "it has none")
            raise error
        if python_name in found:
            raise TypeError(f"{method}() is given the option {python_name} twice")
        found[python_name] = value
    return {name: value for name, value in found.items() if value is not None}


def key_bytes(key: Any, method: str, limits: KVLimits) -> bytes:
    """Give a key as it is stored.

    Raises:
        TypeError: it can be none.
        KVError: it is too long.
    """
    data = _name(key)
    if not data:
        raise TypeError("Key name cannot be empty.")
    if data in (b".", b".."):
        raise TypeError(f'"{data.decode()}" is not allowed as a key name.')
    return within(data, method, limits)


def bulk_key_bytes(key: Any, limits: KVLimits) -> bytes:
    """Give one of several keys as it is stored; the platform words what is wrong differently.

    Raises:
        TypeError: it is no text.
        KVError: it can be no key.
    """
    data = _name(key)
    if not data:
        raise failed("GET_BULK", 400, "Key names must not be empty")
    if data in (b".", b".."):
        why = f'Illegal key name "{data.decode()}". Please use a different name.'
        raise failed("GET_BULK", 400, why)
    return within(data, "GET_BULK", limits)


def within(key: bytes, method: str, limits: KVLimits) -> bytes:
    """Give a key, or the beginning of keys, unless it is too long.

    Raises:
        KVError: it is.
    """
    if len(key) > limits.key_bytes:
        why = f"UTF-8 encoded length of {len(key)} exceeds key length limit of {limits.key_bytes}."
        raise failed(method, 414, why)
    return key


def _name(key: Any) -> bytes:
    if isinstance(key, (str, int, float)):
        return encoded(as_javascript_text(key))
    error = TypeError(f"a key is a text, not {type(key).__name__}")
    if key is None:
        error.add_note('on the platform this would be the key "null"')
    raise error


def as_javascript_text(value: str | float | None) -> str:
    """Write a value as JavaScript's `String(value)` does: True as "true", 1.0 as "1"."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, int) else _number_text(float(value))


def _number_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    if _LAST_FRACTION <= abs(number) < _FIRST_EXPONENT:
        return f"{Decimal(repr(number)).normalize():f}"
    text = "".join(map(str, digits))
    power = int(exponent) + len(text) - 1
    fraction = f".{text[1:]}" if text[1:] else ""
    return f"{'-' * sign}{text[0]}{fraction}e{power:+d}"


def whole(value: Any, option: str) -> int:
    """Read an option that is a whole number, as the platform does.

    Raises:
        TypeError: it is no number, or out of range.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = 0
    if not isinstance(value, (int, float)):
        raise TypeError(f"{option} is a number of seconds, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        return 0
    if int(value) not in _INT32:
        raise TypeError(_RANGE)
    return int(value)


def expiry(given: Mapping[str, Any], now: float, limits: KVLimits) -> Expiry | None:
    """Say when a key is to expire; None if it never does.

    Args:
        given: the options of `put`.
        now: the seconds since 1970.
        limits: the bounds that hold.

    Raises:
        TypeError: one of the times is no number.
        KVError: it is too early.
    """
    if "expiration_ttl" in given:
        ttl = whole(given["expiration_ttl"], "expiration_ttl")
        if ttl <= 0:
            why = f"Invalid expiration_ttl of {ttl}. Please specify integer greater than 0."
            raise failed("PUT", 400, why)
        if ttl < limits.least_ttl:
            least = f"Expiration TTL must be at least {limits.least_ttl}."
            raise failed("PUT", 400, f"Invalid expiration_ttl of {ttl}. {least}")
        return Expiry(int(now) + ttl, ttl)
    if "expiration" in given:
        time = whole(given["expiration"], "expiration")
        if time <= int(now):
            why = (
                f"Invalid expiration of {time}. Please specify integer greater than the current"
                " number of seconds since the UNIX epoch."
            )
            raise failed("PUT", 400, why, "expiration_ttl is the number of seconds from now")
        if time < int(now) + limits.least_ttl:
            why = (
                f"Invalid expiration of {time}. Expiration times must be at least"
                f" {limits.least_ttl} seconds in the future."
            )
            raise failed("PUT", 400, why)
        return Expiry(time, time - now)
    return None


def metadata_text(value: Any, limits: KVLimits) -> str | None:
    """Write metadata as JSON.

    Raises:
        TypeError: it is no JSON value.
        KVError: it is too large.
    """
    if value is None:
        return None
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the metadata must be a JSON value: {error}") from None
    data = encoded(text)
    if len(data) > limits.metadata_bytes:
        why = f"Metadata length of {len(data)} exceeds limit of {limits.metadata_bytes}."
        raise failed("PUT", 413, why, "what is larger belongs into the value")
    return data.decode()


def too_large(length: int, limits: KVLimits) -> KVError:
    """Build the error of a value that is too large."""
    return failed("PUT", 413, f"Value length of {length} exceeds limit of {limits.value_bytes}.")


def type_name(value: Any) -> str:
    """Read what type of value is wanted.

    Raises:
        TypeError: there is none of that name.
    """
    if value not in TYPES:
        raise TypeError(UNKNOWN_TYPE)
    return str(value)


def check_cache_ttl(given: Mapping[str, Any], method: str, limits: KVLimits) -> None:
    """Refuse a time that the platform refuses; nothing is cached here.

    Raises:
        TypeError: it is no number.
        KVError: it is too short.
    """
    if "cache_ttl" in given:
        ttl = whole(given["cache_ttl"], "cache_ttl")
        if ttl < limits.least_cache_ttl:
            least = f"Cache TTL must be at least {limits.least_cache_ttl}."
            raise failed(method, 400, f"Invalid cache_ttl of {ttl}. {least}")


def list_limit(given: Mapping[str, Any], limits: KVLimits) -> int:
    """Read how many keys are wanted; 0 and less mean as many as there may be.

    Raises:
        TypeError: it is no number.
        KVError: it is too many.
    """
    limit = whole(given.get("limit", 0), "limit")
    if limit > limits.keys_listed:
        why = (
            f"Invalid key_count_limit of {limit}. Please specify an integer less than"
            f" {limits.keys_listed}."
        )
        raise failed("GET", 400, why)
    return limit if limit > 0 else limits.keys_listed
