"""The part of a sandbox that bounds what its Workers fetch over the network.

Floor: workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.workers.http_calls import HttpCalls
from rpclab.workers.network import Network, checked

if TYPE_CHECKING:
    from rpclab.rpc.engine import Engine


class Networked:
    """The part of a sandbox that bounds what its Workers fetch over the network."""

    engine: Engine

    @property
    def network(self) -> str | Network:
        """What its Workers may reach: "public", "local", "none", or a `Network` with bounds."""
        calls: Any = self.engine.http_call
        given: Network = calls.network
        return given.reach if given == Network(given.reach) else given

    @network.setter
    def network(self, network: str | Network) -> None:
        self.engine.http_call = HttpCalls(checked(network))
