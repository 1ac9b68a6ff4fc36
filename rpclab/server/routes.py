"""Which Worker answers a request, and which address leads to an exposed entrypoint.

Floor: server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.server.admission import name_of
from rpclab.workers.declarations import binding_target
from rpclab.workers.entrypoints import DEFAULT

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.workers.declarations import BindingTarget


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
        self, sandbox: Sandbox, worker: str | None = None, routes: Mapping[str, str] | None = None
    ) -> None:
        self._sandbox = sandbox
        self._worker = binding_target(worker) if worker is not None else None
        made = [_route(place, target) for place, target in (routes or {}).items()]
        # The narrowest first.
        self._routes = sorted(made, key=lambda route: (bool(route.host), len(route.path)))[::-1]

    def find(self, host: str, path: str) -> BindingTarget | None:
        """Give what answers a request; None if nothing does."""
        name = name_of(host)
        for route in self._routes:
            if route.host in ("", name) and is_below(path, route.path):
                return route.target
        first, dot, rest = name.partition(".")
        if dot and rest == "localhost" and first in self._sandbox.workers:
            return binding_target(first)
        return self._worker or self._only()

    def _only(self) -> BindingTarget | None:
        for name, worker in self._sandbox.workers.items():
            entrypoint = worker.exports.get(DEFAULT)
            if entrypoint is not None and hasattr(entrypoint, "fetch"):
                return binding_target(name)
        return None


class Exposed:
    """What sessions are offered, by path.

    Args:
        entrypoints: by path, "worker#Entrypoint", or an object that is main itself; or texts
            "worker#Entrypoint=/path".

    Raises:
        ValueError: a path is none, or given twice.
    """

    def __init__(self, entrypoints: Mapping[str, Any] | Iterable[str] | None = None) -> None:
        self.mains: dict[str, Any] = {}
        pairs: Iterable[tuple[str, Any]]
        if entrypoints is None or isinstance(entrypoints, Mapping):
            pairs = (entrypoints or {}).items()
        else:
            pairs = map(_exposure, entrypoints)
        for path, main in pairs:
            if not path.startswith("/"):
                raise ValueError(f'an exposed path begins with "/", and {path!r} does not')
            if path in self.mains:
                raise ValueError(f"two entrypoints are exposed at {path}")
            self.mains[path.rstrip("/") or "/"] = binding_target(main) if _is_text(main) else main

    def find(self, path: str) -> Any:
        """Give what was exposed at a path; None if nothing was."""
        return self.mains.get(path.rstrip("/") or "/")


def is_below(path: str, top: str) -> bool:
    """Whether a path is that one, or below it."""
    return top in ("/", path) or path.startswith(top + "/")


def _is_text(main: object) -> bool:
    return isinstance(main, str)


def _exposure(text: str) -> tuple[str, str]:
    target, equals, path = text.partition("=")
    if not equals:
        raise ValueError(f"an exposure is worker#Entrypoint=/path, not {text!r}")
    return path, target


def _route(place: str, target: str) -> Route:
    host, slash, path = place.partition("/")
    return Route(host.lower(), (slash + path).rstrip("/") or "/", binding_target(target))
