"""How somebody's value is shown in a text of ours: in few characters, and by little work.

Floor: errors, the lowest.

`repr` of what a peer sent can take for ever: containers that share their parts print exponentially,
an int of many digits quadratically or not at all. Nothing here runs code of a value's class, but
`message_of`, for an error alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from types import FunctionType
from typing import Any

from rpclab.printable import printable

LENGTH = 80  # characters of a preview, unless the caller asks for another length

_ITEMS = 8  # of a container that are shown
_DEPTH = 4  # containers inside one another that are shown
_BITS = 256  # of an int that is written out
_SMALL_BITS = 8_192  # of an int that `str` of an error may write out
_TEXT = 200  # characters of an error's message

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"), tuple: ("(", ")"), dict: ("{", "}"), set: ("{", "}"), frozenset: ("{", "}"),
}  # fmt: skip
_SCALARS = (str, bytes, int, float, bool, type(None))
# A class, or its metaclass, may have an idea of its own of these.
_name_of = type.__dict__["__name__"].__get__
_attribute_of = type.__getattribute__
_arguments_of = BaseException.__dict__["args"].__get__
_group_message_of = BaseExceptionGroup.__dict__["message"].__get__
_grouped_in = BaseExceptionGroup.__dict__["exceptions"].__get__


def counted(number: float, noun: str) -> str:
    """A number with its noun, such as "1 call", "2 calls" or "1.5 round trips"."""
    return f"{number:.15g} {noun}{'s' * (number != 1)}"


def preview(value: object, length: int = LENGTH) -> str:
    """Write a value down, as `repr` would, in at most `length` characters.

    What is left out is an ellipsis. What would not print, and what turns the direction of a text
    around, is escaped. A value of a class that is not built in is shown as its class.
    """
    writer = _Writer(length)
    writer.write(value, 0)
    return writer.text()


def shown(text: str, length: int = LENGTH) -> str:
    """Give a text as part of a sentence: printable, and cut; without quotes."""
    cut = printable(text[: length + 1])
    return cut if len(cut) <= length else f"{cut[: length - 1]}…"


def listed(names: Iterable[str], most: int = 20) -> str:
    """List names in a sentence, the first of them if there are more."""
    first = [shown(name, 40) for name in islice(names, most + 1)]
    return ", ".join(first[:most]) + (", and others" if len(first) > most else "")


def class_name(kind: type) -> str:
    """Name a class, without asking its metaclass."""
    return _name_of(kind)  # type: ignore[no-any-return]


def type_name(value: object, length: int = LENGTH) -> str:
    """Name the class of a value."""
    return shown(class_name(type(value)), length)


def message_of(error: BaseException, length: int = _TEXT) -> str:
    """Give the message of an error, in one line: escaped, and cut.

    `str` of the error is asked only where its arguments are scalars, or its class has a way of its
    own to write it; it may raise.
    """
    arguments = _arguments_of(error)
    if isinstance(error, BaseExceptionGroup):
        message, errors = _group_message_of(error), _grouped_in(error)
        return shown(f"{shown(message, length)} ({len(errors)} errors)", length)
    own = type(_attribute_of(type(error), "__str__")) is FunctionType
    if not own and not all(map(_is_small, arguments)):
        return preview(arguments[0] if len(arguments) == 1 else arguments, length)
    try:
        text = str(error)
    except Exception as failure:
        return f"a message that cannot be shown, for it raises {type_name(failure)}"
    return shown(text, length)


def described(error: BaseException, length: int = _TEXT) -> str:
    """Write an error down in one line: its class, and its message if it has one."""
    text = message_of(error, length)
    return f"{type_name(error)}: {text}" if text else type_name(error)


def _is_small(value: object) -> bool:
    if type(value) is int:
        return value.bit_length() <= _SMALL_BITS
    # The second argument of a SyntaxError is a tuple.
    if type(value) is tuple:
        return len(value) <= _ITEMS and all(
            type(item) in _SCALARS and _is_small(item) for item in value
        )
    return type(value) in _SCALARS


class _Writer:
    """Gathers pieces until there are enough characters."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._left = length + 1  # one more says that something was cut
        self._pieces: list[str] = []

    def text(self) -> str:
        whole = "".join(self._pieces)
        return whole if len(whole) <= self._length else f"{whole[: self._length - 1]}…"

    def write(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind in _BRACKETS:
            self._container(value, kind, depth)
        elif kind is str or kind is bytes:
            self._put(repr(value[: self._left]))
        elif kind is int and value.bit_length() > _BITS:
            self._put(f"<int of {value.bit_length()} bits>")
        elif kind in _SCALARS:
            self._put(repr(value))
        elif isinstance(value, BaseException):
            self._put(type_name(value))
            self._container(_arguments_of(value), tuple, depth, comma=False)
        else:
            self._put(f"<{type_name(value)}>")

    def _put(self, piece: str) -> None:
        self._pieces.append(piece)
        self._left -= len(piece)

    def _container(self, value: Any, kind: type, depth: int, *, comma: bool = True) -> None:
        name = "" if kind in (list, tuple, dict) or (kind is set and value) else kind.__name__
        opening, closing = _BRACKETS[kind]
        if name:
            opening, closing = (f"{name}(", ")") if not value else (f"{name}({{", "})")
        if depth == _DEPTH and value:
            self._put(f"{opening}…{closing}")
            return
        self._put(opening)
        for number, item in enumerate(islice(value.items() if kind is dict else value, _ITEMS + 1)):
            if number:
                self._put(", ")
            if self._left <= 0:
                return
            if number == _ITEMS:
                self._put("…")
                break
            if kind is dict:
                self.write(item[0], depth + 1)
                self._put(": ")
                self.write(item[1], depth + 1)
            else:
                self.write(item, depth + 1)
        self._put("," * (comma and kind is tuple and len(value) == 1) + closing)
