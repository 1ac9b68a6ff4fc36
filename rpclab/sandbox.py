"""A sandbox: several virtual Workers in one process, and what the program around them holds.

Floor: sandbox.
"""

from __future__ import annotations

import weakref
from contextlib import asynccontextmanager, contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from rpclab import workers
from rpclab.core.contexts import EventContext, current
from rpclab.core.handles import Handle
from rpclab.core.imports import Import
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.errors import UnknownBindingError, near
from rpclab.rpc import local
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.engine import Engine
from rpclab.rpc.waiting import Waiting, waiting
from rpclab.workers.entrypoints import DEFAULT
from rpclab.workers.env import Env
from rpclab.workers.modules import make_module, run_source
from rpclab.workers.worker import Worker, service

if TYPE_CHECKING:
    import types
    from collections.abc import AsyncIterator, Iterator, Mapping

    from rpclab.core.host import Observer
    from rpclab.leaks import Leaks
    from rpclab.trace.recording import Recording
    from rpclab.trace.trace import Trace

NOTEBOOK = "notebook"
"""The name of the program around the Workers: a notebook, or a script."""

_UNNAMEABLE = {
    "#": 'after "#" a binding names an entrypoint',
    "→": 'sessions are named "from→to"',
}


class BindingTarget(NamedTuple):
    """Where a binding leads; made by `binding` or from a text such as "counter#Admin"."""

    worker: str
    entrypoint: str
    props: Mapping[str, Any]

    def __str__(self) -> str:
        name = self.worker if self.entrypoint == DEFAULT else f"{self.worker}#{self.entrypoint}"
        return f"{name} {dict(self.props)}" if self.props else name


def binding(target: str, *, props: Mapping[str, Any] | None = None) -> BindingTarget:
    """Describe a binding, with props.

    Args:
        target: "worker", or "worker#Entrypoint".
        props: what `ctx.props` is at the callee; each call gets a copy (rule X9).

    Raises:
        ValueError: the text is no such thing.
        TypeError: the props are no JSON value.
    """
    worker, hash_, entrypoint = target.partition("#")
    if not worker or (hash_ and not entrypoint):
        raise ValueError(f'a binding leads to "worker" or "worker#Entrypoint", not {target!r}')
    return BindingTarget(worker, entrypoint or DEFAULT, _json_copy(props or {}, "the props"))


class Tables(NamedTuple):
    """The tables of a Worker, over all its sessions: pairs of (other Worker, id)."""

    imports: frozenset[tuple[str, int]]
    exports: frozenset[tuple[str, int]]


