"""HTTP requests that have come whole, answered in the callback that brought them.

Floor: server. Under our own server a request needs no ASGI, task or queue where nothing stands in
its way, and its answer leaves in one piece (benchmark `http`). `AtOnce` takes what is in order in
every respect; all else goes the way of any request, through `Application`.
"""

from __future__ import annotations

import time
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

_METHODS = frozenset({b"DELETE", b"GET", b"PATCH", b"POST", b"PUT"})


class AtOnce(HttpToolsProtocol):
    """A connection of uvicorn's that answers by itself what can be answered at once."""

    application: ClassVar[Application]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.between = True  # whether no request is under way, nor its head
        self._body: bytes | None = None  # so far, of a request that may be answered at once
        self._idle_since = 0.0
        self._until_idle: TimerHandle | None = None

    # What the parser tells.

    def on_message_begin(self) -> None:
        self.between = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        parser, cycle = self.parser, cast("RequestResponseCycle | None", self.cycle)
        if (
            (cycle is not None and not cycle.response_complete)
            or self.flow.write_paused
            or self.expect_100_continue
            or parser.should_upgrade()
            or not parser.should_keep_alive()
            or parser.get_http_version() != "1.1"
            or parser.get_method() not in _METHODS
        ):
            self._go_the_long_way()
        else:
            self._body = b""

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        if self._body is not None:
            if self._answer(self._body):
                return
            self._go_the_long_way()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._body is not None:
            self._go_the_long_way()  # the rest of its body is still to come

    def _go_the_long_way(self, visit: Visit | None = None) -> None:
        """Have the application answer, as ASGI has it."""
        body, self._body = self._body, None
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
        began = time.perf_counter()
        application = self.application
        found = application.begin(
            self.parser.get_method().decode("ascii"),
            self.url.decode("latin-1"),
            self.headers,
            body,
            scheme=self.scheme or "http",
            client=self.client,
        )
        if found is None:
            return False
        visit, path, target = found
        response = visit.ready()
        head = None if response is None else self._head_of(response)
        if response is None or head is None:
            self._body = b""  # the visit has it
            self._go_the_long_way(visit)
            super().on_message_complete()
            return True
        data = visit.take()
        self._body = None
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(data), data))
        self._is_through()
        if application.tells:
            application.tell(
                Access(
                    client=name_of_client(self.client),
                    method=self.parser.get_method().decode("ascii"),
                    path=path,
                    status=response._status,
                    seconds=time.perf_counter() - began,
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
        lines = [STATUS_LINE[status]]
        for raw_name, raw_value in self.server_state.default_headers:
            lines += (raw_name, b": ", raw_value, b"\r\n")
        for name, text in response.headers.entries():
            if CONTROL.search(text):
                return None
            if name not in HOP and name != "content-length":
                lines.append(f"{name}: {text}\r\n".encode("latin-1"))
        return b"".join(lines)

    def _is_through(self) -> None:
        """The answer is written: what `on_response_complete` does, with one timer for many."""
        self.server_state.total_requests += 1
        self.between = True
        self._idle_since = self.loop.time()
        if self._until_idle is None:
            self._until_idle = self.loop.call_later(self.timeout_keep_alive, self._look_if_idle)

    def _look_if_idle(self) -> None:
        self._until_idle = None
        if not self.between or self.timeout_keep_alive_task is not None:
            return  # the next answer, or that of the long way, begins anew
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._until_idle = self.loop.call_later(left, self._look_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def connection_lost(self, error: Exception | None) -> None:
        if self._until_idle is not None:
            self._until_idle.cancel()
            self._until_idle = None
        super().connection_lost(error)
