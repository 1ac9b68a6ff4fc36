"""`workers.wsgi`: an application of Flask, Django or another that speaks WSGI answers a request.

Floor: workers. PEP 3333. The application runs as it does there: on the event loop, which waits for
it. What it gives after its first bytes is streamed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from rpclab.rpc.streams import ReadableStream
from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import NULL_BODY_STATUS, Response
from rpclab.workers.platform.advice import lacking

_PORTS = {"http": "80", "https": "443"}


async def fetch(app: Any, request: Request, env: Any = None, ctx: Any = None) -> Response:
    """Let an application answer a request.

    Args:
        app: the application, called with (environ, start_response).
        request: what is asked. Its body is read first, for the application cannot wait for it.
        env: what it finds as environ["workers.env"].
        ctx: taken as the platform takes it; nothing is done with it.

    Raises:
        RuntimeError: the application did not call start_response.
        Exception: whatever it raises before its first bytes.
    """
    del ctx
    answer = _Answer()
    body = _chunks(answer, app(environ_of(request, await request.bytes(), env), answer.start))
    first = next(body, b"")
    if not answer.status:
        body.close()
        raise RuntimeError("The WSGI application did not call start_response()")
    code, _, reason = answer.status.partition(" ")
    status = int(code)
    if status in NULL_BODY_STATUS or request.method == "HEAD":
        body.close()
        return Response(None, status, reason, answer.headers)
    return Response(ReadableStream(_from(first, body)), status, reason, answer.headers)


def environ_of(request: Request, body: bytes, env: Any) -> dict[str, Any]:
    """Describe a request as PEP 3333 wants it."""
    url = urlsplit(request.url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        # Bytes, as characters: PEP 3333 calls it a native string.
        "PATH_INFO": unquote_to_bytes(url.path or "/").decode("latin-1"),
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname or "",
        "SERVER_PORT": str(url.port or _PORTS.get(url.scheme, "80")),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "workers.env": env,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value
        elif key != "CONTENT_LENGTH":
            environ[f"HTTP_{key}"] = value
    environ.setdefault("HTTP_HOST", url.netloc.rpartition("@")[2])
    return environ


class _Answer:
    """What an application has said of its response so far."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._sent = False

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], None]:
        """`start_response` of PEP 3333."""
        if exc_info is not None and self._sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if self.status and exc_info is None:
            raise RuntimeError("start_response() was called before")
        self.status, self.headers = status, list(headers)
        return self._written.append

    def take(self) -> list[bytes]:
        """What it has written with the function that `start` gave."""
        written, self._written = self._written, []
        return written

    def sent(self) -> None:
        """The status is on its way."""
        self._sent = True


def _chunks(answer: _Answer, given: Iterable[bytes]) -> Generator[bytes, None, None]:
    """Give what an application writes, and what it gives; close that at the end."""
    try:
        for chunk in given:
            for part in (*answer.take(), chunk):
                if part:
                    answer.sent()
                    yield part
        yield from answer.take()
    finally:
        _close(given)


def _from(first: bytes, rest: Generator[bytes, None, None]) -> Iterator[bytes]:
    try:
        yield first
        yield from rest
    finally:
        rest.close()


def _close(given: Any) -> None:
    close = getattr(given, "close", None)
    if close is not None:
        close()


__all__ = ["fetch"]

__getattr__ = lacking("workers.wsgi", {}, __all__)
