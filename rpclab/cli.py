"""The command line: `python -m rpclab`.

Floor: cli.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rpclab import __version__
from rpclab.errors import ConfigError
from rpclab.typegen.known import types_of_configs, types_of_program

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
        "-b",
        "--bind",
        action="append",
        default=[],
        metavar="VAR=WORKER[#CLASS]",
        help="write the types of a program that binds this, such as a test, and not a Worker's;"
        " can be given again and again, and needs -o",
    )
    types.add_argument(
        "-o", "--output", metavar="FILE", help=f"where to write it, and not to {STUB}; - prints it"
    )
    types.set_defaults(run=_types)
    return parser


def _types(options: argparse.Namespace) -> int:
    if options.bind:
        return _types_of_program(options)
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


def _types_of_program(options: argparse.Namespace) -> int:
    if not options.output:
        raise ConfigError("--bind needs -o FILE: the types belong to no configuration")
    bindings = {}
    for word in options.bind:
        variable, equals, target = word.partition("=")
        if not equals:
            raise ConfigError(f"--bind takes VAR=WORKER[#CLASS], not {word!r}")
        bindings[variable] = target
    written = types_of_program(options.config, bindings, options.environment)
    if options.output == "-":
        print(written.text, end="")
    else:
        Path(options.output).write_text(written.text, "utf-8")
        print(f"wrote {options.output}", file=sys.stderr)
    return 0
