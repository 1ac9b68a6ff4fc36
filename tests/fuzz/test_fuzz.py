"""A short run of the fuzzer, and every past finding once more."""

from __future__ import annotations

import gc
import json
from fnmatch import fnmatchcase

import pytest

from fuzz import batch, corpus, play, wire
from fuzz.verdict import Finding
from rpclab.codecs.values import DECODERS
from rpclab.core.session import Session

KNOWN = corpus.known()
ENTRIES = corpus.load()
LEVELS = [(level, dialect) for level in ("core", "engine") for dialect in ("msgpack", "capnweb")]
PATIENCE = 400  # units of work of all its steps; a single one is bounded by `worlds.LONG`

pytestmark = pytest.mark.expects_reports


@pytest.mark.parametrize(("level", "dialect"), LEVELS)
def test_an_honest_conversation_is_understood_to_its_end(level, dialect):
    kinds = set()
    for seed in range(40):
        world, found = play.at_random(level, dialect, str(seed), honest=True)
        assert [str(session.closed) for session in world.ends] == ["the fuzzer closes"], seed
        assert [f.signature for f in found if not KNOWN.pattern(f.signature)] == [], seed
        kinds |= _kinds(world)
    if dialect == "capnweb":
        wanted = {"push", "pull", "resolve", "reject", "release", "stream", "pipe"}
    else:
        wanted = set(range(10)) - {wire.ABORT, wire.PULL}
    assert wanted <= kinds


def _kinds(world):
    if world.dialect == "capnweb":
        return {json.loads(frame)[0] for frame in world.came}
    return {wire.unpack(frame)[0] for frame in world.came}


def test_the_fuzzer_has_a_number_for_each_type_that_is_read():
    numbers = {number for number in vars(wire).values() if type(number) is int}
    assert DECODERS.keys() <= numbers


def test_the_same_seed_gives_the_same_session():
    steps = [_steps("core", "msgpack", "7") for _ in range(2)]
    assert steps[0] == steps[1]
    assert steps[0] != _steps("core", "msgpack", "8")


def _steps(level, dialect, seed):
    # When the collector finds a circle is no matter of the seed.
    gc.disable()
    try:
        world, _ = play.at_random(level, dialect, seed, honest=True)
    finally:
        gc.enable()
    return world.came


@pytest.fixture(scope="module")
def short_run():
    """What a few thousand random frames find."""
    summary = batch.Summary()
    for level, count in (("core", 300), ("engine", 120)):
        job = {
            "level": level, "dialects": ["msgpack", "capnweb"], "seed": "test", "first": 0,
            "count": count, "patience": batch.PATIENCE,
        }  # fmt: skip
        batch.run(job, summary)
    return summary


def test_random_frames_do_no_harm(short_run):
    assert short_run.frames > 5000
    new = {signature for signature in short_run.counts if not KNOWN.pattern(signature)}
    assert not new, [str(short_run.examples[signature]) for signature in new]


def test_what_random_frames_are_known_to_find_is_still_found(short_run):
    assert set(KNOWN.signatures) == {KNOWN.pattern(signature) for signature in short_run.counts}


@pytest.fixture(scope="module")
def replayed():
    """What each past finding shows today, by its name and dialect."""
    done = batch.replay(ENTRIES, PATIENCE)
    return {entry.title: found for entry, found in done}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_a_past_finding_is_mended(entry, replayed, request):
    if entry.title in KNOWN.entries:
        reason = KNOWN.entries[entry.title]
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    assert not replayed[entry.title]


def test_what_is_known_to_fail_is_in_the_corpus():
    assert set(KNOWN.entries) <= {entry.title for entry in ENTRIES}


def test_a_session_that_hangs_is_a_finding_and_the_next_one_is_played():
    found = batch.replay(ENTRIES[:2], 0.001)
    assert len(found) == 2
    assert all(any("hangs" in signature for signature in shown) for _, shown in found)


def test_an_exception_that_escapes_is_found_and_shown_with_fewer_steps(monkeypatch):
    receive = Session.receive

    def fails(session, seen, frames):
        planted = any(b"greet" in frame for frame in frames)
        receive(session, seen, frames)
        if planted:
            raise LookupError("planted")

    monkeypatch.setattr(Session, "receive", fails)
    finding = _first("receive raised: LookupError in *")
    least = play.shrunk(finding, lambda f: play.again(f)[1])
    assert len(least.steps) == 1
    assert len(least.steps[0][3]) == 1


def test_a_close_that_leaves_something_is_found(monkeypatch):
    monkeypatch.setattr(Session, "close", lambda session, error: setattr(session, "closed", error))
    assert _first("a closed session keeps exports")
    assert _first("a target of main() is disposed never")


def _first(pattern):
    for seed in range(60):
        _, found = play.at_random("core", "msgpack", str(seed))
        for finding in found:
            if fnmatchcase(finding.signature, pattern):
                assert isinstance(finding, Finding)
                return finding
    raise AssertionError(f"nothing like {pattern}")
