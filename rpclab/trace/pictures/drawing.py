"""A picture under construction: shapes and texts of SVG, in layers, and how wide a text will be.

Floor: trace. Everything is drawn by coordinates and classes; there are no ids and no references,
so that any number of pictures may stand on one page.
"""

from __future__ import annotations

import unicodedata
from html import escape
from math import atan2, cos, sin
from typing import NamedTuple

from rpclab.printable import printable
from rpclab.trace.pictures.look import CLASS, LOOK, css

SIZES = LOOK["sizes"]
LABEL = SIZES["label"]

NAMESPACE = "http://www.w3.org/2000/svg"


def width_of(text: str, size: float = LABEL, *, code: bool = True) -> float:
    """About how many pixels wide a text is; never less than it is in the usual fonts.

    Args:
        text: the text.
        size: of its font, in pixels.
        code: whether the font is that of code; that of prose is narrower.
    """
    return cells(text) * size * float(SIZES["character" if code else "letter"])


def cells(text: str) -> int:
    """How many columns of a monospaced font a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def elided(text: str, room: float, size: float = LABEL, *, code: bool = True) -> str:
    """A text that fits into so many pixels, its end left out if need be."""
    text = printable(" ".join(text.split()))
    room += 0.01  # a column that is as wide as its text has room for it
    if width_of(text, size, code=code) <= room:
        return text
    kept = max(int(room / (size * SIZES["character" if code else "letter"])) - 1, 0)
    while kept and width_of(text[:kept] + "…", size, code=code) > room:
        kept -= 1
    return f"{text[:kept].rstrip()}…" if kept else ""


def number(value: float) -> str:
    """A coordinate, as short as a tenth of a pixel can be written."""
    return f"{value:.1f}".removesuffix(".0")


def clean(text: str) -> str:
    """A text that XML can hold, and that shows all that it holds."""
    return printable(text, keep="\n")


def words_of(text: str) -> str:
    """A text, cleaned and escaped."""
    return escape(clean(text))


class Picture:
    """Shapes that are added one after another, and written as one SVG at the end.

    Args:
        title: what it is; the first thing that a screen reader says.
        width: in pixels. The height follows from what is drawn.

    Attributes:
        y: how far down it is filled.
    """

    def __init__(self, title: str, width: float) -> None:
        self.title = title
        self.width = width
        self.y = 0.0
        self._under: list[str] = []
        self._shapes: list[str] = []
        self._texts: list[str] = []

    # Shapes.

    def add(self, shape: str) -> None:
        """Add a shape as it is written."""
        self._shapes.append(shape)

    def rect(
        self, x: float, y: float, width: float, height: float, kind: str, *,
        title: str = "", radius: float = 0, under: bool = False,
    ) -> None:  # fmt: skip
        """Add a rectangle; `under` all that is not."""
        shape = rect(x, y, width, height, kind, title=title, radius=radius)
        (self._under if under else self._shapes).append(shape)

    def line(
        self, x: float, y: float, to_x: float, to_y: float, kind: str, *, under: bool = False
    ) -> None:
        """Add a straight line."""
        place = f'x1="{number(x)}" y1="{number(y)}" x2="{number(to_x)}" y2="{number(to_y)}"'
        (self._under if under else self._shapes).append(f'<line {place} class="{kind}"/>')

    def path(self, data: str, kind: str, *, title: str = "") -> None:
        """Add a path."""
        self._shapes.append(_closed(f'path d="{data}" class="{kind}"', title))

    def text(
        self, x: float, y: float, text: str, kind: str = "", *,
        anchor: str = "start", size: float = LABEL, title: str = "",
    ) -> None:  # fmt: skip
        """Add a text whose base line is at `y`. It stands above all shapes."""
        if not text:
            return
        where = f'x="{number(x)}" y="{number(y)}"'
        where += f' text-anchor="{anchor}"' if anchor != "start" else ""
        where += f' style="font-size:{number(size)}px"' if size != LABEL else ""
        where += f' class="{kind}"' if kind else ""
        hint = f"<title>{words_of(title)}</title>" if title else ""
        self._texts.append(f"<text {where}>{hint}{words_of(text)}</text>")

    def label(
        self, x: float, y: float, text: str, kind: str = "", *, anchor: str = "start"
    ) -> None:
        """Add a text that lines may run behind: it has an edge in the colour of the ground."""
        self.text(x, y, text, f"h {kind}".strip(), anchor=anchor)

    def mark(self, name: str, x: float, y: float, *, title: str = "", kind: str = "") -> None:
        """Add a mark with its middle at a point."""
        self._shapes.append(mark(name, x, y, title=title, kind=kind))

    # All of it.

    def write(self, description: str) -> str:
        """Write the picture, with the style that it needs.

        Args:
            description: what there is to see, in words, for those who do not see it.
        """
        width, height = number(self.width), number(self.y)
        drawn = (
            "".join(self._under) + "".join(self._shapes) + f"<g>{''.join(self._texts)}</g></svg>\n"
        )
        return (
            f'<svg xmlns="{NAMESPACE}" class="{CLASS}" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}"'
            f' aria-label="{words_of(self.title)}">'
            f"<title>{words_of(self.title)}</title><desc>{words_of(description)}</desc>"
            f"<style>{css(drawn)}</style>"
            f'<rect class="bg" width="{width}" height="{height}"/>{drawn}'
        )


def _closed(opening: str, title: str) -> str:
    if not title:
        return f"<{opening}/>"
    return f"<{opening}><title>{words_of(title)}</title></{opening.split(' ', 1)[0]}>"


def rect(
    x: float, y: float, width: float, height: float, kind: str, *,
    title: str = "", radius: float = 0,
) -> str:  # fmt: skip
    """Write a rectangle."""
    corner = f' rx="{number(radius)}"' if radius else ""
    place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    return _closed(f'rect {place}{corner} class="{kind}"', title)


def mark(name: str, x: float, y: float, *, title: str = "", kind: str = "") -> str:
    """Write a mark of the look with its middle at a point."""
    drawn = LOOK["marks"][name]
    how = "f" if drawn["filled"] else "s"
    where = f'transform="translate({number(x - 6)} {number(y - 6)})"'
    extra = f"{kind} " if kind else ""
    style = ' style="stroke-width:1.6px"' if not drawn["filled"] else ""
    # A filled mark is no path of a line: its own class says so.
    paint = f' style="fill:var(--rl-{drawn["colour"]})"' if drawn["filled"] else style
    classes = f'class="{extra}{how}-{drawn["colour"]}"'
    return _closed(f'path d="{drawn["path"]}" {where} {classes}{paint}', title)


class Curve(NamedTuple):
    """An arrow as the data of two paths: its line, and its head."""

    line: str
    head: str


def curve(x: float, y: float, to_x: float, to_y: float, bend: float = 0) -> Curve:
    """An arrow between two points, bent to one side by so many pixels."""
    over, angle = "L", atan2(to_y - y, to_x - x)
    if bend:
        across = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5 or 1
        at_x = (x + to_x) / 2 - (to_y - y) / across * bend
        at_y = (y + to_y) / 2 + (to_x - x) / across * bend
        over, angle = f"Q{number(at_x)} {number(at_y)} ", atan2(to_y - at_y, to_x - at_x)
    size = SIZES["head"] * 1.5
    sides = [(to_x - size * cos(angle + turn), to_y - size * sin(angle + turn))
             for turn in (-0.42, 0.42)]  # fmt: skip
    tip = f"{number(to_x)} {number(to_y)}"
    wings = "".join(f"L{number(a)} {number(b)}" for a, b in sides)
    return Curve(f"M{number(x)} {number(y)}{over}{tip}", f"M{tip}{wings}z")


def arrow(
    x: float, y: float, to_x: float, to_y: float, kind: str, *, bend: float = 0, head: bool = True
) -> str:
    """Write an arrow as a path; it may be bent to one side by so many pixels."""
    drawn = curve(x, y, to_x, to_y, bend)
    line = f'<path d="{drawn.line}" class="l-{kind}"/>'
    return line + (arrow_head(drawn, kind) if head else "")


def arrow_head(drawn: Curve, kind: str) -> str:
    """Write the head of an arrow."""
    return f'<path d="{drawn.head}" style="fill:var(--rl-{LOOK["lines"][kind]["colour"]})"/>'
