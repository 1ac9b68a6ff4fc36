"""The databases of a sandbox, by name: two Workers that name the same one share it.

Floor: workers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rpclab.workers.d1.connection import MEMORY
from rpclab.workers.d1.database import D1Database
from rpclab.workers.storage.limits import D1_LIMITS

if TYPE_CHECKING:
    from os import PathLike

    from rpclab.workers.storage.limits import D1Limits


class Databases:
    """The databases that are open, by where they are.

    Args:
        limits: bounds of what they do and hold; the platform's unless given.
    """

    def __init__(self, limits: D1Limits | None = None) -> None:
        self._limits = limits or D1_LIMITS
        self._open: dict[str, D1Database] = {}

    def get(self, where: str | PathLike[str] | D1Database, variable: str = "") -> D1Database:
        """Give a database; the same one each time.

        Args:
            where: its file; ":memory:NAME" for one without a file, which lasts as long as this;
                ":memory:" for the one that is named after the variable; or a database.
            variable: what it becomes in an `env`.

        Raises:
            FileNotFoundError: the folder of the file is not there.
            TypeError: it is nothing of the kind.
        """
        if isinstance(where, D1Database):
            return where
        if isinstance(where, str) and where.startswith(MEMORY):
            key = path = MEMORY
            name = where.removeprefix(MEMORY) or variable
            key = f"{MEMORY}{name}"
        else:
            file = _file(where)
            key = path = str(file)
            name = file.name
        if key not in self._open:
            self._open[key] = D1Database(path, name or MEMORY, self._limits)
        return self._open[key]

    def close(self) -> None:
        """Close and forget all of them; what was in no file is gone."""
        while self._open:
            self._open.popitem()[1]._store.close()


def _file(where: object) -> Path:
    try:
        file = Path(where).resolve()  # type: ignore[arg-type]
    except TypeError:
        kind = type(where).__name__
        raise TypeError(f'a database is a file, ":memory:" or a D1Database, not {kind}') from None
    if not file.parent.is_dir():
        raise FileNotFoundError(f"no folder {file.parent} for the database {file.name}")
    return file
