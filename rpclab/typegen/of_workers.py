"""What there is to know of Workers: from their configuration files, or from a live sandbox.

Floor: typegen. From files no code is run. In a sandbox the code has run already, and its text is
read as from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from rpclab.config import WorkerConfig, load_all, load_config
from rpclab.config.file_text import read_python
from rpclab.configured import read_source
from rpclab.declared import Bound, Declared, bound_by, bound_in, declared
from rpclab.errors import ConfigError, near
from rpclab.sandbox import NOTEBOOK, BindingTarget, binding
from rpclab.typegen.sources import Source
from rpclab.typegen.stub_file import Described, Leads, Written, write_stub

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox

COMMAND = "python -m rpclab types"


def types_of_configs(
    paths: Iterable[str | PathLike[str]], environment: str | None = None
) -> dict[Path, Written]:
    """Write the types of the Workers of some configuration files.

    Args:
        paths: files, or folders of them.
        environment: the named environment that is meant; if None all of them and the top of each
            file: what is said in any of them is known, and has the type of each.

    Returns:
        For each file what its types are; its services are known where they lead to one of these.

    Raises:
        ConfigError: as `rpclab.config.load_config`; or the code of a Worker is no Python.
    """
    variants = {
        path: [config, *([] if environment else _in_environments(config, path))]
        for path, config in load_all(paths, environment=environment).items()
    }
    sources: dict[str, Source] = {}
    names: dict[str, str] = {}  # of Workers that are another in some environment
    for configs in variants.values():
        mains: dict[Path, str] = {}
        for config in configs:
            names[config.name] = mains.setdefault(config.main_file, config.name)
            if names[config.name] == config.name:
                sources[config.name] = source_of(config)
    written = {}
    for path, (config, *others) in variants.items():
        described = _described_by(config, names)
        described.elsewhere = [_described_by(other, names) for other in others]
        written[path] = write_stub(described, sources, command=COMMAND)
    return written


def _in_environments(config: WorkerConfig, path: Path) -> list[WorkerConfig]:
    return [load_config(path, environment=name) for name in config.environments]


def types_of_program(
    paths: Iterable[str | PathLike[str]],
    bindings: Mapping[str, str],
    environment: str | None = None,
) -> Written:
    """Write the types of a program that binds Workers of some configuration files, as a test does.

    Args:
        paths: files, or folders of them.
        bindings: by variable, "worker" or "worker#Class": an entrypoint, or a class of Durable
            Objects, of which the variable is the namespace.
        environment: the named environment that is meant.

    Raises:
        ConfigError: as `types_of_configs`; or there is no such Worker, or no such class in it.
    """
    configs = load_all(paths, environment=environment).values()
    sources = {config.name: source_of(config) for config in configs}
    described = Described(NOTEBOOK)
    for variable, text in bindings.items():
        target = _target(variable, text)
        if target.worker not in sources:
            raise _unknown(f'there is no Worker "{target.worker}"', target.worker, sources)
        exports = sources[target.worker].entrypoints()
        if target.entrypoint not in exports:
            what = f'the Worker "{target.worker}" has no class "{target.entrypoint}"'
            raise _unknown(what, target.entrypoint, exports)
        leads = Leads(target.worker, target.entrypoint)
        is_object = exports[target.entrypoint] == "object"
        (described.objects if is_object else described.services)[variable] = leads
    return write_stub(described, sources, command=f"{COMMAND} --bind …")


def _target(variable: str, text: str) -> BindingTarget:
    try:
        target = binding(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if not variable.isidentifier():
        raise ConfigError(f"{variable!r} cannot be the name of a variable")
    return target


def _unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    error = ConfigError(what)
    error.add_note(near(name, known) or "it has none")
    return error


def source_of(config: WorkerConfig) -> Source:
    """Read the code of a configured Worker, without running it.

    Raises:
        ConfigError: its `main` cannot be read, or is no Python; the error names file and line.
    """
    return _parsed(read_source(config), config.main_file)


def source_of_file(path: Path) -> Source:
    """Read the code of a Worker that no configuration leads to, without running it.

    Raises:
        ConfigError: it cannot be read, or is no Python; the error names file and line.
    """
    return _parsed(read_python(path), path)


def _parsed(text: str, file: Path) -> Source:
    try:
        return Source(text, file.parent, str(file))
    except SyntaxError as error:
        raise ConfigError(
            f"this is no Python: {error.msg}",
            filename=error.filename or str(file),
            line=error.lineno or 0,
            column=error.offset or 0,
        ) from None


def _described_by(config: WorkerConfig, names: Mapping[str, str]) -> Described:
    return _described(config.name, bound_by(config), names, config.required_secrets)


def _described(
    worker: str,
    bound: Bound,
    names: Mapping[str, str] = MappingProxyType({}),
    required: Iterable[str] = (),
) -> Described:
    """Say what is known of an environment.

    Args:
        worker: whose it is.
        bound: what it holds.
        names: what Workers are called in `sources`, where that is another name.
        required: secrets that it needs, of which no more is known.
    """

    def leads(worker: str, class_name: str) -> Leads:
        return Leads(names.get(worker, worker), class_name)

    secrets = dict.fromkeys([*sorted(bound.secrets), *required], ())
    return Described(
        name=names.get(worker, worker),
        texts={**{name: (text,) for name, text in bound.vars.items()}, **secrets},
        values={name: value for name, value in bound.json.items() if name not in secrets},
        services={name: leads(to.worker, to.entrypoint) for name, to in bound.bind.items()},
        objects={name: leads(*to.split("#")) for name, to in bound.objects.items()},
        databases=[*bound.d1],
        namespaces=[*bound.kv],
    )


def types_of_sandbox(sandbox: Sandbox, worker: str = NOTEBOOK) -> Written:
    """Write the types of a Worker of a sandbox, or of the program around them.

    Raises:
        UnknownBindingError: no Worker of that name is deployed.
    """
    env = sandbox.env if worker == NOTEBOOK else sandbox.worker(worker).env
    bound = bound_in(env, sandbox.bindings(worker))
    found = {each.name: _source_declared(each) for each in declared(sandbox)}
    sources = {name: source for name, source in found.items() if source is not None}
    return write_stub(_described(worker, bound), sources, command="%rpclab types")


def _source_declared(worker: Declared) -> Source | None:
    try:
        return Source(worker.source, worker.folder, worker.filename) if worker.source else None
    except SyntaxError:
        return None
