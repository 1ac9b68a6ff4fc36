"""Values of higher floors that are sent as a copy: each class says how it is taken apart.

Floor: codecs. A class is looked up by a name in a table that this program filled; a peer's name
never leads to an import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class TakeApart(Protocol):
    """Takes a value apart, in order to send it."""

    def __call__(
        self, value: Any, /, *, copied: bool
    ) -> tuple[list[Any], Callable[[], None] | None]:
        """Give the parts of `value`: plain data, streams, and other records.

        Args:
            value: the value.
            copied: the sender goes on using it: nothing in it is used up.

        Returns:
            The parts; and what gives back to `value` that it has lost, to be called where the
            message is not sent. None where there is no such thing.

        Raises:
            TypeError: it cannot be sent any more.
        """


class Record(NamedTuple):
    """A class of values that are sent.

    Attributes:
        name: of the class, to the peer.
        take_apart: gives the parts.
        build: makes a value of the parts.
        conversion: how a value of a subclass becomes one of the class; advice for its user.
    """

    name: str
    take_apart: TakeApart
    build: Callable[[list[Any]], Any]
    conversion: str


RECORDS: dict[type, Record] = {}
WEB_RECORDS: dict[type, Record] = {}
"""Those that cross to JavaScript's peers alone."""

_NAMED: dict[str, Record] = {}
_NAMED_OF_THE_WEB: dict[str, Record] = {}
_loaders: list[Callable[[], object]] = []


def register(kind: type, record: Record) -> None:
    """Let values of `kind` be sent, from now on."""
    RECORDS[kind] = record
    _NAMED[record.name] = record


def register_of_the_web(kind: type, record: Record) -> None:
    """Let values of `kind` be sent to JavaScript's peers, from now on."""
    WEB_RECORDS[kind] = record
    _NAMED_OF_THE_WEB[record.name] = record


def register_late(load: Callable[[], object]) -> None:
    """Let `load` be called before a record of an unknown name is given up: it may register it."""
    _loaders.append(load)


def named(name: str) -> Record:
    """Give the record of that name.

    Raises:
        LookupError: there is none.
    """
    return _found(_NAMED, name)


def named_of_the_web(name: str) -> Record:
    """Give the record of that name, which JavaScript's peers know.

    Raises:
        LookupError: there is none.
    """
    return _found(_NAMED_OF_THE_WEB, name)


def _found(table: dict[str, Record], name: str) -> Record:
    while name not in table and _loaders:
        _loaders.pop()()
    if name not in table:
        raise LookupError(f"a {name} cannot be read here")
    return table[name]


def advice(value: object) -> str:
    """Say what to send instead of a value of a subclass; "" if it is none."""
    for kind, record in RECORDS.items():
        if isinstance(value, kind):
            return record.conversion
    return ""
