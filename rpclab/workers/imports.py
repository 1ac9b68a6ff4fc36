"""What `import` means in the code of one Worker: `workers`, and the modules beside its main file.

Floor: workers. So are the modules of the platform (`rpclab.workers.platform`). All are per Worker,
through an import function in the builtins of its modules: `sys.path` is left alone, and so is
`sys.modules` but while a module's text runs. So two Workers may each have a `pages.py`, a user's
own workers.py is safe, and a new version runs its modules anew.

A library that imports one by its name, as Django does with its settings, knows nothing of that. So
`importlib.import_module` asks here first: the Worker whose code runs is looked into. For those who
go other ways, Python's finders come here when nothing of that name is installed; what they find
stands in `sys.modules` for the present step alone, for two Workers may each have an `urls`.
"""

from __future__ import annotations

import asyncio
import builtins
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from os import PathLike, fspath
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from rpclab.core.contexts import current
from rpclab.workers.platform import MODULES, make
from rpclab.workers.platform.advice import imported_names

given_to_all: dict[str, Any] = {}
"""What the code of every Worker finds among its builtins, beside or in place of Python's."""


class Imports:
    """The import function of one version of a Worker.

    Args:
        given: modules that are there from the start, by name.
        folder: where the modules of the Worker itself stand, if it has any. They come before
            installed ones of the same name, as those beside a script do.
    """

    def __init__(
        self, given: dict[str, types.ModuleType], folder: str | PathLike[str] | None = None
    ) -> None:
        self._given = frozenset(given)
        self._modules = given
        self._folder = fspath(folder) if folder is not None else None
        if self._folder is not None:
            install()
        self._ours = set(given)
        self._elsewhere: set[str] = set()  # names that are no module of the Worker
        self.builtins = {**vars(builtins), **given_to_all, "__import__": self._import}

    def _import(
        self,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> types.ModuleType:
        full = importlib.util.resolve_name("." * level + name, _package(globals)) if level else name
        first = full.partition(".")[0]
        if not self._has(first):
            try:
                return builtins.__import__(name, globals, locals, fromlist, level)
            except ModuleNotFoundError as error:
                _advise(error, first)
                raise
        module = self.load(full)
        if not fromlist:
            # `import a.b` binds `a`; from inside a package this cannot be reached.
            return self._modules[first]
        for part in fromlist:
            if f"{full}.{part}" in MODULES and full in self._ours:
                self.load(f"{full}.{part}")
            elif part != "*" and not hasattr(module, part) and hasattr(module, "__path__"):
                self._find(f"{full}.{part}", load=True)
        if full in self._ours:
            imported_names(module, fromlist)
        return module

    def _has(self, first: str) -> bool:
        if first in self._modules:
            return True
        if first in self._elsewhere:
            return False
        if first in MODULES or self.has(first):
            return True
        self._elsewhere.add(first)
        return False

    def has(self, full: str) -> bool:
        """Whether a file of the Worker is the module, or the package that it is a part of."""
        first = full.partition(".")[0]
        if self._folder is None or first in self._given:
            return False
        spec = self._find(first)
        # A folder without __init__.py comes last, after what is installed.
        return spec is not None and (spec.loader is not None or not is_installed(first))

    def find(self, full: str) -> ModuleSpec | None:
        """Look for a module that is a file of the Worker, and whose package is loaded."""
        parent = full.rpartition(".")[0]
        if not self.has(full) or (parent and parent not in self._modules):
            return None
        return self._find(full)

    def _find(self, full: str, *, load: bool = False) -> ModuleSpec | None:
        """Look for a module among the Worker's own; load it, if wanted and there."""
        parent, _, _ = full.rpartition(".")
        folders = getattr(self._modules[parent], "__path__", ()) if parent else [self._folder]
        for folder in folders:
            if folder is not None:
                # A finder of our own, for the shared ones remember what a folder had.
                finder = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES))
                spec = finder.find_spec(full)
                if spec is not None:
                    if load:
                        self.load(full)
                    return spec
        return None

    def load(self, full: str) -> types.ModuleType:
        """Give a module; its text runs if it has not run.

        Raises:
            ModuleNotFoundError: there is none.
            Exception: whatever its text raises.
        """
        if full in self._modules:
            return self._modules[full]
        parent, _, last = full.rpartition(".")
        if full in MODULES and not self.has(full):
            return self._make(full)
        if parent:
            package = self.load(parent)
            if not hasattr(package, "__path__"):
                raise ModuleNotFoundError(
                    f"No module named {full!r}; {parent!r} is not a package", name=full
                )
        spec = self._find(full)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {full!r}", name=full)
        module = importlib.util.module_from_spec(spec)
        # Before it runs, for modules may import one another.
        self._modules[full] = module
        if parent:
            setattr(self._modules[parent], last, module)
        try:
            self._run(full, spec, module)
        except BaseException:
            del self._modules[full]
            if parent:
                delattr(self._modules[parent], last)
            raise
        if parent:  # once more, for it may have bound the name to something else meanwhile
            setattr(self._modules[parent], last, module)
        return module

    def _make(self, full: str) -> types.ModuleType:
        """Make a module of the platform."""
        self._modules[full] = module = make(full)
        self._ours.add(full)
        parent, _, last = full.rpartition(".")
        if parent:
            setattr(self.load(parent), last, module)
        return module

    def _run(self, full: str, spec: ModuleSpec, module: types.ModuleType) -> None:
        module.__dict__["__builtins__"] = self.builtins
        if isinstance(spec.loader, SourceFileLoader):
            # From its text each time: what is cached tells edits apart by the second alone.
            path = spec.loader.get_filename(full)
            code = spec.loader.source_to_code(spec.loader.get_data(path), path)
            with known(module):
                exec(code, module.__dict__)  # noqa: S102 - running it is the point


