"""Who may come in: which host was meant, where a page comes from, and who knows the token.

Floor: server. Functions of what was asked; nothing here waits or answers.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from rpclab.net.addresses import TOKEN, is_address, is_loopback

COOKIE = "rpclab_token"
"""How the names of our cookies begin. A browser sends them to all ports of a machine alike."""

ANY = "*"

_ONCE = frozenset({"host", "origin", "sec-fetch-site", "x-forwarded-for", "x-forwarded-proto"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that only ask."""
_LONGEST_KEPT = 300  # characters of a host that is remembered
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{0,5}))?", re.IGNORECASE)


class Asked(NamedTuple):
    """What decides on a request.

    Attributes:
        method: such as "GET"; a WebSocket is one, too.
        headers: the last of each name, in lower case; see `headers_of`.
        query: what follows the question mark.
        is_socket: whether a WebSocket is wanted.
    """

    method: str
    headers: Mapping[str, str]
    query: str
    is_socket: bool = False


class Refusal(NamedTuple):
    """Why a request is not let in: the status, and a sentence."""

    status: int
    why: str


@dataclass(frozen=True)
class Admission:
    """The rules of one server.

    Attributes:
        token: what everybody must know; None lets all in.
        hosts: the names under which the server may be asked, such as "app.example" or
            "*.example"; None does not look. A page of another site can give its own name the
            address of this machine, and would be of the same origin as what it finds there.
        origins: the origins whose pages may open sessions and send more than questions, such as
            "https://app.example"; "*" for all.
        local: whether only this machine reaches the server, so that its pages may, too.
    """

    token: str | None = None
    hosts: frozenset[str] | None = None
    origins: frozenset[str] = frozenset()
    local: bool = True

    def refusal(self, asked: Asked) -> Refusal | None:
        """Say why a request is not let in; None if it is."""
        host = asked.headers.get("host", "")
        refusal = self.refusal_of_name(host)
        if refusal is not None:
            return refusal
        if not self._comes_from_here(asked, host):
            origin = asked.headers.get("origin", "another site")
            return Refusal(
                403,
                f"Pages of {_shown(origin)} may not do that here. Whoever runs the server can"
                " allow them: origins=[…], or --allow-origin.",
            )
        if self.token is not None and not self._knows_token(asked, host):
            return Refusal(
                401,
                "This server wants its token: as ?token=… in the address, or as the header"
                " Authorization: Bearer ….",
            )
        return None

    def refusal_of_name(self, host: str) -> Refusal | None:
        """Say why nobody is let in who asks under that name; None if somebody may be.

        Args:
            host: the header `Host`.
        """
        # Names come again and again; whoever thinks of long ones has them looked at each time.
        look = _of_host if len(host) <= _LONGEST_KEPT else _of_host.__wrapped__
        return look(host, self.hosts, self.local)

    def _comes_from_here(self, asked: Asked, host: str) -> bool:
        """Whether a page may do that: one of this server, or of an origin that is allowed."""
        if asked.method in SAFE and not asked.is_socket:
            return True
        origin = asked.headers.get("origin")
        if origin is None:
            # Every browser says where a page comes from that sends more than a question.
            return asked.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        if self._is_of_here(origin, host):
            return True
        parts = _origin(origin)
        return (
            parts is not None
            and self.local
            and is_loopback(parts.hostname or "")
            and is_loopback(name_of(host))
        )

    def _is_of_here(self, origin: str, host: str) -> bool:
        """Whether an origin is that of the server, or one of those that are allowed."""
        if ANY in self.origins or origin in self.origins:
            return True
        parts = _origin(origin)
        return parts is not None and parts.netloc.lower() == host.lower()

    def _knows_token(self, asked: Asked, host: str) -> bool:
        given = [value for name, value in parse_qsl(asked.query) if name == TOKEN]
        scheme, _, value = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given.append(value.strip())
        origin = asked.headers.get("origin")
        if origin is None or self._is_of_here(origin, host):
            # A browser adds it to what a page of another port of this machine asks for, too.
            given += _cookies(asked.headers.get("cookie", ""), self.cookie_name)
        return any(is_same(value, self.token or "") for value in given)

    def without_token_in(self, name: str, value: str) -> str | None:
        """What a Worker may see of a header: nothing that tells the token; None for no header.

        A browser says the whole address of a page when it loads what belongs to the page.
        """
        if name == "cookie":
            # Those of other servers on this machine are no business of the Worker's either.
            pairs = value.split(";")
            kept = [pair for pair in pairs if not pair.lstrip().startswith(COOKIE)]
            return value if len(kept) == len(pairs) else ";".join(kept).strip() or None
        if self.token is None:
            return value
        if name == "referer":
            before, mark, query = value.partition("?")
            left = without_token(query)
            return before + mark + left if left else before
        return None if name == "authorization" and self.token in value else value

    def wants_cookie(self, asked: Asked) -> bool:
        """Whether a page was asked for with the token in its address.

        What it loads in turn has other addresses, so a cookie takes the token's place there.
        """
        return (
            self.token is not None
            and asked.method == "GET"
            and any(name == TOKEN for name, _ in parse_qsl(asked.query))
        )

    @cached_property
    def cookie_name(self) -> str:
        """The name of the cookie that remembers this token, and no other server's."""
        return f"{COOKIE}_{sha256((self.token or '').encode()).hexdigest()[:12]}"

    def cookie(self, path: str, *, secure: bool) -> str:
        """The header `Set-Cookie` that remembers the token."""
        value = quote(self.token or "", safe="")
        return (
            f"{self.cookie_name}={value}; Path={path or '/'}; HttpOnly; SameSite=Strict"
            + "; Secure" * secure
        )


