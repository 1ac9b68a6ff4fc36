"""Addresses of peers: `unix: tcp: tls: ws: wss: http: https: memory:`.

Floor: net.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from rpclab.errors import near

SCHEMES = ("unix", "tcp", "tls", "ws", "wss", "http", "https", "memory")
TOKEN = "token"  # noqa: S105 - the name of a parameter

_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^:\[\]/?#@\s]*):(\d{1,5})")
_TOKEN = re.compile(r"[!-~]+")
_PASSWORD = re.compile(r"//[^/#]*@")
MOST_PORT = 65535


@dataclass(frozen=True)
class Address:
    """Where a peer is.

    Attributes:
        scheme: one of `SCHEMES`.
        host: the name or address of the machine; "" for `unix` and `memory`.
        port: likewise.
        path: of a `unix` socket; the name of a `memory` one; what a URL asks for.
        query: what follows it in a URL, without the token.
        token: what the peer wants to know; None if nothing is given.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    query: str = ""
    token: str | None = field(default=None, repr=False)

    @property
    def is_web(self) -> bool:
        """Whether it is a URL of the web."""
        return self.scheme in _PORTS

    @property
    def is_secure(self) -> bool:
        """Whether the way there is encrypted."""
        return self.scheme in ("tls", "wss", "https")

    def url(self) -> str:
        """The URL, without the token, for those of the web."""
        default = self.port == _PORTS[self.scheme]
        place = _bracketed(self.host) + f":{self.port}" * (not default)
        return urlunsplit((self.scheme, place, self.path or "/", self.query, ""))

    def __str__(self) -> str:
        if self.is_web:
            return self.url()
        if self.host:
            return f"{self.scheme}:{_bracketed(self.host)}:{self.port}"
        return f"{self.scheme}:{self.path}"


def parse_address(text: str) -> Address:
    """Read an address: "tcp:host:port", "unix:/path", "wss://host/path", ….

    Raises:
        TypeError: it is no text.
        ValueError: it is no address.
    """
    if not isinstance(text, str):
        raise TypeError(f'an address is a text such as "tcp:host:port", not {type(text).__name__}')
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in SCHEMES:
        hint = near(scheme, SCHEMES)
        raise ValueError(
            f"{_shown(text)!r} is no address: it begins with none of the schemes; {hint}"
        )
    if scheme in _PORTS:
        return _web(scheme, text)
    if scheme in ("unix", "memory"):
        if not rest:
            raise ValueError(f"{_shown(text)!r} is no address: {scheme}: is followed by a name")
        path, asked, token = rest.partition(f"?{TOKEN}=")
        if scheme == "unix":
            path = path.removeprefix("//")
        return Address(scheme, path=path, token=unquote(token) if asked else None)
    return _socket(scheme, rest, text)


def _socket(scheme: str, rest: str, text: str) -> Address:
    place, _, query = rest.removeprefix("//").partition("?")
    matched = _HOST.fullmatch(place.rstrip("/"))
    if matched is None:
        raise ValueError(f"{_shown(text)!r} is no address: {scheme}:host:port is one")
    if int(matched[2]) > MOST_PORT:
        raise ValueError(f"{_shown(text)!r} is no address: a port is 0 to {MOST_PORT}")
    token, left = _taken(query)
    if left:
        raise ValueError(f"{_shown(text)!r} is no address: it may ask for {TOKEN}= alone")
    host = matched[1].strip("[]") or "127.0.0.1"
    return Address(scheme, host, int(matched[2]), token=token)


def _web(scheme: str, text: str) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{_shown(text)!r} is no URL: {error}") from None
    if not host:
        raise ValueError(f"{_shown(text)!r} is no URL: it names no host")
    token, query = _taken(parts.query)
    return Address(
        scheme,
        host,
        _PORTS[scheme] if port is None else port,
        path=parts.path or "/",
        query=query,
        token=token,
    )


def _taken(query: str) -> tuple[str | None, str]:
    """The token in a query, and the query without it."""
    pairs = parse_qsl(query, keep_blank_values=True)
    tokens = [value for name, value in pairs if name == TOKEN]
    if not tokens:
        return None, query
    return tokens[0], urlencode([pair for pair in pairs if pair[0] != TOKEN])


def _shown(text: str) -> str:
    """An address as an error may show it: without what lets one in, a token or a password."""
    return _PASSWORD.sub("//", text.partition("?")[0])[:100]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def checked_token(token: str | None) -> str | None:
    """Give a token as it can stand in a header.

    Raises:
        TypeError: it is no text.
        ValueError: it is none.
    """
    if token is not None and not isinstance(token, str):
        raise TypeError(f"a token is a text, not {type(token).__name__}")
    if token is not None and not _TOKEN.fullmatch(token):
        raise ValueError("a token consists of visible characters of ASCII, without white space")
    return token


def is_address(name: str) -> bool:
    """Whether a name of a host is an address itself, and asks no name server."""
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether a name or address means this very machine, whatever a name server says."""
    bare = name.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False
