"""Databases of several Workers: what they are called in a project, and their migrations.

Floor: export.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from rpclab.declared import Declared

_NO_NAME = re.compile(r"[^\w-]+", re.ASCII)
_INTERNAL = ("sqlite_", "_cf_", "d1_migrations")


class Migrations:
    """The .sql files that make the tables of a database.

    Args:
        folders: where they stand, in the order in which they were applied.
        statements: those that make the tables, where no folder does.

    Attributes:
        files: by name, in their order.
        is_schema: whether it is one file, made from the tables there are.
    """

    SCHEMA: ClassVar[str] = "0001_schema.sql"

    def __init__(self, folders: Iterable[Path], statements: Iterable[str] = ()) -> None:
        self.files: dict[str, bytes] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.sql")) if folder.is_dir() else ():
                self.files.setdefault(path.name, path.read_bytes())
        lines = [f"{statement.rstrip().rstrip(';')};\n" for statement in statements]
        self.is_schema = not self.files and bool(lines)
        if self.is_schema:
            self.files[self.SCHEMA] = "\n".join(lines).encode()


class Shared:
    """The databases of some Workers. The first that has one has its migrations.

    Args:
        workers: whose they are; a database is a `D1Database`, or the text that names it.
    """

    def __init__(self, workers: Iterable[Declared]) -> None:
        self._keys: dict[object, str] = {}
        self._owners: dict[object, tuple[str, str]] = {}
        for worker in sorted(workers, key=lambda each: each.config is None):
            configured = worker.config.d1_databases if worker.config is not None else ()
            declared = {each.binding: each.key for each in configured}
            for variable, database in worker.d1.items():
                identity = _identity(database, variable)
                if identity not in self._keys:
                    self._owners[identity] = (worker.name, variable)
                    self._keys[identity] = declared.get(variable) or self._free(
                        _name(database, variable)
                    )

    def of(self, worker: Declared, variable: str) -> tuple[str, Migrations | None]:
        """What a database is called, and its migrations where the Worker is the one that has them.

        Args:
            worker: that is bound to it.
            variable: as what.
        """
        database = worker.d1[variable]
        identity = _identity(database, variable)
        key = self._keys[identity]
        if self._owners[identity] != (worker.name, variable) or isinstance(database, str):
            return key, None
        store = database._store
        folders = [folder for folder in store.migrations if folder.is_dir()]
        if folders:
            return key, Migrations(folders)
        return key, Migrations((), store.ask_now(_schema, store) if store.is_begun() else ())

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self._keys.values():
            number += 1
            free = f"{name}-{number}"
        return free


def _identity(database: Any, variable: str) -> object:
    if not isinstance(database, str):
        return id(database)
    return f":memory:{variable}" if database == ":memory:" else database


def _name(database: Any, variable: str) -> str:
    name = database.removeprefix(":memory:") if isinstance(database, str) else database._store.name
    return _NO_NAME.sub("-", Path(name).stem or variable).strip("-") or "database"


def _schema(store: Any) -> list[str]:
    """The statements that make the tables there are; those of tables before those of indexes."""
    rows = store.connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        " ORDER BY type <> 'table', type = 'trigger', rowid"
    ).fetchall()
    return [sql for name, sql in rows if not name.startswith(_INTERNAL)]
