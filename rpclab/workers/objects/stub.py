"""Stubs of Durable Objects: bindings to one object each.

Floor: workers. Rules D4, D14, D18. They can be sent, and cost nothing until they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpclab.rpc.bindings import ServiceBinding

if TYPE_CHECKING:
    from rpclab.core.imports import Handle
    from rpclab.workers.objects.state import DurableObjectId


class DurableObjectStub(ServiceBinding):
    """A stub of one Durable Object. Like a binding it is not disposed, and awaiting gives itself.

    Attributes:
        id: the id of the object.
        name: its name, if the stub was made from one.
    """

    __slots__ = ("id", "name")

    def __init__(self, handle: Handle, id: DurableObjectId) -> None:
        super().__init__(handle)
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "name", id.name)

    def __local__(self) -> list[str]:
        return ["fetch", "id", "name"]

    def __repr__(self) -> str:
        of = f"{str(self.id)[:8]}…" if self.name is None else repr(self.name)
        return f"<DurableObjectStub {of} of {self.id._namespace}>"
