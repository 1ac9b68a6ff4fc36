"""The timeline as SVG: a lane for each Worker, a bar for each call, an arrow for each message.

Floor: trace. A pure function of what `rpclab.trace.timeline` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rpclab.trace.model import Arrow, CallBar, Timeline
from rpclab.trace.pictures.bar_rows import Placed, Rows
from rpclab.trace.pictures.crowds import draw_crowd, is_crowd
from rpclab.trace.pictures.drawing import SIZES, Picture, arrow, elided, mark, rect, words_of
from rpclab.trace.pictures.figures import Figures
from rpclab.trace.pictures.frame import (
    MARGIN,
    USUAL,
    Entry,
    Options,
    axis,
    axis_height,
    cursor,
    head,
    legend,
    remarks,
)
from rpclab.trace.pictures.labels import call_label, call_title, message_title
from rpclab.trace.pictures.legends import crowd_legend, timeline_legend
from rpclab.trace.pictures.look import line_of
from rpclab.trace.pictures.scale import ORDER, Scale, Stop
from rpclab.trace.pictures.templates import count
from rpclab.trace.pictures.words import WORDS
from rpclab.trace.timeline import lanes_by_use

_ROW, _BAR = SIZES["row"] + 4, SIZES["bar"]  # labels stand below their bars, or beside them
_BASE = 24  # from the top of a lane to the middle of its first row
_MOST_ROWS = 14  # of a lane; with more of them, calls have only their number as a label
_SHORTEST = 3  # pixels that a bar is long
UNLIKE = "≠"
"""Stands before a call that another run has otherwise."""

_ARRIVAL, _SENDING, _NOTE = 3.0, 1.4, 0.4  # strides of the order


@dataclass(slots=True)
class _Bar:
    """A call on its way into the picture."""

    call: CallBar
    asked: Arrow | None = None
    answer: Arrow | None = None
    begin: float = 0.0
    end: float = 0.0
    y: float = 0.0
    placed: Placed | None = None


@dataclass(slots=True)
class _Lane:
    """A Worker on its way into the picture."""

    name: str
    colour: int
    banded: bool
    top: float = 0.0
    height: float = 0.0

    @property
    def base(self) -> float:
        """The middle of its first row, where its own code stands."""
        return self.top + _BASE - 8


def timeline_svg(
    timeline: Timeline,
    options: Options = USUAL,
    *,
    figures: Figures | None = None,
    advice: Iterable[str] = (),
) -> str:
    """Draw who called whom.

    Args:
        timeline: what to draw.
        options: how.
        figures: what stands on top; counted from the timeline unless given.
        advice: lines that stand below.

    Raises:
        ValueError: there is no such scale.
    """
    figures = figures or Figures.of(timeline)
    picture = Picture(options.title or "Timeline", options.width)
    names = [lane.name for lane in timeline.lanes]
    gutter = _gutter(names)
    measured = Scale(
        MARGIN + gutter + 6, options.width - MARGIN - 6, options.scale,
        timeline.begin, timeline.end, _stops(timeline),
    )  # fmt: skip
    head(picture, figures.line(), WORDS["in order"] if measured.by == ORDER else "")
    colours = options.colours(names)
    crowd = is_crowd(timeline)
    if crowd:
        draw_crowd(picture, timeline, measured, gutter, colours)
    else:
        _Drawing(
            picture, timeline, measured, gutter, colours, options.moment, options.marked
        ).draw()
    remarks(picture, advice, "Advice")
    entries = crowd_legend(timeline) if crowd else timeline_legend(timeline)
    unlike = [Entry("text", UNLIKE, "unlike the other run")] if options.marked else []
    legend(picture, [*entries, *unlike])
    return picture.write(_description(timeline, figures))


def _gutter(names: Sequence[str]) -> float:
    least, most = map(float, SIZES["names"])
    widest = max((len(name) for name in names), default=0) * 7.4 + 24
    return min(max(widest, least), most)


def _stops(timeline: Timeline) -> Iterable[Stop]:
    for each in timeline.arrows:
        yield Stop(each.sent_at, _SENDING, each.sent)
        if each.arrived_at is not None:
            yield Stop(each.arrived_at, _ARRIVAL, each.arrived)
    for note in timeline.notes:
        if note.kind in ("deployed", "link"):
            yield Stop(note.moment, _NOTE, note.time)


class _Drawing:
    """One timeline, drawn call by call."""

    def __init__(
        self, picture: Picture, timeline: Timeline, scale: Scale, gutter: float,
        colours: dict[str, int], moment: int | None, marked: Mapping[int, str],
    ) -> None:  # fmt: skip
        self._marked = marked
        self._picture, self._timeline, self._scale = picture, timeline, scale
        self._gutter, self._moment = gutter, moment
        self._lanes = {
            name: _Lane(name, colours[name], banded=number % 2 == 0)
            for number, name in enumerate(lanes_by_use(timeline))
        }
        self._bars = self._measured()

    def draw(self) -> None:
        """Draw all of it."""
        picture, top = self._picture, self._picture.y
        self._place_bars(top + axis_height(self._scale) + 6)
        bottom = max((lane.top + lane.height for lane in self._lanes.values()), default=top)
        for lane in self._lanes.values():
            self._draw_lane(lane)
        axis(picture, self._scale, bottom)
        self._draw_notes()
        own = {id(a) for bar in self._bars.values() for a in (bar.asked, bar.answer)}
        for message in self._timeline.arrows:
            if id(message) not in own:
                self._draw_message(message)
        for bar in self._bars.values():
            self._draw_call(bar)
        picture.y = bottom
        if self._moment is not None:
            x = self._scale.x(self._moment, self._time_of(self._moment))
            text = f"moment {self._moment} of {self._timeline.moments}"
            cursor(picture, x, top + 4, bottom, text)
            picture.y += 16

    # Measuring.

    def _measured(self) -> dict[int, _Bar]:
        bars = {call.number: _Bar(call) for call in self._timeline.calls}
        for message in self._timeline.arrows:
            bar = bars.get(message.call or 0)
            if bar is None:
                continue
            if line_of(message.kind) == "message":
                bar.asked = message
            elif message.kind in ("result", "error"):
                bar.answer = message
        for bar in bars.values():
            self._measure(bar)
        return bars

    def _measure(self, bar: _Bar) -> None:
        call = bar.call
        bar.begin = self._scale.x(call.arrived_at, call.arrived)
        bar.end = max(self._scale.x(call.left_at, call.left), bar.begin + _SHORTEST)
        if bar.end > self._scale.right:
            bar.begin, bar.end = self._scale.right - _SHORTEST, self._scale.right

    def _place_bars(self, y: float) -> None:
        for lane in self._lanes.values():
            bars = [bar for bar in self._bars.values() if bar.call.worker == lane.name]
            rows = self._rows(bars)
            lane.top = y
            lane.height = _BASE + rows * _ROW + (6 if rows else 4)
            for bar in bars:
                row = bar.placed.row if bar.placed else 0
                bar.y = lane.top + _BASE + row * _ROW + _ROW / 2
            y += lane.height

    def _rows(self, bars: list[_Bar]) -> int:
        """Place the bars of a lane; where their labels take too many rows, only their numbers."""
        bars = sorted(bars, key=lambda bar: (bar.begin, bar.call.number))
        rows = Rows(self._scale.left, self._picture.width - MARGIN)
        for label in (self._label, lambda call: str(call.number)):
            rows = Rows(self._scale.left, self._picture.width - MARGIN)
            for bar in bars:
                extra = 12 if bar.call.outcome != "returned" else 0
                bar.placed = rows.place(bar.begin, bar.end, label(bar.call), extra)
            if len(rows) <= _MOST_ROWS:
                break
        return len(rows)

    def _label(self, call: CallBar) -> str:
        label = call_label(call)
        return f"{UNLIKE} {label}" if call.number in self._marked else label

    def _time_of(self, moment: int) -> float:
        """The time of a moment, as far as the timeline knows it."""
        known = [self._timeline.begin]
        for message in self._timeline.arrows:
            if message.sent_at < moment:
                known.append(message.sent)
            if message.arrived_at is not None and message.arrived_at < moment:
                known.append(message.arrived or 0)
        return max(known)

    def _pale(self, moment: int | None) -> str:
        return " later" if self._moment is not None and (moment or 0) >= self._moment else ""

    # Drawing.

    def _draw_lane(self, lane: _Lane) -> None:
        picture, right = self._picture, self._picture.width - MARGIN
        if lane.banded:
            picture.rect(MARGIN, lane.top, right - MARGIN, lane.height, "band",
                         radius=4, under=True)  # fmt: skip
        picture.rect(MARGIN + 6, lane.base - 5, 10, 10, f"w{lane.colour}", radius=2)
        name = elided(lane.name, self._gutter - 22)
        picture.text(
            MARGIN + 21, lane.base + 4, name, f"t b n{lane.colour}",
            title=lane.name if name != lane.name else "",
        )  # fmt: skip
        picture.line(
            self._scale.left, lane.base, self._scale.right, lane.base, "s-line", under=True
        )
        for begin, end in self._waits(lane.name):
            picture.rect(begin, lane.base - 2.5, max(end - begin, 2), 5, f"w{lane.colour}",
                         radius=2, under=True, title=f"{lane.name} has calls under way"
                         )  # fmt: skip

    def _waits(self, worker: str) -> list[tuple[float, float]]:
        """When code of a Worker that runs inside of no call had calls under way."""
        spans = sorted(
            (
                self._scale.x(bar.call.made_at, bar.call.made),
                self._scale.x(bar.call.settled_at, bar.call.settled),
            )
            for bar in self._bars.values()
            if bar.call.caller == worker and bar.call.by is None
        )
        joined: list[tuple[float, float]] = []
        for begin, end in spans:
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        return joined

    def _draw_notes(self) -> None:
        for note in self._timeline.notes:
            name = {"deployed": "deployed", "link": "link"}.get(note.kind)
            for worker in note.workers if name else ():
                lane = self._lanes.get(worker)
                if lane is not None and name is not None:
                    x = self._scale.x(note.moment, note.time)
                    pale = self._pale(note.moment).strip()
                    self._picture.mark(name, x, lane.base, title=note.text, kind=pale)

    def _draw_call(self, bar: _Bar) -> None:
        call, picture = bar.call, self._picture
        colour = self._lanes[call.worker].colour
        unlike = self._marked.get(call.number)
        title = call_title(call) if unlike is None else f"{call_title(call)}\n{UNLIKE} {unlike}"
        shapes = [f"<title>{words_of(title)}</title>"]
        if bar.asked is not None:
            shapes.append(self._message(bar.asked, bar))
        shapes.append(
            rect(bar.begin, bar.y - _BAR / 2, bar.end - bar.begin, _BAR, f"w{colour}",
                 radius=SIZES["radius"])
        )  # fmt: skip
        if unlike is not None:
            width = bar.end - bar.begin + 4
            shapes.append(rect(bar.begin - 2, bar.y - _BAR / 2 - 2, width, _BAR + 4, "unlike",
                               radius=SIZES["radius"] + 2))  # fmt: skip
        if bar.answer is not None:
            shapes.append(self._message(bar.answer, bar))
        if call.outcome != "returned":
            shapes.append(mark(call.outcome, bar.end + 9, bar.y))
        if call.begun is not None and bar.asked is not None:
            shapes += self._queued(bar)
        picture.add(f'<g class="call{self._pale(call.made_at)}">{"".join(shapes)}</g>')
        if bar.placed is not None and bar.placed.inside:
            kind = f"h on-w{colour}{self._pale(call.made_at)}"
            picture.text(bar.placed.x, bar.y + 3.5, bar.placed.text, kind)
        elif bar.placed is not None:
            raised = "f-bad" if call.outcome == "raised" else ""
            # Calls come from above and results go there, so the label stands a little below them.
            above = self._lanes[call.caller].top <= self._lanes[call.worker].top
            ground = "on-band " if self._lanes[call.worker].banded else ""
            picture.label(
                bar.placed.x, bar.y + (12 if above else 3), bar.placed.text,
                f"{ground}{raised}{self._pale(call.made_at)}".strip(), anchor=bar.placed.anchor,
            )  # fmt: skip

    def _queued(self, bar: _Bar) -> list[str]:
        """A line in the bar up to where its method began; only the clock tells."""
        begun = self._scale.x(None, bar.call.begun) if self._scale.by != ORDER else bar.begin
        if begun <= bar.begin + 1:
            return []
        waited = rect(bar.begin, bar.y - 2, min(begun, bar.end) - bar.begin, 4, "f-muted")
        return [waited]

    def _level(self, number: int | None, worker: str) -> float:
        """How low an arrow begins or ends: at a call's bar, or at the line of a Worker."""
        bar = self._bars.get(number or 0)
        return self._lanes[worker].base if bar is None else bar.y

    def _draw_message(self, message: Arrow) -> None:
        shape = self._message(message, None)
        title = words_of(message_title(message))
        pale = self._pale(message.sent_at)
        self._picture.add(f'<g class="call{pale}"><title>{title}</title>{shape}</g>')

    def _message(self, message: Arrow, bar: _Bar | None) -> str:
        """An arrow from where it was sent to where it arrived; the calls' ends are their bars."""
        kind = line_of(message.kind, pipelined=message.pipelined)
        x = self._scale.x(message.sent_at, message.sent)
        to_x = self._scale.x(message.arrived_at, message.arrived)
        y = self._level(message.begins, message.sender)
        to_y = self._level(message.ends, message.receiver)
        if bar is not None and message is bar.answer:
            x = bar.end
        elif bar is not None:
            to_x = bar.begin
        on_its_way = message.arrived_at is None
        if on_its_way:
            to_x, to_y = x + (to_x - x) * 0.6, y + (to_y - y) * 0.6
        bend = 9.0 if kind == "pipelined" else 6.0 if y == to_y else 0.0
        return arrow(x, y, to_x, to_y, kind, bend=bend, head=not on_its_way)


def _description(timeline: Timeline, figures: Figures) -> str:
    """The picture in words."""
    calls = [
        f"{call.number}: {call.caller} calls {call.worker}, {call_label(call)}"
        for call in timeline.calls[:12]
    ]
    rest = len(timeline.calls) - len(calls)
    more = [f"and {count(rest, 'more call')}"] if rest else []
    workers = ", ".join(lane.name for lane in timeline.lanes)
    return f"{figures.line()}. Workers: {workers}. " + "; ".join([*calls, *more])
