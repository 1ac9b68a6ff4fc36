"""Lays the graph of a recording out for pages: all that there has been, so that nothing moves.

Floor: notebook. `trace/pictures/graph_layout.py` says where things stand, for stills and pages.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from rpclab.trace.feed import News
from rpclab.trace.pictures.graph_layout import Line, layout

WIDTHS = (460, 820)
"""In pixels: a page shows the widest that it has room for."""

_SHARE = 20  # it may take one part of so many of the time
_TOP = 50  # pixels above the topmost Worker, for lines and labels


class Layouts:
    """The layouts of one recording."""

    def __init__(self) -> None:
        self._is_new = False
        self._next = 0.0
        self._workers: list[str] = []
        self._now: Counter[tuple[str, str, str, str]] = Counter()
        self._most: dict[tuple[str, str, str], dict[str, int]] = {}

    def take(self, news: News) -> None:
        """Take note of Workers and lines that are new."""
        if news.get("workers"):
            self._workers, self._is_new = list(news["workers"]), True
        for _, kind, holder, worker, name, _, change in news.get("edges", ()):
            key = kind, holder, worker
            self._now[*key, name] += change
            number, most = self._now[*key, name], self._most.setdefault(key, {})
            # A label needs as much room as its longest number.
            if len(str(number)) > len(str(most.get(name, ""))):
                self._is_new = True
            most[name] = max(number, most.get(name, 0))

    @property
    def are_due(self) -> bool:
        """Whether there are new parts, and the last layout is as long ago as it may cost."""
        return self._is_new and time.monotonic() >= self._next

    def rows(self) -> list[dict[str, Any]]:
        """The layouts, the narrowest first, as plain data."""
        self._is_new, begun = False, time.monotonic()
        lines = [Line(*key, tuple(sorted(most.items()))) for key, most in self._most.items()]
        rows = [self._row(lines, width) for width in WIDTHS]
        self._next = time.monotonic() + _SHARE * (time.monotonic() - begun)
        return rows

    def _row(self, lines: list[Line], width: int) -> dict[str, Any]:
        placed = layout(self._workers, lines, width, _TOP)
        return {
            "width": width,
            "height": placed.bottom + 14,
            "boxes": {name: list(box) for name, box in placed.boxes.items()},
            "lines": [
                {
                    "kind": each.line.kind,
                    "holder": each.line.holder,
                    "worker": each.line.worker,
                    "line": each.drawn.line,
                    "head": each.drawn.head,
                    "label": list(each.label),
                }
                for each in placed.lines
            ],
        }
