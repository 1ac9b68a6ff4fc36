"""JavaScript's spellings of what has a Python name: the one table of aliases.

Floor: workers.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T", bound=type)

PYTHON_NAMES = {
    "passThroughOnException": "pass_through_on_exception",
    "waitUntil": "wait_until",
}
"""By the spelling in JavaScript, the name in Python."""


def also_in_javascript(kind: T) -> T:
    """Give a class the JavaScript spellings of its methods."""
    for alias, name in PYTHON_NAMES.items():
        if name in vars(kind):
            setattr(kind, alias, vars(kind)[name])
    return kind
