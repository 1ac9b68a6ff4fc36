"""The kinds of reference: how a message mentions what it does not copy.

Floor: core. A reference is a tuple: its kind, a number, and of a member its path.
"""

from __future__ import annotations

from typing import Any, NamedTuple

STUB = 1
"""Introduced by the sender as a stub, under a number of its export table."""
BINDING = 2
"""Introduced by the sender as a binding."""
OWN_STUB = 3
"""A stub of something that the receiver exports: it comes home."""
OWN_BINDING = 4
"""A binding that comes home."""
RESULT = 5
"""The result of a call that the receiver is answering."""
PROMISE = 6
"""A promise that the sender announces; its value follows."""
PLACEHOLDER = 7
"""A variable of a mapped function: below zero what it captured, 0 the item, then the steps."""
READABLE = 8
"""A stream, whose pipe the sender has opened under this number."""
WRITABLE = 9
"""The sink of a stream, exported by the sender."""
MEMBER = 10
"""A member of what the receiver exports, or is going to answer; with its path, as a third."""

EXPORTED = frozenset({STUB, BINDING, PROMISE, WRITABLE})
"""The kinds whose number is taken from the sender's export table by the message itself."""

Reference = tuple[Any, ...]


class Settled(NamedTuple):
    """In the place of a reference: a promise that has its value already, which is packed there."""

    value: Any


class Introduced(int):
    """Stands in a run of results for a stub; it is the id under which that is introduced.

    Between two ends in one process alone, where a run is not packed: no message holds one.
    """

    __slots__ = ()
