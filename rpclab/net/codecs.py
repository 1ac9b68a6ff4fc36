"""Which codec two peers use over a WebSocket: what each can speak, and what they settle on.

Floor: net. A peer that names no subprotocol speaks Cap'n Web, whose peers name none.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from rpclab.transports.batches import VERSION

MSGPACK, CAPN_WEB = "msgpack", "capnweb"

SUBPROTOCOLS = {CAPN_WEB: CAPN_WEB, MSGPACK: f"rpclab.msgpack.{VERSION}"}
"""By codec, the subprotocol that asks for it. Servers that take the first that is offered, whatever
it is, take the one that they speak."""

_CODECS = {
    MSGPACK: ("rpclab.codecs.msgpack", "MsgpackCodec"),
    CAPN_WEB: ("rpclab.codecs.capnweb", "CapnWebCodec"),
}


def offered(codec: str | None) -> list[str] | None:
    """The subprotocols that whoever dials asks for; None for none.

    Args:
        codec: the one that is wanted; None to find out.

    Raises:
        ValueError: there is none of that name.
    """
    if codec is None:
        return [*SUBPROTOCOLS.values()]
    checked(codec)
    return None if codec == CAPN_WEB else [SUBPROTOCOLS[codec]]


def chosen(offers: Iterable[str]) -> str | None:
    """The subprotocol that a server takes of those that it is offered, if any."""
    asked = set(offers)
    for codec in (MSGPACK, CAPN_WEB):
        if SUBPROTOCOLS[codec] in asked:
            return SUBPROTOCOLS[codec]
    return None


def spoken(subprotocol: str | None) -> str:
    """The codec that a subprotocol stands for."""
    return MSGPACK if subprotocol == SUBPROTOCOLS[MSGPACK] else CAPN_WEB


def codec_named(name: str) -> Any:
    """Give what makes a codec.

    Raises:
        ValueError: there is none of that name.
    """
    module, attribute = _CODECS[checked(name)]
    return getattr(import_module(module), attribute)


def checked(name: str) -> str:
    """Give the name of a codec, if it is one.

    Raises:
        ValueError: it is none.
    """
    if name not in _CODECS:
        raise ValueError(f"no codec is called {name!r}; there are: {', '.join(_CODECS)}")
    return name
