"""How many values one message holds: a byte can stand for one that takes eighty.

Floor: codecs. Only for frames of more bytes than values may be in them.
"""

from __future__ import annotations

from typing import Any

import msgpack

from rpclab.codecs.depth import NOT_CONTAINERS
from rpclab.codecs.values import DECIMAL, FROZENSET, RECORD, SET, UUID
from rpclab.core.messages import Frame, size_of
from rpclab.core.references import WRITABLE

UNPACKING: dict[str, Any] = {
    "strict_map_key": False, "unicode_errors": "surrogatepass", "timestamp": 1,
}  # fmt: skip
"""How C unpacks. A timestamp becomes a number: its own type takes long to hash."""

_CONTAINER = 64  # bytes that a list or dict takes once it is unpacked, at least
_REFERENCES = range(1, WRITABLE + 1)
MORE = {SET: 2, FROZENSET: 2, DECIMAL: 1, UUID: 1, RECORD: 20, **dict.fromkeys(_REFERENCES, 6)}
"""By the code of an extension type, how often a value counts beside its parts: for each count it
takes some sixty bytes of memory then, as a short text does, or what is in a dict."""


class TooMany(Exception):  # noqa: N818 - each end says it in an error of its own
    """A message holds more values than it may."""


class Count:
    """Counts the values of a message while C unpacks it.

    Args:
        most: how many there may be: the items of lists, keys and values of dicts, at any depth, in
            extension types too, and the parts of the message itself; a list or dict counts once
            more, for it takes more memory.
        outer: how many lists are around the message, and do not count.
        keep: whether the containers are wanted; else what is counted is dropped.
    """

    def __init__(self, most: int, *, outer: int = 0, keep: bool = True) -> None:
        self._most = most
        self._keep = keep
        self._values = -2 * outer

    @property
    def hooks(self) -> dict[str, Any]:
        """What `unpackb` is to be given."""
        return {"list_hook": self._list, "object_hook": self._dict}

    def _list(self, made: list[Any]) -> list[Any] | None:
        self._add(len(made))
        return made if self._keep else None

    def _dict(self, made: dict[Any, Any]) -> dict[Any, Any] | None:
        self._add(2 * len(made))
        return made if self._keep else None

    def weigh(self, code: int) -> None:
        """Count a value of an extension type, for what it takes beside its parts."""
        self._add(MORE.get(code, 0) - 1)

    def _add(self, values: int) -> None:
        self._values += values + 1
        if self._values > self._most:
            raise TooMany


def weight_of(frame: Frame) -> int:
    """How many bytes a message takes once it is unpacked, at most, about."""
    head = frame if isinstance(frame, bytes) else frame[0]
    # A byte may stand for an empty list, which takes sixty.
    return size_of(frame) + _CONTAINER * len(head.translate(None, NOT_CONTAINERS))


def check(frame: bytes, most: int, raw: frozenset[int]) -> None:
    """Count the values of a frame that was packed here.

    Args:
        frame: it.
        most: how many there may be.
        raw: the codes of the extension types that hold none.

    Raises:
        TooMany: there are more.
    """
    count = Count(most, keep=False)
    parts = [frame]

    def later(code: int, data: bytes) -> object:
        count.weigh(code)
        if code not in raw:
            parts.append(data)
        return object()  # as a key, it is unlike any other

    for part in parts:  # it grows under way
        unpacker = msgpack.Unpacker(
            ext_hook=later, max_buffer_size=max(len(part), 1), **UNPACKING, **count.hooks
        )
        unpacker.feed(part)
        unpacker.unpack()
