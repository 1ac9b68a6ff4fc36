"""Headers of HTTP messages: names without case, several values for one name.

Floor: workers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from rpclab.previews import shown
from rpclab.workers.http.text import TEXT
from rpclab.workers.javascript_names import also_in_javascript

if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView

HeadersInit = Mapping[str, Any] | Iterable[tuple[str, Any]] | None

_COOKIE = "set-cookie"
_TYPE = "content-type"
_SHOWN = 100  # characters of a name that an error quotes
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_AROUND = "\t\n\r "
_FORBIDDEN = re.compile(r"[\0\r\n]")


@also_in_javascript
class Headers(MutableMapping[str, str]):
    """The headers of a Request or Response (rule R3).

    Names have no case and come in lower case, sorted. The values of one name are joined with a
    comma; those of Set-Cookie stay apart in `items` and `get_set_cookie`.

    Args:
        init: a mapping, or pairs of name and value. A value is a text; numbers and booleans are
            written as in JavaScript.

    Raises:
        TypeError: a name or value cannot stand in a header.
    """

    __slots__ = ("_immutable", "_unread", "_values")

    _unread: Callable[[], list[tuple[str, str]]]

    def __init__(self, init: HeadersInit = None, /) -> None:
        self._values: CIMultiDict[str] = CIMultiDict()
        self._immutable = False
        if init is None:
            return
        if isinstance(init, Headers):
            self._values.extend(init._values)
            return
        pairs = init.items() if isinstance(init, Mapping) else init
        for pair in pairs:
            if type(pair) not in (tuple, list) or len(pair) != 2:  # noqa: PLR2004 - a pair
                raise TypeError(
                    "headers are a mapping, or pairs of name and value; what is none of these is a"
                    f" {type(pair).__name__}"
                )
            self.append(*pair)

    @classmethod
    def _come_in(cls, pairs: Callable[[], list[tuple[str, str]]]) -> Headers:
        """Make the headers of a message that came in, which are read when somebody looks at them.

        Args:
            pairs: gives them: names and values that can stand in a header, as whoever has read the
                message knows.
        """
        made = cls.__new__(cls)
        made._immutable = True
        made._unread = pairs
        return made

    def __getattr__(self, name: str) -> Any:
        if name != "_values":
            raise AttributeError(f"Headers have no attribute {name!r}")
        # The slot is empty: nobody has looked yet.
        values = self._values = CIMultiDict(self._unread())
        del self._unread
        return values

    def __sizeof__(self) -> int:
        size = object.__sizeof__(self)
        return size + sum(len(name) + len(value) for name, value in self._values.items())

    # Reading.

    def __getitem__(self, name: str) -> str:
        values = self._values.getall(_checked_name(name), None)
        if values is None:
            raise KeyError(name)
        return ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({name.lower() for name in self._values}))

    def __len__(self) -> int:
        return len({name.lower() for name in self._values})

    def has(self, name: str, /) -> bool:
        """Whether there is a value of that name.

        Args:
            name: in any case.
        """
        return name in self

    def get_all(self, name: str, default: Any = (), /) -> list[str]:
        """The values of a name as a list: one, joined, or each Set-Cookie.

        Args:
            name: of the header.
            default: what comes, as a list, if there is none.
        """
        if name not in self:
            return list(default or ())
        return self.get_set_cookie() if name.lower() == _COOKIE else [self[name]]

    def get_set_cookie(self) -> list[str]:
        """Each Set-Cookie, in the order given."""
        return self._values.getall(_COOKIE, [])

    def entries(self) -> list[tuple[str, str]]:
        """The pairs of name and value, each Set-Cookie on its own: what `items` goes through."""
        if len(self._values) < 2:  # noqa: PLR2004 - nothing to sort or join
            return self.raw()
        joined: dict[str, str] = {}
        cookies = []
        for name, value in self.raw():
            if name == _COOKIE:
                cookies.append((name, value))
            else:
                joined[name] = f"{joined[name]}, {value}" if name in joined else value
        if not cookies:
            return sorted(joined.items())
        # The order of cookies is that in which they were given.
        return sorted([*joined.items(), *cookies], key=itemgetter(0))

    def items(self) -> ItemsView[str, str]:
        """The pairs of name and value, sorted by name, each Set-Cookie on its own."""
        return self.entries()  # type: ignore[return-value]

    def raw(self) -> list[tuple[str, str]]:
        """The pairs as they were given, in lower case: what goes to another Worker."""
        return [(name.lower(), value) for name, value in self._values.items()]

    # Changing.

    def __setitem__(self, name: str, value: Any) -> None:
        self._check_mutable()
        self._values[_checked_name(name)] = _checked_value(name, value)

    def __delitem__(self, name: str) -> None:
        self._check_mutable()
        del self._values[_checked_name(name)]

    def set(self, name: str, value: Any, /) -> None:
        """Give a name this one value.

        Args:
            name: of the header.
            value: a text, or a number, which is written out.

        Raises:
            TypeError: the name or the value can be none, or the headers are those of a message that
                came in.
        """
        self[name] = value

    def append(self, name: str, value: Any, /) -> None:
        """Add a value to those of a name.

        Args:
            name: of the header.
            value: as of `set`.

        Raises:
            TypeError: as of `set`.
        """
        self._check_mutable()
        self._values.add(_checked_name(name), _checked_value(name, value))

    def delete(self, name: str, /) -> None:
        """Remove a name, if it is there.

        Args:
            name: in any case.

        Raises:
            TypeError: as of `set`.
        """
        self._check_mutable()
        self._values.popall(_checked_name(name), None)

    def _imply(self, content_type: str) -> None:
        """Say the type that a body implies, where nothing is said of it."""
        if _TYPE not in self._values:
            known = content_type is TEXT
            self._values[_TYPE] = content_type if known else _checked_value(_TYPE, content_type)

    def freeze(self) -> None:
        """Let nobody change them: those of a message that came in by `fetch`."""
        self._immutable = True

    def _check_mutable(self) -> None:
        if self._immutable:
            error = TypeError("Can't modify immutable headers.")
            error.add_note(
                "they belong to a message that came in: make one of your own, such as"
                " Response(response.body, status=response.status, headers=response.headers)"
            )
            raise error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self.entries() == other.entries()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self.entries()!r})"


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name of a header is a text, not {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise TypeError(f"Invalid header name: {name[:_SHOWN]!r}.")
    return name


def _checked_value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, (int, float)):
        value = str(value)
    if not isinstance(value, str):
        raise TypeError(
            f"the value of the header {shown(name, _SHOWN)} is a text, not {type(value).__name__}"
        )
    value = value.strip(_AROUND)
    if _FORBIDDEN.search(value):
        raise TypeError(f"Invalid header value: {shown(name, _SHOWN)} holds a line break or a NUL.")
    if not value.isascii():
        try:
            value.encode("latin-1")
        except UnicodeEncodeError as error:
            wrong = value[error.start]
            raise TypeError(
                f"Invalid header value: {shown(name, _SHOWN)} holds {wrong!r}, which is not in"
                " Latin-1; encode it, with urllib.parse.quote for example"
            ) from None
    return str(value)
