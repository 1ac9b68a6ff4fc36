"""The Python of a page of ours, as a reader would run it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CODE = re.compile(r"^```python\n(.*?)^```\n(?:\n*```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A piece of code of a page.

    Attributes:
        line: where it begins, from 1.
        code: its text.
        shows: the text that follows at once: what it is to show; None if none does.
    """

    line: int
    code: str
    shows: str | None

    @property
    def is_cell(self) -> bool:
        """Whether it runs in a notebook; else it is a script."""
        return "asyncio.run(" not in self.code


def blocks(page: Path) -> Iterator[Block]:
    """The Python of a page."""
    text = page.read_text("utf-8")
    for found in CODE.finditer(text):
        yield Block(text.count("\n", 0, found.start()) + 2, found[1], found[2])


def script_of(page: Path) -> tuple[Block, str]:
    """The script of the README, and the text of the Worker that it deploys."""
    found = list(blocks(page))
    [script] = [block for block in found if not block.is_cell]
    worker = next(block.code for block in found if block.code.startswith("%%worker"))
    return script, worker.partition("\n")[2]
