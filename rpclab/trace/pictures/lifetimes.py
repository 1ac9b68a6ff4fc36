"""Lifetimes as SVG: a bar for each target, and below it one for each stub that leads to it.

Floor: trace. A pure function of what `rpclab.trace.lifetimes` gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from rpclab.trace.model import Lifetimes, StubBar, TargetBar
from rpclab.trace.pictures.drawing import (
    SIZES,
    Picture,
    arrow,
    elided,
    mark,
    rect,
    words_of,
)
from rpclab.trace.pictures.figures import TIMES, count, listed
from rpclab.trace.pictures.frame import (
    MARGIN,
    USUAL,
    Options,
    axis,
    axis_height,
    cursor,
    head,
    legend,
)
from rpclab.trace.pictures.legends import lifetimes_legend
from rpclab.trace.pictures.scale import ORDER, Scale, Stop
from rpclab.trace.pictures.wording import (
    END_MARKS,
    short_site,
    site_label,
    stub_label,
    stub_title,
)

_ROW = SIZES["row"]
_LABELS, _SITES = 0.29, 0.17  # of the width: columns for what it is, and where it was made
_MOST = 120  # rows; beyond that, stubs made alike share one
_THICKEST = 5  # references that make a target's bar as thick as it gets


class _Group(NamedTuple):
    """Stubs that share a row."""

    stubs: tuple[StubBar, ...]

    @property
    def held(self) -> int:
        """How many of them are still held."""
        return sum(stub.ended is None for stub in self.stubs)


def lifetimes_svg(lifetimes: Lifetimes, options: Options = USUAL) -> str:
    """Draw which stubs lived when.

    Args:
        lifetimes: what to draw.
        options: how.

    Raises:
        ValueError: there is no such scale.
    """
    picture, width, moment = Picture("Lifetimes", options.width), options.width, options.moment
    left = MARGIN + width * (_LABELS + _SITES)
    measured = Scale(
        left, width - MARGIN - 20, options.scale, lifetimes.begin, lifetimes.end, _stops(lifetimes)
    )
    in_order = "left to right in the order it happened; distances are no times"
    head(picture, figures_line(lifetimes), in_order if measured.by == ORDER else "")
    drawing = _Drawing(picture, lifetimes, measured, options)
    top = picture.y
    drawing.draw()
    if moment is not None:
        known = [stub.made for stub in lifetimes.stubs if stub.made_at < moment]
        x = measured.x(moment, max(known, default=lifetimes.begin))
        cursor(picture, x, top + 4, picture.y, f"moment {moment} of {lifetimes.moments}")
        picture.y += 16
    legend(picture, lifetimes_legend(lifetimes))
    return picture.write(_description(lifetimes), style=options.style)


def figures_line(lifetimes: Lifetimes) -> str:
    """How many stubs there were, and how many are left."""
    held = sum(stub.ended is None for stub in lifetimes.stubs)
    targets = count(len(lifetimes.targets), "target")
    return f"{count(len(lifetimes.stubs), 'stub')} of {targets}; {held or 'none'} still held"


def _stops(lifetimes: Lifetimes) -> Iterable[Stop]:
    for stub in lifetimes.stubs:
        yield Stop(stub.made_at, 1, stub.made)
        if stub.ended_at is not None:
            yield Stop(stub.ended_at, 1, stub.ended)
    for target in lifetimes.targets:
        yield Stop(target.introduced_at, 1, target.introduced)
        if target.gone_at is not None:
            yield Stop(target.gone_at, 1, target.gone)


class _Drawing:
    """One picture of lifetimes."""

    def __init__(
        self, picture: Picture, lifetimes: Lifetimes, scale: Scale, options: Options
    ) -> None:
        self._picture, self._scale, self._moment = picture, scale, options.moment
        self._lifetimes = lifetimes
        named = [t.worker for t in lifetimes.targets] + [s.holder for s in lifetimes.stubs]
        self._colours = options.colours(named)
        self._row_of: dict[int, float] = {}

    def draw(self) -> None:
        """Draw all rows, and the axis above them."""
        picture = self._picture
        start = picture.y
        picture.y += axis_height(self._scale) + 4
        of: dict[int, list[StubBar]] = {target.number: [] for target in self._lifetimes.targets}
        for stub in self._lifetimes.stubs:
            of.setdefault(stub.target, []).append(stub)
        rows = len(of) + len(self._lifetimes.stubs)
        targets = self._lifetimes.targets
        kinds = _alike(targets) if rows > _MOST else [(target,) for target in targets]
        for number, alike in enumerate(kinds):
            stubs = [stub for target in alike for stub in of[target.number]]
            groups = _grouped(stubs) if rows > _MOST else [_Group((stub,)) for stub in stubs]
            if number % 2 == 0:
                picture.rect(MARGIN, picture.y, picture.width - 2 * MARGIN,
                             _ROW * (1 + len(groups)) + 6, "band", radius=4,
                             under=True)  # fmt: skip
            self._draw_targets(alike)
            for group in groups:
                self._draw_group(group)
            picture.y += 6
        bottom, picture.y = picture.y, start
        axis(picture, self._scale, bottom)
        picture.y = bottom

    def _pale(self, moment: int) -> str:
        return " later" if self._moment is not None and moment >= self._moment else ""

    def _draw_targets(self, alike: tuple[TargetBar, ...]) -> None:
        picture, first = self._picture, alike[0]
        y = picture.y + _ROW / 2 + 2
        colour = self._colours[first.worker]
        several = f"{len(alike)} {TIMES} " if len(alike) > 1 else ""
        room = self._scale.left - MARGIN - 34
        name = elided(f"{several}{first.name} in {first.worker}", room)
        picture.rect(MARGIN + 6, y - 5, 10, 10, f"w{colour}", radius=2)
        picture.text(MARGIN + 21, y + 4, name, f"b n{colour}")
        for target in alike:
            self._draw_target(target, y, f"w{colour}{self._pale(target.introduced_at)}")
        picture.y += _ROW

    def _draw_target(self, target: TargetBar, y: float, kind: str) -> None:
        title = f"{target.name} in {target.worker}, held by {listed(target.holders) or 'nobody'}"
        end = self._scale.x(target.gone_at, target.gone)
        steps = [*target.references, (target.gone_at or 0, target.gone, 0)]
        for (moment, time, references), following in pairwise(steps):
            x = self._scale.x(moment, time)
            to_x = end if following is steps[-1] else self._scale.x(*following[:2])
            if references and to_x > x:
                thick = 1 + 1.8 * min(references, _THICKEST)
                self._picture.rect(x, y - thick / 2, to_x - x, thick, kind,
                                   title=f"{title}\n{count(references, 'reference')}"
                                   )  # fmt: skip
        if target.broken is not None:
            x = self._scale.x(None, target.broken)
            self._picture.mark("broken", x, y, title=f"{title}\nbroken: its context ended")

    def _draw_group(self, group: _Group) -> None:
        picture, first = self._picture, group.stubs[0]
        y = picture.y + _ROW / 2 + 2
        several = f" {TIMES}{len(group.stubs)}" if len(group.stubs) > 1 else ""
        held = f", {group.held} held" if several and group.held else ""
        pale = self._pale(first.made_at)
        room = picture.width * _LABELS - 26
        kind = f"f-warn{pale}" if group.held else pale.strip()
        label = stub_label(first) if not several else f"{first.holder}: {first.how}{several}{held}"
        picture.text(MARGIN + 21, y + 4, elided(label, room), kind)
        where = site_label(first.site, picture.width * _SITES - 10)
        picture.text(MARGIN + picture.width * _LABELS, y + 4, where, f"f-muted{pale}",
                     title=short_site(first.site or ""))  # fmt: skip
        for stub in group.stubs:
            self._draw_stub(stub, y, alone=not several)
        picture.y += _ROW

    def _draw_stub(self, stub: StubBar, y: float, *, alone: bool) -> None:
        begin = self._scale.x(stub.made_at, stub.made)
        end = max(self._scale.x(stub.ended_at, stub.ended), begin + 2)
        self._row_of[stub.number] = y
        targets = self._lifetimes.targets
        target = targets[stub.target - 1] if 0 < stub.target <= len(targets) else None
        title = words_of(stub_title(stub, target))
        colour = self._colours[stub.holder]
        height = 10 if alone else 6
        shapes = rect(begin, y - height / 2, end - begin, height, f"w{colour}", radius=2)
        if stub.of in self._row_of and alone:
            shapes += arrow(begin, self._row_of[stub.of or 0] + 6, begin, y - 6, "stub")
        if stub.ended is None:
            shapes += mark("leak", end + 9, y)
        elif stub.why in END_MARKS:
            shapes += mark(END_MARKS[stub.why], end + 9, y) if alone else ""
        self._picture.add(
            f'<g class="call{self._pale(stub.made_at)}"><title>{title}</title>{shapes}</g>'
        )


def _alike(targets: Iterable[TargetBar]) -> list[tuple[TargetBar, ...]]:
    """Targets of one class in one Worker, together."""
    found: dict[tuple[str, str], list[TargetBar]] = {}
    for target in targets:
        found.setdefault((target.worker, target.name), []).append(target)
    return [tuple(group) for group in found.values()]


def _grouped(stubs: Iterable[StubBar]) -> list[_Group]:
    """Stubs that were come by alike, at one place, together."""
    found: dict[tuple[str, str, str | None], list[StubBar]] = {}
    for stub in stubs:
        found.setdefault((stub.holder, stub.how, stub.site), []).append(stub)
    return [_Group(tuple(group)) for group in found.values()]


def _description(lifetimes: Lifetimes) -> str:
    """The picture in words."""
    held = [stub for stub in lifetimes.stubs if stub.ended is None]
    each = [
        f"stub {stub.number}, held by {stub.holder},"
        f" made at {short_site(stub.site or 'an unknown place')}"
        for stub in held[:12]
    ]
    more = [f"and {len(held) - 12} more"] if len(held) > len(each) else []
    left = f" Still held: {'; '.join([*each, *more])}." if held else ""
    return f"{figures_line(lifetimes)}.{left}"


__all__ = ["figures_line", "lifetimes_svg"]
