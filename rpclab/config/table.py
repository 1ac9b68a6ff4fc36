"""One table of a configuration, of which keys are read by type.

Floor: config.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from rpclab.config.document import Document, dotted
from rpclab.config.positions import Path
from rpclab.errors import near

_KINDS = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number",
    list: "an array", dict: "a table", type(None): "null",
}  # fmt: skip


class Table:
    """A table; every error about one of its keys says where it stands.

    Args:
        document: what it is a part of.
        path: where in it.
        data: what it says.
    """

    def __init__(self, document: Document, path: Path, data: dict[str, Any]) -> None:
        self.document = document
        self.path = path
        self.data = data

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def line(self, key: str) -> int:
        """The line where a key stands."""
        return self.document.line((*self.path, key))

    def fail(self, key: str, message: str, hint: str = "") -> NoReturn:
        """Raise the error of a key.

        Raises:
            ConfigError: always.
        """
        self.document.fail((*self.path, key), message, hint)

    def allow(self, known: Iterable[str]) -> None:
        """Refuse keys other than these, each with the near ones.

        Raises:
            ConfigError: there is another one.
        """
        known = list(known)
        for key in self.data:
            if key not in known:
                self.fail(key, f"unknown key {dotted((*self.path, key))}", near(key, known))

    def value(self, key: str, kind: type, default: Any = None) -> Any:
        """Give the value of a key, which must be of that type, or the default.

        Raises:
            ConfigError: it is of another type.
        """
        if key not in self.data:
            return default
        value = self.data[key]
        if type(value) is not kind:
            self._wrong(key, kind, value)
        return value

    def text(self, key: str, default: str = "") -> str:
        """Give the text at a key, or the default.

        Raises:
            ConfigError: it is no text.
        """
        found: str = self.value(key, str, default)
        return found

    def needed(self, key: str) -> str:
        """Give the text at a key that must be there.

        Raises:
            ConfigError: it is missing, empty, or no text.
        """
        if key not in self.data:
            self.document.fail(self.path, f"{dotted(self.path) or 'the file'} has no {key!r}")
        text = self.text(key)
        if not text:
            self.fail(key, f"{dotted((*self.path, key))} is empty")
        return text

    def texts(self, key: str) -> tuple[str, ...]:
        """Give the texts in the array at a key; none if it is missing.

        Raises:
            ConfigError: it is no array of texts.
        """
        items = self.value(key, list, [])
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self.document.fail(
                    (*self.path, key, index), f"{dotted((*self.path, key))} holds texts"
                )
        return tuple(items)

    def table(self, key: str) -> Table:
        """Give the table at a key; an empty one if it is missing.

        Raises:
            ConfigError: it is no table.
        """
        return Table(self.document, (*self.path, key), self.value(key, dict, {}))

    def tables(self, key: str) -> list[Table]:
        """Give the tables in the array at a key; none if it is missing.

        Raises:
            ConfigError: it is no array of tables.
        """
        found = []
        for index, item in enumerate(self.value(key, list, [])):
            path = (*self.path, key, index)
            if not isinstance(item, dict):
                self.document.fail(path, f"{dotted(path)} is a table, not {kind_of(item)}")
            found.append(Table(self.document, path, item))
        return found

    def _wrong(self, key: str, kind: type, value: object) -> NoReturn:
        hint = ""
        if kind is list and isinstance(value, dict):
            name = dotted((*self.path, key))
            hint = f"in TOML each of them begins with [[{name}]]"
        self.fail(key, f"{dotted((*self.path, key))} is {_KINDS[kind]}, not {kind_of(value)}", hint)


def kind_of(value: object) -> str:
    """Say of which kind a value is."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")
