"""`workers.asgi`: an application of FastAPI or another that speaks ASGI answers a request.

Floor: workers. https://asgi.readthedocs.io/en/latest/specs/main.html. As on the platform, the
application begins and ends with each request, where it knows of that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit

from rpclab.rpc.streams import ReadableStream
from rpclab.workers.context import wait_until
from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import NULL_BODY_STATUS, Response
from rpclab.workers.platform.advice import lacking

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

ASGI = {"version": "3.0", "spec_version": "2.3"}
_PORTS = {"http": 80, "https": 443}


async def fetch(app: App, request: Request, env: Any = None, ctx: Any = None) -> Response:
    """Let an application answer a request.

    It goes on after this has returned, until its body is read and its background tasks are over.

    Args:
        app: the application, called with (scope, receive, send).
        request: what is asked.
        env: what it finds as scope["env"].
        ctx: taken as the platform takes it; nothing is done with it.

    Raises:
        RuntimeError: the application could not begin, or ended without a response.
        Exception: whatever it raises before its response begins.
    """
    del ctx
    lifespan = Lifespan(app)
    await lifespan.begin()
    exchange = Exchange(request)
    scope = scope_of(request, env, lifespan.state)

    async def run() -> None:
        try:
            await app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.end(error):
                raise  # nobody else hears of it, so it is reported
        else:
            exchange.end(None)
        finally:
            await lifespan.end()

    task = asyncio.ensure_future(run())
    wait_until(task)
    try:
        return await exchange.response
    except asyncio.CancelledError:
        task.cancel()
        raise


def scope_of(request: Request, env: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Describe a request as ASGI wants it."""
    url = urlsplit(request.url)
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace"))
               for name, value in request.headers.items()]  # fmt: skip
    if "host" not in request.headers:
        headers.append((b"host", url.netloc.rpartition("@")[2].encode()))
    return {
        "type": "http",
        "asgi": dict(ASGI),
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(url.path or "/"),
        "raw_path": (url.path or "/").encode(),
        "root_path": "",
        "query_string": url.query.encode(),
        "headers": headers,
        "client": None,
        "server": (url.hostname or "", url.port or _PORTS.get(url.scheme)),
        "state": dict(state),
        "env": env,
    }


class Exchange:
    """A request and its response, as an application sees them.

    Args:
        request: what it is asked.

    Attributes:
        response: the Response, once it has begun.
    """

    def __init__(self, request: Request) -> None:
        self.response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._request = request
        self._asked = False
        self._over = asyncio.Event()
        self._begun: Message | None = None
        # One chunk at a time: the application waits for whoever reads.
        self._chunks: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(1)
        self._streams = False

    async def receive(self) -> Message:
        """Give the next part of the request, and at last that it is over."""
        if not self._asked:
            body = self._request.body
            chunk = b"" if body is None else await body.read()
            self._asked = not chunk
            return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the next part of the response.

        Raises:
            RuntimeError: the application sends what does not follow.
        """
        if message["type"] == "http.response.start" and self._begun is None:
            self._begun = message
        elif message["type"] == "http.response.body" and self._begun is not None:
            await self._send_body(
                bytes(message.get("body", b"")), more=bool(message.get("more_body"))
            )
        else:
            raise RuntimeError(f"{message['type']} does not follow here")

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        if self._over.is_set():
            return  # nobody reads it any more
        if not self.response.done():
            self._streams = more
            self._respond(ReadableStream(self._stream()) if more else body)
        if self._streams:
            if body:
                await self._put(body)
            if not more:
                await self._put(None)
        if not more:
            self._over.set()

    def _respond(self, body: Any) -> None:
        started = self._begun or {}
        status = int(started["status"])
        if status in NULL_BODY_STATUS or self._request.method == "HEAD":
            body, self._streams = None, False
        headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                   for name, value in started.get("headers", ())]  # fmt: skip
        self.response.set_result(Response(body, status, headers=headers))

    async def _put(self, chunk: bytes | BaseException | None) -> None:
        """Hand a chunk to whoever reads; not for ever, for they may go."""
        put = asyncio.ensure_future(self._chunks.put(chunk))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((put, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()
            over.cancel()

    async def _stream(self) -> AsyncIterator[bytes]:
        try:
            while (chunk := await self._chunks.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise chunk
                yield chunk
        finally:
            self._over.set()

    def end(self, error: BaseException | None) -> bool:
        """The application has returned, or raised an error: tell those who wait for it.

        Returns:
            Whether the response had begun, which cannot tell of an error any more.
        """
        begun = self.response.done()
        if not begun:
            said = "The application did not generate a response"
            self.response.set_exception(error or RuntimeError(said))
        elif self._streams and not self._over.is_set():
            while self._chunks.full():
                self._chunks.get_nowait()
            self._chunks.put_nowait(error or RuntimeError("The application left its response"))
        self._over.set()
        return begun


class Lifespan:
    """The beginning and end of an application, of which it may know nothing.

    Args:
        app: the application.

    Attributes:
        state: what it keeps for its requests.
    """

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._receive: asyncio.Queue[Message] = asyncio.Queue()
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Let it begin.

        Raises:
            RuntimeError: it says that it cannot.
        """
        self._task = asyncio.ensure_future(self._run())
        message = await self._ask("lifespan.startup")
        if message is not None and message["type"] == "lifespan.startup.failed":
            raise RuntimeError(message.get("message") or "ASGI lifespan startup failed")

    async def end(self) -> None:
        """Let it end."""
        if self._task is not None and not self._task.done():
            await self._ask("lifespan.shutdown")
            self._task.cancel()

    async def _ask(self, message: str) -> Message | None:
        self._receive.put_nowait({"type": message})
        return await self._sent.get()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": dict(ASGI), "state": self.state}
        try:
            await self._app(scope, self._receive.get, self._sent.put)
        except Exception:  # noqa: S110 - it knows of no lifespan, as the specification allows
            pass
        finally:
            self._sent.put_nowait(None)


__all__ = ["fetch"]

_refuse = lacking("workers.asgi", {"websocket": "rpclab has no WebSockets"}, __all__)


def __getattr__(name: str) -> Any:
    if name != "env":
        return _refuse(name)
    fastapi = import_module("fastapi")  # whoever names this has an application of it

    async def env(request: Any) -> Any:
        return request.scope["env"]

    env.__annotations__["request"] = fastapi.Request
    return fastapi.Depends(env)
