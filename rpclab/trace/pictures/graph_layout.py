"""Where the parts of a graph stand: Workers in columns, lines between them, and their labels.

Floor: trace. Stills are drawn from it, and live views are sent it. Workers stand in columns
by how many steps they are from the notebook; where no label fits between two columns, one step
below the other. A label keeps clear of Workers, of other labels, of all lines and of their tips, as
far as there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import hypot
from typing import NamedTuple

from rpclab.trace.graph import binding_name, introduction_name
from rpclab.trace.model import Graph
from rpclab.trace.pictures.drawing import LABEL, Curve, curve, elided, width_of
from rpclab.trace.pictures.frame import MARGIN
from rpclab.trace.pictures.templates import listed, said
from rpclab.trace.pictures.words import WORDS

BOX = 36  # pixels of a Worker's height
MOST = 60  # Workers that are drawn
_ROW = 92  # pixels from one Worker of a column to the next
_STEP = 124  # and from one that stands a step below
_BETWEEN = 70  # pixels between two columns that a label fits into, at least
_BENDS = (8, -8, 24, -24, 44, -44, 68, -68, 96, -96, 140, -140, 190, -190)  # pixels
_DEEPEST = 4  # the last column
_LABEL = 200, 270  # pixels of a label at most: in a narrow picture, and in a wide one
_PLACES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)  # on a line, for its label
_AWAY = (11, 14, 18, 23, 29, 36)  # pixels of a label from its line
_PAIR = 2
_NEAR = 17  # pixels between lines that run beside each other
_FEW = 80  # lines; of more, each tries fewer ways
_SQUARE = 40  # pixels of the squares that points are found by
_CELL = 6  # pixels of a square that lines take
_TIP = 9  # pixels that the head of an arrow takes
_TRIED = 24  # places of which one is taken that is nearer to its own line than to another
_PARTS = 40  # points of a line that are looked at

Point = tuple[float, float]


class Line(NamedTuple):
    """A line of the graph: all of one kind between two Workers.

    Attributes:
        kind: "binding", "stub" or "introduction".
        holder: where it begins.
        worker: where it leads.
        things: what it stands for, by name, and how many there are of each.
    """

    kind: str
    holder: str
    worker: str
    things: tuple[tuple[str, int], ...]

    @property
    def names(self) -> list[str]:
        """What it stands for, as it is told of."""
        each = WORDS["graph"][self.kind]["each"]
        return [
            said(each, {"name": name, "number": number, "several": number > 1 and number})
            for name, number in self.things
        ]

    @property
    def label(self) -> str:
        """What stands beside it."""
        words = WORDS["graph"][self.kind]
        return said(words["label"], {"all": listed(self.names, words["most"])})

    @property
    def title(self) -> str:
        """All that there is to say of it."""
        known = {"holder": self.holder, "worker": self.worker}
        return f"{said(WORDS['graph'][self.kind]['title'], known)}\n{', '.join(self.names)}"


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

    def holds(self, point: Point) -> bool:
        """Whether a point is in it, or just beside it."""
        x, y = point
        return self.left - 6 < x < self.right + 6 and self.top - 6 < y < self.bottom + 6

    @property
    def middle(self) -> Point:
        """Its middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Placed(NamedTuple):
    """A line that has its place.

    Attributes:
        line: what it is.
        drawn: its paths.
        label: the box of its label.
    """

    line: Line
    drawn: Curve
    label: Box


class Layout(NamedTuple):
    """A graph that is laid out.

    Attributes:
        boxes: the Workers, in their order.
        lines: those between Workers that are drawn.
        bottom: how far down it reaches.
    """

    boxes: dict[str, Box]
    lines: list[Placed]
    bottom: float


def lines_of(graph: Graph) -> Iterator[Line]:
    """The lines of a graph: those of one kind between two Workers are one."""
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for kind, holder, worker, name, number in _things_of(graph):
        found.setdefault((kind, holder, worker), Counter())[name] += number
    for (kind, holder, worker), things in found.items():
        yield Line(kind, holder, worker, tuple(sorted(things.items())))


def _things_of(graph: Graph) -> Iterator[tuple[str, str, str, str, int]]:
    for bound in graph.bindings:
        name = binding_name(bound.name, bound.entrypoint)
        yield "binding", bound.holder, bound.worker, name, 1
    for held in graph.stubs:
        yield "stub", held.holder, held.worker, held.name, held.count
    for given in graph.introductions:
        name = introduction_name(given.name, given.worker)
        yield "introduction", given.introducer, given.receiver, name, 1


