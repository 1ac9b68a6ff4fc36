"""Runs statements that a Worker wrote: judged, and bounded in time and size.

Floor: workers. For D1 and for the tables of Durable Objects.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.diagnostics.places import is_machinery
from rpclab.rpc.activity import StepInterrupted
from rpclab.workers.d1.sql_text import bound, tokens
from rpclab.workers.storage.authorizer import SWITCHES, Authorizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from rpclab.workers.storage.limits import SqlLimits

_STEPS = 1000  # of SQLite's machine, between two looks at the time and at signals

_KNOWN_TO_SQLITE = {
    "statement_bytes": sqlite3.SQLITE_LIMIT_SQL_LENGTH,
    "parameters": sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER,
    "columns": sqlite3.SQLITE_LIMIT_COLUMN,
    "value_bytes": sqlite3.SQLITE_LIMIT_LENGTH,
    "like_pattern_bytes": sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
    "compound_select": sqlite3.SQLITE_LIMIT_COMPOUND_SELECT,
    "expression_depth": sqlite3.SQLITE_LIMIT_EXPR_DEPTH,
    "function_arguments": sqlite3.SQLITE_LIMIT_FUNCTION_ARG,
    "trigger_depth": sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH,
}


class Statements:
    """The statements of Workers on one connection.

    Args:
        connection: it must keep no statements (`cached_statements=0`): one that was judged to be
            ours would be free for a Worker that writes the same.
        limits: their bounds.
        transactions: what to use in place of BEGIN, for texts.
        fixed_foreign_keys: as for `Authorizer`.
        abandoned: says whether nobody waits for what runs any more.

    Attributes:
        connection: for the statements of rpclab itself, which nothing judges.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        limits: SqlLimits,
        *,
        transactions: str,
        fixed_foreign_keys: bool = False,
        abandoned: Callable[[], bool] = bool,
    ) -> None:
        self.connection = connection
        self._limits = limits
        self._abandoned = abandoned
        self._guard = Authorizer(transactions, fixed_foreign_keys=fixed_foreign_keys)
        _bound(connection, limits)
        # Text that is no UTF-8 comes out as on the platform, and does not block what is around it.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        connection.set_authorizer(self._guard)

    def run(self, sql: str, values: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one statement to its end.

        Returns:
            The names of its columns, and its rows.

        Raises:
            sqlite3.Error: it failed. What is to be said beyond that stands in its notes.
            KeyboardInterrupt: SIGINT came while it ran.
        """
        connection, guard = self.connection, self._guard
        watch = _Watch(self._limits.query_seconds, self._abandoned)
        try:
            connection.set_progress_handler(watch, _STEPS)
            guard.text, guard.why = sql, ""
            cursor = connection.execute(*bound(sql, values))
            rows = self._rows(cursor)
        except (sqlite3.Error, OverflowError, MemoryError) as error:
            raise self._explained(error, late=watch.late) from None
        finally:
            guard.text = None
            connection.set_progress_handler(None, 0)
            watch.end()
        return [name for name, *_ in cursor.description or ()], rows

    def _rows(self, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
        rows, left = [], self._limits.result_bytes
        for row in cursor:
            rows.append(row)
            for value in row:
                left -= len(value) if type(value) is str or type(value) is bytes else 8
            if left < 0:
                cursor.close()
                raise sqlite3.DataError(
                    f"the result is larger than {self._limits.result_bytes} bytes"
                )
        return rows

    def _explained(self, error: Exception, *, late: bool = False) -> sqlite3.Error:
        if not isinstance(error, sqlite3.Error):
            error = sqlite3.DataError(str(error) or "out of memory")
        if self._guard.why:
            refused = sqlite3.DatabaseError(f"not authorized: {self._guard.why}")
            refused.sqlite_errorcode, refused.sqlite_errorname = sqlite3.SQLITE_AUTH, "SQLITE_AUTH"
            return refused
        if late:
            seconds = self._limits.query_seconds
            stopped = sqlite3.OperationalError(f"the statement ran for more than {seconds:g} s")
            stopped.sqlite_errorcode = sqlite3.SQLITE_INTERRUPT
            stopped.sqlite_errorname = "SQLITE_INTERRUPT"
            error = stopped
        advice = self._limits.advice(error)
        if advice:
            error.add_note(advice)
        return error

    def failure(self, sql: str) -> sqlite3.Error | None:
        """Give the error with which a statement fails to compile; it does not run."""
        self._guard.text, self._guard.why = sql, ""
        explained = next(tokens(sql)).text.upper() == "EXPLAIN"
        try:
            self.connection.execute(sql if explained else f"EXPLAIN {sql}").close()
        except sqlite3.Error as error:
            return self._explained(error)
        finally:
            self._guard.text = None
        return None

    def refusal(self, sql: str) -> sqlite3.Error | None:
        """Give the error of a statement that the guard refuses, before any of its text runs."""
        error = self.failure(sql)
        return error if error is not None and _code(error) == "SQLITE_AUTH" else None

    def reset_switches(self) -> None:
        """Take back what PRAGMAs of a Worker have set."""
        if self._guard.switched:
            self.default_switches()

    def default_switches(self) -> None:
        """Have all PRAGMAs be as when a database is opened. Not in a transaction."""
        for name, value in SWITCHES.items():
            self.connection.execute(f"PRAGMA {name} = {value}")
        self._guard.switched = False


def _code(error: sqlite3.Error) -> str | None:
    return getattr(error, "sqlite_errorname", None)  # those that Python raises have none


def _bound(connection: sqlite3.Connection, limits: SqlLimits) -> None:
    """Have SQLite keep to the limits that it knows."""
    for name, category in _KNOWN_TO_SQLITE.items():
        connection.setlimit(category, getattr(limits, name))
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA max_page_count = {limits.database_bytes // page_size}")
    if sys.version_info >= (3, 12):
        # What virtual tables stand on is written by them alone.
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE)


_MAIN = threading.main_thread().ident


class _Watch:
    """Looks after a statement while it runs; SQLite calls it now and then.

    An exception of a signal's handler would be lost in SQLite, which calls Python while it compiles
    and runs a statement; and the handler of asyncio raises none: it cancels the main task, which
    waits for the loop. So in the main thread this stands in front of the handler.

    Attributes:
        late: whether the time was over.
    """

    __slots__ = (
        "_abandoned",
        "_deadline",
        "_handler",
        "_raised",
        "_signalled",
        "late",
    )

    def __init__(self, seconds: float, abandoned: Callable[[], bool]) -> None:
        self._abandoned = abandoned
        self._deadline = time.monotonic() + seconds
        self._handler: Any = None
        self._raised: BaseException | None = None
        self._signalled = False
        self.late = False
        if threading.get_ident() == _MAIN:
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._handler = handler
                signal.signal(signal.SIGINT, self._handle)
                self._signalled = _has_cancelled(handler)

    def __call__(self) -> bool:
        self.late = time.monotonic() > self._deadline
        return self.late or self._signalled or self._abandoned()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True
        # A handler that spares the library's own work may raise: here nothing is left half done.
        while frame is not None and is_machinery(frame.f_code.co_filename):
            frame = frame.f_back
        try:
            self._handler(number, frame)
        except BaseException as error:
            self._raised = error

    def end(self) -> None:
        """Step back from the signal. If it came, raise what its handler has raised.

        Where that raised nothing, the call that runs ends alone.
        """
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        if self._signalled:
            raise self._raised or StepInterrupted from None


def _has_cancelled(handler: Any) -> bool:
    """Whether SIGINT has come already: `asyncio.run` gives its handler the task it cancels."""
    task = getattr(handler, "keywords", {}).get("main_task")
    return isinstance(task, asyncio.Task) and task.cancelling() > 0
