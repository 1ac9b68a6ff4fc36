"""A Worker that is checked with its own types; its env is known without an annotation."""

from workers import WorkerEntrypoint, env


class Default(WorkerEntrypoint):
    async def greet(self, amount: int) -> str:
        with self.env.COUNTER.new_counter() as counter:
            await counter.increment(amount)
            return f"{env.GREETING} {await counter.value}"

    async def wrong(self) -> None:
        self.env.COUNTR.new_counter()  # error: attr-defined, reportAttributeAccessIssue
        env.COUNTER.new_counter().incremnt()  # error: attr-defined, reportAttributeAccessIssue
