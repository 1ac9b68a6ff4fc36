"""Which configurations are meant by a path: a file, or every one below a folder.

Floor: config.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from rpclab.config.document import Document
from rpclab.config.file_text import exists, is_folder
from rpclab.config.from_document import has_environment, read_config
from rpclab.config.worker_config import WorkerConfig
from rpclab.errors import ConfigError

NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""In a folder the first of these counts, as for Wrangler."""

_PASSED_OVER = frozenset({"node_modules", "__pycache__", "venv"})


def find_configs(paths: Iterable[str | PathLike[str]]) -> list[Path]:
    """List the configuration files that some paths mean.

    Args:
        paths: files; or folders, of which all are meant that stand in them, at any depth. Folders
            that begin with a dot, and those of installed packages, are passed over.

    Raises:
        ConfigError: a path does not exist, or there is none in a folder.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if is_folder(path):
            below = _below(path)
            if not below:
                raise ConfigError(f"no {' or '.join(NAMES)} below it", filename=str(path))
            found |= dict.fromkeys(below)
        elif exists(path):
            found[path] = None
        else:
            raise ConfigError("there is no such file", filename=str(path))
    return list(found)


def _below(folder: Path) -> list[Path]:
    found = []
    for name, folders, files in os.walk(folder):
        folders[:] = sorted(
            inner for inner in folders if inner[0] != "." and inner not in _PASSED_OVER
        )
        chosen = next((file for file in NAMES if file in files), None)
        if chosen:
            found.append(Path(name, chosen))
    return found


def load_config(path: str | PathLike[str], *, environment: str | None = None) -> WorkerConfig:
    """Read a configuration file.

    Args:
        path: a wrangler.toml, wrangler.jsonc or wrangler.json.
        environment: the named environment that is meant; the top of the file if None.

    Raises:
        ConfigError: the file says something wrong, or asks for what rpclab does not have.
    """
    file = Path(path)
    return read_config(Document.from_file(file), folder=file.parent, environment=environment)


def load_all(
    paths: Iterable[str | PathLike[str]], *, environment: str | None = None
) -> dict[Path, WorkerConfig]:
    """Read the configurations that some paths mean: files, or folders of them.

    A file that has not the named environment is taken as its top says, with a warning; at least one
    of them has it.

    Raises:
        ConfigError: as `load_config`.
    """
    documents = {path: Document.from_file(path) for path in find_configs(paths)}
    elsewhere = any(has_environment(each, environment) for each in documents.values())
    return {
        path: read_config(
            document, folder=path.parent, environment=environment, may_lack_it=elsewhere
        )
        for path, document in documents.items()
    }


def load_configs(
    paths: Iterable[str | PathLike[str]], *, environment: str | None = None
) -> list[WorkerConfig]:
    """Read the configurations of Workers that are to live together, as `load_all` does.

    Raises:
        ConfigError: as `load_config`; or two of them have the same name.
    """
    configs: dict[str, WorkerConfig] = {}
    for config in load_all(paths, environment=environment).values():
        other = configs.get(config.name)
        if other is not None:
            raise ConfigError(
                f'the name "{config.name}" is taken by {other.filename}', filename=config.filename
            )
        configs[config.name] = config
    return list(configs.values())
