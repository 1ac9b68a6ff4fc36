"""Requests to the network, through httpx.

Floor: workers. The one file that needs the extra rpclab[http].
"""

from __future__ import annotations

import asyncio
import base64
import sys
import zlib
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

try:
    import httpx
except ModuleNotFoundError as error:
    if sys.platform == "emscripten":
        raise PermissionError("in a browser the Workers of a sandbox reach no network") from None
    raise ImportError("fetch() over the network needs the extra rpclab[http]") from error

from rpclab.errors import MessageTooLargeError
from rpclab.previews import shown
from rpclab.workers.http.content_encoding import ACCEPTED, unpacking
from rpclab.workers.http.public_addresses import Address, addresses_of, is_public
from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import NULL_BODY_STATUS, Response
from rpclab.workers.http.url_parser import URL
from rpclab.workers.network import LOCAL, NONE, Network

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

_PORTS = {"http:": 80, "https:": 443}
_CONNECTING = 10.0  # seconds for each address of a host

# Each of them is about the connection, which is ours; two of them that disagree about where the
# body ends let a request hide in another (RFC 9112, 6.1).
_OURS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
     "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
_DONE = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_SHOWN = 200  # characters of a text from outside that an error quotes

# UnicodeError: the name of a host is no name of the DNS.
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, zlib.error)


async def send(request: Request, network: Network) -> Response:
    """Send one request; redirects are the caller's.

    Args:
        request: what is asked; it is used up.
        network: what may be reached, and how much of it.

    Raises:
        PermissionError: the network does not reach there.
        ConnectionError: nobody answers there, or not in HTTP.
        TimeoutError: the answer was not there in time.
        MessageTooLargeError: the body of one of them is larger than the network allows.
        TypeError: a header holds what HTTP cannot carry.
    """
    shown = _told(request.url)
    if network.reach == NONE:
        raise _refused(f"{shown}: this sandbox lets its Workers reach no network")
    try:
        async with asyncio.timeout(network.seconds) as timeout:
            body = await _sent(request, network.body_bytes)
            try:
                return await _exchanged(request, body, network)
            except PermissionError:
                raise
            except httpx.LocalProtocolError as error:
                raise TypeError(f"{shown} cannot be sent: {_words(error)}") from error
            except ExceptionGroup as group:
                # anyio's, around what the event loop said: a virtual clock has no sockets.
                raise group.exceptions[0] from None
            except _FAILURES as error:
                raise ConnectionError(f"no answer from {shown}: {_words(error)}") from error
    except TimeoutError:
        if timeout.expired():
            raise TimeoutError(f"no answer from {shown} within {network.seconds:g} s") from None
        raise


async def _sent(request: Request, most: int) -> bytes:
    """Read the body that is sent: it goes out with its length, so it has to be there whole.

    Raises:
        MessageTooLargeError: it is larger than `most` bytes.
    """
    stream = request._stream
    if stream is None or request.body_used:
        return await request._read()
    pieces: list[bytes] = []
    size = 0
    async for chunk in stream:
        if type(chunk) is not bytes:
            raise TypeError(f"a body is made of bytes, not of {type(chunk).__name__}")
        size += len(chunk)
        if size > most:
            await stream.cancel()
            raise MessageTooLargeError(
                f"the body for {_told(request.url)} is larger than {most} bytes"
            )
        pieces.append(chunk)
    return b"".join(pieces)


