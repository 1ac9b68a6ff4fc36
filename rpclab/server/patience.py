"""HTTP connections that uvicorn would wait for without end: bounded in time and in bytes.

Floor: server. The parser of httptools keeps what it reads of a head, and of what follows a body,
for as long as it comes.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from contextvars import Context
from typing import TYPE_CHECKING, Any, ClassVar

import uvicorn

from rpclab.net.limits import ServerLimits
from rpclab.net.reading import Reading
from rpclab.server.access import Access
from rpclab.server.http import LEFT

if TYPE_CHECKING:
    from rpclab.server.application import Application

_Base: Any
try:
    from rpclab.server.at_once import AtOnce as _Base
except ModuleNotFoundError:  # without httptools requests are read in Python
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Base

_FAREWELL = 5.0  # seconds for the other end to say that it has seen the end of TLS
_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})
_WAITING = 32  # requests that may wait on one connection behind the one that is answered
_TELLS = hasattr(_Base, "on_headers_complete")  # whether the parser says what it has read


_quiet = logging.getLogger("rpclab.server.connections")
_quiet.addFilter(lambda record: record.levelno > logging.WARNING)


class Patient(_Base, Reading):  # type: ignore[misc]  # which of two it is, shows at run time
    """A connection of uvicorn's. Whoever does not get on with it, or asks too much, is cut off.

    In time: the head of a request is there in `head_seconds`, all of it; the rest of a body that
    nobody reads any more in `body_seconds`; what was answered leaves at `body_rate`. In bytes:
    what comes and is neither a whole head nor a part of a body is at most `head_bytes` long. (How
    long a body takes that a Worker reads is watched where it is read.)
    """

    application: ClassVar[Application]
    limits: ClassVar[ServerLimits]
    undecided: bytes | None = None
    between = False  # whether no request is under way, nor its head, as far as is known
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    _left: asyncio.Event | None = None
    _bare = 0  # bytes that have come since a head or a part of a body
    _got_on = False  # whether there was either in what comes now
    _in_head = False
    _handed_over = False
    _deaf = False  # whether what comes now belongs to no request
    _refused = False  # whether the one that came last is not answered

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.logger = _quiet  # the lines of access tell of what strangers do wrong
        self._expect(self.limits.head_seconds)

    def data_received(self, data: bytes | memoryview) -> None:
        if self._deaf:
            return
        self._got_on = False
        super().data_received(data)
        if self.undecided is not None:
            self.go_the_long_way()  # the rest of its body is still to come
        if self._handed_over:
            return  # what comes now, and how long it takes, is watched by the WebSocket
        if self._refused:
            self.send_400_response("A request with a body cannot ask for another protocol.")
            return
        if not _TELLS and not self._is_answered():
            self._got_on = True
            self._forget()
        self._bare = 0 if self._got_on else self._bare + len(data)
        if self._bare > self.limits.head_bytes or len(self.pipeline) > _WAITING:
            self.transport.abort()
        elif self._late is None and not self.between and self._is_answered():
            self._expect(self.limits.head_seconds)

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
        # Else it stands behind a body. Nobody reads such a one, and the request has been let in
        # by the headers that it had.

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._got_on = True
        self._forget()
        if not self.url.startswith(b"/"):
            self._take_host_of_url()
        if self.parser.should_upgrade() and not self._should_upgrade():
            # The parser reads no further, not even the body that is announced: what comes behind
            # the head is not to be taken for another request.
            self._deaf = True
            if any(name in _OF_A_BODY and value != b"0" for name, value in self.headers):
                self._refused = True
                return
            super().on_headers_complete()
            self.cycle.keep_alive = False
            return
        super().on_headers_complete()

    def _take_host_of_url(self) -> None:
        """A whole URL in the place of a path says which host is asked (RFC 9112, section 3.2.2)."""
        scheme, _, rest = self.url.partition(b"://")
        if rest and scheme.isalpha():
            host = re.split(rb"[/?#]", rest, maxsplit=1)[0]
            others = [pair for pair in self.headers if pair[0] != b"host"]
            self.headers[:] = [(b"host", host), *others]

    def on_body(self, body: bytes) -> None:
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        unread = self._is_answered()
        super().on_message_complete()
        if unread and self._late is not None:
            self._expect(self.limits.head_seconds)  # the next request, if there is one

    # What uvicorn does.

    def _should_upgrade(self) -> bool:
        asked: bool = super()._should_upgrade()
        parser = self.parser
        return asked and parser.get_method() == b"GET" and parser.get_http_version() == "1.1"

    def _unsupported_upgrade_warning(self) -> None:
        """It is answered as if it had not asked for that."""

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        host = self.client[0] if self.client else ""
        self.application.tell(Access(host, "-", "-", 400, 0.0, note=msg))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.scope[LEFT] = self.left
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        # The request behind it, which may have waited, does not belong to the one that is over.
        Context().run(super().on_response_complete)
        if self.transport.is_closing():
            self._see_that_it_leaves()
        elif self._is_answered() and getattr(self.cycle, "more_body", False):
            # What is left of the body is read all the same: else the client could not write on,
            # and might not come to read the answer.
            self._unset_keepalive_if_required()
            self._expect(self.limits.body_seconds)

    def handle_websocket_upgrade(self, *args: Any) -> None:
        self._handed_over = True
        self._forget()
        super().handle_websocket_upgrade(*args)

    # The end.

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._see_that_it_leaves()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._see_that_it_leaves()

    def _see_that_it_leaves(self) -> None:
        """What waits for a client that does not read, or reads in drops, goes with its connection.

        So it does when the connection closes, which waits until all has left.
        """
        before = self.transport.get_write_buffer_size()

        def look() -> None:
            left = self.transport.get_write_buffer_size()
            if before - left < max(self.limits.body_seconds * self.limits.body_rate, 1):
                self.transport.abort()
            else:
                self._see_that_it_leaves()

        self._let_go()
        self._stuck = self.loop.call_later(self.limits.body_seconds, look)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._let_go()

    def _let_go(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    async def left(self) -> None:
        """Wait until the client has gone."""
        while self in self.connections:
            self._left = self._left or asyncio.Event()
            await self._left.wait()

    def connection_lost(self, error: Exception | None) -> None:
        self._forget()
        super().connection_lost(error)  # which resumes writing
        self._let_go()
        if self._left is not None:
            self._left.set()

    def _expect(self, seconds: float) -> None:
        self._forget()
        self._late = self.loop.call_later(seconds, self.transport.abort)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def patient(application: Application, limits: ServerLimits) -> type[Patient]:
    """The class of which uvicorn makes one for each connection."""
    return type("Patient", (Patient,), {"application": application, "limits": limits})


class PatientServer(uvicorn.Server):
    """A server of uvicorn's, whose clients have a bound for the beginning of TLS, too.

    Args:
        config: uvicorn's.
        limits: of whoever comes in.
    """

    def __init__(self, config: uvicorn.Config, limits: ServerLimits) -> None:
        super().__init__(config)
        self._limits = limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on sockets that are bound already, from now on."""
        loop = asyncio.get_running_loop()
        secure = self.config.ssl is not None
        state: dict[str, Any] = {}
        self.servers = [
            await loop.create_server(
                lambda: self.config.http_protocol_class(  # type: ignore[call-arg]
                    config=self.config, server_state=self.server_state, app_state=state
                ),
                sock=each,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=self._limits.head_seconds if secure else None,
                ssl_shutdown_timeout=_FAREWELL if secure else None,
            )
            for each in sockets or ()
        ]
        self.started = True
