"""Embargo: a result that turned out to be the caller's own object keeps the order of calls.

Floor: core. Calls that were pipelined on the promise travel over the other side. Until the last of
them is answered, later ones take the same way, so that all arrive in the order made (rule L5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.containers import DICT_TYPES
from rpclab.core.imports import Import

if TYPE_CHECKING:
    from rpclab.core.handles import Handle
    from rpclab.core.messages import Path
    from rpclab.core.protocols import ContextLike, Given, ImportLike, Keywords, PendingLike


class Embargo(Import):
    """Stands in for an import of one's own target as long as the promise has calls on the way.

    Args:
        near: the import that it becomes.
        far: the promise that resolved to it.
        path: where in the promise's value it stands.
    """

    __slots__ = ("_far", "_near", "_path")

    def __init__(self, near: ImportLike, far: PendingLike, path: list[str]) -> None:
        super().__init__(near.session, near.id)
        self._near = near
        self._far = far
        self._path = path

    @classmethod
    def place(cls, handle: Handle, far: PendingLike, value: Any) -> bool:
        """Make `handle` go the long way, if any call can have gone it. Says whether."""
        near = handle.entry
        path = find(value, handle)
        if near is None or path is None:
            return False
        handle.entry = cls(near, far, path)
        handle.entry.handles = 1
        return True

    @property
    def direct(self) -> ImportLike:
        return self._near.direct

    @property
    def present(self) -> ImportLike:
        return self if self._far.unanswered else self._near.present

    @property
    def behind(self) -> ImportLike | None:
        return self._near

    def call(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ContextLike,
    ) -> PendingLike:
        far = self._far
        if far.unanswered == 0:
            return self._near.call(path, args, kwargs, context)
        names = [path] if type(path) is str else path
        return far.pipeline([*self._path, *names], args, kwargs, context)

    def drop(self) -> None:
        self.handles -= 1
        if self.handles == 0:
            self._near.drop()
        else:
            self.eased()


def find(root: Any, handle: Handle) -> list[str] | None:
    """Find the path through dicts at which the stub of `handle` stands in a value."""
    found: list[tuple[Any, list[str]]] = [(root, [])]
    seen: set[int] = set()
    for value, path in found:  # it grows under way
        owner = getattr(type(value), "__rpc_handle__", None)
        if owner is not None and owner(value) is handle:
            return path
        if type(value) in DICT_TYPES and id(value) not in seen:
            seen.add(id(value))
            found += [(item, [*path, name]) for name, item in value.items() if type(name) is str]
    return None
