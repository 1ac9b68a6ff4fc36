"""What the function given to `map` cannot do with its argument.

Floor: rpc.
"""

from __future__ import annotations

from typing import NoReturn


class Unknown:
    """A value that is not here: to look at it raises TypeError, with a hint."""

    __slots__ = ()

    def __refuse__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "the function given to map() runs once, here, before there are values: it can call"
            " methods of its argument and return what they give, but not look at it"
            " (no if, no f-string, no arithmetic, no loop); do that in a method of the Worker,"
            " or await the list"
        )

    __bool__ = __str__ = __format__ = __int__ = __float__ = __index__ = __hash__ = __refuse__
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __refuse__
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __refuse__
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __refuse__
    __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = __invert__ = __refuse__
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __refuse__
    __iter__ = __len__ = __contains__ = __await__ = __aenter__ = __refuse__

    def __repr__(self) -> str:
        return "<the value that map() will put here>"
