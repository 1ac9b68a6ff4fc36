"""Trees of JSON to text, and back.

Floor: codecs. orjson does it where it is installed, the standard library else, and where orjson
cannot: half surrogate pairs, and what nests deeper than it likes.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rpclab.codecs.capnweb.numbers import write_integer
from rpclab.codecs.refusals import came_too_deep
from rpclab.errors import RemoteProtocolError
from rpclab.previews import preview

orjson: Any
try:
    import orjson
except ModuleNotFoundError:
    orjson = None

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_encode_ascii = json.JSONEncoder(
    allow_nan=False, check_circular=False, separators=(",", ":")
).encode

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_CONTAINER = 64  # bytes that a list or dict takes, at least
_MOST_DIGITS = 400  # of an integer; a double has up to 309
_SHOWN = 40  # characters of what is no JSON
LONG = 16
"""Digits of the shortest number that a double may not hold."""

_LONG = b"0" * LONG


def _no_constant(name: str) -> Any:
    raise RemoteProtocolError(f"the peer sent {name}, which is no JSON")


def _integer(digits: str) -> int | float:
    # Python reads no integer of thousands of digits; JavaScript reads all of them as doubles.
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


_decode = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer).decode


_LINE_END = orjson.Fragment(b"\n") if orjson is not None else None

LEAVES: frozenset[type] = frozenset(
    {type(None), bool, str} | ({int} if orjson is not None else set())
)
"""What stands in a tree as it is. orjson looks at the size of integers itself."""


def write(tree: Any) -> bytes:
    """Write a tree of dicts, lists and scalars, whose floats are finite."""
    if orjson is not None:
        try:
            packed: bytes = orjson.dumps(tree, option=orjson.OPT_STRICT_INTEGER)
        except TypeError:
            # A large integer, half a surrogate pair, or too deep for it.
            tree = _with_bigints(tree)
        else:
            return packed
    try:
        return _encode(tree).encode()
    except UnicodeEncodeError:
        return _encode_ascii(tree).encode()


def write_all(trees: list[Any]) -> list[bytes]:
    """Write some trees, each as a text of its own.

    orjson begins each text in a kilobyte of memory, so that to write many takes ten times as long
    as to write one that has all in it, and to cut that (benchmark `socket_burst`).
    """
    if len(trees) == 1:
        return [write(trees[0])]
    if orjson is not None:
        apart = [part for tree in trees for part in (tree, _LINE_END)]
        try:
            packed: bytes = orjson.dumps(apart, option=orjson.OPT_STRICT_INTEGER)
        except TypeError:
            pass  # of which one has what `write` tells of
        else:
            # No text that orjson writes has the end of a line in it.
            return packed[1:-3].split(b",\n,")
    return [write(tree) for tree in trees]


def _with_bigints(tree: Any) -> Any:
    """The same tree, its large integers as expressions. It may be deep, and the sender's own."""
    root: list[Any] = [tree]
    copies: list[Any] = [root]
    for copy in copies:  # it grows under way
        places = copy.items() if isinstance(copy, dict) else enumerate(copy)
        for place, item in [*places]:
            if type(item) is int:
                copy[place] = write_integer(item)
            elif isinstance(item, (list, dict)):
                copy[place] = item.copy()
                copies.append(copy[place])
    return root[0]


def read(frame: bytes, nesting: int) -> Any:
    """Read a text.

    Args:
        frame: the text.
        nesting: how deep the values in it may nest, for the error of one that is too deep to read.

    Raises:
        RemoteProtocolError: it is no JSON, or no UTF-8.
    """
    if orjson is not None:
        try:
            return orjson.loads(frame)
        except ValueError:
            pass  # half a surrogate pair, or too deep for it; or indeed no JSON
    try:
        return _decode(frame.decode())
    except RecursionError:
        raise came_too_deep(nesting) from None
    except UnicodeDecodeError as error:
        why = f"it is no UTF-8, from byte {error.start:,} on"
    except json.JSONDecodeError as error:
        near = preview(error.doc[error.pos : error.pos + _SHOWN])
        why = f"{error.msg} at character {error.pos:,}" + (
            f", which begins {near}" if error.pos < len(error.doc) else ", where it ends"
        )
    raise RemoteProtocolError(f"the peer sent no JSON: {why}") from None


def has_long_numbers(frame: bytes) -> bool:
    """Whether a number in a text may be one that is no exact double."""
    return _LONG in frame.translate(_DIGITS)


def weight_of(frame: bytes) -> int:
    """How many bytes a text takes once it is read, at most, about."""
    return len(frame) + _CONTAINER * (frame.count(b"[") + frame.count(b"{"))


def count_at_most(frame: bytes, enough: int) -> int:
    """Count the values in a text; a container is two. Few are not counted exactly.

    Args:
        frame: the text.
        enough: up to so many, what is given may be more than there are.
    """
    count = _count(frame)
    # The commas in texts are no values.
    return count if count <= enough else _count(_STRINGS.sub(b"0", frame))


def _count(frame: bytes) -> int:
    # What a container holds are its commas and one more, and it counts twice itself.
    return 1 + frame.count(b",") + 2 * (frame.count(b"[") + frame.count(b"{"))
