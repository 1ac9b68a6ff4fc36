"""Workers deployed as their configuration files say.

Floor: sandbox.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from rpclab.config import WorkerConfig, load_configs
from rpclab.config.file_text import read_python
from rpclab.config.worker_config import missing_secret
from rpclab.errors import ConfigError, ConfigWarning, UnknownEntrypointError, near
from rpclab.workers.declarations import BindingTarget, binding, json_copy

if TYPE_CHECKING:
    from pathlib import Path

    from rpclab.config.worker_config import Database
    from rpclab.workers.d1.database import D1Database
    from rpclab.workers.env import Env
    from rpclab.workers.kv.namespace import KVNamespace
    from rpclab.workers.worker import Worker

MEMORY = ":memory:"

_MOST_SHOWN = 200  # characters of a name of a file that an error quotes


class Deploys(Protocol):
    """The part of a sandbox that takes Workers and gives what these are bound to."""

    @property
    def storage(self) -> Path | None:
        """The folder of what is stored; None keeps it in memory."""

    @property
    def workers(self) -> dict[str, Worker]:
        """The Workers that are deployed, by name."""

    def deploy(self, *args: Any, **options: Any) -> Worker:
        """Deploy a Worker; see `Sandbox.deploy`."""

    def d1(self, where: str | PathLike[str]) -> D1Database:
        """Give a database."""

    def kv(self, id: str) -> KVNamespace:
        """Give a KV namespace."""


def deploy_all(
    sandbox: Deploys,
    paths: Iterable[str | PathLike[str]],
    environment: str | None,
    vars: Mapping[str, Any] | None = None,
) -> list[Worker]:
    """Deploy the Workers of some configuration files.

    Args:
        sandbox: where.
        paths: files, or folders of them.
        environment: the named environment that is meant, or None.
        vars: what variables and secrets of theirs are instead.

    Raises:
        ValueError: no file has a variable or secret that is given.
        ConfigError: as `rpclab.config.load_configs`; or the code of a Worker is no `.py` file, or a
            service names an entrypoint that its Worker does not export.
        Exception: whatever the code of a Worker raises.
    """
    configs = with_vars(load_configs(paths, environment=environment), vars or {})
    sources = [read_source(config) for config in configs]
    for config in configs:
        warn(config)
    workers = []
    for config, source in zip(configs, sources, strict=True):
        check_bindings(sandbox, config)  # those to Workers that are there; the others below
        worker = sandbox.deploy(
            config.name,
            source=source,
            filename=str(config.main_file),
            folder=config.main_file.parent,
            placement=config.placement or None,
            **options_of(config, sandbox),
        )
        hide_secrets(worker.env, config)
        worker.config = config
        workers.append(worker)
    for config in configs:
        check_bindings(sandbox, config, own=True)
    return workers


def with_vars(configs: list[WorkerConfig], given: Mapping[str, Any]) -> list[WorkerConfig]:
    """Give configurations in which variables and secrets have other values.

    Args:
        configs: the configurations.
        given: the values, by name; each counts wherever that name is a variable or a secret.

    Raises:
        ValueError: it is one nowhere.
        TypeError: a value is no JSON value, or that of a secret no text.
    """
    known = {
        name for each in configs for name in (*each.vars, *each.secrets, *each.required_secrets)
    }
    for name in given:
        if name not in known:
            error = ValueError(f"no configuration has a variable or a secret {name!r}")
            error.add_note(near(name, known) or "they have none")
            raise error
    copied = {name: json_copy(value, f"the variable {name}") for name, value in given.items()}
    return [_with(config, copied) for config in configs]


def _with(config: WorkerConfig, given: Mapping[str, Any]) -> WorkerConfig:
    secret = {*config.secrets, *config.required_secrets}
    secrets = {name: value for name, value in given.items() if name in secret}
    for name, value in secrets.items():
        if not isinstance(value, str):
            raise TypeError(f"the secret {name} is a text, not {type(value).__name__}")
    plain = {name: value for name, value in given.items() if name in config.vars}
    missing = {missing_secret(name) for name in secrets}
    return replace(
        config,
        vars={**config.vars, **plain},
        secrets={**config.secrets, **secrets},
        notes=tuple(note for note in config.notes if note.text not in missing),
    )


def hide_secrets(env: Env, config: WorkerConfig) -> None:
    """Let no display of an environment show what `.dev.vars` gives."""
    object.__setattr__(env, "__secret__", frozenset(config.secrets))


def options_of(config: WorkerConfig, sandbox: Deploys) -> dict[str, Any]:
    """Give what `Sandbox.prepare` is to be told of a Worker, beside its name.

    Its databases have the tables that their migrations make.

    Raises:
        D1Error: a migration failed.
    """
    options: dict[str, Any] = {
        "vars": config.texts,
        "json": config.values,
        "bind": bindings_of(config),
    }
    if config.d1_databases:
        options["d1"] = {each.binding: _database(each, sandbox) for each in config.d1_databases}
    if config.kv_namespaces:
        options["kv"] = {each.binding: sandbox.kv(each.id) for each in config.kv_namespaces}
    if config.durable_objects:
        options["objects"] = {each.binding: each.target for each in config.durable_objects}
    return options


def _database(declared: Database, sandbox: Deploys) -> D1Database:
    """Give the database, which several Workers may share, with its migrations applied.

    It is kept where the sandbox keeps what is stored: in its folder, or in memory.
    """
    from rpclab.workers.d1.migrations import apply_migrations_now  # noqa: PLC0415 - opens SQLite

    folder = sandbox.storage
    if folder is None:
        database = sandbox.d1(f"{MEMORY}{declared.key}")
    else:
        (folder / "d1").mkdir(parents=True, exist_ok=True)
        name = quote(declared.key, safe="")  # two keys never mean the same file
        database = sandbox.d1(folder / "d1" / f"{name}.sqlite")
    if declared.migrations_dir is not None:
        apply_migrations_now(database, declared.migrations_dir, table=declared.migrations_table)
    return database


def bindings_of(config: WorkerConfig) -> Mapping[str, BindingTarget]:
    """Give the service bindings of a Worker.

    Raises:
        ConfigError: the text of one is no binding.
    """
    return {
        service.binding: binding(service.target, props=service.props) for service in config.services
    }


def read_source(config: WorkerConfig) -> str:
    """Read the code of a Worker.

    Raises:
        ConfigError: its `main` is no `.py` file, or cannot be read.
    """
    shown = repr(config.main[:_MOST_SHOWN])
    if not config.main.endswith(".py"):
        raise ConfigError(
            f"main is a .py file, not {shown}: rpclab runs Workers in Python",
            filename=config.filename,
        )
    return read_python(config.main_file, called=f"main = {shown}", said_in=config.filename)


def warn(config: WorkerConfig) -> None:
    """Warn once of all in a configuration that has no effect here."""
    text = config.warning()
    if text:
        # The caller of Sandbox.from_config is three calls above.
        warnings.warn(ConfigWarning(text), stacklevel=4)


def check_bindings(sandbox: Deploys, config: WorkerConfig, *, own: bool = False) -> None:
    """Refuse bindings whose Worker is there and has no such entrypoint or class.

    Args:
        sandbox: where the Workers are.
        config: what has the bindings.
        own: look at those to itself as well, for this version of it is deployed.

    Raises:
        ConfigError: there is one.
    """
    workers = sandbox.workers
    if not own:
        workers.pop(config.name, None)
    for line, _, name, class_name, kind in config.leads:
        worker = workers.get(name)
        if worker is not None:
            with _at(config, line):
                find = worker.entrypoint if kind == "entrypoint" else worker.object_class
                find(class_name)


@contextmanager
def _at(config: WorkerConfig, line: int) -> Iterator[None]:
    """Say of an unknown entrypoint where the configuration names it."""
    try:
        yield
    except UnknownEntrypointError as error:
        failed = ConfigError(str(error), filename=config.filename, line=line)
        for note in getattr(error, "__notes__", ()):
            failed.add_note(note)
        raise failed from None
