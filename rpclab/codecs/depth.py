"""How deep the containers of a message nest: where a peer's goes over the limit, it is refused.

Floor: codecs.
"""

from __future__ import annotations

import gc
from typing import Any

from rpclab.core.containers import CONTAINER_TYPES
from rpclab.core.messages import CALL, KEYWORDS, MAP, STREAM

_OPEN = 1024  # so many lists and dicts C's unpacker holds open; it refuses what is deeper

# By how a frame begins: how many containers the common messages have around the values.
_AROUND = {b"\x95\x00": 2, b"\x96\x00": 2}


def lists_around(frame: bytes, nesting: int, *, surely: bool) -> int:
    """In how many lists a frame is to stand, so that C refuses what nests too deeply in them.

    That costs 40 microseconds whatever the size of the frame, while to walk through what has been
    unpacked takes half as long as to unpack it.

    Args:
        frame: a message.
        nesting: how many containers may stand inside one another.
        surely: whether all that is refused is too deep; else all that is not is not. Between the
            two are an empty container, which C does not hold open, and keyword arguments.
    """
    levels = nesting + 3 if surely else nesting + _AROUND.get(frame[:2], 1) - 1
    return max(_OPEN - levels, 0)


def is_deeper(message: Any, most: int) -> bool:
    """Whether the values in a message nest deeper than `most` containers and errors.

    What can be reached in two ways counts as deep as the shorter one, as where it is sent.
    """
    level, seen = _values(message), set[int]()
    for _ in range(most + 1):
        level = [value for value in level if _is_container(value) and id(value) not in seen]
        if not level:
            return False
        level = [*{id(value): value for value in level}.values()]
        seen.update(map(id, level))
        inside = gc.get_referents(*[value for value in level if type(value) in CONTAINER_TYPES])
        for value in level:
            if isinstance(value, BaseException):
                inside += [*value.args, *value.__dict__.values(), value.__cause__]
                if isinstance(value, BaseExceptionGroup):
                    inside += value.exceptions
        level = inside
    return True


def _is_container(value: Any) -> bool:
    return type(value) in CONTAINER_TYPES or isinstance(value, BaseException)


def _values(message: Any) -> list[Any]:
    """What of a message the user gave."""
    if type(message) is not list:
        return [message]
    values: list[Any] = message
    if message[:1] == [MAP]:
        values = message[4:5]
    elif message[:1] in ([CALL], [STREAM]) and len(message) > 4:
        options = message[5] if len(message) > 5 else None
        named = options.get(KEYWORDS) if type(options) is dict else None
        values = [*_listed(message[4]), *(named.values() if type(named) is dict else ())]
    return values


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [value]
