"""Which addresses of the internet are public, and where the host of a URL is.

Floor: workers. An address counts as public only where the registries of IANA say that packets to it
leave every private network, in whatever way it is written or wrapped.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an address of IPv4
# What the registries say and the `ipaddress` of some version of Python does not, or not all of it.
_SPECIAL_4 = (
    IPv4Network("168.63.129.16"),  # where machines of Azure ask for their own metadata
    IPv4Network("192.0.0.0/24"),  # for protocols between neighbours; metadata of Oracle's cloud
    IPv4Network("192.88.99.0/24"),  # relays to 6to4, which are no more (RFC 7526)
)
_SPECIAL_6 = (
    IPv6Network("2001::/23"),  # for protocols, with Teredo's tunnels to any address of IPv4
    IPv6Network("2002::/16"),  # 6to4: likewise
    IPv6Network("3fff::/20"),  # for documentation (RFC 9637)
)


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet, and no machine's own or near it."""
    if isinstance(address, IPv4Address):
        special = address.is_multicast or any(address in network for network in _SPECIAL_4)
        return address.is_global and not special
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    special = any(address in network for network in _SPECIAL_6)
    return address in _UNICAST and address.is_global and not special


async def addresses_of(host: str, port: int) -> list[Address]:
    """Look up where a host is.

    Args:
        host: of a URL in the form of the standard: a name, an IPv4 address, or an IPv6 address in
            brackets.
        port: where it is to be asked.

    Raises:
        OSError: nobody knows the name.
    """
    try:
        return [ip_address(host.strip("[]"))]
    except ValueError:
        pass
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(each[4][0]).partition("%")[0]) for each in found))
