"""Two runs of one program, one above the other: what is unlike between them, call by call.

Floor: whatif.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.previews import counted
from rpclab.printable import printable
from rpclab.trace.model import RETURNED, RUNNING, CallBar
from rpclab.trace.pictures.drawing import clean
from rpclab.trace.pictures.frame import Options
from rpclab.trace.pictures.scale import TIME
from rpclab.trace.pictures.stored_html import drawing, kept
from rpclab.trace.pictures.templates import duration
from rpclab.trace.pictures.texts import timeline_text
from rpclab.trace.pictures.timeline import UNLIKE, timeline_svg
from rpclab.trace.timeline import timeline
from rpclab.whatif.apart import apart
from rpclab.whatif.changes import Break, Change
from rpclab.whatif.playing import PATIENCE, Program, Run, play
from rpclab.whatif.world import World

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox

_PROMISE = re.compile(r"\(\d+\)")
_SAME = 1e-9  # seconds between two times that are one
_MOST = 40  # differences that a text lists
_BOX = "max-width:100%;overflow-x:auto"


class Difference(NamedTuple):
    """A call that is unlike in two runs.

    Attributes:
        before: its number in the first run; None if it was not made there.
        after: its number in the second; likewise.
        text: what is unlike, with the numbers.
    """

    before: int | None
    after: int | None
    text: str


def differences(before: Sequence[CallBar], after: Sequence[CallBar]) -> list[Difference]:
    """Compare the calls of two runs.

    A call is the same in both where the same Worker made it at the same place, on the same Worker,
    with the same arguments, for the first time, the second time and so on.

    Args:
        before: of the first run.
        after: of the second.
    """
    first, second = dict(_keyed(before)), dict(_keyed(after))
    found = []
    for key in dict.fromkeys([*first, *second]):
        one, other = first.get(key), second.get(key)
        text = _unlike(one, other)
        if text:
            found.append(Difference(_number(one), _number(other), text))
    return found


def _keyed(calls: Iterable[CallBar]) -> Iterator[tuple[tuple[Any, ...], CallBar]]:
    times: dict[tuple[Any, ...], int] = defaultdict(int)
    for call in calls:
        # Promises are told by numbers of calls, which another run may count otherwise.
        label = _PROMISE.sub("()", call.label)
        key = (call.caller, call.worker, call.kind, label, call.site)
        times[key] += 1
        yield (*key, times[key]), call


def _unlike(one: CallBar | None, other: CallBar | None) -> str:
    if one is None or other is None:
        call = one or other
        which = "only before" if other is None else "only after"
        return "" if call is None else f"{_name(call)}: {which}"
    parts = []
    if (one.outcome, one.result) != (other.outcome, other.result):
        parts.append(f"{_ended(one)} before, {_ended(other)} after")
    if one.settled is not None and other.settled is not None:
        took, takes = one.settled - one.made, other.settled - other.made
        if abs(took - takes) > _SAME:
            parts.append(f"{duration(took)} before, {duration(takes)} after")
        elif abs(one.made - other.made) > _SAME:
            later = other.made - one.made
            parts.append(f"{duration(abs(later))} {'later' if later > 0 else 'earlier'}")
    return f"{_name(other)}: {'; '.join(parts)}" if parts else ""


def _number(call: CallBar | None) -> int | None:
    return None if call is None else call.number


def _name(call: CallBar) -> str:
    return f"{call.caller} → {call.worker}: {call.label}"


def _ended(call: CallBar) -> str:
    if call.outcome == RETURNED:
        return call.result or "''"
    if call.outcome == RUNNING:
        return "no answer"
    return f"{call.outcome} {call.result}".strip()


@dataclass(frozen=True)
class WhatIf:
    """A program as it is, and with one thing changed.

    Attributes:
        change: what was changed.
        before: the run as it is.
        after: the run with the change.
        differences: the calls that are unlike, in the order made.
        note: what was not as in the sandbox, in a sentence; "" if nothing.
    """

    change: Change
    before: Run
    after: Run
    differences: tuple[Difference, ...]
    note: str = ""

    def summary(self) -> str:
        """How each of the two ended, and how much is unlike."""
        count = len(self.differences)
        unlike = f"{counted(count, 'call')} unlike" if count else "every call is the same"
        lines = [
            f"What if {self.change.text}? {unlike}",
            f"  before: {self.before.text}",
            f"  after:  {self.after.text}",
        ]
        if isinstance(self.change, Break) and self.after.struck is None:
            lines.append("  the two sent fewer messages, so nothing was broken")
        if self.note:
            lines.append(f"  {self.note}")
        return "\n".join(lines)

    def text(self) -> str:
        """Both timelines as text; `≠` stands before calls that are unlike."""
        lines = self.summary().split("\n")
        lines += [f"  {UNLIKE} {each.text}" for each in self.differences[:_MOST]]
        left = len(self.differences) - _MOST
        lines += [f"  and {left} more"] if left > 0 else []
        for name, run, marked in self._runs():
            line = timeline(run.recording)
            told = timeline_text(line, figures=run.figures, times=True).split("\n")
            lines += ["", told[0].replace("Timeline", name, 1)]
            numbers = [call.number for call in line.calls]
            for position, text in enumerate(told[1:]):
                unlike = position < len(numbers) and numbers[position] in marked
                lines.append(f"{UNLIKE if unlike else ' '}{text[1:]}")
        return "\n".join(map(printable, lines))

    def _runs(self) -> list[tuple[str, Run, dict[int, str]]]:
        before = {each.before: each.text for each in self.differences if each.before is not None}
        after = {each.after: each.text for each in self.differences if each.after is not None}
        return [("Before", self.before, before), ("After", self.after, after)]

    def pictures(self) -> list[str]:
        """Both timelines as SVG, on one scale of time."""
        runs = self._runs()
        lines = [timeline(run.recording) for _, run, _ in runs]
        longest = max(line.end - line.begin for line in lines)
        workers = list(dict.fromkeys(lane.name for line in lines for lane in line.lanes))
        return [
            timeline_svg(
                replace(line, end=line.begin + longest),
                Options(workers, scale=TIME, title=self._title(name), marked=marked),
                figures=run.figures,
            )
            for (name, run, marked), line in zip(runs, lines, strict=True)
        ]

    def _title(self, name: str) -> str:
        return name if name == "Before" else f"After: {self.change.text}"

    def html(self, *, keep: bool = False) -> str:
        """Both as a part of a page.

        Args:
            keep: it is for the file of a notebook, see `trace/pictures/stored_html.py`.
        """
        shown = [kept(each) if keep else drawing(each) for each in self.pictures()]
        head = "<br>".join(escape(clean(line.strip())) for line in self.summary().split("\n"))
        rows = "".join(f"<li>{escape(clean(each.text))}</li>" for each in self.differences[:_MOST])
        listed = f"<ul style='margin:4px 0'>{rows}</ul>" if rows else ""
        parts = "".join(f'<div style="{_BOX}">{each}</div>' for each in shown)
        text = escape(clean(self.text()))
        return (
            f"<div>{head}</div>{parts}"
            f"<details><summary>What is unlike</summary>{listed}</details>"
            f"<details><summary>As text</summary><pre>{text}</pre></details>"
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file: a page (.html) or its text (.txt).

        Args:
            path: where; its end says what is written.

        Raises:
            ValueError: the name ends otherwise.
            OSError: the file cannot be written.
        """
        forms = {".html": lambda: _page(self.html()), ".txt": lambda: f"{self.text()}\n"}
        form = forms.get(Path(path).suffix.lower())
        if form is None:
            raise ValueError(f"this is saved as one of {', '.join(forms)}, not {path}")
        Path(path).write_text(form(), "utf-8")

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": self.html(keep=True)}

    def __repr__(self) -> str:
        return self.text()


