"""Exceptions as values: which classes survive, and how one is taken apart (rules V20, Z1 to Z6).

Floor: codecs. A class is looked up in a fixed table; a peer's name never leads to an import.
"""

from __future__ import annotations

import builtins
from asyncio.exceptions import CancelledError
from collections.abc import Iterable
from typing import Any

from rpclab import errors
from rpclab.codecs.values import can_be_sent
from rpclab.errors import RemoteError

CLASSES: dict[str, type[BaseException]] = {
    name: value
    for module in (builtins, errors)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
CLASSES["CancelledError"] = CancelledError

# What these classes keep beside their arguments and their __dict__.
_FIELDS: dict[type[BaseException], tuple[str, ...]] = {
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
}
_LOCAL = ("__notes__", "culprit")

Parts = tuple[str, list[Any], dict[str, Any], BaseException | None, list[str]]


def nearest(kind: type[BaseException]) -> type[BaseException]:
    """The first class of the MRO that every peer knows (rule Z5)."""
    for base in kind.__mro__:
        if CLASSES.get(base.__name__) is base:
            return base
    return Exception


def parts(error: BaseException, nesting: int) -> Parts:
    """Take an error apart: the name of its class, arguments, own attributes, cause, notes.

    Where one of the arguments or attributes cannot be sent, the message stands for all arguments,
    and the attributes are dropped (rule Z4).
    """
    kind = nearest(type(error))
    arguments: Any = kind.__reduce__(error)[1]
    if isinstance(error, BaseExceptionGroup):
        arguments = (error.message, *error.exceptions)
    elif type(error).__init__ is not kind.__init__ and not isinstance(error, OSError):
        arguments = error.args
    if not can_be_sent(arguments, nesting):
        arguments = (str(error),)
    attributes = {key: value for key, value in error.__dict__.items() if key not in _LOCAL}
    for field in _fields(kind):
        attributes[field] = getattr(error, field)
    if not can_be_sent(attributes, nesting):
        attributes = {}
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    return kind.__name__, list(arguments), attributes, error.__cause__, notes


def rebuild(name: str, arguments: list[Any]) -> BaseException:
    """Build an error from its arguments; a RemoteError where no class here fits."""
    kind = CLASSES.get(name)
    if kind is not None:
        try:
            if issubclass(kind, BaseExceptionGroup):
                return kind(arguments[0], arguments[1:])
            return kind(*arguments)
        except Exception:  # noqa: S110 - the message still arrives, below
            pass
    return RemoteError(" ".join(map(str, arguments)), name=name)


def blank(name: str) -> BaseException | None:
    """Make an error that gets its arguments later; None where its class does not allow that."""
    kind = CLASSES.get(name, RemoteError)
    try:
        return kind.__new__(kind)
    except TypeError:
        return None


def complete(
    error: BaseException, attributes: dict[str, Any], cause: Any, notes: Iterable[str]
) -> None:
    """Give a rebuilt error the rest of its parts."""
    for field in _fields(type(error)):
        if field in attributes:
            setattr(error, field, attributes.pop(field))
    error.__dict__.update(attributes)
    error.__cause__ = cause
    for note in notes:
        error.add_note(note)


def _fields(kind: type[BaseException]) -> tuple[str, ...]:
    return next((_FIELDS[base] for base in kind.__mro__ if base in _FIELDS), ())
