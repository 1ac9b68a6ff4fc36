"""Secrets for a Worker on this machine: `.dev.vars` beside its configuration, or `.env`.

Floor: config. Which file counts is Wrangler's rule.
"""

from __future__ import annotations

from pathlib import Path

from rpclab.config.dotenv import EndlessReferenceError, expand, parse
from rpclab.config.file_text import exists, read_text
from rpclab.errors import ConfigError

DEV_VARS, ENV = ".dev.vars", ".env"


def read_secrets(folder: Path, environment: str) -> dict[str, str]:
    """Read the secrets in a folder.

    They stand in `.dev.vars.ENVIRONMENT`, or in `.dev.vars` where there is none. Where there is
    neither, they stand in `.env`, `.env.local`, `.env.ENVIRONMENT` and `.env.ENVIRONMENT.local`,
    of which a later one hides what an earlier one says; and values there may refer to others.

    Args:
        folder: where to look.
        environment: the chosen one, or "".

    Returns:
        The texts by name. Nothing of this process's own environment is used or changed.

    Raises:
        ConfigError: a file cannot be read, or a line of `.dev.vars` is not of the form NAME=value.
            (A `.env` is other programs' as well, and what they write there is passed over.)
    """
    for name in [f"{DEV_VARS}.{environment}", DEV_VARS] if environment else [DEV_VARS]:
        if exists(folder / name):
            return _assignments(folder / name)
    names = [ENV, f"{ENV}.local"]
    if environment:
        names += [f"{ENV}.{environment}", f"{ENV}.{environment}.local"]
    values: dict[str, str] = {}
    for name in names:
        if exists(folder / name):
            values |= parse(read_text(folder / name))[0]
    try:
        return expand(values)
    except EndlessReferenceError as error:
        raise ConfigError(str(error), filename=str(folder / ENV)) from None


def _assignments(path: Path) -> dict[str, str]:
    values, misread = parse(read_text(path))
    if misread is not None:
        raise ConfigError("a line here is NAME=value", filename=str(path), line=misread.line)
    return values
