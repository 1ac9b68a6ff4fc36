"""A sandbox with the Workers that a command names.

Floor: cli.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

import rpclab
from rpclab.cli.base import Failure, told
from rpclab.cli.worker_paths import name_of, told_apart
from rpclab.config import load_configs
from rpclab.config.file_text import read_python
from rpclab.configured import deploy_all
from rpclab.errors import ConfigError, RpcError
from rpclab.sandbox import Sandbox

_LIBRARY = Path(rpclab.__file__).parent

F = TypeVar("F", bound=Callable[..., Any])


def surroundings(command: F) -> F:
    """Options of a command that has a sandbox: what its Workers keep and reach."""
    storage = click.option(
        "--storage",
        type=click.Path(file_okay=False),
        metavar="FOLDER",
        help="Where Durable Objects, KV and D1 keep what they store; in memory unless given.",
    )
    network = click.option(
        "--network",
        type=click.Choice(["public", "local", "none"]),
        default="public",
        show_default=True,
        help="What a Worker may fetch.",
    )
    return storage(network(command))


def deployed(
    paths: Iterable[str | Path],
    environment: str | None,
    variables: Mapping[str, str],
    **options: Any,
) -> Sandbox:
    """Make a sandbox with Workers in it; the caller closes it.

    Args:
        paths: `.py` files, configurations, or folders of these; each counts once.
        environment: the named environment that is meant.
        variables: text variables of the `.py` files.
        options: those of `Sandbox`.

    Raises:
        Failure: the code of a Worker raised.
        ConfigError: a file says something wrong.
    """
    codes, found = told_apart(paths)
    configs = {path.resolve(): path for path in found}
    sandbox = Sandbox(**options)
    try:
        files: dict[str, Path] = {}
        for path in codes:
            name = name_of(path)
            _refuse_taken(name, path, files)
            sandbox.deploy(
                name,
                source=read_python(path),
                filename=str(path),
                folder=path.resolve().parent,
                vars=variables,
            )
        if configs:
            for config in load_configs(configs.values(), environment=environment):
                _refuse_taken(config.name, Path(config.filename), files)
            deploy_all(sandbox, configs.values(), environment)
    except (RpcError, OSError):
        sandbox.close()
        raise
    except Exception as error:
        sandbox.close()
        raise Failure(_told_with_its_line(error)) from error
    return sandbox


def _refuse_taken(name: str, path: Path, files: dict[str, Path]) -> None:
    """Refuse a Worker that would take the place of another one."""
    other = files.setdefault(name, path)
    if other.resolve() != path.resolve():
        raise ConfigError(f'the name "{name}" is taken by {other}', filename=str(path))


def _told_with_its_line(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename is not None:
        # No code has run: the last frame is whoever has read it.
        return f"{error.filename}:{error.lineno or 0}: {type(error).__name__}: {error.msg}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if Path(frame.filename).is_relative_to(_LIBRARY):
        return told(error, by_class=True)  # in a process of its own, which a note tells
    return f"{frame.filename}:{frame.lineno}: {told(error, by_class=True)}"
