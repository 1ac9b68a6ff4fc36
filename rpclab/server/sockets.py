"""WebSockets from outside: sessions of what was exposed.

Floor: server. Under a server of ours a WebSocket goes straight to the session (`ServedWire`); where
the application is mounted, through the server's own (`MountedWire`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from rpclab.errors import DisconnectedError, RemoteProtocolError
from rpclab.net.closing import NO_CODE, closed_there
from rpclab.net.codecs import chosen, codec_named, spoken
from rpclab.net.socket_wires import HIGH
from rpclab.net.websocket import Messages, WebSocketWire
from rpclab.server.access import Access
from rpclab.server.admission import Asked, Refusal, decoded, headers_of

try:
    from websockets.server import ServerProtocol
except ModuleNotFoundError as missing:
    raise ImportError("a server needs the extra rpclab[serve]") from missing

if TYPE_CHECKING:
    from rpclab.core.messages import Frame
    from rpclab.net.connection import Connection
    from rpclab.server.application import Application
    from rpclab.server.http import Message, Receive, Send

_NO_SESSION = 1008  # RFC 6455, 7.4.1: a policy is violated


class Door:
    """One WebSocket that wants in, and the lines that tell of it.

    Args:
        application: decides.
        asked: what is wanted.
        path: of what.
        client: the address it comes from.
    """

    def __init__(self, application: Application, asked: Asked, path: str, client: str) -> None:
        self._application = application
        self._asked = asked
        self._path = path
        self._client = client
        self._began = time.perf_counter()

    def refusal(self) -> Refusal | None:
        """Say why it is not let in; None if it is."""
        found = self._application.refuse_socket(self._asked, self._path)
        if found is not None:
            self._tell("WS", found.status, "not let in")
        return found

    def admit(self, wire: Any, messages: Messages, *, signs: bool) -> Connection:
        """Begin its session.

        Raises:
            DisconnectedError: nobody more is let in.
        """
        connection = self._application.admit_socket(
            self._path, wire, codec_named(messages.codec), signs=signs
        )
        messages.connection = connection
        self._tell("WS", HTTPStatus.SWITCHING_PROTOCOLS, "")
        connection.on_end(lambda error: self._tell("WS END", connection.code, str(error)))
        return connection

    def _tell(self, method: str, status: int, note: str) -> None:
        self._application.tell(
            Access(
                client=self._client,
                method=method,
                path=self._path,
                status=int(status),
                seconds=time.perf_counter() - self._began,
                worker=self._application.exposed_as(self._path),
                note=note[:100],
            )
        )


class ServedWire(WebSocketWire):
    """A WebSocket of uvicorn's, which makes one for each that is asked for.

    Args:
        config: uvicorn's; not used.
        server_state: the connections that uvicorn closes at its end.
        app_state: not used.
    """

    application: ClassVar[Application]

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        del config, app_state, _loop
        limits = self.application.limits.session
        protocol = ServerProtocol(
            select_subprotocol=_select,  # type: ignore[arg-type]  # a NewType of str
            subprotocols=["capnweb"],  # type: ignore[list-item]
            max_size=limits.message_bytes,
        )
        super().__init__(protocol, dialled=False, most=limits.message_bytes)
        self.share = self.application.sessions.unfinished.share()
        self._connections = server_state.connections
        self._client = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.add(self)
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if isinstance(peer, tuple) else ""

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._connections.discard(self)

    def shutdown(self) -> None:
        """What uvicorn calls at its end: the sessions are ended by the server's own."""
        if self._messages is None:
            self.transport.close()

    def _go_on(self) -> None:
        super()._go_on()
        if self._protocol.handshake_exc is not None:
            self._hang_up()

    def _open(self, event: Any) -> None:
        if self._messages is not None:
            return
        headers = headers_of((name.lower(), value) for name, value in event.headers.raw_items())
        secure = self.transport.get_extra_info("sslcontext") is not None
        path, _, query = event.path.partition("?")
        scope = {"path": path, "root_path": self.application.prefix}
        door = Door(
            self.application,
            Asked("GET", headers, query, is_socket=True),
            self.application.path_in(scope),
            self.application.client(self._client, headers, secure=secure).host,
        )
        refusal = door.refusal()
        if refusal is not None:
            self._reject(*refusal)
            return
        response = self._protocol.accept(event)
        self._protocol.send_response(response)
        self._put()
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._hang_up()
            return
        self._messages = Messages(spoken(self._protocol.subprotocol))
        try:
            door.admit(self, self._messages, signs=True)
        except DisconnectedError as error:
            self._protocol.send_close(_NO_SESSION, str(error))
            self._put()
            self._hang_up()

    def _reject(self, status: int, why: str) -> None:
        self._protocol.send_response(self._protocol.reject(status, why + "\n"))
        self._put()
        self._hang_up()

    def _hang_up(self) -> None:
        """No session begins: nobody is here to close it, should the other end not do so."""
        asyncio.get_running_loop().call_later(1, self.transport.abort)