def known_hosts(names: Iterable[str], *, local: bool) -> frozenset[str] | None:
    """The names under which a server may be asked beside those of this machine; None for all.

    Args:
        names: those that are allowed.
        local: whether nothing but the loopback stands between a page elsewhere and the server.
    """
    allowed = frozenset(name.lower().rstrip(".") for name in names)
    return allowed if allowed or local else None


@lru_cache(maxsize=1000)
def _of_host(host: str, hosts: frozenset[str] | None, local: bool) -> Refusal | None:  # noqa: FBT001
    """Say why nobody asks under that name; None if somebody may. The rest is an Admission's."""
    if hosts is not None and not _is_known(host, hosts, local=local):
        return Refusal(
            421,
            f"This server is not asked as {_shown(host)}. Whoever runs it can allow the name:"
            " hosts=[…], or --allow-host.",
        )
    if host and _HOST.fullmatch(host) is None:
        # The address that a Worker is asked at is made of it.
        return Refusal(400, f"No host is called {_shown(host)}.")
    return None


def _is_known(host: str, hosts: frozenset[str], *, local: bool) -> bool:
    matched = _HOST.fullmatch(host)
    if matched is None:
        return False
    name = matched[1].lower().rstrip(".")
    if is_loopback(name) or ANY in hosts:
        return True
    if not local and is_address(name):
        return True  # nobody can give an address another address
    return any(
        name == known or (known.startswith("*.") and name.endswith(known[1:])) for known in hosts
    )


def _origin(text: str) -> SplitResult | None:
    """The parts of an origin; None if it is none, such as "null"."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return parts if parts.netloc else None


def _cookies(header: str, wanted: str) -> list[str]:
    """What stands in a header `Cookie` under a name."""
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [unquote(value.strip().strip('"')) for name, _, value in pairs if name.strip() == wanted]


def is_same(given: str, token: str) -> bool:
    """Compare a token in a time that does not tell where it differs."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def without_token(query: str) -> str:
    """The query of a request without the token, which is no business of the Worker's."""
    pairs = parse_qsl(query, keep_blank_values=True)
    left = [(name, value) for name, value in pairs if name != TOKEN]
    return query if len(left) == len(pairs) else urlencode(left)


def name_of(host: str) -> str:
    """The name in a header `Host`, without its port."""
    matched = _HOST.fullmatch(host)
    return matched[1].lower() if matched else ""


def headers_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that decide on a request: by name in lower case, the last of each.

    Those that must stand once are joined where they stand twice, which makes none of them valid:
    else a proxy in front could go by the first, and this server by the last.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]}, {value}" if name in _ONCE and name in found else value
    return found


def decoded(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str]]:
    """The headers of an ASGI request as texts."""
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _shown(text: str) -> str:
    kept = "".join(character for character in text[:100] if character.isprintable())
    return repr(kept)
