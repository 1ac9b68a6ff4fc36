"""How long to wait before dialling again.

Floor: net. Pauses that grow, and that chance shortens, so that the many who lost one server do not
all come back in one moment.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from rpclab.previews import preview

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Reconnect:
    """How `rpclab.connect(…, reconnect=…)` dials again.

    The pause before attempt n is `first * factor**(n - 1)`, at most `most`; chance takes up to the
    part `jitter` of it away.

    Attributes:
        first: the first pause, in seconds.
        factor: how many times as long each further one is.
        most: the longest, in seconds.
        jitter: the part of a pause that chance may take away, from 0 to 1.
        settled: how many seconds a session must last until the pauses begin with the first again:
            a link that comes and goes is dialled ever less often.
        seconds: how many seconds after a loss it gives up; never, unless given.
        calls: how many calls may wait for a session; who is one too many gets an
            `OverloadedError`.
        random: gives a number from 0 to 1.
    """

    first: float = 0.5
    factor: float = 2.0
    most: float = 30.0
    jitter: float = 0.5
    settled: float = 10.0
    seconds: float = math.inf
    calls: int = 1000
    random: Callable[[], float] = field(default=random.random, repr=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            given = getattr(self, each.name)
            if each.name == "random":
                continue
            if not isinstance(given, int | float) or isinstance(given, bool):
                raise TypeError(f"{each.name} of Reconnect is a number, not {preview(given)}")
        sound = 0 < self.first <= self.most and self.factor >= 1 and 0 <= self.jitter <= 1
        if not sound or self.seconds < 0 or self.settled < 0 or self.calls < 0:
            raise ValueError(
                f"{self} cannot be: 0 < first <= most, factor >= 1, 0 <= jitter <= 1, and nothing"
                " is negative"
            )

    def pause(self, attempt: int) -> float:
        """Give how long to wait before an attempt, in seconds.

        Args:
            attempt: which one, counted from 1.
        """
        # Past that the power would leave what a float can be.
        steps = min(attempt - 1, _MOST_STEPS)
        try:
            pause = min(self.most, self.first * self.factor**steps)
        except OverflowError:
            pause = self.most
        return pause * (1 - self.jitter * self.random())


_MOST_STEPS = 1000
