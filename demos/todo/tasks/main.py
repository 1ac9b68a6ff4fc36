"""The tasks: one entrypoint for each role.

What somebody may do is settled by the binding they hold. A Worker that was given `Reader` can read;
no argument and no mistake in its code makes an editor of it.
"""

from __future__ import annotations

from typing import Any, TypedDict

from workers import WorkerEntrypoint

LONGEST = 200  # characters of a title


class Task(TypedDict):
    """A task, as other Workers see it."""

    id: int
    title: str
    done: bool


class Figures(TypedDict):
    """How many tasks there are."""

    open: int
    done: int
    deleted: int


class Reader(WorkerEntrypoint):
    """May look at the list."""

    async def tasks(self) -> list[Task]:
        """The tasks that are not deleted, the oldest first."""
        return await self._tasks("deleted_at IS NULL ORDER BY id")

    async def _tasks(self, condition: str) -> list[Task]:
        sql = f"SELECT * FROM tasks WHERE {condition}"  # noqa: S608 - it is one of ours
        found = await self.env.DB.prepare(sql).all()
        return [_task(row) for row in found.results]

    async def _change(self, sql: str, *values: Any) -> Task:
        """Run a statement that changes one task and gives it back."""
        row = await self.env.DB.prepare(f"{sql} RETURNING *").bind(*values).first()
        if row is None:
            raise LookupError("this task is not there any more")
        return _task(row)

    async def _record(self, what: str, title: str) -> None:
        # Who it was says the binding, not the caller: props come from the configuration.
        await self.env.AUDIT.record(self.ctx.props.get("who", "somebody"), what, title)


class Editor(Reader):
    """May look at the list, add to it, and tick and delete what is there."""

    async def add(self, title: str) -> Task:
        """Add a task.

        Raises:
            ValueError: the title is empty, or too long.
        """
        title = " ".join(title.split())
        if not title:
            raise ValueError("a task needs a title")
        if len(title) > LONGEST:
            raise ValueError(f"a title has {LONGEST} characters at most, and this has {len(title)}")
        task = await self._change("INSERT INTO tasks (title) VALUES (?)", title)
        await self._record("added", title)
        return task

    async def tick(self, task: int, *, done: bool = True) -> Task:
        """Say that a task is done, or is not.

        Raises:
            LookupError: there is no such task on the list.
        """
        sql = "UPDATE tasks SET done = ? WHERE id = ? AND deleted_at IS NULL"
        changed = await self._change(sql, done, task)
        await self._record("ticked" if done else "opened again", changed["title"])
        return changed

    async def delete(self, task: int) -> Task:
        """Put a task into the bin.

        Raises:
            LookupError: there is no such task on the list.
        """
        sql = "UPDATE tasks SET deleted_at = CURRENT_TIMESTAMP WHERE id = ? AND deleted_at IS NULL"
        deleted = await self._change(sql, task)
        await self._record("deleted", deleted["title"])
        return deleted


class Admin(Reader):
    """May look at everything, and at the bin; and does not edit the list."""

    async def figures(self) -> Figures:
        """How many tasks there are of each kind."""
        sql = """
            SELECT COALESCE(SUM(deleted_at IS NULL AND NOT done), 0) AS open,
                   COALESCE(SUM(deleted_at IS NULL AND done), 0) AS done,
                   COALESCE(SUM(deleted_at IS NOT NULL), 0) AS deleted
            FROM tasks"""
        row = await self.env.DB.prepare(sql).first()
        return {"open": row["open"], "done": row["done"], "deleted": row["deleted"]}

    async def bin(self) -> list[Task]:
        """The deleted tasks, the last one first."""
        return await self._tasks("deleted_at IS NOT NULL ORDER BY deleted_at DESC, id DESC")

    async def restore(self, task: int) -> Task:
        """Take a task out of the bin.

        Raises:
            LookupError: it is not in the bin.
        """
        sql = "UPDATE tasks SET deleted_at = NULL WHERE id = ? AND deleted_at IS NOT NULL"
        restored = await self._change(sql, task)
        await self._record("restored", restored["title"])
        return restored

    async def empty_bin(self) -> int:
        """Delete for good what is in the bin; give how many tasks that were."""
        sql = "DELETE FROM tasks WHERE deleted_at IS NOT NULL RETURNING title"
        gone = (await self.env.DB.prepare(sql).all()).results
        for row in gone:
            await self._record("deleted for good", str(row["title"]))
        return len(gone)


def _task(row: dict[str, Any]) -> Task:
    return {"id": row["id"], "title": row["title"], "done": bool(row["done"])}
