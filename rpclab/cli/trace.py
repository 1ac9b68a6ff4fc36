"""`rpclab trace`: pictures and texts of a recording that was saved.

Floor: cli.
"""

from __future__ import annotations

from pathlib import Path

import click

from rpclab.cli.base import DONE, Command, hint
from rpclab.printable import printable
from rpclab.trace.recording import Recording
from rpclab.views import KINDS, View

_SUFFIXES = (".html", ".json", ".svg", ".txt")


class _Calls(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5
    """A range of calls: 3, or 1-40."""

    name = "FIRST[-LAST]"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        first, _, last = value.partition("-")
        try:
            numbers = int(first), int(last or first)
        except ValueError:
            self.fail(f"{value!r} is no range of calls, such as 1-40", param, ctx)
        if not 1 <= numbers[0] <= numbers[1]:
            self.fail(f"{value!r} is no range of calls: they are counted from 1", param, ctx)
        return numbers


@click.command(
    "trace",
    cls=Command,
    short_help="show a saved recording, as text or as a picture",
    examples="""
rpclab trace lesson.jsonl                          # the timeline as text
rpclab trace lesson.jsonl --view lifetimes         # which stubs lived when
rpclab trace lesson.jsonl -o lesson.svg            # a picture
rpclab trace lesson.jsonl --view view -o all.html  # a page with all four views
rpclab trace lesson.jsonl -o lesson.json           # for ui.perfetto.dev
""",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--view",
    "kind",
    type=click.Choice([*KINDS, "view"]),
    default="timeline",
    show_default=True,
    help='What to show; "view" is all four.',
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write it there: a picture (.svg), a page (.html), text (.txt), or a trace of all events"
    " for Perfetto (.json).",
)
@click.option("--calls", type=_Calls(), help="Only these calls of a timeline, counted from 1.")
@click.option(
    "--scale",
    type=click.Choice(["order", "time"]),
    help="Draw events in their order, or by the clock; by the clock if it was virtual.",
)
def trace(
    file: str, kind: str, output: str | None, calls: tuple[int, int] | None, scale: str | None
) -> int:
    """Show what happened in a recording, as text or as a picture.

    FILE is what sandbox.recording.save("FILE"), or `rpclab run --record FILE`, has written.
    """
    if output is not None and Path(output).suffix.lower() not in _SUFFIXES:
        raise click.BadParameter(
            f"{output!r} ends in none of {', '.join(_SUFFIXES)}", param_hint="-o"
        )
    recording = Recording.load(file)
    if output is not None and Path(output).suffix.lower() == ".json":
        recording.to_perfetto(output)
        hint(f"wrote {output}")
        return DONE
    shown = View(kind, recording, scale=scale, calls=calls)
    if output is None:
        click.echo(printable(shown.text(), keep="\n"))
    else:
        shown.save(output)
        hint(f"wrote {output}")
    return DONE
