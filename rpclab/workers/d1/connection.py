"""A SQLite database as D1 has it: one connection, used in one thread, statement by statement.

Floor: workers.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from rpclab.errors import D1Error
from rpclab.rpc.offload import Offload
from rpclab.workers.d1.sql_errors import (
    Source,
    cannot_open,
    d1_error,
    explained,
    single_statement,
)
from rpclab.workers.d1.sql_text import statements
from rpclab.workers.storage.limits import D1_LIMITS, D1Limits
from rpclab.workers.storage.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rpclab.workers.storage.sql_values import Value

P = ParamSpec("P")
T = TypeVar("T")

MEMORY = ":memory:"

_ONE_TRANSACTION = (
    "statements run in one transaction when they are given to batch([…]) or stand in a migration"
)


class Ran(NamedTuple):
    """What a statement gave.

    Attributes:
        columns: the names of the columns; a name can stand there twice.
        rows: the rows.
        meta: figures; see `rpclab.workers.d1.database.D1Meta`.
    """

    columns: list[str]
    rows: list[tuple[Value, ...]]
    meta: dict[str, Any]


class Store:
    """One database. It is opened when it is first used, and closed with `close`.

    Args:
        path: its file; or ":memory:", and it is gone when it is closed.
        name: for texts.
        limits: bounds of what it does and holds.

    Attributes:
        migrations: the folders whose migrations were applied to it here, in that order.
    """

    def __init__(self, path: str, name: str, limits: D1Limits = D1_LIMITS) -> None:
        self.migrations: list[Path] = []
        self.path = path
        self.name = name
        self.limits = limits
        self._offload = Offload(f"rpclab-d1-{name}")
        self._statements: Statements | None = None
        self._page_size = 0
        self._closed = False

    # From a loop, or from any thread.

    async def ask(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one of the functions below in the thread.

        When the await is cancelled, what runs is interrupted, and what it changed is taken back.

        Raises:
            D1Error: the database is closed, or the function raises it.
        """
        self._check_open()
        return await self._offload.run(self._opened(function), *args, **kwargs)

    def ask_now(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, and block until it is done.

        Raises:
            D1Error: the database is closed, or the function raises it.
        """
        self._check_open()
        return self._offload.wait(self._opened(function), *args, **kwargs)

    def close(self) -> None:
        """Interrupt what runs, refuse what waits, and close the file. Twice is fine."""
        self._closed = True
        self._offload.close()
        if self._statements is not None:
            self._statements.connection.close()
            self._statements = None

    def _check_open(self) -> None:
        if self._closed:
            raise self._is_closed()

    def _is_closed(self) -> D1Error:
        return d1_error(
            f"D1_ERROR: the database {self.name} is closed",
            advice="the sandbox that it belonged to was reset or closed",
        )

    def _opened(self, function: Callable[P, T]) -> Callable[P, T]:
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            self._check_open()
            if self._statements is None:
                self._open()
            try:
                return function(*args, **kwargs)
            finally:
                # What a PRAGMA sets is not for the next one who asks.
                self.statements.reset_switches()

        return run

    def is_begun(self) -> bool:
        """Whether something may stand in it."""
        return self._statements is not None or (self.path != MEMORY and Path(self.path).exists())

    # In the thread.

    @property
    def statements(self) -> Statements:
        """What runs statements; only in the thread, and only while one of the functions runs."""
        if self._statements is None:
            raise self._is_closed()
        return self._statements

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection; likewise."""
        return self.statements.connection

    def _open(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, cached_statements=0
            )
            connection.execute("PRAGMA foreign_keys = on")
            if self.path != MEMORY:
                connection.execute("PRAGMA journal_mode = wal")
            (self._page_size,) = connection.execute("PRAGMA page_size").fetchone()
            self._statements = _judged(connection, self.limits, self._interrupted)
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise cannot_open(error, self.name) from None

    def _interrupted(self) -> bool:
        return self._closed or self._offload.abandoned()

    def run(
        self,
        sql: str,
        values: Sequence[Value] = (),
        source: Source | None = None,
        prefix: str = "D1_ERROR",
    ) -> Ran:
        """Run one statement to its end.

        Args:
            sql: the statement.
            values: what stands in for its parameters.
            source: the text it is a part of, for errors.
            prefix: how the message of an error begins.

        Raises:
            D1Error: it failed, and changed nothing.
        """
        connection = self.connection
        changes, schema = connection.total_changes, self._pragma("schema_version")
        began = time.perf_counter()
        try:
            columns, rows = self.statements.run(sql, values)
        except sqlite3.Error as error:
            raise self._explained(error, sql, source or Source(sql), prefix) from None
        duration = (time.perf_counter() - began) * 1000
        changes = connection.total_changes - changes
        (last_row_id,) = connection.execute("SELECT last_insert_rowid()").fetchone()
        meta = {
            "served_by": "rpclab",
            "duration": duration,
            "changes": changes,
            "last_row_id": last_row_id,
            "changed_db": changes > 0 or self._pragma("schema_version") != schema,
            "size_after": self._pragma("page_count") * self._page_size,
        }
        return Ran(columns, rows, meta)

    def _explained(
        self, error: sqlite3.Error, sql: str, source: Source, prefix: str = "D1_ERROR"
    ) -> D1Error:
        if self._closed:
            return self._is_closed()
        return explained(self.statements, error, sql, source, prefix)

    def _control(self, sql: str) -> None:
        """Begin or end a transaction, which no statement of a Worker does."""
        try:
            self.connection.execute(sql)
        except sqlite3.Error as error:
            raise self._explained(error, sql, Source(sql)) from None

    def _pragma(self, name: str) -> int:
        (value,) = self.connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep what the block changes if it comes to its end, else take all of it back.

        Raises:
            D1Error: it cannot begin, or a constraint that was deferred does not hold at its end.
        """
        self._control("BEGIN IMMEDIATE")
        try:
            yield
            self._control("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.rollback()

    def batch(self, prepared: Sequence[tuple[str, Sequence[Value]]]) -> list[Ran]:
        """Run statements, each with its values, in one transaction.

        Raises:
            D1Error: one of them failed, and none has changed anything.
        """
        ran: list[Ran] = []
        where = ""
        try:
            with self.transaction():
                for number, (sql, values) in enumerate(prepared, 1):
                    where = f"statement {number} of {len(prepared)} in the batch"
                    ran.append(self.run(sql, values))
                where = "at the end of the batch"
        except D1Error as error:
            error.add_note(f"{where}; nothing of it was applied")
            raise
        return ran

    def script(self, sql: str, prefix: str) -> list[Ran]:
        """Run the statements of a text one after the other, up to the first that fails.

        Args:
            sql: the text.
            prefix: how the message of an error begins; "{line}" stands for the line.

        Raises:
            D1Error: a statement is refused, and none has run; or one failed.
        """
        found = statements(sql)
        refused = [one for one in found if self.statements.refusal(one.text)]
        self.statements.reset_switches()
        return [
            self.run(text, (), Source(sql, offset), prefix) for text, offset in refused[:1] or found
        ]


def _judged(
    connection: sqlite3.Connection, limits: D1Limits, abandoned: Callable[[], bool] = bool
) -> Statements:
    return Statements(
        connection,
        limits,
        transactions=_ONE_TRANSACTION,
        fixed_foreign_keys=True,
        abandoned=abandoned,
    )


@lru_cache(512)
def check_prepared(sql: str) -> None:
    """Refuse a text that cannot be prepared: it is no single statement, or none that D1 runs.

    What a statement does is judged here on a database without tables, so that it is refused where
    it is written; and again where it runs.

    Raises:
        D1Error: as said, or it has named parameters.
    """
    statement = single_statement(sql)
    with closing(sqlite3.connect(":memory:", cached_statements=0)) as connection:
        judged = _judged(connection, D1_LIMITS)
        refusal = judged.refusal(statement.text)
        if refusal is not None:
            source = Source(sql, statement.offset)
            raise explained(judged, refusal, statement.text, source, "D1_ERROR")
