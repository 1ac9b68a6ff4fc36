"""Where in a message a value stands, in the words of the person who wrote it.

Floor: codecs. Only used once something has failed: it walks the data in Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES, contents
from rpclab.core.messages import CALL, KEYWORDS, RESOLVE, STREAM, Message
from rpclab.previews import preview, shown


def places(message: Message) -> list[tuple[str, Any]]:
    """The values of a message, each with how its path begins."""
    if message[0] == STREAM:
        return [("the chunk", value) for value in message[4]]
    if message[0] == CALL:
        options = message[5] if len(message) > 5 else {}
        named = options.get(KEYWORDS, {}) or {}
        return [
            *((f"args[{n}]", value) for n, value in enumerate(message[4] or ())),
            *((f'kwargs["{name}"]', value) for name, value in named.items()),
        ]
    return [("result", message[2])] if message[0] == RESOLVE else []


def path_of(culprit: Any, message: Message) -> str:
    """The path of a value in a message, such as `args[0]["items"][3]`; "" if it is not found."""
    unseen = places(message)
    seen: set[int] = set()
    for path, value in unseen:  # it grows under way
        if value is culprit:
            return path
        if id(value) not in seen:
            seen.add(id(value))
            unseen += _inside(path, value)
    return ""


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The members of a container, each with its path."""
    kind = type(value)
    if kind in DICT_TYPES:
        for key, item in value.items():
            step = f'["{shown(key)}"]' if type(key) is str else f"[{preview(key)}]"
            yield path + step, item
            yield f"{path} (a key)", key
    elif kind in (list, tuple):
        for number, item in enumerate(value):
            yield f"{path}[{number}]", item
    elif kind in CONTAINER_TYPES:
        for item in value:
            yield f"{path} (a member)", item


def largest(message: Message, *, is_tree: bool) -> str:
    """Name the value of a message that takes most room, following the largest member inward.

    Args:
        message: the message.
        is_tree: whether nothing in it stands twice. Else each part counts once: a value can hold
            another one many times, at many levels, and would be endless written out.
    """
    members = places(message)
    path, value, size = "the message", None, 0
    seen: set[int] = set()
    while members := [member for member in members if id(member[1]) not in seen]:
        step, item = max(members, key=lambda member: _size(member[1], is_tree=is_tree))
        item_size = _size(item, is_tree=is_tree)
        if item_size * 2 < size:
            break
        path, value, size = step, item, item_size
        seen.add(id(value))
        members = list(_inside(path, value))
    return f"{path} ({type(value).__name__}, {size:,} bytes)" if size else path


def _size(value: Any, *, is_tree: bool) -> int:
    """How many bytes a value takes, about."""
    if is_tree:
        return _packed_size(value)
    return sum(
        _packed_size(part)
        for part in contents(value, errors=True)
        if type(part) not in CONTAINER_TYPES and not issubclass(type(part), BaseException)
    )


def _packed_size(value: Any) -> int:
    packer = msgpack.Packer(default=_bulk, strict_types=True, unicode_errors="surrogatepass")
    try:
        return len(packer.pack(value))
    except (ValueError, RecursionError):  # it nests too deeply for C
        return _size(value, is_tree=False) if type(value) in CONTAINER_TYPES else 0


def _bulk(value: Any) -> Any:
    """Something that takes about as much room as what msgpack does not know."""
    kind = type(value)
    if kind in DICT_TYPES:
        return dict(value)
    if kind in CONTAINER_TYPES:
        return list(value)
    if kind is int:
        return bytes(value.bit_length() // 8)
    if isinstance(value, BaseException):
        return [list(value.args), value.__dict__]
    size = getattr(value, "nbytes", None) or getattr(value, "itemsize", 0) * _length(value)
    return bytes(size) if type(size) is int else None


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return 0
