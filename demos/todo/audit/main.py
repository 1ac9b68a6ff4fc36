"""Who did what: written by one role, read by another, changed by nobody."""

from __future__ import annotations

from typing import TypedDict, cast

from workers import WorkerEntrypoint


class Entry(TypedDict):
    """Something that was done."""

    at: str  # in UTC
    who: str
    what: str
    title: str


class Recorder(WorkerEntrypoint):
    """May write, and not read."""

    async def record(self, who: str, what: str, title: str) -> None:
        """Write down that something was done."""
        sql = "INSERT INTO entries (who, what, title) VALUES (?, ?, ?)"
        await self.env.DB.prepare(sql).bind(who, what, title).run()


class Historian(WorkerEntrypoint):
    """May read, and not write."""

    async def latest(self, most: int = 20) -> list[Entry]:
        """The latest entries, the last one first."""
        sql = "SELECT at, who, what, title FROM entries ORDER BY id DESC LIMIT ?"
        found = await self.env.DB.prepare(sql).bind(most).all()
        return cast("list[Entry]", found.results)