def _select(_: Any, offers: Any) -> str | None:
    return chosen(offers)


def served(application: Application) -> type[ServedWire]:
    """The class of which uvicorn makes one for each WebSocket."""
    return type("ServedWire", (ServedWire,), {"application": application})


class MountedWire:
    """A WebSocket of whatever server the application is mounted in, as ASGI has it.

    Args:
        send: takes its messages.
        messages: what they mean.
    """

    def __init__(self, send: Send, messages: Messages) -> None:
        self._send = send
        self._messages = messages
        self._queue: deque[Message] = deque()
        self._size = 0
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._over = False

    def send(self, seen: int, frames: list[Frame]) -> None:
        if self._over:
            return
        kind = "bytes" if self._messages.is_binary else "text"
        for message in self._messages.written(seen, frames):
            data = message if kind == "bytes" else message.decode()
            self._put({"type": "websocket.send", kind: data}, len(message))

    def _put(self, message: Message, size: int = 0) -> None:
        self._queue.append(message)
        self._size += size
        if self._size > HIGH:
            self._room.clear()
        self._more.set()

    def ask(self) -> None:
        """ASGI knows of no signs of life: those are the server's business."""

    def end(self, reason: str, code: int) -> None:
        if not self._over:
            self._over = True
            self._put({"type": "websocket.close", "code": code, "reason": reason[:100]})
            self._more.set()

    def abort(self) -> None:
        self._over = True
        self._queue.clear()
        self._more.set()

    def unsent(self) -> int:
        return self._size

    async def pump(self) -> None:
        """Send what is queued, until this is over."""
        while True:
            while self._queue:
                message = self._queue.popleft()
                await self._send(message)
                self._size -= len(message.get("bytes") or message.get("text") or "")
                if self._size <= HIGH:
                    self._room.set()
                if self._messages.connection is not None:
                    self._messages.connection.heard()
                if message["type"] == "websocket.close":
                    return
            if self._over:
                return
            self._more.clear()
            await self._more.wait()

    async def listen(self, receive: Receive, connection: Connection) -> None:
        """Take what comes in, until the other end is gone."""
        while True:
            await self._room.wait()  # whoever does not read is not listened to
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._over = True
                reason, code = message.get("reason") or "", message.get("code") or NO_CODE
                connection.lost(closed_there(reason, code))
                return
            text = message.get("text")
            try:
                if text is not None:
                    data = text.encode("utf-8", "surrogatepass")
                    self._messages.receive([data], binary=False)
                else:
                    self._messages.receive([message["bytes"]], binary=True)
            except RemoteProtocolError as error:
                connection.fault(error)


async def mounted(application: Application, scope: Message, receive: Receive, send: Send) -> None:
    """Answer a WebSocket that another server hands over."""
    await receive()  # websocket.connect
    headers = headers_of(decoded(scope["headers"]))
    query = scope["query_string"].decode("latin-1")
    client = scope.get("client")
    door = Door(
        application,
        Asked("GET", headers, query, is_socket=True),
        application.path_in(scope),
        str(client[0]) if client else "",
    )
    refusal = door.refusal()
    if refusal is not None:
        await _refuse(scope, send, refusal)
        return
    subprotocol = chosen(scope.get("subprotocols", ()))
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    messages = Messages(spoken(subprotocol))
    wire = MountedWire(send, messages)
    connection = door.admit(wire, messages, signs=False)
    pump = asyncio.ensure_future(wire.pump())
    listen = asyncio.ensure_future(wire.listen(receive, connection))
    try:
        await asyncio.wait((pump, listen), return_when=asyncio.FIRST_COMPLETED)
    finally:
        wire.abort()
        connection.gone()
        for task in (pump, listen):
            task.cancel()
        await asyncio.gather(pump, listen, return_exceptions=True)


async def _refuse(scope: Message, send: Send, refusal: Refusal) -> None:
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({
            "type": "websocket.http.response.start",
            "status": refusal.status,
            "headers": [(b"content-type", b"text/plain; charset=utf-8")],
        })  # fmt: skip
        await send({"type": "websocket.http.response.body", "body": refusal.why.encode()})
    else:
        await send({"type": "websocket.close", "code": _NO_SESSION, "reason": refusal.why[:100]})
