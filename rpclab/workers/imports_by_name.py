"""Modules of a Worker that a library imports by name, as Django does with its settings.

Floor: workers. A library's own `import` knows nothing of the modules beside a Worker's main file.
So `importlib.import_module` asks here first: the Worker whose code runs is looked into. For those
who go other ways, Python's finders come here when nothing of that name is installed; what they find
stands in `sys.modules` for the present step alone, for two Workers may each have an `urls`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.machinery import ModuleSpec, SourceFileLoader
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from rpclab.core.contexts import current


class OwnModules(ABC):
    """The modules of one version of a Worker."""

    @abstractmethod
    def has(self, full: str) -> bool:
        """Whether a file of the Worker is the module, or the package that it is a part of."""

    @abstractmethod
    def find(self, full: str) -> ModuleSpec | None:
        """Look for one that is a file of the Worker, and whose package is loaded."""

    @abstractmethod
    def load(self, full: str) -> types.ModuleType:
        """Give it; its text runs if it has not run."""


loading: ContextVar[OwnModules | None] = ContextVar("rpclab_loading", default=None)
"""The modules of the Worker whose text runs."""

_serving: WeakKeyDictionary[object, WeakValueDictionary[str, OwnModules]] = WeakKeyDictionary()
_shown: dict[str, types.ModuleType] = {}
_depth = 0


def serve(engine: object, worker: str, modules: OwnModules | None) -> None:
    """Look into these modules when code of the Worker runs, from now on.

    Args:
        engine: what the Worker runs on.
        worker: its name.
        modules: those of its present version, if it has any.
    """
    workers = _serving.setdefault(engine, WeakValueDictionary())
    if modules is None:
        workers.pop(worker, None)
    else:
        workers[worker] = modules


def _running() -> OwnModules | None:
    modules = loading.get()
    context = current.get()
    if modules is not None or context is None:
        return modules
    workers = _serving.get(context.host)
    return None if workers is None else workers.get(context.worker)


def modules_of(module: types.ModuleType | None) -> OwnModules | None:
    """The modules of the Worker that a module is one of; None of another module."""
    names = {} if module is None else vars(module).get("__builtins__")
    function = names.get("__import__") if isinstance(names, dict) else None
    found = getattr(function, "__self__", None)
    return found if isinstance(found, OwnModules) else None


class _Finder:
    """Asked last of all, for names that are not installed."""

    def find_spec(
        self, full: str, path: Sequence[str] | None, target: types.ModuleType | None = None, /
    ) -> ModuleSpec | None:
        del path, target
        return _spec(full, None if "." in full else _running())


class _FinderOfParts:
    """Asked first of all, for parts of a package of a Worker, which Python would find itself."""

    def find_spec(
        self, full: str, path: Sequence[str] | None, target: types.ModuleType | None = None, /
    ) -> ModuleSpec | None:
        del path, target
        return _spec(full, modules_of(sys.modules.get(full.rpartition(".")[0])))


def _spec(full: str, modules: OwnModules | None) -> ModuleSpec | None:
    found = None if modules is None else modules.find(full)
    if modules is None or found is None:
        return None
    folders = found.submodule_search_locations
    loader = _Loader(full, found.origin or "", modules)
    spec = ModuleSpec(full, loader, origin=found.origin, is_package=folders is not None)
    spec.submodule_search_locations = folders
    return spec


class _Loader(SourceFileLoader):
    """Hands out a module of a Worker."""

    def __init__(self, full: str, path: str, modules: OwnModules) -> None:
        super().__init__(full, path)
        self._modules = modules

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        global _depth  # noqa: PLW0603 - of the interpreter's one table of modules
        _depth += 1
        try:
            module = self._modules.load(spec.name)
        finally:
            _depth -= 1
        _shown[spec.name] = module
        with suppress(RuntimeError):  # without a loop the end of the text that runs hides it
            asyncio.get_running_loop().call_soon(_hide)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Its text has run."""


@contextmanager
def showing() -> Iterator[None]:
    """Let what is imported by name in a block stand in `sys.modules` until its end."""
    global _depth  # noqa: PLW0603 - as above
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        _hide()


def _hide() -> None:
    if not _depth:
        for name, module in _shown.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
        _shown.clear()


def is_installed(name: str) -> bool:
    """Whether Python has a module of that name, without a Worker's."""
    if name in sys.modules:
        return modules_of(sys.modules[name]) is None
    return any(
        finder.find_spec(name, None) is not None
        for finder in sys.meta_path
        if not isinstance(finder, (_Finder, _FinderOfParts))
    )


def _import_by_name(name: str, package: Any = None, level: int = 0) -> types.ModuleType:
    modules = _running()
    if modules is not None:
        full = importlib.util.resolve_name("." * level + name, package) if level else name
        loaded = sys.modules.get(full.partition(".")[0])
        # As beside a script: what is loaded comes first, and what is installed last.
        if (loaded is None or modules_of(loaded) is not None) and modules.has(full):
            return modules.load(full)
    imported: types.ModuleType = _python_imports(name, package, level)
    return imported


_bootstrap: Any = importlib._bootstrap
_python_imports = _bootstrap._gcd_import


def install() -> None:
    """Have Python ask here; a program with Workers of several files needs that, once."""
    if _bootstrap._gcd_import is not _import_by_name:
        # What `importlib.import_module` calls, whoever holds that function already.
        _bootstrap._gcd_import = _import_by_name
        sys.meta_path.insert(0, _FinderOfParts())
        sys.meta_path.append(_Finder())
