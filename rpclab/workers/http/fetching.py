"""Fetching: a request is sent, and redirects are followed.

Floor: workers. Rule R7; methods, bodies and headers change on the way as the Fetch standard says.
"""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.previews import preview
from rpclab.workers.http.bodies import Extracted
from rpclab.workers.http.headers import Headers
from rpclab.workers.http.requests import FOLLOW, MANUAL, Request
from rpclab.workers.http.responses import REDIRECT_STATUS, Response
from rpclab.workers.http.urls import is_http, origin, parsed, shown_url, without_fragment
from rpclab.workers.network import network_here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

MOST_REDIRECTS = 20

_MOVED = (301, 302)
_SEE_OTHER = 303
_ABOUT_THE_BODY = (
    "content-encoding", "content-language", "content-length", "content-location", "content-type",
)  # fmt: skip
_BAD_LOCATION = "Invalid Location header; unable to follow redirect. Invalid URL"
_FOR_ONE_ORIGIN = ("authorization", "cookie", "host", "proxy-authorization")


def request_for(resource: Any, options: dict[str, Any], base: str | None = None) -> Request:
    """Make the request that the arguments of a `fetch` mean.

    Args:
        resource: a URL, or a Request, whose body moves to this one.
        options: those of a Request.
        base: what a path alone is completed with.

    Raises:
        TypeError: they make none, or one that is not of HTTP.
    """
    if base is not None and isinstance(resource, str) and resource.startswith("/"):
        resource = parsed(resource, base)
    request = Request(resource, **options)
    if not is_http(request.url):
        raise TypeError(f"Fetch API cannot load: {shown_url(request.url)}")
    return request


def incoming(*args: Any, **options: Any) -> Request:
    """Make the request that a handler is given, of the arguments of a call.

    Its headers cannot be changed, and passed on to another `fetch` it leaves redirects to whoever
    asked first.

    Raises:
        TypeError: they make none.
    """
    if len(args) != 1:
        raise TypeError(f"fetch() takes a URL or a Request, and named options; not {len(args)}")
    request = request_for(args[0], options)
    request._redirect = MANUAL
    request.headers.freeze()
    return request


def checked_response(result: Any) -> Any:
    """Give what a handler returned, if it is a Response, or an awaitable of one.

    Raises:
        TypeError: it is something else.
    """
    if inspect.isawaitable(result):
        return _awaited(result)
    if type(result) is Response:
        return result
    if isinstance(result, Response):
        return Response(result)  # of a class of the Worker's own, which stays there
    error = TypeError(f"fetch() must return a Response, not {type(result).__name__}")
    if result is None:
        error.add_note("is a `return` missing?")
    elif isinstance(result, (dict, list)):
        error.add_note("return Response.json(value)")
    elif isinstance(result, (str, bytes)):
        error.add_note("return Response(value)")
    raise error


async def _awaited(result: Awaitable[Any]) -> Any:
    return checked_response(await result)


class Fetching:
    """A request on its way: an awaitable of the Response; awaited twice, it gives the same one.

    Args:
        request: what is asked; it is used up.
        send: sends a request, and gives an awaitable of the response.

    Attributes:
        first: the awaitable of the first one.
    """

    __slots__ = ("_body", "_lock", "_request", "_response", "_send", "_streamed", "first")

    def __init__(self, request: Request, send: Callable[[Request], Any]) -> None:
        self._request = request
        self._send = send
        self._body = request._data
        self._streamed = request._stream is not None
        self._response: Response | None = None
        self._lock: asyncio.Lock | None = None
        self.first = send(request)

    def __await__(self) -> Generator[Any, None, Response]:
        return self._finish().__await__()

    async def _finish(self) -> Response:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if self._response is None:
                self._response = await self._follow()
        return self._response

    async def _follow(self) -> Response:
        request, response = self._request, _come_in(await self.first)
        redirects = 0
        while request.redirect == FOLLOW and response.status in REDIRECT_STATUS:
            location = response.headers.get("location")
            if not location:
                break
            if redirects == MOST_REDIRECTS:
                raise TypeError(
                    f"Too many redirects: {MOST_REDIRECTS}, the last to {shown_url(location)}"
                )
            redirects += 1
            if response.body is not None:
                await response.body.cancel()
            request = self._redirected(request, response.status, location)
            response = _come_in(await self._send(request))
        return _arrived(response, request, redirected=redirects > 0)

    def _redirected(self, request: Request, status: int, location: str) -> Request:
        """The request that a redirect asks for."""
        url = parsed(_read_as_utf8(location), request.url, failure=_BAD_LOCATION)
        if not is_http(url):
            raise TypeError(f"{_BAD_LOCATION}: {shown_url(url)}")
        if "#" not in url:
            url += request.url[len(without_fragment(request.url)) :]
        headers, method = Headers(request.headers), request.method
        if (status in _MOVED and method == "POST") or (
            status == _SEE_OTHER and method not in ("GET", "HEAD")
        ):
            method, self._body, self._streamed = "GET", None, False
            for name in _ABOUT_THE_BODY:
                headers.delete(name)
        if self._streamed:
            raise TypeError(
                f"a redirect of status {status} asks for the body again, but it was a stream, which"
                " can be read once: fetch with bytes, or with redirect='manual'"
            )
        if origin(url) != origin(request.url):
            # The standard names the first; browsers have no other, but a program may have set them.
            for name in _FOR_ONE_ORIGIN:
                headers.delete(name)
        return request._with(Extracted(self._body), headers=headers, _url=url, _method=method)

    def __repr__(self) -> str:
        return f"<fetch of {self._request.method} {shown_url(self._request.url)}>"


def _read_as_utf8(location: str) -> str:
    """Read a header, which came as Latin-1, as the UTF-8 that servers write into a Location."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _come_in(response: Any) -> Response:
    """Give what has come in, if it is a Response; a peer may have sent anything.

    Raises:
        TypeError: it is something else.
    """
    if type(response) is not Response:
        raise TypeError(f"fetch() was answered with no Response, but {preview(response)}")
    return response


def _arrived(response: Response, request: Request, *, redirected: bool) -> Response:
    """Write into a response that came in where it came from."""
    response._url = without_fragment(request.url)
    response._redirected = redirected
    response.headers.freeze()
    if request.method == "HEAD":
        response._take(Extracted())
    return response


async def fetch(resource: Any, /, **options: Any) -> Response:
    """Fetch a URL over the network; another Worker is fetched through its binding.

    Needs the extra rpclab[http]. The body of the response is there when this returns. What a Worker
    reaches, and how much it may take, its sandbox says (`Sandbox(network=…)`).

    Args:
        resource: a whole URL, or a Request.
        options: those of a Request.

    Raises:
        ImportError: the extra is not installed.
        TypeError: the arguments make no request, or there are too many redirects.
        PermissionError: the sandbox does not let its Workers reach there.
        ConnectionError: nobody answers there.
        TimeoutError: the answer was not there in time.
        MessageTooLargeError: the body, or that of the answer, is larger than allowed.
    """
    from rpclab.workers.http.httpx_client import send  # noqa: PLC0415 - needs the extra

    return await Fetching(request_for(resource, options), partial(send, network=network_here()))
