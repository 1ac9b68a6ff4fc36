"""The admin page: for who is signed in. It sees all and can empty the bin, but edits no list."""

from __future__ import annotations

from typing import Any

from pages import Pages, see_other
from workers import Response, gather


class AdminPage:
    """The page with the figures, the bin and the history.

    Args:
        tasks: a binding to `Admin`.
        history: a binding to `Historian`.
        pages: makes pages.
    """

    def __init__(self, tasks: Any, history: Any, pages: Pages) -> None:
        self._tasks = tasks
        self._history = history
        self._pages = pages

    async def show(self) -> Response:
        """Show all there is; what it asks for is asked for at once."""
        figures, deleted, entries = await gather(
            self._tasks.figures(), self._tasks.bin(), self._history.latest()
        )
        return self._pages.show("admin.html", figures=figures, deleted=deleted, entries=entries)

    async def restore(self, task: int) -> Response:
        """Put a task back on the list."""
        await self._tasks.restore(task)
        return see_other("/admin")

    async def empty_bin(self) -> Response:
        """Delete for good what is in the bin."""
        await self._tasks.empty_bin()
        return see_other("/admin")
