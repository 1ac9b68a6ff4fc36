"""The text of SQL: its statements, parameters and places, without running any of it.

Floor: workers. As SQLite splits a text into tokens, so that a `;` or `?` inside a string, a name
in quotes, a comment or a trigger is none.
"""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    for token in tokens(sql):
        if token.text == ";":
            # A trigger has statements inside, each with a `;` of its own.
            if start is not None and sqlite3.complete_statement(sql[start : token.end]):
                found.append(Statement(sql[start:end], start))
                start = None
        elif start is None:
            start = token.offset
        end = token.end
    if start is not None:
        found.append(Statement(sql[start:end], start))
    return found


@lru_cache(512)
def parameters(sql: str) -> int:
    """Count the values that a statement takes, as SQLite numbers `?` and `?NNN`."""
    count = 0
    for token in tokens(sql):
        if token.kind == "parameter":
            count = max(count, int(token.text[1:])) if token.text[1:] else count + 1
    return count


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
