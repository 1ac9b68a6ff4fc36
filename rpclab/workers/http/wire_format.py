"""How Headers, Request, Response and Blob cross between Workers (rules R1 to R6, V18).

Floor: workers. Importing this makes the codec know them.
"""

from __future__ import annotations

from typing import Any

from rpclab.codecs.records import Record, register, register_of_the_web
from rpclab.rpc.streams import ReadableStream
from rpclab.workers.declarations import json_copy
from rpclab.workers.http.blobs import Blob
from rpclab.workers.http.headers import Headers
from rpclab.workers.http.requests import Request, checked_method, checked_redirect
from rpclab.workers.http.responses import Response
from rpclab.workers.http.url_objects import URL
from rpclab.workers.http.urls import parsed


def _take_headers(value: Headers, *, copied: bool) -> tuple[list[Any], None]:
    del copied
    return value.raw(), None


def _take_blob(value: Blob, *, copied: bool) -> tuple[list[Any], None]:
    del copied
    return [value._data, value.content_type], None


def _take_request(value: Request, *, copied: bool) -> tuple[list[Any], Any]:
    body, undo = value._cross(copied=copied)
    fields = [value.method, value.url, value.redirect, value.cf]
    return [*fields, value.headers.raw(), body], undo


def _make_request(parts: list[Any]) -> Request:
    method, url, redirect, cf, headers, body = parts
    made = Request.__new__(Request)
    made._url = parsed(url)
    made._method, made._redirect = checked_method(method), checked_redirect(redirect)
    made._cf = None if cf is None else json_copy(cf, "cf")
    made.headers = Headers(headers)
    return made._arrive(_checked_body(body))


def _take_response(value: Response, *, copied: bool) -> tuple[list[Any], Any]:
    body, undo = value._cross(copied=copied)
    return [value.status, value.status_text, value.headers.raw(), body], undo


def _make_response(parts: list[Any]) -> Response:
    status, status_text, headers, body = parts
    made = Response(None, status, status_text, headers)
    return made._arrive(_checked_body(body))


def _checked_body(body: Any) -> bytes | ReadableStream | None:
    """Refuse what a peer sends as a body and is none."""
    if body is None or isinstance(body, (bytes, ReadableStream)):
        return body
    raise TypeError(f"a body is sent as bytes or a stream, not as {type(body).__name__}")


def _take_url(value: URL, *, copied: bool) -> tuple[list[Any], None]:
    del copied
    return [value.href], None


def _make_blob(parts: list[Any]) -> Blob:
    data, content_type = parts
    if type(data) is not bytes:
        raise TypeError(f"a Blob is sent as bytes, not as {type(data).__name__}")
    return Blob(data, content_type)


register(Headers, Record("Headers", _take_headers, Headers, "send Headers(value)"))
register(Blob, Record("Blob", _take_blob, _make_blob, "send Blob(value), and its name"))
register(Request, Record("Request", _take_request, _make_request, "send Request(value)"))
register(Response, Record("Response", _take_response, _make_response, "send Response(value)"))
register_of_the_web(URL, Record("URL", _take_url, lambda parts: URL(parts[0]), "send URL(value)"))
