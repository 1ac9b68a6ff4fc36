"""Results that a peer of Cap'n Web has neither asked for nor given back.

Floor: core. A JavaScript peer that does not await a call never gives its id back: that is legal,
and has no end. So such results cost little: those of None in a row are one entry, of others the
latest are kept, and older ones are forgotten. Using one of those rejects, and ends nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rpclab.core.messages import SCALARS
from rpclab.errors import RpcError

MISSING = object()
"""Stands for the result of an id that is not here."""

FORGOTTEN = object()
"""Stands for a result that is not kept any more."""

_MOST_RUNS = 512


class Failure(NamedTuple):
    """In the place of a result: why there is none."""

    error: BaseException
    remote: bool


def forgotten() -> RpcError:
    """Build the error of whoever uses a result that was forgotten."""
    return RpcError(
        "the result of this call was forgotten: await it, or give it back, while it is among the"
        " latest (Limits.results)"
    )


def size_of_scalar(value: object) -> int:
    """How many bytes a scalar takes beside its entry."""
    if isinstance(value, (str, bytes)):
        return len(value)
    return value.bit_length() // 64 * 8 if isinstance(value, int) else 0


class Results:
    """The results of one session, by the ids of their calls.

    Args:
        most: how many values are kept.

    Attributes:
        size: how many bytes they take beside their entries.
    """

    __slots__ = ("_most", "_runs", "_sizes", "_values", "size")

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = 0
        self._values: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}  # of those that take anything; a value may be changed
        # Each as [first, last, result]; ids in it that were given back are not told from others.
        self._runs: list[list[Any]] = []

    def __len__(self) -> int:
        return len(self._values) + len(self._runs)

    def add(self, number: int, value: object, size: int) -> None:
        """Keep a result, which takes so many bytes beside its entry."""
        if value is None:
            self._extend(number, None)
            return
        self._values[number] = value
        if size:
            self._sizes[number] = size
            self.size += size
        if len(self._values) > self._most:
            oldest = next(iter(self._values))
            del self._values[oldest]
            self.size -= self._sizes.pop(oldest, 0)
            self._extend(oldest, FORGOTTEN)

    def _extend(self, number: int, result: object) -> None:
        for run in self._runs[-2:]:
            if run[2] is result and run[1] + 1 == number:
                run[1] = number
                return
        self._runs.append([number, number, result])
        if len(self._runs) > _MOST_RUNS:
            old = self._runs[: _MOST_RUNS // 2]
            first, last = min(run[0] for run in old), max(run[1] for run in old)
            self._runs[: _MOST_RUNS // 2] = [[first, last, FORGOTTEN]]

    def pop(self, number: int) -> object:
        """Take a result out; MISSING if there is none."""
        value = self._values.pop(number, MISSING)
        if value is not MISSING:
            self.size -= self._sizes.pop(number, 0)
            return value
        for position in range(len(self._runs) - 1, -1, -1):
            first, last, result = self._runs[position]
            if first <= number <= last:
                self._cut(position, number)
                return result
        return MISSING

    def take_scalar(self, number: int) -> Any:
        """Take a result out, if it is a scalar that stands by itself; else MISSING."""
        value = self._values.get(number, MISSING)
        if type(value) not in SCALARS:
            return MISSING
        del self._values[number]
        self.size -= self._sizes.pop(number, 0)
        return value

    def _cut(self, position: int, number: int) -> None:
        """Take an id out of a run; in the middle of one it stays."""
        run = self._runs[position]
        if run[0] == run[1]:
            del self._runs[position]
        elif run[0] == number:
            run[0] += 1
        elif run[1] == number:
            run[1] -= 1
