"""`ctx.storage.sql`: tables of one Durable Object.

Floor: workers. Statements run at once; they are over, and their rows here, when `exec` returns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rpclab.workers.d1.sql_text import statements, tokens
from rpclab.workers.javascript_names import also_in_javascript
from rpclab.workers.storage.sql_values import check_sql, sqlite_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.workers.storage.limits import ObjectLimits
    from rpclab.workers.storage.sql_values import Value
    from rpclab.workers.storage.sqlite_rows import OwnRows

_LOOKS_ONLY = frozenset({"SELECT", "VALUES", "EXPLAIN", "PRAGMA"})
"""How statements begin that need no transaction; in one, PRAGMA foreign_keys does nothing."""


@also_in_javascript
class SqlCursor:
    """The result of a statement: its rows, as dicts, in the order of the query.

    Attributes:
        column_names: the names of the columns.
        rows_read: how many rows came out. (SQLite does not tell how many it looked at.)
        rows_written: how many rows were inserted, changed or deleted.
    """

    __slots__ = ("_at", "_rows", "column_names", "rows_read", "rows_written")

    def __init__(self, columns: list[str], rows: list[tuple[Any, ...]], rows_written: int) -> None:
        self.column_names = columns
        self.rows_read = len(rows)
        self.rows_written = rows_written
        self._rows = rows
        self._at = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        return dict(zip(self.column_names, self._next(), strict=True))

    def _next(self) -> tuple[Any, ...]:
        if self._at == len(self._rows):
            raise StopIteration
        self._at += 1
        return self._rows[self._at - 1]

    def to_array(self) -> list[dict[str, Any]]:
        """The rows that are left, as a list."""
        return list(self)

    def one(self) -> dict[str, Any]:
        """The only row.

        Raises:
            ValueError: there is none, or more than one.
        """
        left = len(self._rows) - self._at
        if left != 1:
            raise ValueError(f"Expected exactly one result from SQL query, but got {left or 'no'}")
        return next(self)

    def raw(self) -> RawRows:
        """The rows that are left, as lists of values, which keep columns of the same name."""
        return RawRows(self)

    def __repr__(self) -> str:
        return f"<SqlCursor of {self.rows_read} rows: {', '.join(self.column_names) or 'none'}>"


@also_in_javascript
class RawRows:
    """The rows of a cursor as lists; what is taken here is taken from the cursor."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: SqlCursor) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[list[Any]]:
        return self

    def __next__(self) -> list[Any]:
        return list(self._cursor._next())

    def to_array(self) -> list[list[Any]]:
        """The rows that are left, as a list."""
        return list(self)

    def __repr__(self) -> str:
        return f"<rows of {self._cursor!r} as lists>"


@also_in_javascript
class SqlStorage:
    """The tables of one Durable Object. Its first use gives the object a database of its own.

    Args:
        own: gives the rows of the object, in a database of its own.
    """

    __slots__ = ("_own",)

    def __init__(self, own: Callable[[], OwnRows]) -> None:
        self._own = own

    def exec(self, query: str, /, *bindings: Any) -> SqlCursor:
        """Run SQL.

        Args:
            query: one statement or several, with `;` between.
            bindings: the values of the `?` in the last statement, in the order of their numbers:
                None, bool, int, float, str or bytes, or of a class derived from these.

        Returns:
            The rows of the last statement.

        Raises:
            sqlite3.Error: SQLite or the platform refuses a statement, or it went over a limit.
            ValueError: there is no statement; or a text holds half a surrogate pair.
            TypeError: SQLite has no such type as a value is of.
            OverflowError: a value is an integer of more than 64 bits.
        """
        rows = self._own()
        check_sql(query)
        _check_length(query, rows.database.limits)
        parts = statements(query)
        if not parts:
            raise ValueError("SQL code did not contain a statement.")
        values = [sqlite_value(one, f"value {at} of exec()") for at, one in enumerate(bindings, 1)]
        before = rows.connection.total_changes
        for part in parts[:-1]:
            _run(rows, part.text, [])
        columns, found = _run(rows, parts[-1].text, values)
        return SqlCursor(columns, found, rows.connection.total_changes - before)

    @property
    def database_size(self) -> int:
        """How many bytes the database of the object has, without pages that are free."""
        connection = self._own().connection
        figures = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        ]
        return int((figures[0] - figures[1]) * figures[2])

    def __repr__(self) -> str:
        return "<SqlStorage>"


def _run(rows: OwnRows, text: str, values: list[Value]) -> tuple[list[str], list[Any]]:
    looks_only = next(tokens(text)).text.upper() in _LOOKS_ONLY
    with rows.using(writes=not looks_only) as database:
        return database.run(text, values)


def _check_length(query: str, limits: ObjectLimits) -> None:
    if len(query.encode()) > limits.statement_bytes:  # of all statements of the text, as there
        error = sqlite3.DataError("statement too long")
        error.add_note(limits.advice(error))
        raise error
