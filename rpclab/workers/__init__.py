"""Cloudflare's names: what `from workers import …` gives inside a Worker.

Floor: workers.
"""

from __future__ import annotations

from rpclab.core.targets import RpcTarget
from rpclab.rpc.gathering import dispose, gather
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.workers.context import wait_until
from rpclab.workers.entrypoints import WorkerEntrypoint

waitUntil = wait_until  # noqa: N816 - the JavaScript spelling

__all__ = [
    "RpcPromise", "RpcProperty", "RpcStub", "RpcTarget", "WorkerEntrypoint", "dispose", "gather",
    "waitUntil", "wait_until",
]  # fmt: skip
