"""Python's values as SQLite takes them.

Floor: workers.
"""

from __future__ import annotations

import operator
from typing import Any

Value = None | int | float | str | bytes

_CONVERSIONS = {
    "datetime": "value.isoformat()",
    "date": "value.isoformat()",
    "time": "value.isoformat()",
    "timedelta": "value.total_seconds()",
    "Decimal": "str(value)",
    "UUID": "str(value)",
    "dict": "json.dumps(value)",
    "list": "json.dumps(value)",
    "tuple": "json.dumps(value)",
    "set": "json.dumps(sorted(value))",
    "complex": "value.real and value.imag",
}


def sqlite_value(value: Any, what: str) -> Value:
    """Give a value as SQLite stores it: None, int, float, str or bytes.

    Args:
        value: one of these, or of a class derived from them, such as an `IntEnum`; what is an
            integer by `__index__`; a bytearray or memoryview. True and False become 1 and 0.
        what: says in errors which value it is.

    Raises:
        OverflowError: it is an integer of more than 64 bits.
        ValueError: it is a text with half a surrogate pair.
        TypeError: SQLite has no such type. Each says what to bind instead, in a note.
    """
    if value is None:
        return None
    # What a derived class says of itself, as an enumeration does, is not what is stored.
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        if not is_unicode(value):
            why = f"{what} has half a surrogate pair"
            raise not_storable(ValueError, why, "bind it encoded, as bytes")
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, int) or hasattr(type(value), "__index__"):
        number = int.__int__(value) if isinstance(value, int) else operator.index(value)
        if not -(2**63) <= number < 2**63:
            why = f"{what} is an int over 64 bits"
            raise not_storable(OverflowError, why, "bind str(value), as TEXT")
        return number
    kind = type(value).__name__
    conversion = _CONVERSIONS.get(kind, "a str, number or bytes made of it")
    why = f"{what} is of type '{kind}', which is not supported"
    raise not_storable(TypeError, why, f"bind {conversion}")


def not_storable(kind: type[Exception], why: str, advice: str) -> Exception:
    """Build the error of a value that SQLite cannot store."""
    error = kind(why)
    error.add_note(advice)
    return error


def check_sql(text: object) -> None:
    """Refuse what cannot be SQL, whatever it says.

    Raises:
        TypeError: it is no text.
        ValueError: it holds what SQLite would not take for a part of it.
    """
    if not isinstance(text, str):
        raise TypeError(f"SQL is a text, not {type(text).__name__}")
    if "\0" in text or not is_unicode(text):
        raise ValueError("SQL holds no NUL characters and no halves of surrogate pairs")


def is_unicode(text: str) -> bool:
    """Whether a text has no halves of surrogate pairs, so that it can be UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
