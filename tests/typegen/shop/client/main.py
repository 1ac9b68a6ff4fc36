"""A Worker that is checked with its own types; its env is known without an annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers import WorkerEntrypoint, env

if TYPE_CHECKING:
    from rpclab.typed import Stub


class Default(WorkerEntrypoint):
    async def greet(self, amount: int) -> str:
        with self.env.COUNTER.new_counter() as counter:
            await counter.increment(amount)
            return f"{env.GREETING} {await counter.value}"

    async def wrong(self) -> None:
        self.env.COUNTR.new_counter()  # error: attr-defined, reportAttributeAccessIssue
        env.COUNTER.new_counter().incremnt()  # error: attr-defined, reportAttributeAccessIssue

    async def follow(self, listener: Stub[[int], str]) -> str:
        with listener.dup() as kept:
            kept("one")  # error: arg-type, reportArgumentType
            text: str = await kept(1)
            await kept()  # error: call-arg, reportCallIssue
        return text + await listener(2)
