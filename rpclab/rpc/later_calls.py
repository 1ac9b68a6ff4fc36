"""Promises of calls that are made later: what those were given is copied when one calls.

Floor: rpc. Calls wait for a session that is to come (`net/lasting_imports.py`), or for promises
where there is no pipelining (`simulation/no_pipelining.py`).
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from rpclab.core.containers import contents, replaced
from rpclab.core.imports import Pending
from rpclab.rpc.stubs import RpcProperty, RpcStub

if TYPE_CHECKING:
    from rpclab.core.contexts import ExecutionContext, SessionLike
    from rpclab.core.messages import Path


class LaterCall(Pending):
    """The promise of a call that was not made yet.

    Args:
        session: that it will be made in, as far as that is known.
        context: the execution context that makes it.
        path: of the member, for texts.

    Attributes:
        variables: the context variables to make it in.
    """

    __slots__ = ("_dups", "variables")

    def __init__(
        self, session: SessionLike, context: ExecutionContext, path: Path | None = None
    ) -> None:
        super().__init__(session, 0, context, path)
        self.variables = copy_context()
        self._dups: list[RpcStub] = []

    def kept(self, values: Any) -> Any:
        """Copy what the call was given (rule V21), with stubs of its own."""
        taken: dict[int, Any] = {}
        for part in list(contents(values)):
            given = self.kept_part(part)
            if given is not part:
                taken[id(part)] = given
        return replaced(values, taken)

    def kept_part(self, part: Any) -> Any:
        """What takes the place of a part of that; the part itself where it can stay."""
        if isinstance(part, RpcProperty):
            return part.__read__()
        if type(part) is RpcStub and part.__handle__.entry is not None:
            self._dups.append(part.dup())
            return self._dups[-1]
        return bytes(part) if type(part) is bytearray else part

    def let_go(self) -> None:
        """Give the stubs back: the call was made, or never will be."""
        for stub in self._dups:
            stub.dispose()
