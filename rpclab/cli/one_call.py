"""One call from the shell: from words to a call, and from its result to standard output.

Floor: cli. `run` and `call` differ in what they call only.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import nullcontext, redirect_stdout
from difflib import get_close_matches
from functools import wraps
from typing import Any, NamedTuple, TextIO

import click

import rpclab
from rpclab.cli.base import (
    DONE,
    FAILED,
    UNREACHABLE,
    Command,
    Failure,
    assignment,
    complain,
    hint,
    told,
)
from rpclab.cli.console import show_value
from rpclab.cli.watchdog import Watchdog
from rpclab.errors import CallCancelledError, DisconnectedError
from rpclab.printable import printable
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.looking import names_of, seen
from rpclab.rpc.stubs import RpcStub

_STEP = re.compile(r"([^\s.()]+)(\(\))?")
_NUMBER = re.compile(r"-[\d.]")


class Question(NamedTuple):
    """What is asked of an object.

    Attributes:
        steps: the members on the way; of each whether it is called, without arguments.
        name: of the member that is meant in the end.
        arguments: it is called with these; None where it is read.
        keywords: likewise, by name.
    """

    steps: list[tuple[str, bool]]
    name: str
    arguments: list[Any] | None
    keywords: dict[str, Any]

    def ask(self, root: Any) -> Any:
        """Make the call, or read the member; nothing is awaited on the way.

        Returns:
            The promise of the result.
        """
        here = root
        for name, called in self.steps:
            here = here[name]() if called else here[name]
        if self.arguments is None:
            return here[self.name]
        if self.name == "fetch" and isinstance(here, ServiceBinding):
            return here.fetch(*self.arguments, **self.keywords)
        return here[self.name](*self.arguments, **self.keywords)


class AskingCommand(Command):
    """A command whose arguments may begin with "-", where they are numbers or stand behind "--"."""

    def __init__(self, *names: Any, **options: Any) -> None:
        super().__init__(*names, context_settings={"ignore_unknown_options": True}, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = [name for each in self.get_params(ctx) for name in each.opts if name[0] == "-"]
        own = args[: args.index("--")] if "--" in args else args
        for word in own:
            name = word.partition("=")[0] if word.startswith("--") else word[:2]
            if word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
                self._check_option(ctx, name, known)
        return super().parse_args(ctx, args)

    @staticmethod
    def _check_option(ctx: click.Context, name: str, known: Iterable[str]) -> None:
        if name not in known:
            raise click.NoSuchOption(
                name,
                f"there is no option {name}; an argument that begins so goes behind --",
                possibilities=get_close_matches(name, known),
                ctx=ctx,
            )


def asking(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the arguments and options of a call.

    It takes `asked`, `as_json` and `timeout` of them.
    """

    @wraps(command)
    def understood(
        method: str,
        arguments: tuple[str, ...],
        keywords: tuple[str, ...],
        text: bool,
        get: bool,
        **options: Any,
    ) -> int:
        asked = question(method, arguments, keywords, text=text, get=get)
        return command(asked=asked, **options)

    asks: Callable[..., int] = understood
    for decorate in reversed(
        [
            click.argument("arguments", nargs=-1, metavar="[ARGUMENT]..."),
            click.option(
                "-k",
                "--keyword",
                "keywords",
                multiple=True,
                metavar="NAME=VALUE",
                help="An argument by its name; can be given again and again.",
            ),
            click.option("--text", is_flag=True, help="Take all values as texts, never as JSON."),
            click.option("--get", is_flag=True, help="Read METHOD as a property: no call."),
            click.option(
                "--json", "as_json", is_flag=True, help="Print JSON, in one line, or fail."
            ),
            click.option(
                "--timeout",
                type=click.FloatRange(min=0, min_open=True),
                metavar="SECONDS",
                help="Give the call up after so long; never unless given.",
            ),
        ]
    ):
        asks = decorate(asks)
    return asks


def question(
    method: str, arguments: Iterable[str], keywords: Iterable[str], *, text: bool, get: bool
) -> Question:
    """Understand what is asked.

    Args:
        method: "name", or a way to it such as "new_counter().increment" or "user.name".
        arguments: JSON, or else texts.
        keywords: NAME=VALUE, likewise.
        text: take all of them as texts.
        get: read, and do not call.

    Raises:
        click.UsageError: it is not to be understood.
    """
    *steps, (name, _) = _steps_of(method)

    def read(word: str) -> Any:
        return word if text else value_of(word)

    named = dict(assignment(each, "NAME=VALUE") for each in keywords)
    given = [read(each) for each in arguments]
    if get and (given or named):
        raise click.UsageError("--get reads a property, which takes no arguments")
    values = {name: read(value) for name, value in named.items()}
    return Question(steps, name, None if get else given, values)


