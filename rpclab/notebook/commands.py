"""The commands of `%rpclab`: what each does, and what Tab offers behind it.

Floor: notebook. A command takes the notebook, and its words as further parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from IPython.core.error import UsageError

from rpclab.distances import CLOCKS
from rpclab.notebook import distances
from rpclab.notebook.options import (
    SWITCHES,
    Offer,
    Offered,
    Option,
    Options,
    Typed,
    first,
    line_with,
    nothing,
    one_of,
    usage,
)
from rpclab.sandbox import NOTEBOOK

if TYPE_CHECKING:
    from rpclab.diagnostics.leaks import Leaks
    from rpclab.notebook.cells import Notebook
    from rpclab.sandbox import Sandbox

FAULT_OPTIONS: Options = {"--most": Option("N")}
EXPORT_OPTIONS: Options = {"--force": Option()}


class Command(NamedTuple):
    """A command of `%rpclab`.

    Attributes:
        run: does it, and gives what the cell shows.
        offer: what Tab offers behind it.
    """

    run: Callable[..., Any]
    offer: Offer = nothing


def _later(module: str, function: str) -> Callable[..., Any]:
    """A function of this package whose module is loaded by who first asks for it."""

    def run(notebook: Notebook, *given: str) -> Any:
        return getattr(import_module(f"rpclab.notebook.{module}"), function)(notebook, *given)

    return run


def _leaks(notebook: Notebook) -> Leaks:
    return notebook.sandbox.leaks()


def _record(notebook: Notebook, *given: str) -> Any:
    if not given:
        return notebook.sandbox.recording
    if given != ("clear",):
        raise UsageError(f"%rpclab record takes `clear`, and not {' '.join(given)!r}")
    _forget_what_was_recorded(notebook)
    return None


def _reset(notebook: Notebook) -> None:
    notebook.sandbox.reset()
    _forget_what_was_recorded(notebook)


def _forget_what_was_recorded(notebook: Notebook) -> None:
    if notebook.sandbox.recording is not None:
        notebook.sandbox.recording.clear()


def _storage(notebook: Notebook, *given: str) -> str | None:
    if not given:
        folder = notebook.sandbox.storage
        return "in memory" if folder is None else str(folder)
    if len(given) > 1:
        raise UsageError(f"%rpclab storage takes one folder, and not {given[1]!r} as well")
    try:
        notebook.sandbox.use_storage(None if given[0] == "memory" else given[0])
    except RuntimeError as error:
        raise UsageError(f"{error} (%rpclab reset)") from None
    return None


def _validate(notebook: Notebook, *given: str) -> Any:
    if not given:
        return notebook.sandbox.validate
    switch = SWITCHES.get(given[0].lower()) if len(given) == 1 else None
    try:
        notebook.sandbox.validate = given if switch is None else switch
    except (ImportError, ValueError) as error:
        raise usage(error) from None
    return None


def _workers_and(*names: str) -> Offer:
    """Offer the Workers, and some other words."""
    return lambda sandbox, typed: (typed.word, [*names, *sandbox.workers])


CHANGES: dict[str, Offer] = {
    "break": distances.break_words,
    "fail": first(lambda sandbox, typed: (typed.word, [f"{name}." for name in sandbox.workers])),
    "link": distances.link_words,
    "locate": distances.locate_words,
    "pipelining": first(one_of("off")),
}
"""What `%rpclab replay` can change, and what Tab offers behind it."""


def _change(sandbox: Sandbox, typed: Typed) -> Offered:
    if not typed.before:
        return typed.word, CHANGES
    kind, *before = typed.before
    return CHANGES.get(kind, nothing)(sandbox, Typed(tuple(before), typed.word))


COMMANDS: dict[str, Command] = {
    "break": Command(distances.break_link, distances.break_words),
    "clock": Command(distances.clock, first(one_of(*CLOCKS))),
    "export": Command(_later("exporting", "export_to"), line_with(EXPORT_OPTIONS)),
    "faults": Command(_later("what_if", "scrub_block"), line_with(FAULT_OPTIONS)),
    "leaks": Command(_leaks),
    "link": Command(distances.link, distances.link_words),
    "locate": Command(distances.locate, distances.locate_words),
    "nodes": Command(distances.nodes),
    "place": Command(distances.place, distances.place_words),
    "record": Command(_record, first(one_of("clear"))),
    "replay": Command(_later("what_if", "replay_block"), _change),
    "reset": Command(_reset),
    "storage": Command(_storage, first(one_of("memory"))),
    "types": Command(_later("types", "show_types"), first(_workers_and(NOTEBOOK))),
    "validate": Command(_validate, _workers_and("on", "off")),
}
"""By name."""


def command_words(sandbox: Sandbox, typed: Typed) -> Offered:
    """Offer the names of the commands, and what fits behind each."""
    if not typed.before:
        return typed.word, sorted(COMMANDS)
    name, *before = typed.before
    command = COMMANDS.get(name)
    offer = nothing if command is None else command.offer
    return offer(sandbox, Typed(tuple(before), typed.word))