def layout(workers: Sequence[str], lines: Sequence[Line], width: float, top: float) -> Layout:
    """Lay a graph out.

    Args:
        workers: their names, the notebook first.
        lines: what leads from one to another.
        width: in pixels.
        top: where the topmost Worker may stand; lines and labels reach up to 46 pixels above it.
    """
    boxes = _boxes(workers[:MOST], lines, width, top)
    ways = list(_ways(lines, boxes, top - 28))
    crossed = _Crossed(way for _, way in ways)
    taken = [*boxes.values(), Box(0, 0, width, top - 46)]
    spots = _Spots()
    for _, way in ways:
        spots.add(way.spots)
    placed = [
        Placed(line, way.drawn, _beside(way, line, spots, crossed, taken, width))
        for line, way in ways
    ]
    # The sides of a column hold nothing: what is lowest is a Worker, a label or a line.
    lowest = [box.bottom for box in boxes.values()] + [each.label.bottom for each in placed]
    lowest += [y for _, way in ways for _, y in way.points]
    return Layout(boxes, placed, max(lowest, default=top))


# Workers.


def _columns(workers: Sequence[str], lines: Sequence[Line]) -> list[list[str]]:
    """The Workers by how many steps they are from the first one; those out of reach last."""
    steps: dict[str, set[str]] = {}
    for line in lines:
        if line.kind != "introduction":
            steps.setdefault(line.holder, set()).add(line.worker)
    places: dict[str, int] = {}
    # One after another, so that those whom only an unbound Worker reaches stand behind it.
    for first in workers:
        if first in places:
            continue
        places[first] = 0
        now = [first]
        while now:
            following = [
                name for name in workers if name not in places
                and any(name in steps.get(before, ()) for before in now)
            ]  # fmt: skip
            for name in following:
                places[name] = places[now[0]] + 1
            now = following
    # As long as a Worker can be pushed behind one that has a binding to it, lines lead onwards.
    bindings = [line for line in lines if line.kind == "binding"]
    for line in bindings * _DEEPEST:
        here, there = places.get(line.holder), places.get(line.worker)
        if here is not None and there == here and 0 < here < _DEEPEST:
            places[line.worker] += line.holder != line.worker
    columns: dict[int, list[str]] = {}
    for name in workers:
        columns.setdefault(places[name], []).append(name)
    return [columns[place] for place in sorted(columns)]


def _boxes(
    workers: Sequence[str], lines: Sequence[Line], width: float, top: float
) -> dict[str, Box]:
    columns = _columns(workers, lines)
    if not columns:
        return {}
    stride = (width - 2 * MARGIN) / len(columns)
    widest = max(_wide(name, stride) for names in columns for name in names)
    stand = _across if stride - widest >= _BETWEEN else _downwards
    boxes = stand(columns, width, top)
    return {name: boxes[name] for name in workers}


def _wide(name: str, room: float) -> float:
    return min(max(width_of(name) + 34, 90), max(room * 0.62, 60), room - 20)


def _across(columns: list[list[str]], width: float, top: float) -> dict[str, Box]:
    """Each step from the notebook is a column, to the right of the one before."""
    tallest = max(map(len, columns))
    stride = (width - 2 * MARGIN) / len(columns)
    boxes: dict[str, Box] = {}
    for number, names in enumerate(columns):
        middle = MARGIN + stride * (number + 0.5)
        for row, name in enumerate(names):
            wide = _wide(name, stride)
            y = top + (row + (tallest - len(names)) / 2) * _ROW
            # Neighbours of a column stand a little aside, so that lines pass them.
            aside = (row % 2) * min(stride * 0.1, 24) * (len(names) > _PAIR)
            left = middle - wide / 2 + aside
            boxes[name] = Box(left, y, left + wide, y + BOX)
    return boxes


