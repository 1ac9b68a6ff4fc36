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

FILES = ("ca.pem", "server.pem", "client.pem")
"""What a folder of certificates holds; each of the last two has its key as well."""


HERE = ("localhost", "127.0.0.1", "::1")
"""What this machine calls itself."""


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
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._load(context, "server.pem")

    @property
    def client(self) -> ssl.SSLContext:
        """For the end that dials: it talks to nobody whom the authority does not know."""
        return self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "client.pem")

    def _load(self, context: ssl.SSLContext, name: str) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.folder / "ca.pem")
        context.load_cert_chain(self.folder / name)
        return context

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
    try:
        import trustme  # noqa: PLC0415 - for those who make some
    except ModuleNotFoundError as error:
        raise ImportError("to make certificates needs the extra rpclab[tls]") from error
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = datetime.now(UTC) + timedelta(days=days)
    authority = trustme.CA(organization_name="rpclab", key_type=trustme.KeyType.ECDSA)
    server = authority.issue_cert(*hosts, not_after=until, key_type=trustme.KeyType.ECDSA)
    client = authority.issue_cert(
        "client@rpclab.invalid", not_after=until, key_type=trustme.KeyType.ECDSA
    )
    authority.cert_pem.write_to_path(str(place / "ca.pem"))
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
