"""Response: what an HTTP call is answered with.

Floor: workers. Rules R1, R4.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rpclab.previews import shown
from rpclab.workers.http.bodies import Body, BodyInit, extract
from rpclab.workers.http.headers import Headers, HeadersInit
from rpclab.workers.http.text import TEXT, encoded
from rpclab.workers.http.urls import URLLike, parsed, shown_url
from rpclab.workers.javascript_names import also_in_javascript

NULL_BODY_STATUS = frozenset({101, 204, 205, 304})
REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})

_FIRST, _LAST = 200, 599
_SHOWN = 100  # characters of a text that `repr` quotes
_OK = range(200, 300)
_STATUS_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@also_in_javascript
class Response(Body):
    """An HTTP response.

    Args:
        body: None, a text, bytes, a Blob, FormData, a ReadableStream, or something that gives
            chunks. Another Response: this one gets its body, and what else is not said.
        status: 200 to 599; 200 where nothing is said.
        status_text: the words behind it.
        headers: a Headers, a mapping, or pairs.

    Attributes:
        headers: a Headers; those of a response that came in by `fetch` cannot be changed.

    Raises:
        ValueError: there is no such status.
        TypeError: a status of 204, 205 or 304 has no body, and one is given; the body of the other
            Response was used; or something is of a type that does not fit.
    """

    __slots__ = _fields = ("_redirected", "_status", "_status_text", "_url")

    def __init__(
        self,
        body: BodyInit = None,
        status: int | None = None,
        status_text: str = "",
        headers: HeadersInit = None,
    ) -> None:
        other = body if isinstance(body, Response) else None
        if other is not None:
            status = other.status if status is None else status
            status_text = status_text or other.status_text
            headers = other.headers if headers is None else headers
        self._status: int = 200 if status is None else _checked_status(status)
        self._status_text = "" if status_text == "" else _checked_text(status_text)
        self._url = ""
        self._redirected = False
        self.headers = Headers(headers)
        if type(body) is str and self._status not in NULL_BODY_STATUS:
            # What most are made of.
            self._arrive(encoded(body))
            self.headers._imply(TEXT)
            return
        extracted = other._move() if other is not None else extract(body, "Response")
        if self._status in NULL_BODY_STATUS and extracted[:2] != (None, None):
            raise TypeError(
                "Response with null body status (101, 204, 205, or 304) cannot have a body."
            )
        self._take(extracted)

    @property
    def status(self) -> int:
        """The status."""
        return self._status

    @property
    def status_text(self) -> str:
        """The words behind the status."""
        return self._status_text

    @property
    def ok(self) -> bool:
        """Whether the status is one of success, 200 to 299."""
        return self._status in _OK

    @property
    def url(self) -> str:
        """Where a fetched response came from; "" for others (rule R1)."""
        return self._url

    @property
    def redirected(self) -> bool:
        """Whether a redirect was followed on the way to it."""
        return self._redirected

    @property
    def type(self) -> str:
        """Always "default"."""
        return "default"

    def replace_body(self, body: BodyInit) -> Response:
        """Make a Response with another body, and all else as here.

        Args:
            body: a text, bytes, a stream, a form or a Blob; a stream is taken, and read when this
                is sent.

        Raises:
            TypeError: it can be no body.
        """
        return Response(body, self._status, self._status_text, self.headers)

    def _blank(self) -> Response:
        return Response.__new__(Response)

    @staticmethod
    def redirect(url: URLLike, status: int = 302) -> Response:
        """Make a redirect.

        Args:
            url: where to; a whole URL.
            status: 301, 302, 303, 307 or 308.

        Raises:
            ValueError: the status is no redirect.
            TypeError: the URL is none.
        """
        if status not in REDIRECT_STATUS:
            raise ValueError(f"{int(status)} is not a redirect status code.")
        response = Response(None, status, headers={"location": parsed(url)})
        response.headers.freeze()
        return response

    @staticmethod
    def from_json(
        data: Any, status: int | None = None, status_text: str = "", headers: HeadersInit = None
    ) -> Response:
        """Make a Response of a JSON value.

        Args:
            data: what `json.dumps` takes.
            status: as that of a Response.
            status_text: likewise.
            headers: likewise; a Content-Type there is kept.

        Raises:
            TypeError: it is no JSON value.
            ValueError: it contains itself, or a number that JSON does not have.
        """
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        response = Response(encoded(text), status, status_text, headers)
        if "content-type" not in response.headers:
            response.headers["content-type"] = "application/json"
        return response

    def json(self: Any, *args: Any, **options: Any) -> Any:
        """Read the body as JSON; or, as `Response.json(data)`, make a Response (`from_json`).

        Args:
            args: nothing, of a Response; of the class what `from_json` takes.
            options: likewise.
        """
        if isinstance(self, Response):
            return Body.json(self, *args, **options)
        return Response.from_json(self, *args, **options)

    def __repr__(self) -> str:
        words = [
            f"<Response {self._status}",
            shown(self._status_text, _SHOWN),
            shown_url(self._url),
        ]
        kind = shown(self.headers.get("content-type", ""), _SHOWN)
        parts = [" ".join(filter(None, words)), kind, self._told()]
        return ", ".join(filter(None, parts)) + ">"


def _checked_text(text: Any) -> str:
    if not isinstance(text, str) or not _STATUS_TEXT.fullmatch(text):
        raise TypeError("Invalid statusText")
    return text


def _checked_status(status: Any) -> int:
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"a status is a number, not {type(status).__name__}")
    if not _FIRST <= status <= _LAST:
        raise ValueError(
            "Responses may only be constructed with status codes in the range 200 to 599,"
            f" inclusive, not {int(status)}."
        )
    return int(status)
