"""Errors: Python's classes and JavaScript's names.

Floor: codecs. Where JavaScript has a true counterpart, its name is sent; else Python's own, of
which JavaScript makes an `Error`, and Python the class. Section 10 of the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rpclab.codecs import exceptions
from rpclab.codecs.capnweb.refusals import PROTOTYPE
from rpclab.codecs.refusals import malformed
from rpclab.core.places import stack_of_peer
from rpclab.errors import DataCloneError, RemoteError, RpcError
from rpclab.previews import class_name, message_of, shown

_NAMES: dict[type[BaseException], str] = {
    TypeError: "TypeError",
    ValueError: "RangeError",
    SyntaxError: "SyntaxError",
    NameError: "ReferenceError",
    BaseExceptionGroup: "AggregateError",
}
_CLASSES = {name: kind.__name__ for kind, name in _NAMES.items()}

_VALUES = ("null", "undefined")
"""What JavaScript can throw, and Python has no value for; see `thrown`."""

_OWN = frozenset({"name", "message", "stack", "cause", "errors"}) | PROTOTYPE
_LONGEST = 100_000  # characters of a message
_LONGEST_STACK = 4_000  # characters of a stack that is shown as a note
_LONGEST_NAME = 100


def write_error(error: BaseException, write: Callable[[Any], Any]) -> Any:
    """Write an error.

    Args:
        error: it.
        write: writes one of its members.

    Raises:
        DataCloneError: never for a member: what cannot be sent is left out.
    """
    members: dict[str, Any] = {}
    kind = type(error)
    for name, value in vars(error).items():
        if name not in _OWN and exceptions.is_open(kind, name) and not _is_told(error, name):
            _add(members, name, value, write)
    if error.__cause__ is not None:
        _add(members, "cause", error.__cause__, write)
    elif "cause" in vars(error):
        _add(members, "cause", vars(error)["cause"], write)
    if isinstance(error, BaseExceptionGroup):
        _add(members, "errors", list(error.exceptions), write)
    elif "errors" in vars(error):
        _add(members, "errors", vars(error)["errors"], write)
    written = ["error", _name_of(error), _message(error)]
    return [*written, None, members] if members else written


def _is_told(error: BaseException, name: str) -> bool:
    """Whether what an error keeps under a name is told elsewhere."""
    return isinstance(error, RemoteError) and name == "value"


def _add(members: dict[str, Any], name: str, value: object, write: Callable[[Any], Any]) -> None:
    with suppress(DataCloneError):  # the error is told of all the same
        members[name] = write(value)


def _name_of(error: BaseException) -> str:
    if isinstance(error, RemoteError):
        return str(error.name)[:_LONGEST_NAME]
    kind = exceptions.nearest(type(error))
    for base in kind.__mro__:
        if base in _NAMES:
            return _NAMES[base]
    if kind in (Exception, RpcError):
        return "Error" if type(error) is kind else class_name(type(error))[:_LONGEST_NAME]
    return kind.__name__


def _message(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return str(error.message)[:_LONGEST]
    arguments = BaseException.__dict__["args"].__get__(error)
    if len(arguments) == 1 and type(arguments[0]) is str:
        return arguments[0][:_LONGEST]
    return message_of(error, 1000)


def read_error(parts: list[Any], evaluate: Callable[[Any], Any], *, raised: bool) -> BaseException:
    """Read an error: the expression without its kind.

    Args:
        parts: its name, message, stack and members.
        evaluate: reads one of its members.
        raised: whether it was raised, and will be here.

    Raises:
        RemoteProtocolError: it is none.
    """
    stack = parts[2] if len(parts) > 2 else None
    members = parts[3] if len(parts) > 3 else None
    if (
        len(parts) < 2
        or type(parts[0]) is not str
        or type(parts[1]) is not str
        or type(stack) not in (str, type(None))
        or type(members) not in (dict, type(None))
    ):
        raise malformed("error", parts)
    name, message = parts[:2]
    found = {key: evaluate(value) for key, value in (members or {}).items() if key not in _IGNORED}
    cause, errors = found.get("cause"), found.get("errors")
    arguments: list[Any] = [message]
    kind = _CLASSES.get(name, name)
    if kind == "BaseExceptionGroup":
        if type(errors) is list and errors and all(isinstance(e, Exception) for e in errors):
            arguments += errors
            del found["errors"]
            kind = "ExceptionGroup"
        else:
            kind = name
    if isinstance(cause, BaseException):
        del found["cause"]
    else:
        cause = None
    error = exceptions.rebuild(kind, arguments, raised=raised)
    if isinstance(error, RemoteError):
        error.name = name[:_LONGEST_NAME]
    notes = [stack_of_peer(shown(stack, _LONGEST_STACK))] if stack else []
    exceptions.complete(error, found, cause, notes)
    return error


_IGNORED = frozenset({"name", "message", "stack"}) | PROTOTYPE


def thrown(value: Any, tree: Any) -> BaseException:
    """Give the error that stands for a value that was thrown, and is none.

    Args:
        value: it.
        tree: its expression.
    """
    if isinstance(value, BaseException):
        return value
    name = type(value).__name__
    if value is None:
        name = "null" if tree is None else "undefined"
    return RemoteError(
        shown(str(value) if type(value) is str else repr(tree)), name=name, value=value
    )


def thrown_value(error: BaseException) -> tuple[Any] | None:
    """The value that an error stands for, where a peer has thrown one (see `thrown`)."""
    if type(error) is RemoteError and (error.value is not None or error.name in _VALUES):
        return (error.value,)
    return None
