"""A Worker that runs elsewhere, as the sandbox knows it.

Floor: sandbox. Its code never runs here. What can be asked of it, such as which entrypoints it has
and which methods these have, is what its host has told.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.workers.entrypoints import DurableObject, WorkerEntrypoint
from rpclab.workers.worker import Elsewhere, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.hooks import Delivery
    from rpclab.placement.declared import Processes
    from rpclab.placement.engine import Record
    from rpclab.placement.hosts import Host
    from rpclab.rpc.engine import Engine
    from rpclab.workers.env import Env


class PlacedWorker(Worker):
    """A version of a Worker that runs in processes of its own.

    Args:
        name: its name.
        engine: of the sandbox.
        env: its variables; of its bindings the names.
        order: what its hosts are told to run.
        placed: how it is placed.
        hosts: they run it.
        forward: calls an entrypoint of it for whoever has no way there.

    Attributes:
        hosts: those that run it, by slot; None where one has ended, until the next call.
        ready: calls that wait for a slot whose host is on its way.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        env: Env,
        order: Record,
        placed: Processes,
        hosts: list[Host],
        forward: Callable[..., None],
    ) -> None:
        module = _module(name, order, hosts[0].met or {})
        super().__init__(name, engine, module, env, _not_here, _not_here)
        self.order = order
        self.placement = placed
        self.hosts: list[Host | None] = [*hosts]
        self._forward = forward

    @property
    def pids(self) -> list[int | None]:
        """The process ids of its processes; None for one that starts with the next call."""
        return [None if host is None else host.pid for host in self.hosts]

    @property
    def nodes(self) -> list[str | None]:
        """The names of the nodes that they run on; None likewise."""
        return [None if host is None else host.node for host in self.hosts]

    def open(
        self,
        entrypoint: str,
        props: dict[str, Any],
        validate: bool | None = None,  # noqa: FBT001 - as there
    ) -> NoReturn:
        """Say that the call has to go on to where the Worker runs."""
        forward = self._forward

        def go_on(call: Delivery) -> None:
            forward(self.name, entrypoint, props, validate, call)

        raise Elsewhere(go_on)

    def __repr__(self) -> str:
        names = ", ".join(self.exports) or "no entrypoints"
        where = ", ".join(host.where for host in self.hosts if host is not None)
        where = f"process {where}" if where else "a process of its own, not running"
        return f"<Worker {self.name}: {names}; in {where}>"


def _module(name: str, order: Record, told: Record) -> types.ModuleType:
    """Make a module with the classes of the Worker, and nothing of their code."""
    module = types.ModuleType(name)
    module.__file__ = order["filename"]
    vars(module)["__source__"] = order["source"]
    for other in told.get("others", ()):  # of which errors say that they cannot serve
        vars(module)[other] = type(other, (), {"__module__": name})
    bases = (("exports", WorkerEntrypoint), ("objects", DurableObject))
    for kind, base in bases:
        for class_name, described in told.get(kind, {}).items():
            vars(module)[class_name] = _class(name, class_name, base, described)
    return module


def _class(worker: str, name: str, base: type, described: Any) -> type:
    members = {"__module__": worker, "__doc__": described.get("doc")}
    for member, (kind, signature, doc) in described.get("members", {}).items():

        def method(*_: Any, **__: Any) -> NoReturn:
            raise RuntimeError(f"{worker} runs in a process of its own")

        method.__name__ = member
        method.__qualname__ = f"{name}.{member}"
        method.__doc__ = doc
        if signature:
            method.__text_signature__ = signature  # type: ignore[attr-defined]
        members[member] = property(method, doc=doc) if kind == "property" else method
    return type(name, (base,), members)


def _not_here(*_: Any) -> NoReturn:
    raise RuntimeError("the Worker runs in a process of its own")
