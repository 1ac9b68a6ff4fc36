"""Who is who in a cluster: an authority of the sandbox's own, and a certificate for each host.

Floor: sandbox. Each end checks that the other's certificate is of this authority, and whom it
names; a certificate alone lets nobody in (see `doors`). The authority lives in memory, and ends
with the sandbox.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from rpclab.net import tls
from rpclab.net.tls import mutual_context

_GOOD = timedelta(days=90)  # a host is placed anew before that, or the sandbox has ended


class Identity(NamedTuple):
    """What a program shows, and whom it trusts.

    Attributes:
        authority: the certificate of the authority, in PEM.
        certificate: the own certificate, and its key, likewise. Whoever has it is the one that it
            names.
    """

    authority: str
    certificate: str


class Authority:
    """Signs certificates. Needs the extra rpclab[tls].

    Raises:
        ImportError: the extra is not installed.
    """

    def __init__(self) -> None:
        self._authority = tls.Authority("a cluster needs the extra rpclab[dask]")

    def issue(self, name: str) -> Identity:
        """Sign a certificate.

        Args:
            name: whom it names; see `named`.
        """
        issued = self._authority.issue(named(name), good=_GOOD)
        text = issued.private_key_and_cert_chain_pem.bytes().decode("ascii")
        return Identity(self._authority.text, text)


def named(name: str) -> str:
    """The name of a program in certificates: one that no machine has (RFC 2606)."""
    return f"{name}.rpclab.invalid"


def peer_of(certificate: object) -> str:
    """Whom the certificate of the other end names, as `SSLObject.getpeercert` gives it."""
    names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    return next((value for kind, value in names if kind == "DNS"), "")


@lru_cache(maxsize=8)
def listening(identity: Identity) -> ssl.SSLContext:
    """The context of an end that listens: it lets nobody in whom the authority does not know."""
    return _context(ssl.PROTOCOL_TLS_SERVER, identity)


@lru_cache(maxsize=8)
def dialling(identity: Identity) -> ssl.SSLContext:
    """The context of an end that dials; it says whom it expects there."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity)


def _context(protocol: int, identity: Identity) -> ssl.SSLContext:
    # Python reads a certificate from a file alone; this one is for its owner, and goes at once.
    descriptor, path = tempfile.mkstemp(prefix="rpclab-")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(identity.certificate)
        return mutual_context(protocol, path, cadata=identity.authority)
    finally:
        os.unlink(path)  # noqa: PTH108 - as mkstemp names it
