"""Which Worker answers a request, and which address leads to an exposed entrypoint.

Floor: server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.net.mains import main_of
from rpclab.previews import type_name
from rpclab.rpc.local import home
from rpclab.server.admission import name_of
from rpclab.workers.declarations import NOTEBOOK, BindingTarget, binding_target
from rpclab.workers.entrypoints import DEFAULT
from rpclab.workers.validation.policy import new_door
from rpclab.workers.worker import EntrypointHook

if TYPE_CHECKING:
    from rpclab.core.contexts import ExecutionContext
    from rpclab.net.mains import Main
    from rpclab.server.served import Served


_BELOW = ".localhost"


class Route(NamedTuple):
    """Requests to a host, below a path, go to a Worker; an empty host means all."""

    host: str
    path: str
    target: BindingTarget


class Routes:
    """Which Worker answers what: a whole host, or what lies below a path of it.

    Args:
        sandbox: where the Workers are.
        worker: what answers where nothing else fits, "worker" or "worker#Entrypoint"; None for
            the only one that has `fetch`, or was deployed first of those.
        routes: by "/path", "host" or "host/path", what answers there.

    A Worker that is named nowhere is found at its own name, as http://NAME.localhost.
    """

    def __init__(
        self, sandbox: Served, worker: str | None = None, routes: Mapping[str, str] | None = None
    ) -> None:
        self._sandbox = sandbox
        self._worker = binding_target(worker) if worker is not None else None
        self._found: BindingTarget | None = None
        made = [_route(place, target) for place, target in (routes or {}).items()]
        # The narrowest first.
        self._routes = sorted(made, key=lambda route: (bool(route.host), len(route.path)))[::-1]

    def find(self, host: str, path: str) -> BindingTarget | None:
        """Give what answers a request; None if nothing does."""
        if self._routes or _BELOW in host.lower():
            name = name_of(host)
            for route in self._routes:
                if route.host in ("", name) and is_below(path, route.path):
                    return route.target
            first, dot, rest = name.partition(".")
            if dot + rest == _BELOW and first in self._sandbox.workers:
                return binding_target(first)
        return self._worker or self._only()

    def _only(self) -> BindingTarget | None:
        for name, worker in self._sandbox.workers.items():
            entrypoint = worker.exports.get(DEFAULT)
            if entrypoint is not None and hasattr(entrypoint, "fetch"):
                if self._found is None or self._found.worker != name:
                    self._found = binding_target(name)
                return self._found
        return None


class Exposed:
    """What sessions are offered, by path.

    Args:
        entrypoints: by path, "worker#Entrypoint", or an object that is main itself; or texts
            "worker#Entrypoint=/path".
        sandbox: where the Workers are; None if none are exposed.
        validate: whether the arguments of calls to entrypoints have to be as the annotations there
            say, unless `binding(…, validate=)` says otherwise.

    Raises:
        ValueError: a path is none, or given twice.
        TypeError: an object can be no main.
        UnknownEntrypointError: the Worker is there, and has no such entrypoint.
        ImportError: arguments are to be checked, and the extra rpclab[validate] is not installed.
    """

    def __init__(
        self,
        entrypoints: Mapping[str, Any] | Iterable[str] | None = None,
        sandbox: Served | None = None,
        *,
        validate: bool = True,
    ) -> None:
        self._sandbox = sandbox
        self._validate = validate
        self._mains: dict[str, tuple[Main, ExecutionContext]] = {}
        self._names: dict[str, str] = {}
        pairs: Iterable[tuple[str, Any]]
        if entrypoints is None or isinstance(entrypoints, Mapping):
            pairs = (entrypoints or {}).items()
        else:
            pairs = map(_exposure, entrypoints)
        for path, main in pairs:
            if not path.startswith("/"):
                raise ValueError(f'an exposed path begins with "/", and {path!r} does not')
            place = path.rstrip("/") or "/"
            if place in self._mains:
                raise ValueError(f"two entrypoints are exposed at {place}")
            self._mains[place] = self._main(place, main)

    def _main(self, path: str, main: Any) -> tuple[Main, ExecutionContext]:
        if not isinstance(main, (str, BindingTarget)):
            self._names[path] = type_name(main)
            here = home() if self._sandbox is None else self._sandbox.engine.keeper(NOTEBOOK)
            return main_of(main, here), here
        if self._sandbox is None:
            raise TypeError("an entrypoint is exposed by its sandbox: sandbox.serve(expose=…)")
        target = binding_target(main)
        if target.validate is None and self._validate:
            target = target._replace(validate=True)
        if target.validate:
            new_door()  # what it needs is not missed by the first caller
        self._names[path] = str(target)
        deployed = self._sandbox.workers.get(target.worker)
        if deployed is not None:
            deployed.entrypoint(target.entrypoint)
        return OfWorker(self._sandbox, target), self._sandbox.engine.keeper(target.worker)

    def find(self, path: str) -> tuple[Main, ExecutionContext] | None:
        """Give what was exposed at a path, and where it lives; None if nothing was."""
        return self._mains.get(path.rstrip("/") or "/")

    def named(self, path: str) -> str:
        """What was exposed at a path, in a word; "" if nothing was."""
        return self._names.get(path.rstrip("/") or "/", "")

    def close(self) -> None:
        """No more sessions begin."""
        for main, _ in self._mains.values():
            main.close()
        self._mains.clear()


class OfWorker:
    """An entrypoint of a Worker: each call reaches a new instance, of the version there is then.

    Args:
        sandbox: where the Worker is.
        target: which entrypoint, with what props.
    """

    def __init__(self, sandbox: Served, target: BindingTarget) -> None:
        self._find = partial(sandbox.worker, target.worker)
        self._target = target

    def hook(self) -> EntrypointHook:
        target = self._target
        return EntrypointHook(
            self._find, target.entrypoint, dict(target.props), validate=target.validate
        )

    def close(self) -> None:
        pass


def is_below(path: str, top: str) -> bool:
    """Whether a path is that one, or below it."""
    return top in ("/", path) or path.startswith(top + "/")


def _exposure(text: str) -> tuple[str, str]:
    target, equals, path = text.partition("=")
    if not equals:
        raise ValueError(f"an exposure is worker#Entrypoint=/path, not {text!r}")
    return path, target


def _route(place: str, target: str) -> Route:
    host, slash, path = place.partition("/")
    return Route(host.lower(), (slash + path).rstrip("/") or "/", binding_target(target))
