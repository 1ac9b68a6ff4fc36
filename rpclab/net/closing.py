"""Why a connection ends, as the close codes of WebSockets say it.

Floor: net. RFC 6455, section 7.4; 3000 is what Cap'n Web closes with.
"""

from __future__ import annotations

import asyncio

from rpclab.errors import DisconnectedError

NORMAL, GOING, TOO_BIG, FAULT = 1000, 1001, 1009, 3000
NO_CODE, BROKEN = 1005, 1006


def closed_there(reason: str, code: int = NO_CODE) -> DisconnectedError:
    """What everything breaks with when the other side has closed the connection.

    Args:
        reason: what it says.
        code: the close code, if it is a WebSocket.
    """
    said = reason if code in (NO_CODE, NORMAL) else f"{code} {reason}".strip()
    error = DisconnectedError("the other side closed the connection" + f": {said}" * bool(said))
    error.retryable = code != FAULT
    return error


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