def _steps_of(method: str) -> list[tuple[str, bool]]:
    steps = []
    for word in method.split("."):
        found = _STEP.fullmatch(word)
        if found is None:
            raise click.BadParameter(
                f"{method!r} is no method, and no way to one such as new_counter().increment"
                " (calls on the way take no arguments)",
                param_hint="METHOD",
            )
        steps.append((found[1], found[2] is not None))
    return steps


def value_of(word: str) -> Any:
    """Read a word of a command line: JSON if it is any, else it is a text."""
    try:
        return json.loads(word, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return word


def _no_constant(_: str) -> Any:
    raise ValueError  # NaN and Infinity are no JSON, so they are texts


async def answer(
    asked: Callable[[], Awaitable[Any]],
    *,
    patience: float | None,
    as_json: bool,
    out: TextIO,
    advise: Callable[[Exception], str] = lambda _: "",
) -> int:
    """Make a call, wait for its result, and show that.

    Args:
        asked: makes the call.
        patience: in seconds; None to wait for as long as it takes.
        as_json: show it as JSON.
        advise: says what of this command helps where a call fails so; "" for nothing.
        out: where; Workers that run here print to `sys.stdout` meanwhile, which is another.

    Returns:
        The exit status.

    Raises:
        Failure: there was no result in time, or it cannot be shown as asked.
    """
    began = time.monotonic()
    late = f"no answer after {patience:g} s" if patience is not None else ""
    watchdog = Watchdog(patience)
    try:
        with watchdog:
            async with rpclab.deadline(patience) if patience is not None else nullcontext():
                return await _answer(
                    asked, as_json=as_json, out=out, advise=advise, watchdog=watchdog
                )
    except Exception as error:
        if watchdog.stopped_at:
            raise Failure(f"{late}: the Worker computed, at {watchdog.stopped_at}") from None
        cancelled = isinstance(error, CallCancelledError)
        if not isinstance(error, TimeoutError) and not cancelled:
            raise
        # The other end, which keeps the same deadline, may be the first to say that it has passed.
        if patience is not None and (not cancelled or time.monotonic() - began >= patience):
            raise Failure(late) from None
        if not cancelled:
            raise
        complain(told(error, by_class=True))
        return FAILED


async def _answer(
    asked: Callable[[], Awaitable[Any]],
    *,
    as_json: bool,
    out: TextIO,
    advise: Callable[[Exception], str],
    watchdog: Watchdog,
) -> int:
    try:
        result = await asked()
    except CallCancelledError:
        raise
    except Exception as error:
        # A deadline of ours is told by whoever set it; a Worker may raise TimeoutError, too.
        if isinstance(error, TimeoutError) and not getattr(error, "remote", False):
            raise
        if watchdog.stopped_at:
            raise  # because it was left
        complain(told(error, by_class=True))
        if advise(error):
            hint(advise(error))
        return UNREACHABLE if isinstance(error, DisconnectedError) else FAILED
    try:
        async for part in _parts(result):
            with redirect_stdout(out):
                _show(part, as_json=as_json)
    finally:
        rpclab.dispose(result)
    return DONE


async def _parts(result: Any) -> AsyncIterator[Any]:
    """What there is to show of a result, one after another."""
    if isinstance(result, rpclab.Response):
        hint(printable(f"{result.status} {result.status_text}".rstrip()))
        result = result.body
        if result is None:
            return
    if isinstance(result, rpclab.ReadableStream):
        async for chunk in result:
            yield chunk
    else:
        yield result


def _show(part: Any, *, as_json: bool) -> None:
    if isinstance(part, RpcStub):
        names = names_of(seen(part))
        offers = "It offers:" if names else "What it offers is known at the other end alone:"
        hint(f"The result is a stub, which is released as the command ends. {offers}")
        for name in names or [repr(part)]:
            click.echo(printable(name))
    else:
        show_value(part, as_json=as_json and not isinstance(part, bytes))
