"""A caller and a Worker joined by a real socket, for tests that were written for one process."""

from __future__ import annotations

import asyncio
import socket

from websockets.protocol import OPEN, Protocol, Side

from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.net.codecs import MSGPACK
from rpclab.net.connection import Connection
from rpclab.net.streams import StreamWire
from rpclab.net.websocket import Messages, WebSocketWire
from rpclab.rpc.bindings import ServiceBinding
from rpclab.server.routes import OfWorker
from rpclab.workers.declarations import NOTEBOOK, BindingTarget, binding_target

LARGEST = 2**25


class Bytes(StreamWire):
    """One end of a byte stream, after the greetings."""

    def __init__(self, *, dialled) -> None:
        super().__init__({}, dialled=dialled, greeted=None, most=LARGEST)
        self._reader._begun = True
        self._reader.welcome()

    def belong(self, connection):
        self._connection = connection

    def connection_made(self, transport):
        transport.set_write_buffer_limits(high=2**18)


class Frames(WebSocketWire):
    """One end of a WebSocket, after the handshake."""

    def __init__(self, *, dialled) -> None:
        side = Side.CLIENT if dialled else Side.SERVER
        protocol = Protocol(side, state=OPEN, max_size=LARGEST)
        super().__init__(protocol, dialled=dialled, most=LARGEST)
        self._messages = Messages(MSGPACK)

    def belong(self, connection):
        self._messages.connection = connection

    def connection_made(self, transport):
        transport.set_write_buffer_limits(high=2**18)


def joined(sandbox, wire, target, number):
    """Bind an entrypoint across a socket. Gives both connections, that of the caller first."""
    loop = asyncio.get_running_loop()
    engine = sandbox.engine
    made = []
    worker = target.worker
    for end, dialled in zip(socket.socketpair(), (True, False), strict=True):
        end.setblocking(False)
        half = wire(dialled=dialled)
        # What a loop does itself once it has connected; a test binds without waiting.
        half._transport = loop._make_socket_transport(end, half)
        connection = Connection(
            engine,
            half,
            here=engine.keeper(NOTEBOOK if dialled else worker),
            far=f"{worker} ({number})" if dialled else f"caller ({number})",
            codec=MsgpackCodec,
            main=OfWorker(sandbox, target).hook(),
            limits=engine.limits,
        )
        half.belong(connection)
        made.append(connection)
    return made


class OverSockets:
    """Binds the entrypoints of a world across sockets.

    Args:
        world: whose bindings these are.
        wire: the kind of link.
    """

    def __init__(self, world, wire) -> None:
        self.connections = []
        self._late = {}
        self._bind = world.sandbox.bind
        self._sandbox = world.sandbox
        self._wire = wire
        world.bind = self.bind

    def bind(self, **bindings):
        for name, value in bindings.items():
            if isinstance(value, (str, BindingTarget)):
                self._bind(**{name: value})  # it is refused as ever
                self._late[name] = binding_target(value)
            else:
                self._bind(**{name: value})
        if asyncio._get_running_loop() is not None:
            self.join()
        return self._sandbox.env

    def join(self):
        """Connect what was bound. Gives the bindings, by the identity of those before."""
        replaced = {}
        for name, target in self._late.items():
            ends = joined(self._sandbox, self._wire, target, len(self.connections) // 2 + 1)
            self.connections += ends
            binding = ServiceBinding(ends[0].main.__handle__)
            replaced[id(self._sandbox.env[name])] = binding
            self._sandbox.env[name] = binding
        self._late.clear()
        return replaced

    async def close(self):
        for connection in self.connections:
            await connection.close()
