"""`%rpclab link`, `break`, `locate`, `clock`, `nodes`, `place`: time, distance and place in a line.

Floor: notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from rpclab.errors import RpcError
from rpclab.notebook.options import (
    Offered,
    Option,
    Options,
    Typed,
    line_with,
    read_options,
    texts,
    usage,
)
from rpclab.placement.declared import DASK, KERNEL, PROCESS, placement_of
from rpclab.rpc.sync import run
from rpclab.sandbox import NOTEBOOK
from rpclab.simulation.cities import CITIES

if TYPE_CHECKING:
    from rpclab.notebook.cells import Notebook
    from rpclab.placement.listing import PlacedNodes
    from rpclab.sandbox import Sandbox
    from rpclab.simulation.link import Link
    from rpclab.simulation.links import Links
    from rpclab.workers.worker import Worker

LINK_OPTIONS: Options = {
    "--rtt": Option("80ms"),
    "--bandwidth": Option("1MB/s"),
    "--jitter": Option("5ms"),
    "--cut": Option(),
    "--mend": Option(),
}


def link(notebook: Notebook, *given: str) -> Links | Link:
    """List the links, or change one: `%rpclab link A B --rtt 80ms`.

    Raises:
        UsageError: it says something that is not understood.
    """
    sandbox = notebook.sandbox
    if not given:
        return sandbox.links
    names, changes = parse_link("%rpclab link", *given)
    try:
        return sandbox.link(*names, **changes)
    except ValueError as error:
        raise usage(error) from None


def parse_link(magic: str, *given: str) -> tuple[tuple[str, str], dict[str, Any]]:
    """Read the words of a link: its ends, and what is changed of it.

    Args:
        magic: what they stand behind.
        given: the words.

    Raises:
        UsageError: they say something that is not understood.
    """
    names: list[str] = []
    changes: dict[str, Any] = {}
    for flag, value in read_options(texts(given), LINK_OPTIONS, magic):
        if flag is None:
            names.append(value.text)
        elif flag in ("--cut", "--mend"):
            changes["up"] = flag == "--mend"
        else:
            changes[flag[2:]] = _number(value.text)
    if len(names) != 2:  # noqa: PLR2004 - a link has two ends
        raise UsageError(
            f"{magic} takes two Workers or two cities, such as: {magic} notebook counter --rtt 80ms"
        )
    return (names[0], names[1]), changes


def break_link(notebook: Notebook, *given: str) -> None:
    """Break the connections of a link: `%rpclab break A B`.

    Raises:
        UsageError: there is no such link.
    """
    if len(given) != 2:  # noqa: PLR2004 - as above
        raise UsageError("%rpclab break takes two ends, such as: %rpclab break notebook counter")
    try:
        notebook.sandbox.break_link(*given)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from None


def locate(notebook: Notebook, *given: str) -> dict[str, str] | None:
    """Show where Workers stand, or put some there: `%rpclab locate notebook=paris`.

    Raises:
        UsageError: it says something that is not understood.
    """
    if not given:
        return notebook.sandbox.links.places
    for word in given:
        worker, equals, city = word.partition("=")
        if not equals or not worker:
            raise UsageError(f"{word!r} is not of the form WORKER=city")
        try:
            notebook.sandbox.locate(worker, city or None)
        except ValueError as error:
            raise usage(error) from None
    return None


def nodes(notebook: Notebook) -> PlacedNodes:
    """Show where Workers run: `%rpclab nodes`."""
    return notebook.sandbox.nodes()


def place(notebook: Notebook, *given: str) -> Worker:
    """Have a Worker run elsewhere: `%rpclab place prime node-1`.

    Raises:
        UsageError: there is no such Worker or place, or it cannot run there.
    """
    if len(given) != 2:  # noqa: PLR2004 - as above
        raise UsageError(
            "%rpclab place takes a Worker and a place, such as: %rpclab place prime node-1"
        )
    sandbox, (name, where) = notebook.sandbox, given
    try:
        sandbox.worker(name)
        placement = sandbox.programs.on_node(where, name) or placement_of(where)
        worker: Worker = run(sandbox.move(name, placement or KERNEL))
    except (RpcError, ValueError, ImportError) as error:
        raise usage(error) from None
    return worker


def clock(notebook: Notebook, *given: str) -> str | None:
    """Say which clock there is, or choose one: `%rpclab clock virtual`.

    Raises:
        UsageError: there is no such clock, or it is too late.
    """
    sandbox = notebook.sandbox
    if not given:
        return f"{sandbox.clock}, at {sandbox.time():g} s"
    try:
        sandbox.use_clock(" ".join(given))
    except (ValueError, RuntimeError) as error:
        raise usage(error) from None
    return None


# What Tab offers.


def _ends(sandbox: Sandbox, typed: Typed) -> Offered:
    return typed.word, [NOTEBOOK, *sandbox.workers, *CITIES]


def place_words(sandbox: Sandbox, typed: Typed) -> Offered:
    """Offer the Workers, and then the places."""
    if not typed.before:
        return typed.word, sandbox.workers
    if len(typed.before) > 1:
        return typed.word, ()
    return typed.word, [KERNEL, PROCESS, DASK, *sandbox.node_names()]


link_words = line_with(LINK_OPTIONS, _ends)
"""Behind `link`: its options, and what a link may join."""


def break_words(sandbox: Sandbox, typed: Typed) -> Offered:
    """Behind `break`: the ends of the links that there are."""
    return typed.word, dict.fromkeys(name for each in sandbox.links for name in each.ends)


def locate_words(sandbox: Sandbox, typed: Typed) -> Offered:
    """Behind `locate`: whoever stands somewhere, and the cities."""
    _, equals, city = typed.word.partition("=")
    if equals:
        return city, CITIES
    return typed.word, [f"{name}=" for name in [NOTEBOOK, *sandbox.workers]]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
