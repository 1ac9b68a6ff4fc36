"""The timeline as SVG and as text."""

import asyncio
import random
import re

import pytest
from support.pictures import SVG, arrows, heading, labels, overlapping, parsed, tooltips

import rpclab
from rpclab.trace.model import Arrow, CallBar, Lane, Note, Timeline
from rpclab.trace.pictures.crowds import closer
from rpclab.trace.pictures.frame import Options
from rpclab.trace.pictures.texts import timeline_text
from rpclab.trace.pictures.timeline import timeline_svg
from rpclab.trace.timeline import timeline


async def chain(env):
    await env.A.root().next().next().depth


async def fan(env):
    await rpclab.gather(*[env.A.token(str(number)) for number in range(12)])


async def forwarding(env):
    await env.A.relay("far")
    await env.A.node_of_next().next().depth


async def callbacks_and_errors(env):
    await env.A.call_back(lambda number: number)
    with pytest.raises(ValueError, match="no"):
        await env.A.fail()


async def given_up(env):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await env.A.nap(100)


PROGRAMS = [chain, fan, forwarding, callbacks_and_errors, given_up]


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.__name__)
def program(request):
    return request.param


async def run(sandbox, env, program):
    """The recording of a program over links of different lengths, and its trace."""
    sandbox.link("notebook", "a", rtt="80ms")
    sandbox.link("a", "b", rtt="30ms")
    with sandbox.trace() as trace:
        await program(env)
    return trace


@pytest.mark.parametrize("scale", ["order", "time"])
async def test_every_call_is_in_the_picture_and_no_label_lies_on_another(
    sandbox, env, program, scale
):
    trace = await run(sandbox, env, program)
    drawn = timeline(trace.recording)
    svg = timeline_svg(drawn, Options(scale=scale))
    shown = [int(n) for tip in tooltips(svg) for n in re.findall(r"^(?:call|read) (\d+):", tip)]
    assert sorted(shown) == [call.number for call in drawn.calls]
    assert overlapping(svg) == []


async def test_each_message_has_one_line(sandbox, env, program):
    trace = await run(sandbox, env, program)
    drawn = timeline(trace.recording)
    assert len(arrows(timeline_svg(drawn))) == len(drawn.arrows)


@pytest.mark.parametrize("scale", ["order", "time"])
async def test_a_label_covers_no_tip_of_an_arrow_and_nothing_stands_between_them(
    sandbox, env, program, scale
):
    trace = await run(sandbox, env, program)
    svg = timeline_svg(timeline(trace.recording), Options(scale=scale))
    filled = [rect.get("class") for rect in parsed(svg).iter(f"{SVG}rect")]
    assert not any("plate" in (kind or "") for kind in filled)
    calls = [label for label in labels(svg) if re.match(r"\d+ ", label.text)]
    assert calls
    for _, tip in re.findall(r'class="l-(\w+)"/><path d="M([\d. -]+)L', svg):
        x, y = map(float, tip.split())
        assert not any(c.left < x < c.right and c.top < y < c.bottom for c in calls), tip


async def test_a_label_that_has_no_room_beside_a_long_bar_stands_in_it_whole(sandbox, env):
    await env.A.token()
    await env.A.pair("a text", "and another one, so that it is long")
    await env.B.nap(100)
    svg = timeline_svg(timeline(sandbox.recording), Options(scale="time"))
    assert "3 nap(100) = 100" in [label.text for label in labels(svg)]
    [bar] = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="(6\d\d[\d.]*)" height="12"', svg)
    left, top, wide = map(float, bar)
    [label] = [label for label in labels(svg) if "nap" in label.text]
    assert left < label.left
    assert label.right < left + wide
    assert top - 2 < label.top < top + 12


async def test_the_figures_on_top_are_those_of_the_trace(sandbox, env, program):
    trace = await run(sandbox, env, program)
    svg = timeline_svg(timeline(trace.recording), figures=trace.figures)
    assert f"{trace.summary()}, {trace.bytes} bytes" in heading(svg)


async def test_the_same_recording_gives_the_same_bytes(sandbox, env, program):
    trace = await run(sandbox, env, program)
    one, other = (timeline_svg(timeline(trace.recording)) for _ in range(2))
    assert one == other


async def test_the_text_has_a_line_for_each_call_inside_the_one_that_made_it(sandbox, env):
    trace = await run(sandbox, env, forwarding)
    assert timeline_text(timeline(trace.recording), times=True).splitlines()[1:4] == [
        "  notebook → a: 1 relay('far') = 'far-3'  [0 s to 110 ms]",
        "    a → b: 2 token('far') = 'far-3'  [40 ms to 70 ms]",
        "  notebook → a: 3 node_of_next() = a stub  [110 ms to 180 ms]",
    ]


