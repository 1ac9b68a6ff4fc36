"""`rpclab types`: a `.pyi` in which `env` and every remote method are known.

Floor: cli.
"""

from __future__ import annotations

from pathlib import Path

import click

from rpclab.cli.base import DONE, Command, environment_option, hint
from rpclab.errors import ConfigError
from rpclab.typegen.of_workers import types_of_configs, types_of_program

STUB = "workers.pyi"
"""The file that a type checker takes for `workers` in `from workers import …`."""


@click.command(
    "types",
    cls=Command,
    short_help="write a .pyi in which env and every remote method are known",
    examples="""
rpclab types services/                                 # a workers.pyi beside each configuration
rpclab types services/client/wrangler.toml services/   # of the first; the others are known there
rpclab types services/ --bind CLIENT=client -o tests/all_workers.pyi
""",
)
@click.argument("config", nargs=-1, required=True)
@environment_option
@click.option(
    "-b",
    "--bind",
    multiple=True,
    metavar="VAR=WORKER[#CLASS]",
    help="Write the types of a program that binds this, such as a test, and not a Worker's;"
    " can be given again and again, and needs -o.",
)
@click.option(
    "-o", "--output", metavar="FILE", help=f"Where to write it, and not to {STUB}; - prints it."
)
def types(
    config: tuple[str, ...], environment: str | None, bind: tuple[str, ...], output: str | None
) -> int:
    """Write workers.pyi beside a configuration, for type checkers and editors.

    They then know what a Worker's code gets by `from workers import …`: its env, and every method
    it can call. The code is read, and not run.

    The first CONFIG is the one written for; the others are those its services lead to. A folder
    means every wrangler.toml, .jsonc and .json below it, each written for.
    """
    if bind:
        _types_of_program(config, environment, bind, output)
        return DONE
    written = types_of_configs(config, environment)
    if not Path(config[0]).is_dir():
        written = dict(list(written.items())[:1])
    elif output and len(written) > 1:
        raise ConfigError(
            f"holds {len(written)} configurations, and -o is one file: name one of them first",
            filename=config[0],
        )
    for path, (text, unknown) in written.items():
        for sentence in unknown:
            hint(f"{path}: {sentence}")
        _write(text, output or str(path.with_name(STUB)))
    return DONE


def _types_of_program(
    config: tuple[str, ...], environment: str | None, bind: tuple[str, ...], output: str | None
) -> None:
    if not output:
        raise ConfigError("--bind needs -o FILE: the types belong to no configuration")
    bindings = {}
    for word in bind:
        variable, equals, target = word.partition("=")
        if not equals:
            raise ConfigError(f"--bind takes VAR=WORKER[#CLASS], not {word!r}")
        bindings[variable] = target
    _write(types_of_program(config, bindings, environment).text, output)


def _write(text: str, output: str) -> None:
    if output == "-":
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, "utf-8")
        hint(f"wrote {output}")
