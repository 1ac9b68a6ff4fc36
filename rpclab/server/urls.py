"""The whole URL of a request, as a Worker is asked at it.

Floor: server.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rpclab.server.admission import without_token
from rpclab.workers.http.urls import parsed

_MOST_ORIGINS = 1000  # that are remembered; whoever asks may think of more, and of long ones
_LONGEST_HOST = 300
_MOST_KEPT = 1000  # addresses that are remembered, for the same ones are asked for again and again
_LONGEST_KEPT = 300  # characters of one

# A path and a query that the URL standard leaves as they are: no segment begins with a dot, also
# not with an escaped one, and what the standard escapes is not there.
_PLAIN = re.compile(
    r"(?:/(?:(?!\.|%2[eE])(?:[A-Za-z0-9!$&()*+,.:;=@_~-]|%(?!2[eE])[0-9A-Fa-f]{2})+)?)+"
    r"(?:\?[A-Za-z0-9!$&()*+,./:;=?@_~%-]*)?"
)

_DOTS = re.compile(r"/(?:\.|%2e)|\\", re.IGNORECASE)

_origins: dict[str, str] = {}


def plain_path(path: str) -> str:
    """Give a path as the URL standard has it, without segments that lead elsewhere.

    It decides who answers, and has to be the one that is asked for in the end.

    Args:
        path: as it was written.
    """
    look = _plain_path if len(path) <= _LONGEST_KEPT else _plain_path.__wrapped__
    return look(path)


@lru_cache(maxsize=_MOST_KEPT)
def _plain_path(path: str) -> str:
    if not _DOTS.search(path) or not path.startswith("/"):
        return path
    try:
        return parsed(f"http://host{path}").removeprefix("http://host")
    except TypeError:
        return path


def whole_url(scheme: str, host: str, path: str, query: str) -> str:
    """Give the URL that a request has asked for, in the form of the URL standard.

    Args:
        scheme: "http" or "https".
        host: with its port, as the request has named it.
        path: as it was written.
        query: likewise; a token in it is left out.

    Raises:
        TypeError: there is no such URL.
    """
    if query and ("token" in query or "%" in query):
        query = without_token(query)
    rest = f"{path}?{query}" if query else path
    if _PLAIN.fullmatch(rest) is None or len(host) > _LONGEST_HOST:
        return parsed(f"{scheme}://{host}{rest}")
    # The standard reads host and path each by itself, and hosts come again and again.
    start = f"{scheme}://{host}"
    origin = _origins.get(start)
    if origin is None:
        if len(_origins) >= _MOST_ORIGINS:
            _origins.clear()
        origin = _origins[start] = parsed(start + "/")[:-1]
    return origin + rest


class Place(NamedTuple):
    """What a request asks for, of what stands in its first line.

    Attributes:
        path: as the URL standard has it, below the prefix.
        query: what follows the question mark.
        url: all of it, as a Worker sees it.
    """

    path: str
    query: str
    url: str


def place_of(scheme: str, host: str, target: str, prefix: str) -> Place:
    """Give what a request asks for; nearly always that was asked for before.

    Args:
        scheme: "http" or "https".
        host: with its port, as the request has named it.
        target: as it was written, from the slash on.
        prefix: the path that a proxy in front leaves before each address.

    Raises:
        TypeError: there is no such URL.
    """
    look = _place_of if len(host) + len(target) <= _LONGEST_KEPT else _place_of.__wrapped__
    return look(scheme, host, target, prefix)


@lru_cache(maxsize=_MOST_KEPT)
def _place_of(scheme: str, host: str, target: str, prefix: str) -> Place:
    path, _, query = target.partition("?")
    path = plain_path(below(path, prefix))
    return Place(path, query, whole_url(scheme, host, path, query))


def below(path: str, prefix: str) -> str:
    """Give what of a path is below a prefix; all of it, if it is not there."""
    if prefix and (path == prefix or path.startswith(prefix + "/")):
        path = path[len(prefix) :]
    return path or "/"