async def test_a_moment_pales_what_comes_after_it(sandbox, env):
    trace = await run(sandbox, env, forwarding)
    drawn = timeline(trace.recording)
    svg = timeline_svg(drawn, Options(moment=drawn.calls[2].made_at))
    later = re.findall(r'<g class="call later"><title>(?:call|read) (\d+)', svg)
    assert later == [str(call.number) for call in drawn.calls[2:]]
    assert f"moment {drawn.calls[2].made_at} of {drawn.moments}" in svg


async def test_advice_stands_below(sandbox, env):
    trace = await run(sandbox, env, chain)
    svg = timeline_svg(timeline(trace.recording), advice=["2 awaits could be 1 round trip"])
    assert "Advice: 2 awaits could be 1 round trip" in svg
    assert overlapping(svg) == []


async def test_ten_thousand_events_become_a_small_picture_that_counts_every_call(sandbox, env):
    for number in range(500):
        await rpclab.gather(*[env.A.token(str(number)) for _ in range(4)])
    drawn = timeline(sandbox.recording)
    svg = timeline_svg(drawn)
    assert drawn.moments > 10_000
    assert len(svg) < 200_000
    counts = [int(n) for tip in tooltips(svg) for n in re.findall(r"^calls? .*: (\d+) call", tip)]
    assert sum(counts) == len(drawn.calls) == 2000
    assert overlapping(svg) == []


async def test_a_part_of_a_crowd_is_drawn_call_by_call(sandbox, env):
    for _ in range(300):
        await env.A.token()
    part = closer(timeline(sandbox.recording), 101, 110)
    assert [call.number for call in part.calls] == [*range(101, 111)]
    assert sum(arrow.kind in ("call", "result") for arrow in part.arrows) == 20
    assert overlapping(timeline_svg(part)) == []
    with pytest.raises(ValueError, match="calls 1 to 300"):
        closer(timeline(sandbox.recording), 301, 400)


def test_an_empty_recording_is_a_picture_too():
    parsed(timeline_svg(timeline([])))
    assert timeline_text(timeline([])) == "Timeline: 0 calls, 0 messages, 0 bytes"


NAMES = ["notebook", "a", "<b>&'\"", "工作者" * 9, "a-name-that-is-" * 9, "\x00\ud800\x1b[1m"]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_names_and_times_are_labels_find_room(seed):
    drawn = _made_up(random.Random(seed))  # noqa: S311 - the same each time
    for scale in ("order", "time"):
        svg = timeline_svg(drawn, Options(moment=seed % 7 or None, scale=scale))
        assert overlapping(svg) == []
        assert len(re.findall(r"<title>call \d+:", svg)) == len(drawn.calls)


def _made_up(rng):
    """A timeline of any calls, some of them under way."""
    calls, arrows, moment = [], [], 0
    names = rng.sample(NAMES, rng.randint(2, len(NAMES)))
    for number in range(1, rng.randint(2, 40)):
        caller, worker = rng.choice(names), rng.choice(names)
        sent, took, done = rng.random(), rng.random(), rng.random() < 0.8
        label = f"{rng.choice(NAMES)}({number})"
        by = rng.choice([None, *(call.number for call in calls if call.worker == caller)])
        made_at, came_at = moment, moment + 2
        ways = [("call", caller, worker, sent)] + [("result", worker, caller, sent + took)] * done
        for kind, sender, receiver, at in ways:
            begins, ends = (by, number) if kind == "call" else (number, by)
            arrows.append(Arrow(kind, label, number, sender, receiver, 9, at, at + 0.1,
                                rng.random() < 0.5, moment, moment + 2, begins, ends))  # fmt: skip
            moment += 3
        outcome = rng.choice(["returned", "raised"]) if done else "running"
        ended = sent + took if done else None
        calls.append(CallBar(number, "call", label, "method", caller, worker, None, sent, sent,
                             ended, ended, outcome, "", 0, by, None, (), made_at,
                             moment if done else None, sent + 0.1, came_at, ended,
                             moment - 3 if done else None))  # fmt: skip
    notes = (Note("deployed", "it", (names[0],), 0.0, 0),)
    return Timeline(tuple(map(Lane, names)), tuple(calls), tuple(arrows), notes, 0.0, 2.2, moment)
