"""URL and URLSearchParams: a URL in parts that can be changed, as JavaScript has them.

Floor: workers. For code that was written for the platform; in Python `urllib.parse` reads a URL.
The rules are those of the URL standard, section 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

from rpclab.workers.http import url_parser
from rpclab.workers.http.forms import urlencoded_pairs
from rpclab.workers.http.text import encoded
from rpclab.workers.http.urls import parsed
from rpclab.workers.javascript_names import also_in_javascript


@also_in_javascript
class URLSearchParams:
    """The pairs of a query, in order; a name may have several values.

    Args:
        init: the query, with or without a "?"; a mapping, or pairs of name and value.

    Raises:
        TypeError: it is something else.
    """

    __slots__ = ("_pairs", "_url")

    def __init__(
        self, init: str | Mapping[str, Any] | Iterable[tuple[Any, Any]] | None = None, /
    ) -> None:
        self._url: URL | None = None
        if init is None or isinstance(init, str):
            self._pairs = _pairs_of(init or "")
            return
        pairs: list[Any] = list(init.items() if isinstance(init, Mapping) else init)
        if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a pair
            raise TypeError("URLSearchParams are made of a text, a mapping, or pairs")
        self._pairs = [(_text(name), _text(value)) for name, value in pairs]

    # Reading.

    def __sizeof__(self) -> int:
        pairs = sum(len(name) + len(value) for name, value in self._pairs)
        return object.__sizeof__(self) + pairs

    @property
    def size(self) -> int:
        """How many pairs there are."""
        return len(self._pairs)

    def get(self, name: str, /) -> str | None:
        """The first value of a name; None where there is none."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str, /) -> list[str]:
        """All values of a name, in order."""
        return [value for each, value in self._pairs if each == _text(name)]

    def has(self, name: str, value: str | None = None, /) -> bool:
        """Whether there is a pair of that name, and of that value where one is given."""
        values = self.get_all(name)
        return bool(values) if value is None else _text(value) in values

    def keys(self) -> list[str]:
        """The names, in order."""
        return [name for name, _ in self._pairs]

    def values(self) -> list[str]:
        """The values, in order."""
        return [value for _, value in self._pairs]

    def entries(self) -> list[tuple[str, str]]:
        """The pairs, in order."""
        return list(self._pairs)

    def __getitem__(self, name: str) -> str | None:
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.has(name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.entries())

    def __len__(self) -> int:
        return len(self._pairs)

    def to_string(self) -> str:
        """The query, without a "?"."""
        return "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in self._pairs)

    __str__ = to_string

    def __repr__(self) -> str:
        return f"URLSearchParams({self._pairs!r})"

    # Changing. The query of a URL that they belong to changes with them.

    def append(self, name: str, value: Any, /) -> None:
        """Add a pair behind the others."""
        self._change([*self._pairs, (_text(name), _text(value))])

    def set(self, name: str, value: Any, /) -> None:
        """Give a name this one value, where its first one stood."""
        name = _text(name)
        place = next((at for at, pair in enumerate(self._pairs) if pair[0] == name), self.size)
        before = self._pairs[:place]
        behind = [pair for pair in self._pairs[place:] if pair[0] != name]
        self._change([*before, (name, _text(value)), *behind])

    def delete(self, name: str, value: str | None = None, /) -> None:
        """Remove the pairs of a name; those of one value, where that is given."""
        name, value = _text(name), None if value is None else _text(value)
        self._change(
            [pair for pair in self._pairs if pair[0] != name or value not in (None, pair[1])]
        )

    def sort(self) -> None:
        """Order the pairs by name, as JavaScript orders texts; those of one name stay in order."""
        self._change(sorted(self._pairs, key=lambda pair: pair[0].encode("utf-16-be")))

    def _change(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        if self._url is not None:
            self._url._write("search", self.to_string())


class _Part:
    """A part of a URL, by its name in JavaScript."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, url: URL, owner: type) -> str:
        return str(getattr(url._read, self._name))

    def __set__(self, url: URL, value: Any) -> None:
        url._write(self._name, _text(value))
        url._follow()


@also_in_javascript
class URL:
    """A URL that is read and written by its parts.

    A part that fits nowhere is passed over, as the standard has it.

    Args:
        url: the URL, or what stands for one.
        base: what a relative one starts from.

    Attributes:
        protocol: the scheme with its colon, such as "https:".
        username: before the host.
        password: likewise.
        host: with the port, unless that is the scheme's own.
        hostname: without it.
        port: "" for the scheme's own.
        pathname: from the first slash.
        search: the query with its "?"; "" where it is empty.
        hash: the fragment with its "#"; "" where it is empty.

    Raises:
        TypeError: it is none.
    """

    __slots__ = ("_params", "_read")

    protocol = _Part()
    username = _Part()
    password = _Part()
    host = _Part()
    hostname = _Part()
    port = _Part()
    pathname = _Part()
    search = _Part()
    hash = _Part()

    def __init__(self, url: Any, base: Any = None, /) -> None:
        start = None if base is None else parsed(base)
        self._read = url_parser.URL(parsed(url, start))
        self._params: URLSearchParams | None = None

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + len(self.href)

    @property
    def href(self) -> str:
        """The whole URL; what it is set to has to be one."""
        return str(self._read.href)

    @href.setter
    def href(self, url: Any) -> None:
        self._read = url_parser.URL(parsed(url))
        self._follow()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return str(self._read.origin)

    @property
    def search_params(self) -> URLSearchParams:
        """The pairs of its query, the same object each time: to change them changes the URL."""
        if self._params is None:
            self._params = URLSearchParams(self.search)
            self._params._url = self
        return self._params

    @staticmethod
    def can_parse(url: Any, base: Any = None, /) -> bool:
        """Whether that is a URL."""
        return URL.parse(url, base) is not None

    @staticmethod
    def parse(url: Any, base: Any = None, /) -> URL | None:
        """Make a URL; None where it is none."""
        try:
            return URL(url, base)
        except TypeError:
            return None

    def to_string(self) -> str:
        """The whole URL."""
        return self.href

    to_json = __str__ = to_string

    def __repr__(self) -> str:
        return f"URL({self.href!r})"

    def _write(self, name: str, value: str) -> None:
        try:
            setattr(self._read, name, value)
        except ValueError:
            return  # it fits nowhere

    def _follow(self) -> None:
        if self._params is not None:
            self._params._pairs = _pairs_of(self.search)


def _text(value: Any) -> str:
    """A value as JavaScript makes a text of it; half a surrogate pair becomes U+FFFD."""
    if isinstance(value, bool):
        value = str(value).lower()
    return encoded(str(value)).decode()


def _pairs_of(query: str) -> list[tuple[str, str]]:
    return urlencoded_pairs(encoded(query.removeprefix("?")))


def _escaped(text: str) -> str:
    # The standard writes a tilde with an escape, and Python without.
    return quote_plus(text, safe="*-._").replace("~", "%7E")
