"""A sandbox with the Workers that a command names.

Floor: cli.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from rpclab.cli.base import Failure, told
from rpclab.cli.subjects import PYTHON, name_of
from rpclab.config import find_configs
from rpclab.config.reading import read_python
from rpclab.configured import deploy_all
from rpclab.errors import RpcError
from rpclab.sandbox import Sandbox

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
    codes = [Path(path) for path in paths if str(path).endswith(PYTHON)]
    given = [path for path in paths if not str(path).endswith(PYTHON)]
    configs = {path.resolve(): path for path in find_configs(given)} if given else {}
    sandbox = Sandbox(**options)
    try:
        for path in codes:
            sandbox.deploy(
                name_of(path),
                source=read_python(path),
                filename=str(path),
                folder=path.resolve().parent,
                vars=variables,
            )
        if configs:
            deploy_all(sandbox, configs.values(), environment)
    except (RpcError, OSError):
        sandbox.close()
        raise
    except Exception as error:
        sandbox.close()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{frame.filename}:{frame.lineno}: {told(error, by_class=True)}"
        raise Failure(text) from error
    return sandbox
