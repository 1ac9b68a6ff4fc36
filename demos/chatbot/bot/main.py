"""The bot: each command is a method.

A method gives the text of its answer; or None, and calls `follow_up(text)` when it is done.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from workers import RpcStub, WorkerEntrypoint

FollowUp = Callable[[str], Awaitable[None]]
MOST_DICE = 20


class Commands(WorkerEntrypoint):
    """The commands. Which of them users may call says the webhook."""

    async def help(self, options: dict[str, Any], follow_up: FollowUp) -> str:
        """Say what there is."""
        return "/roll 2d6 throws dice, /think QUESTION takes a while"

    async def roll(self, options: dict[str, Any], follow_up: FollowUp) -> str:
        """Throw dice, such as 2d6.

        Raises:
            ValueError: these are no dice.
        """
        found = re.fullmatch(r"([0-9]{1,2})d([0-9]{1,3})", options.get("text", "").strip() or "1d6")
        count, sides = map(int, found.groups()) if found else (0, 0)
        if not (1 <= count <= MOST_DICE and sides > 1):
            raise ValueError(f"dice look like 2d6, and are {MOST_DICE} at most")
        thrown = [1 + secrets.randbelow(sides) for _ in range(count)]
        return f"{' + '.join(map(str, thrown))} = {sum(thrown)}" if count > 1 else str(thrown[0])

    async def think(self, options: dict[str, Any], follow_up: RpcStub) -> None:
        """Think about a question, and answer later.

        Raises:
            ValueError: there is no question.
        """
        question = options.get("text", "").strip()
        if not question:
            raise ValueError("think of what?")
        # An argument is taken back when the method returns, so the work has a stub of its own.
        self.ctx.wait_until(self._think(question, follow_up.dup()))

    async def _think(self, question: str, follow_up: RpcStub) -> None:
        with follow_up:
            await asyncio.sleep(3)
            await follow_up(f"I have thought about “{question}”. It depends.")

    async def reset_everything(self) -> None:
        """What no user may call: it is not on the webhook's list."""
        raise AssertionError("somebody called what is not on the list")
