"""`ctx.storage.sql`: tables of one Durable Object.

Floor: workers. Statements run at once; they are over, and their rows here, when `exec` returns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rpclab.workers.d1.sql_text import bound, statements
from rpclab.workers.spellings import also_in_javascript

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.workers.storage.rows import OwnRows

_REFUSED = {
    sqlite3.SQLITE_TRANSACTION: "use storage.transaction() or storage.transaction_sync()",
    sqlite3.SQLITE_SAVEPOINT: "use storage.transaction() or storage.transaction_sync()",
    sqlite3.SQLITE_ATTACH: "a Durable Object has one database",
    sqlite3.SQLITE_DETACH: "a Durable Object has one database",
}
_NAMED_SECOND = frozenset(
    {sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_TRIGGER}
)
"""Where SQLite names the table second."""
_PRAGMAS = frozenset(
    {"case_sensitive_like", "defer_foreign_keys", "foreign_key_check", "foreign_key_list",
     "function_list", "ignore_check_constraints", "index_info", "index_list", "index_xinfo",
     "legacy_alter_table", "optimize", "quick_check", "recursive_triggers",
     "reverse_unordered_selects", "table_info", "table_list", "table_xinfo"}
)  # fmt: skip
"""Those that concern this database alone, and not how it is kept."""


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

    def raw(self) -> Iterator[list[Any]]:
        """The rows that are left, as lists of values."""
        while self._at < len(self._rows):
            yield list(self._next())

    def __repr__(self) -> str:
        return f"<SqlCursor of {self.rows_read} rows: {', '.join(self.column_names) or 'none'}>"


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
                None, bool, int, float, str or bytes.

        Returns:
            The rows of the last statement.

        Raises:
            sqlite3.Error: SQLite refuses a statement, or it is about how the database is kept.
            ValueError: there is no statement.
        """
        parts = statements(query)
        if not parts:
            raise ValueError("SQL code did not contain a statement.")
        rows = self._own()
        connection = rows.writing()
        guard = _Guard()
        before = connection.total_changes
        connection.set_authorizer(guard)
        try:
            for part in parts[:-1]:
                connection.execute(part.text)
            cursor = connection.execute(*bound(parts[-1].text, bindings))
            found = cursor.fetchall()
        except sqlite3.DatabaseError as error:
            if guard.why:
                raise sqlite3.DatabaseError(guard.why) from None
            raise error from None
        finally:
            connection.set_authorizer(None)
        columns = [column[0] for column in cursor.description or ()]
        return SqlCursor(columns, found, connection.total_changes - before)

    @property
    def database_size(self) -> int:
        """How many bytes the database of the object has."""
        connection = self._own().connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        return int(pages * size)

    def __repr__(self) -> str:
        return "<SqlStorage>"


class _Guard:
    """Refuses what would reach beside the tables of the object.

    Attributes:
        why: what was refused, in words.
    """

    def __init__(self) -> None:
        self.why = ""

    def __call__(self, action: int, first: Any, second: Any, *_: Any) -> int:
        table = second if action in _NAMED_SECOND else first
        if action in _REFUSED:
            self.why = f"not in storage.sql: {_REFUSED[action]}"
        elif action == sqlite3.SQLITE_PRAGMA and str(first).lower() not in _PRAGMAS:
            self.why = (
                f"PRAGMA {first} is not for a Durable Object: the platform keeps its database"
            )
        elif isinstance(table, str) and table.lower().startswith("_cf_"):
            self.why = f"the table {table} is not for SQL: use storage.get() and put()"
        else:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY
