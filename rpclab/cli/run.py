"""`rpclab run`: one call to a Worker in a file, from the shell.

Floor: cli.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial
from typing import Any

import click

import rpclab
from rpclab.cli.base import Failure, assignment, environment_option, warnings_as_lines
from rpclab.cli.deploying import deployed, surroundings
from rpclab.cli.one_call import AskingCommand, Question, answer, asking
from rpclab.cli.worker_paths import MethodType, Subject, SubjectType
from rpclab.errors import UnknownBindingError
from rpclab.workers.env import GIVEN


@click.command(
    "run",
    cls=AskingCommand,
    short_help="call a method of a Worker in a file, and print the result",
    examples="""
rpclab run counter.py greet Ada                             # class Default, unless one is named
rpclab run counter.py#CounterService 'new_counter().increment' 5
rpclab run services/web/wrangler.toml --with services/ fetch /    # HTTP, with its neighbours
rpclab run chat.py#Room --object lobby --storage kept say '{"text": "hi"}'   # a Durable Object
rpclab run counter.py greet Ada --record calls.jsonl && rpclab trace calls.jsonl
""",
)
@click.argument("worker", type=SubjectType(), metavar="WORKER[#ENTRYPOINT]")
@click.argument("method", type=MethodType(), metavar="METHOD")
@asking
@click.option(
    "--with",
    "others",
    multiple=True,
    type=click.Path(exists=True),
    metavar="PATH",
    help="Deploy these configurations, too: a file, or a folder of them.",
)
@environment_option
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=TEXT",
    help="A text variable of the env of a .py file; can be given again and again.",
)
@click.option("--object", "object_name", metavar="NAME", help="The Durable Object of this name.")
@surroundings
@click.option("--validate", is_flag=True, help="Check arguments against the annotations.")
@click.option("--record", metavar="FILE", help="Save a recording, for `rpclab trace FILE`.")
def run(
    worker: Subject,
    asked: Question,
    as_json: bool,
    timeout: float | None,
    others: tuple[str, ...],
    environment: str | None,
    variables: tuple[str, ...],
    object_name: str | None,
    storage: str | None,
    network: str,
    validate: bool,
    record: str | None,
) -> int:
    """Deploy a Worker, make one call to it, and print the result.

    WORKER is a .py file, or a configuration (wrangler.toml, .jsonc, .json). METHOD may be a way to
    one: what ends in () on it is called, and nothing is awaited before the end.

    An ARGUMENT is JSON if it can be read so, else a text: 5 is a number, Ada a text, '"5"' a text
    of one digit. What begins with "-" and is no number goes behind --.

    A text and bytes are printed as they are, other values as JSON where JSON can say them; a stream
    chunk by chunk. What the Worker prints goes to standard error. The status is 1 where the call
    fails, and then the error is on standard error.
    """
    if variables and not worker.is_code:
        raise click.UsageError(
            f"--var is for a .py file: a configuration has its own, under [vars] in {worker.path}"
        )
    if others and worker.is_code:
        raise click.UsageError(
            "--with is for a configuration: a .py file is bound to no Worker; run a wrangler.toml"
            " with main and [[services]]"
        )
    options: dict[str, Any] = {"storage": storage, "network": network, "validate": validate}
    options["record"] = record is not None
    texts = dict(assignment(each, "NAME=TEXT") for each in variables)
    out = sys.stdout
    with warnings_as_lines(), contextlib.redirect_stdout(sys.stderr):
        sandbox = deployed([worker.path, *others], environment, texts, **options)
        name = worker.name if worker.is_code else worker.config(environment).name
        try:
            root = _root(sandbox, name, worker.entrypoint, object_name)
            return asyncio.run(
                answer(
                    lambda: asked.ask(root),
                    patience=timeout,
                    as_json=as_json,
                    out=out,
                    advise=partial(_advice, worker),
                )
            )
        finally:
            if record is not None and sandbox.recording is not None:
                sandbox.recording.save(record)
            sandbox.close()


def _advice(worker: Subject, error: Exception) -> str:
    """Say which option gives a Worker what it has missed; "" where none does."""
    if isinstance(error, UnknownBindingError):
        if worker.is_code:
            return ""
        return (
            "--with PATH deploys further configurations: name that of the Worker to which the"
            " binding leads"
        )
    notes = getattr(error, "__notes__", ())
    if not any(isinstance(note, str) and GIVEN in note for note in notes):
        return ""
    if worker.is_code:
        return (
            "--var NAME=TEXT gives a text; what else env holds, a configuration gives: run its"
            " wrangler.toml instead of the .py file"
        )
    return f"it is given in {worker.path}: a text under [vars], a binding under its own key"


def _root(sandbox: rpclab.Sandbox, name: str, entrypoint: str, object_name: str | None) -> Any:
    """Give what is called: a binding to the entrypoint, or the stub of a Durable Object.

    Raises:
        Failure: it is a class of Durable Objects, and none of them is named.
    """
    target = f"{name}#{entrypoint}"
    if object_name is not None:
        return sandbox.bind(SUBJECT=rpclab.objects(target))["SUBJECT"].get_by_name(object_name)
    if entrypoint in sandbox.worker(name).objects:
        raise Failure(
            f"{entrypoint} is a class of Durable Objects: --object NAME says which of them"
        )
    return sandbox.bind(SUBJECT=target)["SUBJECT"]
