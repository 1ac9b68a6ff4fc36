"""Streams to another program: what waits for the socket is bounded, however wide the window is."""

from __future__ import annotations

import asyncio

import pytest
from support.real_time import until

import rpclab
from rpclab.core.flow import MOST_QUEUED

PIECE = 64 * 1024
PIECES = 400  # more than any socket of this machine takes in


def wires_of(server):
    """What carries the sessions of a server."""
    sessions = server.application.sessions if hasattr(server, "application") else server._sessions
    return [connection._wire for connection in sessions._open]


@pytest.mark.parametrize("place", ["unix", "tcp", "tls", "ws", "wss", "capnweb"], indirect=True)
async def test_a_stream_waits_at_its_source_while_the_socket_takes_no_more(place):
    pulled = 0

    def pieces():
        nonlocal pulled
        while pulled < PIECES:
            pulled += 1
            yield bytes(PIECE)

    async with place.serve() as server:
        connection = await place.connect(server)
        assert await connection.main.hello("x") == "Hello, x"
        uplink = connection.session.uplink
        uplink.found = PIECE * PIECES  # as over a very far way
        [wire] = wires_of(server)
        wire.transport.pause_reading()
        total = connection.main.total(rpclab.ReadableStream(pieces()))
        await until(lambda: uplink.queued >= MOST_QUEUED)
        before = 0
        while before != pulled:  # TLS has buffers of its own, and the kernel some
            before = pulled
            for _ in range(100):
                await asyncio.sleep(0)
        assert pulled < PIECES
        # Base64, which Cap'n Web has for bytes, makes them a third more.
        assert connection._wire.unsent() <= MOST_QUEUED + 2 * PIECE
        wire.transport.resume_reading()
        assert await total == PIECE * PIECES
        await connection.close()
