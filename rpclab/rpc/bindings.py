"""Bindings: what a Worker holds of the entrypoints it may call.

Floor: rpc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from rpclab.rpc.stubs import Held, bundle, describe, no_dup

if TYPE_CHECKING:
    from rpclab.core.handles import Handle
    from rpclab.core.references import Outgoing, Reference


class ServiceBinding(Held):
    """A binding to an entrypoint of a Worker: each call reaches a new instance of it (rule E2).

    It is not disposed, and awaiting it gives itself (rules C21, O18).
    """

    __slots__ = ()

    def __init__(self, handle: Handle) -> None:
        self.__handle__ = handle

    def dup(self) -> NoReturn:
        """Refuse: a binding has no handles (rule C16).

        Raises:
            TypeError: always.
        """
        raise no_dup("a binding needs none: it is not disposed")

    def __rpc_refer__(self, outgoing: Outgoing) -> Reference:
        return outgoing.refer_handle(self, self.__handle__, binding=True)

    def __dir__(self) -> list[str]:
        return []

    def __repr__(self) -> str:
        return f"<ServiceBinding {describe(self.__handle__)}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return bundle(self)
