"""How a database of SQLite is opened here, whoever keeps something in it.

Floor: workers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WAL = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")
"""Nobody waits for the disk. What was committed survives the end of the process at any moment,
`kill -9` included; a power cut may take the last commits, whole ones, and breaks no file."""


def open_sqlite(path: Path | None, setup: Iterable[str], **options: Any) -> sqlite3.Connection:
    """Open a database, in which each statement is a transaction unless it stands in one.

    The thread that uses it need not be the one that closes it.

    Args:
        path: the file, whose folder is made; None is in memory.
        setup: statements that it begins with.
        options: those of `sqlite3.connect`.

    Raises:
        sqlite3.Error: it cannot be opened; nothing is left open.
        OSError: its folder cannot be made.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection: sqlite3.Connection = sqlite3.connect(
        path or ":memory:", isolation_level=None, check_same_thread=False, **options
    )
    try:
        for statement in setup:
            connection.executescript(statement)
    except BaseException:
        connection.close()
        raise
    return connection
