"""The modules that Cloudflare's Python gives beside `workers`: `js`, `pyodide`, `asgi`, `wsgi`.

Floor: workers. There Python runs inside JavaScript, and these lead to it. Here is no JavaScript:
they have what a Worker needs that rpclab can run, so that it need not be changed, and say of the
rest what takes its place.
"""

from __future__ import annotations

import types
from importlib import import_module

from rpclab.codecs.records import register_late

MODULES = {
    "asgi": "rpclab.workers.platform.asgi",
    "js": "rpclab.workers.platform.js",
    "pyodide": "rpclab.workers.platform.pyodide",
    "pyodide.ffi": "rpclab.workers.platform.ffi",
    "pyodide.http": "rpclab.workers.platform.http",
    "workers.asgi": "rpclab.workers.platform.asgi",
    "workers.wsgi": "rpclab.workers.platform.wsgi",
}
"""By the name in a Worker, where they are here."""

# What was stored by one program is read by another, which may not have loaded it.
register_late(lambda: import_module(MODULES["pyodide.ffi"]))


def make(name: str) -> types.ModuleType:
    """Make one of them for a Worker, which may change it as it likes."""
    ours = import_module(MODULES[name])
    module = types.ModuleType(name, ours.__doc__)
    public = getattr(ours, "__all__", ())
    vars(module).update({key: getattr(ours, key) for key in public})
    module.__all__ = list(public)  # type: ignore[attr-defined]
    module.__getattr__ = ours.__getattr__  # type: ignore[method-assign]
    if any(other.startswith(f"{name}.") for other in MODULES):
        module.__path__ = []
    return module
