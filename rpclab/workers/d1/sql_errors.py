"""What a database says when a statement fails: where in the text, and what to do.

Floor: workers. Python does not give out SQLite's own offset of an error, so it is found anew. For
a syntax error that is exact: the parser stops at the first token it cannot take, so the shortest
beginning of the text that fails in the same words ends with that token.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from rpclab.errors import D1Error, near
from rpclab.workers.d1.sql_text import (
    Statement,
    Token,
    named_parameter,
    place,
    pointed_at,
    statements,
    tokens,
)

if TYPE_CHECKING:
    import sqlite3

    from rpclab.workers.storage.statements import Statements

_SYNTAX = re.compile(r'near "(.*)": syntax error|unrecognized token: "(.*)"', re.DOTALL)
_NAMES = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'no such [a-z ]+: "?(.+?)"?(?: - should .*)?',
        r"ambiguous column name: (.+)",
        r"table .+ has no column named (.+)",
        r'unknown column "(.+)" in foreign key definition',
        r"duplicate column name: (.+)",
        r'(?:table|view|index|trigger) "?(.+?)"? already exists',
        r"wrong number of arguments to function (.+)\(\)",
        r"misuse of (?:aggregate|window function):? (.+)\(\)",
        r"table (.+) has \d+ columns but .*",
        r"(.+) may not be (?:modified|dropped|altered|indexed)",
    )
]
_KEYWORDS = [
    "ALTER", "ADD", "AND", "AS", "ASC", "BETWEEN", "BY", "CASE", "CHECK", "COLUMN", "CONFLICT",
    "CREATE", "DEFAULT", "DELETE", "DESC", "DISTINCT", "DROP", "ELSE", "END", "EXISTS",
    "FOREIGN", "FROM", "GROUP", "HAVING", "IN", "INDEX", "INNER", "INSERT", "INTO", "IS",
    "JOIN", "KEY", "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER",
    "PRAGMA", "PRIMARY", "REFERENCES", "RENAME", "REPLACE", "RETURNING", "SELECT", "SET",
    "TABLE", "THEN", "TRIGGER", "UNION", "UNIQUE", "UPDATE", "USING", "VALUES", "VIEW", "WHEN",
    "WHERE", "WITH",
]  # fmt: skip
_ADVICE = {
    "SQLITE_CONSTRAINT_UNIQUE": "such a row is there already; ON CONFLICT … says what to do then",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "such a row is there already; ON CONFLICT … says what to do"
    " then",
    "SQLITE_CONSTRAINT_NOTNULL": "give it a value other than NULL (None), or the column a DEFAULT",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "the row that is referred to is not there, or other rows still"
    " refer to the one that goes; in a batch, PRAGMA defer_foreign_keys = on checks at its end",
    "SQLITE_BUSY": "another process, or another sandbox, writes to the same file",
    "SQLITE_CANTOPEN": "see whether its folder exists and may be written to",
    "SQLITE_NOTADB": "the file is something else than a SQLite database",
    "SQLITE_READONLY": "the file may not be written to",
}

# Python 3.11 does not know these.
_UNNAMED = {3091: "SQLITE_CONSTRAINT_DATATYPE"}


class Source(NamedTuple):
    """Where a statement comes from: the whole text, and where in it the statement begins."""

    text: str
    offset: int = 0


def d1_error(
    message: str,
    *,
    code: str = "D1_ERROR",
    sql: str = "",
    at: tuple[int, int] | None = None,
    advice: str = "",
) -> D1Error:
    """Build an error that shows the place, and says what to do.

    Args:
        message: what is wrong.
        code: SQLite's name of it, or D1's.
        sql: the text that it is about.
        at: the place in it, in characters, and how long it is.
        advice: what to do, where there is something to say.
    """
    error = D1Error(message)
    error.code = code
    error.sql = sql
    if at is not None:
        error.offset, error.line, error.column = place(sql, at[0])
        shown = pointed_at(sql, *at)
        error.add_note(f"line {error.line}, column {error.column}:\n{shown}")
    if advice:
        error.add_note(advice)
    return error


def single_statement(sql: str) -> Statement:
    """Give the statement that a text holds.

    Raises:
        D1Error: it holds none, or more than one, or one with named parameters.
    """
    found = statements(sql)
    if not found:
        raise d1_error("D1_ERROR: No SQL statements detected.", sql=sql)
    if len(found) > 1:
        second = found[1]
        raise d1_error(
            "D1_ERROR: a prepared statement is one statement, and another one follows",
            sql=sql,
            at=(second.offset, len(second.text.split()[0])),
            advice="prepare each by itself and give them to batch([…]), or use exec(sql)",
        )
    named = named_parameter(sql)
    if named is not None:
        raise d1_error(
            f"D1_ERROR: D1 has no named parameters, such as {named.text}",
            sql=sql,
            at=(named.offset, len(named.text)),
            advice="write ?1, ?2 … and bind the values in that order",
        )
    return found[0]


def explained(
    judged: Statements, error: sqlite3.Error, sql: str, source: Source, prefix: str
) -> D1Error:
    """Turn an error of SQLite into one that says where and what to do.

    Args:
        judged: what raised it. It is asked for tables and columns.
        error: what was raised.
        sql: the statement that failed.
        source: where the statement stands.
        prefix: how the message begins; "{line}" stands for the line of the place.
    """
    text = str(error)
    code, family = _codes(error)
    at: tuple[int, int] | None
    if family == "SQLITE_AUTH":
        refused, _, advice = text.partition(": ")
        text = f"{refused}: {_flat(sql)}"
        first = next(tokens(sql))
        at = first.offset, len(first.text)
    else:
        at, advice = _place_and_advice(judged, text, sql)
    if at is not None:
        at = source.offset + at[0], at[1]
    offset = f" at offset {at[0]}" if at is not None and family != "SQLITE_AUTH" else ""
    advice = "".join(getattr(error, "__notes__", ())) or advice
    line = place(source.text, source.offset if at is None else at[0]).line
    return d1_error(
        f"{prefix.replace('{line}', str(line))}: {text}{offset}: {family}",
        code=code,
        sql=source.text,
        at=at,
        advice=advice or _ADVICE.get(code) or _ADVICE.get(family, ""),
    )


def cannot_open(error: sqlite3.Error, name: str) -> D1Error:
    """Build the error of a database that SQLite could not open."""
    code, family = _codes(error)
    return d1_error(
        f"D1_ERROR: the database {name} cannot be opened: {error}: {family}",
        code=code,
        advice=_ADVICE.get(family, ""),
    )


def _codes(error: sqlite3.Error) -> tuple[str, str]:
    """SQLite's name of an error, such as "SQLITE_CONSTRAINT_UNIQUE", and that of its family."""
    code: str = getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR"
    if code == "unknown":
        code = _UNNAMED.get(error.sqlite_errorcode, "SQLITE_ERROR")
    return code, "_".join(code.split("_")[:2])


