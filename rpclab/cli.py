"""The command line: `python -m rpclab`.

Floor: cli.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rpclab import __version__
from rpclab.errors import ConfigError
from rpclab.typegen.known import types_of_configs

STUB = "workers.pyi"
"""The file that a type checker takes for `workers` in `from workers import …`."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: its words; those of the process if None.

    Returns:
        The exit status: 0 where it did what was asked, 1 where a file was wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ConfigError as error:
        print("\n".join([f"{error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rpclab", description="Workers RPC for Python, from the command line."
    )
    parser.add_argument("--version", action="version", version=f"rpclab {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    types = commands.add_parser(
        "types",
        help="write a .pyi in which env and every remote method are known",
        description=(
            f"Write {STUB} beside a configuration. A type checker then knows what the Worker's"
            f" code gets by `from workers import …`: its env, and every method it can call."
            " The code is read, and not run."
        ),
        epilog=(
            "The first CONFIG is the one written for; the others are those its services lead to."
            " A folder means every wrangler.toml, .jsonc and .json below it, each written for."
        ),
    )
    types.add_argument("config", nargs="+", metavar="CONFIG", help="a file, or a folder of them")
    types.add_argument("-e", "--environment", metavar="NAME", help="the named environment meant")
    types.add_argument(
        "-o", "--output", metavar="FILE", help=f"where to write it, and not to {STUB}; - prints it"
    )
    types.set_defaults(run=_types)
    return parser


def _types(options: argparse.Namespace) -> int:
    written = types_of_configs(options.config, options.environment)
    if not Path(options.config[0]).is_dir():
        written = dict(list(written.items())[:1])
    elif options.output and len(written) > 1:
        raise ConfigError(
            f"holds {len(written)} configurations, and -o is one file: name one of them first",
            filename=options.config[0],
        )
    for path, (text, unknown) in written.items():
        for sentence in unknown:
            print(f"{path}: {sentence}", file=sys.stderr)
        if options.output == "-":
            print(text, end="")
        else:
            target = Path(options.output) if options.output else path.with_name(STUB)
            target.write_text(text, "utf-8")
            print(f"wrote {target}", file=sys.stderr)
    return 0
