"""The graph as SVG: Workers, and lines for bindings, live stubs and introductions.

Floor: trace. A pure function of what `rpclab.trace.graph` gives, laid out by `graph_layout.py`.
"""

from __future__ import annotations

from rpclab.trace.graph import reach
from rpclab.trace.model import Graph
from rpclab.trace.pictures.drawing import Picture, arrow_head, elided, rect, words_of
from rpclab.trace.pictures.frame import MARGIN, USUAL, Options, head, legend
from rpclab.trace.pictures.graph_layout import BOX, MOST, Box, Placed, layout, lines_of
from rpclab.trace.pictures.legends import graph_legend
from rpclab.trace.pictures.templates import count, said
from rpclab.trace.pictures.words import WORDS

_WORDS = WORDS["graph"]


def graph_svg(graph: Graph, options: Options = USUAL) -> str:
    """Draw who can call whom.

    Args:
        graph: what to draw.
        options: how; the moment that the graph is of is named.
    """
    picture = Picture("Graph", options.width)
    remark = "" if options.moment is None else f"at moment {options.moment}"
    head(picture, figures_line(graph), remark)
    colours = options.colours(graph.workers)
    lines = list(lines_of(graph))
    placed = layout(graph.workers, lines, options.width, picture.y + 50)
    for each in placed.lines:
        _draw_line(picture, each)
    for name, box in placed.boxes.items():
        _draw_worker(picture, graph, name, box, colours[name])
    picture.y = placed.bottom + 24
    if len(graph.workers) > MOST:
        rest = count(len(graph.workers) - MOST, "more Worker")
        picture.text(MARGIN, picture.y, f"and {rest}", "t f-muted")
        picture.y += 14
    legend(picture, graph_legend(graph))
    told = "; ".join(line.title.replace("\n", ", ") for line in lines)
    return picture.write(f"{figures_line(graph)}. {told}")


def figures_line(graph: Graph) -> str:
    """How many Workers, bindings and stubs there are."""
    workers = count(len(graph.deployed), "Worker")
    stubs = count(sum(line.count for line in graph.stubs), "live stub")
    third = count(len(graph.introductions), "introduction")
    return f"{workers}, {count(len(graph.bindings), 'binding')}, {stubs}, {third} to a third party"


def _draw_line(picture: Picture, placed: Placed) -> None:
    line, drawn, label = placed
    path = f'<path d="{drawn.line}" class="l-{line.kind}"/>{arrow_head(drawn, line.kind)}'
    picture.add(f'<g class="call"><title>{words_of(line.title)}</title>{path}</g>')
    colour = "f-pipelined" if line.kind == "stub" else "f-muted"
    text = elided(line.label, label.right - label.left - 4)
    picture.label(label.left + 2, label.bottom - 3, text, colour)


def _draw_worker(picture: Picture, graph: Graph, name: str, box: Box, colour: int) -> None:
    there = name in graph.deployed or name == "notebook"
    ways = [
        said(_WORDS["way"], {"worker": way.worker, "through": way.through})
        for way in reach(graph, name)
    ]
    first = said(_WORDS["reaches" if ways else "reaches nobody"], {"name": name})
    title = "\n".join([first, *ways] + [_WORDS["absent"]] * (not there))
    kind = f"w{colour}" if there else "absent"
    shape = rect(box.left, box.top, box.right - box.left, BOX, kind, radius=6)
    picture.add(f"<g><title>{words_of(title)}</title>{shape}</g>")
    middle, y = box.middle
    label = elided(name, box.right - box.left - 12)
    picture.text(middle, y + 4 if there else y - 1, label, f"b n{colour}", anchor="middle")
    if not there:
        picture.text(middle, y + 12, _WORDS["absent"], "t f-muted", anchor="middle", size=10)


__all__ = ["figures_line", "graph_svg", "lines_of"]
