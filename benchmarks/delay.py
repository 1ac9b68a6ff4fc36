"""A far connection: a process through which bytes take their time.

`async with delayed(port, seconds) as far` forwards a port of this machine; either direction takes
half of that round trip. Only what is under way is bounded, so it is the sender's window that shows.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MOST = 64 * 2**20  # bytes under way in a direction


@asynccontextmanager
async def delayed(port: int, round_trip: float) -> AsyncIterator[int]:
    command = (sys.executable, "-m", "benchmarks.delay", str(port), str(round_trip))
    forwarding = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert forwarding.stdout is not None
    try:
        yield int(await forwarding.stdout.readline())
    finally:
        forwarding.kill()
        await forwarding.wait()


class Side(asyncio.Protocol):
    """One of two connections; what it reads is written to the other later."""

    def __init__(self, delay: float) -> None:
        self.other: Side | None = None
        self.transport: asyncio.Transport | None = None
        self._delay = delay
        self._under_way: deque[bytes] = deque()
        self._bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=MOST)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._under_way.append(data)
        self._bytes += len(data)
        if self._bytes > MOST and self.transport is not None:
            self.transport.pause_reading()
        asyncio.get_running_loop().call_later(self._delay, self._deliver)

    def _deliver(self) -> None:
        data = self._under_way.popleft()
        self._bytes -= len(data)
        if self.transport is not None and self._bytes < MOST:
            self.transport.resume_reading()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            asyncio.get_running_loop().call_later(2 * self._delay, self.other.transport.close)


async def forward(port: int, round_trip: float) -> None:
    loop = asyncio.get_running_loop()

    class Arriving(Side):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.leaving = Side(self._delay)
            self.leaving.other, self.other = self, self.leaving
            assert self.transport is not None
            self.transport.pause_reading()
            self.dialling = loop.create_task(self._dial())

        async def _dial(self) -> None:
            await loop.create_connection(lambda: self.leaving, "127.0.0.1", port)
            if self.transport is not None:
                self.transport.resume_reading()

    server = await loop.create_server(lambda: Arriving(round_trip / 2), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(forward(int(sys.argv[1]), float(sys.argv[2])))
