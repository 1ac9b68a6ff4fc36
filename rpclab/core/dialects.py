"""In which frames the operations travel: what a codec must say about itself.

Floor: core.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """The differences between the dialects that one session can speak.

    Attributes:
        name: for texts and tests.
        call_pulls: a call asks for its result by itself; else a pull goes in the same tick.
        acknowledges: a batch says how many plain settlements its sender has seen, and these are
            released by that; else each is released by a message of its own.
        cancels: there is a cancel operation; else a cancelled call is released.
        keywords: keyword arguments can be sent.
        quiet: a batch can say of which calls nobody can ask for the results.
    """

    name: str
    call_pulls: bool
    acknowledges: bool
    cancels: bool
    keywords: bool
    quiet: bool


MSGPACK = Dialect(
    "msgpack", call_pulls=True, acknowledges=True, cancels=True, keywords=True, quiet=True
)
CAPN_WEB = Dialect(
    "capnweb", call_pulls=False, acknowledges=False, cancels=False, keywords=False, quiet=False
)
