"""The classes of a Worker whose methods others call.

Floor: whatif.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rpclab.core.targets import Exposed
from rpclab.workers.imports import modules_of

if TYPE_CHECKING:
    from rpclab.workers.worker import Worker


_STAND_IN = "def stand_in(*args, **kwargs): return function(*args, **kwargs)\n"


def in_place_of(function: Any, other: Any) -> Any:
    """Let a function stand for a method: what asks for its signature, or its file, hears of that.

    Args:
        function: ours.
        other: the method.

    Returns:
        What takes the place of the method.
    """
    code = getattr(other, "__code__", None)
    if code is None:
        return functools.update_wrapper(function, other)
    # What it raises is told to be raised at the line where the method begins.
    text = "\n" * (code.co_firstlineno - 1) + _STAND_IN
    names = {"function": function}
    exec(compile(text, code.co_filename, "exec", dont_inherit=True), names)  # noqa: S102 - our text
    return functools.update_wrapper(names["stand_in"], other)


def own_modules(worker: Worker) -> list[types.ModuleType]:
    """The module of a Worker, and those beside it that it has loaded."""
    beside = modules_of(worker.module)
    loaded: dict[str, types.ModuleType] = getattr(beside, "_modules", {})
    platform: set[str] = getattr(beside, "_ours", set())
    found = [loaded[name] for name in sorted(loaded) if name not in platform]
    return [worker.module, *found]


def exposed_classes(worker: Worker) -> Iterator[type]:
    """The classes of targets, entrypoints and objects that its own code defines, each once."""
    seen: set[int] = set()
    modules = own_modules(worker)
    names = {module.__name__ for module in modules}
    exported = {*worker.exports.values(), *worker.objects.values()}
    for value in [*worker.exports.values(), *worker.objects.values(), *_values(modules)]:
        if not isinstance(value, type) or not issubclass(value, Exposed) or id(value) in seen:
            continue
        seen.add(id(value))
        if value in exported or value.__module__ in names:
            yield value


def _values(modules: list[types.ModuleType]) -> list[object]:
    return [value for module in modules for value in vars(module).values()]
