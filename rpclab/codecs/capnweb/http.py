"""Request, Response, Headers, Blob and URL: the records of the workers' floor, as expressions.

Floor: codecs. A value that the peer's constructor would refuse ends its session, so it is refused
here; and what ends a session there, ends it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rpclab.codecs.records import named, named_of_the_web
from rpclab.codecs.refusals import malformed
from rpclab.errors import DataCloneError, RemoteProtocolError
from rpclab.previews import preview

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\0\r\n]|[^\x00-\xff]")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_CREDENTIALS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*@")
_REFUSED_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_NULL_BODY = frozenset({101, 103, 204, 205, 304})
_COOKIE = "set-cookie"
_TEXT = "text/plain;charset=UTF-8"

Write = Callable[[Any], Any]


# Out.


def write(name: str, parts: list[Any], write: Write, stream: Write) -> Any:
    """Write a record.

    Args:
        name: of its class.
        parts: it, taken apart.
        write: writes a value.
        stream: makes a stream of bytes.

    Raises:
        DataCloneError: the peer would refuse it.
    """
    writer = _WRITERS.get(name)
    if writer is None:
        return write(parts[0])
    return writer(parts, write, stream)


def _write_headers(pairs: list[Any], _write: Write, _stream: Write) -> Any:
    return ["headers", _pairs(pairs)]


def _pairs(raw: list[Any]) -> list[list[str]]:
    """Pairs as JavaScript has them: lower case, sorted, joined; cookies stay apart."""
    found: dict[str, list[str]] = {}
    for name, value in raw:
        if not _NAME.fullmatch(name):
            raise DataCloneError(f"{preview(name)} cannot be the name of a header")
        if _BAD_VALUE.search(value):
            raise DataCloneError(
                f"the header {name} has a value that JavaScript refuses: it holds Latin-1 without"
                " line ends; encode it, with urllib.parse.quote(value) say"
            )
        found.setdefault(name.lower(), []).append(value)
    return [
        [name, value]
        for name, values in sorted(found.items())
        for value in (values if name == _COOKIE else [", ".join(values)])
    ]


def _write_request(parts: list[Any], write: Write, _stream: Write) -> Any:
    method, url, redirect, cf, headers, body = parts
    init: dict[str, Any] = {}
    if method.upper() in _REFUSED_METHODS:
        raise DataCloneError(f"JavaScript makes no Request with the method {method}")
    if _CREDENTIALS.match(url):
        raise DataCloneError(
            "JavaScript makes no Request of a URL with a password in it: send an Authorization"
            " header"
        )
    if method != "GET":
        init["method"] = method
    pairs = _pairs(headers)
    if pairs:
        init["headers"] = pairs
    if body is not None:
        if method in _WITHOUT_BODY:
            raise DataCloneError(f"a Request with the method {method} has no body in JavaScript")
        init["body"] = write(body)
        if type(body) is not bytes:
            init["duplex"] = "half"
    if redirect != "follow":
        init["redirect"] = redirect
    if cf is not None:
        init["cf"] = write(cf)
    return ["request", url, init]


def _write_response(parts: list[Any], write: Write, _stream: Write) -> Any:
    status, text, headers, body = parts
    init: dict[str, Any] = {}
    if not 200 <= status <= 599:
        raise DataCloneError(f"JavaScript makes no Response with the status {status}")
    if body is not None and status in _NULL_BODY:
        raise DataCloneError(f"a Response with the status {status} has no body in JavaScript")
    if status != 200:
        init["status"] = status
    if text:
        init["statusText"] = text
    pairs = _pairs(headers)
    if pairs:
        init["headers"] = pairs
    return ["response", None if body is None else write(body), init]


def _write_blob(parts: list[Any], write: Write, stream: Write) -> Any:
    data, content_type = parts
    return ["blob", content_type, write(stream(data))]


def _write_url(parts: list[Any], _write: Write, _stream: Write) -> Any:
    return ["url", parts[0]]


_WRITERS: dict[str, Callable[[list[Any], Write, Write], Any]] = {
    "URL": _write_url,
    "Headers": _write_headers,
    "Request": _write_request,
    "Response": _write_response,
    "Blob": _write_blob,
}


# In.


def read_url(parts: list[Any]) -> Any:
    """Read a URL.

    Raises:
        RemoteProtocolError: it is none, or no whole one.
    """
    if not parts or type(parts[0]) is not str or not _ABSOLUTE.match(parts[0]):
        raise malformed("URL", parts)
    try:
        record = named_of_the_web("URL")
    except LookupError:
        return parts[0]  # nobody here has a class for it
    try:
        return record.build(parts[:1])
    except TypeError:
        raise malformed("URL", parts[0]) from None


def read_headers(parts: list[Any]) -> Any:
    """Read headers.

    Raises:
        RemoteProtocolError: they are none.
        LookupError: nobody here knows what headers are.
    """
    return named("Headers").build(_read_pairs(parts[0] if parts else None))


def _read_pairs(pairs: Any) -> list[tuple[str, str]]:
    if type(pairs) is not list:
        raise malformed("headers", pairs)
    for pair in pairs:
        if (
            type(pair) is not list
            or len(pair) != 2
            or [*map(type, pair)] != [str, str]
            or not _NAME.fullmatch(pair[0])
            or _BAD_VALUE.search(pair[1])
        ):
            raise malformed("header", pair)
    return [tuple(pair) for pair in pairs]


def read_request(parts: list[Any], evaluate: Callable[[Any], Any]) -> Any:
    """Read a request.

    Raises:
        RemoteProtocolError: it is none.
        Exception: it is one that cannot be made here.
    """
    if len(parts) < 2 or type(parts[0]) is not str or type(parts[1]) is not dict:
        raise malformed("Request", parts)
    url, init = parts[:2]
    method = init.get("method", "GET")
    if type(method) is not str or not _NAME.fullmatch(method) or method.upper() in _REFUSED_METHODS:
        raise malformed("Request", parts)
    if not _ABSOLUTE.match(url) or _CREDENTIALS.match(url):
        raise malformed("Request", parts)
    headers = _read_pairs(init.get("headers", []))
    body, has_text = _read_body(init.get("body"), evaluate)
    if body is not None and method.upper() in _WITHOUT_BODY:
        raise RemoteProtocolError(f"the peer sent a Request with a body and the method {method}")
    if body is not None and type(body) is not bytes and init.get("duplex") != "half":
        raise RemoteProtocolError("the peer sent a Request with a stream and no duplex")
    cf = evaluate(init["cf"]) if "cf" in init else None
    _add_type(headers, has_text)
    return named("Request").build([method, url, init.get("redirect", "follow"), cf, headers, body])


def read_response(parts: list[Any], evaluate: Callable[[Any], Any]) -> Any:
    """Read a response.

    Raises:
        RemoteProtocolError: it is none.
        Exception: it is one that cannot be made here.
    """
    if len(parts) < 2 or type(parts[1]) is not dict:
        raise malformed("Response", parts)
    init = parts[1]
    status, text = init.get("status", 200), init.get("statusText", "")
    if type(status) is not int or not 200 <= status <= 599 or type(text) is not str:
        raise malformed("Response", parts)
    headers = _read_pairs(init.get("headers", []))
    body, has_text = _read_body(parts[0], evaluate)
    if body is not None and status in _NULL_BODY:
        raise RemoteProtocolError(f"the peer sent a Response with a body and the status {status}")
    _add_type(headers, has_text)
    return named("Response").build([status, text, headers, body])


def _read_body(tree: Any, evaluate: Callable[[Any], Any]) -> tuple[Any, bool]:
    """Read a body. Says also whether it was a text."""
    if type(tree) is str:
        return tree.encode("utf-8", "replace"), True
    if tree is None:
        return None, False
    if type(tree) is not list or not tree or tree[0] not in ("bytes", "readable"):
        raise malformed("body", tree)
    body = evaluate(tree)
    if tree[0] == "bytes" and type(body) is not bytes:
        body = body.tobytes()
    return body, False


def _add_type(headers: list[tuple[str, str]], has_text: bool) -> None:  # noqa: FBT001 - private
    if has_text and all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("content-type", _TEXT))
