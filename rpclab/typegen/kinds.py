"""What an annotation means, as far as crossing to another Worker is concerned.

Floor: typegen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rpclab.typegen.sources import Source


@dataclass(frozen=True)
class Unknown:
    """Not annotated, or by something that is not known here."""


@dataclass(frozen=True)
class Plain:
    """A value that is copied, and whose type both sides write in the same way.

    Attributes:
        text: how it is written.
        module: what has to be imported for that, or "".
    """

    text: str
    module: str = ""


@dataclass(frozen=True)
class Container:
    """A value that holds others: `list[…]`, `dict[…]`, `tuple[…]`; `...` may end a tuple."""

    head: Plain
    items: tuple[Kind, ...]
    endless: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several."""

    items: tuple[Kind, ...]


@dataclass(frozen=True)
class Target:
    """An object that is passed by reference."""

    source: Source
    name: str


@dataclass(frozen=True)
class Record:
    """A dict with known keys (a TypedDict)."""

    source: Source
    name: str


@dataclass(frozen=True)
class Function:
    """A function that is passed by reference; `params` is None where they are not known."""

    params: tuple[Kind, ...] | None
    result: Kind


Kind: TypeAlias = Unknown | Plain | Container | Choice | Target | Record | Function

UNKNOWN = Unknown()
NONE = Plain("None")
