"""The graph as SVG: Workers, and lines for bindings, live stubs and introductions.

Floor: trace. A pure function of what `rpclab.trace.graph` gives. Workers stand in columns, by how
many steps they are from the notebook; a label stands at the first place on its line that is free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rpclab.trace.graph import reach
from rpclab.trace.model import Graph
from rpclab.trace.pictures.drawing import (
    LABEL,
    Picture,
    arrow,
    elided,
    rect,
    width_of,
    words_of,
)
from rpclab.trace.pictures.figures import TIMES, count, listed
from rpclab.trace.pictures.frame import MARGIN, USUAL, Options, head, legend
from rpclab.trace.pictures.legends import graph_legend

_BOX = 36  # pixels of a Worker's height
_ROW = 92  # pixels from one Worker of a column to the next
_BENDS = (
    8,
    -8,
    24,
    -24,
    44,
    -44,
    68,
    -68,
    96,
    -96,
    140,
    -140,
    190,
    -190,
)  # pixels that a line is bent by
_DEEPEST = 4  # the last column
_LONGEST = 230  # pixels of a label
_MOST = 60  # Workers that are drawn
_PLACES = (0.5, 0.4, 0.6, 0.32, 0.68, 0.25, 0.75)  # on a line, for its label
_PAIR = 2
_NEAR = 10  # pixels between lines that run beside each other
_FEW = 80  # lines; of more, each tries fewer ways
_TOP = 40  # pixels that belong to the title

_Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle that is taken."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether two have something in common."""
        return (
            self.left < other.right and other.left < self.right
            and self.top < other.bottom and other.top < self.bottom
        )  # fmt: skip

    def holds(self, point: _Point) -> bool:
        """Whether a point is in it, or just beside it."""
        x, y = point
        return self.left - 6 < x < self.right + 6 and self.top - 6 < y < self.bottom + 6

    @property
    def middle(self) -> _Point:
        """Its middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class _Line(NamedTuple):
    """A line of the graph: all of one kind between two Workers."""

    kind: str
    holder: str
    worker: str
    label: str
    title: str


def graph_svg(graph: Graph, options: Options = USUAL) -> str:
    """Draw who can call whom.

    Args:
        graph: what to draw.
        options: how; the moment that the graph is of is named.
    """
    picture, width = Picture("Graph", options.width), options.width
    remark = "" if options.moment is None else f"at moment {options.moment}"
    head(picture, figures_line(graph), remark)
    shown = graph.workers[:_MOST]
    colours = options.colours(graph.workers)
    boxes = _boxes(graph, shown, width, picture.y + 34)
    bottom = max((box.bottom for box in boxes.values()), default=picture.y)
    taken = [*boxes.values(), Box(0, 0, width, picture.y + 4)]
    lowest = _draw_lines(picture, list(lines_of(graph)), boxes, taken)
    for name, box in boxes.items():
        _draw_worker(picture, graph, name, box, colours[name])
    picture.y = max(bottom, lowest) + 24
    if len(graph.workers) > _MOST:
        rest = count(len(graph.workers) - _MOST, "more Worker")
        picture.text(MARGIN, picture.y, f"and {rest}", "t f-muted")
        picture.y += 14
    legend(picture, graph_legend(graph))
    said = "; ".join(line.title.replace("\n", ", ") for line in lines_of(graph))
    return picture.write(f"{figures_line(graph)}. {said}", style=options.style)


def figures_line(graph: Graph) -> str:
    """How many Workers, bindings and stubs there are."""
    workers = count(len(graph.deployed), "Worker")
    stubs = count(sum(line.count for line in graph.stubs), "live stub")
    third = count(len(graph.introductions), "introduction")
    return f"{workers}, {count(len(graph.bindings), 'binding')}, {stubs}, {third} to a third party"


def lines_of(graph: Graph) -> Iterator[_Line]:
    """The lines of a graph: those of one kind between two Workers are one."""
    bindings: dict[tuple[str, str], list[str]] = {}
    for binding in graph.bindings:
        entry = f"#{binding.entrypoint}" if binding.entrypoint != "Default" else ""
        bindings.setdefault((binding.holder, binding.worker), []).append(
            f"env.{binding.name}{entry}"
        )
    for (holder, worker), names in bindings.items():
        title = f"{holder} → {worker}\n{', '.join(names)}"
        yield _Line("binding", holder, worker, listed(names, 2), title)
    stubs: dict[tuple[str, str], Counter[str]] = {}
    for held in graph.stubs:
        stubs.setdefault((held.holder, held.worker), Counter())[held.name] += held.count
    for (holder, worker), names_of in stubs.items():
        each = [f"{number} {TIMES} {name}" for name, number in names_of.items()]
        title = f"{holder} holds stubs of {worker}\n{', '.join(each)}"
        yield _Line("stub", holder, worker, listed(each, 2), title)
    given = Counter(
        (intro.introducer, intro.receiver, intro.worker, intro.name)
        for intro in graph.introductions
    )
    ways: dict[tuple[str, str], list[str]] = {}
    for (introducer, receiver, worker, name), number in given.items():
        times = f"{number} {TIMES} " if number > 1 else ""
        ways.setdefault((introducer, receiver), []).append(f"{times}{name} of {worker}")
    for (introducer, receiver), given_things in ways.items():
        title = f"{introducer} introduced to {receiver}\n{', '.join(given_things)}"
        label = f"gave {listed(given_things, 1)}"
        yield _Line("introduction", introducer, receiver, label, title)


def _columns(graph: Graph, shown: Sequence[str]) -> list[list[str]]:
    """The Workers by how many steps they are from the first one; those out of reach last."""
    steps: dict[str, set[str]] = {}
    for line in lines_of(graph):
        if line.kind != "introduction":
            steps.setdefault(line.holder, set()).add(line.worker)
    places: dict[str, int] = {}
    # One after another, so that those whom only an unbound Worker reaches stand behind it.
    for first in shown:
        if first in places:
            continue
        places[first] = 0
        now = [first]
        while now:
            following = [
                name for name in shown if name not in places
                and any(name in steps.get(before, ()) for before in now)
            ]  # fmt: skip
            for name in following:
                places[name] = places[now[0]] + 1
            now = following
    # As long as a Worker can be pushed behind one that has a binding to it, lines lead onwards.
    for binding in [*graph.bindings] * _DEEPEST:
        here, there = places.get(binding.holder), places.get(binding.worker)
        if here is not None and there == here and 0 < here < _DEEPEST:
            places[binding.worker] += binding.holder != binding.worker
    columns: dict[int, list[str]] = {}
    for name in shown:
        columns.setdefault(places[name], []).append(name)
    return [columns[place] for place in sorted(columns)]


def _boxes(graph: Graph, shown: Sequence[str], width: float, top: float) -> dict[str, Box]:
    columns = _columns(graph, shown)
    if not columns:
        return {}
    tallest = max(map(len, columns))
    stride = (width - 2 * MARGIN) / len(columns)
    most = max(stride * 0.62, 60)
    boxes: dict[str, Box] = {}
    for number, names in enumerate(columns):
        middle = MARGIN + stride * (number + 0.5)
        for row, name in enumerate(names):
            wide = min(max(width_of(name) + 34, 90), most, stride - 20)
            y = top + (row + (tallest - len(names)) / 2) * _ROW
            # Neighbours of a column stand a little aside, so that lines pass them.
            aside = (row % 2) * min(stride * 0.1, 24) * (len(names) > _PAIR)
            left = middle - wide / 2 + aside
            boxes[name] = Box(left, y, left + wide, y + _BOX)
    return boxes


def _draw_worker(picture: Picture, graph: Graph, name: str, box: Box, colour: int) -> None:
    there = name in graph.deployed or name == "notebook"
    ways = [f"{way.worker} through {', '.join(way.through)}" for way in reach(graph, name)]
    can = "\n".join([f"{name} can reach:", *ways]) if ways else f"{name} can reach nobody"
    missing = "" if there else "\nnot deployed"
    kind = f"w{colour}" if there else "absent"
    shape = rect(box.left, box.top, box.right - box.left, _BOX, kind, radius=6)
    picture.add(f"<g><title>{words_of(can + missing)}</title>{shape}</g>")
    middle = (box.left + box.right) / 2
    label = elided(name, box.right - box.left - 12)
    y = (box.top + box.bottom) / 2
    picture.text(middle, y + 4 if there else y - 1, label, f"b n{colour}", anchor="middle")
    if not there:
        picture.text(middle, y + 12, "not deployed", "t f-muted", anchor="middle", size=10)


def _draw_lines(
    picture: Picture, lines: list[_Line], boxes: dict[str, Box], taken: list[Box]
) -> float:
    """Draw the lines with their labels. Gives how far down they reach."""
    drawn: list[_Point] = []
    bends = _BENDS if len(lines) <= _FEW else _BENDS[:4]
    lowest = 0.0
    for line in lines:
        here, there = boxes.get(line.holder), boxes.get(line.worker)
        if here is None or there is None:
            continue
        if here == there:
            turn = sum(
                other.holder == other.worker == line.holder for other in lines[: lines.index(line)]
            )
            path, points = _loop(here, line, turn)
        else:
            others = [box for box in boxes.values() if box not in (here, there)]
            ways = (_Way.between(here, there, bend) for bend in bends)
            way = min(ways, key=lambda way: way.cost(others, drawn))
            path = arrow(*way.begin, *way.end, line.kind, bend=way.bend)
            points = [way.at(part) for part in _PLACES]
            drawn += [way.at(part / 12) for part in range(2, 11)]
        picture.add(f'<g class="call"><title>{words_of(line.title)}</title>{path}</g>')
        label = elided(line.label, _LONGEST)
        box = _free(points, width_of(label), taken, picture.width)
        taken.append(box)
        colour = "f-pipelined" if line.kind == "stub" else "f-muted"
        picture.label(box.left + 2, box.bottom - 4, label, colour)
        lowest = max(lowest, box.bottom, *(y for _, y in points))
    return lowest


class _Way(NamedTuple):
    """A curve from the edge of one box to that of another."""

    begin: _Point
    over: _Point
    end: _Point
    bend: float

    @classmethod
    def between(cls, here: Box, there: Box, bend: float) -> _Way:
        """The curve between two boxes that is bent to one side by so many pixels."""
        (x, y), (to_x, to_y) = here.middle, there.middle
        aside = _over((x, y), (to_x, to_y), bend)
        begin, end = _edge(here, *aside), _edge(there, *aside)
        return cls(begin, _over(begin, end, bend), end, bend)

    def at(self, part: float) -> _Point:
        """The point that far along it, from 0 to 1."""
        rest = 1 - part
        a, b, c = rest * rest, 2 * rest * part, part * part
        return (
            a * self.begin[0] + b * self.over[0] + c * self.end[0],
            a * self.begin[1] + b * self.over[1] + c * self.end[1],
        )

    def cost(self, boxes: list[Box], drawn: list[_Point]) -> float:
        """How bad it is: to run behind a Worker, along another line, or far around."""
        points = [self.at(part / 12) for part in range(13)]
        behind = sum(box.holds(point) for point in points for box in boxes)
        beside = sum(
            abs(x - there_x) < _NEAR and abs(y - there_y) < _NEAR
            for x, y in points[2:11]
            for there_x, there_y in drawn
        )
        outside = sum(y < _TOP for _, y in points)
        return 100 * behind + 50 * outside + 4 * beside + abs(self.bend) / 12


def _over(begin: _Point, end: _Point, bend: float) -> _Point:
    """The point that draws a curve aside; as `arrow` has it."""
    across = ((end[0] - begin[0]) ** 2 + (end[1] - begin[1]) ** 2) ** 0.5 or 1
    return (
        (begin[0] + end[0]) / 2 - (end[1] - begin[1]) / across * bend,
        (begin[1] + end[1]) / 2 + (end[0] - begin[0]) / across * bend,
    )


def _loop(box: Box, line: _Line, turn: int) -> tuple[str, list[_Point]]:
    """A line from a Worker to itself, above it."""
    left, right = box.left + 16, box.left + 46
    top = box.top - 20 - 14 * turn
    path = arrow(left, box.top, right, box.top, line.kind, bend=-(box.top - top) * 2)
    return path, [(right + 6, top), (right + 6, top - 14), (right + 40, top)]


def _edge(box: Box, x: float, y: float) -> _Point:
    """Where the way from the middle of a box to a point leaves the box."""
    middle_x, middle_y = box.middle
    wide, high = (box.right - box.left) / 2 + 2, (box.bottom - box.top) / 2 + 2
    away_x, away_y = x - middle_x, y - middle_y
    part = min(
        wide / abs(away_x) if away_x else float("inf"),
        high / abs(away_y) if away_y else float("inf"),
        1.0,
    )
    return middle_x + away_x * part, middle_y + away_y * part


def _free(points: list[_Point], room: float, taken: list[Box], width: float) -> Box:
    """A place for a label on a line, or as near to it as there is one."""
    high = LABEL + 4
    for away in range(40):
        shift = (away + 1) // 2 * 8 * (1 if away % 2 else -1)
        for x, y in points:
            left = min(max(x - room / 2 - 2, 2), max(width - room - 6, 2))
            box = Box(left, y - high / 2 + shift, left + room + 4, y + high / 2 + shift)
            if not any(box.overlaps(other) for other in taken):
                return box
    return box


__all__ = ["Box", "figures_line", "graph_svg", "lines_of"]
