"""Workers RPC for Python: capabilities, promise pipelining, explicit lifetimes.

Several virtual Workers live in one process, each behind bindings; calls between them return
promises that can be called on before they resolve, and stubs that are disposed by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rpclab import workers
from rpclab.core.limits import Limits
from rpclab.core.targets import RpcTarget
from rpclab.errors import (
    CallCancelledError,
    ConfigError,
    ConfigWarning,
    ContextEndedError,
    D1Error,
    DataCloneError,
    DisconnectedError,
    DisposedError,
    KVError,
    LocalProtocolError,
    MessageTooLargeError,
    NoSuchMemberError,
    NotCallableError,
    ObjectElsewhereError,
    OverloadedError,
    ProtocolError,
    RecordingError,
    RemoteError,
    RemoteProtocolError,
    RpcError,
    StreamClosedError,
    StreamLockedError,
    UndisposedStubWarning,
    UnknownBindingError,
    UnknownEntrypointError,
)
from rpclab.rpc.deadlines import deadline
from rpclab.rpc.gathering import dispose, gather
from rpclab.rpc.looking import surface
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.rpc.sync import run
from rpclab.sandbox import Sandbox, binding
from rpclab.workers import LATER
from rpclab.workers.context import wait_until
from rpclab.workers.entrypoints import DurableObject, WorkerEntrypoint
from rpclab.workers.objects.namespace import objects

if TYPE_CHECKING:
    from rpclab.net.backoff import Reconnect
    from rpclab.net.connecting import connect
    from rpclab.net.limits import ServerLimits
    from rpclab.net.tls import certificates
    from rpclab.placement.declared import dask, processes
    from rpclab.rpc.streams import ReadableStream, WritableStream
    from rpclab.server.application import asgi
    from rpclab.server.mains import serve
    from rpclab.whatif.comparing import replay
    from rpclab.whatif.scrubbing import scrub
    from rpclab.workers.http import Blob, Headers, Request, Response, fetch
    from rpclab.workers.storage.leased_namespace import SharedObjects
    from rpclab.workers.storage.limits import D1Limits, ObjectLimits

__all__ = [
    "Blob",
    "CallCancelledError",
    "ConfigError",
    "ConfigWarning",
    "ContextEndedError",
    "D1Error",
    "D1Limits",
    "DataCloneError",
    "DisconnectedError",
    "DisposedError",
    "DurableObject",
    "Headers",
    "KVError",
    "Limits",
    "LocalProtocolError",
    "MessageTooLargeError",
    "NoSuchMemberError",
    "NotCallableError",
    "ObjectElsewhereError",
    "ObjectLimits",
    "OverloadedError",
    "ProtocolError",
    "ReadableStream",
    "Reconnect",
    "RecordingError",
    "RemoteError",
    "RemoteProtocolError",
    "Request",
    "Response",
    "RpcError",
    "RpcPromise",
    "RpcProperty",
    "RpcStub",
    "RpcTarget",
    "Sandbox",
    "ServerLimits",
    "SharedObjects",
    "StreamClosedError",
    "StreamLockedError",
    "UndisposedStubWarning",
    "UnknownBindingError",
    "UnknownEntrypointError",
    "WorkerEntrypoint",
    "WritableStream",
    "asgi",
    "binding",
    "certificates",
    "connect",
    "dask",
    "deadline",
    "dispose",
    "fetch",
    "gather",
    "objects",
    "processes",
    "replay",
    "run",
    "scrub",
    "serve",
    "surface",
    "wait_until",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # What not every program needs is loaded when it is first used.
    if name in _ELSEWHERE:
        value = getattr(import_module(_ELSEWHERE[name]), name)
    elif name in __all__ and name in LATER:
        value = getattr(workers, name)
    else:
        raise AttributeError(f"module 'rpclab' has no attribute {name!r}", name=name)
    globals()[name] = value
    return value


_ELSEWHERE = {
    "D1Limits": "rpclab.workers.storage.limits",
    "ObjectLimits": "rpclab.workers.storage.limits",
    "Reconnect": "rpclab.net.backoff",
    "ServerLimits": "rpclab.net.limits",
    "SharedObjects": "rpclab.workers.storage.leased_namespace",
    "asgi": "rpclab.server.application",
    "certificates": "rpclab.net.tls",
    "connect": "rpclab.net.connecting",
    "dask": "rpclab.placement.declared",
    "processes": "rpclab.placement.declared",
    "replay": "rpclab.whatif.comparing",
    "scrub": "rpclab.whatif.scrubbing",
    "serve": "rpclab.server.mains",
}


def load_ipython_extension(shell: Any) -> None:
    """Load the magics into IPython (`%load_ext rpclab`)."""
    from rpclab.notebook import extension  # noqa: PLC0415 - a script needs nothing of Jupyter

    extension.load_ipython_extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them out again (`%unload_ext rpclab`); the sandbox and its Workers go with them."""
    from rpclab.notebook import extension  # noqa: PLC0415

    extension.unload_ipython_extension(shell)
