"""Why a connection ends, as the close codes of WebSockets say it.

Floor: net. RFC 6455, section 7.4; 3000 is what Cap'n Web closes with.
"""

from __future__ import annotations

import asyncio
import ssl

from rpclab.errors import DisconnectedError

NORMAL, GOING, TOO_BIG, FAULT = 1000, 1001, 1009, 3000
NO_CODE, BROKEN = 1005, 1006

ENDINGS = frozenset({1002, 1003, 1007, 1008, TOO_BIG, 1010, FAULT})
"""Codes that tell who closes what is wrong with the other end: to dial again would end alike."""

STOPPING, FULL = "the server is stopping", "the server has too many sessions"
"""Why a server lets nobody in for a while."""


def closed_there(reason: str, code: int = NO_CODE) -> DisconnectedError:
    """What everything breaks with when the other side has closed the connection.

    Args:
        reason: what it says.
        code: the close code, if it is a WebSocket.
    """
    said = reason if code in (NO_CODE, NORMAL) else f"{code} {reason}".strip()
    error = DisconnectedError("the other side closed the connection" + f": {said}" * bool(said))
    error.retryable = code not in ENDINGS
    return error


def broken(why: str, error: BaseException | None = None) -> DisconnectedError:
    """What everything breaks with where the wire fails.

    To dial again may help, unless the two do not agree on TLS, or the system forbids it.

    Args:
        why: what is said.
        error: what has happened, if that is known.
    """
    made = DisconnectedError(why)
    ended = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
    made.retryable = ended or not isinstance(error, (ssl.SSLError, PermissionError))
    return made


def say_end(transport: asyncio.Transport) -> None:
    """Say that nothing more is sent, and let the other end close.

    To close here while something of the other end is unread would have TCP throw away what that
    has not read yet.
    """
    if not transport.can_write_eof():
        transport.close()
        return
    try:
        transport.write_eof()
    except OSError:  # the other end is gone
        transport.abort()
