"""Frames as a peer of bad will writes them: byte by byte, past every check of a codec."""

from __future__ import annotations

import msgpack

from rpclab.core.messages import CALL, REJECT, RESOLVE


def packed(value):
    """A value, and nothing that is not in it."""
    return msgpack.packb(value, strict_types=True, unicode_errors="surrogatepass", default=_refused)


def _refused(value):
    raise AssertionError(f"{value!r} is to be written as an extension type")


def ext(code, parts):
    """A value of an extension type; `parts` are packed, unless they are bytes already."""
    return msgpack.ExtType(code, parts if type(parts) is bytes else packed(parts))


def calls(*args):
    """The frame of a first call of `greet` with these arguments."""
    return packed([CALL, 1, 0, "greet", list(args)])


def settles(value):
    """The frame of the result of a first call."""
    return packed([RESOLVE, 1, value])


def fails(error):
    """The frame of the failure of a first call."""
    return packed([REJECT, 1, error, True])
