"""A child: what an asyncio loop can do at most, as the yardstick for calls one after another."""

from __future__ import annotations

import asyncio

from benchmarks.child import Figures, answer, rates

ROUNDS = 1000


async def future_rounds() -> None:
    """Make a Future, have the loop resolve it, await it: the least a loop pass can cost."""
    loop = asyncio.get_running_loop()
    for _ in range(ROUNDS):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future


async def queue_ping_pong() -> None:
    """Send an item to another task and back: the transport one would write first."""
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def echo() -> None:
        for _ in range(ROUNDS):
            back.put_nowait(await there.get())

    echoing = asyncio.create_task(echo())
    for number in range(ROUNDS):
        there.put_nowait(number)
        await back.get()
    await echoing


async def sequential(seconds: float) -> Figures:
    steps = {"bare Future round": future_rounds, "Queue ping-pong": queue_ping_pong}
    return await rates(steps, operations=ROUNDS, seconds=seconds)


if __name__ == "__main__":
    answer({"sequential": sequential})
