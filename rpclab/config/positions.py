"""Where the keys of a configuration stand in its text: line and column, by path.

Floor: config. The parsers (`tomllib`, `json`) say where a text is no TOML or JSON; they do not say
where a key stood, which an error about its meaning needs. So the text is walked once more, after
they have found it well-formed.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a value: `("services", 0, "binding")`."""


MOST_DEPTH = 100
"""How many keys and indexes may lead to a value; no configuration has a tenth of it."""


class Place(NamedTuple):
    """A place in a text, counted from 1."""

    line: int
    column: int


class Places:
    """The places of the keys of a text, by path.

    Args:
        text: the text; its lines end as those of Unix.
    """

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._offsets: dict[Path, int] = {}

    def add(self, path: Path, offset: int) -> None:
        """Note where a path begins; the first time it is named decides."""
        self._offsets.setdefault(path, offset)

    def of(self, path: Path) -> Place:
        """Give the place of a path, or of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            offset = self._offsets.get(path[:length])
            if offset is not None:
                return self.at(offset)
        return Place(1, 1)

    def at(self, offset: int) -> Place:
        """Give the place of an offset."""
        line = bisect.bisect_right(self._starts, offset)
        return Place(line, offset - self._starts[line - 1] + 1)

    def __contains__(self, path: Path) -> bool:
        return path in self._offsets


class Token(NamedTuple):
    """A piece of a text, and its offset."""

    text: str
    offset: int


# JSON with comments.

_JSON_TOKEN = re.compile(
    r"""//[^\n]*  |  /\*.*?(?:\*/|\Z)      # comments
    |   "(?:\\.|[^"\\\n])*"?               # a string
    |   [{}\[\]:,]
    |   [^\s{}\[\]:,"/]+  |  /             # numbers, words, and what does not belong there
    """,
    re.VERBOSE | re.DOTALL,
)


def plain_json(text: str) -> str:
    """Blank out comments and trailing commas, so that every place stays where it was.

    This is the language that Wrangler reads; JSON5 has more (bare keys, single quotes), and a
    configuration that only rpclab understands would help nobody.
    """
    plain = list(text)
    comma = None
    before = "{"
    for match in _JSON_TOKEN.finditer(text):
        piece = match[0]
        if piece.startswith(("//", "/*")):
            plain[match.start() : match.end()] = re.sub(r"[^\n]", " ", piece)
        else:
            if piece in "}]" and comma is not None:
                plain[comma] = " "
            comma = match.start() if piece == "," and before not in "{[:," else None
            before = piece
    return "".join(plain)


def places_in_json(plain: str, loads: Any) -> Places:
    """Find the keys of a JSON text without comments.

    Args:
        plain: the text, well-formed.
        loads: reads a JSON string.

    Raises:
        KeyError: a key is given twice; it carries the path.
    """
    places = Places(plain)
    tokens = (Token(match[0], match.start()) for match in _JSON_TOKEN.finditer(plain))
    _json_value(tokens, next(tokens), (), places, loads)
    return places


def _json_value(
    tokens: Iterator[Token], first: Token, path: Path, places: Places, loads: Any
) -> None:
    if first.text == "[":
        index = 0
        for token in tokens:
            if token.text == "]":
                return
            if token.text != ",":
                places.add((*path, index), token.offset)
                _json_value(tokens, token, (*path, index), places, loads)
                index += 1
    elif first.text == "{":
        for token in tokens:
            if token.text == "}":
                return
            if token.text != ",":
                key = (*path, loads(token.text))
                if key in places:
                    raise KeyError(key, places.at(token.offset))
                places.add(key, token.offset)
                next(tokens)  # the colon
                _json_value(tokens, next(tokens), key, places, loads)


# TOML.

_TOML_TOKEN = re.compile(
    r'''\#[^\n]*
    |   """(?:\\.|[^\\])*?"{3,5}  |  \'\'\'.*?\'{3,5}      # strings of several lines
    |   "(?:\\.|[^"\\\n])*"  |  '[^'\n]*'
    |   [\[\]{}=,.\n]
    |   [^\s\[\]{}=,."'#]+                              # bare keys, and parts of other values
    ''',
    re.VERBOSE | re.DOTALL,
)


def too_deep(text: str, *, toml: bool) -> Place | None:
    """Give the place where a text goes too deep, by brackets or dots; None if it does not.

    Args:
        text: TOML, or JSON without comments; whether it is well-formed is not known yet.
        toml: which of the two.
    """
    brackets = dots = 0
    for match in (_TOML_TOKEN if toml else _JSON_TOKEN).finditer(text):
        piece = match[0]
        brackets += (piece in "[{") - (piece in "]}")
        if piece == "." and toml:
            dots += 1
        elif piece in "\n=,[]{}":
            dots = 0
        if brackets + dots > MOST_DEPTH:
            return Places(text).at(match.start())
    return None


def places_in_toml(text: str) -> Places:
    """Find the keys of a TOML text, which is well-formed."""
    return _Toml(text).places


class _Toml:
    """A walk through the statements of a TOML text."""

    def __init__(self, text: str) -> None:
        self.places = Places(text)
        self._tokens = [
            Token(match[0], match.start())
            for match in _TOML_TOKEN.finditer(text)
            if not match[0].startswith("#")
        ]
        self._at = 0
        self._counts: dict[Path, int] = {}  # how many tables an array of tables has so far
        table: Path = ()
        while (token := self._next()) is not None:
            if token.text == "[":
                table = self._header()
            elif token.text != "\n":
                self._statement(token, table)

    def _next(self) -> Token | None:
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else None

    def _skip_lines(self) -> Token | None:
        while (token := self._next()) is not None and token.text == "\n":
            pass
        return token

    def _header(self) -> Path:
        """Read `[a.b]` or `[[a.b]]`, behind its first bracket."""
        first = self._next()
        several = first is not None and first.text == "["
        token = self._next() if several else first
        start = token.offset if token is not None else 0
        path: Path = ()
        while token is not None and token.text != "]":
            if token.text != ".":
                path = self._entered((*path, _key(token.text)), token.offset)
            token = self._next()
        if several:
            self._next()  # the second bracket
            bare = path[:-1] if path and isinstance(path[-1], int) else path
            self._counts[bare] = self._counts.get(bare, -1) + 1
            path = (*bare, self._counts[bare])
            self.places.add(path, start)
        return path

    def _entered(self, path: Path, offset: int) -> Path:
        """Note a part of a header; in an array of tables it means the last one."""
        self.places.add(path, offset)
        return (*path, self._counts[path]) if path in self._counts else path

    def _statement(self, token: Token | None, table: Path) -> None:
        """Read `a.b = value`, in a table or an inline table."""
        path = table
        while token is not None and token.text != "=":
            if token.text != ".":
                path = (*path, _key(token.text))
                self.places.add(path, token.offset)
            token = self._next()
        self._value(self._next(), path)

    def _value(self, token: Token | None, path: Path) -> None:
        if token is None:
            return
        if token.text == "[":
            index = 0
            while (token := self._skip_lines()) is not None and token.text != "]":
                if token.text != ",":
                    self.places.add((*path, index), token.offset)
                    self._value(token, (*path, index))
                    index += 1
        elif token.text == "{":
            while (token := self._skip_lines()) is not None and token.text != "}":
                if token.text != ",":
                    self._statement(token, path)
        else:
            # A number or a date may be several tokens.
            while self._at < len(self._tokens) and self._tokens[self._at].text not in "\n,]}":
                self._at += 1


def _key(token: str) -> str:
    return str(tomllib.loads(f"key = {token}")["key"]) if token[0] in "\"'" else token
