"""What live views are given, bit by bit, is what the analyses say of the whole."""

import asyncio
import json
from dataclasses import fields
from operator import attrgetter

import pytest
from support.tables import tables_at
from support.traced import READER, busy, deployed
from support.virtual_time import VirtualTimeLoop

import rpclab
from rpclab.trace.feed import COLUMNS, Feed
from rpclab.trace.graph import graph
from rpclab.trace.lifetimes import lifetimes
from rpclab.trace.model import Arrow, CallBar, Interval, Note, StreamPoint, StubBar, TargetBar
from rpclab.trace.pictures.graph_layout import lines_of
from rpclab.trace.round_trips import round_trips
from rpclab.trace.streams import streams
from rpclab.trace.timeline import lanes_by_use, timeline


async def recorded():
    async with rpclab.Sandbox(record=True) as sandbox:
        await busy(sandbox, deployed(sandbox))
        sandbox.deploy("reader", source=READER)
        reader = sandbox.bind(READER="reader").READER
        assert await reader.read(rpclab.ReadableStream([b"x" * 100_000] * 8)) == 800_000
        return list(sandbox.recording)


@pytest.fixture(scope="module")
def recording():
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(recorded())


class Page:
    """What a page has after some news: rows by number, and rows that were appended."""

    def __init__(self):
        self.rows = {kind: {} for kind in COLUMNS}

    def add(self, news):
        for kind, rows in json.loads(json.dumps(news)).items():
            columns = COLUMNS[kind]
            if kind in ("workers", "lanes"):
                self.rows[kind] = dict(enumerate(rows))
            elif columns[:1] == ["number"]:
                self.rows[kind].update((row[0], row) for row in rows)
            else:
                self.rows[kind].update(enumerate(rows, len(self.rows[kind])))

    def __getitem__(self, kind):
        return list(self.rows[kind].values())

    def lines(self, moment):
        """The lines of the graph: what each stands for, and how many of it."""
        found = {}
        for at, kind, holder, worker, name, _, change in self["edges"]:
            if at <= moment:
                things = found.setdefault((kind, holder, worker), {})
                things[name] = things.get(name, 0) + change
        there = {key: {n: k for n, k in things.items() if k} for key, things in found.items()}
        return {key: things for key, things in there.items() if things}

    def tables(self, moment):
        entries = {}
        for at, *key, what, kind, references in self["tables"]:
            if at <= moment:
                entries[tuple(key)] = (what, kind, references)
        return {key: row for key, row in entries.items() if row[0] is not None}


@pytest.fixture(params=[1, 7, 10**6], ids="{} events at a time".format)
def page(request, recording):
    feed, page, events = Feed(), Page(), list(recording)
    for start in range(0, len(events), request.param):
        feed.take(events[start : start + request.param])
        page.add(feed.news())
    assert feed.news() == {}
    return page


def plain(rows, kind):
    """Rows of what the analyses give: the fields that `model.py` names, and no more."""
    named = attrgetter(*(field.name for field in fields(kind)))
    return json.loads(json.dumps([named(row) for row in rows]))


def test_the_rows_are_those_of_the_timeline(recording, page):
    whole = timeline(recording)
    assert page["calls"] == plain(whole.calls, CallBar)
    assert [row[1:] for row in page["arrows"]] == plain(whole.arrows, Arrow)
    assert page["notes"] == plain(whole.notes, Note)
    assert page["workers"] == [lane.name for lane in whole.lanes]
    assert page["lanes"] == lanes_by_use(whole)
    assert page["times"] == [event.at for event in recording]


def test_the_rows_are_those_of_the_lifetimes(recording, page):
    whole = lifetimes(recording)
    assert [row[:-1] for row in page["stubs"]] == plain(whole.stubs, StubBar)
    assert page["targets"] == plain(whole.targets, TargetBar)


def test_the_rows_are_those_of_the_streams(recording, page):
    (stream,) = streams(recording)
    assert page["streams"] == [
        [1, "notebook", "reader", stream.id, stream.opened, stream.closed, "closed", stream.chunks]
    ]
    assert [row[1:] for row in page["points"]] == plain(stream.points, StreamPoint)
    assert [row[2:] for row in page["held"]] == plain(stream.held_back, Interval)


def test_the_rows_are_those_of_the_graph(recording, page):
    assert page.lines(len(recording)) == {
        (line.kind, line.holder, line.worker): dict(line.things)
        for line in lines_of(graph(recording))
    }


def test_the_tables_of_every_moment_can_be_told(recording, page):
    for moment in range(0, len(recording) + 1, 5):
        assert page.tables(moment) == tables_at(recording, moment), moment


def test_the_figures_are_the_round_trips(recording, page):
    pipelined = any(arrow.pipelined for arrow in timeline(recording).arrows)
    compared = round_trips(recording).compared(pipelined=pipelined)
    assert tuple(page["figures"][-1][1:]) == compared


async def chain(env):
    await env.A.root().next().next().depth


async def awaited(env):
    root = await env.A.root()
    following = await root.next()
    await following.depth


async def at_once(env):
    await rpclab.gather(env.A.token("x"), env.B.token("y"))


async def there_and_back(env):
    await env.A.call_back(lambda n: n)


async def with_a_promise_of_another(env):
    await env.A.pair(env.A.token("one"), env.B.token("two"))


async def forwarded(env):
    await (await env.A.node_of_next()).depth


PROGRAMS = [chain, awaited, at_once, there_and_back, with_a_promise_of_another, forwarded]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_round_trips_of_a_recording_are_those_of_a_trace(program):
    async with rpclab.Sandbox(record=True) as sandbox:
        env = deployed(sandbox)
        with sandbox.trace() as trace:
            await program(env)
        assert round_trips(sandbox.recording) == (trace.round_trips, trace.saved)


async def test_the_waits_of_several_streams_have_numbers_of_their_own(sandbox):
    """A page keeps rows by their numbers: two of one number would be one there."""
    sandbox.deploy("reader", source=READER)
    reader = sandbox.bind(READER="reader").READER
    for _ in range(2):
        await reader.read(rpclab.ReadableStream([b"x" * 100_000] * 8))
    feed, page = Feed(), Page()
    for event in sandbox.recording:
        feed.take([event])
        page.add(feed.news())
    held = [(dict(zip(COLUMNS["held"], row, strict=True))) for row in page.rows["held"].values()]
    for stream in streams(sandbox.recording):
        assert stream.held_back
        own = [(each["begin"], each["end"]) for each in held if each["stream"] == stream.number]
        assert own == [(wait.begin, wait.end) for wait in stream.held_back]


def test_the_lines_of_the_graph_are_at_each_moment_those_that_the_analysis_gives(recording):
    feed, page = Feed(), Page()
    for moment, event in enumerate(recording, 1):
        feed.take([event])
        page.add(feed.news())
        if moment % 10 == 0:
            told = {
                (line.kind, line.holder, line.worker): dict(line.things)
                for line in lines_of(graph(recording[:moment]))
            }
            assert page.lines(moment) == told
