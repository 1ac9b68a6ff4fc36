"""A recording that was damaged is refused in words, or can be looked at."""

import asyncio
import json
import random

import pytest
from support.traced import READER, SOURCE, busy
from support.virtual_time import VirtualTimeLoop

import rpclab
from rpclab import views
from rpclab.trace.feed import Feed
from rpclab.trace.recording import Recording

ODD = [None, 0, 1, -1, 7, 1.5, "x", "", "a→b", "a↩a", [], ["a→b", 1], [["a→b", 1]], True, {}]
ODD += [10**9, 10**30, 10**400, float("inf"), -float("inf")]


async def record(path):
    async with rpclab.Sandbox(record=True) as sandbox:
        sandbox.deploy("b", source=SOURCE)
        sandbox.deploy("a", source=SOURCE, bind={"NEXT": "b"})
        sandbox.deploy("reader", source=READER)
        env = sandbox.bind(A="a", B="b", READER="reader")
        await busy(sandbox, env)
        await env.READER.read(rpclab.ReadableStream([b"x" * 100_000] * 8))
        sandbox.recording.save(path)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "whole.jsonl"
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(record(path))
    return path.read_text("utf-8").splitlines()


def lose(dice, events):
    del events[dice.randrange(len(events))]


def repeat(dice, events):
    events.insert(dice.randrange(len(events)), dice.choice(events))


def swap(dice, events):
    one, other = dice.sample(range(len(events)), 2)
    events[one], events[other] = events[other], events[one]


def shorten(dice, events):
    event = dice.choice([event for event in events if event])
    del event[dice.randrange(len(event))]


def spoil(dice, events):
    event = dice.choice([event for event in events if event])
    event[dice.randrange(len(event))] = dice.choice(ODD)


def exchange(dice, events):
    event = dice.choice(events)
    alike = [other for other in events if other[1:2] == event[1:2] and len(other) == len(event)]
    position = dice.randrange(2, len(event))
    event[position] = dice.choice(alike)[position]


def damaged(lines, seed):
    """A recording with a few faults; and whether all its lines are events."""
    dice = random.Random(seed)  # noqa: S311 - a test
    header, *events = map(json.loads, lines)
    fault = dice.choice([lose, repeat, swap, shorten, spoil, exchange])
    for _ in range(dice.randint(1, 3)):
        fault(dice, events)
    return written([header, *events]), fault not in (shorten, spoil)


def written(events):
    """The lines of a file; a number that is too large for a float is read as infinity."""
    return "\n".join(map(json.dumps, events)).replace("Infinity", "1e999")


@pytest.mark.parametrize("seed", range(48))
def test_a_damaged_recording_is_refused_in_words_or_can_be_looked_at(lines, seed, tmp_path):
    text, well_formed = damaged(lines, seed)
    path = tmp_path / "damaged.jsonl"
    path.write_text(text, "utf-8")
    try:
        recording = Recording.load(path)
    except rpclab.RecordingError as error:
        assert not well_formed
        assert error.line > 1  # noqa: PT017 - it may be refused, and need not
        return
    look_at(recording)


def look_at(recording):
    views.view(recording).html()
    feed = Feed()
    feed.take(recording)
    assert feed.news()


@pytest.mark.parametrize("kind", ["left", "arrived", "applied"])
@pytest.mark.parametrize("count", [10**9, 2**53 - 1])
def test_a_count_of_messages_that_there_never_were_costs_nothing(lines, kind, count, tmp_path):
    header, *events = map(json.loads, lines)
    for event in events:
        if event[1] == kind:
            event[3] = count
    path = tmp_path / "damaged.jsonl"
    path.write_text(written([header, *events]), "utf-8")
    look_at(Recording.load(path))


@pytest.mark.parametrize(
    "number",
    [2**53, 10**30, 10**400, float("inf"), -float("inf")],
    ids=["2**53", "10**30", "10**400", "infinity", "-infinity"],
)
@pytest.mark.parametrize("field", ["time", "count"])
def test_a_number_that_no_recording_has_is_refused(lines, number, field, tmp_path):
    header, *events = map(json.loads, lines)
    event = next(event for event in events if event[1] == "left")
    event[0 if field == "time" else 3] = number
    path = tmp_path / "damaged.jsonl"
    path.write_text(written([header, *events]), "utf-8")
    with pytest.raises(rpclab.RecordingError, match=r"and no number|and not a number") as refused:
        Recording.load(path)
    assert refused.value.line == events.index(event) + 2
