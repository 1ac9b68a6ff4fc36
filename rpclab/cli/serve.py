"""`rpclab serve`: the Workers of configurations, for whoever asks over the network.

Floor: cli.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

import click

import rpclab
from rpclab.cli.base import (
    DONE,
    Command,
    assignment,
    environment_option,
    hint,
    told,
    warnings_as_lines,
)
from rpclab.cli.deploying import deployed, surroundings
from rpclab.cli.worker_paths import told_apart
from rpclab.config import load_config
from rpclab.diagnostics.places import is_machinery
from rpclab.errors import ConfigError, near
from rpclab.net.loops import run
from rpclab.printable import printable
from rpclab.workers.declarations import binding_target
from rpclab.workers.interrupts import error_for

if TYPE_CHECKING:
    from types import FrameType

    from rpclab.sandbox import Sandbox
    from rpclab.server import Access, Server


@click.command(
    "serve",
    cls=Command,
    short_help="serve Workers over HTTP, and entrypoints to peers",
    examples="""
rpclab serve demos/todo --worker web                       # HTTP goes to its fetch
rpclab serve shop.py --expose 'shop#Orders=/orders'        # and RPC sessions to an entrypoint
rpclab call ws://127.0.0.1:8787/orders place tea           # from another shell
rpclab serve services/ --route /admin=admin --route api.example=api
rpclab serve services/ --host 0.0.0.0 --token "$SECRET" --allow-host lab.example.org
""",
)
@click.argument("path", nargs=-1, required=True, type=click.Path(exists=True), metavar="WORKERS...")
@environment_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8787,
    show_default=True,
    help="The port to listen on; 0 for any that is free.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--worker",
    metavar="WORKER[#ENTRYPOINT]",
    help="What answers HTTP where no --route fits; else the first Worker that has fetch.",
)
@click.option(
    "--route",
    "routes",
    multiple=True,
    metavar="PLACE=WORKER",
    help='Which Worker answers at a "/path", a "host" or "host/path".',
)
@click.option(
    "--expose",
    multiple=True,
    metavar="WORKER[#ENTRYPOINT]=/PATH",
    help="What RPC sessions reach at a path; nothing unless it is named here.",
)
@click.option(
    "--no-validate",
    "validate",
    flag_value=False,
    default=True,
    help="Take any arguments from peers: do not check them against annotations.",
)
@click.option(
    "--token",
    envvar="RPCLAB_TOKEN",
    metavar="TEXT",
    help="What whoever comes must know; else $RPCLAB_TOKEN; made if --host is not this machine.",
)
@click.option("--insecure", is_flag=True, help="Listen beyond this machine without a token.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help='A name under which the server may be asked, beside those of this machine; "*.name" too.',
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="The address or network of a proxy in front that is believed who has asked"
    " (X-Forwarded-For, X-Forwarded-Proto); nobody is unless named here.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help='An origin whose pages may come, such as "https://example.org"; "*" for all.',
)
@click.option(
    "--tls",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Serve https, with the certificates of this folder, which are made if there are none;"
    " whoever comes needs the client's (rpclab[tls]).",
)
@click.option("--prefix", default="", metavar="PATH", help="What a proxy in front leaves there.")
@surroundings
@click.option("--quiet", is_flag=True, help="Print no line for each request.")
def serve(
    path: tuple[str, ...],
    environment: str | None,
    routes: tuple[str, ...],
    storage: str | None,
    network: str,
    quiet: bool,
    tls: str | None,
    **options: Any,
) -> int:
    """Serve Workers: HTTP to their fetch, and RPC sessions to what is exposed.

    WORKERS are .py files, configurations (wrangler.toml, .jsonc, .json), or folders of these. Each
    is also found by its name, at http://NAME.localhost:8787.

    Only this machine reaches the server, unless --host says so; then whoever comes needs a token.
    Nothing but HTTP is open, unless --expose names it: a WebSocket to that path is a session, a
    POST a batch. Arguments from there have to be as the annotations of the method say.

    The first line on standard output is the address; requests, and what Workers print, are told on
    standard error. Ctrl-C, or a SIGTERM, stops it: requests under way get their time. A second one
    does not wait.
    """
    places = dict(assignment(each, "PLACE=WORKER") for each in routes)
    options |= {
        "routes": places,
        "tell": None if quiet else _tell,
        "tls": None if tls is None else rpclab.certificates(tls),
    }
    out = sys.stdout
    with warnings_as_lines(), redirect_stdout(sys.stderr):
        sandbox = deployed(path, environment, {}, storage=storage, network=network)
        try:
            run(_serve(sandbox, options, _missing(sandbox, path, environment), out))
        finally:
            sandbox.close()
    return DONE


async def _serve(
    sandbox: Sandbox, options: dict[str, Any], missing: list[str], out: TextIO
) -> None:
    try:
        _check_names(sandbox, options)
        server = await sandbox.serve(**options)
    except (ValueError, TypeError) as error:
        raise click.UsageError(told(error)) from None
    url = server.url if server.token is None else f"{server.url}/?token={server.token}"
    click.echo(url, file=out)
    _announce(sandbox, options["expose"], server)
    for text in missing:
        hint(text)
    loop, running = asyncio.get_running_loop(), asyncio.current_task()
    stopping: list[asyncio.Task[None]] = []
    signals = 0

    def stop(_: int, frame: FrameType | None) -> None:
        # Not by the loop, which a Worker that computes does not let look at signals.
        nonlocal signals
        signals += 1
        if signals == 1:
            hint("stopping; once more does not wait for what is under way")
            loop.call_soon_threadsafe(lambda: stopping.append(loop.create_task(server.stop())))
            return
        if running is not None:
            loop.call_soon_threadsafe(running.cancel)
        if frame is not None and not is_machinery(frame.f_code.co_filename):
            error = error_for(frame)
            if error is not None:
                raise error

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        await server.stopped()
    except asyncio.CancelledError:
        if signals <= 1:
            raise
        raise click.Abort from None  # it was asked for
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _check_names(sandbox: Sandbox, options: dict[str, Any]) -> None:
    """Refuse what is not there: nothing is deployed later, as in a notebook.

    Raises:
        ValueError: an option names a Worker that is not served, or none at all.
        UnknownEntrypointError: the Worker has no such entrypoint.
    """
    exposed = [each.partition("=")[0] for each in options["expose"]]
    for target in filter(None, [options["worker"], *options["routes"].values(), *exposed]):
        name, entrypoint = binding_target(target)[:2]
        if name not in sandbox.workers:
            raise ValueError(f"no Worker {name!r} is served; {near(name, sandbox.workers)}")
        sandbox.worker(name).entrypoint(entrypoint)


def _missing(sandbox: Sandbox, paths: tuple[str, ...], environment: str | None) -> list[str]:
    """Say which bindings lead to Workers that are not served."""
    found = []
    for file in told_apart(paths)[1]:
        try:
            config = load_config(file, environment=environment)
        except ConfigError:
            continue  # it has no such environment, which another one has
        found += [
            f'{config.filename}:{lead.line}: a binding leads to the Worker "{lead.worker}", which'
            " is not served: name its configuration, too"
            for lead in config.leads
            if lead.worker not in sandbox.workers
        ]
    return found


def _announce(sandbox: Sandbox, expose: tuple[str, ...], server: Server) -> None:
    names = ", ".join(sandbox.workers)
    hint(f"serving {printable(names)}; Ctrl-C stops it")
    for each in expose:
        target, _, path = each.partition("=")
        hint(f"{target} at {server.url.replace('http', 'ws', 1)}{path}")


def _tell(access: Access) -> None:
    click.echo(str(access), err=True)
