"""The list: for everybody. All that it can do is what an editor may do."""

from __future__ import annotations

from typing import Any

from pages import Pages, see_other
from workers import Response


class ListPage:
    """The page with the list.

    Args:
        tasks: a binding to `Editor`.
        pages: makes pages.
    """

    def __init__(self, tasks: Any, pages: Pages) -> None:
        self._tasks = tasks
        self._pages = pages

    async def show(self) -> Response:
        """Show the list."""
        return self._pages.show("list.html", tasks=await self._tasks.tasks())

    async def add(self, title: str) -> Response:
        """Add a task."""
        await self._tasks.add(title)
        return see_other("/")

    async def change(self, task: int, action: str) -> Response:
        """Tick a task, open it again, or delete it."""
        match action:
            case "tick":
                await self._tasks.tick(task)
            case "open":
                await self._tasks.tick(task, done=False)
            case "delete":
                await self._tasks.delete(task)
            case _:
                return self._pages.problem(404, "There is no such page.")
        return see_other("/")
