"""URLs of requests and redirects, read and written as the URL standard says.

Floor: workers. A URL is kept as the text that the standard makes of it.
"""

from __future__ import annotations

from typing import Protocol

from rpclab.previews import shown
from rpclab.workers.http.text import encoded
from rpclab.workers.http.url_parser import URL, is_address

MOST_SHOWN = 200  # characters of a URL that an error or a `repr` quotes
_ANY_HOST = "worker"


class _WithHref(Protocol):
    """A URL of the parser, or of `url_objects`."""

    @property
    def href(self) -> str: ...


class _WithGeturl(Protocol):
    """What `urllib.parse.urlsplit` gives."""

    def geturl(self) -> str: ...


class _WithParts(Protocol):
    """A URL of httpx or yarl, whose text is the URL."""

    @property
    def scheme(self) -> str: ...

    @property
    def host(self) -> str | None: ...


URLLike = str | _WithHref | _WithGeturl | _WithParts
"""A text, or an object of a library that stands for a URL."""


def parsed(given: URLLike, base: str | None = None, *, failure: str = "Invalid URL") -> str:
    """Read a URL.

    Args:
        given: the URL.
        base: what a relative one starts from.
        failure: what the error begins with.

    Returns:
        The whole URL, in the form of the standard.

    Raises:
        TypeError: it is none, or it is relative and there is no base.
    """
    # Half a surrogate pair becomes U+FFFD, as in JavaScript.
    text = encoded(_text_of(given)).decode()
    try:
        return URL(text, base).href
    except ValueError:
        error = TypeError(f"{failure}: {shown_url(text)}")
        error.add_note('a whole one is wanted, such as "http://host/path"')
        raise error from None


def _text_of(given: URLLike) -> str:
    if isinstance(given, str):
        return str.__str__(given)
    if hasattr(given, "href"):
        return str(given.href)
    if hasattr(given, "geturl"):
        return str(given.geturl())
    if hasattr(given, "scheme") and hasattr(given, "host"):
        return str(given)
    raise TypeError(f"a URL is a text, not {type(given).__name__}")


def shown_url(url: str) -> str:
    """Give a URL, or what was to be one, for an error or a `repr`."""
    return shown(url, MOST_SHOWN)


def without_fragment(url: str) -> str:
    """Give a URL without its fragment, which is for whoever asked alone."""
    return url.partition("#")[0]


def is_http(url: str) -> bool:
    """Whether a whole URL can be fetched."""
    return url.startswith(("http:", "https:"))


def origin(url: str) -> str:
    """Give scheme, host and port of a whole URL, as one text."""
    return URL(url).origin


def base_of(name: str) -> str:
    """Give the URL that a path alone is completed with, on a binding to the Worker of that name."""
    url = f"http://{name}/"
    if URL.can_parse(url):
        read = URL(url)
        # A name such as "7" would be read as an address, and "a/b" as more than a host.
        if read.host == name.lower() and not is_address(read.host):
            return read.href
    return f"http://{_ANY_HOST}/"
