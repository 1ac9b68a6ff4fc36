"""A sandbox: several virtual Workers in one process, and what the program around them holds.

Floor: sandbox.
"""

from __future__ import annotations

import weakref
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from rpclab import workers
from rpclab.core.contexts import EventContext, current, opened
from rpclab.core.events import NOBODY
from rpclab.core.imports import Handle, Import
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.diagnostics.pending_calls import Waiting, waiting
from rpclab.distances import Distances, is_virtual
from rpclab.errors import UnknownBindingError, near, noted
from rpclab.placement.deploying import begin, make_order, publish, wait_for
from rpclab.placement.placing import Placing
from rpclab.previews import counted
from rpclab.rpc import local
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.engine import Engine
from rpclab.rpc.observing import recording_of
from rpclab.views import Viewed
from rpclab.workers.call_queue import NEWEST, CallQueue, SandboxQueues, Turns
from rpclab.workers.declarations import (
    NOTEBOOK,
    BindingTarget,
    Resource,
    binding,
    binding_target,
    check_name,
    put_variables,
    refuse_twice,
)
from rpclab.workers.entrypoints import check_default
from rpclab.workers.env import Env, ProgramEnv
from rpclab.workers.http_calls import Networked
from rpclab.workers.kv.sandbox_kv import SandboxKV
from rpclab.workers.modules import make_module, run_source
from rpclab.workers.network import PUBLIC, Network
from rpclab.workers.objects.namespace import ObjectsTarget
from rpclab.workers.objects.namespace import objects as objects_target
from rpclab.workers.objects.sandbox_objects import SandboxObjects
from rpclab.workers.other_processes import bind_elsewhere
from rpclab.workers.validation.policy import Validate, Validating
from rpclab.workers.worker import EntrypointHook, Worker, serves_on

if TYPE_CHECKING:
    import types
    from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping

    from rpclab.diagnostics.leaks import Leaks
    from rpclab.placement.declared import Processes
    from rpclab.server.serving import Server
    from rpclab.server.starting import Starting
    from rpclab.trace.trace import Trace
    from rpclab.workers.d1.database import D1Database
    from rpclab.workers.d1.databases import Databases
    from rpclab.workers.http import Response
    from rpclab.workers.kv.namespace import KVNamespace
    from rpclab.workers.objects.namespace import DurableObjectNamespace
    from rpclab.workers.storage.leased_namespace import SharedObjects
    from rpclab.workers.storage.limits import D1Limits, ObjectLimits

__all__ = ["NOTEBOOK", "BindingTarget", "Sandbox", "Tables", "binding"]


class Tables(NamedTuple):
    """The tables of a Worker, over all its sessions: pairs of (other Worker, id)."""

    imports: frozenset[tuple[str, int]]
    exports: frozenset[tuple[str, int]]


