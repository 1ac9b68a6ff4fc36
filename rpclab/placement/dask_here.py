"""A program of a Dask cluster on this machine: its scheduler, or one of its workers.

Floor: sandbox. The sandbox starts both (see `dask_cluster`), and says on one line of JSON on stdin
what they are. A program of our own, because those that `LocalCluster` starts run the user's script
anew, and outlive a kernel that is killed: these end when stdin does, and with their parent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from typing import Any, NoReturn

from rpclab.placement.orphans import die_with_parent

HERE = "127.0.0.1"


def main() -> NoReturn:
    """Be what stdin says, for the process whose id it gives."""
    said = json.loads(sys.stdin.buffer.readline())
    die_with_parent(said["parent"], signal.SIGKILL)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    asyncio.run(_serve(said))
    os._exit(0)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


async def _serve(said: dict[str, Any]) -> None:
    import dask  # noqa: PLC0415 - an extra, and half a second
    from distributed import Scheduler, Worker  # noqa: PLC0415
    from distributed.security import Security  # noqa: PLC0415

    security = Security(require_encryption=True, **said["security"])
    common: dict[str, Any] = {
        "host": HERE, "protocol": "tls", "security": security, "dashboard": False,
        "dashboard_address": f"{HERE}:0",
    }  # fmt: skip
    # Its pages are for everybody on the machine, and nobody asks for them.
    routes: dict[str, Any] = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with dask.config.set(routes):
        program: Any
        if said["scheduler"] is None:
            program = Scheduler(port=0, **common)
        else:
            program = Worker(
                said["scheduler"],
                name=said["name"],
                nthreads=said["cores"],
                memory_limit=0,
                local_directory=said["folder"],
                **common,
            )
        async with program:
            sys.stdout.write(f"{program.address}\n")
            sys.stdout.flush()
            await program.finished()