class Sandbox:
    """Virtual Workers in this process, and the sessions between them.

    Use it as `async with Sandbox() as sandbox`, or close it with `close()`.

    Args:
        record: note where stubs are made, and keep events for traces; notebooks do.
        warn_undisposed: warn, with the places they were made at, when an execution context ends
            with stubs that its code did not dispose.
        debug: put the place in the Worker on errors that were raised there, as a note.
        limits: bounds of every session.
    """

    def __init__(
        self,
        *,
        record: bool = False,
        warn_undisposed: bool = False,
        debug: bool = True,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.engine = Engine(limits=limits, debug=debug)
        self.engine.sites = record or warn_undisposed
        self.engine.warn_undisposed = warn_undisposed
        self.env = Env(NOTEBOOK, "this program's env")
        self._workers: dict[str, Worker] = {}
        self._bindings: dict[str, dict[str, BindingTarget]] = {}
        local.latest.append(weakref.ref(self.engine))

    # Declaring Workers.

    def deploy(
        self,
        name: str,
        *,
        source: str,
        vars: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        bind: Mapping[str, str | BindingTarget] | None = None,
        filename: str | None = None,
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
            filename: where the text comes from, for tracebacks.

        Returns:
            The Worker.

        Raises:
            UnknownEntrypointError: a binding names an entrypoint that its Worker does not have.
            TypeError: the source or a variable is no text, or a variable no JSON value.
            ValueError: no Worker can have that name, or a variable is given twice.
            Exception: whatever the code raises.
        """
        if isinstance(source, PathLike):
            raise TypeError("source is the text of the module: use path.read_text()")
        if not isinstance(source, str):
            raise TypeError(f"source is the text of the module, not {type(source).__name__}")
        module, env = self.prepare(name, vars=vars, json=json, bind=bind)
        run_source(module, source, filename or f"<worker {name}>")
        return self.publish(name, module, env, bind)

    def prepare(
        self,
        name: str,
        *,
        vars: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        bind: Mapping[str, str | BindingTarget] | None = None,
    ) -> tuple[types.ModuleType, Env]:
        """Make the module and environment of a Worker, whose code the caller then runs there."""
        _check_name(name)
        _refuse_twice(vars=vars, json=json, bind=bind)
        env = Env(name)
        for variable, text in (vars or {}).items():
            if type(text) is not str:
                raise TypeError(
                    f"the variable {variable} is a text, not {type(text).__name__}; use json="
                )
            env[variable] = text
        for variable, value in (json or {}).items():
            env[variable] = _json_copy(value, f"the variable {variable}")
        for variable, target in (bind or {}).items():
            env[variable] = self._bind(name, _target(target))
        names = {key: getattr(workers, key) for key in workers.__all__}
        return make_module(name, env, names), env

    def publish(
        self,
        name: str,
        module: types.ModuleType,
        env: Env,
        bind: Mapping[str, str | BindingTarget] | None = None,
    ) -> Worker:
        """Let a Worker whose code has run serve from now on."""

        def bind_self(entrypoint: str, props: dict[str, Any]) -> ServiceBinding:
            return self._bind(name, BindingTarget(name, entrypoint, props))

        worker = Worker(name, self.engine, module, env, bind_self)
        if name in self._workers:
            worker.version = self._workers[name].version + 1
        self._workers[name] = worker
        self._bindings[name] = {key: _target(value) for key, value in (bind or {}).items()}
        return worker

    def bind(self, **bindings: str | BindingTarget) -> Env:
        """Give the program around the Workers bindings of its own.

        Args:
            bindings: by name, "worker", "worker#Entrypoint" or a `binding(…)`.

        Returns:
            Its environment, `sandbox.env`, with these and the earlier ones.

        Raises:
            UnknownEntrypointError: the Worker is there and has no such entrypoint.
        """
        targets = {name: _target(value) for name, value in bindings.items()}
        made = {name: self._bind(NOTEBOOK, target) for name, target in targets.items()}
        for name, service_binding in made.items():
            self.env[name] = service_binding
        self._bindings.setdefault(NOTEBOOK, {}).update(targets)
        return self.env

    def _bind(self, holder: str, target: BindingTarget) -> ServiceBinding:
        worker = self._workers.get(target.worker)
        if worker is not None and holder != target.worker:
            worker.entrypoint(target.entrypoint)
        importer = self.engine.session(holder, target.worker)
        exporter = importer.peer
        if exporter is None:
            raise UnknownBindingError(f"no session leads to {target.worker}")
        hook = service(lambda: self.worker(target.worker), target.entrypoint, dict(target.props))
        entry = Import(importer, exporter.outgoing.export(hook))
        importer.imports[entry.id] = entry
        return ServiceBinding(Handle(entry, importer.keeper))

    def worker(self, name: str) -> Worker:
        """Give the present version of a Worker.

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
        """Where the bindings of a Worker, or of the program around them, lead."""
        return dict(self._bindings.get(name, {}))

    # Contexts.

    @asynccontextmanager
    async def event(self) -> AsyncIterator[Env]:
        """Run a block in a short execution context, as the platform would run an event.

        At its end what it still holds is disposed, and its unfinished calls are cut off
        (rules C26, O12), unless they were given to `rpclab.wait_until`.
        """
        context = EventContext(self.engine, NOTEBOOK)
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
        from rpclab.trace.accounting import Ledger  # noqa: PLC0415 - for those who trace
        from rpclab.trace.recording import Recording  # noqa: PLC0415
        from rpclab.trace.trace import Trace  # noqa: PLC0415

        engine = self.engine
        outer = engine.ledger, engine.observe
        recording = Recording()
        engine.ledger = outer[0] or Ledger()
        engine.observe = _both(recording, outer[1])
        engine.special += 1
        trace = Trace(recording, engine.ledger)
        try:
            yield trace
        finally:
            trace.finish()
            engine.special -= 1
            engine.ledger, engine.observe = outer

    def tables(self, worker: str = NOTEBOOK) -> Tables:
        """The import and export tables of a Worker over all its sessions.

        The bindings it was given, and gives, are part of them.
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
        found = waiting(self.engine.sessions())
        return sorted(found, key=lambda call: call.caller != NOTEBOOK)

    def leaks(self) -> Leaks:
        """The stubs that are alive and not disposed, and what keeps each of them.

        Looking sends nothing. Where stubs were made is known to a sandbox that records.

        Returns:
            A list of `rpclab.leaks.Leak`, whose text says what to do.
        """
        from rpclab.leaks import find_leaks  # noqa: PLC0415 - only where it is asked for

        modules = {id(vars(worker.module)): name for name, worker in self._workers.items()}
        return find_leaks(self.engine, modules)

    # The end.

    def reset(self) -> None:
        """Forget every Worker and binding; all stubs break."""
        self.engine.close()
        self._workers.clear()
        self._bindings.clear()
        for name in list(self.env):
            del self.env[name]

    def close(self) -> None:
        """End it: every session closes, what was held breaks. Closing twice is fine."""
        self.reset()
        local.latest[:] = [ref for ref in local.latest if ref() not in (None, self.engine)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sandbox of {len(self._workers)} Workers: {', '.join(self._workers) or 'none'}>"


def _both(recording: Recording, outer: Observer | None) -> Observer:
    if outer is None:
        return recording

    def observe(event: tuple[Any, ...]) -> None:
        recording(event)
        outer(event)

    return observe


def _check_name(name: str) -> None:
    """Refuse what cannot be the name of a Worker, and say why."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a Worker is a text, not {type(name).__name__}")
    reasons = [reason for part, reason in _UNNAMEABLE.items() if part in name]
    if name == NOTEBOOK:
        reasons = ["the program around the Workers is called that"]
    elif not name:
        reasons = ["it is empty"]
    if reasons:
        raise ValueError(f"{name!r} cannot be the name of a Worker: {' and '.join(reasons)}")


def _refuse_twice(**options: Mapping[str, Any] | None) -> None:
    """Refuse a variable that two of the options give."""
    given: dict[str, str] = {}
    for option, variables in options.items():
        for variable in variables or ():
            if variable in given:
                raise ValueError(
                    f"the variable {variable} is given twice: in {given[variable]} and in {option}"
                )
            given[variable] = option


def _json_copy(value: Any, what: str) -> Any:
    """Copy a JSON value, or refuse what is none; `what` it is, for the error."""
    import json  # noqa: PLC0415 - not for those who bind without values

    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:  # ValueError: it contains itself
        raise TypeError(f"{what} must be a JSON value: {error}") from None


def _target(value: str | BindingTarget) -> BindingTarget:
    if isinstance(value, BindingTarget):
        return value
    if isinstance(value, str):
        return binding(value)
    raise TypeError(f'a binding leads to "worker#Entrypoint", not to {value!r}')
