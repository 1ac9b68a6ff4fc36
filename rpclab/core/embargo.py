"""Embargo: a result that turned out to be the caller's own object keeps the order of calls.

Floor: core. Calls that were pipelined on the promise travel over the other side. Until the last of
them is answered, later ones take the same way, so that all arrive in the order made (rule L5). One
that was given up is never answered; so another one is sent after it (`Pending.probe`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rpclab.core.containers import DICT_TYPES
from rpclab.core.imports import Import
from rpclab.core.messages import SCALARS
from rpclab.core.targets import attribute_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.imports import Handle, Pending
    from rpclab.core.messages import Given, Keywords, Path

Place = tuple[()] | tuple[Any, str]
"""A place in a value: nothing for the value itself, else the place of a dict, and a key in that.

Those in one dict share its place, so that deep ones take no more memory than others.
"""


class Embargo(Import):
    """Stands in for an import of one's own target as long as the promise has calls on the way.

    Args:
        near: the import that it becomes.
        far: the promise that resolved to it.
        place: where in the promise's value it stands.
    """

    __slots__ = ("_far", "_near", "_place")

    def __init__(self, near: Import, far: Pending, place: Place) -> None:
        super().__init__(near.session, near.id)
        self._near = near
        self._far = far
        self._place = place

    @property
    def direct(self) -> Import:
        return self._near.direct

    @property
    def present(self) -> Import:
        return self if self._far.unanswered else self._near.present

    @property
    def behind(self) -> Import | None:
        return self._near

    def call(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        far = self._far
        if far.unanswered == 0:
            return self._near.call(path, args, kwargs, context)
        names = deque([path] if type(path) is str else path)
        place = self._place
        while place:
            place, name = place
            names.appendleft(name)
        return far.pipeline(list(names), args, kwargs, context)

    def drop(self) -> None:
        self.handles -= 1
        if self.handles == 0:
            self._near.drop()
        else:
            self.eased()


def place_all(handles: Iterable[Handle], far: Pending, value: object) -> bool:
    """Make handles in a value go the long way, where any call can have gone it.

    Args:
        handles: they stand in the value; those to which a path leads through dicts get a stand-in.
        far: the promise that has resolved to the value.
        value: it.

    Returns:
        Whether there is any such handle.
    """
    places = _places(value)
    found = False
    for handle in handles:
        if handle.entry is not None and id(handle) in places:
            handle.entry = Embargo(handle.entry, far, places[id(handle)])
            handle.entry.handles = 1
            found = True
    return found


def _places(root: object) -> dict[int, Place]:
    """Where in a value each handle stands first, by its `id`, as far as paths lead through dicts.

    The dicts are gone through once, whatever they hold; so it takes no longer than to unpack them.
    """
    places: dict[int, Place] = {}
    found: list[tuple[Any, Place]] = [(root, ())]
    seen: set[int] = set()
    for value, place in found:  # it grows under way
        owner = attribute_of(type(value), "__rpc_handle__")
        if owner is not None:
            places.setdefault(id(owner(value)), place)
        elif type(value) in DICT_TYPES and id(value) not in seen:
            seen.add(id(value))
            found += [
                (item, (place, name))
                for name, item in value.items()
                if type(item) not in SCALARS and type(name) is str
            ]
    return places
