"""Migrations: the .sql files that bring a database to its present form, each applied once.

Floor: workers. Which have been applied stands in the database, in the table that Cloudflare's own
tool keeps, so that each of the two goes on where the other stopped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rpclab.errors import D1Error
from rpclab.workers.d1.sql_errors import Source, d1_error
from rpclab.workers.d1.sql_text import Statement, statements, tokens

if TYPE_CHECKING:
    from os import PathLike

    from rpclab.workers.d1.connection import Store
    from rpclab.workers.d1.database import D1Database

TABLE = "d1_migrations"

_CREATE = """\
CREATE TABLE IF NOT EXISTS {} (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)"""


async def apply_migrations(
    database: D1Database, folder: str | PathLike[str], *, table: str = TABLE
) -> list[str]:
    """Apply the .sql files of a folder that have not been applied, by their number, then name.

    Each is one transaction. Where one fails, those before it stay applied.

    Args:
        database: what they are applied to.
        folder: where they stand, such as `0001_todos.sql`.
        table: where the database keeps which have been applied.

    Returns:
        The names of the files that were applied now.

    Raises:
        D1Error: a statement failed; the error names the file, the statement and the place.
        FileNotFoundError: there is no such folder.
    """
    applied = await database._store.ask(_apply, database._store, _files(folder), table)
    _remember(database._store, folder)
    return applied


def apply_migrations_now(
    database: D1Database, folder: str | PathLike[str], *, table: str = TABLE
) -> list[str]:
    """Do the same and block until it is done, for code that cannot await.

    Raises:
        D1Error: a statement failed; the error names the file, the statement and the place.
        FileNotFoundError: there is no such folder.
    """
    applied = database._store.ask_now(_apply, database._store, _files(folder), table)
    _remember(database._store, folder)
    return applied


def _remember(store: Store, folder: str | PathLike[str]) -> None:
    path = Path(folder).resolve()
    if path not in store.migrations:
        store.migrations.append(path)


def _files(folder: str | PathLike[str]) -> list[Path]:
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"no folder {path} with migrations")
    return sorted((file for file in path.glob("*.sql") if file.is_file()), key=_order)


def _order(file: Path) -> tuple[float, str]:
    number = re.match(r"\d+", file.name)
    return (int(number.group()) if number else float("inf")), file.name


def _apply(store: Store, files: list[Path], table: str) -> list[str]:
    quoted = '"{}"'.format(table.replace('"', '""'))
    store.run(_CREATE.format(quoted))
    done = {name for (name,) in store.run(f"SELECT name FROM {quoted}").rows}  # noqa: S608 - quoted
    applied: list[str] = []
    for file in files:
        if file.name not in done:
            try:
                _apply_file(store, file, quoted)
            except D1Error as error:
                before = f"applied before it: {', '.join(applied)}" if applied else ""
                error.add_note(f"in {file}; {before or 'nothing was applied before it'}")
                raise
            applied.append(file.name)
    return applied


def _apply_file(store: Store, file: Path, table: str) -> None:
    sql = _text(file)
    with store.transaction():
        for number, (text, offset) in enumerate(_without_its_transaction(statements(sql)), 1):
            prefix = f"D1_ERROR: migration {file.name}, statement {number}, line {{line}}"
            store.run(text, (), Source(sql, offset), prefix)
        store.run(f"INSERT INTO {table} (name) VALUES (?)", [file.name])  # noqa: S608 - quoted


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")  # each line end as it is written
    except UnicodeDecodeError as error:
        raise d1_error(
            f"D1_ERROR: migration {file.name} is no UTF-8, from byte {error.start} on",
            advice="save it as UTF-8",
        ) from None


def _without_its_transaction(found: list[Statement]) -> list[Statement]:
    """Leave out the transaction around a dump of SQLite, as Cloudflare's tool does."""
    words = [" ".join(token.text.upper() for token in tokens(text)) for text, _ in found]
    if words.count("BEGIN TRANSACTION") == words.count("COMMIT") == 1:
        around = ("BEGIN TRANSACTION", "COMMIT")
        return [one for one, said in zip(found, words, strict=True) if said not in around]
    return found
