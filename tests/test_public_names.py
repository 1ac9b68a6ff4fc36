"""What `import rpclab` gives, and what it does not load."""

import subprocess
import sys

import pytest

import rpclab

NAMES = [
    "D1Limits",
    "DurableObject",
    "Blob",
    "Headers",
    "Limits",
    "ObjectLimits",
    "ReadableStream",
    "Reconnect",
    "Request",
    "Response",
    "RpcPromise",
    "RpcProperty",
    "RpcStub",
    "RpcTarget",
    "Sandbox",
    "ServerLimits",
    "SharedObjects",
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
ERRORS = [
    "CallCancelledError",
    "ConfigError",
    "ContextEndedError",
    "D1Error",
    "DataCloneError",
    "DisconnectedError",
    "DisposedError",
    "KVError",
    "LocalProtocolError",
    "MessageTooLargeError",
    "NoSuchMemberError",
    "NotCallableError",
    "ObjectElsewhereError",
    "OverloadedError",
    "ProtocolError",
    "RecordingError",
    "RemoteError",
    "RemoteProtocolError",
    "RpcError",
    "StreamClosedError",
    "StreamLockedError",
    "UnknownBindingError",
    "UnknownEntrypointError",
]
WARNINGS = ["ConfigWarning", "UndisposedStubWarning"]
NOT_YET = [
    "asgi_app",
]
NOT_LOADED = [
    "rpclab.config",
    "rpclab.typegen",
    "IPython",
    "anywidget",
    "httpx",
    "ipykernel",
    "ipywidgets",
    "multidict",
    "nest_asyncio2",
    "numpy",
    "python_multipart",
    "sqlite3",
    "ada_url",
    "distributed",
    "pathlib",
    "tempfile",
    "urllib.parse",
]


def test_the_public_names_are_these():
    assert sorted(rpclab.__all__) == sorted(NAMES + ERRORS + WARNINGS)


@pytest.mark.parametrize("name", NAMES + ERRORS + WARNINGS)
def test_a_public_name_exists(name):
    assert getattr(rpclab, name) is not None


@pytest.mark.parametrize("name", NOT_YET)
def test_a_name_that_is_not_built_yet_does_not_exist(name):
    assert not hasattr(rpclab, name)


def test_every_error_derives_from_rpc_error():
    assert all(issubclass(getattr(rpclab, name), rpclab.RpcError) for name in ERRORS)


def test_import_loads_nothing_of_jupyter():
    program = f"import sys, rpclab; print(*sorted(sys.modules.keys() & {set(NOT_LOADED)}))"
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout.split() == []
