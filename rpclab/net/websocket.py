"""Sessions over WebSockets: `ws:` and `wss:`.

Floor: net. The handshake, and what else is no whole message (see `frames`), is the library
`websockets`' business, which waits for nothing; what is here gives it bytes, and takes messages. A
message of msgpack is a record in a binary frame (see
`transports.batches`), one of Cap'n Web a text frame. Nothing is compressed: who compresses what a
stranger chose, beside what is secret, tells of the secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rpclab.core.messages import Frame
from rpclab.errors import RemoteProtocolError
from rpclab.net.closing import BROKEN, broken, closed_there, say_end
from rpclab.net.codecs import MSGPACK
from rpclab.net.frames import BINARY, OTHER, TEXT, FrameReader, framed
from rpclab.net.socket_wires import HIGH, SocketWire
from rpclab.transports.batches import BATCH, BESIDE, batches, cut, unbatch

if TYPE_CHECKING:
    from rpclab.net.connection import Connection
    from rpclab.net.unfinished import Share

BINARY_MESSAGE = "the peer sent a binary message where it speaks Cap'n Web, which is text"
TEXT_MESSAGE = "the peer sent a text message where it speaks msgpack, which is binary"


class Messages:
    """What the messages of a WebSocket mean to the connection.

    Args:
        codec: the name of the codec that both speak.

    Attributes:
        connection: takes the batches.
    """

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.connection: Connection | None = None
        self._binary = codec == MSGPACK

    def receive(self, messages: list[bytes], *, binary: bool) -> None:
        """Take messages that came one after another.

        Raises:
            RemoteProtocolError: they are none of this codec.
        """
        connection = self.connection
        if connection is None:
            return
        if binary is not self._binary:
            raise RemoteProtocolError(BINARY_MESSAGE if binary else TEXT_MESSAGE)
        if not binary:
            # As one batch: what they are answered with leaves together, too.
            connection.receive(0, cast("list[Frame]", messages))
            return
        for data in messages:
            if not data or data[0] not in (BATCH, BESIDE):
                raise RemoteProtocolError("the peer sent a message of unknown kind")
            connection.receive(*unbatch(data))

    def written(self, seen: int, frames: list[Frame]) -> list[bytes]:
        """A batch as messages."""
        if self._binary:
            return [b"".join(pieces) for pieces in batches(seen, frames)]
        # A frame of Cap'n Web has nothing beside it.
        return cast("list[bytes]", frames)

    @property
    def is_binary(self) -> bool:
        """Whether messages are binary."""
        return self._binary


class WebSocketWire(SocketWire):
    """One end of a WebSocket.

    Args:
        protocol: the library's half: a ClientProtocol or a ServerProtocol.
        dialled: whether this end has dialled.
        most: how many bytes a message may have.

    Attributes:
        transport: carries the bytes.
        share: counts what has come of a message that is not whole yet, on the end that listens.
    """

    def __init__(self, protocol: Any, *, dialled: bool, most: int) -> None:
        super().__init__(listens=not dialled)
        self._protocol = protocol
        self._frames = FrameReader(masked=not dialled, most=most)
        self._head = b""  # the end of what has come of the handshake
        self._messages: Messages | None = None
        self.share: Share | None = None
        self._gathered = bytearray()  # of a message that comes in pieces
        self._kind = TEXT
        self._ended = False

    @property
    def held_by(self) -> Connection | None:
        return None if self._messages is None else self._messages.connection

    # What asyncio tells.

    def data_received(self, data: bytes | memoryview) -> None:
        if self._protocol.state == _CONNECTING:
            data = self._shake_hands(bytes(data))
        if self._protocol.state == _CONNECTING:
            self._protocol.receive_data(data)  # of a refusal
            self._go_on()
            return
        frames, whole = self._frames, False
        frames.apart = self._protocol.state != _OPEN
        for kind, found in frames.feed(data):
            whole = True
            if kind == OTHER:
                self._protocol.receive_data(found[0])
                self._go_on()
                frames.apart = self._protocol.state != _OPEN
            else:
                self._receive(kind, found)
        if not whole and self.held_by is not None:
            self.held_by.heard()  # a part of a large frame is a sign of life
        if self.share is not None and not self.share.fits(frames.held + len(self._gathered)):
            self._too_much(self.share)

    def _too_much(self, share: Share) -> None:
        if self.held_by is not None:
            self.held_by.lost(share.error())

    def _shake_hands(self, data: bytes) -> bytes:
        """Give the library the rest of the handshake. Gives what stands behind it."""
        before = len(self._head)
        whole = self._head + data
        end = whole.find(_END_OF_HEAD)
        taken = len(data) if end < 0 else end + len(_END_OF_HEAD) - before
        self._head = whole[-3:]
        self._protocol.receive_data(data[:taken])
        self._go_on()
        return data[taken:]

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._go_on()

    def _go_on(self) -> None:
        """Send what the library has to say, and take what it has understood."""
        self._put()
        events = self._protocol.events_received()
        for event in events:
            self._take(event)
        if not events and self.held_by is not None:
            self.held_by.heard()  # a part of a large frame is a sign of life
        self._put()
        if self._protocol.parser_exc is not None and not self._ended:
            self._failed(self._protocol.parser_exc)

    def _put(self) -> None:
        transport = self.transport
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
            else:
                say_end(transport)

    def _take(self, event: Any) -> None:
        """Take a frame, or what opens the WebSocket."""
        messages = self._messages
        if messages is None or messages.connection is None:
            self._open(event)
            return
        # RFC 6455, 5.2: 0 goes on with a message, 1 is text, 2 is binary, 8 closes.
        opcode = int(event.opcode)
        if opcode in (0, TEXT, BINARY):
            # Pieces of a few bytes, kept apart, would take many times what they hold.
            if opcode:
                self._kind = opcode
                self._gathered = bytearray()
            self._gathered += event.data
            if event.fin:
                whole, self._gathered = self._gathered, bytearray()
                self._receive(self._kind, [bytes(whole)])
        elif opcode == _CLOSE:
            closing = self._protocol.close_rcvd
            messages.connection.lost(closed_there(closing.reason, closing.code))
        else:
            messages.connection.heard()

    def _receive(self, kind: int, gathered: list[bytes]) -> None:
        """Take messages of one kind that came one after another."""
        messages = self._messages
        if self._ended or messages is None or messages.connection is None:
            return
        wrong = None
        if kind == TEXT and not b"".join(gathered).isascii():
            wrong = next((n for n, data in enumerate(gathered) if not _is_utf8(data)), None)
        if wrong is None or wrong > 0:
            try:
                messages.receive(gathered[:wrong], binary=kind == BINARY)
            except RemoteProtocolError as error:
                messages.connection.fault(error)
        if wrong is not None and not self._ended:
            self._protocol.fail(_INVALID_DATA, "a text message is no UTF-8")
            self._put()
            self._failed(RemoteProtocolError("the peer sent a text message that is no UTF-8"))

    def _open(self, event: Any) -> None:
        """Take what opens the WebSocket: a request, or the response to one."""
        raise NotImplementedError

    def _failed(self, error: Exception) -> None:
        """The other end breaks the rules of WebSockets, or has gone without a word."""
        self._ended = True
        connection = self.held_by
        if connection is None:
            return
        if isinstance(error, EOFError):
            connection.lost(closed_there("the connection broke", BROKEN))
        else:
            connection.lost(RemoteProtocolError(f"the peer broke the rules of WebSockets: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        if self.share is not None:
            self.share.give_back()
        connection = self.held_by
        if connection is not None:
            if error is not None:
                connection.lost(broken(f"the connection broke: {error}", error))
            connection.gone()

    # What the connection asks for.

    def send(self, seen: int, frames: list[Frame]) -> None:
        # The library may have read a close already that stands behind what is being answered.
        if self._ended or self._messages is None or self._protocol.state != _OPEN:
            return
        kind = BINARY if self._messages.is_binary else TEXT
        messages = self._messages.written(seen, frames)
        pieces = framed(kind, messages, masked=not self._listens)
        if sum(map(len, messages)) < HIGH:
            self.transport.write(b"".join(pieces))
        else:
            for piece in pieces:
                self.transport.write(piece)

    def ask(self) -> None:
        if not self._ended and self._protocol.state == _OPEN:
            self._protocol.send_ping(b"")
            self._put()

    def end(self, reason: str, code: int) -> None:
        self.transport.resume_reading()
        # What has come of a message is of no use to this end, and takes the room of others.
        self._frames.pass_by()
        self._gathered = bytearray()
        if self.share is not None:
            self.share.fits(self._frames.held)
        if not self._ended:
            self._ended = True
            if self._protocol.state == _OPEN:
                self._protocol.send_close(code, cut(reason).decode())
                self._put()


_CLOSE = 8  # RFC 6455, 5.2
_CONNECTING, _OPEN = 0, 1  # `websockets.protocol.State`
_END_OF_HEAD = b"\r\n\r\n"
_INVALID_DATA = 1007  # RFC 6455, 7.4.1


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
