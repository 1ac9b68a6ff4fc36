"""A store of Durable Objects in PostgreSQL, for those whose data outlives a machine.

Floor: workers. Needs psycopg: the extra rpclab[postgres].
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpclab.errors import RpcError
from rpclab.previews import message_of, shown
from rpclab.workers.storage.sql_stores import BUSY_SECONDS, SqlStore

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ModuleNotFoundError as missing:
    raise ImportError("a store in PostgreSQL needs the extra rpclab[postgres]") from missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpclab.workers.storage.sql_stores import Execute

_LOCK = 0x72706C6162  # names the making of the tables; two that make them at once would collide
_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS rpclab_objects (
        namespace TEXT NOT NULL, id BYTEA NOT NULL, name BYTEA, epoch BIGINT NOT NULL, node TEXT,
        expires DOUBLE PRECISION NOT NULL, alarm BIGINT, PRIMARY KEY (namespace, id)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS rpclab_object_values (
        namespace TEXT NOT NULL, id BYTEA NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL,
        PRIMARY KEY (namespace, id, key)
    )
    """,
)
_PATIENCE = {
    "connect_timeout": 10, "tcp_user_timeout": 10_000, "keepalives_idle": 5,
    "keepalives_interval": 2, "keepalives_count": 3,
}  # fmt: skip
"""How long a server that says nothing is waited for, where the address does not say."""

_SHOWN = 300


class PostgresStore(SqlStore):
    """A database of PostgreSQL that several nodes share.

    A transaction is made on the event loop, which waits for it: so the server should be near. A
    connection that is lost is made anew for the next transaction.

    Args:
        address: such as "postgresql://user:password@host/database"; what psycopg understands.
    """

    lease_of = f"{SqlStore.lease_of} FOR UPDATE"

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: psycopg.Connection[Any] | None = None

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        try:
            connection = self._connect()
            with connection.transaction():

                def execute(statement: str, values: tuple[Any, ...] = ()) -> Any:
                    text: Any = statement.replace("?", "%s")
                    return connection.execute(text, values)

                yield execute
        except psycopg.Error as error:
            said = shown(message_of(error), _SHOWN)
            raise RpcError(f"the store in PostgreSQL cannot be used: {said}") from error

    def _now(self, execute: Execute) -> float:
        (now,) = execute(
            "SELECT extract(epoch FROM clock_timestamp())::double precision"
        ).fetchone()
        return float(now)

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        given: Any = {**_PATIENCE, **conninfo_to_dict(self._address)}
        connection = psycopg.connect(autocommit=True, **given)
        try:
            milliseconds = int(BUSY_SECONDS * 1000)
            connection.execute(f"SET statement_timeout = {milliseconds}")
            connection.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                for statement in _SCHEMA:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def __repr__(self) -> str:
        return "<PostgresStore>"  # the address may hold a password
