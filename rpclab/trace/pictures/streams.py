"""Streams as SVG: for each, what is on its way and unread, and when its writer was held back.

Floor: trace. A pure function of what `rpclab.trace.streams` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rpclab.trace.model import StreamPoint, StreamSeries
from rpclab.trace.pictures.drawing import SIZES, Picture, elided, number
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
from rpclab.trace.pictures.legends import streams_legend
from rpclab.trace.pictures.scale import ORDER, Scale, Stop
from rpclab.trace.pictures.templates import count, duration, known_of, size, told
from rpclab.trace.pictures.words import WORDS

_PLOT = 84  # pixels of a plot's height
_UNITS = 74  # pixels for the units beside it
_COLUMN = 0.5  # pixels that one point stands for
_MOST = 40  # streams that are drawn


def streams_svg(streams: Sequence[StreamSeries], options: Options = USUAL) -> str:
    """Draw how streams flowed.

    Args:
        streams: what to draw.
        options: how.

    Raises:
        ValueError: there is no such scale.
    """
    picture, moment = Picture("Streams", options.width), options.moment
    points = [point for stream in streams for point in stream.points]
    times = [point.time for point in points]
    begin, end = min(times, default=0.0), max(times, default=0.0)
    left, right = MARGIN + _UNITS, options.width - MARGIN - 6
    measured = Scale(left, right, options.scale, begin, end, _stops(points))
    head(
        picture, figures_line(streams), WORDS["in order"] if points and measured.by == ORDER else ""
    )
    named = [name for stream in streams for name in (stream.sender, stream.receiver)]
    colours = options.colours(named)
    start = picture.y
    picture.y += axis_height(measured)
    for stream in streams[:_MOST]:
        _draw(picture, stream, measured, colours)
    if len(streams) > _MOST:
        text = f"and {count(len(streams) - _MOST, 'more stream')}"
        picture.text(MARGIN, picture.y + 16, text, "t f-muted")
        picture.y += 20
    bottom, picture.y = picture.y, start
    axis(picture, measured, bottom)
    picture.y = bottom
    if moment is not None and points:
        known = [point.time for point in points if point.moment < moment]
        x = measured.x(moment, max(known, default=begin))
        cursor(picture, x, start + 4, bottom, f"moment {moment}")
        picture.y += 16
    if points:
        legend(picture, streams_legend(streams))
    else:
        picture.y += MARGIN
    lines = "; ".join(stream_line(stream, times=measured.by != ORDER) for stream in streams[:12])
    return picture.write(f"{figures_line(streams)}. {lines}")


def figures_line(streams: Sequence[StreamSeries]) -> str:
    """How many streams there were, and how much went through them."""
    chunks = count(sum(stream.chunks for stream in streams), "chunk")
    sent = count(sum(_sent(stream) for stream in streams), "byte")
    stopped = sum(len(stream.held_back) for stream in streams)
    held = f"writers held back {count(stopped, 'time')}" if stopped else "no writer held back"
    return f"{count(len(streams), 'stream')}, {chunks}, {sent}; {held}"


def stream_line(stream: StreamSeries, *, times: bool) -> str:
    """One stream in a line.

    Args:
        stream: the stream.
        times: whether to say for how long its writer was held back.
    """
    waits = stream.held_back
    held_for = sum(wait.end - wait.begin for wait in waits if wait.end is not None)
    known = known_of(
        stream,
        sent=_sent(stream),
        peak=max((point.in_flight for point in stream.points), default=0),
        is_held_back=bool(waits),
        held_back=len(waits),
        held_for=held_for if times else None,
    )
    return ", ".join(told("stream", known))


def _sent(stream: StreamSeries) -> int:
    return stream.points[-1].sent if stream.points else 0


def _stops(points: Iterable[StreamPoint]) -> Iterable[Stop]:
    return (Stop(point.moment, 1, point.time) for point in points)


def _draw(picture: Picture, stream: StreamSeries, scale: Scale, colours: dict[str, int]) -> None:
    line = stream_line(stream, times=scale.by != ORDER)
    shown = elided(line, picture.width - 2 * MARGIN)
    picture.text(MARGIN, picture.y + 18, shown, f"t b h n{colours[stream.sender]}",
                 title=line if shown != line else "")  # fmt: skip
    top = picture.y + 34
    base = top + _PLOT
    windows = [point.window for point in stream.points if point.window is not None]
    tall = max([point.in_flight for point in stream.points] + windows, default=0)
    most = max(tall, 1)
    places = _thinned(
        [(scale.x(point.moment, point.time), point) for point in stream.points]
    )  # fmt: skip
    for text, y in ((size(tall), top + 4), ("0", base + 4)):
        picture.text(MARGIN + _UNITS - 6, y, text, "f-muted", anchor="end")
    picture.line(scale.left, base, scale.right, base, "s-line", under=True)
    last = scale.x(None, stream.closed)

    def level(size: float) -> float:
        return base - size / most * _PLOT

    arrived = [(x, level(point.buffered)) for x, point in places]
    sent = [(x, level(point.in_flight)) for x, point in places]
    title = f"stream {line}"
    meaning = {f"{sample} {name}": text for sample, name, text, _ in WORDS["legends"]["streams"]}
    _area(picture, sent, last, base, "w1", f"{title}\n{meaning['bar w1']}")
    _area(picture, arrived, last, base, "w2", f"{title}\n{meaning['bar w2']}")
    known = [(x, level(p.window)) for x, p in places if p.window is not None]
    if known:
        picture.path(_steps(known, last), "l-window", title=f"{title}\n{meaning['line window']}")
    _held_back(picture, stream, scale, top)
    picture.y = base + 10


def _held_back(picture: Picture, stream: StreamSeries, scale: Scale, top: float) -> None:
    marked = -float(SIZES["mark"])
    for interval in stream.held_back:
        x, end = scale.x(None, interval.begin), scale.x(None, interval.end)
        title = WORDS["held back"]
        if interval.end is not None and scale.by != ORDER:
            title = f"{title} for {duration(interval.end - interval.begin)}"
        picture.rect(x, top, max(end - x, 1), _PLOT, "f-warn-tint", under=True, title=title)
        # A mark where there is room for one since the last.
        if x - marked > SIZES["mark"]:
            picture.mark("held back", min(x + 7, scale.right - 6), top + 7, title=title)
            marked = x + 7


def _thinned(places: list[tuple[float, StreamPoint]]) -> list[tuple[float, StreamPoint]]:
    """Of the points within half a pixel, the fullest and the last."""
    kept: list[tuple[float, StreamPoint]] = []
    column: list[tuple[float, StreamPoint]] = []
    for place in places:
        if column and place[0] - column[0][0] > _COLUMN:
            kept += _ends(column)
            column = []
        column.append(place)
    return kept + _ends(column)


def _ends(column: list[tuple[float, StreamPoint]]) -> list[tuple[float, StreamPoint]]:
    if not column:
        return []
    fullest = max(column, key=lambda place: place[1].in_flight)
    return [fullest] if fullest is column[-1] else [fullest, column[-1]]


def _steps(places: list[tuple[float, float]], end: float) -> str:
    x, y = places[0]
    data = [f"M{number(x)} {number(y)}"]
    for to_x, to_y in places[1:]:
        data.append(f"H{number(to_x)}V{number(to_y)}")
    return "".join([*data, f"H{number(max(end, places[-1][0]))}"])


def _area(
    picture: Picture, places: list[tuple[float, float]], end: float, base: float, kind: str,
    title: str,
) -> None:  # fmt: skip
    if places:
        data = _steps([(places[0][0], base), *places], end)
        picture.path(f"{data}V{number(base)}z", f"area {kind}", title=title)


__all__ = ["figures_line", "stream_line", "streams_svg"]