def _flat(sql: str, longest: int = 60) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _place_and_advice(
    judged: Statements, text: str, sql: str
) -> tuple[tuple[int, int] | None, str]:
    syntax = _SYNTAX.fullmatch(text)
    if syntax is not None:
        culprit = syntax.group(1) or syntax.group(2) or ""
        close = difflib.get_close_matches(culprit.upper(), _KEYWORDS, n=1, cutoff=0.75)
        hint = f"did you mean {close[0]}?" if close and close[0] != culprit.upper() else ""
        return _syntax_error(judged, text, sql, culprit), hint
    if text == "incomplete input":
        return (len(sql), 1), "the statement ends too early: a bracket or a clause is left open"
    for pattern in _NAMES:
        found = pattern.fullmatch(text)
        if found is not None:
            name = found.group(1)
            return _named(sql, name), _known(judged.connection, text, sql, name.rpartition(".")[2])
    return None, ""


def _syntax_error(judged: Statements, text: str, sql: str, culprit: str) -> tuple[int, int] | None:
    """Find the token that the parser could not take.

    A beginning of the text fails in the same words if that token is in it.
    """
    found = [token for token in tokens(sql) if token.text == culprit]

    def fails_alike(token: Token) -> bool:
        return str(judged.failure(sql[: token.end])) == text

    first = bisect_left(found, 1, key=fails_alike)
    return (found[first].offset, len(culprit)) if first < len(found) else None


def _named(sql: str, name: str) -> tuple[int, int] | None:
    """Find a name, such as `title` or `todos.title`, where it stands first."""
    wanted = [part.casefold() for part in name.split(".")]
    names = [token for token in tokens(sql) if token.text != "."]
    for start, token in enumerate(names):
        run = names[start : start + len(wanted)]
        if [part.name.casefold() for part in run] == wanted:
            return token.offset, run[-1].end - token.offset
    return None


def _known(connection: sqlite3.Connection, text: str, sql: str, name: str) -> str:
    """Say which tables, or columns, could have been meant."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    tables = [table for (table,) in rows]
    if text.startswith("no such table"):
        return near(name, tables) or "it has no tables yet: create them, or apply its migrations"
    if "no such column" not in text and "has no column" not in text:
        return ""
    used = {token.name.casefold() for token in tokens(sql)}
    columns = {
        column
        for table in tables
        if table.casefold() in used
        for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", [table])
    }
    return near(name, columns)
