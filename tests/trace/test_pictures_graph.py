"""The graph as SVG and as text."""

import random
import re

import pytest
from support.pictures import overlapping, parsed, tooltips

from rpclab.trace.graph import graph
from rpclab.trace.model import Binding, Graph, Introduction, LiveStubs
from rpclab.trace.pictures.graph import graph_svg, lines_of
from rpclab.trace.pictures.graph_layout import layout
from rpclab.trace.pictures.texts import graph_text


async def test_workers_bindings_stubs_and_introductions_are_in_the_picture(sandbox, env):
    kept = await env.A.node_of_next()
    svg = graph_svg(graph(sandbox.recording))
    for tip in (
        "notebook → a\nenv.A", "notebook → b\nenv.B", "a → b\nenv.NEXT",
        "notebook holds stubs of b\n1 \N{MULTIPLICATION SIGN} Node",
        "a introduced to notebook\nNode of b",
    ):  # fmt: skip
        assert tip in tooltips(svg)
    assert "2 Workers, 3 bindings, 1 live stub, 1 introduction to a third party" in svg
    assert overlapping(svg) == []
    kept.dispose()


async def test_the_text_says_what_each_can_reach(sandbox, env):
    kept = await env.A.node_of_next()
    assert graph_text(graph(sandbox.recording)).splitlines() == [
        "Graph: 2 Workers, 3 bindings, 1 live stub, 1 introduction to a third party",
        "  a: env.NEXT → b",
        "  notebook: env.A → a",
        "  notebook: env.B → b",
        "  notebook: 1 stub of Node in b, given by a",
        "  a gave notebook a stub of Node in b",
        "  notebook can reach a (env.A), b (env.B)",
        "  a can reach b (env.NEXT)",
    ]
    kept.dispose()


async def test_a_worker_that_only_a_binding_names_is_said_to_be_missing(sandbox):
    sandbox.bind(LATER="later")
    assert "not deployed" in graph_svg(graph(sandbox.recording))
    assert "env.LATER → later, not deployed" in graph_text(graph(sandbox.recording))


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_graph_is_labels_and_workers_keep_apart(seed):
    drawn = _made_up(random.Random(seed))  # noqa: S311 - the same each time
    svg = graph_svg(drawn)
    assert overlapping(svg) == []
    shown = [tip.partition(" can reach")[0] for tip in tooltips(svg) if " can reach" in tip]
    assert shown.count("notebook") == 1
    assert len(shown) == len(drawn.workers)
    assert len(re.findall(r'<g class="call">', svg)) == len(list(lines_of(drawn)))
    assert svg == graph_svg(drawn)


async def test_no_label_lies_on_a_line_or_its_tip_or_is_nearer_to_another_one(sandbox, env):
    kept = [await env.A.node_of_next(), await env.A.root(), await env.B.same(await env.A.root())]
    drawn = graph(sandbox.recording)
    placed = layout(drawn.workers, list(lines_of(drawn)), 820, 60).lines
    assert len(placed) > 5
    curves = [list(_points(each.drawn.line)) for each in placed]
    for each, own in zip(placed, curves, strict=True):
        box = each.label
        for points in curves:
            assert not any(box.left < x < box.right and box.top < y < box.bottom for x, y in points)
        assert min(curves, key=lambda points: _away(points, box.middle)) is own
    svg = graph_svg(drawn)
    assert "plate" not in svg
    for stub in kept:
        stub.dispose()


def _points(path):
    """Points on a curve, close to each other."""
    x, y, over_x, over_y, to_x, to_y = map(float, re.findall(r"-?[\d.]+", path))
    for part in range(101):
        a, b, c = (1 - part / 100) ** 2, 2 * (1 - part / 100) * part / 100, (part / 100) ** 2
        yield a * x + b * over_x + c * to_x, a * y + b * over_y + c * to_y


def _away(points, middle):
    return min((x - middle[0]) ** 2 + (y - middle[1]) ** 2 for x, y in points)


def _made_up(rng):
    """A graph of any Workers, bindings and stubs."""
    workers = [
        "notebook",
        *(f"worker-{n}" + "-long" * rng.randint(0, 4) for n in range(rng.randint(1, 9))),
    ]

    def pick():
        return rng.choice(workers)

    bindings = tuple(
        Binding(pick(), f"NAME_{n}", pick(), rng.choice(["Default", "Admin"]))
        for n in range(rng.randint(0, 9))
    )
    stubs = tuple(
        LiveStubs(pick(), pick(), n, "Counter", rng.randint(1, 99), pick())
        for n in range(rng.randint(0, 5))
    )
    given = tuple(
        Introduction(pick(), pick(), pick(), n, "Counter", 0.0, n) for n in range(rng.randint(0, 4))
    )
    return Graph(tuple(workers), frozenset(workers[1:-1]), bindings, stubs, given)


def test_an_empty_recording_is_a_picture_too():
    parsed(graph_svg(graph([])))