class Sandbox(
    Distances, SandboxObjects, SandboxKV, SandboxQueues, Networked, Validating, Placing, Viewed
):
    """Virtual Workers in this process or in some of their own, and the sessions between them.

    Use it as `async with Sandbox() as sandbox`, or close it with `close()`.

    Args:
        record: keep what happens in `recording`, and note where stubs are made; notebooks do.
        warn_undisposed: warn, with the places they were made at, when an execution context ends
            with stubs that its code did not dispose.
        debug: put the place in the Worker on errors that were raised there, as a note.
        limits: bounds of every session.
        clock: "virtual" lets simulated time jump, so that waiting in Workers and on links costs
            no real time and takes the same on every run.
        storage: the folder where Durable Objects and KV keep what they store; else in memory.
        d1_limits: bounds of D1 databases; the platform's unless given.
        object_limits: bounds of Durable Objects; likewise.
        shared_objects: a store, instead of that folder, for Durable Objects that several nodes may
            host, one at a time: a `rpclab.SharedObjects`.
        pipelining: False holds each call on or with a promise back until that has settled.
        network: what its Workers may fetch: from "public" addresses, from "local" ones (of this
            machine and around it) too, or "none"; or a `rpclab.workers.network.Network`.
        validate: True refuses calls whose arguments are not as the annotations of the method say,
            with a TypeError; or a list of those Workers ("worker") and entrypoints
            ("worker#Entrypoint") that are meant. Needs the extra rpclab[validate].
    """

    def __init__(
        self,
        *,
        clock: str = "real",
        pipelining: bool = True,
        storage: str | PathLike[str] | None = None,
        network: str | Network = PUBLIC,
        validate: Validate = False,
        record: bool = False,
        warn_undisposed: bool = False,
        debug: bool = True,
        limits: Limits = DEFAULT_LIMITS,
        d1_limits: D1Limits | None = None,
        object_limits: ObjectLimits | None = None,
        shared_objects: SharedObjects | None = None,
    ) -> None:
        self.engine = Engine(
            limits=limits, debug=debug, virtual=is_virtual(clock), pipelining=pipelining
        )
        self._begin()
        self._store_in(storage, object_limits)
        self._share_objects(shared_objects)
        self.engine.sites = record or warn_undisposed
        self.recording = recording_of(self.engine) if record else None
        self.engine.warn_undisposed = warn_undisposed
        self.network = network
        self.validate = validate
        self.env = ProgramEnv(NOTEBOOK, "this program's env")
        self._workers: dict[str, Worker] = {}
        self._queues: dict[str, CallQueue] = {}
        self._bindings: dict[str, dict[str, BindingTarget]] = {}
        self._d1: Databases | None = None
        self._d1_limits = d1_limits
        self.servers: weakref.WeakSet[Server] = weakref.WeakSet()
        local.latest.append(weakref.ref(self.engine))

    @classmethod
    def from_config(
        cls,
        path: str | PathLike[str],
        *more: str | PathLike[str],
        environment: str | None = None,
        vars: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Self:
        """Make a sandbox with the Workers of configuration files.

        Args:
            path: a wrangler.toml, wrangler.jsonc or wrangler.json: the configuration of one
                Worker, whose `main` is a `.py` file. Or a folder: all those in and below it.
            more: further ones.
            environment: the named environment that is meant in each of them.
            vars: what variables and secrets of the files are instead, such as the address of
                another service in a test; each in every Worker that has it.
            options: those of `Sandbox`.

        Raises:
            ValueError: no file has a variable or secret that is given.
            ConfigError: a file says something wrong, or asks for what rpclab does not have; the
                error names file, line and column.
            Exception: whatever the code of a Worker raises.
        """
        from rpclab.configured import deploy_all  # noqa: PLC0415 - for those who have such files

        sandbox = cls(**options)
        try:
            deploy_all(sandbox, [path, *more], environment, vars)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    # Declaring Workers.

    def deploy(
        self,
        name: str,
        *,
        source: str,
        vars: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        bind: Mapping[str, str | BindingTarget] | None = None,
        d1: Mapping[str, str | PathLike[str] | D1Database] | None = None,
        objects: Mapping[str, str] | None = None,
        kv: Mapping[str, str | KVNamespace] | None = None,
        filename: str | None = None,
        at: str | None = None,
        folder: str | PathLike[str] | None = None,
        concurrency: int | None = None,
        queue: int | None = None,
        overload: str = NEWEST,
        placement: str | Processes | None = None,
    ) -> Worker:
        """Deploy a Worker, or a new version of it.

        Calls made from now on reach this version; stubs of the old one live until they are
        disposed. Where the code raises, the old version goes on serving.

        Args:
            name: its name; bindings lead to it by that.
            source: the text of its module.
            vars: text variables of its `env`.
            json: variables that are plain values; copied.
            bind: bindings of its `env`: "worker", "worker#Entrypoint", or a `binding(…)`.
                The Worker may be one that is deployed later.
            d1: databases of its `env`: a file, ":memory:" or what `d1()` gives; see there.
            objects: namespaces of its `env`: its own "Class", or "worker#Class".
            kv: KV namespaces of its `env`, by id; see `kv()`.
            filename: where the text comes from, for tracebacks.
            at: the city it stands in (see `locate`).
            folder: where the modules stand that the Worker brings along; `import` in its code
                finds them there, and nothing of them is seen outside.
            concurrency: how many of its calls run at a time, from when they begin until they are
                answered; all that come unless given. Calls on its entrypoints and Durable Objects
                count; those that it makes on itself, or that are made on what it has returned,
                belong to a call that was let in.
            queue: how many calls may wait for their turn then, 100 unless given. Who finds no place
                is answered at once, with an `OverloadedError`.
            overload: who finds none in a full queue: the "newest", which is the call that comes, or
                the "oldest", which gives its place to that.
            placement: where it runs: "kernel", which is this process; "process", one of its own;
                "dask", a node of a cluster; `rpclab.processes(…)` or `rpclab.dask(…)`, several of
                them, or with bounds.

        Returns:
            The Worker.

        Raises:
            PlacementError: it cannot run there.
            UnknownEntrypointError: a binding names an entrypoint that its Worker does not have.
            TypeError: the source or a variable is no text, or a variable no JSON value.
            ValueError: no Worker can have that name, a variable is given twice, or the numbers make
                no queue.
            Exception: whatever the code raises.
        """
        if isinstance(source, PathLike):
            raise TypeError("source is the text of the module: use path.read_text()")
        if not isinstance(source, str):
            raise TypeError(f"source is the text of the module, not {type(source).__name__}")
        self.check_city(at)
        turns = Turns.of(concurrency, queue, overload)
        placed = None
        if placement is not None:
            from rpclab.placement.declared import placement_of  # noqa: PLC0415 - for those who place

            placed = placement_of(placement)
        options: dict[str, Any] = {
            "vars": vars, "json": json, "bind": bind, "d1": d1, "objects": objects, "kv": kv,
            "folder": folder,
        }  # fmt: skip
        filename = filename or f"<worker {name}>"
        with noted(serves_on(self._workers.get(name))):
            if placed is None:
                module, env = self.prepare(name, **options)
                run_source(module, source, filename)
                worker = self.publish(name, module, env, bind, turns)
            else:
                order, env = make_order(
                    self, name, source=source, filename=filename, turns=turns, **options
                )
                hosts = begin(self, name, order, placed)
                wait_for(hosts)
                worker = publish(self, name, env, order, placed, hosts)
        if at is not None:
            self.locate(name, at)
        return worker

    def prepare(
        self,
        name: str,
        *,
        vars: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        bind: Mapping[str, str | BindingTarget] | None = None,
        d1: Mapping[str, str | PathLike[str] | D1Database] | None = None,
        objects: Mapping[str, str] | None = None,
        kv: Mapping[str, str | KVNamespace] | None = None,
        folder: str | PathLike[str] | None = None,
    ) -> tuple[types.ModuleType, Env]:
        """Make the module and environment of a Worker, whose code the caller then runs there.

        Args:
            name: as of `deploy`.
            vars: likewise.
            json: likewise.
            bind: likewise.
            d1: likewise.
            objects: likewise.
            kv: likewise.
            folder: likewise.

        Raises:
            Exception: as `deploy`; no code has run yet.
        """
        check_name(name)
        refuse_twice(vars=vars, json=json, bind=bind, d1=d1, objects=objects, kv=kv)
        env = Env(name)
        put_variables(env, vars, json)
        for variable, target in (bind or {}).items():
            env[variable] = self._bind(name, binding_target(target), variable)
        for variable, where in (d1 or {}).items():
            env[variable] = self._databases().get(where, variable)
        for variable, text in (objects or {}).items():
            env[variable] = self.namespace(name, objects_target(text, worker=name))
        for variable, id_ in (kv or {}).items():
            env[variable] = self.kv(id_)
        return make_module(name, env, workers.namespace(), folder), env

    def publish(
        self,
        name: str,
        module: types.ModuleType,
        env: Env,
        bind: Mapping[str, str | BindingTarget] | None = None,
        turns: Turns | None = None,
    ) -> Worker:
        """Let a Worker whose code has run serve from now on.

        Args:
            name: what it is called.
            module: as `prepare` made it; its code has run.
            env: likewise.
            bind: what `prepare` was given.
            turns: how many of its calls run at a time; all that come if None.

        Raises:
            UnknownEntrypointError: its class `Default` cannot serve.
        """

        def bind_self(entrypoint: str, props: dict[str, Any]) -> ServiceBinding:
            return self._bind(name, BindingTarget(name, entrypoint, props))

        def own_objects(class_name: str) -> DurableObjectNamespace:
            return self.namespace(name, ObjectsTarget(name, class_name))

        check_default(name, module)
        worker = Worker(name, self.engine, module, env, bind_self, own_objects)
        targets = {key: binding_target(value) for key, value in (bind or {}).items()}
        worker.queue = self._queue_calls(name, turns)
        before = self.enter(worker, targets)
        if before is not None and self._placed is not None:
            self._placed.came_home(name, before)
        self._objects_deployed(worker)
        return worker

    def enter(self, worker: Worker, bindings: dict[str, BindingTarget]) -> Worker | None:
        """Take note of a version of a Worker that serves from now on.

        Args:
            worker: the version.
            bindings: where its bindings lead, by variable.

        Returns:
            The version before, if there is one.
        """
        name = worker.name
        before = self._workers.get(name)
        if before is not None:
            worker.version = before.version + 1
        self._workers[name] = worker
        self._note(("deployed", name, worker.version))
        self._bindings[name] = bindings
        return before

    def bind(self, **bindings: str | BindingTarget | ObjectsTarget | Resource) -> Env:
        """Give the program around the Workers bindings of its own.

        Args:
            bindings: by name, "worker", "worker#Entrypoint", a `binding(…)`, `objects(…)` or a
                database or KV namespace.

        Returns:
            Its environment, `sandbox.env`, with these and the earlier ones.

        Raises:
            UnknownEntrypointError: the Worker is there and has no such entrypoint.
        """
        resources: dict[str, Resource | DurableObjectNamespace] = {}
        targets: dict[str, BindingTarget] = {}
        for name, value in bindings.items():
            if isinstance(value, ObjectsTarget):
                resources[name] = self.namespace(NOTEBOOK, value)
            elif isinstance(value, Resource):
                resources[name] = value
            else:
                targets[name] = binding_target(value)
        made = {name: self._bind(NOTEBOOK, target, name) for name, target in targets.items()}
        for name, service_binding in {**made, **resources}.items():
            self.env[name] = service_binding
        self._bindings.setdefault(NOTEBOOK, {}).update(targets)
        return self.env

    def _bind(self, holder: str, target: BindingTarget, variable: str = "") -> ServiceBinding:
        self.check_target(holder, target)
        importer = self.engine.session(holder, target.worker)
        props, validate = dict(target.props), target.validate
        if importer.peer is not None:
            find = partial(self.worker, target.worker)
            hook = EntrypointHook(find, target.entrypoint, props, validate=validate)
            number = importer.peer.introduce(hook)
        else:
            number = bind_elsewhere(importer, ["entrypoint", target.entrypoint, props, validate])
        entry = Import(importer, number)
        importer.imports[entry.id] = entry
        key = (importer.label, entry.id)
        self._note(("bound", holder, variable, target.worker, target.entrypoint, *key))
        return ServiceBinding(Handle(entry, importer.keeper))

    def check_target(self, holder: str, target: BindingTarget) -> None:
        """Refuse a binding to what its Worker, if it is there, does not have.

        Args:
            holder: the Worker that is bound.
            target: where the binding leads.

        Raises:
            UnknownEntrypointError: the Worker has no such entrypoint.
        """
        worker = self._workers.get(target.worker)
        if worker is not None and holder != target.worker:
            worker.entrypoint(target.entrypoint)

    def _note(self, event: tuple[Any, ...]) -> None:
        """Tell those who watch."""
        if self.engine.observe is not None:
            self.engine.observe(event)

    def worker(self, name: str) -> Worker:
        """Give the present version of a Worker.

        Args:
            name: of the Worker.

        Raises:
            UnknownBindingError: none of that name is deployed.
        """
        found = self._workers.get(name)
        if found is None:
            error = UnknownBindingError(f'no Worker "{name}" is deployed')
            error.add_note(near(name, self._workers) or "none is deployed yet")
            raise error
        return found

    @property
    def workers(self) -> dict[str, Worker]:
        """The Workers that are deployed, by name."""
        return dict(self._workers)

    def bindings(self, name: str = NOTEBOOK) -> dict[str, BindingTarget]:
        """Where the bindings of a Worker, or of the program around them, lead.

        Args:
            name: of the Worker; "notebook" is the program around them.
        """
        return dict(self._bindings.get(name, {}))

    # Databases.

    def d1(self, where: str | PathLike[str]) -> D1Database:
        """Give a database of this sandbox; the same one each time, opened when it is first used.

        Args:
            where: its file; or ":memory:NAME", and it lasts until the sandbox is reset or closed.
                A Worker's ":memory:" means the one that is named after the variable.

        Raises:
            FileNotFoundError: the folder of the file is not there.
        """
        return self._databases().get(where)

    async def migrate(self, worker: str, variable: str, folder: str | PathLike[str]) -> list[str]:
        """Apply the migrations of a folder to a database; see `apply_migrations`.

        Args:
            worker: the Worker that is bound to it, or "notebook".
            variable: what it is called in the `env` there.
            folder: where the .sql files stand.

        Returns:
            The names of the files that were applied now.

        Raises:
            D1Error: a statement failed; the files before it stay applied.
            TypeError: the variable is no database.
        """
        from rpclab.workers.d1.database import D1Database  # noqa: PLC0415 - as in _databases
        from rpclab.workers.d1.migrations import apply_migrations  # noqa: PLC0415

        env = self.env if worker == NOTEBOOK else self.worker(worker).env
        if not isinstance(env[variable], D1Database):
            raise TypeError(f"{variable} of {worker} is no D1 database")
        return await apply_migrations(env[variable], folder)

    def _databases(self) -> Databases:
        if self._d1 is None:
            from rpclab.workers.d1.databases import Databases  # noqa: PLC0415 - SQLite, where wanted

            self._d1 = Databases(self._d1_limits)
        return self._d1

    def fetch(self, worker: str, resource: Any = "/", /, **options: Any) -> Awaitable[Response]:
        """Make an HTTP call from outside, as `fetch` on a binding does.

        Args:
            worker: "worker" or "worker#Entrypoint".
            resource: a path, a whole URL, or a Request.
            options: those of a Request: method, headers, body, redirect, cf.

        Raises:
            UnknownBindingError, UnknownEntrypointError: there is no such thing.
            TypeError: the arguments make no request.
        """
        target = binding_target(worker)
        self.worker(target.worker)
        return self._bind(NOTEBOOK, target).fetch(resource, **options)

    def serve(self, **options: Any) -> Starting[Server]:
        """Serve its Workers over the network; on the loopback, unless `host` says otherwise.

        Needs the extra rpclab[serve].

        Args:
            options: those of `rpclab.server.serve`: host, port, worker, routes, expose, token, …

        Returns:
            To be awaited, which gives the server; or for `async with`, at whose end it stops.
        """
        from rpclab.server.serving import serve  # noqa: PLC0415 - for those who serve
        from rpclab.server.starting import Starting  # noqa: PLC0415

        return Starting(partial(serve, self, **options))

    # Contexts.

    @asynccontextmanager
    async def event(self) -> AsyncIterator[Env]:
        """Run a block in a short execution context, as the platform would run an event.

        At its end what it still holds is disposed, and its unfinished calls are cut off
        (rules C26, O12), unless they were given to `rpclab.wait_until`.
        """
        context = EventContext(self.engine, NOTEBOOK)
        self._note(opened(context))
        context.work_begins()
        token = current.set(context)
        try:
            yield self.env
        finally:
            current.reset(token)
            context.work_ends()

    # Looking inside.

    @contextmanager
    def trace(self) -> Iterator[Trace]:
        """Trace a block: its messages, and the round trips it waits for.

        Returns:
            A trace; its figures are there when the block is over.
        """
        from rpclab.trace.trace import Trace  # noqa: PLC0415 - for those who trace

        engine = self.engine
        recording = recording_of(engine)
        by, task = engine.acting()
        # Where no task runs, those are meant that are run in the block.
        whose = None if task == NOBODY else (by, task)
        trace = Trace(recording, whose, engine.guest.time if engine.guest else None)
        try:
            yield trace
        finally:
            engine.acting()  # it goes on after the tasks that are done
            trace.finish()
            engine.unwatch(recording)

    def tables(self, worker: str = NOTEBOOK) -> Tables:
        """The import and export tables of a Worker over all its sessions.

        The bindings it was given, and gives, are part of them.

        Args:
            worker: its name; "notebook" is the program around the Workers.
        """
        imports, exports = set(), set()
        for session in self.engine.sessions():
            here, _, there = session.name.partition("→")
            if here == worker:
                imports |= {(there, number) for number in session.imports}
                exports |= {(there, number) for number in session.live_exports()}
        return Tables(frozenset(imports), frozenset(exports))

    def waiting(self) -> list[Waiting]:
        """List the calls that are awaited and have no answer yet, those from outside first."""
        engine = self.engine
        found = waiting(
            engine.sessions(), [call for each in engine.lasting for call in each.parked()]
        )
        return sorted(found, key=lambda call: call.caller != NOTEBOOK)

    def leaks(self) -> Leaks:
        """The stubs that are alive and not disposed, and what keeps each of them.

        Looking sends nothing. Where stubs were made is known to a sandbox that records.

        Returns:
            A list of `rpclab.leaks.Leak`, whose text says what to do.
        """
        from rpclab.diagnostics.leaks import find_leaks  # noqa: PLC0415 - only where it is asked for

        modules = {id(vars(worker.module)): name for name, worker in self._workers.items()}
        return find_leaks(self.engine, modules)

    # The end.

    def reset(self) -> None:
        """Forget every Worker, binding and link; all stubs break. What a folder stores stays."""
        self._forget_objects()
        self.engine.close()
        self._forget_programs()
        self._forget_links()
        if self._d1 is not None:
            self._d1.close()
        self._forget_kv()
        self._forget_queues()
        self._workers.clear()
        self._bindings.clear()
        for name in list(self.env):
            del self.env[name]

    def close(self) -> None:
        """End it: every session closes, what was held breaks. Closing twice is fine."""
        for server in list(self.servers):
            server.abandon()
        self.reset()
        if self.engine.guest is not None:
            self.engine.guest.settle_down()
        local.latest[:] = [ref for ref in local.latest if ref() not in (None, self.engine)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        count = counted(len(self._workers), "Worker")
        return f"<Sandbox of {count}: {', '.join(self._workers) or 'none'}>"
