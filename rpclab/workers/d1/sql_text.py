"""The text of SQL: its statements, parameters and places, without running any of it.

Floor: workers. As SQLite splits a text into tokens, so that a `;` or `?` inside a string, a name
in quotes, a comment or a trigger is none.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

_TOKENS = re.compile(
    r"""
    (?P<space> [ \t\n\f\r\ufeff]+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<string> [xX]?'[^']*(?:''[^']*)*'? )
  | (?P<quoted> "[^"]*(?:""[^"]*)*"? | `[^`]*(?:``[^`]*)*`? | \[[^\]]*\]? )
  | (?P<parameter> \?[0-9]* | [:@$][A-Za-z0-9_$\u0080-\U0010ffff]+ )
  | (?P<number> \.?[0-9][0-9A-Za-z_.]* )
  | (?P<word> [A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]* )
  | (?P<mark> ->>? | \|\| | << | >> | [<>=!]= | <> | . )
    """,
    re.VERBOSE | re.DOTALL,
)
# These take `?1` for a name (gh-117995); what they warn of will never be an error.
_WARNS_OF_NUMBERS = (3, 12) <= sys.version_info < (3, 12, 4)
_DIGITS = 12  # of the number of a parameter, as far as that counts: SQLite takes no such numbers
_WIDTH = 80  # characters of a line that an error shows


class Token(NamedTuple):
    """A piece of SQL that is neither white space nor a comment."""

    kind: str
    text: str
    offset: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + len(self.text)

    @property
    def name(self) -> str:
        """The name that it writes, without quotes; "" where it is none."""
        if self.kind == "word":
            return self.text
        if self.kind == "quoted":
            mark = self.text[-1]
            return self.text[1:-1].replace(mark * 2, mark)
        return ""


class Place(NamedTuple):
    """A place in a text: line and column count from 1."""

    offset: int
    line: int
    column: int


class Statement(NamedTuple):
    """One statement of a text: what it says without the `;`, and where in the text it begins."""

    text: str
    offset: int


def tokens(sql: str) -> Iterator[Token]:
    """Give the tokens of a text."""
    for match in _TOKENS.finditer(sql):
        kind = match.lastgroup or ""
        if kind != "space":
            yield Token(kind, match.group(), match.start())


def statements(sql: str) -> list[Statement]:
    """Split a text at each `;` that ends a statement; empty ones are left out."""
    found: list[Statement] = []
    start: int | None = None
    end = 0
    said: list[str] = []  # by the statement so far, in capitals
    for token in tokens(sql):
        if token.text != ";":
            start = token.offset if start is None else start
        # A trigger has statements inside, each with a `;` of its own.
        elif start is not None and (said[-2:] == [";", "END"] or not _is_trigger(said)):
            found.append(Statement(sql[start:end], start))
            start, said = None, []
            continue
        if start is not None:
            said.append(token.text.upper())
        end = token.end
    if start is not None:
        found.append(Statement(sql[start:end], start))
    return found


def _is_trigger(said: list[str]) -> bool:
    words = [word for word in said[:4] if word not in ("EXPLAIN", "TEMP", "TEMPORARY")]
    return words[:2] == ["CREATE", "TRIGGER"]


@lru_cache(512)
def parameters(sql: str) -> int:
    """Count the values that a statement takes."""
    return max((number for _, number in _numbered(sql)), default=0)


def bound(sql: str, values: Sequence[T]) -> tuple[str, Sequence[T] | dict[str, T]]:
    """Give a statement and its values as Python's `sqlite3` takes them.

    Whatever way a statement writes its parameters, SQLite numbers them, and the platform binds
    values in that order. From Python 3.14 on, `sqlite3` wants a dict where there are names.

    Args:
        sql: one statement.
        values: the values of its parameters, in the order of their numbers.
    """
    text, keys = _keyed(sql)
    # A wrong number of values is for `sqlite3` to complain of, which a dict would hide.
    if not keys or len(values) != parameters(sql):
        return sql, values
    return text, {key: values[number - 1] for number, key in keys.items()}


@lru_cache(512)
def _keyed(sql: str) -> tuple[str, dict[int, str]]:
    """Give a statement of which each parameter has a name, and the names; none if none is needed.

    The text stays as it is where it can: SQLite names a column after it.
    """
    found = _numbered(sql)
    marks = {token.text if token.text == "?" else token.text[0] + "…" for token, _ in found}
    numbers = sorted({number for _, number in found})
    if marks <= ({"?"} if _WARNS_OF_NUMBERS else {"?", "?…"}) or 0 in numbers:
        return sql, {}
    keys: dict[int, str] = {}
    for token, number in found:
        if token.text != "?":
            keys.setdefault(number, token.text[1:])
    if len({*keys.values()}) == numbers[-1]:
        return sql, keys
    # Some have no name, or two have the same one but for its mark. A dict leaves no gap either.
    keys = {number: str(place) for place, number in enumerate(numbers, 1)}
    text, end = "", 0
    for token, number in found:
        text += f"{sql[end : token.offset]}?{keys[number]}"
        end = token.end
    return text + sql[end:], keys


def _numbered(sql: str) -> list[tuple[Token, int]]:
    """Give the parameters of a statement with the numbers that SQLite gives them, from 1 on."""
    found: list[tuple[Token, int]] = []
    names: dict[str, int] = {}
    last = 0
    for token in tokens(sql):
        if token.kind == "parameter":
            if token.text == "?":
                number = last + 1
            elif token.text[0] == "?":
                number = int(token.text[1:].lstrip("0")[:_DIGITS] or 0)
            else:
                number = names.setdefault(token.text, last + 1)
            last = max(last, number)
            found.append((token, number))
    return found


def named_parameter(sql: str) -> Token | None:
    """Find the first parameter that is given by a name."""
    return next((t for t in tokens(sql) if t.kind == "parameter" and t.text[0] != "?"), None)


def place(text: str, offset: int) -> Place:
    """Say in which line and column of a text an offset lies."""
    line_start = text.rfind("\n", 0, offset) + 1
    return Place(offset, text.count("\n", 0, offset) + 1, offset - line_start + 1)


def pointed_at(text: str, offset: int, length: int = 1) -> str:
    """Show the line of a place with carets below the place, both indented."""
    at = place(text, offset)
    line = text.split("\n")[at.line - 1].rstrip("\r")
    before = at.column - 1
    cut = max(0, min(before - _WIDTH // 2, len(line) - _WIDTH))
    shown = line[cut : cut + _WIDTH]
    padding = "".join("\t" if c == "\t" else " " for c in line[cut:before])
    carets = "^" * max(1, min(length, cut + _WIDTH - before, len(line) - before))
    return f"    {shown}\n    {padding}{carets}"
