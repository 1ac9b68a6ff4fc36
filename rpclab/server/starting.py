"""What is going to listen: to be awaited, or for `async with`.

Floor: server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, Protocol, TypeVar


class Stoppable(Protocol):
    """What listens, and can be stopped."""

    async def stop(self) -> None:
        """Stop."""


S = TypeVar("S", bound=Stoppable)


class Starting(Generic[S]):
    """A server that is going to listen: `await` it, or begin a block with `async with`.

    Args:
        start: starts it.
    """

    def __init__(self, start: Callable[[], Awaitable[S]]) -> None:
        self._start = start
        self._server: S | None = None

    def __await__(self) -> Generator[Any, None, S]:
        return self._start().__await__()

    async def __aenter__(self) -> S:
        self._server = await self
        return self._server

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            await self._server.stop()
