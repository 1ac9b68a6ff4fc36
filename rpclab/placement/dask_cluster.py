"""The nodes of a Dask cluster (dask.distributed), or of one that is started on this machine.

Floor: sandbox. Needs the extra rpclab[dask]. Dask says which nodes there are, runs an agent on
each (`dask_task`), and knows when one is gone; nothing of what Workers say to one another goes
through it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rpclab.errors import PlacementError
from rpclab.net.tls import Authority
from rpclab.placement.boot import booting
from rpclab.placement.dask_here import HERE
from rpclab.placement.dask_task import run_agent
from rpclab.placement.nodes import THREAD, Place

try:
    from distributed import Client, Security
except ModuleNotFoundError as missing:
    raise ImportError("a Dask cluster needs the extra rpclab[dask]") from missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpclab.placement.declared import DaskCluster

_PATIENCE = 10.0  # seconds in which a scheduler answers
_KNOWS = 1.0  # seconds in which it says whether a worker is gone
_STARTS = 60.0  # seconds in which a program of a cluster here comes up
_ENDS = 5.0  # seconds in which it ends, before it is killed


def _is_not_ours(record: logging.LogRecord) -> bool:
    """Whether a record of Dask is not of the client here: what that meets, we tell ourselves."""
    return record.threadName != THREAD


for _part in ("client", "comm", "core", "utils"):
    logging.getLogger(f"distributed.{_part}").addFilter(_is_not_ours)


class DaskLauncher:
    """Runs agents on the workers of a Dask cluster, each of which is a node.

    Args:
        cluster: which one.
    """

    def __init__(self, cluster: DaskCluster) -> None:
        self.far = cluster.address is not None
        self._cluster = cluster
        self._client: Client | None = None
        self._address = cluster.address or ""
        self._here = LocalDask(cluster.nodes) if cluster.address is None else None

    async def open(self) -> str:
        if self._client is not None and self._client.status != "running":
            await self._leave()
        if self._here is not None:
            self._address = await self._here.open()
        if self._client is None:
            security = self._cluster.security if self._here is None else self._here.security
            options = {} if security is None else {"security": security}
            client = Client(
                self._address,
                asynchronous=True,
                set_as_default=False,
                name="rpclab",
                timeout=_PATIENCE,
                **options,
            )
            try:
                await client
            except (OSError, TimeoutError, ValueError) as error:
                with suppress(Exception):
                    await client._close(fast=True)
                raise PlacementError(
                    f"no Dask scheduler answers at {self._address}: {error}"
                ) from error
            self._client = client
        if self._here is not None:
            return HERE
        return self._cluster.host or _facing(self._address)

    async def places(self) -> list[Place]:
        workers = await self._workers()
        return [
            Place(
                address,
                str(worker["name"]),
                str(worker.get("host") or urlsplit(address).hostname),
                worker.get("nthreads"),
            )
            for address, worker in workers.items()
            if worker.get("status", "running") in ("running", "init")
        ]

    async def _workers(self) -> Mapping[str, Any]:
        if self._client is None:
            raise PlacementError("there is no connection to Dask")
        try:
            identity = await asyncio.wait_for(
                self._client.scheduler.identity(n_workers=-1), _PATIENCE
            )
        except (OSError, TimeoutError, AttributeError) as error:
            raise PlacementError(
                f"the Dask scheduler at {self._address} does not answer: {error}"
            ) from error
        found: Mapping[str, Any] = identity["workers"]
        return found

    async def run(self, key: str, errand: str) -> str:
        if self._client is None:
            return "there is no connection to Dask"
        future = self._client.submit(
            run_agent, errand, workers=[key], allow_other_workers=False, pure=False, retries=0
        )
        try:
            return str(await future)
        except asyncio.CancelledError:
            if not future.cancelled():
                raise
            return "Dask has given the task of the agent up"
        except Exception as error:
            return f"Dask could not run the agent there: {type(error).__name__}: {error}"
        finally:
            with suppress(Exception):
                future.release()

    async def why_lost(self, key: str) -> str:
        gone = f"the Dask scheduler at {self._address} is gone"
        if self._client is None or self._client.status != "running":
            return gone
        try:
            async with asyncio.timeout(_KNOWS):
                workers = await self._workers()
        except (TimeoutError, PlacementError):
            return gone
        return "" if key in workers else f"the Dask worker {key} is gone"

    async def close(self) -> None:
        await self._leave()
        if self._here is not None:
            await self._here.close()

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await asyncio.wait_for(client._close(fast=True), _ENDS)


class LocalDask:
    """A Dask cluster of processes on this machine, over TLS.

    Args:
        nodes: how many workers it has.
    """

    def __init__(self, nodes: int) -> None:
        self._count = nodes
        self._settings = _settings()
        self._scheduler: asyncio.subprocess.Process | None = None
        self._address = ""
        self._workers: dict[int, asyncio.subprocess.Process] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def security(self) -> Security:
        """What a client of it shows."""
        return Security(require_encryption=True, **self._settings)

    async def open(self) -> str:
        """Start what does not run. Gives the address of the scheduler.

        Raises:
            PlacementError: it does not come up.
        """
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="rpclab-dask-")
        if self._scheduler is None or self._scheduler.returncode is not None:
            for worker in self._workers.values():
                await _end(worker)
            self._workers.clear()
            self._scheduler, self._address = await self._start(None, "scheduler")
        gone = [
            number
            for number in range(self._count)
            if number not in self._workers or self._workers[number].returncode is not None
        ]
        started = await asyncio.gather(
            *[self._start(self._address, f"node-{number}") for number in gone]
        )
        for number, (process, _) in zip(gone, started, strict=True):
            self._workers[number] = process
        return self._address

    async def _start(
        self, scheduler: str | None, name: str
    ) -> tuple[asyncio.subprocess.Process, str]:
        process = await asyncio.create_subprocess_exec(
            *booting("dask_here"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            process_group=0,  # what the terminal interrupts is the sandbox's business
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker, as the next
        assert process.stdout is not None  # noqa: S101
        folder = self._folder.name if self._folder is not None else None
        said = {
            "parent": os.getpid(), "scheduler": scheduler, "name": name, "folder": folder,
            "cores": max(1, (os.cpu_count() or 1) // self._count), "security": self._settings,
        }  # fmt: skip
        process.stdin.write(json.dumps(said).encode() + b"\n")
        try:
            address = await asyncio.wait_for(process.stdout.readline(), _STARTS)
        except TimeoutError:
            address = b""
        if not address:
            await _end(process)
            raise PlacementError(f"the {name} of a Dask cluster here did not come up")
        return process, address.decode("ascii").strip()

    async def close(self) -> None:
        """End it."""
        programs = [*self._workers.values(), *([self._scheduler] if self._scheduler else [])]
        await asyncio.gather(*map(_end, programs))
        self._workers.clear()
        self._scheduler = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program of a cluster here; what it has started ends with it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _ENDS)


def _settings() -> dict[str, str]:
    """An authority for a cluster here, and certificates for its programs: settings of Dask."""
    authority = Authority()
    issued = authority.issue(HERE)
    found = {"tls_ca_file": authority.text}
    for role in ("scheduler", "worker", "client"):
        found[f"tls_{role}_cert"] = issued.cert_chain_pems[0].bytes().decode("ascii")
        found[f"tls_{role}_key"] = issued.private_key_pem.bytes().decode("ascii")
    return found


def _facing(address: str) -> str:
    """The address of this machine from which it reaches a scheduler."""
    parts = urlsplit(address)
    host, port = parts.hostname or HERE, parts.port or 8786
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(found[0], socket.SOCK_DGRAM) as probe:
            probe.connect(found[4])  # nothing is sent
            here: str = probe.getsockname()[0]
            return here
    except OSError as error:
        raise PlacementError(
            f"the Dask scheduler at {address} cannot be reached: {error}"
        ) from error
