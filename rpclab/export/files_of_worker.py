"""The files that a Worker brings along: its modules, pages, migrations; and what stays behind.

Floor: export. Nothing secret goes along, nor what no Worker reads; each of these is named.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from rpclab.config.loading import NAMES
from rpclab.errors import ConfigError

MOST_FILES = 1_000
MOST_BYTES = 25 * 2**20

_FOLDERS = frozenset({
    "__pycache__", "build", "dist", "node_modules", "python_modules", "venv",
})  # fmt: skip
_KEYS = (".key", ".p12", ".pem", ".pfx", ".keystore", ".jks")
_DATA = (".db", ".db-shm", ".db-wal", ".sqlite", ".sqlite-shm", ".sqlite-wal", ".sqlite3")
_OTHERS = (".ipynb", ".log", ".pyc", ".pyo")
_OURS = frozenset({"workers.pyi", *NAMES})  # which are written anew


class Beside:
    """What stands in the folder of a Worker.

    Args:
        folder: the folder.
        apart: folders in it that belong to other Workers.

    Attributes:
        files: what goes along, by its path from there.
        left: what does not, with the reason.

    Raises:
        ConfigError: there is too much of it.
        OSError: a file cannot be read.
    """

    def __init__(self, folder: Path, apart: frozenset[Path] = frozenset()) -> None:
        self.files: dict[str, bytes] = {}
        self.left: list[tuple[str, str]] = []
        self._folder = folder.resolve()
        self._apart = apart
        size = 0
        for path in self._walk():
            name = path.relative_to(self._folder).as_posix()
            reason = self._reason(path)
            if reason:
                self.left.append((name, reason))
                continue
            size += path.stat().st_size
            if len(self.files) >= MOST_FILES or size > MOST_BYTES:
                raise ConfigError(
                    f"there are more than {MOST_FILES} files or {MOST_BYTES // 2**20} MiB beside"
                    " the Worker: move its code into a folder of its own",
                    filename=str(folder),
                )
            self.files[name] = path.read_bytes()

    def _walk(self) -> Iterator[Path]:
        for name, folders, files in os.walk(self._folder):
            here = Path(name)
            kept = []
            for inner in sorted(folders):
                path = here / inner
                if path in self._apart or inner in _FOLDERS or inner.startswith("."):
                    continue
                if path.is_symlink():
                    self.left.append((path.relative_to(self._folder).as_posix(), "is a link"))
                else:
                    kept.append(inner)
            folders[:] = kept
            for file in sorted(files):
                if here != self._folder or file not in _OURS:
                    yield here / file

    def _reason(self, path: Path) -> str:
        if path.is_symlink() or not path.is_file():
            return "is a link" if path.is_symlink() else "is no file"
        name = path.name.lower()
        if name.startswith((".dev.vars", ".env")):
            return "holds secrets"
        if name.startswith("."):
            return "is hidden"
        if name.endswith(_KEYS) or name.startswith("id_"):
            return "looks like a key"
        if name.endswith(_DATA):
            return "is a database"
        return "is no part of a Worker" if name.endswith(_OTHERS) else ""


def imported(text: str, name: str = "") -> set[str]:
    """The first names of the modules that a text imports.

    Raises:
        SyntaxError: it is no Python.
    """
    found = set()
    for node in ast.walk(ast.parse(text, name or "<worker>")):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def modules_in(folder: Path, text: str) -> dict[str, bytes]:
    """The modules in a folder that a text imports, and those that these import.

    Args:
        folder: where the program runs, as a notebook does.
        text: of a cell.
    """
    files: dict[str, bytes] = {}
    waiting = sorted(imported(text))
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for path in _module(folder, name):
            data = path.read_bytes()
            files[path.relative_to(folder).as_posix()] = data
            try:
                waiting += sorted(imported(data.decode("utf-8", "replace")) - seen)
            except SyntaxError:
                continue
    return files


def _module(folder: Path, name: str) -> list[Path]:
    file, package = folder / f"{name}.py", folder / name
    if (package / "__init__.py").is_file():
        return [path for path in sorted(package.rglob("*.py")) if "__pycache__" not in path.parts]
    return [file] if file.is_file() else []
