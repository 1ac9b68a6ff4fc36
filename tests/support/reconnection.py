"""A server that comes and goes, on virtual time, and what dials it."""

from __future__ import annotations

import rpclab
from support.net import Api

ADDRESS = "memory:api"
STEADY = rpclab.Reconnect(first=1, factor=2, most=8, jitter=0, settled=100)
"""Pauses of 1, 2, 4, 8, 8, … seconds."""


class Place:
    """A server at one address, which the test starts, stops and cuts off.

    Attributes:
        api: what it serves.
        changes: what the connection has told of: states, or the number of an attempt.
    """

    def __init__(self) -> None:
        self.api = Api()
        self.server = None
        self.changes = []
        self.open = []

    async def start(self, main=None, **options):
        self.server = await rpclab.serve(main or self.api, ADDRESS, **options)

    async def stop(self):
        server, self.server = self.server, None
        if server is not None:
            await server.stop()

    def connect(self, policy=STEADY, **options):
        """Connect, and note what is told."""
        lasting = rpclab.connect(ADDRESS, reconnect=policy, **options)
        lasting.on_change(lambda it: self.changes.append(it.attempt or it.state))
        self.open.append(lasting)
        return lasting

    async def cut(self, lasting):
        """Cut the wire, as a cable that is pulled."""
        await lasting.cut()
