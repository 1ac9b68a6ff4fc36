"""What the commands share: how help looks, the exit statuses, and how an error is told.

Floor: cli.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from rpclab.errors import ConfigWarning, near
from rpclab.previews import message_of, type_name
from rpclab.printable import printable

DONE = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130

_LONGEST = 4000  # characters of an error, and of each of its notes


class _Formatter(click.HelpFormatter):
    """Writes help as argparse does, whose "usage:" the standard library's commands have."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or "usage: ")


class _Context(click.Context):
    formatter_class = _Formatter


class Command(click.Command):
    """A command with examples below its options.

    Args:
        examples: lines to copy; each may end in a comment.
        options: those of `click.Command`.
    """

    context_class = _Context

    def __init__(self, *names: Any, examples: str = "", **options: Any) -> None:
        super().__init__(*names, **options)
        self._examples = examples.strip("\n").splitlines()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self._examples:
            with formatter.section("Examples"):
                for line in self._examples:
                    formatter.write(f"  {line}\n")


class Group(Command, click.Group):
    """The command that has the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            ctx.fail(f"there is no command {name!r}; {near(name, self.commands)}")
        return super().resolve_command(ctx, args)


class Failure(Exception):  # noqa: N818 - no fault of the program
    """What was asked for could not be done; the command ends with this text.

    Args:
        message: what happened, and the next step.
        status: what the command ends with.
    """

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def complain(text: str) -> None:
    """Say on standard error what is wrong; red where a person looks."""
    click.secho(text, err=True, fg="red")


def hint(text: str) -> None:
    """Say on standard error what is worth knowing; pale where a person looks."""
    click.secho(text, err=True, dim=True)


def told(error: BaseException, *, by_class: bool = False) -> str:
    """Write an error down with its notes: printable, and cut if it is very long.

    Args:
        error: which may come from a peer.
        by_class: name its class, as a traceback does.
    """
    message = printable(_whole_message(error), keep="\n")
    first = f"{type_name(error)}: {message}" if by_class and message else message
    notes = [
        printable(note[:_LONGEST], keep="\n")
        for note in getattr(error, "__notes__", ())
        if isinstance(note, str)
    ]
    return "\n".join([first or type_name(error), *notes])


def _whole_message(error: BaseException) -> str:
    # `message_of` makes one line of it, and texts of ours have several.
    if len(error.args) == 1 and type(error.args[0]) is str:
        return error.args[0][:_LONGEST]
    return message_of(error, _LONGEST)


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Tell what configurations warn of on standard error, without the place in our code."""

    def tell(message: Warning | str, *_: Any, **__: Any) -> None:
        click.secho(f"warning: {message}", err=True, fg="yellow")

    with warnings.catch_warnings():
        warnings.simplefilter("always", ConfigWarning)
        warnings.showwarning = tell
        yield


def is_looked_at() -> bool:
    """Whether standard output is a terminal, and not a pipe or a file."""
    return sys.stdout.isatty()


environment_option = click.option(
    "-e", "--environment", metavar="NAME", help="The named environment that is meant."
)
"""Of a command that reads configurations."""


def assignment(text: str, form: str) -> tuple[str, str]:
    """Split NAME=VALUE.

    Raises:
        click.BadParameter: it is none.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not of the form {form}")
    return name, value
