"""Who is who in a cluster: an authority of the sandbox's own, and a certificate for each host.

Floor: sandbox. Each end checks that the other's certificate is of this authority, and whom it
names; a certificate alone lets nobody in (see `doors`). The authority lives in memory, and ends
with the sandbox.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

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
        try:
            import trustme  # noqa: PLC0415 - for those who make some
        except ModuleNotFoundError as error:
            raise ImportError("a cluster needs the extra rpclab[dask]") from error
        self._key_type = trustme.KeyType.ECDSA
        self._authority = trustme.CA(organization_name="rpclab", key_type=self._key_type)
        self._text = self._authority.cert_pem.bytes().decode("ascii")

    def issue(self, name: str) -> Identity:
        """Sign a certificate.

        Args:
            name: whom it names; see `named`.
        """
        until = datetime.now(UTC) + _GOOD
        issued = self._authority.issue_cert(named(name), not_after=until, key_type=self._key_type)
        text = issued.private_key_and_cert_chain_pem.bytes().decode("ascii")
        return Identity(self._text, text)


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
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _load(context, identity)


@lru_cache(maxsize=8)
def dialling(identity: Identity) -> ssl.SSLContext:
    """The context of an end that dials; it says whom it expects there."""
    return _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)


def _load(context: ssl.SSLContext, identity: Identity) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=identity.authority)
    # Python reads a certificate from a file alone; this one is for its owner, and goes at once.
    descriptor, path = tempfile.mkstemp(prefix="rpclab-")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(identity.certificate)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)  # noqa: PTH108 - as mkstemp names it
    return context
