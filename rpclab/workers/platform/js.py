"""`js`: the globals of JavaScript that a Worker in Python uses, in Python.

Floor: workers. A class of JavaScript is made with `X.new(…)`, as Pyodide has it; its options may be
given by name or as a dict.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from rpclab.rpc.streams import ReadableStream, WritableStream
from rpclab.workers import http
from rpclab.workers.http.fetching import fetch as fetch_from_network
from rpclab.workers.http.url_objects import URL as _URL
from rpclab.workers.http.url_objects import URLSearchParams as _URLSearchParams
from rpclab.workers.javascript_names import PYTHON_NAMES
from rpclab.workers.platform.advice import lacking
from rpclab.workers.platform.ffi import Uint8Array


class Class:
    """A class of ours under its name in JavaScript: `new` makes one.

    Args:
        kind: the class.
        statics: what else stands on it.
    """

    def __init__(self, kind: type, **statics: Any) -> None:
        self._kind = kind
        vars(self).update(statics)

    def new(self, *args: Any, **options: Any) -> Any:
        """Make one: a dict at the end holds the options."""
        given, named = _options(args, options)
        return self._kind(*given, **named)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._kind)

    def __repr__(self) -> str:
        return f"<{self._kind.__name__} of JavaScript: make one with .new(…)>"


def _options(args: tuple[Any, ...], options: Mapping[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """Tell arguments from the dict of options that may follow the first of them."""
    named = dict(options)
    if len(args) > 1 and isinstance(args[-1], dict):
        named, args = {**args[-1], **named}, args[:-1]
    return args, {PYTHON_NAMES.get(name, name): value for name, value in named.items()}


def _new_blob(parts: Iterable[Any] = (), options: Mapping[str, Any] | None = None, /) -> Any:
    data = b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in parts)
    return http.Blob(data, (options or {}).get("type", ""))


async def fetch(resource: Any, /, *args: Any, **options: Any) -> Any:
    """Fetch a URL over the network, as `workers.fetch`; a dict may hold the options."""
    given, named = _options((resource, *args), options)
    return await fetch_from_network(*given, **named)


def _log(*values: Any) -> None:
    print(*values)  # noqa: T201 - that is what a console is for


def _log_error(*values: Any) -> None:
    print(*values, file=sys.stderr)  # noqa: T201


def _text(value: Any, _replacer: Any = None, space: Any = None, /) -> str:
    return json.dumps(
        value, ensure_ascii=False, indent=space, separators=None if space else (",", ":")
    )


def _assign(target: dict[str, Any], *sources: Mapping[str, Any]) -> dict[str, Any]:
    for source in sources:
        target.update(source)
    return target


def _entries(value: Mapping[str, Any]) -> list[list[Any]]:
    return [[key, item] for key, item in value.items()]


def _values(value: Mapping[str, Any]) -> list[Any]:
    return list(value.values())


Object = SimpleNamespace(
    assign=_assign, entries=_entries, fromEntries=dict, keys=list, new=dict, values=_values
)
JSON = SimpleNamespace(parse=json.loads, stringify=_text)
Date = SimpleNamespace(now=lambda: int(time.time() * 1000))
console = SimpleNamespace(debug=_log, info=_log, log=_log, warn=_log_error, error=_log_error)
crypto = SimpleNamespace(randomUUID=lambda: str(uuid.uuid4()))
Blob = SimpleNamespace(new=_new_blob)
FormData = Class(http.FormData)
Headers = Class(http.Headers)
Request = Class(http.Request)
URL = Class(_URL, canParse=_URL.can_parse, parse=_URL.parse)
URLSearchParams = Class(_URLSearchParams)


def _response_of_json(*args: Any, **options: Any) -> Any:
    given, named = _options(args, options)
    return http.Response.from_json(*given, **named)


Response = Class(http.Response, json=_response_of_json, redirect=http.Response.redirect)

__all__ = [
    "JSON", "URL", "Blob", "Date", "FormData", "Headers", "Object", "ReadableStream", "Request",
    "Response", "URLSearchParams", "Uint8Array", "WritableStream", "console", "crypto", "fetch",
]  # fmt: skip

_TIMERS = "await asyncio.sleep(seconds), in work given to ctx.wait_until(…) if it is to go on"
_SOCKETS = (
    "rpclab has no WebSockets; a stream, or a method called with a function, sends as it goes"
)

__getattr__ = lacking(
    "js",
    {
        **dict.fromkeys(("WebSocket", "WebSocketPair", "WebSocketRequestResponsePair"), _SOCKETS),
        **dict.fromkeys(("setInterval", "setTimeout", "clearInterval", "clearTimeout"), _TIMERS),
        **dict.fromkeys(("Array", "Map", "Set", "Number", "String"), "write it in Python"),
        **dict.fromkeys(("TextEncoder", "TextDecoder"), "text.encode() and data.decode() do it"),
        "ArrayBuffer": "bytes, or Uint8Array.new(data)",
        "HTMLRewriter": "html.parser reads HTML, and a Response takes the text that was made of it",
        "Math": "import math",
        "Promise": "asyncio.gather(…)",
        "TransformStream": "an async generator that reads one stream is the source of another:"
        " ReadableStream(generator)",
        "caches": "rpclab has no cache; a KV namespace keeps values with a time to live",
        "env": "from workers import env",
        "eval": "there is no JavaScript here that could be run",
    },
    __all__,
)
