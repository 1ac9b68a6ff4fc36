"""What it takes to look up the keys of one message, in dicts and sets.

Floor: codecs. With n keys of one hash a dict takes n * n steps to fill, and nobody can choose the
hash of a text, but that of numbers, and of what is made of them: all multiples of 2**61 - 1 have
the hash 0. A tuple that holds another twice, and so on, takes exponentially many steps to hash.
"""

from __future__ import annotations

from typing import Any

from rpclab.errors import RemoteProtocolError

SAME_HASH = 128
"""How many keys may share a hash; -1 and -2 do, so that tuples of seven of these reach it."""


class Keys:
    """Looks at the values of a message that may be keys, and of which a peer chose the hash.

    Args:
        steps: how many of them there may be in all, where values share their parts.

    Attributes:
        spare: how many are left.
    """

    def __init__(self, steps: int) -> None:
        self.spare = steps
        self._first: dict[int, Any] = {}
        self._crowds: dict[int, set[Any]] = {}

    def spend(self, steps: int) -> None:
        """Take some of the steps.

        Raises:
            RemoteProtocolError: there are not so many left.
        """
        self.spare -= steps
        if self.spare < 0:
            raise RemoteProtocolError(
                "the peer sent a frame that is no message: its keys take too much work to look up"
            )

    def crowd(self, value: Any) -> int:
        """Take a value into account, and say how many different ones share its hash.

        Raises:
            RemoteProtocolError: there are too many.
        """
        try:
            number = hash(value)
        except TypeError:
            return 1  # it can be no key
        first = self._first.setdefault(number, value)
        if first is value or first == value:
            return 1
        crowd = self._crowds.setdefault(number, {first})
        crowd.add(value)
        if len(crowd) > SAME_HASH:
            raise RemoteProtocolError(
                f"the peer sent a frame that is no message: over {SAME_HASH} keys share one hash"
            )
        return len(crowd)
