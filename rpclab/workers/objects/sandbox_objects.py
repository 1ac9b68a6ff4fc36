"""The Durable Objects of a sandbox, for those who hold it.

Floor: workers. Light: what stands on SQLite is loaded by the first namespace.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from rpclab.workers.objects.namespace import ObjectsTarget, objects

if TYPE_CHECKING:
    from pathlib import Path

    from rpclab.rpc.engine import Engine
    from rpclab.workers.objects.namespace import DurableObjectNamespace
    from rpclab.workers.objects.registry import ObjectRegistry
    from rpclab.workers.objects.running_class import RunningClass
    from rpclab.workers.objects.state import DurableObjectId
    from rpclab.workers.storage.leased_namespace import SharedObjects
    from rpclab.workers.storage.limits import ObjectLimits
    from rpclab.workers.worker import Worker


class SandboxObjects:
    """The part of a sandbox that has Durable Objects."""

    engine: Engine
    _registry: ObjectRegistry | None = None
    _storage: Path | None = None
    _object_limits: ObjectLimits | None = None
    _shared_objects: SharedObjects | None = None

    def worker(self, name: str) -> Worker:
        """Give the present version of a Worker.

        Args:
            name: of the Worker.
        """
        raise NotImplementedError

    @property
    def workers(self) -> dict[str, Worker]:
        """The Workers that are deployed, by name."""
        raise NotImplementedError

    def evict(self, target: str, which: str | DurableObjectId | None = None) -> int:
        """Let Durable Objects leave memory, as the platform does with those nobody calls.

        What they have stored stays, and so do their stubs: the next call makes a new instance.
        Tasks that they have begun end, and stubs of targets that they have given away break. An
        object that is answering a call stays.

        Args:
            target: "worker#Class".
            which: the name or id of one object; all of the class unless given.

        Returns:
            How many objects have left.

        Raises:
            UnknownBindingError: there is no such Worker.
            UnknownEntrypointError: it has no such class.
        """
        found = objects(target)
        self.worker(found.worker).object_class(found.class_name)
        running_class = self._object_registry().running_class(*found)
        return running_class.evict(
            running_class.ids.from_name(which) if isinstance(which, str) else which
        )

    def namespace(self, holder: str, target: ObjectsTarget) -> DurableObjectNamespace:
        """Make the binding that a Worker has to a class of Durable Objects.

        Args:
            holder: the Worker that gets it.
            target: the class that it leads to.

        Raises:
            UnknownEntrypointError: the Worker is there, and has no such class.
        """
        worker = self.workers.get(target.worker)
        if worker is not None and holder != target.worker:
            worker.object_class(target.class_name)
        return self._object_registry().namespace(holder, target)

    def running_class(self, worker: str, class_name: str) -> RunningClass:
        """Give the namespace of a class, where it runs.

        Args:
            worker: the Worker whose class it is.
            class_name: the class.
        """
        return self._object_registry().running_class(worker, class_name)

    def running_classes(self, worker: str) -> list[RunningClass]:
        """Give the namespaces of a Worker that anybody has asked for.

        Args:
            worker: the Worker.
        """
        return [] if self._registry is None else self._registry.of(worker)

    def _object_registry(self) -> ObjectRegistry:
        if self._registry is None:
            from rpclab.workers.objects.registry import ObjectRegistry  # noqa: PLC0415 - as said above

            self._registry = ObjectRegistry(
                self.engine,
                self.worker,
                self._storage,
                self._object_limits,
                self._shared_objects,
            )
        return self._registry

    @property
    def storage(self) -> Path | None:
        """The folder where Durable Objects keep what they store; None is in memory."""
        return self._storage

    def use_storage(self, folder: str | PathLike[str] | None) -> None:
        """Choose where Durable Objects keep what they store.

        Args:
            folder: it is made when the first object stores something; None is in memory.

        Raises:
            RuntimeError: namespaces are bound already, whose objects store elsewhere.
        """
        if self._registry is not None and _path(folder) != self._storage:
            raise RuntimeError(
                "Durable Objects are bound already, and store elsewhere: choose the folder before,"
                " or after a reset"
            )
        self._store_in(folder, self._object_limits)

    def _store_in(self, folder: str | PathLike[str] | None, limits: ObjectLimits | None) -> None:
        self._storage = _path(folder)
        self._object_limits = limits

    def _share_objects(self, shared: SharedObjects | None) -> None:
        """Store objects where several nodes may host them, one at a time.

        Raises:
            ValueError: the sandbox is on the virtual clock, by which no lease can end.
        """
        if shared is not None and self.engine.guest is not None:
            raise ValueError(
                "leases are in real time, which other nodes share: a sandbox with shared_objects"
                ' takes clock="real"'
            )
        self._shared_objects = shared

    def _objects_deployed(self, worker: Worker) -> None:
        if worker.objects or self._registry is not None:
            self._object_registry().deployed(worker)

    def _forget_objects(self) -> None:
        registry, self._registry = self._registry, None
        if registry is not None:
            registry.close()


def _path(folder: str | PathLike[str] | None) -> Path | None:
    if folder is None:
        return None
    from pathlib import Path  # noqa: PLC0415 - for those who have a folder

    return Path(folder)
