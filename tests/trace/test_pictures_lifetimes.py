"""Lifetimes as SVG and as text."""

import re
from dataclasses import replace

import pytest
from support.pictures import labels, overlapping, parsed, tooltips

from rpclab.trace.lifetimes import lifetimes
from rpclab.trace.pictures.frame import Options
from rpclab.trace.pictures.lifetimes import held_first, lifetimes_svg
from rpclab.trace.pictures.texts import lifetimes_text


async def some_stubs(env):
    """Stubs that are disposed, dupped, passed, and one that is kept."""
    kept = await env.A.root()
    async with await env.A.node_of_next() as node:
        node.dup().dispose()
        await env.B.pair(node, 1)
    return kept


@pytest.mark.parametrize("scale", ["order", "time"])
async def test_every_stub_has_a_row_and_no_label_lies_on_another(sandbox, env, scale):
    sandbox.link("notebook", "a", rtt="80ms")
    kept = await some_stubs(env)
    drawn = lifetimes(sandbox.recording)
    svg = lifetimes_svg(drawn, Options(scale=scale))
    shown = [int(n) for tip in tooltips(svg) for n in re.findall(r"^stub (\d+) of", tip)]
    assert sorted(shown) == [stub.number for stub in drawn.stubs]
    assert overlapping(svg) == []
    kept.dispose()


async def test_the_title_counts_what_is_still_held_and_each_of_these_has_the_mark(sandbox, env):
    kept = await some_stubs(env)
    svg = lifetimes_svg(lifetimes(sandbox.recording))
    assert "; 1 still held" in svg
    assert sum("still held" in tip for tip in tooltips(svg)) == 1
    kept.dispose()
    svg = lifetimes_svg(lifetimes(sandbox.recording))
    assert "; none still held" in svg
    assert not any("still held" in tip for tip in tooltips(svg))


async def test_the_text_says_of_each_stub_where_it_was_made_and_how_it_ended(sandbox, env):
    kept = await some_stubs(env)
    text = lifetimes_text(lifetimes(sandbox.recording))
    places = re.sub(r"[^ ]*test_pictures_lifetimes.py, line \d+", "HERE", text)
    assert places.splitlines()[1:3] == [
        "  Node in a: at most 1 reference",
        "    1 notebook: result of call 1, made at HERE; still held",
    ]
    assert "dup of" in places
    assert "made at HERE; disposed at HERE" in places
    assert "let go when the method returned" in places
    kept.dispose()


def in_cells(lives, cell):
    """The same lifetimes, of stubs that were made in a cell of a notebook."""
    stubs = [replace(stub, site=f"Cell In[{cell}], line {stub.number}") for stub in lives.stubs]
    return replace(lives, stubs=tuple(stubs))


@pytest.mark.parametrize("width", [420, 560, 820])
async def test_no_place_loses_its_cell_or_its_line_however_narrow_the_picture(sandbox, env, width):
    kept = [await env.A.root() for _ in range(12)]
    drawn = in_cells(lifetimes(sandbox.recording), 1234)
    texts = [label.text for label in labels(lifetimes_svg(drawn, Options(width=width)))]
    for stub in drawn.stubs:
        assert any(text.endswith(f"In[1234], line {stub.number}") for text in texts)
    if width == 820:
        assert "12 notebook: result of call 12" in texts
    for stub in kept:
        stub.dispose()


async def test_what_is_still_held_comes_first(sandbox, env):
    for _ in range(5):
        (await env.A.root()).dispose()
    kept = await env.A.root()
    drawn = lifetimes(sandbox.recording)
    assert [target.number for target in held_first(drawn)] == [6, 1, 2, 3, 4, 5]
    rows = [label for label in labels(lifetimes_svg(drawn)) if "result of call" in label.text]
    assert min(rows, key=lambda label: label.top).text == "6 notebook: result of call 6"
    kept.dispose()


async def test_the_same_recording_gives_the_same_bytes(sandbox, env):
    kept = await some_stubs(env)
    one, other = (lifetimes_svg(lifetimes(sandbox.recording)) for _ in range(2))
    assert one == other
    kept.dispose()


async def test_stubs_that_were_made_alike_share_a_row_where_there_are_very_many(sandbox, env):
    kept = [await env.A.root() for _ in range(300)]
    for stub in kept[10:]:
        stub.dispose()
    drawn = lifetimes(sandbox.recording)
    svg = lifetimes_svg(drawn)
    assert sum(tip.startswith("stub ") for tip in tooltips(svg)) == 300
    assert float(parsed(svg).get("height")) < 300
    assert "\N{MULTIPLICATION SIGN}300, 10 held" in svg
    assert overlapping(svg) == []
    for stub in kept:
        stub.dispose()


def test_an_empty_recording_is_a_picture_too():
    parsed(lifetimes_svg(lifetimes([])))
