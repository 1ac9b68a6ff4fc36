"""What a view shows: asks the analyses, and hands their answers to the pictures.

Floor: sandbox. Loaded when somebody looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any

from rpclab.trace.advice import advice
from rpclab.trace.graph import graph
from rpclab.trace.lifetimes import lifetimes
from rpclab.trace.pictures.crowds import closer
from rpclab.trace.pictures.drawing import NAMESPACE, clean
from rpclab.trace.pictures.figures import Figures
from rpclab.trace.pictures.frame import Options
from rpclab.trace.pictures.graph import graph_svg
from rpclab.trace.pictures.labels import stub_title
from rpclab.trace.pictures.lifetimes import lifetimes_svg
from rpclab.trace.pictures.scale import TIME
from rpclab.trace.pictures.stored_html import drawing, kept
from rpclab.trace.pictures.streams import streams_svg
from rpclab.trace.pictures.templates import place
from rpclab.trace.pictures.texts import graph_text, lifetimes_text, streams_text, timeline_text
from rpclab.trace.pictures.timeline import timeline_svg
from rpclab.trace.replay import Replay
from rpclab.trace.round_trips import round_trips
from rpclab.trace.streams import streams
from rpclab.trace.timeline import timeline

if TYPE_CHECKING:
    from rpclab.views.subject import Subject

_ANALYSES: dict[str, Callable[[Any], Any]] = {
    "timeline": timeline, "lifetimes": lifetimes, "streams": streams, "graph": graph,
}  # fmt: skip
_PICTURES: dict[str, Callable[..., str]] = {
    "timeline": timeline_svg, "lifetimes": lifetimes_svg, "streams": streams_svg,
    "graph": graph_svg,
}  # fmt: skip
_TEXTS: dict[str, Callable[..., str]] = {
    "timeline": timeline_text, "lifetimes": lifetimes_text, "streams": streams_text,
    "graph": graph_text,
}  # fmt: skip
_MOST_HELD = 50  # stubs that are explained
_ROOT = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')

_BOX = "max-width:100%;overflow-x:auto"
_TEXT = (
    "font-family:var(--jp-code-font-family,monospace);font-size:0.93em;line-height:1.25;"
    "white-space:pre;overflow-x:auto;margin:6px 0;padding:0;background:none;color:inherit"
)
_PAGE = (
    "<!doctype html><meta charset=utf-8><title>{title}</title>"
    "<style>:root{{color-scheme:light dark}}body{{font:14px system-ui,sans-serif;margin:16px}}"
    "summary{{cursor:pointer;padding:2px 0}}</style>\n{body}"
)


class Look:
    """One look at a recording: each analysis is made once, for all that shows it.

    Args:
        subject: what is looked at.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._events = list(subject.recording)
        self._replay = Replay(self._events)
        self._answers: dict[str, Any] = {}

    def text(self) -> str:
        """All of it as text."""
        return "\n\n".join(self._text(kind) for kind in self._subject.kinds)

    def svg(self, *, moment: int | None = None, width: float | None = None) -> str:
        """All of it as one picture."""
        pictures = [
            self._svg(kind, moment=moment, width=width) for kind in self._subject.kinds
        ]  # fmt: skip
        return pictures[0] if len(pictures) == 1 else _stacked(pictures)

    def html(self, *, keep: bool = False) -> str:
        """All of it as a part of a page; several views open one by one.

        Args:
            keep: it is for the file of a notebook, see `pictures/stored_html.py`.
        """
        parts = [self._html(kind, keep=keep) for kind in self._subject.kinds]
        if len(parts) == 1:
            return parts[0]
        return "".join(
            f"<details{' open' * (number == 0)}><summary>{kind.capitalize()}</summary>"
            f"{part}</details>"
            for number, (kind, part) in enumerate(zip(self._subject.kinds, parts, strict=True))
        )

    def page(self) -> str:
        """All of it as a page of its own."""
        return _PAGE.format(title=self._subject.kind.capitalize(), body=self.html())

    def _text(self, kind: str) -> str:
        times = self._subject.scale == TIME
        told: str = _TEXTS[kind](self._answer(kind), times=times, **self._around(kind))
        return told

    def _svg(self, kind: str, *, moment: int | None = None, width: float | None = None) -> str:
        options = Options(self._workers(), moment, self._subject.scale)
        if width is not None:
            options = replace(options, width=width)
        answer = self._answer(kind)
        if kind == "graph" and moment is not None:
            answer = graph(islice(self._events, moment))
        drawn: str = _PICTURES[kind](answer, options, **self._around(kind))
        return drawn

    def _html(self, kind: str, *, keep: bool) -> str:
        rows = rows_html(self._held()) if kind == "lifetimes" else ""
        held = f'<div style="margin:6px 0 2px"><b>Still held</b></div>{rows}' if rows else ""
        text = escape(clean(self._text(kind)))
        drawn = self._svg(kind)
        return (
            f'<div style="{_BOX}">{kept(drawn) if keep else drawing(drawn)}</div>{held}'
            f'<details><summary>As text</summary><pre style="{_TEXT}">{text}</pre></details>'
        )

    def _answer(self, kind: str) -> Any:
        """What an analysis gives."""
        if kind not in self._answers:
            self._answers[kind] = _ANALYSES[kind](self._replay)
        if kind == "timeline" and self._subject.calls is not None:
            return closer(self._answers[kind], *self._subject.calls)
        return self._answers[kind]

    def _workers(self) -> list[str]:
        """The Workers, in the order of their colours."""
        if self._subject.workers:
            return list(self._subject.workers)
        if "timeline" not in self._answers:
            self._answers["timeline"] = timeline(self._replay)
        return [lane.name for lane in self._answers["timeline"].lanes]

    def _around(self, kind: str) -> dict[str, Any]:
        """What stands around a timeline: figures and advice."""
        if kind != "timeline":
            return {}
        if "around" not in self._answers:
            self._answers["around"] = {"figures": self._figures(), "advice": self._advice()}
        return dict(self._answers["around"])

    def _advice(self) -> list[str]:
        subject = self._subject
        if subject.advice is not None:
            return list(subject.advice)
        return [] if subject.calls is not None else [each.text for each in advice(self._replay)]

    def _figures(self) -> Figures:
        """Those that are given; else what can be counted."""
        subject = self._subject
        if subject.figures is not None:
            return subject.figures
        counted = Figures.of(self._answer("timeline"))
        if subject.calls is not None:
            return counted
        trips = round_trips(self._events)
        return counted._replace(round_trips=trips.waited, saved=trips.saved, at_most=True)

    def _held(self) -> list[tuple[str, str]]:
        """The stubs that are still held: a line of each, and what explains it."""
        if self._subject.sandbox is not None:
            said = [str(leak).partition("\n") for leak in self._subject.sandbox.leaks()]
            return [(first, rest) for first, _, rest in said]
        lives = self._answer("lifetimes")
        targets = {target.number: target for target in lives.targets}
        rows = []
        for stub in lives.stubs:
            if stub.ended is None:
                first, _, rest = stub_title(stub, targets.get(stub.target)).partition("\n")
                rows.append((f"{first}, made at {place(stub.site or 'an unknown place')}", rest))
        return rows


def rows_html(rows: Sequence[tuple[str, str]]) -> str:
    """Lines that each open an explanation."""
    shown = "".join(_row(first, rest) for first, rest in rows[:_MOST_HELD])
    left_out = len(rows) - _MOST_HELD
    return f"{shown}<div>and {left_out} more</div>" if left_out > 0 else shown


def _row(first: str, rest: str) -> str:
    inner = "<br>".join(escape(clean(line.strip())) for line in rest.splitlines())
    return (
        f'<details style="margin:2px 0"><summary>{escape(clean(first))}</summary>'
        f'<div style="margin:2px 0 6px 18px">{inner}</div></details>'
    )


def _stacked(pictures: Sequence[str]) -> str:
    """Pictures one above the other, as one."""
    y, width, parts = 0.0, 0.0, []
    for picture in pictures:
        found = _ROOT.match(picture)
        if found is not None:
            parts.append(f'<svg y="{y:g}"{picture[4:]}')
            width, y = max(width, float(found[1])), y + float(found[2])
    return (
        f'<svg xmlns="{NAMESPACE}" width="{width:g}" height="{y:g}"'
        f' viewBox="0 0 {width:g} {y:g}">{"".join(parts)}</svg>\n'
    )
