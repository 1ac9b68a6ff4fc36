"""`%rpclab link`, `break`, `locate` and `clock`: time and distance from a line.

Floor: notebook.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from rpclab.distances import CLOCKS
from rpclab.notebook.lines import Option, Word, read_option
from rpclab.sandbox import NOTEBOOK
from rpclab.simulation.cities import CITIES

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.simulation.link import Link
    from rpclab.simulation.links import Links

LINK_OPTIONS = {
    "--rtt": Option("--rtt", "80ms", "the round trip; half of it one way"),
    "--bandwidth": Option("--bandwidth", "1MB/s", "in each direction; or unlimited"),
    "--jitter": Option("--jitter", "5ms", "how much longer a message may take, one way"),
    "--cut": Option("--cut", "", "let messages wait"),
    "--mend": Option("--mend", "", "let them go on"),
}


def link(sandbox: Sandbox, *given: str) -> Links | Link:
    """List the links, or change one: `%rpclab link A B --rtt 80ms`.

    Raises:
        UsageError: it says something that is not understood.
    """
    if not given:
        return sandbox.links
    names, changes = parse_link("%rpclab link", *given)
    try:
        return sandbox.link(*names, **changes)
    except ValueError as error:
        raise UsageError(str(error)) from None


def parse_link(magic: str, *given: str) -> tuple[tuple[str, str], dict[str, Any]]:
    """Read the words of a link: its ends, and what is changed of it.

    Args:
        magic: what they stand behind.
        given: the words.

    Raises:
        UsageError: they say something that is not understood.
    """
    rest = iter([Word(text, text) for text in given])
    names: list[str] = []
    changes: dict[str, Any] = {}
    for word in rest:
        flag, value = read_option(word, rest, LINK_OPTIONS, magic)
        if flag is None:
            names.append(word.text)
        elif flag in ("--cut", "--mend"):
            changes["up"] = flag == "--mend"
        else:
            changes[flag[2:]] = _number(value.text)
    if len(names) != 2:  # noqa: PLR2004 - a link has two ends
        raise UsageError(
            f"{magic} takes two Workers or two cities, such as: {magic} notebook counter --rtt 80ms"
        )
    return (names[0], names[1]), changes


def break_link(sandbox: Sandbox, *given: str) -> None:
    """Break the connections of a link: `%rpclab break A B`.

    Raises:
        UsageError: there is no such link.
    """
    if len(given) != 2:  # noqa: PLR2004 - as above
        raise UsageError("%rpclab break takes two ends, such as: %rpclab break notebook counter")
    try:
        sandbox.break_link(*given)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None


def locate(sandbox: Sandbox, *given: str) -> dict[str, str] | None:
    """Show where Workers stand, or put some there: `%rpclab locate notebook=paris`.

    Raises:
        UsageError: it says something that is not understood.
    """
    if not given:
        return sandbox.links.places
    for word in given:
        worker, equals, city = word.partition("=")
        if not equals or not worker:
            raise UsageError(f"{word!r} is not of the form WORKER=city")
        try:
            sandbox.locate(worker, city or None)
        except ValueError as error:
            raise UsageError(str(error)) from None
    return None


def clock(sandbox: Sandbox, *given: str) -> str | None:
    """Say which clock there is, or choose one: `%rpclab clock virtual`.

    Raises:
        UsageError: there is no such clock, or it is too late.
    """
    if not given:
        return f"{sandbox.clock}, at {sandbox.time():g} s"
    try:
        sandbox.use_clock(" ".join(given))
    except (ValueError, RuntimeError) as error:
        raise UsageError(str(error)) from None
    return None


def choices(sandbox: Sandbox, command: str, word: str) -> tuple[str, Iterable[str]]:
    """Give what of a word behind one of these commands is to be completed, and with what."""
    ends = [NOTEBOOK, *sandbox.workers, *CITIES]
    if command == "clock":
        return word, CLOCKS
    if command == "link":
        return word, list(LINK_OPTIONS) if word.startswith("-") else ends
    if command == "break":
        return word, dict.fromkeys(name for each in sandbox.links for name in each.ends)
    if "=" in word:
        return word.partition("=")[2], CITIES
    return word, [f"{name}=" for name in [NOTEBOOK, *sandbox.workers]]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
