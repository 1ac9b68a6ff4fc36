"""What a server needs of a sandbox.

Floor: server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from weakref import WeakSet

    from rpclab.rpc.bindings import ServiceBinding
    from rpclab.rpc.engine import Engine
    from rpclab.workers.declarations import BindingTarget
    from rpclab.workers.worker import Worker


class Served(Protocol):
    """The Workers that a server leads to: a `Sandbox`.

    Attributes:
        engine: runs them.
        servers: those that lead to them.
    """

    @property
    def engine(self) -> Engine:
        """What runs them."""

    @property
    def servers(self) -> WeakSet[Any]:
        """The servers that lead to them."""

    @property
    def workers(self) -> Mapping[str, Worker]:
        """Those that are deployed, by name."""

    def worker(self, name: str) -> Worker:
        """Give the present version of one.

        Raises:
            UnknownBindingError: there is none of that name.
        """

    def _bind(self, holder: str, target: BindingTarget) -> ServiceBinding:
        """Make a binding."""
