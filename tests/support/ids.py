"""Names of parametrised tests, the same in every run."""

from __future__ import annotations

import re


def by_repr(value):
    """Name a test after its value: the `repr`, without the address an object has by chance."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
