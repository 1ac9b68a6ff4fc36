"""What cannot be sent to JavaScript, in words: with the next step.

Floor: codecs. What can be sent nowhere, `codecs/refusals.py` knows.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from decimal import Decimal
from typing import Any

from rpclab.codecs.refusals import unsendable
from rpclab.errors import DataCloneError

PROTOTYPE = frozenset({
    "constructor", "toString", "toLocaleString", "valueOf", "hasOwnProperty", "isPrototypeOf",
    "propertyIsEnumerable", "__proto__", "__defineGetter__", "__defineSetter__",
    "__lookupGetter__", "__lookupSetter__", "toJSON",
})  # fmt: skip
"""The members that JavaScript's peers drop, wherever they stand."""

_ADVICE: dict[type, str] = {
    tuple: "JavaScript has no tuple: send list(value)",
    set: "Cap'n Web has no set: send sorted(value), or list(value)",
    frozenset: "Cap'n Web has no set: send sorted(value), or list(value)",
    dt.date: "JavaScript has no date without a time: send value.isoformat()",
    dt.time: "JavaScript has no time without a date: send value.isoformat()",
    dt.timedelta: "JavaScript has no timedelta: send value.total_seconds()",
    Decimal: "JavaScript has no Decimal: send str(value), or float(value)",
    uuid.UUID: "JavaScript has no UUID: send str(value)",
    re.Pattern: "Cap'n Web has no regular expression: send value.pattern",
}


def refusal(value: Any) -> DataCloneError:
    """Build the error of a value that has no form there."""
    return unsendable(value, _ADVICE.get(type(value), ""))


def naive(value: dt.datetime) -> DataCloneError:
    """Build the error of a time that does not say where."""
    return unsendable(
        value,
        "a Date of JavaScript is a moment: give the time its zone, with"
        " value.astimezone() or value.replace(tzinfo=timezone.utc)",
    )


def bad_key(value: dict[Any, Any], key: object) -> DataCloneError:
    """Build the error of a dict that cannot be an object there."""
    if type(key) is str:
        why = (
            f"JavaScript's peers drop a member called {key!r}: give it another name, or send"
            " [[key, value] for key, value in value.items()]"
        )
    else:
        why = (
            "the keys of an object are texts: send {str(key): value …}, or"
            " [[key, value] for key, value in value.items()]"
        )
    return unsendable(value, why)
