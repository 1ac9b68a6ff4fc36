"""Proxies in front of a server: whose word about a client is taken.

Floor: server. Whoever connects can write what it likes into X-Forwarded-For. So nobody is believed
but the addresses that were named, and each of them says only who has connected to itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import NamedTuple

_SECURE = {"https": True, "wss": True, "http": False, "ws": False}


class Client(NamedTuple):
    """Who has asked.

    Attributes:
        host: its address; "" where it is not known.
        secure: whether the way to it is encrypted.
    """

    host: str
    secure: bool


class Proxies:
    """The proxies whose headers are believed.

    Args:
        addresses: theirs, such as "127.0.0.1", or networks, such as "10.0.0.0/8".

    Raises:
        ValueError: one is neither.
    """

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        if isinstance(addresses, str):
            addresses = [addresses]
        self._networks = [_network(text) for text in addresses]

    def client(self, host: str, headers: Mapping[str, str], *, secure: bool) -> Client:
        """Say who has asked.

        Args:
            host: who has connected.
            headers: of the request, those of one name joined by commas; names in lower case.
            secure: whether that connection is encrypted.
        """
        if not self._networks or not self._knows(host):
            return Client(host, secure)
        said = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        secure = _SECURE.get(said, secure)
        # Each proxy adds whom it was asked by at the end; what stands before is hearsay.
        for text in reversed(headers.get("x-forwarded-for", "").split(",")):
            address = _address(text)
            if address is None:
                break
            host = str(address)
            if not self._knows(host):
                break
        return Client(host, secure)

    def _knows(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip())
    except ValueError:
        raise ValueError(
            f"a proxy is an address (127.0.0.1) or a network (10.0.0.0/8), not {text[:100]!r}"
        ) from None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address as proxies write it: with a port behind it, perhaps; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
