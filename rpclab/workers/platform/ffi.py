"""`pyodide.ffi`: what turns values of Python into JavaScript's, and back. Here they stay Python's.

Floor: workers.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from rpclab.codecs.records import Record, register
from rpclab.workers.platform.advice import lacking

_BUFFERS = (bytes, bytearray, memoryview)


class JsException(Exception):  # noqa: N818 - the platform's name
    """What JavaScript raises; nothing does here, so that an `except` of it never comes to bear."""


class JsProxy:
    """A value of JavaScript; there are none here."""


class Uint8Array(bytes):
    """Bytes, as JavaScript's array of them: they have a `buffer`, too."""

    __slots__ = ()

    @property
    def buffer(self) -> bytes:
        """The bytes."""
        return bytes(self)

    @property
    def length(self) -> int:
        """How many they are."""
        return len(self)

    byteLength = length  # noqa: N815 - the name in JavaScript

    def to_py(self) -> bytes:
        """The bytes."""
        return bytes(self)

    to_bytes = to_py

    @staticmethod
    def new(source: Any = 0, /) -> Uint8Array:
        """Make one of bytes, of numbers, or of so many zeros."""
        return Uint8Array(source)


def _take(value: Uint8Array, *, copied: bool) -> tuple[list[Any], None]:
    del copied
    return [value.buffer], None


def _build(parts: list[Any]) -> bytes:
    [data] = parts
    if type(data) is not bytes:
        raise TypeError(f"a Uint8Array is sent as bytes, not as {type(data).__name__}")
    return data


# Sent or stored, it arrives as bytes.
register(Uint8Array, Record("Uint8Array", _take, _build, "send bytes(value)"))


def to_js(value: Any, /, *, dict_converter: Callable[[Any], Any] | None = None, **_: Any) -> Any:
    """Copy a value as it would be copied into JavaScript.

    Args:
        value: anything. Dicts, lists, tuples, sets and bytes are copied, all else stays what it is.
        dict_converter: is given the pairs of each dict, and makes something of them.

    Returns:
        The copy: of a tuple a list, of bytes a Uint8Array.
    """
    return _copied(value, dict_converter, {})


def _copied(value: Any, dict_converter: Callable[[Any], Any] | None, seen: dict[int, Any]) -> Any:
    if isinstance(value, _BUFFERS):
        return Uint8Array(value)
    if not isinstance(value, (dict, list, tuple, set, frozenset)):
        return value
    if id(value) in seen:
        return seen[id(value)][1]
    made: Any
    if isinstance(value, dict):
        made = {}
        seen[id(value)] = value, made
        for key, item in value.items():
            made[key] = _copied(item, dict_converter, seen)
        if dict_converter is not None:
            made = dict_converter(list(made.items()))
            seen[id(value)] = value, made
        return made
    if isinstance(value, (set, frozenset)):
        return {_copied(item, dict_converter, seen) for item in value}
    made = []
    seen[id(value)] = value, made
    made.extend(_copied(item, dict_converter, seen) for item in value)
    return made


def create_proxy(value: Any, /, **_: Any) -> Any:
    """Give a value itself; a function has a `destroy` then, which does nothing."""
    if not inspect.isroutine(value):
        return value

    @functools.wraps(value)
    def proxy(*args: Any, **kwargs: Any) -> Any:
        return value(*args, **kwargs)

    proxy.destroy = lambda: None  # type: ignore[attr-defined]
    return proxy


def create_once_callable(value: Any, /, **_: Any) -> Any:
    """Give a function, as `create_proxy` does."""
    return create_proxy(value)


def destroy_proxies(proxies: Iterable[Any], /) -> None:
    """Do nothing: here nothing is kept by a proxy."""


jsnull = None
"""JavaScript's `null`, which is None here."""

__all__ = [
    "JsException", "JsProxy", "create_once_callable", "create_proxy", "destroy_proxies", "jsnull",
    "to_js",
]  # fmt: skip

__getattr__ = lacking(
    "pyodide.ffi",
    {
        "run_sync": "make the method async, and await it",
        "can_run_sync": "make the method async, and await",
        "wrappers": "asyncio has what it is for: asyncio.sleep, ctx.wait_until(…)",
    },
    __all__,
)
