"""Lifetimes as SVG and as text."""

import re

import pytest
from support.pictures import overlapping, parsed, tooltips

from rpclab.trace.lifetimes import lifetimes
from rpclab.trace.pictures.frame import Options
from rpclab.trace.pictures.lifetimes import lifetimes_svg
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
