"""`rpclab call`: one call to a peer at an address, from the shell.

Floor: cli.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

import rpclab
from rpclab.cli.base import UNREACHABLE, Failure, assignment, told
from rpclab.cli.one_call import AskingCommand, Question, answer, asking
from rpclab.errors import DisconnectedError


@click.command(
    "call",
    cls=AskingCommand,
    short_help="call a method of a peer at an address, and print the result",
    examples="""
rpclab call ws://127.0.0.1:8787/orders place tea         # a WebSocket: Python or JavaScript
rpclab call http://127.0.0.1:8787/orders place tea       # a batch: one request, then it is over
rpclab call tcp:127.0.0.1:9000 'counter().increment' 5   # two calls, one round trip
RPCLAB_TOKEN=… rpclab call wss://example.org/api --timeout 5 hello Ada
""",
)
@click.argument("url", metavar="ADDRESS")
@click.argument("method", metavar="METHOD")
@asking
@click.option(
    "--token",
    envvar="RPCLAB_TOKEN",
    metavar="TEXT",
    help="What the server wants to know of whoever comes; else $RPCLAB_TOKEN.",
)
@click.option(
    "--tls",
    type=click.Path(exists=True, file_okay=False),
    metavar="FOLDER",
    help="The certificates to show and to trust: a folder that `rpclab serve --tls` has made.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    help="A header of the request, for addresses of the web; can be given again and again.",
)
@click.option(
    "--codec",
    type=click.Choice(["msgpack", "capnweb"]),
    help="What a WebSocket speaks; else the two find out what both do.",
)
def call(
    url: str,
    asked: Question,
    as_json: bool,
    timeout: float | None,
    token: str | None,
    tls: str | None,
    headers: tuple[str, ...],
    codec: str | None,
) -> int:
    """Connect to a peer, make one call to its main object, and print the result.

    ADDRESS is one of those of rpclab.connect: ws://…, wss://…, http://…, https://…, tcp:host:port,
    tls:host:port, unix:/path. METHOD, arguments and results are those of `rpclab run`.

    The status is 1 where the call fails, and 3 where the peer cannot be reached, or goes away.
    """
    options: dict[str, Any] = {
        "token": token,
        "tls": None if tls is None else rpclab.certificates(tls),
        "codec": codec,
        "headers": dict(assignment(each, "NAME=VALUE") for each in headers) or None,
    }
    return asyncio.run(_call(url, asked, options, timeout, as_json=as_json))


async def _call(
    url: str, asked: Question, options: dict[str, Any], patience: float | None, *, as_json: bool
) -> int:
    try:
        dialling = rpclab.connect(url, **options)
    except (ValueError, TypeError) as error:
        raise click.UsageError(told(error)) from None
    try:
        async with dialling as api:
            return await answer(
                lambda: asked.ask(api), patience=patience, as_json=as_json, out=sys.stdout
            )
    except (DisconnectedError, OSError) as error:  # a TimeoutError among them
        raise Failure(told(error), UNREACHABLE) from None
