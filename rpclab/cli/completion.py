"""`rpclab completion`: what makes a shell complete commands, files, entrypoints and methods.

Floor: cli.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from rpclab.cli.base import DONE, Command, Failure

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    cls=Command,
    short_help="print what makes a shell complete rpclab's words",
    examples="""
rpclab completion bash >> ~/.bashrc
rpclab completion zsh >> ~/.zshrc
rpclab completion fish > ~/.config/fish/completions/rpclab.fish
""",
)
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> int:
    """Print a script that makes a shell complete commands, options, files, entrypoints and methods.

    SHELL is the one of $SHELL unless it is named. Entrypoints and methods are found by reading the
    code of the Worker; none of it is run.
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    found = get_completion_class(name) if name in _SHELLS else None
    if found is None:
        raise Failure(f"name a shell: rpclab completion {'|'.join(_SHELLS)}")
    click.echo(found(ctx.find_root().command, {}, "rpclab", "_RPCLAB_COMPLETE").source())
    return DONE
