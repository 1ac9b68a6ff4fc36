"""`gather`, `dispose` and `run`: small doors to promises for many, for values, for sync code.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpclab.core.imports import PENDING, REJECTED
from rpclab.errors import fresh_copy
from rpclab.rpc.stubs import RpcPromise, RpcStub
from rpclab.rpc.waiter import Countdown

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rpclab.rpc.engine import Engine


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
    promises = [item for item in awaitables if type(item) is RpcPromise]
    others = [
        asyncio.ensure_future(_await(item)) for item in awaitables if type(item) is not RpcPromise
    ]
    waiting = tuple(item.__pending__ for item in promises if item.__pending__.state == PENDING)
    failed = not return_exceptions and any(p.__pending__.state == REJECTED for p in promises)
    if waiting and not failed:
        engine: Engine = waiting[0].session.host  # type: ignore[assignment]
        kind = _All if return_exceptions else Countdown
        await kind(engine, waiting, asyncio.get_running_loop())
    rest = iter(await asyncio.gather(*others, return_exceptions=return_exceptions))
    ledger = promises[0].__pending__.session.host.ledger if promises else None  # type: ignore[attr-defined]
    values: list[Any] = []
    errors: list[BaseException] = []
    for item in awaitables:
        if type(item) is not RpcPromise:
            values.append(next(rest))
            continue
        pending = item.__pending__
        if ledger is not None and pending.state != PENDING:
            ledger.awaited(pending)
        if pending.state == REJECTED:
            errors.append(pending.value)
            values.append(fresh_copy(pending.value))
        else:
            values.append(pending.value)
    if errors and not return_exceptions:
        raise fresh_copy(errors[0])
    return values


class _All(Countdown):
    """Waits for all of them, whatever becomes of each."""

    __slots__ = ()

    def hurry(self) -> None:
        pass


async def _await(item: Awaitable[Any]) -> Any:
    return await item


def dispose(value: Any) -> None:
    """Dispose every stub in a value, at any depth (rule O6). Plain data is left as it is.

    Args:
        value: a stub, a promise, or a result that holds stubs.
    """
    seen: set[int] = set()

    def visit(part: Any) -> None:
        kind = type(part)
        if issubclass(kind, (RpcStub, RpcPromise)):
            part.dispose()
        elif kind in (dict, list, tuple, set, frozenset) and id(part) not in seen:
            seen.add(id(part))
            for item in part.items() if kind is dict else part:
                visit(item)

    visit(value)
