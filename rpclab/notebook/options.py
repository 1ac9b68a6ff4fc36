"""The words of a line: options and their values, how they are read, and what Tab offers for them.

Floor: notebook. `lines.py` has the options of the magics, `commands.py` those of `%rpclab`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from IPython.core.error import UsageError

from rpclab.errors import add_note, near
from rpclab.simulation.cities import CITIES

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox


SWITCHES = {"1": True, "true": True, "on": True, "yes": True,
            "0": False, "false": False, "off": False, "no": False}  # fmt: skip
"""The words for on and off."""


class Word(NamedTuple):
    """A word of a line: as meant, and as written (with its quotes)."""

    text: str
    raw: str


class Typed(NamedTuple):
    """A line as far as it is typed.

    Attributes:
        before: the whole words behind the name of the magic or command.
        word: what there is of the word at the cursor.
    """

    before: tuple[str, ...]
    word: str


Offered = tuple[str, Iterable[str]]
"""What of the word is completed, and the names it may become."""

Offer = Callable[["Sandbox", Typed], Offered]


# What Tab offers for a word.


def nothing(_sandbox: Sandbox, typed: Typed) -> Offered:
    """Offer nothing."""
    return typed.word, ()


def one_of(*names: str) -> Offer:
    """Offer the same names each time."""
    return lambda _sandbox, typed: (typed.word, names)


def first(offer: Offer) -> Offer:
    """Offer something for the first word alone."""
    return lambda sandbox, typed: (nothing if typed.before else offer)(sandbox, typed)


def worker(sandbox: Sandbox, typed: Typed) -> Offered:
    """Offer the names of the Workers."""
    return typed.word, sandbox.workers


def city(_sandbox: Sandbox, typed: Typed) -> Offered:
    """Offer the cities."""
    return typed.word, CITIES


def entrypoint(sandbox: Sandbox, typed: Typed) -> Offered:
    """Offer where a binding leads, behind "VAR=": a Worker, and behind "#" its entrypoints."""
    _, equals, target = typed.word.rpartition("=")
    if not equals:
        return nothing(sandbox, typed)
    name, hash_, begun = target.partition("#")
    found = sandbox.workers.get(name)
    return (begun, found.exports if found else ()) if hash_ else (name, sandbox.workers)


def object_class(sandbox: Sandbox, typed: Typed) -> Offered:
    """Offer the classes of Durable Objects, behind "VAR="."""
    _, equals, begun = typed.word.rpartition("=")
    if not equals:
        return nothing(sandbox, typed)
    return begun, [
        f"{name}@{worker}" for worker, found in sandbox.workers.items() for name in found.objects
    ]


# Options.


class Option(NamedTuple):
    """An option of a magic, or of a command of `%rpclab`.

    Attributes:
        form: of its value, as the manual has it; "" where it takes none.
        offer: what Tab offers for its value.
    """

    form: str = ""
    offer: Offer = nothing


Options = Mapping[str, Option]
"""Options by their flags."""


def line_with(options: Options, others: Offer = nothing) -> Offer:
    """Offer the options of a line, their values, and its other words.

    Args:
        options: those that it may have.
        others: what is offered for a word that is no option and no value of one.
    """

    def offer(sandbox: Sandbox, typed: Typed) -> Offered:
        last = options.get(typed.before[-1]) if typed.before else None
        if last is not None and last.form:
            return last.offer(sandbox, typed)
        flag, equals, value = typed.word.partition("=")
        if equals and flag in options:
            return options[flag].offer(sandbox, typed._replace(word=value))
        if typed.word.startswith("-") or others is nothing:
            return typed.word, options
        return others(sandbox, typed)

    return offer


def read_options(
    given: Iterable[Word], options: Options, magic: str
) -> Iterator[tuple[str | None, Word]]:
    """Read the words of a line one after the other: each option with its value, and the others.

    Args:
        given: the words behind the magic or command.
        options: those that it may have.
        magic: what the words stand behind, for errors.

    Returns:
        For each option its flag and its value, or the word itself where it takes none; for any
        other word None and the word.

    Raises:
        UsageError: there is no such option, or its value is missing.
    """
    rest = iter(given)
    for word in rest:
        if not word.raw.startswith("-"):
            yield None, word
            continue
        flag, equals, value = word.text.partition("=")
        option = options.get(flag)
        if option is None:
            raise UsageError(f"{magic} has no option {flag}; {near(flag, options)}")
        if not option.form:
            yield flag, word
        elif equals:
            yield flag, Word(value, word.raw.partition("=")[2])
        else:
            following = next(rest, None)
            if following is None or following.raw.startswith("--"):
                raise UsageError(f"{flag} needs {option.form}")
            yield flag, following


def texts(given: Iterable[str]) -> Iterator[Word]:
    """Words whose quotes are gone already, as the commands of `%rpclab` are given them."""
    return (Word(text, text) for text in given)


def usage(error: Exception, note: str = "") -> UsageError:
    """What a magic answers in a line: what an error says, and its notes.

    Args:
        error: what was raised.
        note: what the answer says as well.
    """
    add_note(error, note)
    return UsageError("; ".join([str(error), *getattr(error, "__notes__", ())]))
