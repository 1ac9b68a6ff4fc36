"""HTTP requests that have come whole, answered in the callback that brought them.

Floor: server. Under our own server a request needs no ASGI, task or queue where nothing stands in
its way, and its answer leaves in one piece (benchmark `http`). `AtOnce` takes what is in order in
every respect; all else goes the way of any request, through `Application`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from rpclab.server.access import Access
from rpclab.server.application import name_of_client
from rpclab.server.http import CONTROL, HOP, VISIT
from rpclab.workers.http.responses import NULL_BODY_STATUS

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from rpclab.server.application import Application
    from rpclab.server.visits import Visit
    from rpclab.workers.http.responses import Response

_MOST_LINES = 1000  # of headers that are kept, for most responses have the same
_LONGEST_KEPT = 200  # characters of the value in one
_NOT_SENT = HOP | {"content-length"}
_lines: dict[tuple[str, str], bytes] = {}

_METHODS = {b"DELETE": "DELETE", b"GET": "GET", b"PATCH": "PATCH", b"POST": "POST", b"PUT": "PUT"}


class AtOnce(HttpToolsProtocol):
    """A connection of uvicorn's that answers by itself what can be answered at once."""

    application: ClassVar[Application]
    own_lines: ClassVar[tuple[object, bytes]] = (None, b"")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.between = True  # whether no request is under way, nor its head
        # The body so far of a request that may be answered at once; None for others.
        self.undecided: bytes | None = None
        self._method = ""
        self._idle_since = 0.0
        self._until_idle: TimerHandle | None = None

    # What the parser tells.

    def on_message_begin(self) -> None:
        self.between = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        parser = self.parser
        self._method = _METHODS.get(parser.get_method(), "")
        cycle: RequestResponseCycle | None = self.cycle
        if (
            (cycle is not None and not cycle.response_complete)
            or self.flow.write_paused
            or self.expect_100_continue
            or parser.should_upgrade()
            or not parser.should_keep_alive()
            or parser.get_http_version() != "1.1"
            or not self._method
        ):
            self.go_the_long_way()
        else:
            self.undecided = b""

    def on_body(self, body: bytes) -> None:
        if self.undecided is None:
            super().on_body(body)
        else:
            self.undecided += body

    def on_message_complete(self) -> None:
        if self.undecided is not None:
            if self._answer(self.undecided):
                return
            self.go_the_long_way()
        super().on_message_complete()

    def go_the_long_way(self, visit: Visit | None = None) -> None:
        """Have the application answer, as ASGI has it."""
        body, self.undecided = self.undecided, None
        url, expects, headers = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        if visit is not None:
            cast("dict[str, Any]", self.scope)[VISIT] = visit
        super().on_headers_complete()
        if body:
            super().on_body(body)

    # Answering.

    def _answer(self, body: bytes) -> bool:
        """Answer a whole request, or begin to. Says whether that could be."""
        application = self.application
        began = monotonic() if application.tells else 0.0
        found = application.begin(
            self._method,
            self.url.decode("latin-1"),
            self.headers,
            body,
            scheme=self.scheme or "http",
            client=self.client,
            loop=self.loop,
        )
        if found is None:
            return False
        visit, path, target = found
        response = visit.ready()
        head = None if response is None else self._head_of(response)
        if response is None or head is None:
            self.undecided = b""  # the visit has it
            self.go_the_long_way(visit)
            super().on_message_complete()
            return True
        data = visit.take()
        self.undecided = None
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(data), data))
        # What `on_response_complete` does, with one timer for many answers.
        self.server_state.total_requests += 1
        self.between = True
        self._idle_since = monotonic()
        if self._until_idle is None:
            self._until_idle = self.loop.call_later(self.timeout_keep_alive, self._look_if_idle)
        if application.tells:
            application.tell(
                Access(
                    client=name_of_client(self.client),
                    method=self._method,
                    path=path,
                    status=response._status,
                    seconds=monotonic() - began,
                    size=len(data),
                    worker=str(target),
                )
            )
        return True

    def _head_of(self, response: Response) -> bytes | None:
        """The head of a response up to the length of its body; None if that is no plain one."""
        status = response._status
        if status in NULL_BODY_STATUS:
            return None
        head = STATUS_LINE[status] + self._own_lines()
        values = response.headers._values
        # One header is nothing to join or to sort.
        for pair in values.items() if len(values) == 1 else response.headers.entries():
            line = _lines.get(pair)
            if line is None:
                name, text = pair
                if CONTROL.search(text):
                    return None
                line = b""
                if name.lower() not in _NOT_SENT:
                    line = f"{name.lower()}: {text}\r\n".encode("latin-1")
                if len(text) <= _LONGEST_KEPT and name.lower() != "set-cookie":
                    if len(_lines) >= _MOST_LINES:
                        _lines.clear()
                    _lines[pair] = line
            head += line
        return head

    def _own_lines(self) -> bytes:
        """The headers that the server says itself; uvicorn makes them anew each second."""
        pairs = self.server_state.default_headers
        made_of, lines = self.own_lines
        if made_of is not pairs:
            lines = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
            type(self).own_lines = pairs, lines
        return lines

    def _look_if_idle(self) -> None:
        self._until_idle = None
        if not self.between or self.timeout_keep_alive_task is not None:
            return  # the next answer, or that of the long way, begins anew
        left = self._idle_since + self.timeout_keep_alive - monotonic()
        if left > 0:
            self._until_idle = self.loop.call_later(left, self._look_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def connection_lost(self, error: Exception | None) -> None:
        if self._until_idle is not None:
            self._until_idle.cancel()
            self._until_idle = None
        super().connection_lost(error)