def _downwards(steps: list[list[str]], width: float, top: float) -> dict[str, Box]:
    """Each step from the notebook is a row, below the one before; a long one is broken."""
    rows: list[list[str]] = []
    for names in steps:
        most = max(int((width - 2 * MARGIN) / (max(_wide(n, width) for n in names) + 30)), 1)
        rows += [names[at : at + most] for at in range(0, len(names), most)]
    boxes: dict[str, Box] = {}
    for number, names in enumerate(rows):
        stride = (width - 2 * MARGIN) / len(names)
        # Neighbouring rows stand a little aside, so that lines pass them.
        aside = (number % 2) * min(width * 0.12, stride / 4)
        for place, name in enumerate(names):
            wide = _wide(name, stride)
            left = MARGIN + stride * (place + 0.5) - wide / 2 + aside
            left = min(left, width - MARGIN - wide)
            y = top + number * _STEP
            boxes[name] = Box(left, y, left + wide, y + BOX)
    return boxes


# Lines.


class _Way(NamedTuple):
    """A curve from the edge of one box to that of another."""

    begin: Point
    over: Point
    end: Point
    bend: float

    @classmethod
    def between(cls, here: Box, there: Box, bend: float) -> _Way:
        """The curve between two boxes that is bent to one side by so many pixels."""
        (x, y), (to_x, to_y) = here.middle, there.middle
        aside = _over((x, y), (to_x, to_y), bend)
        begin, end = _edge(here, *aside), _edge(there, *aside)
        return cls(begin, _over(begin, end, bend), end, bend)

    @classmethod
    def loop(cls, box: Box, turn: int) -> _Way:
        """The way from a Worker to itself, above it; those of other kinds run below this one."""
        begin, end = (box.left + 16, box.top), (box.left + 46, box.top)
        bend = -40.0 - 28 * turn
        return cls(begin, _over(begin, end, bend), end, bend)

    @property
    def drawn(self) -> Curve:
        """Its paths."""
        return curve(*self.begin, *self.end, self.bend)

    @property
    def points(self) -> list[Point]:
        """Points all along it."""
        return [self.at(part / _PARTS) for part in range(_PARTS + 1)]

    def at(self, part: float) -> Point:
        """The point that far along it, from 0 to 1."""
        rest = 1 - part
        a, b, c = rest * rest, 2 * rest * part, part * part
        return (
            a * self.begin[0] + b * self.over[0] + c * self.end[0],
            a * self.begin[1] + b * self.over[1] + c * self.end[1],
        )

    @property
    def spots(self) -> list[Point]:
        """Some points along it: enough to say how near it is."""
        return [self.at(part / 12) for part in range(13)]

    def across(self, part: float) -> Point:
        """The direction across it there, of length 1."""
        (x, y), (to_x, to_y) = self.at(part - 0.05), self.at(part + 0.05)
        length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5 or 1
        return (to_y - y) / length, (x - to_x) / length

    def cost(self, boxes: list[Box], drawn: _Spots, top: float) -> float:
        """How bad it is: to run behind a Worker, along another line, or far around."""
        points = self.spots
        behind = sum(box.holds(point) for point in points for box in boxes)
        beside = sum(drawn.near(point, _NEAR) for point in points[2:11])
        outside = sum(y < top for _, y in points)
        return 100 * behind + 50 * outside + 4 * beside + abs(self.bend) / 12