async def _exchanged(request: Request, body: bytes, network: Network) -> Response:
    url = URL(request.url)
    reach_all = network.reach == LOCAL
    client = httpx.AsyncClient(
        verify=_certificates(),
        # A proxy of the environment would connect to addresses that nobody here has looked at.
        trust_env=reach_all,
        timeout=httpx.Timeout(None, connect=_CONNECTING),
        headers={"accept-encoding": ACCEPTED},
    )
    async with client:
        hosts = [url.hostname] if reach_all else await _public_addresses(url)
        for host in hosts:
            made = client.build_request(
                request.method,
                f"{url.protocol}//{host}:{_port(url)}{url.pathname}{url.search}",
                headers=_headers(request, url),
                content=body or None,
                # Also where an address is asked, a certificate is for the name.
                extensions={"sni_hostname": url.hostname.strip("[]").rstrip(".")},
            )
            try:
                answer = await client.send(made, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if host == hosts[-1]:
                    raise
            else:
                return await _response(answer, network.body_bytes, _told(url.href))
    raise httpx.ConnectError(f"{url.hostname} has no address")


async def _public_addresses(url: URL) -> list[str]:
    """Give the addresses that a request may be sent to, as hosts of a URL.

    The request goes to an address that was looked at here, and not to the name: a second look-up
    could lead elsewhere.

    Raises:
        PermissionError: none of the host's addresses is public.
    """
    found = await addresses_of(url.hostname, _port(url))
    public = [_as_host(address) for address in found if is_public(address)]
    if found and not public:
        raise _refused(
            f"{_told(url.href)}: {found[0]} is an address of this machine or of a network around"
            " it, and this sandbox lets its Workers reach public addresses alone"
        )
    return public


def _refused(message: str) -> PermissionError:
    error = PermissionError(message)
    error.add_note('Sandbox(network="local") lets Workers reach all that this program can')
    return error


def _headers(request: Request, url: URL) -> list[tuple[bytes, bytes]]:
    # As bytes, for httpx would write texts in other encodings than HTTP has.
    headers = [
        (name.encode(), value.encode("latin-1"))
        for name, value in request.headers.items()
        if name not in _OURS
    ]
    if (url.username or url.password) and "authorization" not in request.headers:
        given = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password)
        headers.append((b"authorization", b"Basic " + base64.b64encode(given)))
    return [(b"host", url.host.encode()), *headers]


async def _response(answer: httpx.Response, most: int, shown: str) -> Response:
    try:
        encoding = answer.headers.get("content-encoding", "")
        body = b"".join([piece async for piece in _body(answer, encoding, most, shown)])
    finally:
        await answer.aclose()
    done = _DONE | {"content-encoding"} if unpacking(encoding) else _DONE
    pairs = [(name.decode().lower(), value.decode("latin-1")) for name, value in answer.headers.raw]
    kept = [pair for pair in pairs if pair[0] not in done]
    bodiless = answer.status_code in NULL_BODY_STATUS
    try:
        return Response(None if bodiless else body, answer.status_code, answer.reason_phrase, kept)
    except ValueError:
        raise httpx.RemoteProtocolError(f"{answer.status_code} is no status") from None


async def _body(
    answer: httpx.Response, encoding: str, most: int, shown: str
) -> AsyncIterator[bytes]:
    """Read a body, decoded.

    Raises:
        MessageTooLargeError: it is larger than `most` bytes.
    """
    unpack = unpacking(encoding)
    size = 0
    async for data in answer.aiter_raw():
        for piece in unpack.feed(data) if unpack else (data,):
            size += len(piece)
            if size > most:
                raise MessageTooLargeError(f"the body of {shown} is larger than {most} bytes")
            yield piece
    if unpack and not unpack.finished:
        raise httpx.RemoteProtocolError("the body ends too early")


@cache
def _certificates() -> ssl.SSLContext:
    """Give the certificates that are trusted; to load them takes longer than a request."""
    return httpx.create_ssl_context()


def _port(url: URL) -> int:
    return int(url.port or _PORTS[url.protocol])


def _as_host(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - of IP


def _told(url: str) -> str:
    """A URL in an error: a password is for nobody's eyes, and a long one helps nobody."""
    told = URL(url)
    told.username = told.password = told.hash = ""
    return shown(told.href, _SHOWN)


def _words(error: Exception) -> str:
    return shown(str(error), _SHOWN) or type(error).__name__
