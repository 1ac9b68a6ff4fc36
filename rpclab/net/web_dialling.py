"""To dial a WebSocket.

Floor: net. Needs the library `websockets`: the extra rpclab[serve].
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpclab.errors import DisconnectedError
from rpclab.net.advice import misunderstood, refused, unreached, with_advice, wordless
from rpclab.net.closing import broken
from rpclab.net.codecs import SUBPROTOCOLS, codec_named, offered, spoken
from rpclab.net.streams import seen
from rpclab.net.websocket import Messages, WebSocketWire

try:
    from websockets.client import ClientProtocol
    from websockets.exceptions import InvalidHeader, InvalidStatus
    from websockets.uri import parse_uri
except ModuleNotFoundError as missing:
    raise ImportError("a WebSocket needs the extra rpclab[serve]") from missing

if TYPE_CHECKING:
    from rpclab.net.connection import Connection
    from rpclab.net.dialling import Dialling

_SERVERS = 500  # statuses from there on are about the server
_FOR_NOW = (408, 425, 429)  # and these say to come again
_SHOWN = 200  # characters of what a server says instead of opening a WebSocket


class DiallingWire(WebSocketWire):
    """The end of a WebSocket that has dialled.

    Args:
        dialling: what is wanted.

    Attributes:
        ready: the connection, once the other end has opened it.
    """

    def __init__(self, dialling: Dialling) -> None:
        protocol = ClientProtocol(
            parse_uri(dialling.address.url()),
            subprotocols=offered(dialling.codec),  # type: ignore[arg-type]  # a NewType of str
            max_size=dialling.limits.message_bytes,
        )
        super().__init__(protocol, dialled=True, most=dialling.limits.message_bytes)
        self.ready: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(seen)
        self._dialling = dialling
        self._first = b""
        self._request = protocol.connect()
        try:
            if dialling.token is not None:
                self._request.headers["Authorization"] = f"Bearer {dialling.token}"
            for name, value in dialling.headers.items():
                if name in self._request.headers:
                    del self._request.headers[name]
                self._request.headers[name] = value
        except InvalidHeader as error:
            raise ValueError(str(error)) from None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._protocol.send_request(self._request)
        self._put()

    def data_received(self, data: bytes | memoryview) -> None:
        if self._messages is None:
            self._first = self._first or bytes(data[:_SHOWN])
        super().data_received(data)

    def _go_on(self) -> None:
        super()._go_on()
        failed = self._protocol.handshake_exc
        if failed is not None and not self.ready.done():
            self.ready.set_exception(self._refused(failed))

    def _open(self, event: Any) -> None:
        if self._protocol.handshake_exc is not None or self.ready.done():
            return
        del event
        codec = spoken(self._protocol.subprotocol)
        wanted = self._dialling.codec or codec
        if codec != wanted:
            self.ready.set_exception(
                DisconnectedError(
                    f"{self._dialling.address} opens no session: it does not speak"
                    f' {SUBPROTOCOLS[wanted]}, and codec="{wanted}" insists on that; install one'
                    " rpclab at both ends, or leave the codec to them"
                )
            )
            self.abort()
            return
        self._messages = Messages(codec)
        connection = self._dialling.connection(self, codec_named(codec))
        self._messages.connection = connection
        self.ready.set_result(connection)

    def _refused(self, error: Exception) -> DisconnectedError:
        address = self._dialling.address
        if isinstance(error, InvalidStatus):
            response = error.response
            body = bytes(response.body or b"")[:_SHOWN].decode("utf-8", "replace").strip()
            said = "".join(c if c.isprintable() else " " for c in body)
            text = f"{address} opens no session: {response.status_code} {said}".rstrip()
            knew = self._dialling.token is not None
            made = DisconnectedError(
                with_advice(text, refused(response.status_code, knew_token=knew))
            )
            made.retryable = response.status_code >= _SERVERS or response.status_code in _FOR_NOW
            return made
        advice = misunderstood(address, self._first)
        return DisconnectedError(with_advice(f"{address} opens no session: {error}", advice))

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self.ready.done():
            address = self._dialling.address
            why = str(error) if error is not None else "it closed the connection at once"
            advice = wordless(address) if error is None else unreached(address, error)
            text = with_advice(f"{address} opens no session: {why}", advice)
            self.ready.set_exception(broken(text, error))


async def dial(dialling: Dialling) -> Connection:
    """Open a WebSocket, and a session over it.

    Raises:
        OSError: nobody answers.
        DisconnectedError: whoever does opens no session.
    """
    return await dialling.join(lambda: DiallingWire(dialling), secure=dialling.address.is_secure)
