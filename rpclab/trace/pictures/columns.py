"""The columns of texts beside the bars of lifetimes: what a stub is, and where it was made.

Floor: trace. The live view has the same in `words.js`, and a test compares the two.
"""

from __future__ import annotations

from typing import NamedTuple

from rpclab.printable import printable
from rpclab.trace.pictures.drawing import SIZES, elided, width_of
from rpclab.trace.pictures.templates import place, short_place

GAP: float = SIZES["gap"]


class Widest(NamedTuple):
    """The cells of the longest texts: labels, places, places without folders, names."""

    label: int
    place: int
    short: int
    name: int


class Columns(NamedTuple):
    """Where the texts stand: what a stub is, from `label` on; where it was made, from `site` on."""

    label: float
    site: float
    right: float


def columns_of(widest: Widest, label: float, width: float) -> Columns:
    """Columns as wide as their texts, as far as there is room; the labels give way first.

    Args:
        widest: the longest texts.
        label: where labels begin.
        width: of the whole picture; both in pixels.
    """
    labels, places, short, names = (width_of("m" * number) for number in widest)
    room = width * SIZES["texts"] - label
    sites = short if labels + places > room - 2 * GAP else places
    site = min(sites, room * 2 / 3) + GAP
    wide = min(labels, room - site) + GAP
    right = label + max(wide + site, min(names, room) + GAP, width * 0.2)
    return Columns(label, right - site, right)


def place_in(site: str, room: float) -> str:
    """A place in so many pixels: without its folder if need be, and never without its line."""
    whole = printable(place(site))
    if width_of(whole) <= room + 0.01:
        return whole
    name, comma, line = short_place(whole).rpartition(",")
    return elided(name, room - width_of(comma + line)) + comma + line