def _page(body: str) -> str:
    return (
        "<!doctype html><meta charset=utf-8><title>What if?</title>"
        "<style>:root{color-scheme:light dark}body{font:14px system-ui,sans-serif;margin:16px}"
        f"summary{{cursor:pointer}}</style>\n{body}"
    )


def replay(
    program: Program,
    sandbox: Sandbox,
    change: Change | None = None,
    *,
    patience: float = PATIENCE,
) -> WhatIf:
    """Run a program twice, as it is and with one thing changed, and compare.

    Each run has a sandbox of its own, with the Workers, links and stored data that the given one
    has now, a virtual clock and no network: the two differ by the change alone, and are the same
    each time. Nothing in the given sandbox changes. The call blocks until both are over.

    Args:
        program: a coroutine function that takes `env`, or `env` and `sandbox`.
        sandbox: whose Workers it calls.
        change: what is changed: a `Link`, `Locate`, `Break`, `Fail` or `NoPipelining`.
        patience: after so many seconds of virtual time a run is taken to wait for ever.

    Raises:
        ValueError: the change cannot be made, for it names what is not there.
        TypeError: the program is no function.
        Exception: whatever the code of a Worker raises as it is deployed anew.
    """
    world = World(sandbox)
    changed = change or Change()

    async def both() -> tuple[Run, Run]:
        before = await play(world, program, patience=patience)
        return before, await play(world, program, changed, patience=patience)

    before, after = apart(both)
    unlike = tuple(differences(before.calls, after.calls))
    return WhatIf(changed, before, after, unlike, world.placed)
