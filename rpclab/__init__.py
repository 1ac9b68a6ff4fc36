"""Workers RPC for Python: capabilities, promise pipelining, explicit lifetimes.

Several virtual Workers live in one process, each behind bindings; calls between them return
promises that can be called on before they resolve, and stubs that are disposed by name.
"""

from __future__ import annotations

from typing import Any

from rpclab.core.limits import Limits
from rpclab.core.targets import RpcTarget, surface
from rpclab.errors import (
    CallCancelledError,
    ContextEndedError,
    DataCloneError,
    DisconnectedError,
    DisposedError,
    LocalProtocolError,
    MessageTooLargeError,
    NoSuchMemberError,
    NotCallableError,
    ProtocolError,
    RemoteError,
    RemoteProtocolError,
    RpcError,
    UndisposedStubWarning,
    UnknownBindingError,
    UnknownEntrypointError,
)
from rpclab.rpc.deadlines import deadline
from rpclab.rpc.gathering import dispose, gather
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.rpc.sync import run
from rpclab.sandbox import Sandbox, binding
from rpclab.workers.context import wait_until
from rpclab.workers.entrypoints import WorkerEntrypoint

__all__ = [
    "CallCancelledError",
    "ContextEndedError",
    "DataCloneError",
    "DisconnectedError",
    "DisposedError",
    "Limits",
    "LocalProtocolError",
    "MessageTooLargeError",
    "NoSuchMemberError",
    "NotCallableError",
    "ProtocolError",
    "RemoteError",
    "RemoteProtocolError",
    "RpcError",
    "RpcPromise",
    "RpcProperty",
    "RpcStub",
    "RpcTarget",
    "Sandbox",
    "UndisposedStubWarning",
    "UnknownBindingError",
    "UnknownEntrypointError",
    "WorkerEntrypoint",
    "binding",
    "deadline",
    "dispose",
    "gather",
    "run",
    "surface",
    "wait_until",
]

__version__ = "0.1.0"


def load_ipython_extension(shell: Any) -> None:
    """Load the magics into IPython (`%load_ext rpclab`)."""
    from rpclab.notebook import extension  # noqa: PLC0415 - a script needs nothing of Jupyter

    extension.load_ipython_extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them out again (`%unload_ext rpclab`); the sandbox and its Workers go with them."""
    from rpclab.notebook import extension  # noqa: PLC0415

    extension.unload_ipython_extension(shell)
