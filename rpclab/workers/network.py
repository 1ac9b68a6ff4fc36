"""What the Workers of a sandbox may reach over the network, and how much of it.

Floor: workers. Light: the code that asks the network is loaded by the first `fetch` over it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rpclab.core.contexts import current
from rpclab.workers.declarations import NOTEBOOK

PUBLIC, LOCAL, NONE = "public", "local", "none"
REACHES = (PUBLIC, LOCAL, NONE)


class Network(NamedTuple):
    """Bounds of `fetch` over the network.

    Attributes:
        reach: "public": addresses of the internet alone, as on the platform; "local": those of this
            machine and the networks around it, too; "none": nothing at all.
        seconds: how long one request may take, redirects apart; of real time.
        body_bytes: how large a body may be: of a request, and of a response when it is decoded.
    """

    reach: str = PUBLIC
    seconds: float = 60.0
    body_bytes: int = 128 * 2**20


OUTSIDE = Network(LOCAL)
"""What bounds a program outside the Workers, which is its user's own."""


def network_here() -> Network:
    """Give the bounds of the code that runs now: those of its Worker's sandbox."""
    context = current.get()
    if context is None or context.worker == NOTEBOOK:
        return OUTSIDE
    host: Any = context.host
    found: Network = host.http_call.network
    return found


def checked(network: Any) -> Network:
    """Make bounds of what a user gives: a word, or bounds.

    Raises:
        ValueError: there is no such word.
    """
    made = network if isinstance(network, Network) else Network(network)
    if made.reach not in REACHES:
        raise ValueError(f"network is {', '.join(map(repr, REACHES))}, not {made.reach!r}")
    return made
