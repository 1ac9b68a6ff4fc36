"""Files that somebody names, read as text: whatever is in the way is a ConfigError, at once.

Floor: config.
"""

from __future__ import annotations

import stat
from importlib.util import decode_source
from pathlib import Path

from rpclab.errors import ConfigError

MOST_BYTES = 2**20
"""How large a configuration may be, or a file of secrets."""

MOST_BYTES_OF_CODE = 10 * 2**20
"""How large the main file of a Worker may be; the platform takes 10 MB, and packed."""

_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


class _UnreadableError(Exception):
    """A file cannot be read; `str` says why, as what stands behind its name in a sentence."""


def exists(path: Path) -> bool:
    """Whether there is anything of that name, of whatever kind; False where none can be."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name; False where none can be."""
    return exists(path) and path.is_dir()


def read_text(path: Path) -> str:
    """Read a file as UTF-8; a byte order mark is no part of its text.

    Raises:
        ConfigError: it cannot be read, is no file (a pipe would be waited for), is too large, or is
            no UTF-8.
    """
    try:
        data = _read(path, MOST_BYTES)
    except _UnreadableError as error:
        raise ConfigError(str(error), filename=str(path)) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"is no text in UTF-8: {error.reason}", filename=str(path), line=line
        ) from None


def read_python(path: Path, *, called: str = "", said_in: str = "") -> str:
    """Read Python code, in the encoding that it declares, as Python reads it.

    Args:
        path: of the file.
        called: how an error speaks of it.
        said_in: the file that names it, which an error is about; the file itself unless given.

    Raises:
        ConfigError: it cannot be read, is no file, is too large, or is no text.
    """
    try:
        return _decoded(_read(path, MOST_BYTES_OF_CODE))
    except (_UnreadableError, SyntaxError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, _UnreadableError) else f"is no text: {error}"
        raise ConfigError(f"{called} {reason}".lstrip(), filename=said_in or str(path)) from None


def _decoded(data: bytes) -> str:
    if b"\0" in data:
        raise _UnreadableError("is no Python: it holds a NUL")
    return decode_source(data)


def _read(path: Path, most: int) -> bytes:
    try:
        mode = path.stat().st_mode
        for is_kind, kind in _KINDS.items():
            if is_kind(mode):
                raise _UnreadableError(f"is {kind}, and no file")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in its name
        raise _UnreadableError(f"is no name of a file: {error}") from None
    if len(data) > most:
        raise _UnreadableError(f"is larger than {most} bytes")
    return data
