"""`connect`: to dial a peer, and hold its main.

Floor: net.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.errors import DisconnectedError, RpcError, refuse_in_browser
from rpclab.net import memory
from rpclab.net.addresses import Address, checked_token, parse_address
from rpclab.net.advice import unreached, with_advice
from rpclab.net.closing import broken
from rpclab.net.codecs import checked
from rpclab.net.connection import Connection
from rpclab.net.mains import main_of
from rpclab.net.streams import StreamWire
from rpclab.net.tls import TLS, client_context
from rpclab.previews import preview
from rpclab.rpc.local import home
from rpclab.workers.http.addresses import addresses_of, is_public
from rpclab.workers.network import LOCAL, PUBLIC, network_here

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from rpclab.net.backoff import Reconnect
    from rpclab.net.connection import Wire
    from rpclab.net.lasting import LastingConnection
    from rpclab.net.mains import Main
    from rpclab.net.web_dialling import DiallingWire
    from rpclab.rpc.engine import Engine
    from rpclab.rpc.stubs import RpcStub

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


class Dialling:
    """A connection that is going to be made: `await` it, or begin a block with `async with`.

    Args:
        address: of the peer.
        main: what it may call.
        options: those of `connect`.
    """

    def __init__(
        self,
        address: Address,
        main: Any,
        *,
        token: str | None,
        tls: TLS,
        headers: dict[str, str],
        codec: str | None,
        limits: Limits,
        connect_seconds: float,
        silence_seconds: float,
        idle_seconds: float,
    ) -> None:
        self.address = address
        self.token = checked_token(token if token is not None else address.token)
        self.tls = tls
        self.headers = headers
        self.codec = None if codec is None else checked(codec)
        self.limits = limits
        self.connect_seconds = connect_seconds
        self._silence = silence_seconds
        self._idle = idle_seconds
        self.here = home()
        self.engine = cast("Engine", self.here.host)
        if self.engine.guest is not None:
            raise RpcError(
                "a sandbox on the virtual clock cannot dial: its time would jump while the peer"
                ' answers; use Sandbox(clock="real")'
            )
        self.main: Main = main_of(main, self.here)
        self.network = network_here()
        self._connection: Connection | None = None

    def connection(
        self, wire: Wire, codec: Any = MsgpackCodec, *, signs: bool = True
    ) -> Connection:
        """Make the connection of a wire.

        Args:
            wire: carries it.
            codec: makes the codec.
            signs: whether the wire can ask for signs of life.
        """
        return Connection(
            self.engine,
            wire,
            here=self.here,
            far=self.engine.unused(self.here.worker, str(self.address)),
            codec=codec,
            main=self.main.hook(),
            limits=self.limits,
            unsent=self.limits.session_bytes,
            silence=self._silence if signs else math.inf,
            idle=self._idle,
        )

    def __await__(self) -> Generator[Any, None, Connection]:
        return self.open().__await__()

    async def open(self) -> Connection:
        """Dial. Gives the connection."""
        try:
            connection = await self.attempt()
        except BaseException:
            self.main.close()
            raise
        connection.on_end(lambda _: self.main.close())
        self._connection = connection
        return connection

    async def attempt(self) -> Connection:
        """Dial once; what the peer may call stays for the next time."""
        try:
            async with asyncio.timeout(self.connect_seconds):
                return await self._dial()
        except TimeoutError:
            raise TimeoutError(
                f"{self.address} did not answer within {self.connect_seconds:g} s"
                " (connect_seconds); is that where the server is, and what it speaks?"
            ) from None

    async def host(self) -> str:
        """Give the host to dial: of a Worker, an address that its sandbox lets it reach.

        It is dialled itself, and not its name: a second look-up could lead elsewhere.

        Raises:
            PermissionError: it may reach none that the name stands for.
        """
        address, reach = self.address, self.network.reach
        if reach == LOCAL:
            return address.host
        if reach == PUBLIC and address.host:
            for found in await addresses_of(address.host, address.port):
                if is_public(found):
                    return str(found)
        error = PermissionError(
            f"{address}: this sandbox lets its Workers reach "
            + ("public addresses alone" if reach == PUBLIC else "nothing over the network")
        )
        error.add_note('Sandbox(network="local") lets Workers reach all that this program can')
        raise error

    async def _dial(self) -> Connection:
        if self.network.reach != LOCAL:
            await self.host()
        scheme = self.address.scheme
        if scheme == "memory":
            return await memory.dial(self)
        refuse_in_browser(f"to dial {self.address}", "sockets")
        try:
            if scheme in ("ws", "wss"):
                from rpclab.net import web_dialling  # noqa: PLC0415 - needs a library

                return await web_dialling.dial(self)
            if scheme in ("http", "https"):
                from rpclab.net import batch_dialling  # noqa: PLC0415 - needs another

                return await batch_dialling.dial(self)
            return await self._dial_stream()
        except PermissionError:
            raise
        except ssl.SSLError as error:
            raise unreachable(self.address, error) from error
        except OSError as error:
            raise unreachable(self.address, error) from None

    async def _dial_stream(self) -> Connection:
        words = {} if self.token is None else {"token": self.token}

        def protocol() -> StreamWire:
            return StreamWire(
                words,
                dialled=self.address,
                greeted=lambda wire, _: self.connection(wire),
                most=self.limits.message_bytes,
            )

        return await self.join(protocol, secure=self.address.scheme == "tls")

    async def join(
        self, protocol: Callable[[], StreamWire | DiallingWire], *, secure: bool
    ) -> Connection:
        """Reach the address, and wait until both ends are ready to talk.

        Args:
            protocol: makes this end.
            secure: whether all is encrypted.

        Raises:
            OSError: nobody answers.
            DisconnectedError: whoever does opens no session.
        """
        address = self.address
        loop = asyncio.get_running_loop()
        if address.scheme == "unix":
            transport, wire = await loop.create_unix_connection(protocol, address.path)
        else:
            context = client_context(self.tls) if secure else None
            transport, wire = await loop.create_connection(
                protocol,
                await self.host(),
                address.port,
                ssl=context,
                server_hostname=None if context is None else address.host,
            )
        try:
            return await asyncio.shield(wire.ready)
        except BaseException:
            transport.abort()
            raise

    async def __aenter__(self) -> RpcStub:
        return (await self.open()).main

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()


def unreachable(address: Address, error: OSError) -> DisconnectedError:
    """What is raised where nobody answers at an address."""
    advice = unreached(address, error)
    return broken(with_advice(f"{address} cannot be reached: {error}", advice), error)
