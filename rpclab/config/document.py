"""A configuration as text: TOML or JSON with comments, read, with the places of its keys.

Floor: config.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from rpclab.config.file_text import read_text
from rpclab.config.positions import (
    MOST_DEPTH,
    Place,
    Places,
    places_in_json,
    places_in_toml,
    plain_json,
    too_deep,
)
from rpclab.config.positions import Path as KeyPath
from rpclab.errors import ConfigError

FORMATS = (".toml", ".jsonc", ".json")


class Document:
    r"""A configuration that was read and not yet understood.

    Args:
        text: TOML, or JSON with comments and trailing commas.
        name: what errors call it: a file, or a cell.
        toml: whether it is TOML; by its first character if None.

    Attributes:
        data: what it says.
        text: as it was read, with `\n` at the ends of its lines.
        toml: whether it is TOML.

    Raises:
        ConfigError: the text is neither.
    """

    def __init__(self, text: str, name: str, *, toml: bool | None = None) -> None:
        self.name = name
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        if toml is None:
            toml = not _begins_as_json(text)
        self.text = text
        self.toml = toml
        self.data: dict[str, Any]
        self._places: Places
        if toml:
            self._read_toml(text)
        else:
            self._read_json(text)

    @classmethod
    def from_file(cls, path: Path) -> Document:
        """Read a file; its name says in which format it is.

        Raises:
            ConfigError: it cannot be read, or is not what its name says.
        """
        if path.suffix not in FORMATS:
            raise ConfigError(
                f"a configuration is a {' or '.join(FORMATS)} file, not {path.suffix or path.name}",
                filename=str(path),
            )
        return cls(read_text(path), str(path), toml=path.suffix == ".toml")

    def fail(self, path: KeyPath, message: str, hint: str = "") -> NoReturn:
        """Raise the error of a key, or of the value at it.

        Raises:
            ConfigError: always.
        """
        self._fail_at(self._places.of(path), message, hint)

    def line(self, path: KeyPath) -> int:
        """The line where a key stands."""
        return self._places.of(path).line

    def _fail_at(self, place: Place, message: str, hint: str = "") -> NoReturn:
        error = ConfigError(message, filename=self.name, line=place.line, column=place.column)
        if hint:
            error.add_note(hint)
        raise error from None

    def _read_toml(self, text: str) -> None:
        self._bound(text)
        try:
            self.data = tomllib.loads(text)
        except ValueError as error:  # also of a number with thousands of digits
            message, _, where = str(error).rpartition(" (at ")
            found = re.match(r"line (\d+), column (\d+)\)", where)
            lines = text.split("\n")
            place = (
                Place(*map(int, found.groups())) if found else Place(len(lines), len(lines[-1]) + 1)
            )
            self._fail_at(place, f"this is no TOML: {message}")
        self._places = places_in_toml(text)

    def _bound(self, text: str) -> None:
        """Refuse what stands too deep, before anything goes down into it."""
        place = too_deep(text, toml=self.toml)
        if place is not None:
            self._fail_at(place, f"this stands more than {MOST_DEPTH} tables and arrays deep")

    def _read_json(self, text: str) -> None:
        plain = plain_json(text)
        self._bound(plain)
        try:
            data = json.loads(plain)
        except json.JSONDecodeError as error:
            self._fail_at(Place(error.lineno, error.colno), f"this is no JSON: {error.msg}")
        except ValueError as error:  # of a number with thousands of digits
            self._fail_at(Place(1, 1), f"this is no JSON: {error}")
        try:
            self._places = places_in_json(plain, json.loads)
        except KeyError as error:
            path, place = error.args
            self._fail_at(place, f"{dotted(path)} is given twice")
        if not isinstance(data, dict):
            self._fail_at(Place(1, 1), "a configuration is an object, { … }")
        self.data = data


def _begins_as_json(text: str) -> bool:
    return plain_json(text).lstrip()[:1] == "{" or text.lstrip()[:2] in ("//", "/*")


def dotted(path: KeyPath) -> str:
    """Write a path as one would speak of it: `services[0].binding`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
