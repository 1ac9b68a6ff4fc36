"""Lifetimes as SVG: a bar for each target, and below it one for each stub that leads to it.

Floor: trace. A pure function of what `rpclab.trace.lifetimes` gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from rpclab.trace.model import Lifetimes, StubBar, TargetBar
from rpclab.trace.pictures.columns import GAP, Columns, Widest, columns_of, place_in
from rpclab.trace.pictures.drawing import (
    SIZES,
    Picture,
    arrow,
    cells,
    elided,
    mark,
    rect,
    words_of,
)
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
from rpclab.trace.pictures.labels import stub_label, stub_title, target_title
from rpclab.trace.pictures.legends import lifetimes_legend
from rpclab.trace.pictures.look import LOOK
from rpclab.trace.pictures.scale import ORDER, Scale, Stop
from rpclab.trace.pictures.templates import count, known_of, place, said, short_place
from rpclab.trace.pictures.words import WORDS

_ROW = SIZES["row"]
_MOST = 120  # rows; beyond that, stubs made alike share one
_LABELS, _ENDS, _THICK = WORDS["labels"], LOOK["ends"], LOOK["thickness"]


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
    columns = _columns(lifetimes, width)
    measured = Scale(
        columns.right, width - MARGIN - 20, options.scale, lifetimes.begin, lifetimes.end,
        _stops(lifetimes),
    )  # fmt: skip
    head(picture, figures_line(lifetimes), WORDS["in order"] if measured.by == ORDER else "")
    drawing = _Drawing(picture, lifetimes, measured, options, columns)
    top = picture.y
    drawing.draw()
    if moment is not None:
        known = [stub.made for stub in lifetimes.stubs if stub.made_at < moment]
        x = measured.x(moment, max(known, default=lifetimes.begin))
        cursor(picture, x, top + 4, picture.y, f"moment {moment} of {lifetimes.moments}")
        picture.y += 16
    legend(picture, lifetimes_legend(lifetimes))
    return picture.write(_description(lifetimes))


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


def _columns(lifetimes: Lifetimes, width: float) -> Columns:
    labels = map(stub_label, lifetimes.stubs)
    names = (said(_LABELS["target"], known_of(each)) for each in lifetimes.targets)
    sites = [stub.site or "" for stub in lifetimes.stubs]
    return columns_of(
        Widest(*(_longest(texts) for texts in (labels, map(place, sites),
                                               map(short_place, sites), names))),
        MARGIN + 21.0, width,
    )  # fmt: skip


def _longest(texts: Iterable[str]) -> int:
    return max(map(cells, texts), default=0)


class _Drawing:
    """One picture of lifetimes."""

    def __init__(
        self, picture: Picture, lifetimes: Lifetimes, scale: Scale, options: Options,
        columns: Columns,
    ) -> None:  # fmt: skip
        self._picture, self._scale, self._moment = picture, scale, options.moment
        self._lifetimes, self._columns = lifetimes, columns
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
        targets = held_first(self._lifetimes)
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
        template = _LABELS["target" if len(alike) == 1 else "targets alike"]
        name = said(template, known_of(first, number=len(alike)))
        shown = elided(name, self._scale.left - self._columns.label - 12)
        picture.rect(MARGIN + 6, y - 5, 10, 10, f"w{colour}", radius=2)
        picture.text(self._columns.label, y + 4, shown, f"b n{colour}",
                     title=name if shown != name else "")  # fmt: skip
        for target in alike:
            self._draw_target(target, y, f"w{colour}{self._pale(target.introduced_at)}")
        picture.y += _ROW

    def _draw_target(self, target: TargetBar, y: float, kind: str) -> None:
        end = self._scale.x(target.gone_at, target.gone)
        steps = [*target.references, (target.gone_at or 0, target.gone, 0)]
        for (moment, time, references), following in pairwise(steps):
            x = self._scale.x(moment, time)
            to_x = end if following is steps[-1] else self._scale.x(*following[:2])
            if references and to_x > x:
                thick = _THICK["least"] + _THICK["each"] * min(references, _THICK["most"])
                self._picture.rect(x, y - thick / 2, to_x - x, thick, kind,
                                   title=target_title(target, references))  # fmt: skip
        if target.broken is not None:
            x = self._scale.x(None, target.broken)
            self._picture.mark("broken", x, y, title=target_title(target))

    def _draw_group(self, group: _Group) -> None:
        picture, first = self._picture, group.stubs[0]
        y = picture.y + _ROW / 2 + 2
        alone = len(group.stubs) == 1
        pale = self._pale(first.made_at)
        columns = self._columns
        label = stub_label(first)
        if not alone:
            known = known_of(first, number=len(group.stubs), held=group.held or None)
            label = said(_LABELS["stubs alike"], known)
        kind = f"f-warn{pale}" if group.held else pale.strip()
        shown = elided(label, columns.site - columns.label - GAP)
        picture.text(columns.label, y + 4, shown, kind, title=label if shown != label else "")
        where = place_in(first.site or "", columns.right - columns.site - GAP)
        picture.text(columns.site, y + 4, where, f"f-muted{pale}",
                     title=place(first.site or ""))  # fmt: skip
        for stub in group.stubs:
            self._draw_stub(stub, y, alone=alone)
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
        if stub.ended is None or alone:
            shapes += mark(_ENDS[stub.why], end + 9, y) if stub.why in _ENDS else ""
        self._picture.add(
            f'<g class="call{self._pale(stub.made_at)}"><title>{title}</title>{shapes}</g>'
        )


def held_first(lifetimes: Lifetimes) -> list[TargetBar]:
    """The targets: those that stubs are still held of before the others."""
    held = {stub.target for stub in lifetimes.stubs if stub.ended is None}
    return sorted(lifetimes.targets, key=lambda target: target.number not in held)


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
        f" made at {place(stub.site or 'an unknown place')}"
        for stub in held[:12]
    ]
    more = [f"and {len(held) - 12} more"] if len(held) > len(each) else []
    left = f" Still held: {'; '.join([*each, *more])}." if held else ""
    return f"{figures_line(lifetimes)}.{left}"


__all__ = ["figures_line", "held_first", "lifetimes_svg"]
