"""What methods of users return and raise that is hard to send, and even to look at."""

from __future__ import annotations


class Unshowable(Exception):
    """Its text raises another one of itself."""

    def __str__(self) -> str:
        raise Unshowable(object())


class Irreducible(Exception):
    """It cannot be taken apart."""

    def __reduce__(self):
        raise Irreducible


class Exits(SystemExit):
    """It steers Python, and cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("shown")


class Nameless(type):
    """A class of it has no name."""

    def __getattribute__(cls, name):
        if name == "__name__":
            raise ValueError("named")
        return super().__getattribute__(name)


class Unnamed(Exception, metaclass=Nameless):
    """Its class has no name."""


def _raises(error):
    def method(_make):
        raise error()

    return method


def _noted(notes):
    error = ValueError("noted")
    error.__notes__ = notes
    return error


def _with(**attributes):
    error = ValueError("with attributes")
    error.__dict__.update(attributes)
    return error


def _caused():
    error = ValueError("caused")
    error.__cause__ = Unshowable(object())
    return error


def _itself():
    error = ValueError("itself")
    error.args = (error,)
    return error


def _holds_itself(_make):
    value = []
    value.append(value)
    return value


ALL = {
    "unsendable": lambda _make: object(),
    "target_beside_unsendable": lambda make: {"t": make(), "bad": object()},
    "unshowable": _raises(lambda: Unshowable(object())),
    "irreducible": _raises(lambda: Irreducible(object())),
    "unnamed": _raises(lambda: Unnamed("x")),
    "error_that_holds_itself": _raises(_itself),
    "list_that_holds_itself": _holds_itself,
    "too_large": lambda _make: "x" * (5 * 1024 * 1024),
    "error_with_unsendable": _raises(lambda: _with(extra=[1], unsendable=object())),
    "errors_returned": lambda _make: [Unshowable(object()), Unnamed("x")],
    "group": _raises(lambda: ExceptionGroup("g", [Unshowable(object()), ValueError(1)])),
    "notes_of_no_list": _raises(lambda: _noted(7)),
    "notes_of_no_text": _raises(lambda: _noted([Unshowable(object())])),
    "add_note_hidden": _raises(lambda: _with(add_note=7)),
    "cause_unshowable": _raises(_caused),
}
"""By name, functions that are given what makes a target."""

IN_A_SANDBOX = {
    "exits_unshowable": _raises(lambda: Exits(3)),
    "exits": _raises(lambda: SystemExit(3)),
    "base_exception": _raises(lambda: BaseException(3)),
}
"""More of them, which only an engine can take."""
