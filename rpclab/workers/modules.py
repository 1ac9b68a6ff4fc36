"""The module of a Worker: its code runs in a namespace of its own, with its own `workers`.

Floor: workers. `from workers import …` inside a Worker means `rpclab.workers`, through an import
function in that module's builtins; `sys.modules` is left alone, so a user's workers.py is safe.
"""

from __future__ import annotations

import builtins
import linecache
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpclab.workers.env import Env


def make_module(worker: str, env: Env, names: Mapping[str, Any]) -> types.ModuleType:
    """Make the empty module of a Worker.

    Args:
        worker: its name; the module is called that.
        env: what `from workers import env` gives inside it.
        names: what else `workers` holds.
    """
    workers = types.ModuleType("workers", "Workers RPC: see rpclab.workers.")
    vars(workers).update(names)
    workers.env = env  # type: ignore[attr-defined]

    def import_(
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> types.ModuleType:
        if name == "workers" and level == 0:
            return workers
        return builtins.__import__(name, globals, locals, fromlist, level)

    module = types.ModuleType(worker)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_}
    return module


def run_source(module: types.ModuleType, source: str, filename: str) -> None:
    """Run the text of a Worker in its module.

    Raises:
        Exception: whatever the text raises; SyntaxError where it is no Python.
    """
    if not filename.endswith(".py"):
        # So that tracebacks can show the text of code that is in no file.
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module.__file__ = filename
    exec(compile(source, filename, "exec"), module.__dict__)  # noqa: S102 - running it is the point
