"""TLS: contexts for both ends, and certificates for a session.

Floor: net.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from trustme import LeafCert

FILES = ("ca.pem", "server.pem", "client.pem")
"""What a folder of certificates holds; each of the last two has its key as well."""


HERE = ("localhost", "127.0.0.1", "::1")
"""What this machine calls itself."""


class Authority:
    """Signs certificates, of its own authority, which goes with it. Needs the extra rpclab[tls].

    Args:
        missing: what the error says where that is not installed.

    Attributes:
        text: the certificate of the authority, in PEM.

    Raises:
        ImportError: it is not.
    """

    def __init__(self, missing: str = "to make certificates needs the extra rpclab[tls]") -> None:
        try:
            import trustme  # noqa: PLC0415 - for those who make some
        except ModuleNotFoundError as error:
            raise ImportError(missing) from error
        self._key_type = trustme.KeyType.ECDSA
        self._authority = trustme.CA(organization_name="rpclab", key_type=self._key_type)
        self.text = self._authority.cert_pem.bytes().decode("ascii")

    def issue(self, *names: str, good: timedelta | None = None) -> LeafCert:
        """Sign a certificate.

        Args:
            names: whom it names.
            good: how long it is good; for ever, unless given.
        """
        until = None if good is None else datetime.now(UTC) + good
        return self._authority.issue_cert(*names, not_after=until, key_type=self._key_type)


def mutual_context(
    protocol: int,
    own: str | PathLike[str],
    *,
    cafile: str | PathLike[str] | None = None,
    cadata: str | None = None,
) -> ssl.SSLContext:
    """The context of an end that deals with nobody whom its authority does not know.

    Args:
        protocol: of `ssl`, for the end that listens or the one that dials.
        own: the file of its certificate, and of the key.
        cafile: the file of the authority's certificate; or
        cadata: that itself, in PEM.
    """
    context = ssl.SSLContext(protocol)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cafile, cadata=cadata)
    context.load_cert_chain(own)
    return context


class Certificates:
    """An authority of one's own, and a certificate of it for each end. Both ends check the other.

    Whoever has the files of the client may dial: hand them on as you would a password.

    Args:
        folder: where the files stand; see `FILES`.
    """

    def __init__(self, folder: str | PathLike[str], *, kept: object = None) -> None:
        self.folder = Path(folder)
        self._kept = kept  # a temporary folder goes with this

    @property
    def server(self) -> ssl.SSLContext:
        """For the end that listens: it lets nobody in whom the authority does not know."""
        return self._context(ssl.PROTOCOL_TLS_SERVER, "server.pem")

    @property
    def client(self) -> ssl.SSLContext:
        """For the end that dials: it talks to nobody whom the authority does not know."""
        return self._context(ssl.PROTOCOL_TLS_CLIENT, "client.pem")

    def _context(self, protocol: int, name: str) -> ssl.SSLContext:
        return mutual_context(protocol, self.folder / name, cafile=self.folder / "ca.pem")

    def __repr__(self) -> str:
        return f"<Certificates in {self.folder}>"


TLS = ssl.SSLContext | Certificates | None


def certificates(
    folder: str | PathLike[str] | None = None, *, hosts: Iterable[str] = HERE, days: float = 365
) -> Certificates:
    """Make an authority, and certificates for a server and a client, in a folder.

    Needs the extra rpclab[tls]. The folder is made, readable by its owner alone. Where it holds
    certificates already, these are taken.

    Args:
        folder: where to keep them, for the other program to find; None for a folder that goes with
            what is returned.
        hosts: the names and addresses of the server.
        days: how long they are good.

    Returns:
        To be given to both ends as `tls=`.

    Raises:
        ImportError: the extra is not installed.
    """
    kept = TemporaryDirectory(prefix="rpclab-") if folder is None else None
    place = Path(kept.name if folder is None else folder)  # type: ignore[union-attr]
    if all((place / name).is_file() for name in FILES):
        return Certificates(place)
    authority, good = Authority(), timedelta(days=days)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = authority.issue(*hosts, good=good)
    client = authority.issue("client@rpclab.invalid", good=good)
    (place / "ca.pem").write_bytes(authority.text.encode("ascii"))
    for name, issued in (("server.pem", server), ("client.pem", client)):
        path = place / name
        path.touch(mode=0o600)
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    return Certificates(place, kept=kept)


def client_context(tls: TLS) -> ssl.SSLContext:
    """The context of an end that dials; that of the system where none was given."""
    if isinstance(tls, Certificates):
        return tls.client
    return tls if tls is not None else ssl.create_default_context()


def server_context(tls: TLS) -> ssl.SSLContext | None:
    """The context of an end that listens, if there is one."""
    return tls.server if isinstance(tls, Certificates) else tls
