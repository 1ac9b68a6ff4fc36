"""Why a dial most likely failed, and what to try next.

Floor: net. Functions of what was seen; nothing here dials.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from rpclab.transports.batches import MAGIC

if TYPE_CHECKING:
    from rpclab.net.addresses import Address

_PLAIN = {"tls": "tcp", "wss": "ws", "https": "http"}
_SECURE = {plain: secure for secure, plain in _PLAIN.items()}
_ALERT = b"\x15\x03"  # how a server of TLS begins that was asked for something else
_UNAUTHORIZED = 401
_NO_SUCH = frozenset({404, 405, 501})  # no such path, or nothing that takes a POST there

EXPOSED = (
    "is that path exposed? sandbox.serve(expose={…}), or rpclab serve --expose"
    " WORKER#ENTRYPOINT=/path"
)
"""What to look at where an address of the web has no session."""

ANOTHER = (
    "the token that was given is another one: the server's stands in server.address, and in the"
    " first line of rpclab serve"
)
"""What to look at where a token lets nobody in."""


def unreached(address: Address, error: BaseException) -> str:
    """Say what to look at where no connection came about; "" where nobody knows."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause)
        if isinstance(cause, ssl.SSLError):
            return _tls(address, cause)
        if isinstance(cause, socket.gaierror):
            return "is the name of the machine spelt right?"
        if isinstance(cause, ConnectionRefusedError):
            return "nobody listens there: is the server running, and is that its address?"
        if isinstance(cause, FileNotFoundError):
            return "there is no such socket: is the server running, and is that its path?"
        if isinstance(cause, ConnectionResetError):
            plain = _PLAIN.get(address.scheme)
            return (
                f"it may speak no TLS: is it {_as(address, plain)}?" if plain else wordless(address)
            )
    return ""


def nobody_listens(error: BaseException) -> bool:
    """Whether a dial failed because nobody was there, who may be there later."""
    return any(isinstance(cause, ConnectionRefusedError) for cause in _causes(error))


def wordless(address: Address) -> str:
    """Say what to look at where the other end closed without a word."""
    return f"a server that wants TLS does so: is it {_other(address)}?" if _other(address) else ""


def unanswered(address: Address) -> str:
    """Say what to look at where somebody took the connection, and says nothing at all.

    A server that waits for lines does so, and one that waits for bytes.
    """
    if not address.host:
        return "is that where the server is, and what it speaks?"
    place = f"{address.host}:{address.port}"
    if address.is_web:
        bare = f"{'tls' if address.is_secure else 'tcp'}:{place}"
        return f"is that where the server is? One that serves bytes is dialled as {bare}"
    web = f"{'wss' if address.is_secure else 'ws'}://{place}/…"
    return f"is that where the server is? One that speaks HTTP is dialled as {web}"


def misunderstood(address: Address, said: bytes) -> str:
    """Say what to look at where the other end speaks something else.

    Args:
        address: what was dialled.
        said: its first bytes.
    """
    place = f"{address.host}:{address.port}"
    if said.startswith(b"HTTP/") and not address.is_web:
        scheme = "wss" if address.is_secure else "ws"
        return f"it speaks HTTP: is it {scheme}://{place}/…, with the path that is exposed?"
    if said.startswith(_ALERT):
        return f"it speaks TLS: is it {_other(address)}?"
    if said.startswith(MAGIC[: max(len(said), 1)]) and address.is_web:
        return (
            f"it serves bytes, and no HTTP: is it {'tls' if address.is_secure else 'tcp'}:{place}?"
        )
    if said.startswith(b"HTTP/"):
        return f"it answers HTTP, and opens no WebSocket: {EXPOSED}"
    return f"is {place} the port of that server?" if said else wordless(address)


def no_http(address: Address, error: Exception) -> str:
    """Say what to look at where a client of HTTP understands no answer."""
    if "without sending a response" in str(error):
        return wordless(address)
    scheme = "tls" if address.is_secure else "tcp"
    return f"whoever answers speaks no HTTP: is it {scheme}:{address.host}:{address.port}?"


def refused(status: int, *, knew_token: bool) -> str:
    """Say what to look at where an HTTP server answers, and opens no session.

    Args:
        status: of its answer.
        knew_token: whether a token was given.
    """
    if status == _UNAUTHORIZED:
        return ANOTHER if knew_token else ""  # the server says where it wants one
    return EXPOSED if status in _NO_SUCH or status in range(200, 400) else ""


def with_advice(text: str, advice: str) -> str:
    """Join what happened and what to look at."""
    if not advice:
        return text
    return f"{text} {advice[0].upper()}{advice[1:]}" if text.endswith(".") else f"{text}; {advice}"


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if "mismatch" in error.verify_message:
        return "its certificate is for another name: dial it by that one"
    return (
        "its certificate is of no authority known here: tls=rpclab.certificates(folder), with the"
        " folder that the server has (--tls FOLDER of rpclab call)"
    )


def _tls(address: Address, error: ssl.SSLError) -> str:
    if "CERTIFICATE" in (error.reason or ""):
        return (
            "it wants a certificate of whoever dials: tls=rpclab.certificates(folder), with the"
            " folder that the server has (--tls FOLDER of rpclab call)"
        )
    plain = _PLAIN.get(address.scheme, "")
    return f"whoever answers there speaks no TLS: is it {_as(address, plain)}?" if plain else ""


def _other(address: Address) -> str:
    """The same address with TLS; "" where there is none."""
    secure = _SECURE.get(address.scheme, "")
    return _as(address, secure) if secure else ""


def _as(address: Address, scheme: str) -> str:
    slashes = "//" if address.is_web else ""
    return f"{scheme}:{slashes}{address.host}:{address.port}{address.path if slashes else ''}"