@contextmanager
def known(module: types.ModuleType) -> Iterator[None]:
    """Let a module be found under its name while its text runs: dataclasses look for it there.

    Not where another module has that name, or would have if it were imported.
    """
    name = module.__name__
    free = name not in sys.modules and not (name.isidentifier() and is_installed(name))
    if free:
        sys.modules[name] = module
    token = loading.set(modules_of(module))
    try:
        with showing():
            yield
    finally:
        loading.reset(token)
        if free:
            sys.modules.pop(name, None)


def is_code_of_a_worker(frame: types.FrameType) -> bool:
    """Whether a frame runs the code of a Worker: its main file, a cell, a module beside it."""
    imports = getattr(frame.f_builtins.get("__import__"), "__self__", None)
    return type(imports) is Imports


def _package(globals_: Any) -> str:
    """The package that a relative import starts from."""
    package = (globals_ or {}).get("__package__")
    if not package:
        raise ImportError(
            "attempted relative import with no known parent package: the main file of a Worker"
            " is in none, so name the module without the dots"
        )
    return str(package)


def _advise(error: ModuleNotFoundError, wanted: str) -> None:
    """Say what to do about a module that is not there."""
    missing = (error.name or "").partition(".")[0]
    if missing == wanted:
        error.add_note(
            "it is not installed where rpclab runs: pip install it there, as pyproject.toml does"
            " on the platform"
        )
    elif missing in MODULES or missing == "workers":
        error.add_note(
            f"the package {wanted} is made for Cloudflare: it imports {missing}, which rpclab gives"
            " to the Worker's own code alone"
        )


# Modules that are imported by name.

loading: ContextVar[Imports | None] = ContextVar("rpclab_loading", default=None)
"""The modules of the Worker whose text runs."""

_serving: WeakKeyDictionary[object, WeakValueDictionary[str, Imports]] = WeakKeyDictionary()
_shown: dict[str, types.ModuleType] = {}
_depth = 0


def serve(engine: object, worker: str, modules: Imports | None) -> None:
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


def _running() -> Imports | None:
    modules = loading.get()
    context = current.get()
    if modules is not None or context is None:
        return modules
    workers = _serving.get(context.host)
    return None if workers is None else workers.get(context.worker)


def modules_of(module: types.ModuleType | None) -> Imports | None:
    """The modules of the Worker that a module is one of; None of another module."""
    names = {} if module is None else vars(module).get("__builtins__")
    function = names.get("__import__") if isinstance(names, dict) else None
    found = getattr(function, "__self__", None)
    return found if isinstance(found, Imports) else None


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


def _spec(full: str, modules: Imports | None) -> ModuleSpec | None:
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

    def __init__(self, full: str, path: str, modules: Imports) -> None:
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
