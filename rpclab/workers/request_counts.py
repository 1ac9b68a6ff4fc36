"""How often an invocation of a Worker has asked D1 and KV, which the platform bounds.

Floor: workers. An invocation is one call of an entrypoint, with all that runs in its context; or
one call of a Durable Object.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from rpclab.core.contexts import current
from rpclab.workers.context import Context

if TYPE_CHECKING:
    from contextvars import Context as Variables

    from rpclab.workers.kv.limits import KVLimits
    from rpclab.workers.storage.limits import D1Limits


class Invocation:
    """One call of a Durable Object, whose context serves many."""

    __slots__ = ("_requests",)

    def __init__(self) -> None:
        self._requests = 0


_of_an_object: ContextVar[Invocation | None] = ContextVar("rpclab_invocation", default=None)


def begin(variables: Variables) -> None:
    """A call of a Durable Object begins, which has these variables."""
    variables.run(_of_an_object.set, Invocation())


TOO_MANY = "Too many API requests by single Worker invocation."
"""The platform's words."""


def count_request(limits: D1Limits | KVLimits) -> str:
    """Count a request to D1 or KV.

    Args:
        limits: with `invocation_requests`, how many the running invocation may make.

    Returns:
        What to do where it has made more; "" where it has not, or none runs, as in a script.
    """
    invocation: Invocation | Context | None = _of_an_object.get()
    if invocation is None:
        context = current.get()
        platform = None if context is None else context.platform
        if not isinstance(platform, Context):
            return ""
        invocation = platform
    invocation._requests += 1
    most = limits.invocation_requests
    if invocation._requests <= most:
        return ""
    return (
        f"the platform's limit is {most} (docs/limits.md), and 50 on its free plan: several"
        " statements in one batch(), several keys in one get() are one request; for a sandbox"
        f" alone {type(limits).__name__}(invocation_requests=…) sets another"
    )
