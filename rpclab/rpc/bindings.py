"""Bindings: what a Worker holds of the entrypoints it may call.

Floor: rpc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.errors import RpcError
from rpclab.rpc.stubs import Held, bundle, describe, hold, no_dup

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rpclab.core.contexts import PayloadLike
    from rpclab.core.imports import Handle
    from rpclab.core.references import Reference


class ServiceBinding(Held):
    """A binding to an entrypoint of a Worker: each call reaches a new instance of it (rule E2).

    It is not disposed, and awaiting it gives itself (rules C21, O18).
    """

    __slots__ = ()

    def __init__(self, handle: Handle) -> None:
        hold(self, handle)

    def fetch(self, resource: Any, /, **options: Any) -> Awaitable[Any]:
        """Make an HTTP call: the Worker's `fetch` method answers it (rule C19).

        The request is sent now. A redirect is followed through this binding (rule R7).

        Args:
            resource: a whole URL, whatever its host; a path that begins with "/"; or a Request.
            options: those of a Request: method, headers, body, redirect, cf.

        Returns:
            An awaitable that gives the Response.

        Raises:
            TypeError: the arguments make no request.
        """
        host: Any = self.__handle__.context.host
        return host.http_call(self, resource, options)  # type: ignore[no-any-return]

    def connect(self, *_: object, **__: object) -> NoReturn:
        """Refuse: there are no sockets between Workers here (rule C20).

        Raises:
            RpcError: always.
        """
        error = RpcError("connect() on a binding is not supported: no sockets join the Workers")
        error.add_note("use fetch(), or a method that takes and returns streams")
        raise error

    def dup(self) -> NoReturn:
        """Refuse: a binding has no handles (rule C16).

        Raises:
            TypeError: always.
        """
        raise no_dup("a binding needs none: it is not disposed")

    def __rpc_refer__(self, payload: PayloadLike) -> Reference:
        return payload.refer_handle(self, self.__handle__, binding=True)

    def __local__(self) -> list[str]:
        return ["fetch"]

    def __repr__(self) -> str:
        return f"<ServiceBinding {describe(self.__handle__)}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return bundle(self)
