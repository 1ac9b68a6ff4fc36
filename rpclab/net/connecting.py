"""`connect`: to dial a peer, and hold its main.

Floor: net. Which way leads to an address is decided here; what each needs is a `Dialling`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, overload

from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.errors import refuse_in_browser
from rpclab.net import memory
from rpclab.net.addresses import parse_address
from rpclab.net.dialling import Dialling
from rpclab.net.streams import StreamWire
from rpclab.previews import preview

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpclab.net.backoff import Reconnect
    from rpclab.net.connection import Connection
    from rpclab.net.lasting import LastingConnection
    from rpclab.net.tls import TLS

CONNECT_SECONDS = 10.0
"""How long it may take until a peer has answered, where nothing else is said."""

SILENCE_SECONDS = 60.0
"""How long nothing at all may be heard of a peer, likewise."""


@overload
def connect(
    address: str,
    *,
    main: Any = None,
    token: str | None = None,
    tls: TLS = None,
    headers: Mapping[str, str] | None = None,
    codec: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    connect_seconds: float = CONNECT_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
    idle_seconds: float = math.inf,
    reconnect: Literal[False] = False,
) -> Dialling: ...


@overload
def connect(
    address: str,
    *,
    main: Any = None,
    token: str | None = None,
    tls: TLS = None,
    headers: Mapping[str, str] | None = None,
    codec: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    connect_seconds: float = CONNECT_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
    reconnect: Literal[True] | Reconnect,
) -> LastingConnection: ...


def connect(
    address: str,
    *,
    main: Any = None,
    token: str | None = None,
    tls: TLS = None,
    headers: Mapping[str, str] | None = None,
    codec: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    connect_seconds: float = CONNECT_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
    idle_seconds: float = math.inf,
    reconnect: bool | Reconnect = False,
) -> Dialling | LastingConnection:
    """Connect to a peer: any Cap'n Web peer, or another program with rpclab.

    As `async with rpclab.connect(…) as api`, `api` is the peer's main object, a stub, until the end
    of the block. As `connection = await rpclab.connect(…)` it is `connection.main`, until
    `await connection.close()`. What comes from the peer belongs to the connection: when that
    ends, for whatever reason, all of it breaks with the reason.

    Args:
        address: "unix:/path", "tcp:host:port", "tls:host:port", "ws://host/path", "wss://…";
            "http://…" and "https://…" for a batch: calls gather, and leave together when the first
            result is awaited; "memory:name" in the same program. `?token=` gives the token.
        main: what the peer may call in turn: a target, a function, a stub, a binding, or a class of
            targets.
        token: what the peer wants to know of whoever dials.
        tls: for `tls:`, `wss:` and `https:`: what `rpclab.certificates` makes, or an SSLContext.
        headers: of the request, for URLs of the web.
        codec: "msgpack" or "capnweb", for WebSockets; else the two find out what both speak.
        limits: bounds of the session.
        connect_seconds: how long the peer may take to answer; of a batch, to give all results.
        silence_seconds: how long nothing may be heard of the peer before it is given up.
        idle_seconds: how long nothing may happen, signs of life apart, before this end closes.
        reconnect: True, or a `rpclab.Reconnect`, makes a session anew whenever it is lost, and
            gives a `LastingConnection`. Until there was a first one it is tried for
            `connect_seconds` in all.

    Raises:
        ValueError: the address, the token, the codec or a header is none; or there is nothing to
            make anew: a batch has no session, and one that this end leaves is left.
        TypeError: main can be none, or reconnect is none.
        DisconnectedError: as it is awaited, the peer is not there, does not let us in, or speaks
            something else.
        PermissionError: likewise, a Worker dials what its sandbox does not let it reach.
        TimeoutError: likewise, the peer did not answer in time.
        ImportError: likewise, an extra is not installed: rpclab[serve] for WebSockets,
            rpclab[http] for batches.
    """
    parsed = parse_address(address)
    if reconnect is not False:
        from rpclab.net.backoff import Reconnect  # noqa: PLC0415 - for those who need it

        how = Reconnect() if reconnect is True else reconnect
        if not isinstance(how, Reconnect):
            raise TypeError(
                f"reconnect is True, or an rpclab.Reconnect(…), not {preview(how)}: pauses and"
                " bounds are parameters of that, such as Reconnect(seconds=60)"
            )
        if parsed.scheme in ("http", "https"):
            raise ValueError(f"{parsed} is for batches, which have no session: use ws: or wss:")
        if idle_seconds != math.inf:
            raise ValueError("idle_seconds ends a session, and reconnect would make it anew")
    dialling = Dialling(
        parsed,
        main,
        _dial,
        token=token,
        tls=tls,
        headers=dict(headers or {}),
        codec=codec,
        limits=limits,
        connect_seconds=connect_seconds,
        silence_seconds=silence_seconds,
        idle_seconds=idle_seconds,
    )
    if reconnect is False:
        return dialling
    from rpclab.net.lasting import LastingConnection  # noqa: PLC0415 - as above

    return LastingConnection(dialling, how)


async def _dial(dialling: Dialling) -> Connection:
    """Dial, in the way that leads to the address."""
    scheme = dialling.address.scheme
    if scheme == "memory":
        return await memory.dial(dialling)
    refuse_in_browser(f"to dial {dialling.address}", "sockets")
    if scheme in ("ws", "wss"):
        from rpclab.net import web_dialling  # noqa: PLC0415 - needs a library

        return await web_dialling.dial(dialling)
    if scheme in ("http", "https"):
        from rpclab.net import batch_dialling  # noqa: PLC0415 - needs another

        return await batch_dialling.dial(dialling)
    words = {} if dialling.token is None else {"token": dialling.token}
    return await dialling.join(
        lambda: StreamWire(
            words,
            dialled=dialling.address,
            greeted=lambda wire, _: dialling.connection(wire),
            most=dialling.limits.message_bytes,
        ),
        secure=scheme == "tls",
    )
