"""How deep the containers of a message nest: where a peer's goes over the limit, it is refused.

Floor: codecs.
"""

from __future__ import annotations

import gc
from gc import is_tracked
from typing import Any

from rpclab.core.containers import CONTAINER_TYPES
from rpclab.core.messages import CALL, KEYWORDS, MAP, STREAM

NOT_CONTAINERS = bytes(byte for byte in range(256) if byte >> 5 != 4 and byte >> 2 != 55)
"""All bytes with which no list or dict begins."""

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


_FLAT = 24  # parts of a frame that are looked at, if it has no more
_AHEAD = {
    0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9,
    0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18,
}  # fmt: skip
"""By how a scalar or extension type of one size begins, its size."""

_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""By how bytes or a text begins, how many bytes tell its size."""


def is_flat(frame: bytes) -> bool:
    """Whether a frame has few parts, though it is long: large bytes, or a long text."""
    place = 0
    for _ in range(_FLAT):
        if place >= len(frame):
            return True
        begin = frame[place]
        if begin in _SIZED:
            size = _SIZED[begin]
            place += 1 + size + int.from_bytes(frame[place + 1 : place + 1 + size], "big")
        elif begin in _AHEAD:
            place += _AHEAD[begin]
        elif 0xA0 <= begin < 0xC0:
            place += 1 + (begin & 0x1F)
        elif begin in (0xC7, 0xC8, 0xC9) or 0xDB < begin < 0xE0:
            return False
        else:
            place += 1  # a small number, a constant, or a small list or dict, which holds the next
    return False


def may_nest(message: Any) -> bool:
    """Whether containers may stand inside the arguments or the result in a message.

    The garbage collector need not follow a dict that holds none.
    """
    if type(message) is not list or not message:
        return True
    if len(message) > 6:  # a run
        return True
    last = message[-1]
    return is_tracked(last) and (type(last) is not list or any(map(is_tracked, last)))


def is_deeper(message: Any, most: int, *, is_tree: bool) -> bool:
    """Whether the values in a message nest deeper than `most` containers and errors.

    What can be reached in two ways counts as deep as the shorter one, as where it is sent.

    Args:
        message: as it was unpacked.
        most: how many containers may stand inside one another.
        is_tree: whether nothing in it can stand twice, and no error in it holds anything.
    """
    inside, seen = _values(message), set[int]()
    for _ in range(most + 1):
        if is_tree and CONTAINER_TYPES.isdisjoint(map(type, inside)):
            return False
        level = [value for value in inside if type(value) in CONTAINER_TYPES]
        if is_tree:
            inside = gc.get_referents(*level)
            continue
        level = [*{id(value): value for value in level if id(value) not in seen}.values()]
        errors = [value for value in inside if isinstance(value, BaseException)]
        errors = [*{id(value): value for value in errors if id(value) not in seen}.values()]
        if not level and not errors:
            return False
        seen.update(map(id, level), map(id, errors))
        inside = gc.get_referents(*level)
        for error in errors:
            inside += [*error.args, *error.__dict__.values(), error.__cause__]
            if isinstance(error, BaseExceptionGroup):
                inside += error.exceptions
    return True


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
        for args in message[7::3]:  # of a run
            values += _listed(args)
    return values


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [value]
