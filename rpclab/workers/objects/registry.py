"""All namespaces of Durable Objects of a sandbox.

Floor: workers. Loaded by those who have some: it stands on SQLite.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rpclab.workers.objects.namespace import DurableObjectNamespace
from rpclab.workers.objects.running_class import RunningClass
from rpclab.workers.storage.limits import OBJECT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rpclab.rpc.engine import Engine
    from rpclab.workers.objects.live_object import LiveObject
    from rpclab.workers.objects.namespace import ObjectsTarget
    from rpclab.workers.storage.leased_namespace import SharedObjects
    from rpclab.workers.storage.limits import ObjectLimits
    from rpclab.workers.worker import Worker


class ObjectRegistry:
    """All namespaces of a sandbox.

    Args:
        engine: what they run on.
        find: gives the present version of a Worker, or raises that there is none.
        folder: where they are stored; None keeps all in memory.
        limits: bounds of all objects; the platform's unless given.
        shared: where they are stored that several nodes may host, instead of a folder.
    """

    def __init__(
        self,
        engine: Engine,
        find: Callable[[str], Worker],
        folder: Path | None,
        limits: ObjectLimits | None = None,
        shared: SharedObjects | None = None,
    ) -> None:
        self._shared = None if shared is None else (shared, shared.open())
        self._limits = limits or OBJECT_LIMITS
        self._engine = engine
        self._find = find
        self._folder = folder
        self._classes: dict[tuple[str, str], RunningClass] = {}

    def running_class(self, worker: str, class_name: str) -> RunningClass:
        """The namespace of a class."""
        found = self._classes.get((worker, class_name))
        if found is None:
            find = partial(self._find, worker)
            found = RunningClass(
                self._engine,
                worker,
                class_name,
                find,
                self._folder,
                self._limits,
                self._shared,
            )
            self._classes[worker, class_name] = found
        return found

    def deployed(self, worker: Worker) -> None:
        """A version of a Worker serves from now on."""
        for name in worker.objects:
            self.running_class(worker.name, name)
        for (of, _), running_class in list(self._classes.items()):
            if of == worker.name:
                running_class.replaced()

    def of(self, worker: str) -> list[RunningClass]:
        """The classes of a Worker that anybody has asked for."""
        return [found for (of, _), found in self._classes.items() if of == worker]

    def namespace(self, holder: str, target: ObjectsTarget) -> DurableObjectNamespace:
        """The namespace of a class, for one Worker that may use it."""
        return DurableObjectNamespace(self.running_class(*target), holder)

    def in_memory(self) -> list[LiveObject]:
        """Every object that is in memory."""
        return [
            live for running_class in self._classes.values() for live in running_class.in_memory
        ]

    def close(self) -> None:
        """Let every object leave memory, and close every file."""
        classes, self._classes = self._classes, {}
        for running_class in classes.values():
            running_class.close()
        if self._shared is not None:
            self._shared[1].close()
