"""The module of a Worker: its code runs in a namespace of its own, with its own `workers`.

Floor: workers. `from workers import …` inside a Worker means `rpclab.workers`, and the modules
beside its main file are its own (see `rpclab.workers.imports`).
"""

from __future__ import annotations

import ast
import inspect
import linecache
import types
from typing import TYPE_CHECKING, Any

from rpclab.rpc.advice import advise
from rpclab.workers.imports import Imports, known

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from rpclab.workers.env import Env


def make_module(
    worker: str, env: Env, names: Mapping[str, Any], folder: str | PathLike[str] | None = None
) -> types.ModuleType:
    """Make the empty module of a Worker.

    Args:
        worker: its name; the module is called that.
        env: what `from workers import env` gives inside it.
        names: what else `workers` holds.
        folder: where the modules stand that the Worker brings along, if any.
    """
    workers = types.ModuleType("workers", "Workers RPC: see rpclab.workers.")
    vars(workers).update(names)
    workers.env = env  # type: ignore[attr-defined]
    module = types.ModuleType(worker)
    module.__dict__["__builtins__"] = Imports({"workers": workers}, folder).builtins
    return module


async def run_cell(module: types.ModuleType, source: str, filename: str) -> None:
    """Run the text of a cell in the module of a Worker, in which `await` may stand anywhere.

    Raises:
        Exception: whatever the text raises; SyntaxError where it is no Python.
    """
    _name(module, source, filename)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(source, filename, "exec", flags, dont_inherit=True)
    with known(module):
        result = eval(code, module.__dict__)  # noqa: S307 - running it is the point
        if inspect.iscoroutine(result):
            await result


def run_source(module: types.ModuleType, source: str, filename: str) -> None:
    """Run the text of a Worker in its module.

    Raises:
        Exception: whatever the text raises; SyntaxError where it is no Python.
    """
    _name(module, source, filename)
    # Else its annotations would be texts, as those of this module are, which breaks dataclasses.
    code = compile(source, filename, "exec", dont_inherit=True)
    try:
        with known(module):
            exec(code, module.__dict__)  # noqa: S102 - running it is the point
    except Exception as error:
        advise(error, worker=True)
        raise


def _name(module: types.ModuleType, source: str, filename: str) -> None:
    """Have a module know what it is made of."""
    if not filename.endswith(".py"):
        # So that tracebacks can show the text of code that is in no file.
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module.__file__ = filename
    module.__dict__["__source__"] = source
