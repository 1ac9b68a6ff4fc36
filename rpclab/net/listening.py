"""To listen on `unix:`, `tcp:`, `tls:` and `memory:`, and let peers in.

Floor: net.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import math
import os
import secrets
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.errors import DisconnectedError, RpcError, refuse_in_browser
from rpclab.net import memory
from rpclab.net.addresses import MOST_PORT, TOKEN, Address, checked_token, is_loopback
from rpclab.net.closing import FULL, STOPPING, broken
from rpclab.net.connection import Connection
from rpclab.net.streams import WANTS_TOKEN, StreamWire
from rpclab.net.tls import server_context
from rpclab.net.unfinished import Unfinished
from rpclab.previews import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext
    from rpclab.net.connection import Wire
    from rpclab.net.limits import ServerLimits
    from rpclab.net.mains import Main
    from rpclab.net.tls import TLS
    from rpclab.rpc.engine import Engine

VISITOR = "visitor"
"""What peers that dialled in are called in recordings and tables, with a number."""

BACKLOG = 2048  # connections that wait to be accepted


class Sessions:
    """The sessions of peers that dialled in.

    Args:
        engine: runs what they call.
        limits: for each, and for all.

    Attributes:
        stopping: whether nobody new is let in.
        unfinished: what has come of messages of theirs that are not whole yet.
    """

    def __init__(self, engine: Engine, limits: ServerLimits) -> None:
        self.limits = limits
        self.stopping = False
        self.unfinished = Unfinished(limits.unfinished_bytes)
        self._engine = engine
        self._open: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    def refusal(self) -> str:
        """Why nobody more is let in; "" if that is not so."""
        if self.stopping:
            return STOPPING
        if len(self._open) >= self.limits.sessions:
            return FULL
        return ""

    def admit(
        self,
        wire: Wire,
        main: Main,
        here: ExecutionContext,
        codec: Any = MsgpackCodec,
        *,
        signs: bool = True,
    ) -> Connection:
        """Begin a session with a peer.

        Args:
            wire: carries it.
            main: makes what the peer reaches.
            here: the context that owns what it sends.
            codec: makes the codec.
            signs: whether the wire can ask for signs of life.

        Raises:
            DisconnectedError: nobody more is let in.
        """
        refusal = self.refusal()
        if refusal:
            raise broken(refusal)
        limits = self.limits
        connection = Connection(
            self._engine,
            wire,
            here=here,
            far=self._engine.unused(here.worker, f"{VISITOR} {self._engine.visitors()}"),
            codec=codec,
            main=main.hook(),
            limits=limits.session,
            unsent=limits.unsent_bytes,
            silence=limits.silence_seconds if signs else math.inf,
            idle=limits.idle_seconds,
        )
        self._open.add(connection)
        connection.on_end(lambda _: self._open.discard(connection))
        return connection

    async def stop(self) -> None:
        """Let nobody in, give the calls that are under way their time, and end all sessions."""
        self.stopping = True
        going = [asyncio.ensure_future(each.finish(STOPPING)) for each in self._open]
        if not going:
            return
        _, late = await asyncio.wait(going, timeout=self.limits.stop_seconds)
        for each in list(self._open):
            each.let_go(STOPPING)
        if late:
            await asyncio.wait(late)


class Listener:
    """Lets peers in at one address, until it is stopped.

    Attributes:
        address: where it is found; with the token, if there is one.
        token: what whoever dials must know; None if nothing.
    """

    def __init__(
        self,
        address: Address,
        main: Main,
        here: ExecutionContext,
        sessions: Sessions,
        *,
        token: str | None,
        tls: TLS,
    ) -> None:
        self._address = address
        self._main = main
        self._here = here
        self._sessions = sessions
        self.token = token
        self._tls = tls
        self._close: Callable[[], None] = _nothing
        self._wires: set[StreamWire] = set()

    @property
    def address(self) -> str:
        """Where it is found; with the token, if there is one."""
        return f"{self._address}" + asked_for(self.token)

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    async def start(self) -> None:
        """Listen from now on.

        Raises:
            OSError: the address is taken.
        """
        address = self._address
        if address.scheme == "memory":
            self._close = memory.listen(address.path, self._accept_memory)
            return
        refuse_in_browser(f"to listen at {address}", "sockets")
        loop = asyncio.get_running_loop()
        if address.scheme == "unix":
            path = Path(address.path)
            listening, made = _listen_at_path(path)
            server = await loop.create_unix_server(self._wire, sock=listening, backlog=BACKLOG)
            self._close = partial(_close_at_path, server, path, made)
        else:
            context = server_context(self._tls) if address.scheme == "tls" else None
            if address.scheme == "tls" and context is None:
                raise ValueError("tls: needs tls=, such as what rpclab.certificates(…) makes")
            limits = self._sessions.limits
            listening = listen(address.host, address.port)
            server = await loop.create_server(
                self._wire,
                sock=listening,
                ssl=context,
                backlog=BACKLOG,
                ssl_handshake_timeout=None if context is None else limits.head_seconds,
            )
            port = listening.getsockname()[1]
            self._address = Address(address.scheme, address.host, port)
            self._close = server.close

    def _wire(self) -> StreamWire:
        wire = StreamWire(
            {},
            dialled=None,
            greeted=self._greeted,
            most=self._sessions.limits.session.message_bytes,
        )
        wire.share = self._sessions.unfinished.share()
        wire.expect(self._sessions.limits.head_seconds)
        return wire

    def _greeted(self, wire: StreamWire, words: dict[str, Any]) -> Connection:
        self._check(words.get("token"))
        return self._sessions.admit(wire, self._main, self._here)

    def _accept_memory(self, wire: memory.MemoryWire, token: str | None) -> Connection:
        self._check(token)
        wire.connection = self._sessions.admit(wire, self._main, self._here)
        return wire.connection

    def _check(self, given: object) -> None:
        if self.token is None:
            return
        given = given if type(given) is str else ""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            raise DisconnectedError(WANTS_TOKEN)

    async def stop(self) -> None:
        """Let nobody in any more, and give the calls that are under way their time."""
        self._close()
        self._close = _nothing
        await self._sessions.stop()
        self._main.close()
        self._main = _over

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"<Listener at {self._address}, {len(self._sessions)} sessions>"


def token_for(
    address: Address, token: str | None, *, insecure: bool, tls: TLS = None
) -> str | None:
    """The token of a server: the one given; one that is made, where anybody could reach it.

    Where both ends show certificates, these are enough.
    """
    token = checked_token(token if token is not None else address.token)
    if token is not None or insecure or not address.host or is_loopback(address.host):
        return token
    context = server_context(tls)
    if context is not None and context.verify_mode == ssl.CERT_REQUIRED:
        return None
    return secrets.token_urlsafe(24)


def asked_for(token: str | None) -> str:
    """A token as it stands behind an address; "" for none."""
    return "" if token is None else f"?{urlencode({TOKEN: token})}"


def listen(host: str, port: int) -> socket.socket:
    """Make a socket that listens.

    Raises:
        TypeError, ValueError: the port is none.
        OSError: the address is taken, or none of this machine.
    """
    if type(port) is not int:
        raise TypeError(f"a port is a number, not {shown(repr(port))}")
    if not 0 <= port <= MOST_PORT:  # the system would take it modulo 65,536
        raise ValueError(f"a port is 0 to {MOST_PORT}, not {port}; 0 takes any that is free")
    listening = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # Only where the protocol is written down does asyncio send small pieces at once.
        listening = socket.socket(found[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(found[4])
        listening.listen(BACKLOG)
    except OSError as error:
        if listening is not None:
            listening.close()
        why = f"cannot listen on {host}:{port}: {error.strerror}"
        if isinstance(error, socket.gaierror):
            why += "; is the name of the machine spelt right?"
        elif error.errno == errno.EADDRNOTAVAIL:
            why += "; that is no address of this machine: 127.0.0.1 is, and 0.0.0.0 is all of them"
        else:
            why += "; port 0 takes any that is free"
        raise OSError(error.errno, why) from None
    return listening


def _listen_at_path(path: Path) -> tuple[socket.socket, os.stat_result]:
    """A socket in the file system, for its owner alone; one that nobody serves makes room.

    Returns:
        It, and what tells it from another one at that path.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _is_served(path):
            path.unlink()
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.listen(BACKLOG)
        made = path.stat()
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"cannot listen at {path}: {_why_not_at(path, error)}") from None
    return listening, made


def _why_not_at(path: Path, error: OSError) -> str:
    """Say what is in the way at a path, and what to do about it."""
    if error.errno != errno.EADDRINUSE:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return f"there is no folder {path.parent}: make it first"
        if error.errno is None:  # Python looks at the length itself
            length = len(os.fsencode(path))
            return f"{error}: it has {length} bytes, and about 100 are allowed; take a shorter one"
        return error.strerror or str(error)
    if path.is_socket():
        return "another server listens there: stop it, or take another path"
    if path.is_dir():
        return f"that is a folder: name a socket in it, such as {path / 'rpclab.sock'}"
    if path.is_symlink() and not path.exists():
        return "there is a link that leads nowhere: remove it, or take another path"
    return "there is a file, which is no socket: remove it if nobody needs it, or take another path"


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True


def _close_at_path(server: asyncio.Server, path: Path, made: os.stat_result) -> None:
    server.close()
    with contextlib.suppress(OSError):
        if os.path.samestat(path.stat(), made):  # another server may have taken its place
            path.unlink()


def _nothing() -> None:
    pass


class _Over:
    def hook(self) -> Any:
        raise RpcError("the server has stopped")

    def close(self) -> None:
        pass


_over = _Over()
