"""Exceptions as values: which classes survive, and how one is taken apart (rules V20, Z1 to Z6).

Floor: codecs. A class is looked up in a fixed table; a peer's name never leads to an import.
"""

from __future__ import annotations

import builtins
from asyncio.exceptions import CancelledError
from collections.abc import Iterable
from typing import Any

from rpclab import errors
from rpclab.codecs.refusals import malformed
from rpclab.codecs.sendable import Sendable
from rpclab.core.places import tells_place
from rpclab.errors import RemoteError, RpcError, steered, steers
from rpclab.previews import class_name, message_of, preview, shown

CLASSES: dict[str, type[BaseException]] = {
    name: value
    for module in (builtins, errors)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
CLASSES["CancelledError"] = CancelledError

# What these classes keep beside their arguments and their __dict__: names, or None.
_FIELDS: dict[type[BaseException], tuple[str, ...]] = {
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
}
# Python trusts what it has checked when one of these was made, and reads memory by it.
_MADE_WHOLE = (UnicodeError, SyntaxError, BaseExceptionGroup)
# The file, line, column and text of a syntax error, and where it ends; and how large a number may
# be. A traceback prints as many marks as there are columns.
_SYNTAX: tuple[tuple[Any, int | None], ...] = (
    (str, None), (int, 2**31), (int, 10_000), (str, None), (int, 2**31), (int, 10_000),
)  # fmt: skip

Parts = tuple[str, list[Any], dict[str, Any], BaseException | None, list[str]]


def nearest(kind: type[BaseException]) -> type[BaseException]:
    """The first class of the MRO that every peer knows (rule Z5)."""
    for base in kind.__mro__:
        if CLASSES.get(class_name(base)) is base:
            return base
    return Exception


class Apart:
    """Takes the errors of one message apart.

    Args:
        nesting: how many containers may stand inside one another in the message.
        raised: whether it tells of an error that was raised. Such an error gives no function away:
            what it happens to hold, nobody meant to send.
        places: whether notes that tell places in the code go along.
    """

    def __init__(self, nesting: int, *, raised: bool, places: bool = True) -> None:
        self._places = places
        self._sendable = Sendable(nesting)
        self._harmless = Sendable(nesting, functions=False) if raised else self._sendable

    def parts(self, error: BaseException) -> Parts:
        """Give the name of its class, arguments, public attributes, cause, notes.

        Where one of the arguments or attributes cannot be sent, the message stands for all
        arguments, and the attributes are dropped (rule Z4).
        """
        kind = nearest(type(error))
        arguments: Any = kind.__reduce__(error)[1]
        if isinstance(error, BaseExceptionGroup):
            arguments = (error.message, *error.exceptions)
        elif type.__getattribute__(type(error), "__init__") is not kind.__init__ and not isinstance(
            error, OSError
        ):
            arguments = error.args
        if not self._harmless.all(arguments):
            arguments = (message_of(error, 1000),)
        found = {key: value for key, value in error.__dict__.items() if is_open(kind, key)}
        for field in _fields(kind):
            value = getattr(error, field)
            found[field] = value if type(value) is str else None
        attributes = {key: value for key, value in found.items() if self._harmless.all([value])}
        if len(attributes) < len(found) and not self._sendable.all(found.values()):
            attributes = {}
        if error.__dict__.get("remote") is True:
            attributes["remote"] = True
        notes = error.__dict__.get("__notes__")
        texts = [note for note in notes if type(note) is str] if type(notes) is list else []
        if not self._places:
            texts = [note for note in texts if not tells_place(note)]
        return kind.__name__, list(arguments), attributes, error.__cause__, texts


def rebuild(name: str, arguments: list[Any], *, raised: bool) -> BaseException:
    """Build an error from its arguments; a RemoteError where no class here fits.

    Args:
        name: of its class.
        arguments: of its class.
        raised: whether it will be raised; then one that steers Python becomes an RpcError (Z1).
    """
    made = _build(CLASSES.get(name), arguments)
    if made is None:
        plain = all(type(argument) is str for argument in arguments)
        return RemoteError(" ".join(arguments) if plain else preview(arguments, 200), name=name)
    return steered(name, made) if raised and steers(type(made)) else made


def _build(kind: type[BaseException] | None, arguments: list[Any]) -> BaseException | None:
    if kind is None or not _are_sound(kind, arguments):
        return None
    try:
        if issubclass(kind, BaseExceptionGroup):
            return kind(arguments[0], arguments[1:])
        return kind(*arguments)
    except Exception:
        return None


def _are_sound(kind: type[BaseException], arguments: list[Any]) -> bool:
    """Whether these are arguments by which Python may read memory, or print."""
    if issubclass(kind, (UnicodeEncodeError, UnicodeDecodeError, UnicodeTranslateError)):
        if kind is not UnicodeTranslateError:
            arguments = arguments[1:]
        if [*map(type, arguments[:3])] not in ([str, int, int], [bytes, int, int]):
            return False
        text, start, end, *_ = arguments
        return bool(0 <= start <= end <= len(text))
    if issubclass(kind, SyntaxError) and len(arguments) > 1:
        if type(arguments[0]) is not str or type(arguments[1]) not in (tuple, list):
            return False
        details = arguments[1]
        return len(details) <= len(_SYNTAX) and all(
            each is None or (type(each) is expected and (most is None or -1 <= each <= most))
            for each, (expected, most) in zip(details, _SYNTAX, strict=False)
        )
    return True


def blank(name: str, *, raised: bool) -> BaseException:
    """Make an error that gets its arguments later, by `fill`: they hold the error itself."""
    kind = CLASSES.get(name, RemoteError)
    if raised and steers(kind):
        return RpcError(f"the other side raised {name}")
    if issubclass(kind, (*_MADE_WHOLE, RemoteError)):
        return RemoteError(shown(name), name=name)
    return kind.__new__(kind)


def fill(error: BaseException, name: str, arguments: list[Any]) -> None:
    """Give a blank error its arguments, if it is of that class and not a stand-in."""
    if type(error) is CLASSES.get(name) and type(error) is not RemoteError:
        error.args = tuple(arguments)


def complete(
    error: BaseException, attributes: dict[Any, Any], cause: Any, notes: Iterable[Any]
) -> None:
    """Give a rebuilt error the rest of its parts; of its attributes, those that are free to set.

    Raises:
        RemoteProtocolError: the cause is no error, or a note no text.
    """
    kind = type(error)
    for field in _fields(kind):
        value = attributes.pop(field, None)
        if type(value) is str:
            setattr(error, field, value)
    for key, value in attributes.items():
        if is_open(kind, key) or (key == "remote" and value is True):
            error.__dict__[key] = value
    if cause is not None and not isinstance(cause, BaseException):
        raise malformed("cause of an error", cause)
    error.__cause__ = cause
    for note in notes:
        if type(note) is not str:
            raise malformed("note of an error", note)
        error.add_note(note)


def _fields(kind: type[BaseException]) -> tuple[str, ...]:
    return next((_FIELDS[base] for base in kind.__mro__ if base in _FIELDS), ())


def is_open(kind: type[BaseException], name: object) -> bool:
    """Whether an attribute of that name is the user's own: sent, and taken from a peer.

    It is neither private nor what the class, Python or rpclab itself knows an error by.
    """
    if type(name) is not str or name[:1] in ("_", "") or name in ("remote", "culprit"):
        return False
    for base in kind.__mro__:
        if name in base.__dict__:
            return not hasattr(type(base.__dict__[name]), "__get__")
    return True
