"""Who is signed in: a cookie that says until when, with a signature that nobody else can make."""

from __future__ import annotations

import hashlib
import hmac
import time
from http.cookies import CookieError, SimpleCookie

from workers import Request

NAME = "session"
LASTS = 8 * 60 * 60  # seconds


def token(key: str, *, now: float | None = None) -> str:
    """Make the value of the cookie.

    Args:
        key: what it is signed with.
        now: the time, in seconds since 1970.
    """
    until = str(int((time.time() if now is None else now) + LASTS))
    return f"{until}.{_signature(until, key)}"


def cookie(value: str, url: str, *, seconds: int = LASTS) -> str:
    """Make the header Set-Cookie; scripts cannot read it, and other sites cannot have it sent."""
    secure = "; Secure" if url.startswith("https:") else ""
    return f"{NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def is_signed_in(request: Request, key: str, *, now: float | None = None) -> bool:
    """Whether a request has a cookie that was made with this key and still holds."""
    try:
        cookies = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return False
    until, _, signature = cookies[NAME].value.partition(".") if NAME in cookies else ("", "", "")
    if not same_text(signature, _signature(until, key)):
        return False
    return int(until) > (time.time() if now is None else now)


def same_text(one: str, other: str) -> bool:
    """Compare texts in a time that says nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _signature(until: str, key: str) -> str:
    return hmac.new(key.encode(), until.encode(), hashlib.sha256).hexdigest()
