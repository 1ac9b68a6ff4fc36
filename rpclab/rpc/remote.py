"""What stubs, promises, properties and bindings have in common: how they behave at this side.

Floor: rpc. Every name is remote but a few; and yet nothing that a display, a debugger, completion,
a conversion or a copy does with one sends a message.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.diagnostics.places import calling_site
from rpclab.rpc.looking import doc_of, names_of, seen

if TYPE_CHECKING:
    from rpclab.rpc.stubs import RpcProperty

log = logging.getLogger("rpclab")

ITEMS = (
    "paths enter dicts, functions and targets, never lists, strings or sets:"
    " await the value, and index that"
)
_MAPPINGS = ("collections", "collections.abc", "_collections_abc")


class Doc:
    """The docstring of a class, and of its instances that of what they lead to.

    Args:
        text: of the class.
    """

    def __init__(self, text: str | None) -> None:
        self._text = text

    def __get__(self, remote: Any, _: type) -> str | None:
        if remote is None:
            return self._text
        return remote.__help__() or self._text


class AskedByIPython:
    """The member `getdoc`. IPython calls a method of that name for help; nobody else gets that."""

    def __get__(self, remote: Any, _: type) -> Any:
        if remote is None:
            return self
        if sys._getframe(1).f_globals.get("__name__") == "IPython.core.oinspect":
            return lambda: None  # then it asks for the docstring
        return remote.__member__("getdoc")


class AskedByMappings:
    """The member `keys`, which `dict(…)` and `**` call on whatever has it, to make a dict of it."""

    def __get__(self, remote: Any, _: type) -> Any:
        if remote is None:
            return self
        frame = sys._getframe(1)
        if frame.f_globals.get("__name__") in _MAPPINGS:
            raise no_mapping(remote)
        return remote.__keys__((id(frame), frame.f_lasti))


_told: set[str] = set()
_MANY = 1000


def _tell_of_a_missing_await(value: object, what: str) -> None:
    """Say that somebody looks at a promise as if it were its value; once for each place."""
    site = calling_site(2)
    if site is None or site in _told:
        return
    if len(_told) > _MANY:  # each run of a cell is a place of its own
        _told.clear()
    _told.add(site)
    log.warning("%s: %s %s; await it for its value", site, article(value), what)


class Uncopied:
    """A base of what stands for something that is there once: it is neither copied nor pickled."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{article(self)} cannot be pickled or copied; {self.__instead__()}")

    def __copy__(self) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce__()

    def __instead__(self) -> str:
        """Say what to do instead."""
        return "use it as it is"


class Remote(Uncopied):
    """What stubs, promises, properties and bindings have in common: members by any name."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        kind: Any = cls
        kind.__doc__ = Doc(cls.__dict__.get("__doc__"))

    def __getattr__(self, name: str) -> Any:
        # Names like __len__ and _repr_html_ are questions of Python and IPython, not remote ones.
        if name[:1] == "_" and name[-1] == "_":
            raise AttributeError(name)
        return self.__member__(name)

    def __getitem__(self, name: object) -> Any:
        if type(name) is not str:
            raise TypeError(f"a remote member has a name, not the index {name!r}: {ITEMS}")
        return self.__member__(name)

    def __member__(self, name: str) -> RpcProperty:
        raise NotImplementedError

    def __keys__(self, asked: tuple[int, int]) -> RpcProperty:
        """Name the member `keys`, asked for by that frame at that instruction."""
        raise NotImplementedError

    getdoc = AskedByIPython()
    keys = AskedByMappings()

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{article(self)} cannot be iterated: {ITEMS}")

    def __len__(self) -> NoReturn:
        raise TypeError(f"{article(self)} has no len(): {ITEMS}")

    def __bool__(self) -> bool:
        return True

    def __contains__(self, item: object) -> NoReturn:
        raise TypeError(f"{article(self)} cannot be searched: {ITEMS}")

    def __dir__(self) -> list[str]:
        return sorted({*self.__local__(), *names_of(seen(self))})

    def __local__(self) -> list[str]:
        """The names that are not remote."""
        return ["dispose", "dup", "on_broken"]

    def __instead__(self) -> str:
        return "dup() makes another handle"

    def __help__(self) -> str | None:
        """The docstring of what it leads to, if that runs here."""
        found = seen(self)
        return None if found is None or type(found) is dict else doc_of(found)


class Awaited(Remote):
    """What has a value only when it is awaited: a promise, or a property that was named."""

    __slots__ = ()

    def __bool__(self) -> bool:
        _tell_of_a_missing_await(self, "is true whatever it resolves to")
        return True

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Remote):
            _tell_of_a_missing_await(self, f"equals no {type(other).__name__}")
        return NotImplemented

    __hash__ = object.__hash__

    def __aiter__(self) -> NoReturn:
        raise TypeError(
            f"{article(self)} is not what it resolves to: await it first, as in"
            " `async for chunk in await …`"
        )


def article(value: object) -> str:
    """Name the class of a value, with its article."""
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOUR" else f"a {name}"


def no_mapping(value: object) -> TypeError:
    """Build the error of whoever makes a dict of something remote."""
    return TypeError(
        f"{article(value)} is no mapping: await the call that gives a dict, and use that"
        ' (a remote method keys() is called as stub["keys"]())'
    )


def set_here(value: object, name: str) -> None:
    """Tell of an attribute that was set on something remote, which only this side sees (C24)."""
    site = calling_site(2)
    log.warning(
        "%s was set on %s at this side only: nothing was sent, and the object there is the same;"
        " call a method that changes it%s",
        name,
        article(value),
        f" ({site})" if site else "",
    )
