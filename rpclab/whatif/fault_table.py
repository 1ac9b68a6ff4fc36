"""What a walk through the faults of a program has found, as text and as a part of a page.

Floor: whatif.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from rpclab.printable import printable
from rpclab.trace.pictures.drawing import clean
from rpclab.trace.pictures.stored_html import drawing
from rpclab.trace.pictures.templates import duration

if TYPE_CHECKING:
    from rpclab.whatif.scrubbing import Fault, Faults

HEADS = ("message", "cut", "what was sent", "the program", "its calls", "left over")
_WIDEST = 44  # characters of a column
_NONE = "nothing"
_LINE = "border-bottom:1px solid var(--jp-border-color2,rgba(128,128,128,.35))"
_CELL = f"text-align:left;vertical-align:top;padding:3px 12px 3px 0;{_LINE}"
_CODE = "font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:.93em"
_MOST_OPEN = 12  # rows whose timelines a page without a kernel holds


def row_of(fault: Fault) -> tuple[str, ...]:
    """A run as the cells of a table."""
    left = ", ".join(fault.left) or _NONE
    return (str(fault.message), fault.way, fault.text, fault.outcome, fault.calls, left)


def faults_text(faults: Faults) -> str:
    """Say what was found, and what came of each cut: a line for each."""
    baseline = faults.baseline
    lines = [faults.summary(), f"  without a cut it {baseline.text}"]
    for finding, shown in faults.findings.items():
        lines.append(f"  {finding} ({where(shown)})")
    rows = [HEADS, *(tuple(map(_short, row_of(fault))) for fault in faults)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines.append("")
    for row, fault in zip(rows, [None, *faults], strict=True):
        told = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        mark = "✗" if fault is not None and fault.findings else " "
        lines.append(f"{mark} {told}".rstrip())
    return "\n".join(map(printable, lines))


def where(faults: Sequence[Fault]) -> str:
    """Which cuts show a finding, in a few words."""
    if not faults:
        return "without a cut"
    first = faults[0]
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"message {first.message}, {first.way}{more}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"


def faults_html(faults: Faults) -> str:
    """Give a table whose rows open; those that show a fault of the program open a timeline."""
    found = "".join(
        f"<li><b>{escape(finding.kind)}</b>: {escape(clean(finding.what))}"
        f" <span style='opacity:.75'>({escape(where(shown))})</span></li>"
        for finding, shown in faults.findings.items()
    )
    head = escape(faults.summary())
    without = escape(clean(f"without a cut it {faults.baseline.text}"))
    return (
        f'<div class="rl-cuts-still"><div><b>{head}</b></div><div>{without}</div>'
        f'<ul style="margin:4px 0 8px">{found}</ul>{_table(faults)}</div>'
    )


def _table(faults: Faults) -> str:
    heads = "".join(f'<th scope="col" style="{_CELL}">{escape(head)}</th>' for head in HEADS)
    first = _first_of_each(faults)
    rows = "".join(_row(fault, drawn=fault.message_and_way in first) for fault in faults)
    return (
        '<div style="max-width:100%;overflow-x:auto"><table style="border-collapse:collapse;'
        f'margin:0"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _first_of_each(faults: Faults) -> set[tuple[int, str]]:
    """The runs whose timelines are kept: the first that shows each finding."""
    shown = [found[0].message_and_way for found in faults.findings.values() if found]
    return set(shown[:_MOST_OPEN])


def _row(fault: Fault, *, drawn: bool) -> str:
    cells = row_of(fault)
    mark = "✗ " if fault.findings else ""
    shown = "".join(f'<td style="{_CELL};{_CODE}">{escape(clean(cell))}</td>' for cell in cells[1:])
    opened = details(fault, drawn=drawn)
    number = f'<td style="{_CELL};white-space:nowrap">{mark}{cells[0]}</td>'
    return (
        f"<tr>{number}{shown}</tr>"
        f'<tr><td colspan="{len(cells)}" style="{_CELL};padding-left:24px">{opened}</td></tr>'
        if drawn
        else f"<tr>{number}{shown}</tr>"
    )


def details(fault: Fault, *, drawn: bool = True) -> str:
    """What a row opens: the findings of a run, and its timeline."""
    said = "".join(f"<div>✗ {escape(clean(str(each)))}</div>" for each in fault.findings)
    took = escape(f"{fault.run.text}; {duration(fault.run.seconds)} of virtual time")
    picture = drawing(fault.timeline().svg()) if drawn else ""
    return (
        f"<details><summary>Timeline of message {fault.message}, {fault.way}</summary>"
        f'{said}<div>{clean(took)}</div><div style="overflow-x:auto">{picture}</div></details>'
    )
