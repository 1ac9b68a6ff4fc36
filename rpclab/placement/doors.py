"""How the two ends of a way meet where they are on different nodes: one dials, the other listens.

Floor: sandbox. The sandbox introduces them: it gives both a secret that is good for once, and tells
each whom to expect. Both show certificates of the sandbox's authority. Whoever dials checks that it
talks to the host that it was told of; whoever listens checks the secret, and whose certificate came
with it. So a host reaches only those whom the sandbox has introduced it to, also when it has the
address of another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from rpclab.errors import RemoteProtocolError
from rpclab.placement.identities import Identity, dialling, listening, named, peer_of

if TYPE_CHECKING:
    import socket

    from rpclab.placement.engine import Record

SECRET = 32
"""How many bytes a secret has; it is the first that whoever dials says."""

PATIENCE = 10.0
"""Seconds within which the two ends have to meet."""

_MOST_CALLERS = 256  # who may stand at the door of whom it is not known who they are


class Carried(Protocol):
    """A wire as a door needs it (see `ways.PlacedWire`)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can send from now on."""

    def data_received(self, data: bytes) -> None:
        """Take what came."""


async def dial(words: Record, own: Identity | None, wire: Callable[[], Any]) -> None:
    """Connect to a host that was introduced.

    Args:
        words: as of `cluster.ClusterEngine.join`.
        own: who this program is, where the words do not say that.
        wire: gives the protocol that is to speak; it says the secret first.

    Raises:
        OSError: nobody answers there, or somebody else does.
        TimeoutError: no answer came in time.
        RemoteProtocolError: the words say nothing of the kind.
    """
    match words:
        case {"dial": [str(host), int(port)], "name": str(name)}:
            pass
        case _:
            raise RemoteProtocolError("the words do not say where to dial")
    given = words.get("identity")
    identity = Identity(*given) if given is not None else own
    if identity is None:
        raise RemoteProtocolError("the words do not say as whom to dial")
    async with asyncio.timeout(PATIENCE):
        await asyncio.get_running_loop().create_connection(
            wire, host, port, ssl=dialling(identity), server_hostname=named(name)
        )


class Door:
    """Where a host lets those in whom the sandbox has introduced.

    Args:
        identity: of the host.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._expected: dict[bytes, tuple[str, Carried]] = {}
        self._callers: set[_Caller] = set()
        self._early: dict[tuple[bytes, str], _Caller] = {}
        self._server: asyncio.Server | None = None

    async def open(self, listener: socket.socket) -> None:
        """Listen.

        Args:
            listener: the socket; owned from now on.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            partial(_Caller, self),
            sock=listener,
            ssl=listening(self.identity),
            ssl_handshake_timeout=PATIENCE,
        )

    def expect(self, secret: bytes, name: str, wire: Carried, late: Callable[[], None]) -> None:
        """Somebody is going to dial.

        Args:
            secret: what they say first; it is good for once.
            name: whose certificate they show. Whoever says the secret and shows another one is
                turned away, and this one is expected all the same.
            wire: carries on from there.
            late: is called when that one has not come in time.
        """
        early = self._early.pop((secret, named(name)), None)
        if early is not None:
            early.meet(wire)
            return
        expected = self._expected[secret] = (named(name), wire)

        def look() -> None:
            if self._expected.get(secret) is expected:
                del self._expected[secret]
                late()

        asyncio.get_running_loop().call_later(PATIENCE, look)

    def _comes(self, caller: _Caller) -> bool:
        """Somebody has dialled. Says whether there is room."""
        if len(self._callers) >= _MOST_CALLERS:
            return False
        self._callers.add(caller)
        return True

    def _knocks(self, caller: _Caller, secret: bytes, name: str) -> None:
        """Somebody has said a secret, and shown a certificate.

        One who is not meant by the secret does not use it up: the one who is may still come.
        """
        if secret in self._expected:
            expected, wire = self._expected[secret]
            if name != expected:
                caller.turn_away()
                return
            del self._expected[secret]
            caller.meet(wire)
        elif (secret, name) in self._early:
            caller.turn_away()
        else:
            # The sandbox tells us by another way, which may be slower.
            self._early[secret, name] = caller

    def _goes(self, caller: _Caller) -> None:
        """It is known who that is, or it has gone."""
        self._callers.discard(caller)
        for known, early in list(self._early.items()):
            if early is caller:
                del self._early[known]


class _Caller(asyncio.Protocol):
    """Somebody who has dialled, until it is known who it is."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._said = bytearray()
        self._transport: asyncio.Transport
        self._late: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._late = asyncio.get_running_loop().call_later(PATIENCE, self.turn_away)
        if not self._door._comes(self):
            self.turn_away()

    def data_received(self, data: bytes) -> None:
        begun = len(self._said) >= SECRET
        self._said += data
        if len(self._said) >= SECRET and not begun:
            self._transport.pause_reading()
            name = peer_of(self._transport.get_extra_info("peercert"))
            self._door._knocks(self, bytes(self._said[:SECRET]), name)

    def meet(self, wire: Carried) -> None:
        """It is who was announced."""
        self._late.cancel()
        self._door._goes(self)
        self._transport.set_protocol(cast("asyncio.BaseProtocol", wire))
        wire.connection_made(self._transport)
        rest = bytes(self._said[SECRET:])
        if rest:
            wire.data_received(rest)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def turn_away(self) -> None:
        """It was not introduced."""
        self._late.cancel()
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._late.cancel()
        self._door._goes(self)
