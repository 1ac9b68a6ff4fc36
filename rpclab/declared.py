"""What was declared of the Workers of a sandbox, as data: enough to deploy them anew elsewhere.

Floor: sandbox. Reads the environments there are; sends nothing, runs nothing.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpclab.configured import MEMORY, bindings_of
from rpclab.rpc.bindings import ServiceBinding
from rpclab.workers.declarations import NOTEBOOK, BindingTarget
from rpclab.workers.imports import modules_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpclab.config import WorkerConfig
    from rpclab.placement.declared import Processes
    from rpclab.sandbox import Sandbox
    from rpclab.workers.env import Env
    from rpclab.workers.worker import Worker

DATABASE = ("rpclab.workers.d1.database", "D1Database")
NAMESPACE = ("rpclab.workers.kv.namespace", "KVNamespace")
ELSEWHERE = ("rpclab.placement.deploying", "Leads")
OBJECTS = ("rpclab.workers.objects.namespace", "DurableObjectNamespace")

_BOUND = ("vars", "json", "bind", "objects", "d1", "kv")


@dataclass
class Bound:
    """The variables and bindings of an environment, by what they are.

    Attributes:
        vars: texts.
        json: other values.
        bind: where service bindings lead.
        objects: the namespaces of Durable Objects, as "worker#Class".
        d1: the databases; one that several Workers share is the same object.
        kv: the ids of KV namespaces.
        secrets: the names of those `vars` that no display shows.
    """

    vars: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    bind: dict[str, BindingTarget] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    d1: dict[str, Any] = field(default_factory=dict)
    kv: dict[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    @property
    def options(self) -> dict[str, Any]:
        """What `Sandbox.deploy` is told, to have it once more."""
        return {name: getattr(self, name) for name in _BOUND}


@dataclass
class Declared(Bound):
    """A Worker.

    Attributes:
        name: what it is called.
        source: the text of its main file.
        filename: where that comes from: a file, or a cell.
        folder: where the modules stand that it brings along; None where it has none of its own.
        config: the configuration that it was deployed from, if there is one.
        placement: the processes of its own that it runs in; None where it has none.
    """

    name: str = ""
    source: str = ""
    filename: str = ""
    folder: Path | None = None
    config: WorkerConfig | None = None
    placement: Processes | None = None

    @property
    def options(self) -> dict[str, Any]:
        code = {"source": self.source, "filename": self.filename, "folder": self.folder}
        return super().options | code


def declared(sandbox: Sandbox) -> list[Declared]:
    """Say what was declared of each Worker of a sandbox, in the order of their first deployment.

    Args:
        sandbox: whose Workers they are.
    """
    return [_declared(worker, sandbox) for worker in sandbox.workers.values()]


def _declared(worker: Worker, sandbox: Sandbox) -> Declared:
    bound = bound_in(worker.env, sandbox.bindings(worker.name))
    filename = str(worker.module.__file__)
    text = vars(worker.module).get("__source__") or "".join(linecache.getlines(filename))
    return Declared(
        **vars(bound),
        name=worker.name,
        source=text,
        filename=filename,
        folder=_folder_of(worker, filename),
        config=worker.config,
        placement=getattr(worker, "placement", None),  # of a PlacedWorker alone
    )


def _folder_of(worker: Worker, filename: str) -> Path | None:
    folder = getattr(modules_of(worker.module), "_folder", None)
    if folder is not None:
        return Path(folder)
    return Path(filename).parent if Path(filename).is_file() else None


def bound_by(config: WorkerConfig) -> Bound:
    """Sort what a configuration gives a Worker. A database is ":memory:" and what names it.

    Args:
        config: of the Worker.

    Raises:
        ConfigError: the text of a service binding is none.
    """
    return Bound(
        vars=config.texts,
        json=config.values,
        bind=dict(bindings_of(config)),
        objects={
            lead.variable: f"{lead.worker}#{lead.class_name}"
            for lead in config.leads
            if lead.kind == "object"
        },
        d1={each.binding: f"{MEMORY}{each.key}" for each in config.d1_databases},
        kv={each.binding: each.id for each in config.kv_namespaces},
        secrets=frozenset(config.secrets),
    )


def bound_in(env: Env, targets: Mapping[str, BindingTarget]) -> Bound:
    """Sort what an environment holds.

    Args:
        env: of a Worker, or of the program around them.
        targets: where its service bindings lead.
    """
    bound = Bound(secrets=env.__secret__)
    for name in env:
        value: Any = env[name]
        # By name, for who has no database has not loaded SQLite.
        kind = (type(value).__module__, type(value).__name__)
        if isinstance(value, ServiceBinding) or kind == ELSEWHERE:
            if name in targets:
                bound.bind[name] = targets[name]
            elif kind == ELSEWHERE:
                bound.objects[name] = value.objects
        elif kind == OBJECTS:
            bound.objects[name] = value._running_class.ids.namespace
        elif kind == DATABASE:
            bound.d1[name] = value
        elif kind == NAMESPACE:
            bound.kv[name] = value._entries.name
        elif isinstance(value, str):
            bound.vars[name] = value
        else:
            bound.json[name] = value
    return bound


__all__ = ["NOTEBOOK", "Bound", "Declared", "bound_by", "bound_in", "declared"]
