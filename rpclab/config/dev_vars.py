"""Secrets for a Worker on this machine: `.dev.vars` beside its configuration.

Floor: config.
"""

from __future__ import annotations

from pathlib import Path

from rpclab.errors import ConfigError

FILE = ".dev.vars"


def read_secrets(folder: Path, environment: str) -> dict[str, str]:
    """Read `.dev.vars.ENVIRONMENT`, or `.dev.vars` where there is none, or nothing.

    Args:
        folder: where to look.
        environment: the chosen one, or "".

    Returns:
        The texts by name. Nothing of this process's own environment is used or changed.

    Raises:
        ConfigError: a line is not of the form NAME=value.
        ImportError: there is such a file, and python-dotenv is not installed.
    """
    names = [f"{FILE}.{environment}", FILE] if environment else [FILE]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return {}
    try:
        from dotenv.parser import parse_stream  # noqa: PLC0415 - for those who have such a file
    except ModuleNotFoundError:
        raise ImportError(f"to read {path}, install the extra rpclab[config]") from None
    secrets = {}
    with path.open(encoding="utf-8") as stream:
        for binding in parse_stream(stream):
            if binding.error or (binding.key is not None and binding.value is None):
                raise ConfigError(
                    "a line here is NAME=value", filename=str(path), line=binding.original.line
                )
            if binding.key is not None:
                secrets[binding.key] = binding.value or ""
    return secrets
