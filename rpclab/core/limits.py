"""What a session accepts and sends at most.

Floor: core.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that hold for each session of a sandbox.

    Attributes:
        message_bytes: the size of one message, in bytes (rule V23: 32 MiB).
        message_objects: how many values one message may hold: the items of lists and sets, keys and
            values of dicts, at any depth, and the few that each message consists of itself. What
            takes more memory counts more: a container twice, a set four times, a stub seven times,
            a record such as Headers twenty times.
        nesting: how many containers may stand inside one another in one value.
        patterns: how many characters of regular expressions one message may hold; a set of wide
            characters, such as Greek ones, counts as a thousand, for it takes as long to compile.
        exports: how many live exports one session may hold; a peer that goes over it is cut off.
        results: how many results are kept that a peer of Cap'n Web neither asks for nor gives back,
            as JavaScript's do not where nobody awaits a call; older ones are forgotten.
        imports: how many stubs a peer may introduce that are held here; likewise.
        map_steps: how many steps one `map()` may take: its calls and its result, for each item.
            What it copies of the function's own lists and dicts is bounded by `message_objects`,
            what it gives its calls of its texts and bytes by `session_bytes`, and the texts in its
            results by `message_bytes`, for all items together.
        session_bytes: how many bytes a peer may make one end of a session hold in all: calls in
            flight with their arguments, results it has not seen, stubs, and chunks that were not
            read yet (see `core/holdings.py`). A 64th more may be held for a moment.
        stream_window: how many bytes of one stream may be on their way, at the most.
        stream_buffer: how many unread bytes of one stream are kept; one that goes over it breaks.
    """

    message_bytes: int = 32 * 1024 * 1024
    message_objects: int = 4 * 1024 * 1024
    nesting: int = 256
    patterns: int = 20_000
    exports: int = 1_000_000
    results: int = 100_000
    imports: int = 1_000_000
    map_steps: int = 100_000
    session_bytes: int = 1024 * 1024 * 1024
    stream_window: int = 96 * 1024 * 1024
    stream_buffer: int = 96 * 1024 * 1024


DEFAULT_LIMITS = Limits()
