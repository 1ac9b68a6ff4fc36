"""A connection that is going to be made: what each way of dialling needs to know, and does alike.

Floor: net.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from typing import TYPE_CHECKING, Any, cast

from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.core.limits import Limits
from rpclab.errors import DisconnectedError, RpcError
from rpclab.net.addresses import Address, checked_token
from rpclab.net.advice import unanswered, unreached, with_advice
from rpclab.net.closing import broken
from rpclab.net.codecs import checked
from rpclab.net.connection import Connection
from rpclab.net.mains import main_of
from rpclab.net.tls import TLS, client_context
from rpclab.rpc.local import home
from rpclab.workers.http.public_addresses import addresses_of, is_public
from rpclab.workers.network import LOCAL, PUBLIC, network_here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from rpclab.net.connection import Wire
    from rpclab.net.mains import Main
    from rpclab.rpc.engine import Engine
    from rpclab.rpc.stubs import RpcStub


class Dialling:
    """A connection that is going to be made: `await` it, or begin a block with `async with`.

    Args:
        address: of the peer.
        main: what it may call.
        way: dials once.
        options: those of `connect`.
    """

    def __init__(
        self,
        address: Address,
        main: Any,
        way: Callable[[Dialling], Awaitable[Connection]],
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
        self._way = way
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
                f" (connect_seconds); {unanswered(self.address)}"
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
        try:
            return await self._way(self)
        except PermissionError:
            raise
        except ssl.SSLError as error:
            raise unreachable(self.address, error) from error
        except OSError as error:
            raise unreachable(self.address, error) from None

    async def join(self, protocol: Callable[[], Any], *, secure: bool) -> Connection:
        """Reach the address, and wait until both ends are ready to talk.

        Args:
            protocol: makes this end, a protocol of asyncio's; its `ready` is to be the connection.
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
    why = str(error) or "it closed the connection at once"
    return broken(with_advice(f"{address} cannot be reached: {why}", advice), error)
