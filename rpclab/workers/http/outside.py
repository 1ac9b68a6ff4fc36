"""Requests to the network, through httpx.

Floor: workers. The one file that needs the extra rpclab[http].
"""

from __future__ import annotations

try:
    import httpx
except ModuleNotFoundError as error:
    raise ImportError("fetch() over the network needs the extra rpclab[http]") from error

from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import NULL_BODY_STATUS, Response

# httpx has decoded the body, and it is all there.
_DONE = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


async def send(request: Request) -> Response:
    """Send one request; redirects are the caller's.

    Raises:
        TypeError: the URL is none of HTTP.
        ConnectionError: nobody answers there, or not in HTTP.
        ValueError: the status of the answer is none.
    """
    if request._url.scheme not in ("http", "https"):
        raise TypeError(f"Fetch API cannot load: {request.url}")
    url = str(request._url.with_fragment(None))
    # As bytes, for httpx would write and read texts in other encodings than HTTP has.
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    try:
        async with httpx.AsyncClient(follow_redirects=False) as client:
            answer = await client.request(
                request.method, url, headers=headers, content=await request._read() or None
            )
    except httpx.RequestError as error:
        shown = request._url.with_fragment(None).with_user(None)  # a password is for nobody's eyes
        raise ConnectionError(
            f"no answer from {shown}: {str(error) or type(error).__name__}"
        ) from error
    pairs = [(name.decode().lower(), value.decode("latin-1")) for name, value in answer.headers.raw]
    kept = [pair for pair in pairs if pair[0] not in _DONE]
    body = None if answer.status_code in NULL_BODY_STATUS else answer.content
    return Response(body, answer.status_code, answer.reason_phrase, kept)
