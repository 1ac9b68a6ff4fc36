"""Request: what an HTTP call asks.

Floor: workers. Rules R2, R4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rpclab.errors import near
from rpclab.previews import shown
from rpclab.workers.declarations import json_copy
from rpclab.workers.http.bodies import Body, BodyInit, extract
from rpclab.workers.http.headers import Headers, HeadersInit
from rpclab.workers.http.urls import URLLike, parsed, shown_url
from rpclab.workers.javascript_names import also_in_javascript

if TYPE_CHECKING:
    from http import HTTPMethod

FOLLOW, MANUAL = "follow", "manual"

_MOST_SHOWN = 40  # characters of a method that an error quotes
_METHOD = re.compile(r"(?!(?i:connect)$)[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UPPER = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_WITHOUT_BODY = frozenset({"GET", "HEAD"})


@also_in_javascript
class Request(Body):
    """An HTTP request.

    Args:
        resource: the URL, a whole one, which is written as the URL standard says; or another
            Request, whose body moves to this one.
        method: "GET" where nothing is said, and no other Request.
        headers: a Headers, a mapping, or pairs.
        body: a text, bytes, a Blob, FormData, a ReadableStream, or something that gives chunks.
        redirect: "follow", or "manual": whoever fetches gets the redirect itself.
        cf: what Cloudflare knows of the request, or is to do with it; a JSON value.

    Attributes:
        headers: a Headers; those of a request that came in cannot be changed.

    Raises:
        TypeError: the URL, the method or the mode is none; a GET or HEAD has a body; the body of
            the other Request was used; or something is of a type that does not fit.
    """

    __slots__ = _fields = ("_cf", "_method", "_redirect", "_url")

    def __init__(
        self,
        resource: URLLike | Request,
        *,
        method: str | HTTPMethod | None = None,
        headers: HeadersInit = None,
        body: BodyInit = None,
        redirect: str | None = None,
        cf: Any = None,
    ) -> None:
        other = resource if isinstance(resource, Request) else None
        if not isinstance(resource, Request):
            self._url = parsed(resource)
            self._method, self._redirect, self._cf = "GET", FOLLOW, None
        else:
            self._url, self._method = resource._url, resource._method
            self._redirect, self._cf = resource._redirect, resource._cf
        if method is not None:
            self._method = checked_method(method)
        if redirect is not None:
            self._redirect = checked_redirect(redirect)
        if cf is not None:
            self._cf = json_copy(cf, "cf")
        self.headers = Headers(
            headers if headers is not None else other.headers if other is not None else None
        )
        extracted = extract(body, "Request")
        if body is None and other is not None:
            if other.body_used:
                error = TypeError("Cannot reconstruct a Request with a used body.")
                error.add_note("clone() it before its body is used")
                raise error
            has_body = other._data is not None or other._stream is not None
        else:
            has_body = body is not None
        if has_body and self._method in _WITHOUT_BODY:
            raise TypeError("Request with a GET or HEAD method cannot have a body.")
        self._take(other._move() if body is None and other is not None else extracted)

    @classmethod
    def _come_in(cls, url: str, method: str, headers: Headers, body: bytes | None) -> Request:
        """Make a request that has come in, of parts that are known to be right.

        Args:
            url: a whole one, as the standard writes it.
            method: likewise.
            headers: those of a message that came in.
            body: all of it.
        """
        made = cls.__new__(cls)
        made._url, made._method, made._redirect, made._cf = url, method, MANUAL, None
        made.headers = headers
        return made._arrive(body)

    @property
    def method(self) -> str:
        """The method, a text such as "GET"."""
        return self._method

    @property
    def url(self) -> str:
        """The whole URL, with its fragment."""
        return self._url

    @property
    def redirect(self) -> str:
        """What whoever fetches it does with a redirect: "follow" or "manual"."""
        return self._redirect

    @property
    def cf(self) -> Any:
        """What Cloudflare knows of the request; None where it knows nothing."""
        return self._cf

    def _blank(self) -> Request:
        return Request.__new__(Request)

    def __repr__(self) -> str:
        return (
            f"<Request {shown(self._method, _MOST_SHOWN)} {shown_url(self._url)}, {self._told()}>"
        )


def checked_method(method: Any) -> str:
    """Give a method as it is sent.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise TypeError(f"Invalid HTTP method string: {shown(str(method), _MOST_SHOWN)}")
    # A subclass of str, such as HTTPMethod, could not be sent.
    upper = str.__str__(method).upper()
    return upper if upper in _UPPER else str.__str__(method)


def checked_redirect(redirect: Any) -> str:
    """Give what is to be done with a redirect.

    Raises:
        TypeError: it is nothing of the kind.
    """
    if redirect in (FOLLOW, MANUAL):
        return str(redirect)
    error = TypeError(
        'Invalid redirect value, must be one of "follow" or "manual" ("error" won\'t be implemented'
        ' since it does not make sense at the edge; use "manual" and check the response status'
        " code)."
    )
    hint = near(str(redirect), [FOLLOW, MANUAL])
    if redirect != "error":
        error.add_note(hint)
    raise error
