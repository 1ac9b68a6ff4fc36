"""How a process ends with the one that has started it, however that ends.

Floor: sandbox.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, number: int) -> None:
    """Have the system send this process a signal when its parent ends; end it now, if it has.

    Args:
        parent: the process id of the parent.
        number: of the signal.
    """
    if sys.platform == "linux":
        # It holds while the thread lives that has forked.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)
