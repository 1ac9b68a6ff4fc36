"""The parser of URLs: Ada; or, where Python runs in a browser, the browser's own.

Floor: workers. Both do what the URL standard (https://url.spec.whatwg.org) says, and Ada is what
the platform's runtime uses. Ada is compiled, and is not to be had for browsers.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.platform != "emscripten":
    from ada_url import URL
else:
    import js
    from pyodide.ffi import JsException

    class URL:
        """A URL as Ada gives it, read by JavaScript."""

        __slots__ = ("_read",)

        def __init__(self, url: str, base: str | None = None) -> None:
            try:
                read = js.URL.new(url) if base is None else js.URL.new(url, base)
            except JsException:
                raise ValueError("Invalid input") from None
            object.__setattr__(self, "_read", read)

        def __getattr__(self, name: str) -> str:
            return str(getattr(self._read, name))

        def __setattr__(self, name: str, value: str) -> None:
            setattr(self._read, name, value)  # one that fits nowhere is passed over

        @staticmethod
        def can_parse(url: str) -> bool:
            """Whether that is a URL."""
            return bool(js.URL.canParse(url))


__all__ = ["URL"]


def is_address(host: str) -> bool:
    """Whether the host of a URL is an address: of IPv6, or, as it ends in a number, of IPv4."""
    return host.startswith("[") or host.rpartition(".")[2].isdecimal()
