"""The classes of a Worker whose methods others call.

Floor: whatif.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rpclab.core.targets import Exposed
from rpclab.workers.by_name import modules_of

if TYPE_CHECKING:
    from rpclab.workers.worker import Worker


def own_modules(worker: Worker) -> list[types.ModuleType]:
    """The module of a Worker, and those beside it that it has loaded."""
    beside = modules_of(worker.module)
    names = getattr(beside, "_ours", ())
    loaded = getattr(beside, "_modules", {})
    given: frozenset[str] = getattr(beside, "_given", frozenset())
    found = [loaded[name] for name in sorted(names) if name in loaded and name not in given]
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
