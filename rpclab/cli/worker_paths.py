"""What a command is about: `PATH#Entrypoint`, where PATH is Python, a configuration or a folder.

Floor: cli. Here the code of Workers is read, and not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from rpclab.config import WorkerConfig, find_configs, load_config
from rpclab.errors import RpcError
from rpclab.typegen.of_workers import source_of, source_of_file
from rpclab.typegen.sources import Source
from rpclab.workers.entrypoints import DEFAULT

PYTHON = ".py"
_NO_NAME = re.compile(r"[#→]|^notebook$")


class Subject(NamedTuple):
    """A Worker, and which of its entrypoints or classes is meant.

    Attributes:
        path: its code (`.py`), or its configuration.
        entrypoint: "Default" unless another is named.
    """

    path: Path
    entrypoint: str

    @property
    def is_code(self) -> bool:
        """Whether the path is that of code, and there is no configuration."""
        return self.path.suffix == PYTHON

    @property
    def name(self) -> str:
        """What a Worker of this code is called, where no configuration says it."""
        return name_of(self.path)

    def config(self, environment: str | None = None) -> WorkerConfig:
        """Read its configuration.

        Raises:
            ConfigError: it says something wrong.
        """
        return load_config(self.path, environment=environment)

    def source(self) -> Source:
        """Read its code.

        Raises:
            ConfigError: a file cannot be read, or is no Python.
        """
        return source_of_file(self.path) if self.is_code else source_of(self.config())


def name_of(path: Path) -> str:
    """Name a Worker after the file of its code."""
    return _NO_NAME.sub("-", path.stem) or "worker"


def told_apart(paths: Iterable[str | Path]) -> tuple[list[Path], list[Path]]:
    """List the `.py` files among some paths, and the configurations that the others mean.

    Raises:
        ConfigError: as `find_configs`.
    """
    given = [Path(path) for path in paths]
    others = [path for path in given if path.suffix != PYTHON]
    return [path for path in given if path.suffix == PYTHON], find_configs(others) if others else []


class SubjectType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """`PATH[#Entrypoint]`; the shell completes both halves."""

    name = "WORKER"

    def convert(
        self, value: str | Subject, param: click.Parameter | None, ctx: click.Context | None
    ) -> Subject:
        if isinstance(value, Subject):
            return value
        path, hash_, entrypoint = value.rpartition("#") if "#" in value else (value, "", DEFAULT)
        if hash_ and not (path and entrypoint):
            self.fail(f"{value!r} is not of the form PATH#Entrypoint", param, ctx)
        if Path(path).is_dir():
            self.fail(f"{path!r} is a folder: name the .py file or configuration in it", param, ctx)
        if not Path(path).is_file():
            self.fail(f"there is no file {path!r}", param, ctx)
        return Subject(Path(path), entrypoint)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        path, hash_, begun = incomplete.partition("#")
        if not hash_:
            return [CompletionItem(incomplete, type="file")]
        return [
            CompletionItem(f"{path}#{name}")
            for name in _entrypoints(Subject(Path(path), begun))
            if name.startswith(begun)
        ]


class MethodType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """The name of a method; the shell completes those of the subject before it."""

    name = "METHOD"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        given = ctx.params.get("worker")
        if not isinstance(given, Subject):
            return []
        try:
            members = given.source().members(given.entrypoint)
        except (RpcError, OSError):
            return []
        return [CompletionItem(each.name) for each in members if each.name.startswith(incomplete)]


def _entrypoints(subject: Subject) -> list[str]:
    try:
        return [*subject.source().entrypoints()]
    except (RpcError, OSError):  # it is still being typed
        return []
