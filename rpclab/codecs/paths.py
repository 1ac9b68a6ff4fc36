"""Where in a message a value stands, in the words of the person who wrote it.

Floor: codecs. Only used once something has failed: it walks the data in Python.
"""

from __future__ import annotations

from typing import Any

from rpclab.codecs.sharing import CONTAINER_TYPES, DICT_TYPES
from rpclab.core.messages import CALL, KEYWORDS, RESOLVE, Message

_DEPTH = 300


def places(message: Message) -> list[tuple[str, Any]]:
    """The values of a message, each with how its path begins."""
    if message[0] == CALL:
        options = message[5] if len(message) > 5 else {}
        named = options.get(KEYWORDS, {}) or {}
        return [
            *((f"args[{n}]", value) for n, value in enumerate(message[4] or ())),
            *((f"kwargs[{name!r}]".replace("'", '"'), value) for name, value in named.items()),
        ]
    return [("result", message[2])] if message[0] == RESOLVE else []


def path_of(culprit: Any, message: Message) -> str:
    """The path of a value in a message, such as `args[0]["items"][3]`; "" if it is not found."""
    for begin, value in places(message):
        path = _find(culprit, value, begin, set())
        if path is not None:
            return path
    return ""


def _find(culprit: Any, value: Any, path: str, seen: set[int]) -> str | None:
    if value is culprit:
        return path
    kind = type(value)
    if kind not in CONTAINER_TYPES or id(value) in seen or len(seen) > 1_000_000:
        return None
    seen.add(id(value))
    if kind in DICT_TYPES:
        for key, item in value.items():
            step = f'["{key}"]' if type(key) is str else f"[{key!r}]"
            found = _find(culprit, item, path + step, seen)
            if found is None and key is culprit:
                found = f"{path} (a key)"
            if found is not None:
                return found
        return None
    for number, item in enumerate(value):
        step = f"[{number}]" if kind in (list, tuple) else " (a member)"
        found = _find(culprit, item, path + step, seen)
        if found is not None:
            return found
    return None


def largest(message: Message, size: Any) -> str:
    """Name the value of a message that takes most room, following the largest member inward.

    Args:
        message: the message that is too large.
        size: gives the packed size of a value in bytes, or 0 if it cannot be packed alone.
    """
    begin, value = max(places(message), key=lambda place: size(place[1]), default=("", None))
    for _ in range(_DEPTH):
        if type(value) in DICT_TYPES:
            parts = [(f'["{k}"]' if type(k) is str else f"[{k!r}]", v) for k, v in value.items()]
        elif type(value) in (list, tuple):
            parts = [(f"[{n}]", item) for n, item in enumerate(value)]
        else:
            break
        step, item = max(parts, key=lambda part: size(part[1]), default=("", None))
        if size(item) * 2 < size(value):
            break
        begin, value = begin + step, item
    return f"{begin}, a {type(value).__name__} of {size(value):,} bytes" if begin else "the message"
