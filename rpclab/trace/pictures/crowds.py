"""A timeline of very many calls: how many there are at each place, instead of each of them.

Floor: trace. Every call is counted in one bar of its Worker's lane, and every message in one line;
their tooltips name them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import log2, sqrt

from rpclab.trace.model import Arrow, CallBar, Timeline
from rpclab.trace.pictures.drawing import Picture, arrow, elided, words_of
from rpclab.trace.pictures.frame import MARGIN, axis, axis_height
from rpclab.trace.pictures.look import line_of
from rpclab.trace.pictures.scale import Scale
from rpclab.trace.pictures.templates import count, listed
from rpclab.trace.timeline import lanes_by_use

_CALLS, _MESSAGES = 250, 1000  # how many are drawn one by one at most
_BUCKET, _WIDE = 6, 36  # pixels of a bar, and between lines of messages
_LANE, _TALLEST = 76, 40
_OFFSETS = {"message": 6, "pipelined": 12, "result": 18, "error": 24, "release": 30}


def is_crowd(timeline: Timeline) -> bool:
    """Whether there is too much to draw each of it."""
    return len(timeline.calls) > _CALLS or len(timeline.arrows) > _MESSAGES


def closer(timeline: Timeline, first: int, last: int) -> Timeline:
    """The calls of some numbers, and the messages between the first and the last of them.

    Args:
        timeline: all of it.
        first: the number of the first call.
        last: the number of the last one.

    Raises:
        ValueError: there is no such call.
    """
    calls = tuple(call for call in timeline.calls if first <= call.number <= last)
    if not calls:
        raise ValueError(f"there are calls 1 to {len(timeline.calls)}, none of {first} to {last}")
    begin = calls[0].made_at
    end = max(timeline.moments if c.settled_at is None else c.settled_at for c in calls)
    numbers = {call.number for call in calls}
    arrows = tuple(
        each for each in timeline.arrows
        if (each.call in numbers if each.call else begin <= each.sent_at <= end)
    )  # fmt: skip
    times = [t for each in arrows for t in (each.sent, each.arrived) if t is not None]
    notes = tuple(note for note in timeline.notes if begin <= note.moment <= end)
    return replace(
        timeline, calls=calls, arrows=arrows, notes=notes,
        begin=min(times, default=timeline.begin), end=max(times, default=timeline.end),
    )  # fmt: skip


def draw_crowd(
    picture: Picture, timeline: Timeline, scale: Scale, gutter: float, colours: dict[str, int]
) -> None:
    """Draw how many calls began where, and how many messages went between whom."""
    picture.text(
        MARGIN, picture.y + 12,
        "too many calls to draw each; for a part of them: timeline(calls=(1, 100))", "t f-muted",
    )  # fmt: skip
    picture.y += 22
    top = picture.y + axis_height(scale)
    bases = {name: top + (n + 1) * _LANE - 14 for n, name in enumerate(lanes_by_use(timeline))}
    bottom = top + len(bases) * _LANE
    axis(picture, scale, bottom)
    _messages(picture, timeline, scale, bases)
    tallest = _bars(picture, timeline, scale, bases, colours)
    for number, (name, base) in enumerate(bases.items()):
        if number % 2 == 0:
            picture.rect(MARGIN, base - _LANE + 14, picture.width - 2 * MARGIN, _LANE, "band",
                         radius=4, under=True)  # fmt: skip
        colour = colours[name]
        picture.line(scale.left, base, scale.right, base, "s-line", under=True)
        picture.rect(MARGIN + 6, base - 11, 10, 10, f"w{colour}", radius=2)
        shown = elided(name, gutter - 22)
        picture.text(MARGIN + 21, base - 2, shown, f"t b n{colour}")
        most = tallest.get(name)
        if most:
            picture.text(MARGIN + 21, base - 18, f"up to {most}", "t f-muted")
    picture.y = bottom


def _bars(
    picture: Picture, timeline: Timeline, scale: Scale, bases: dict[str, float],
    colours: dict[str, int],
) -> dict[str, int]:  # fmt: skip
    """Draw the calls of each lane. Gives the most at one place of each."""
    buckets: dict[str, dict[int, list[CallBar]]] = {name: defaultdict(list) for name in bases}
    for call in timeline.calls:
        place = int((scale.x(call.made_at, call.made) - scale.left) // _BUCKET)
        buckets[call.worker][place].append(call)
    most = max((len(b) for lane in buckets.values() for b in lane.values()), default=1)
    for name, lane in buckets.items():
        for place, calls in lane.items():
            height = max(sqrt(len(calls) / most) * _TALLEST, 3)
            x, failed = scale.left + place * _BUCKET, [c for c in calls if c.outcome == "raised"]
            picture.rect(x, bases[name] - height, _BUCKET - 1, height, f"w{colours[name]}",
                         title=_calls_title(calls))  # fmt: skip
            if failed:
                picture.rect(x, bases[name] - height * len(failed) / len(calls), _BUCKET - 1,
                             height * len(failed) / len(calls), "f-bad",
                             title=f"{len(failed)} of {len(calls)} raised")  # fmt: skip
    return {name: max(map(len, lane.values()), default=0) for name, lane in buckets.items()}


def _calls_title(calls: list[CallBar]) -> str:
    numbers = [call.number for call in calls]
    span = f"calls {numbers[0]} to {numbers[-1]}" if len(calls) > 1 else f"call {numbers[0]}"
    methods = dict.fromkeys(call.label for call in calls)
    raised = sum(call.outcome == "raised" for call in calls)
    failed = f"; {raised} raised" if raised else ""
    return f"{span}: {count(len(calls), 'call')}{failed}\n{listed(methods)}"


def _messages(
    picture: Picture, timeline: Timeline, scale: Scale, bases: dict[str, float]
) -> None:  # fmt: skip
    ways: dict[tuple[str, str, int, str], list[Arrow]] = defaultdict(list)
    for message in timeline.arrows:
        place = int((scale.x(message.sent_at, message.sent) - scale.left) // _WIDE)
        kind = line_of(message.kind, pipelined=message.pipelined)
        kind = kind if kind in _OFFSETS else "result"
        ways[message.sender, message.receiver, place, kind].append(message)
    for (sender, receiver, place, kind), messages in ways.items():
        x = scale.left + place * _WIDE + _OFFSETS[kind]
        size = sum(message.size for message in messages)
        title = (
            f"{count(len(messages), 'message')} ({kind}), {count(size, 'byte')}\n"
            f"{sender} → {receiver}"
        )
        y, to_y = bases[sender], bases[receiver]
        thick = f'style="stroke-width:{1 + log2(len(messages)) / 3:.1f}px"'
        drawn = arrow(x, y, x + 5, to_y if to_y != y else y - 12, kind)
        picture.add(
            f'<g class="call"><title>{words_of(title)}</title>'
            f"{drawn.replace('<path ', f'<path {thick} ', 1)}</g>"
        )
