"""Cloudflare's names: what `from workers import …` gives inside a Worker.

Floor: workers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rpclab.core.targets import RpcTarget
from rpclab.errors import near
from rpclab.rpc.gathering import dispose, gather
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.workers.context import wait_until
from rpclab.workers.entrypoints import DurableObject, WorkerEntrypoint

if TYPE_CHECKING:
    from rpclab.rpc.streams import ReadableStream, WritableStream
    from rpclab.workers.http import Blob, File, FormData, Headers, Request, Response, fetch

waitUntil = wait_until  # noqa: N816 - the JavaScript spelling

LATER = {
    **dict.fromkeys(
        ("Blob", "File", "FormData", "Headers", "Request", "Response", "fetch"),
        "rpclab.workers.http",
    ),
    "ReadableStream": "rpclab.rpc.streams",
    "WritableStream": "rpclab.rpc.streams",
}
"""Where the names are that are loaded when somebody first uses them."""

NOT_HERE = {
    "WorkflowEntrypoint": "rpclab has no workflows; a Durable Object can keep the step it has"
    " reached, and go on with it when its alarm rings",
    "handler": "write class Default(WorkerEntrypoint) with async def fetch(self, request)",
    "import_from_javascript": "there is no JavaScript here; workers has what can be imported",
    "patch_env": "give the variables when the Worker is deployed",
    **dict.fromkeys(
        ("Body", "Context", "FetchKwargs", "FetchResponse", "FormDataValue", "JSBody"),
        "it is for annotations: import it only where typing.TYPE_CHECKING is true",
    ),
    **dict.fromkeys(
        ("python_from_rpc", "python_to_rpc"), "leave the call out: values cross as Python has them"
    ),
}
"""By a name of the platform that rpclab does not have, what to do."""

__all__ = [
    "Blob", "DurableObject", "File", "FormData", "Headers", "ReadableStream", "Request", "Response",
    "RpcPromise", "RpcProperty", "RpcStub", "RpcTarget", "WorkerEntrypoint", "WritableStream",
    "dispose", "fetch", "gather", "waitUntil", "wait_until",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in LATER:
        error = AttributeError(f"workers has no name {name!r}", name=name)
        if not name.startswith("__"):
            error.add_note(NOT_HERE.get(name) or near(name, __all__))
        raise error
    value = globals()[name] = getattr(import_module(LATER[name]), name)
    return value


def namespace() -> dict[str, Any]:
    """Give the contents of the module `workers` of one Worker."""
    there = {name: globals()[name] for name in __all__ if name in globals()}
    return there | {"__all__": __all__, "__getattr__": __getattr__}
