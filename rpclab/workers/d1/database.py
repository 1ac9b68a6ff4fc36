"""D1: a SQL database that Workers are bound to, as `env.DB`.

Floor: workers. Cloudflare's API in Python, on SQLite. What a statement gives are plain values: rows
are dicts. Several Workers may be bound to one database; their statements run one after the other,
in the order awaited, in a thread of its own, so the loop never waits for the disk.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass
from itertools import count
from reprlib import repr as repr_in_brief
from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.core.containers import arrives_as_dict
from rpclab.errors import near
from rpclab.previews import counted
from rpclab.workers.attribute_dicts import AttributeDict
from rpclab.workers.d1.connection import Store, check_prepared
from rpclab.workers.d1.sql_errors import d1_error
from rpclab.workers.d1.sql_text import parameters
from rpclab.workers.declarations import Resource
from rpclab.workers.javascript_names import also_in_javascript
from rpclab.workers.request_counts import TOO_MANY, count_request
from rpclab.workers.storage.limits import D1_LIMITS
from rpclab.workers.storage.sql_values import check_sql, not_storable, sqlite_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpclab.workers.d1.connection import Ran
    from rpclab.workers.storage.limits import D1Limits
    from rpclab.workers.storage.sql_values import Value

_CONSTRAINTS = ("first-primary", "first-unconstrained")


@arrives_as_dict
class D1Meta(AttributeDict):
    """What the database says of a statement that ran.

    SQLite does not tell a program how many rows it looked at, so `rows_read` and `rows_written` of
    the original are not there.

    Attributes:
        served_by: "rpclab".
        duration: how long the statement ran, in milliseconds of real time.
        changes: how many rows it inserted, updated and deleted, triggers included.
        last_row_id: the id of the row that was inserted last, by any statement.
        changed_db: whether it changed anything.
        size_after: how large the database is then, in bytes.
    """

    __slots__ = ()
    served_by: str
    duration: float
    changes: int
    last_row_id: int
    changed_db: bool
    size_after: int


@arrives_as_dict
class D1Result(AttributeDict):
    """What a statement gave, by attribute or item.

    Attributes:
        success: True, for what fails raises.
        meta: figures.
        results: the rows, as dicts. Where two columns have one name, the last one is in them;
            `raw()` gives both.
    """

    __slots__ = ()
    success: bool
    meta: D1Meta
    results: list[dict[str, Value]]

    def __repr__(self) -> str:
        rows, changes = len(self.results), self.meta.changes
        said = [counted(rows, "row")] if rows or not changes else []
        said += [counted(changes, "change")] if changes else []
        return f"<D1Result: {', '.join(said)}>"


@arrives_as_dict
class D1ExecResult(AttributeDict):
    """What `exec` gave.

    Attributes:
        count: how many statements ran.
        duration: how long they ran, in milliseconds of real time.
    """

    __slots__ = ()
    count: int
    duration: float


@dataclass(frozen=True, slots=True, repr=False)
class D1PreparedStatement:
    """A statement, and the values bound to it; it never changes and can run again and again.

    Made by `D1Database.prepare`.

    Attributes:
        statement: its text.
        params: the values, as SQLite takes them.
    """

    _asker: Prepares
    statement: str
    params: tuple[Value, ...] = ()

    def bind(self, *values: Any) -> D1PreparedStatement:
        """Give the statement values for its parameters, `?` or `?NNN`.

        Args:
            values: None, int, float, str, bytes, bytearray or memoryview; True and False are
                stored as 1 and 0. All of them: they take the place of earlier ones.

        Returns:
            A new statement.

        Raises:
            D1Error: there are more or fewer values than parameters, or one of a type that SQLite
                does not have.
        """
        wanted = parameters(self.statement)
        if len(values) != wanted:
            raise _wrong_number(self.statement, wanted, len(values))
        taken = tuple(_sqlite_value(value, number) for number, value in enumerate(values, 1))
        return D1PreparedStatement(self._asker, self.statement, taken)

    async def run(self) -> D1Result:
        """Run it.

        Raises:
            D1Error: it failed, and changed nothing.
        """
        return _result(await self._ran())

    all = run

    async def first(self, column: str | None = None) -> Any:
        """Run it, and give its first row.

        Args:
            column: the one column that is wanted.

        Returns:
            The row as a dict, or the value of the column; None where there is no row.

        Raises:
            D1Error: it failed; or the rows have no such column.
        """
        rows = _rows(await self._ran())
        if not rows:
            return None
        if column is None:
            return rows[0]
        if column not in rows[0]:
            raise d1_error(
                f"D1_COLUMN_NOTFOUND: Column not found ({column})",
                code="D1_COLUMN_NOTFOUND",
                sql=self.statement,
                advice=near(column, rows[0]),
            )
        return rows[0][column]

    async def raw(
        self,
        *,
        column_names: bool = False,
        columnNames: bool = False,  # noqa: N803 - the JavaScript spelling
    ) -> list[list[Any]]:
        """Run it, and give its rows as lists, which keep columns that have the same name.

        Args:
            column_names: let the names of the columns come first.
            columnNames: the same.

        Raises:
            D1Error: it failed, and changed nothing.
        """
        ran = await self._ran()
        head: list[list[Any]] = [ran.columns] if column_names or columnNames else []
        return [*head, *map(list, ran.rows)]

    async def _ran(self) -> Ran:
        self._check_bound()
        [ran] = await self._asker._ask([self])
        return ran

    def _check_bound(self) -> None:
        wanted = parameters(self.statement)
        if len(self.params) != wanted:
            raise _wrong_number(self.statement, wanted, len(self.params))

    def __repr__(self) -> str:
        text = " ".join(self.statement.split())
        bound = f" {repr_in_brief(list(self.params))}" if self.params else ""
        return f"<D1PreparedStatement {text}{bound}>"


class Prepares:
    """What a database and a session of one have in common: statements that are made of texts."""

    __slots__ = ()

    @property
    def _limits(self) -> D1Limits:
        raise NotImplementedError

    async def _ask(self, prepared: list[D1PreparedStatement]) -> list[Ran]:
        """Run statements: one by itself, several in one transaction."""
        raise NotImplementedError

    def prepare(self, sql: str) -> D1PreparedStatement:
        """Make a statement that can be run; nothing is sent to the database yet.

        Args:
            sql: one statement, with `?` or `?NNN` where values go.

        Raises:
            D1Error: it is none, or more than one; it is too long, or has named parameters; it is
                one that D1 does not run, such as BEGIN.
            TypeError: it is no text.
        """
        _check_text(sql)
        limits = self._limits
        if len(sql.encode()) > limits.statement_bytes:
            error = sqlite3.DataError("statement too long")
            advice = limits.advice(error)
            raise d1_error(f"D1_ERROR: {error}: SQLITE_TOOBIG", code="SQLITE_TOOBIG", advice=advice)
        check_prepared(sql)
        return D1PreparedStatement(self, sql)

    async def batch(self, statements: Iterable[D1PreparedStatement]) -> list[D1Result]:
        """Run statements in the order given, in one transaction: all of them, or none.

        Args:
            statements: prepared ones, of this database, or of this session.

        Returns:
            A result for each.

        Raises:
            D1Error: one of them failed, and none has changed anything.
            TypeError: something there is no such statement.
        """
        prepared = list(statements)
        for number, statement in enumerate(prepared, 1):
            if not isinstance(statement, D1PreparedStatement):
                raise TypeError(
                    f"a batch is made of prepared statements, but number {number} is of type"
                    f" {type(statement).__name__}"
                )
            if statement._asker is not self:
                of = statement._asker
                raise TypeError(f"statement {number} of the batch was prepared by {of!r}")
            statement._check_bound()
        if not prepared:
            raise d1_error("D1_ERROR: No SQL statements detected.", advice="the batch is empty")
        return [_result(ran) for ran in await self._ask(prepared)]


@also_in_javascript
class D1Database(Prepares, Resource):
    """A database, as `env.DB` of the Workers that are bound to it.

    Args:
        path: its file; or ":memory:", and its rows are gone when it is closed.
        name: for texts.
        limits: bounds of what it does and holds.
    """

    __slots__ = ("__weakref__", "_store")

    def __init__(self, path: str, name: str, limits: D1Limits = D1_LIMITS) -> None:
        self._store = Store(path, name, limits)

    async def exec(self, sql: str) -> D1ExecResult:
        """Run the statements of a text, each of which ends with `;` and takes no values.

        They are no transaction: where one fails, those before it stay applied.

        Args:
            sql: the statements.

        Raises:
            D1Error: a statement failed, or is one that D1 does not run.
            TypeError: it is no text.
        """
        _check_text(sql)
        _check_requests(self._limits)
        ran = await self._store.ask(self._store.script, sql, "D1_EXEC_ERROR: Error in line {line}")
        return D1ExecResult(count=len(ran), duration=sum(one.meta["duration"] for one in ran))

    def with_session(self, constraint: str = "first-unconstrained") -> D1DatabaseSession:
        """Make a session, for code that is to run on replicated databases, too.

        This one has a single copy, so that each statement sees all that ran before.

        Args:
            constraint: "first-primary", "first-unconstrained" or a bookmark of another session.

        Raises:
            D1Error: it is none of these.
        """
        if constraint not in _CONSTRAINTS and not str(constraint).startswith(_BOOKMARK):
            raise d1_error(
                f"D1_SESSION_ERROR: {constraint!r} is no constraint and no bookmark",
                code="D1_SESSION_ERROR",
                advice=f"there are: {', '.join(_CONSTRAINTS)}, and what get_bookmark() gave",
            )
        return D1DatabaseSession(self, None if constraint in _CONSTRAINTS else constraint)

    @property
    def _limits(self) -> D1Limits:
        return self._store.limits

    async def _ask(self, prepared: list[D1PreparedStatement]) -> list[Ran]:
        store = self._store
        _check_requests(store.limits)
        if len(prepared) == 1:
            return [await store.ask(store.run, prepared[0].statement, prepared[0].params)]
        return await store.ask(store.batch, [(one.statement, one.params) for one in prepared])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a D1Database stays with the Workers it is bound to; copy its file")

    def __repr__(self) -> str:
        return f"<D1Database {self._store.name}>"


@also_in_javascript
class D1DatabaseSession(Prepares):
    """A session of a database; see `D1Database.with_session`.

    Args:
        database: where its statements run.
        bookmark: where it begins.
    """

    __slots__ = ("_bookmark", "_database")

    def __init__(self, database: D1Database, bookmark: str | None) -> None:
        self._database = database
        self._bookmark = bookmark

    def get_bookmark(self) -> str | None:
        """Name the point that the session has reached; None where it has only begun."""
        return self._bookmark

    @property
    def _limits(self) -> D1Limits:
        return self._database._limits

    async def _ask(self, prepared: list[D1PreparedStatement]) -> list[Ran]:
        ran = await self._database._ask(prepared)
        self._bookmark = f"{_BOOKMARK}{next(_bookmarks):08x}"
        return ran

    def __repr__(self) -> str:
        return f"<D1DatabaseSession of {self._database!r}>"


_BOOKMARK = "rpclab-"
_bookmarks = count(1)


def _check_requests(limits: D1Limits) -> None:
    advice = count_request(limits)
    if advice:
        raise d1_error(f"D1_ERROR: {TOO_MANY}", advice=advice)


def _check_text(sql: str) -> None:
    try:
        check_sql(sql)
    except ValueError as error:
        raise d1_error(f"D1_ERROR: {error}") from None


def _wrong_number(sql: str, wanted: int, given: int) -> Exception:
    advice = "" if given else "bind(…) gives them"
    return d1_error(
        "D1_ERROR: Wrong number of parameter bindings for SQL query: it takes"
        f" {counted(wanted, 'value')}, and {given} {'is' if given == 1 else 'are'} bound",
        sql=sql,
        advice=advice,
    )


def _sqlite_value(value: Any, number: int) -> Value:
    """Give a value as SQLite takes it."""
    what = f"value {number} of bind()"
    try:
        if isinstance(value, float) and math.isnan(value):
            why = f"{what} is nan, which SQLite stores as NULL"
            raise not_storable(ValueError, why, "bind None to say so")
        return sqlite_value(value, what)
    except (TypeError, ValueError, OverflowError) as error:
        raise d1_error(
            f"D1_TYPE_ERROR: {error}",
            code="D1_TYPE_ERROR",
            advice="".join(getattr(error, "__notes__", ())),
        ) from None


def _rows(ran: Ran) -> list[dict[str, Value]]:
    return [dict(zip(ran.columns, row, strict=True)) for row in ran.rows]


def _result(ran: Ran) -> D1Result:
    return D1Result(success=True, meta=D1Meta(ran.meta), results=_rows(ran))
