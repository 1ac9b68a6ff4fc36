"""What stands in the greenhouse: a thermometer and a lamp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import rpclab


class Lamp(rpclab.RpcTarget):
    """A lamp, for whoever holds it; it goes out when they let go, or are cut off."""

    def __init__(self) -> None:
        self._on = False

    def switch(self, on: bool) -> str:  # noqa: FBT001 - JavaScript sends no keyword
        """Switch it on or off."""
        self._on = on
        return "on" if on else "off"

    def dispose(self) -> None:
        """Whoever held it has let go."""
        if self._on:
            print("the lamp goes out", flush=True)


class Greenhouse(rpclab.RpcTarget):
    """All that callers can do here, and nothing else."""

    def temperature(self) -> float:
        """In degrees Celsius."""
        return 21.5

    async def watch(self, tell: Callable[[float], Awaitable[object]], count: int) -> str:
        """Call a function of the caller's with each of some measurements."""
        for number in range(count):
            await tell(self.temperature() + number)
            await asyncio.sleep(0.01)
        return f"{count} measurements"

    def history(self) -> rpclab.ReadableStream:
        """The temperatures of a day, a line for each hour."""
        return rpclab.ReadableStream(
            f"{hour:02}:00 {15 + hour % 12}\n".encode() for hour in range(24)
        )

    def lamp(self) -> Lamp:
        """Get hold of the lamp."""
        return Lamp()
