"""Texts as bytes, as the platform's strings are; and as JSON.

Floor: workers.
"""

from __future__ import annotations

import json
from typing import Any

TEXT = "text/plain;charset=UTF-8"
"""The content type of a body that is a text."""

_SHOWN = 40  # characters of a text that an error quotes


def encoded(text: str) -> bytes:
    """Write a text in UTF-8; half a surrogate pair becomes U+FFFD, as JavaScript writes it."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        halves = text.encode("utf-16-le", "surrogatepass")
        return halves.decode("utf-16-le", "replace").encode()


def decoded(data: bytes) -> str:
    """Read UTF-8, without a byte order mark; what is none becomes U+FFFD."""
    return data.decode("utf-8-sig", "replace")


def from_json(text: str, what: str, **options: Any) -> Any:
    """Read JSON.

    Args:
        text: the JSON.
        what: says in errors what it is.
        options: those of `json.loads`.

    Raises:
        ValueError: it is none; the error says where it goes wrong.
    """
    try:
        return json.loads(text, **options)
    except RecursionError:
        error = ValueError("this is JSON of too great a depth")
    except ValueError as raised:
        error = raised
    shown = text[:_SHOWN] + "…" * (len(text) > _SHOWN)
    error.add_note(f"{what} is no JSON: {shown!r}")
    raise error
