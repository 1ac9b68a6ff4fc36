"""The command line: `rpclab`, or `python -m rpclab`.

Floor: cli. A command is a file here: it reads its words, makes one call, and shows what came.
docs/command-line.md lists them, with the exit statuses.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

import rpclab
from rpclab.cli.base import (
    DONE,
    FAILED,
    INTERRUPTED,
    UNREACHABLE,
    Failure,
    Group,
    complain,
    told,
)
from rpclab.cli.call import call
from rpclab.cli.check import check
from rpclab.cli.completion import completion
from rpclab.cli.doctor import doctor
from rpclab.cli.export import export
from rpclab.cli.run import run
from rpclab.cli.serve import serve
from rpclab.cli.trace import trace
from rpclab.cli.types import types
from rpclab.errors import DisconnectedError, RpcError

__all__ = ["main"]


@click.group(
    cls=Group,
    commands=[run, serve, call, check, types, export, trace, doctor, completion],
    examples="""
rpclab run counter.py greet Ada    # one call to a Worker in a file
rpclab serve services/             # Workers over HTTP, at http://127.0.0.1:8787
rpclab check services/             # do these Workers fit together?
rpclab run --help                  # of each command, with examples
""",
)
@click.version_option(rpclab.__version__, prog_name="rpclab", message="%(prog)s %(version)s")
def rpclab_command() -> None:
    """Workers RPC for Python, from the command line.

    The exit status is 0 where a command did what was asked, 1 where it could not (a file is wrong,
    a call failed), 2 where the command line is wrong, 3 where a peer cannot be reached, and 130
    after Ctrl-C.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: its words; those of the process if None.

    Returns:
        The exit status: 0 where it did what was asked, 1 where it could not, 3 where a peer cannot
        be reached, 130 after Ctrl-C.

    Raises:
        SystemExit: with 2, where the command line is wrong.
    """
    try:
        status = rpclab_command.main(arguments, prog_name=_program(), standalone_mode=False)
    except click.UsageError as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except Failure as error:
        complain(str(error))
        return error.status
    except click.ClickException as error:
        complain(error.message)
        return FAILED
    except click.Abort:
        return INTERRUPTED
    except (RpcError, OSError, ImportError) as error:  # an extra that is not installed
        complain(told(error))
        return UNREACHABLE if isinstance(error, (DisconnectedError, ConnectionError)) else FAILED
    return status if isinstance(status, int) else DONE


def _program() -> str:
    """What the command is called in texts: as it was called."""
    return "rpclab" if Path(sys.argv[0]).stem == "rpclab" else "python -m rpclab"
