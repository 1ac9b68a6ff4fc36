"""A child: rpyc over TCP of this machine. Its server has a thread, as it wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rpyc
from rpyc.utils.server import ThreadedServer

from benchmarks.child import GROUP, Figures, answer, rates


class Target(rpyc.Service):
    def exposed_add(self, a: int, b: int) -> int:
        return a + b


@contextmanager
def connected() -> Iterator[Any]:
    server = ThreadedServer(Target, hostname="127.0.0.1", port=0)
    server.listener.listen()  # its thread may come to that too late
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    connection = rpyc.connect("127.0.0.1", server.port)
    yield connection.root
    connection.close()
    server.close()


async def socket_burst(seconds: float) -> Figures:
    with connected() as root:
        add = rpyc.async_(root.add)

        async def step() -> None:
            for result in [add(1, 2) for _ in range(GROUP)]:
                assert result.value == 3

        return await rates({"rpyc": step}, operations=GROUP, seconds=seconds)


async def socket_sequential(seconds: float) -> Figures:
    with connected() as root:
        add = root.add

        async def step() -> None:
            for _ in range(GROUP):
                assert add(1, 2) == 3

        return await rates({"rpyc": step}, operations=GROUP, seconds=seconds)


if __name__ == "__main__":
    answer({"socket_burst": socket_burst, "socket_sequential": socket_sequential})
