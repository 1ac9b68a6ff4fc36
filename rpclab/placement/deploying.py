"""How a Worker comes to run elsewhere: what its hosts are told, and when it serves.

Floor: sandbox. Light: what runs processes is loaded by the first Worker that is placed.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from rpclab.errors import PlacementError, refuse_in_browser
from rpclab.workers.declarations import (
    BindingTarget,
    binding_target,
    check_name,
    put_variables,
    refuse_twice,
)
from rpclab.workers.entrypoints import check_default
from rpclab.workers.env import Env
from rpclab.workers.objects.namespace import objects as objects_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpclab.placement.declared import Processes
    from rpclab.placement.engine import Record
    from rpclab.placement.hosts import Host
    from rpclab.placement.placed import PlacedWorker
    from rpclab.sandbox import Sandbox
    from rpclab.workers.call_queue import Turns


def begin(sandbox: Sandbox, name: str, order: Record, placed: Processes) -> list[Host]:
    """Start the hosts of a Worker, which begin to run its code.

    Raises:
        PlacementError: they cannot be started.
    """
    if sandbox.engine.guest is not None:
        raise PlacementError(
            f'"{name}" cannot have a process of its own: the virtual clock of the sandbox does not'
            ' hold there; use Sandbox(clock="real")'
        )
    refuse_in_browser(f'to run "{name}" in a process of its own', "processes", PlacementError)
    return [sandbox.programs.start(name, order, placed) for _ in range(placed.count)]


def wait_for(hosts: list[Host]) -> None:
    """Block until the code of a Worker has run in all its hosts.

    Raises:
        BaseException: whatever the code raises; then none of them runs any more.
    """
    try:
        for host in hosts:
            host.wait()
    except BaseException:
        give_up(hosts)
        raise


async def come_up(hosts: list[Host]) -> None:
    """Wait until the code of a Worker has run in all its hosts; the event loop goes on.

    Raises:
        BaseException: whatever the code raises; then none of them runs any more.
    """
    try:
        for host in hosts:
            await host.wait_soon()
    except BaseException:
        give_up(hosts)
        raise


def give_up(hosts: list[Host]) -> None:
    """End hosts that are not to serve."""
    for host in hosts:
        host.stop()


def publish(
    sandbox: Sandbox,
    name: str,
    env: Env,
    order: Record,
    placed: Processes,
    hosts: list[Host],
    *,
    moves: bool = False,
) -> PlacedWorker:
    """Let a Worker whose code has run in its hosts serve from now on.

    Args:
        sandbox: whose Worker it is.
        name: of the Worker.
        env: as `make_order` gave it.
        order: likewise.
        placed: how it is placed.
        hosts: they run it.
        moves: whether whoever calls sees that the version before comes to its end.

    Raises:
        RpcError: it cannot serve so; then none of the hosts runs any more.
    """
    programs = sandbox.programs
    try:
        worker = _check(sandbox, name, env, order, placed, hosts)
    except BaseException:
        give_up(hosts)
        raise
    sandbox._queue_calls(name, None)  # each process has one of its own
    before = sandbox.enter(worker, order_bindings(order))
    programs.deployed(worker, before, moves=moves)
    return worker


def _check(
    sandbox: Sandbox, name: str, env: Env, order: Record, placed: Processes, hosts: list[Host]
) -> PlacedWorker:
    """Make the Worker, if it can serve."""
    from rpclab.placement.placed import PlacedWorker  # noqa: PLC0415 - as above

    for host in hosts:
        host.outcome()
    forward = sandbox.programs.forward
    worker = PlacedWorker(name, sandbox.engine, env, order, placed, hosts, forward)
    check_default(name, worker.module)
    if worker.objects and placed.count > 1:
        raise PlacementError(
            f'"{name}" has Durable Objects ({", ".join(worker.objects)}), each of which runs in one'
            " place: give it one process"
        )
    shared = sandbox._shared_objects
    if worker.objects and shared is not None and shared.address is None:
        raise PlacementError(
            f'the Durable Objects of "{name}" cannot use the store of shared_objects elsewhere,'
            " which is an object of this program: give its address, or the path of a file"
        )
    return worker


def order_bindings(order: Record) -> dict[str, BindingTarget]:
    """Where the bindings of a Worker lead, by its order."""
    return {variable: BindingTarget(*leads) for variable, leads in order["bind"].items()}


def make_order(
    sandbox: Sandbox,
    name: str,
    *,
    source: str,
    filename: str,
    called: str = "",
    awaits: bool = False,
    turns: Turns | None = None,
    secrets: frozenset[str] = frozenset(),
    vars: Mapping[str, str] | None = None,
    json: Mapping[str, Any] | None = None,
    bind: Mapping[str, str | BindingTarget] | None = None,
    d1: Mapping[str, Any] | None = None,
    objects: Mapping[str, str] | None = None,
    kv: Mapping[str, Any] | None = None,
    folder: str | PathLike[str] | None = None,
) -> tuple[Record, Env]:
    """Write down what the hosts of a Worker are to run.

    Args:
        sandbox: whose Worker it is.
        name: of the Worker.
        source: the text of its module.
        filename: where that comes from.
        called: how that is called in texts, where it is a cell.
        awaits: whether `await` may stand outside functions.
        turns: how many of its calls run at a time, in each host; all that come if None.
        secrets: the variables that no display shows.
        vars: as of `Sandbox.deploy`; so are the others.
        json: see there.
        bind: see there.
        d1: see there.
        objects: see there.
        kv: see there.
        folder: see there.

    Returns:
        That, and the environment as the sandbox knows it.

    Raises:
        PlacementError: a Worker that runs elsewhere cannot have something of it.
        Exception: as of `Sandbox.prepare`.
    """
    check_name(name)
    refuse_twice(vars=vars, json=json, bind=bind, d1=d1, objects=objects, kv=kv)
    env = Env(name)
    put_variables(env, vars, json)
    targets = {variable: binding_target(value) for variable, value in (bind or {}).items()}
    for variable, target in targets.items():
        sandbox.check_target(name, target)
        env[variable] = Leads(str(target))
    for variable, where in (d1 or {}).items():
        env[variable] = sandbox._databases().get(where, variable)
    for variable, id_ in (kv or {}).items():
        env[variable] = sandbox.kv(id_)
    namespaces = {v: objects_target(text, worker=name) for v, text in (objects or {}).items()}
    for variable, found in namespaces.items():
        env[variable] = Leads(str(found), f"{found.worker}#{found.class_name}")
    storage = sandbox.storage

    order = {
        "kind": "worker",
        "name": name,
        "source": source,
        "filename": filename,
        "called": called,
        "awaits": awaits,
        "secrets": [*secrets],
        "vars": dict(vars or {}),
        "json": {variable: env[variable] for variable in json or ()},
        "bind": {
            variable: [each.worker, each.entrypoint, dict(each.props), each.validate]
            for variable, each in targets.items()
        },
        "d1": {variable: file for variable in d1 or () if (file := _file_of(env[variable]))},
        "held": _held(sandbox, env, [*(d1 or ()), *(kv or ())]),
        "objects": {variable: [*each] for variable, each in namespaces.items()},
        "folder": None if folder is None else str(folder),
        "storage": str(storage) if storage is not None else sandbox.programs.scratch(),
        "turns": None if turns is None else [*turns],
        "debug": sandbox.engine.debug,
        "network": _network_of(sandbox),
        "validate": _validate_of(sandbox),
        "limits": vars_of(sandbox.engine.limits),
        "d1_limits": vars_of(sandbox._d1_limits),
        "object_limits": vars_of(sandbox._object_limits),
    }
    return order, env


class Leads:
    """Stands in the environment of a Worker that runs elsewhere for what it is bound to there.

    Args:
        what: it is bound to.
        objects: the class, as "worker#Class", where it is a namespace of Durable Objects.
    """

    __slots__ = ("_what", "objects")

    def __init__(self, what: str, objects: str = "") -> None:
        self._what = what
        self.objects = objects

    def __repr__(self) -> str:
        return f"<binding to {self._what}, in another process>"


def _file_of(resource: Any) -> str:
    """The file of a database, which its Worker opens itself; "" where it has none."""
    store = getattr(resource, "_store", None)
    return "" if store is None or store.path == ":memory:" else str(store.path)


def _held(sandbox: Sandbox, env: Env, variables: list[str]) -> Record:
    """What stays in this program, and its Worker asks for: what each host is told of it."""
    resources = {variable: env[variable] for variable in variables if not _file_of(env[variable])}
    if not resources:
        return {}
    from rpclab.placement.resources import told_of  # noqa: PLC0415 - for those who have some

    share = sandbox.programs.share
    return {name: [share(each), told_of(each)] for name, each in resources.items()}


def _network_of(sandbox: Sandbox) -> list[Any]:
    calls: Any = sandbox.engine.http_call
    return [*calls.network]


def _validate_of(sandbox: Sandbox) -> Any:
    validate = sandbox.validate
    return validate if isinstance(validate, bool) else [*validate]


def vars_of(limits: Any) -> Record:
    """The fields of bounds, by name; none where they are the platform's."""
    from dataclasses import asdict  # noqa: PLC0415 - as above

    return {} if limits is None else asdict(limits)
