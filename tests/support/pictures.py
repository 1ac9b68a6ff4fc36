"""Reads a picture back: its texts with the room they take, and what is wrong with it."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree as ET

from rpclab.trace.pictures.drawing import cells
from rpclab.trace.pictures.look import LOOK

SVG = "{http://www.w3.org/2000/svg}"

# Widths of a character, as a share of its font's size, of the widest usual fonts.
CODE, PROSE, BOLD = 0.605, 0.56, 0.605


class Label(NamedTuple):
    """A text and its box."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Label) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def parsed(svg: str) -> ET.Element:
    """The picture as a tree; it must be well-formed and whole in itself."""
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|href", svg.replace(SVG[1:-1], ""))
    return root


def labels(svg: str) -> list[Label]:
    """Every text of a picture."""
    found = []
    for text in parsed(svg).iter(f"{SVG}text"):
        kinds = text.get("class", "").split()
        sized = re.search(r"font-size:([\d.]+)px", text.get("style", ""))
        size = float(sized[1]) if sized else LOOK["sizes"]["label"]
        share = CODE if "t" not in kinds else BOLD if "b" in kinds else PROSE
        # A tooltip stands in front of the text itself.
        words = (text.text or "") + "".join(child.tail or "" for child in text)
        wide, x, y = cells(words) * share * size, float(text.get("x")), float(text.get("y"))
        left = x - wide * {"middle": 0.5, "end": 1}.get(text.get("text-anchor"), 0)
        found.append(Label(words, left, y - 0.76 * size, left + wide, y + 0.2 * size))
    return found


def overlapping(svg: str) -> list[tuple[str, str]]:
    """The pairs of texts of which one lies on the other, and the texts that reach out of it."""
    found, width = labels(svg), float(parsed(svg).get("width"))
    pairs = [
        (one.text, other.text)
        for position, one in enumerate(found)
        for other in found[position + 1 :]
        if one.overlaps(other)
    ]
    return pairs + [(each.text, "the edge") for each in found if each.right > width + 1]


def tooltips(svg: str) -> list[str]:
    """The tooltips of what is drawn."""
    root = parsed(svg)
    return [title.text or "" for title in root.iter(f"{SVG}title") if title not in list(root)]


def heading(svg: str) -> str:
    """The title and the figures on top."""
    return " ".join(label.text for label in labels(svg)[:3])


def arrows(svg: str) -> list[str]:
    """The kinds of the lines that stand for messages; those of the legend left out."""
    groups = [g for g in parsed(svg).iter(f"{SVG}g") if g.get("class", "").startswith("call")]
    kinds = [path.get("class", "") for group in groups for path in group.iter(f"{SVG}path")]
    return [kind[2:] for kind in kinds if kind.startswith("l-")]
