"""A configuration as the text of a wrangler.jsonc, with the comments that it had.

Floor: export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rpclab.config.document import Document

_WIDTH = 100
Comments = Callable[[tuple[str | int, ...]], list[str]]


def jsonc(data: Mapping[str, Any], document: Document | None = None) -> str:
    """Write a configuration.

    Args:
        data: what it says.
        document: a TOML that said it, whose comments above keys come along.

    Raises:
        TypeError: it holds what JSON has not, such as a date.
    """
    comments = _comments_of(document) if document is not None and document.toml else _none
    first = "".join(f"// {line}".rstrip() + "\n" for line in comments(()))
    return f"{first}{_value(dict(data), (), 0, comments)}\n"


def _value(value: Any, path: tuple[str | int, ...], depth: int, comments: Comments) -> str:
    short = json.dumps(value, ensure_ascii=False)
    room = _WIDTH - 2 * depth - len(str(path[-1] if path else "")) - 6
    nested = isinstance(value, dict | list) and bool(value)
    has_comments = nested and any(comments(inner) for inner in _paths(value, path))
    if not nested or (depth > 0 and len(short) <= room and not has_comments and _is_flat(value)):
        return short if not nested or isinstance(value, list) else f"{{ {short[1:-1]} }}"
    inner, outer = "  " * (depth + 1), "  " * depth
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    lines = []
    for step, item in steps:
        below = (*path, step)
        lines += [f"{inner}// {line}".rstrip() for line in comments(below)]
        key = f"{json.dumps(step, ensure_ascii=False)}: " if isinstance(value, dict) else ""
        lines.append(f"{inner}{key}{_value(item, below, depth + 1, comments)},")
    last = max(number for number, line in enumerate(lines) if not line.lstrip().startswith("//"))
    lines[last] = lines[last][:-1]
    begin, end = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return "\n".join([begin, *lines, f"{outer}{end}"])


def _is_flat(value: Any) -> bool:
    """Whether a table or array reads well in one line."""
    items = value.values() if isinstance(value, dict) else value
    return all(
        not isinstance(item, dict | list) or (isinstance(value, dict) and _is_small(item))
        for item in items
    )


def _is_small(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, dict | list) for item in items)


def _paths(value: Any, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    found = []
    for step, item in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((*path, step))
        if isinstance(item, dict | list):
            found += _paths(item, (*path, step))
    return found


def _none(_path: tuple[str | int, ...]) -> list[str]:
    return []


def _comments_of(document: Document) -> Comments:
    lines = document.text.split("\n")
    told: dict[int, tuple[str | int, ...]] = {}

    def comments(path: tuple[str | int, ...]) -> list[str]:
        if not path:
            return []
        line = document.line(path)
        # A table stands at the line of its head, and so does the array that it is in.
        if told.setdefault(line, path) != path:
            return []
        found: list[str] = []
        above = line - 2
        while above >= 0 and lines[above].lstrip().startswith("#"):
            found.insert(0, lines[above].lstrip()[1:].strip())
            above -= 1
        return found

    return comments
