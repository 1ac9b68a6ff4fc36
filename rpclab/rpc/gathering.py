"""`gather` and `dispose`: many promises at once, and all the stubs of a value.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpclab.core.containers import contents
from rpclab.core.imports import PENDING, REJECTED
from rpclab.errors import fresh_copy
from rpclab.rpc.stubs import RpcPromise, RpcStub
from rpclab.rpc.waiter import Countdown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from rpclab.core.contexts import SessionLike
    from rpclab.core.imports import Pending


async def gather(*awaitables: Awaitable[Any], return_exceptions: bool = False) -> list[Any]:
    """Await many promises at once, without a task for each.

    Args:
        awaitables: promises; other awaitables may stand among them.
        return_exceptions: put errors in the list, and do not raise the first.

    Returns:
        The values, in the order given.

    Raises:
        Exception: the error of the first that failed; the other calls go on.
    """
    if [*map(type, awaitables)].count(RpcPromise) != len(awaitables):
        return list(await asyncio.gather(*awaitables, return_exceptions=return_exceptions))
    pendings: list[Pending] = [promise.__pending__ for promise in awaitables]  # type: ignore[attr-defined]
    waiting = tuple([pending for pending in pendings if pending.state == PENDING])
    sessions = {pending.session: None for pending in pendings}
    failed = not return_exceptions and REJECTED in [pending.state for pending in pendings]
    if waiting and not failed:
        loop = asyncio.get_running_loop()
        # Nearly always one is as good as all.
        some = waiting[:1] if len(sessions) == 1 else waiting
        hosts: Any = {pending.session.host: None for pending in some}
        for host in hosts:
            host.attend(loop)
        await Countdown(next(iter(hosts)), waiting, loop, hasty=not return_exceptions)
    if pendings and pendings[0].session.host.observe is not None:
        _note(pendings, sessions)
    outcomes = []
    for pending in pendings:
        outcome = pending.value
        if pending.state == REJECTED:
            pending.look()
            outcome = fresh_copy(outcome)
            if not return_exceptions:
                # The others go on, and as with asyncio's gather, no failure of theirs is told of.
                for other in pendings:
                    other.look()
                raise outcome
        outcomes.append(outcome)
    return outcomes


def _note(pendings: list[Pending], sessions: Collection[SessionLike]) -> None:
    """Tell those who watch that all these were awaited, which are of those sessions."""
    for session in sessions:
        host: Any = session.host
        own = pendings
        if len(sessions) > 1:
            own = [pending for pending in pendings if pending.session is session]
        if host.kept is not None:
            ids = tuple([pending.id for pending in own])
            host.kept.append((host.clock(), "awaited", session.label, ids, *host.went_on()))


def dispose(value: Any) -> None:
    """Dispose every stub in a value, at any depth (rule O6). Plain data is left as it is.

    Args:
        value: a stub, a promise, or a result that holds stubs.
    """
    for part in [*contents(value)]:
        if issubclass(type(part), (RpcStub, RpcPromise)):
            part.dispose()
