"""Sessions over byte streams: `unix:`, `tcp:` and `tls:`.

Floor: net. Both sides begin with `MAGIC` and a HELLO. Whoever dialled says in it what it was asked
for, and waits for that of the other side; whoever was called answers once it lets it in.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpclab.errors import DisconnectedError, RemoteProtocolError, RpcError
from rpclab.net.advice import ANOTHER, misunderstood, unreached, with_advice, wordless
from rpclab.net.closing import FAULT, FULL, STOPPING, broken, closed_there, say_end
from rpclab.net.socket_wires import SocketWire
from rpclab.transports.batches import (
    BATCH,
    BESIDE,
    BYE,
    LENGTH_BYTES,
    MAGIC,
    PING,
    PONG,
    OtherVersion,
    RecordReader,
    batches,
    framed,
    framed_alone,
    goodbye,
    hello,
    read_hello,
    unbatch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.messages import Frame
    from rpclab.net.addresses import Address
    from rpclab.net.connection import Connection
    from rpclab.net.unfinished import Share

    Greeted = Callable[["StreamWire", dict[str, Any]], Connection | None]

WANTS_TOKEN = "it wants its token: connect(…, token=…)"  # noqa: S105 - why nobody is let in
_SHOWN = 40  # bytes of what the other end says first
_LARGE = 64 * 1024  # pieces from which on to join them costs more than to send them one by one


def seen(future: asyncio.Future[Any]) -> None:
    """Take note of what a future holds: if it is an error, nobody need be told of it."""
    if not future.cancelled():
        future.exception()


class StreamWire(SocketWire):
    """One end of a byte stream.

    Args:
        words: what this end says in its HELLO: at once if it has dialled, else when it lets the
            other one in.
        dialled: the address that it has dialled; None where it listens.
        greeted: is given the HELLO of the other end, and gives the connection. It may raise an
            RpcError: then the other end is told why, and this is over.
        most: how many bytes a message may have.

    Attributes:
        ready: the connection, on the end that dialled.
        share: counts what has come of a record that is not whole yet, on the end that listens.
    """

    def __init__(
        self, words: dict[str, Any], *, dialled: Address | None, greeted: Greeted, most: int
    ) -> None:
        super().__init__(listens=dialled is None)
        self._words = words
        self._dialled = dialled
        self._greeted = greeted
        self._reader = RecordReader(most)
        self._connection: Connection | None = None
        self._ended = False
        self._late: asyncio.TimerHandle | None = None
        self._patience: float | None = None
        self._first = b""
        self.share: Share | None = None
        self.ready: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        # Whoever listens does not wait for it, and whoever dials may have given up.
        self.ready.add_done_callback(seen)

    def expect(self, seconds: float) -> None:
        """Give the other end up if it has not introduced itself so long after it has come."""
        self._patience = seconds

    def _is_late(self, seconds: float) -> None:
        if self._connection is None:
            self._refuse(f"no greeting came within {seconds:g} s")

    @property
    def held_by(self) -> Connection | None:
        return self._connection

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.unsent = self.transport.get_write_buffer_size  # type: ignore[method-assign]
        if self._patience is not None:
            # Under TLS there is nobody to talk to before this, and maybe never.
            loop = asyncio.get_running_loop()
            self._late = loop.call_later(self._patience, self._is_late, self._patience)
        if self._dialled:
            self._write([MAGIC, *framed([hello(self._words)])])

    def data_received(self, data: bytes | memoryview) -> None:
        connection = self._connection
        if self._ended:
            return  # what comes now only has to be read
        if connection is None:
            self._first = self._first or bytes(data[:_SHOWN])
        whole = False
        try:
            if connection is not None and self._reader.is_one(data):
                if data[LENGTH_BYTES] == BATCH:
                    connection.receive(*unbatch(data[LENGTH_BYTES:]))
                else:
                    self._take(connection, data[LENGTH_BYTES:])
                return
            for record in self._reader.feed(data):
                whole = True
                self._receive(record)
        except RemoteProtocolError as error:
            self._fault(error)
        if not whole and self._connection is not None:
            self._connection.heard()  # a part of a large record is a sign of life
        if self.share is not None and not self.share.fits(self._reader.held):
            if self._connection is not None:
                self._connection.lost(self.share.error())
            else:
                self._refuse(str(self.share.error()))

    def _receive(self, record: bytes | memoryview) -> None:
        if self._ended:
            return  # since the record before
        if self._connection is None:
            self._meet(record)
        else:
            self._take(self._connection, record)

    def _meet(self, record: bytes | memoryview) -> None:
        """The first record of the other end: its HELLO, or why it does not let us in."""
        if record[0] == BYE and self._dialled:
            why = _text(record)
            knew = "token" in self._words
            advice = ANOTHER if knew and why == WANTS_TOKEN else ""
            text = f"the other side did not let us in: {why}"
            refused = DisconnectedError(with_advice(text, advice))
            refused.retryable = why in (STOPPING, FULL)
            self._fail(refused)
            return
        words = read_hello(record)
        self._reader.welcome()
        try:
            connection = self._greeted(self, words)
        except RpcError as error:
            if self._late is not None:
                self._late.cancel()
            self._refuse(str(error))
            return
        if not self._dialled:
            self._write([MAGIC, *framed([hello(self._words)])])
        self._connection = connection
        if self._late is not None:
            self._late.cancel()
        if connection is not None and not self.ready.done():
            self.ready.set_result(connection)

    def _take(self, connection: Connection, record: bytes | memoryview) -> None:
        kind = record[0]
        if kind in (BATCH, BESIDE):
            connection.receive(*unbatch(record))
        elif kind == PING:
            self._write(framed([bytes([PONG])]))
            connection.heard()
        elif kind == PONG:
            connection.heard()
        elif kind == BYE:
            connection.lost(closed_there(_text(record)))
        else:
            raise RemoteProtocolError(f"the peer sent a record of unknown kind {kind}")

    def _fault(self, error: RemoteProtocolError) -> None:
        """The other end breaks the rules of the wire."""
        if self._connection is not None:
            self._connection.fault(error)
        elif self._dialled is not None:
            advice = misunderstood(self._dialled, self._first)
            self._fail(RemoteProtocolError(with_advice(str(error), advice)))
        else:
            self._refuse(str(error), error.magic if isinstance(error, OtherVersion) else MAGIC)

    def _refuse(self, why: str, magic: bytes = MAGIC) -> None:
        """Do not let the other end in, and say why."""
        if not self._ended:
            if not self._dialled:
                self._write([magic])
            self.end(why, FAULT)
            # Whoever sent what is no greeting may not read either.
            self._late = asyncio.get_running_loop().call_later(1, self.abort)

    def _fail(self, error: BaseException) -> None:
        self._ended = True
        if not self.ready.done():
            self.ready.set_exception(error)
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        if self.share is not None:
            self.share.give_back()
        if self._late is not None:
            self._late.cancel()
        if self._connection is not None:
            if error is not None:
                self._connection.lost(broken(f"the connection broke: {error}", error))
            self._connection.gone()
        elif not self.ready.done():
            why = str(error) if error is not None else "it closed the connection at once"
            advice = wordless(self._dialled) if self._dialled is not None else ""
            if error is not None and self._dialled is not None:
                advice = unreached(self._dialled, error)
            text = with_advice(f"the other side is not there: {why}", advice)
            self.ready.set_exception(broken(text, error))

    # What the connection asks for.

    def send(self, seen: int, frames: list[Frame]) -> None:
        if self._ended:
            return
        if len(frames) == 1 and type(frames[0]) is bytes and len(frames[0]) < _LARGE:
            self.transport.write(framed_alone(seen, frames[0]))
            return
        for pieces in batches(seen, frames):
            self._write(framed(pieces))

    def _write(self, pieces: list[bytes]) -> None:
        if len(pieces) == 1:
            self.transport.write(pieces[0])
            return
        small: list[bytes] = []
        for piece in pieces:
            if len(piece) < _LARGE:
                small.append(piece)
                continue
            if small:
                self.transport.write(b"".join(small))
                small.clear()
            self.transport.write(piece)
        if small:
            self.transport.write(b"".join(small))

    def ask(self) -> None:
        self._write(framed([bytes([PING])]))

    def end(self, reason: str, code: int) -> None:
        del code
        if not self._ended:
            self._ended = True
            self._write(framed([goodbye(reason)]))
            self.transport.resume_reading()
            say_end(self.transport)


def _text(record: bytes | memoryview) -> str:
    return bytes(record[1:]).decode("utf-8", "replace")
