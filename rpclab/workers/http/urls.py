"""URLs of requests and redirects: whole ones, in normal form.

Floor: workers.
"""

from __future__ import annotations

import re

from yarl import URL

_NO_HOST = re.compile(r"[\s<>^|\\@]")


def parsed(text: str | URL, base: str | URL | None = None) -> URL:
    """Read a URL.

    Args:
        text: the URL.
        base: what a relative one starts from.

    Raises:
        TypeError: it is none, or it is relative and there is no base.
    """
    if not isinstance(text, (str, URL)):
        raise TypeError(f"a URL is a text, not {type(text).__name__}")
    try:
        url = URL(text.strip()) if isinstance(text, str) else text
        if base is not None:
            url = URL(base).join(url)
        host = url.host  # made when asked for, and that can fail
    except ValueError as error:
        raise _invalid(text, str(error)) from None
    if not url.scheme or not host or _NO_HOST.search(host):
        raise _invalid(text, 'a whole one is wanted, such as "http://host/path"')
    if url.path == "/":
        # Written without a path it has the path "/" all the same.
        url = url.with_path("/", keep_query=True, keep_fragment=True)
    return url


def _invalid(text: str | URL, why: str) -> TypeError:
    error = TypeError(f"Invalid URL: {text}")
    error.add_note(why)
    return error
