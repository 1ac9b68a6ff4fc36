"""What all pictures have around them: a title with figures, an axis, advice, and a legend.

Floor: trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rpclab.trace.pictures.drawing import (
    LABEL,
    SIZES,
    Picture,
    arrow,
    elided,
    mark,
    rect,
    width_of,
)
from rpclab.trace.pictures.look import LOOK, colour_of
from rpclab.trace.pictures.scale import ORDER, Scale

MARGIN = SIZES["margin"]
_LINE = 17  # pixels from one line of text to the next
_SAMPLE = 30  # pixels of a legend's sample


@dataclass(frozen=True, slots=True)
class Options:
    """How a picture is drawn.

    Attributes:
        workers: the Workers in the order of their colours; those of the picture come after.
        moment: marks a moment, and pales what came after it, where the picture has a way to.
        scale: "order", or "time" for the times of the clock; a graph has neither.
        width: in pixels.
        title: of the picture; what kind it is unless given.
        marked: by their numbers, calls of a timeline that are unlike those of another one, and how.
    """

    workers: Sequence[str] = ()
    moment: int | None = None
    scale: str = ORDER
    width: float = SIZES["width"]
    title: str = ""
    marked: Mapping[int, str] = field(default_factory=dict)

    def colours(self, names: Iterable[str]) -> dict[str, int]:
        """The colours of all Workers: one keeps its own in all views."""
        everyone = dict.fromkeys(["notebook", *self.workers, *names])
        return {name: colour_of(position) for position, name in enumerate(everyone)}


USUAL = Options()


class Entry(NamedTuple):
    """An entry of a legend.

    Attributes:
        sample: "line", "mark", "bar", "tint" or "text".
        name: which line, mark or colour; or the text.
        text: what it means.
    """

    sample: str
    name: str
    text: str


def head(picture: Picture, figures: str, remark: str = "") -> None:
    """Draw the title, the figures beside it, and a remark below."""
    y = MARGIN + 10
    size = SIZES["title"]
    picture.text(MARGIN, y, picture.title, "t b", size=size)
    # A bold letter is wider than others, about as wide as one of code.
    beside = MARGIN + width_of(picture.title, size) + 14
    lines = _wrapped(figures, picture.width - MARGIN - beside, 12)
    for line in lines:
        picture.text(beside, y, line, "t", size=12)
        y += _LINE
    if remark:
        for line in _wrapped(remark, picture.width - 2 * MARGIN, LABEL):
            picture.text(MARGIN, y + 2, line, "t f-muted")
            y += _LINE
    picture.y = y - 2


def axis(picture: Picture, scale: Scale, bottom: float) -> None:
    """Draw the marks of a scale from where the picture is filled down to `bottom`."""
    for place, text in scale.ticks():
        picture.line(place, picture.y + 14, place, bottom, "s-line", under=True)
        half = width_of(text) / 2
        if place - half >= scale.left - half and place + half <= picture.width:
            picture.text(place, picture.y + 9, text, "f-muted", anchor="middle")


def axis_height(scale: Scale) -> float:
    """How much room the axis takes above what it measures."""
    return 0 if scale.by == ORDER else 18


def cursor(picture: Picture, x: float, top: float, bottom: float, text: str) -> None:
    """Draw the moment that is looked at."""
    picture.line(x, top, x, bottom, "l-moment")
    room = width_of(text, code=False)
    beyond = x + 5 + room > picture.width - 2
    picture.text(
        x - 5 if beyond else x + 5,
        bottom + 12,
        text,
        "t f-bad",
        anchor="end" if beyond else "start",
    )


def remarks(picture: Picture, lines: Iterable[str], heading: str) -> None:
    """Draw lines of advice, each with its heading, in a tinted box."""
    for text in lines:
        wrapped = _wrapped(f"{heading}: {text}", picture.width - 2 * MARGIN - 20, LABEL)
        height = len(wrapped) * _LINE + 8
        box = rect(MARGIN, picture.y + 6, picture.width - 2 * MARGIN, height,
                   "f-warn-tint", radius=4)  # fmt: skip
        picture.add(box)
        for position, line in enumerate(wrapped):
            at = picture.y + 6 + 16 + position * _LINE
            picture.text(MARGIN + 10, at, line, "t")
        picture.y += height + 6


def legend(picture: Picture, entries: Iterable[Entry]) -> None:
    """Draw what the signs of the picture mean."""
    picture.y += 12
    picture.line(MARGIN, picture.y, picture.width - MARGIN, picture.y, "s-line")
    x, y = float(MARGIN), picture.y + 18
    size = SIZES["legend"]
    for entry in entries:
        text = elided(entry.text, picture.width - 2 * MARGIN - _SAMPLE - 8, size, code=False)
        room = _SAMPLE + 6 + width_of(text, size, code=False)
        if x > MARGIN and x + room > picture.width - MARGIN:
            x, y = float(MARGIN), y + _LINE
        _sample(picture, entry, x, y - 4)
        picture.text(x + _SAMPLE + 6, y, text, "t", size=size)
        x += room + 16
    picture.y = y + MARGIN


def _sample(picture: Picture, entry: Entry, x: float, y: float) -> None:
    middle = x + _SAMPLE / 2
    match entry.sample:
        case "line":
            bend = -5 if LOOK["lines"][entry.name]["curved"] else 0
            head_too = entry.name not in ("window", "moment")
            picture.add(arrow(x, y, x + _SAMPLE - 2, y, entry.name, bend=bend, head=head_too))
        case "mark":
            picture.add(mark(entry.name, middle, y))
        case "bar":
            picture.rect(x + 2, y - 5, _SAMPLE - 6, 10, entry.name, radius=2)
        case "thin":
            picture.rect(x + 2, y - 2, _SAMPLE - 6, 4, entry.name, radius=2)
        case _:
            picture.text(middle, y + 4, entry.name, anchor="middle")


def _wrapped(text: str, room: float, size: float) -> list[str]:
    """The lines of a text that is broken at spaces; proportional letters are narrower than code."""
    lines: list[str] = []
    most = max(room, 60)
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width_of(longer, size, code=False) > most:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, elided(line, most, size, code=False)] if line else lines