class _Spots:
    """Points that can be found by where they are."""

    def __init__(self) -> None:
        self._squares: dict[tuple[int, int], list[Point]] = {}

    def add(self, points: Iterable[Point]) -> None:
        """Take points in."""
        for x, y in points:
            self._squares.setdefault((int(x // _SQUARE), int(y // _SQUARE)), []).append((x, y))

    def near(self, point: Point, away: float) -> int:
        """How many points are less than that far away to the sides, and up and down."""
        x, y = point
        around = self._around(point, away)
        return sum(abs(x - to_x) < away and abs(y - to_y) < away for to_x, to_y in around)

    def nearest(self, point: Point, within: float) -> float:
        """How far away the nearest point is; `within`, if none is as near as that."""
        x, y = point
        around = self._around(point, within)
        return min((hypot(x - to_x, y - to_y) for to_x, to_y in around), default=within)

    def _around(self, point: Point, away: float) -> Iterator[Point]:
        x, y = point
        for column in range(int((x - away) // _SQUARE), int((x + away) // _SQUARE) + 1):
            for row in range(int((y - away) // _SQUARE), int((y + away) // _SQUARE) + 1):
                yield from self._squares.get((column, row), ())


def _ways(lines: Sequence[Line], boxes: dict[str, Box], top: float) -> Iterator[tuple[Line, _Way]]:
    drawn = _Spots()
    loops: Counter[str] = Counter()
    bends = _BENDS if len(lines) <= _FEW else _BENDS[:4]
    for line in lines:
        here, there = boxes.get(line.holder), boxes.get(line.worker)
        if here is None or there is None:
            continue
        if here == there:
            way = _Way.loop(here, loops[line.holder])
            loops[line.holder] += 1
        else:
            others = [box for box in boxes.values() if box not in (here, there)]
            ways = (_Way.between(here, there, bend) for bend in bends)
            way = min(ways, key=lambda way: way.cost(others, drawn, top))
        drawn.add(way.spots[2:11])
        yield line, way


def _over(begin: Point, end: Point, bend: float) -> Point:
    """The point that draws a curve aside; as `drawing.curve` has it."""
    across = ((end[0] - begin[0]) ** 2 + (end[1] - begin[1]) ** 2) ** 0.5 or 1
    return (
        (begin[0] + end[0]) / 2 - (end[1] - begin[1]) / across * bend,
        (begin[1] + end[1]) / 2 + (end[0] - begin[0]) / across * bend,
    )


def _edge(box: Box, x: float, y: float) -> Point:
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


# Labels.


class _Crossed:
    """The squares that lines and their tips run through."""

    def __init__(self, ways: Iterable[_Way]) -> None:
        self._squares: Counter[tuple[int, int]] = Counter()
        for way in ways:
            points = way.points
            for (x, y), (to_x, to_y) in pairwise(points):
                steps = int(max(abs(to_x - x), abs(to_y - y)) / _CELL) + 1
                for step in range(steps):
                    part = step / steps
                    self._take(x + (to_x - x) * part, y + (to_y - y) * part)
            for dx in (-_TIP / 2, 0, _TIP / 2):
                for dy in (-_TIP / 2, 0, _TIP / 2):
                    self._take(points[-1][0] + dx, points[-1][1] + dy)

    def _take(self, x: float, y: float) -> None:
        self._squares[int(x // _CELL), int(y // _CELL)] += 1

    def count(self, box: Box) -> int:
        """How many squares of a box a line runs through."""
        return sum(
            (x, y) in self._squares
            for x in range(int(box.left // _CELL), int(box.right // _CELL) + 1)
            for y in range(int(box.top // _CELL), int(box.bottom // _CELL) + 1)
        )


def _beside(
    way: _Way, line: Line, spots: _Spots, crossed: _Crossed, taken: list[Box], width: float
) -> Box:
    """The best place for the label of a line, which is taken from now on."""
    room = width_of(elided(line.label, min(max(width / 3, _LABEL[0]), _LABEL[1])))
    found: list[tuple[float, Box]] = []
    for rank, part in enumerate(_PLACES):
        x, y = way.at(part)
        across_x, across_y = way.across(part)
        for side in (1, -1):
            for away in _AWAY:
                # A label reaches far to its sides, so beside a steep line it stands further off.
                far = away + abs(across_x) * room / 2
                box = _box(x + side * across_x * far, y + side * across_y * away, room, width)
                if not any(box.overlaps(other) for other in taken):
                    cost = 6 * crossed.count(box) + away / 4 + rank + abs(across_x) * room / 8
                    found.append((cost, box))
    found.sort()
    near = (box for _, box in found[:_TRIED] if _is_own(box.middle, way, spots))
    best = next(near, found[0][1] if found else None)
    if best is None:
        best = _nearest(way.at(0.5), room, taken, width)
    taken.append(best)
    return best


def _is_own(point: Point, way: _Way, spots: _Spots) -> bool:
    """Whether no other line is nearer to a point than a line of its own."""
    own = min(hypot(x - point[0], y - point[1]) for x, y in way.spots)
    return spots.nearest(point, own) >= own


def _box(x: float, y: float, room: float, width: float) -> Box:
    high = LABEL + 2
    left = min(max(x - room / 2 - 2, 2), max(width - room - 6, 2))
    return Box(left, y - high / 2, left + room + 4, y + high / 2)


def _nearest(point: Point, room: float, taken: list[Box], width: float) -> Box:
    """The nearest place above or below a point where nothing else stands."""
    x, y = point
    shifts = (n // 2 * 8 * (1 if n % 2 else -1) for n in range(1, 400))
    boxes = (_box(x, y + shift, room, width) for shift in shifts)
    return next(box for box in boxes if not any(box.overlaps(other) for other in taken))


__all__ = [
    "BOX", "MOST", "Box", "Layout", "Line", "Placed", "layout", "lines_of",
]  # fmt: skip
