"""A message over the limit, in words.

Floor: codecs.
"""

from __future__ import annotations

from rpclab.codecs.paths import largest
from rpclab.core.messages import Message
from rpclab.errors import MessageTooLargeError


def check_size(message: Message, size: int, limit: int, *, is_tree: bool = True) -> None:
    """Check the size of a message that was packed.

    Raises:
        MessageTooLargeError: it is over the limit; the error names the largest member.
    """
    if size <= limit:
        return
    raise _refusal(
        limit,
        f"but the size of this value was: {size} bytes. The largest member is"
        f" {largest(message, is_tree=is_tree)}.",
    )


def repeats_too_much(limit: int) -> MessageTooLargeError:
    """Build the error for a value that would go over the limit by what it mentions many times."""
    return _refusal(limit, "but written out, what this value mentions several times comes to more.")


def _refusal(limit: int, why: str) -> MessageTooLargeError:
    words = f"{limit // 2**20}MiB" if limit % 2**20 == 0 else f"{limit} bytes"
    error = MessageTooLargeError(
        f"Serialized RPC arguments or return values are limited to {words}, {why}"
    )
    error.add_note(
        "send it as a stream, ReadableStream(…) of its bytes or of a generator, which is read"
        " piece by piece; or in parts"
    )
    return error
