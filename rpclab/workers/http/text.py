"""Texts as bytes, as the platform's strings are.

Floor: workers.
"""

from __future__ import annotations

TEXT = "text/plain;charset=UTF-8"
"""The content type of a body that is a text."""


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
