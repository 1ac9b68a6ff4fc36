"""HTTP from outside becomes calls of `fetch`: one request, as an ASGI server hands it over.

Floor: server.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import EventContext, current, opened
from rpclab.errors import OverloadedError, UnknownBindingError, UnknownEntrypointError
from rpclab.net.limits import ServerLimits
from rpclab.previews import shown
from rpclab.workers.http.requests import MANUAL, Request
from rpclab.workers.http.responses import NULL_BODY_STATUS, Response

if TYPE_CHECKING:
    from rpclab.net.unfinished import Share
    from rpclab.rpc.engine import Engine
    from rpclab.server.visits import Visit, Way

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LEFT = "rpclab.left"
"""In the scope of a request of our own server: a function that waits until the client has gone."""

VISITORS = "visitors"
"""The name under which requests from outside stand in recordings and tables."""

VISIT = "rpclab.visit"
"""Where the scope of a request has the call that has begun already, if one has."""

log = logging.getLogger("rpclab.server")

_PIECE = 256 * 1024  # bytes of a stream's chunk that are handed over at once
_PATIENCE = 0.05  # seconds after which it is worth looking whether the client is still there
_SHOWN = 100  # characters of a header that the log quotes
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
HOP = frozenset({
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_JUST = {
    400: "This is no request that a Worker could be asked.",
    405: "A session is opened here by a WebSocket, or sent as a batch: POST.",
    404: "No Worker answers here.",
    413: "The body of the request is too large.",
    500: "The Worker failed. What went wrong is in the log of this server.",
    503: "The server is busy, or stops.",
    504: "The Worker did not answer in time.",
}


class TooLargeError(Exception):
    """The body of a request is larger than allowed."""


class StalledError(Exception):
    """The client has stopped in the middle of something."""


class Exchange:
    """One request and its response.

    Args:
        engine: runs the Workers.
        limits: of the server.
        scope: the request, as ASGI has it.
        receive: gives its body, and tells when the client has gone.
        send: takes the response.

    Attributes:
        status: of the response, once it has begun.
        size: how many bytes of its body were sent.
        note: what went wrong, in a few words.
        cookie: what the response sets beside its own.
    """

    def __init__(
        self, engine: Engine, limits: ServerLimits, scope: Message, receive: Receive, send: Send
    ) -> None:
        self.status = 0
        self.size = 0
        self.note = ""
        self.cookie: str | None = None
        self._engine = engine
        self._limits = limits
        self._scope = scope
        self._receive = receive
        self._send = send
        self._whole = False  # whether all of the request's body has come
        self._read = 0
        self._waited = 0.0
        self._broken: Exception | None = None  # why the request's body never came whole
        self._watch: asyncio.Task[None] | None = None
        self._late = False
        self._left = False

    async def run(
        self, way: Way, url: str, headers: list[tuple[str, str]], visit: Visit | None = None
    ) -> None:
        """Let a Worker answer.

        Args:
            way: leads to the entrypoint that does.
            url: the whole address that is asked for.
            headers: those of the request that the Worker is to see.
            visit: the call, if it has begun; its request has come whole.
        """
        method = self._scope["method"]
        # A request is an event of its own: what it still holds at its end is disposed (rule O12).
        context = EventContext(self._engine, VISITORS)
        if self._engine.observe is not None:
            self._engine.observe(opened(context))
        context.work_begins()
        token = current.set(context)
        try:
            try:
                body = await self._body()
                if visit is None:
                    request = Request(
                        url, method=method, headers=headers, body=body, redirect=MANUAL
                    )
            except (TypeError, ValueError) as error:
                self.note = str(error)[:100]
                await self.refuse(400)
                return
            if visit is None:
                visit = way.visit(request)
            asking = way.binding.fetch(request) if visit is None else visit.response(way.session)
            response = await self._answer(way, asking)
            if response is not None:
                await self._respond(response)
        except TooLargeError:
            await self.refuse(413)
        except StalledError:
            self.note = "the client stopped"
            await self.refuse(408)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not (self._left or self._late) or task is None or task.uncancel() > 0:
                raise
            self.note = "no answer in time" if self._late else "the client left"
            if self._late:
                await self.refuse(504)
        finally:
            if self._watch is not None:
                self._watch.cancel()
            current.reset(token)
            context.work_ends()
            if visit is not None:
                visit.close()

    async def whole(self, most: int, share: Share) -> bytes | None:
        """Read the whole body. None where an error was answered instead.

        Args:
            most: how many bytes it may have.
            share: counts it with those of others.
        """
        if _length(self._scope) > most:
            await self.refuse(413)
            return None
        whole = bytearray()
        while not self._whole:
            try:
                whole += await self._chunk()
            except StalledError:
                await self.refuse(408)
                return None
            except TooLargeError:
                self._read = most + 1
            if self._read > most:
                await self.refuse(413)
                return None
            if not share.fits(len(whole)):
                await self.refuse(503, str(share.error()))
                return None
        return bytes(whole)

    async def answer(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer with what is there."""
        if status not in NULL_BODY_STATUS:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self._begin(status, headers)
        await self._send_body(body, more=False)

    async def refuse(
        self, status: int, why: str = "", headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Answer with an error of the server's own, if no answer has begun."""
        if self.status:
            return
        body = (f"{why or _JUST.get(status, 'This does not work.')}\n").encode()
        about = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            *(headers or ()),
        ]
        await self._begin(status, about)
        await self._send_body(body if self._scope["method"] != "HEAD" else b"", more=False)

    # The request.

    async def _body(self) -> Any:
        """The body: bytes where it is there at once, else a stream; None where there is none."""
        if _length(self._scope) > self._limits.body_bytes:
            raise TooLargeError
        first = await self._chunk()
        if self._scope["method"] in _WITHOUT_BODY:
            # Nobody may ask such a thing of a Worker; HTTP lets them, and gives it no meaning.
            while not self._whole:
                await self._chunk()
            return None
        if self._whole:
            return first or None
        return self._chunks(first)

    async def _chunks(self, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        while not self._whole:
            chunk = await self._chunk()
            if chunk:
                yield chunk

    async def _chunk(self) -> bytes:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.patience(self._read, self._waited)):
                message = await self._receive()
        except TimeoutError:
            raise self._breaks(StalledError()) from None
        self._waited += time.monotonic() - began
        if message["type"] == "http.disconnect":
            raise self._breaks(ConnectionResetError("the client left before its request was whole"))
        chunk: bytes = message.get("body", b"")
        self._read += len(chunk)
        if self._read > self._limits.body_bytes:
            raise self._breaks(TooLargeError())
        self._whole = not message.get("more_body", False)
        return chunk

    def _breaks(self, error: Exception) -> Exception:
        self._broken = error
        return error

    # The response.

    async def _answer(self, way: Way, asking: Awaitable[Response]) -> Response | None:
        """Wait for the Worker. Gives its response; None where an error was answered instead."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        patience = loop.call_later(_PATIENCE, self._look_after, task)
        try:
            response = await asking
        except Exception as error:
            await self._failed(way, error)
            return None
        finally:
            patience.cancel()
        return response

    async def _failed(self, way: Way, error: Exception) -> None:
        if self._broken is not None:
            raise self._broken from None  # it is the client's fault, and not the Worker's
        self.note = type(error).__name__
        if isinstance(error, (UnknownBindingError, UnknownEntrypointError)):
            await self.refuse(404)
            return
        if isinstance(error, OverloadedError):
            await self.refuse(503, headers=[(b"retry-after", b"1")])
            return
        log.error(
            "%s %s failed: %s",
            self._scope["method"],
            way.binding,
            type(error).__name__,
            exc_info=error,
        )
        await self.refuse(500)

    def _look_after(self, task: asyncio.Task[Any] | None) -> None:
        """The answer takes a while: see whether the client stays, and whether it ever comes."""
        if task is not None:
            self._watch = asyncio.ensure_future(self._guard(task))

    async def _guard(self, task: asyncio.Task[Any]) -> None:
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._gone()
        except TimeoutError:
            if self.status:
                # It has begun: how long it goes on is the Worker's business.
                await self._gone()
            self._late = not self.status
        self._left = not self._late
        task.cancel()

    async def _gone(self) -> None:
        """Wait until the client has gone. What is left of its body is read elsewhere, or never."""
        if not self._whole:
            left = self._scope.get(LEFT, asyncio.Event().wait)
            await left()
            return
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _respond(self, response: Response) -> None:
        for name, value in response.headers.items():
            if CONTROL.search(value):
                log.error(
                    "%s failed: the header %s of a response holds a control character: %s",
                    self._scope["method"],
                    name,
                    shown(value, _SHOWN),
                )
                self.note = "the response has a header that cannot be sent"
                await self.refuse(500)
                return
        bare = self._scope["method"] == "HEAD" or response.status in NULL_BODY_STATUS
        headers = [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in response.headers.items()
            if name not in HOP
        ]
        data, stream = response._data, response._stream
        if stream is None:
            data = data or b""
            if not bare:
                headers = [pair for pair in headers if pair[0] != b"content-length"]
                headers.append((b"content-length", b"%d" % len(data)))
            await self._begin(response.status, headers)
            await self._send_body(b"" if bare else data, more=False)
            return
        await self._begin(response.status, headers)
        if bare:
            await stream.cancel("nobody reads the body of such a response")
            await self._send_body(b"", more=False)
            return
        await self._stream(stream)

    async def _stream(self, stream: Any) -> None:
        task = asyncio.current_task()
        if self._watch is None and task is not None:
            self._watch = asyncio.ensure_future(self._guard(task))
        try:
            async for chunk in stream:
                data = chunk.encode() if isinstance(chunk, str) else chunk
                # Each piece waits until the one before has left, within the same time.
                for start in range(0, len(data), _PIECE):
                    async with asyncio.timeout(self._limits.body_seconds):
                        await self._send_body(data[start : start + _PIECE], more=True)
            await self._send_body(b"", more=False)
        except asyncio.CancelledError:
            await stream.cancel("the client left")
            raise
        except TimeoutError:
            self.note = "the client does not read"
            await stream.cancel(self.note)
            raise ConnectionAbortedError(self.note) from None

    async def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        if self.cookie is not None:
            headers = [*headers, (b"set-cookie", self.cookie.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        self.size += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _length(scope: Message) -> int:
    """How long the body of a request says it is; 0 where it says nothing."""
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(said) if said.isdigit() else 0
