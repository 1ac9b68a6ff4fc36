"""A recording has every event as a fact, is bounded, keeps nothing alive, and survives a file."""

import asyncio
import gc
import json
import weakref
from contextlib import closing
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.traced import KEEPER, READER, SOURCE, busy

import rpclab
from rpclab.core.events import Actor, ends, opposite
from rpclab.trace import events as ev
from rpclab.trace.reading import read
from rpclab.trace.recording import Recording

SMALL = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=24)
SCALARS = SMALL | st.floats(allow_nan=False, allow_infinity=False) | st.tuples(st.text())


def kinds(sandbox):
    return {type(event) for event in sandbox.recording}


async def kinds_without_pipelining():
    async with rpclab.Sandbox(record=True, pipelining=False) as sandbox:
        sandbox.deploy("a", source=SOURCE)
        await sandbox.bind(A="a").A.root().depth
        return kinds(sandbox)


async def test_every_kind_of_event_comes_from_a_real_run(sandbox, env):
    await busy(sandbox, env)
    sandbox.deploy("keeper", source=KEEPER)
    sandbox.deploy("reader", source=READER)
    env = sandbox.bind(KEEPER="keeper", READER="reader")
    sandbox.link("notebook", "keeper", rtt="2ms")
    box = await env.KEEPER.box()
    async with sandbox.event():
        await box.keep(lambda: 1)
    with pytest.raises(rpclab.DataCloneError):
        await box.keep([lambda: 1, object()])
    assert await env.READER.read(rpclab.ReadableStream([b"x" * 100_000] * 8)) == 800_000
    await env.READER.peek(rpclab.ReadableStream([b"x" * 100_000] * 80))
    assert await asyncio.gather(env.READER.itself(lambda: 1)) == [1]
    assert await env.READER.numbers().map(lambda number: [number]) == [[1], [2]]
    sandbox.close()
    seen = kinds(sandbox) | await kinds_without_pipelining()
    assert set(ev.KINDS.values()) - seen == set()
    assert ev.Other not in seen


async def test_a_call_says_what_was_called_with_what_and_where(sandbox, env):
    await env.A.pair(1, other="x" * 100)
    [sent] = [event for event in sandbox.recording if type(event) is ev.CallSent]
    assert (sent.session, sent.path, sent.args) == ("notebook→a", "pair", (1,))
    assert sent.keywords == (("other", ("'xxxxxxxxxxxxxxxxxxx…'",)),)
    assert sent.site is not None
    assert "test_recording.py, line" in sent.site
    assert sent.size > 100


async def test_a_call_made_by_a_method_names_the_call_that_it_answers(sandbox, env):
    await env.A.relay("hop")
    outer, inner = [event for event in sandbox.recording if type(event) is ev.CallSent]
    assert outer.by is None
    assert inner.by == (opposite(outer.session), outer.id)


async def test_times_are_those_of_the_clock(sandbox, env):
    await env.A.nap(7)
    went_on, returned = (
        next(event for event in sandbox.recording if type(event) is kind)
        for kind in (ev.CallWentOn, ev.CallReturned)
    )
    assert returned.at - went_on.at == pytest.approx(7)


def test_what_was_recorded_before_a_loop_ran_stands_at_the_beginning():
    async def call():
        await env.A.token()

    with closing(rpclab.Sandbox(record=True)) as sandbox:
        sandbox.deploy("a", source=SOURCE)
        env = sandbox.bind(A="a")
        before = len(sandbox.recording)
        assert {event.at for event in sandbox.recording} == {0}
        asyncio.run(call())
        times = [event.at for event in sandbox.recording]
    assert times[0] > 0
    assert len({*times[:before]}) == 1
    assert times == sorted(times)


async def test_all_who_watch_are_told_the_same_in_one_order_and_at_one_time(sandbox, env):
    told, other = [], Recording()
    sandbox.engine.watch(told.append)
    sandbox.engine.watch(other)
    before = len(sandbox.recording)
    await busy(sandbox, env)
    seen = sandbox.recording[before:]
    assert [ev.KINDS[kind] for kind, *_ in told] == [type(event) for event in seen]
    assert [(type(event), event.at) for event in other] == [(type(e), e.at) for e in seen]
    called = next(event for event in told if event[0] == "call")
    assert read((seen[0].at, *called)) in seen


async def burst(root, looks=lambda: None):
    """Calls that travel in runs, of two tasks, and a look at the recording between them."""

    async def of_another_task():
        return await rpclab.gather(*[root.add(amount) for amount in range(40)])

    task = asyncio.create_task(of_another_task())
    await asyncio.sleep(0)
    first = [root.add(amount) for amount in range(3)]
    looks()
    second = [root.add(amount) for amount in range(100)]
    await rpclab.gather(*first, *second)
    await task


def burst_of(events):
    """What is recorded of a burst, but for when, and what depends on the numbers of calls."""
    begin = next(n for n, event in enumerate(events) if getattr(event, "path", "") == "add")
    first = events[begin].id
    blank = {"at": 0, "size": 0, "number": 0}
    told = []
    for event in events[begin:]:
        given = event._asdict()
        given.update({name: value for name, value in blank.items() if name in given})
        if "id" in given:
            given["id"] -= first
        if "ids" in given:
            given["ids"] = [number - first for number in given["ids"]]
        if "task" in given:
            given["task"] = bool(given["task"])
        told.append((type(event), given))
    return told


async def test_calls_in_a_run_are_recorded_each_by_itself_whenever_somebody_looks(sandbox, env):
    recording, seen = sandbox.recording, []
    root = await env.B.root()
    for looks in (lambda: None, lambda: len(recording), lambda: list(recording)):
        before = len(recording)
        await burst(root, looks)
        seen.append(recording[before:])
        times = [event.at for event in seen[-1]]
        assert times == sorted(times)
    # One told at once, and never of several together.
    told = []
    sandbox.engine.watch(lambda event: told.append(read((0.0, *event))))
    await burst(root)
    for events in (*seen, told):
        assert burst_of(events) == burst_of(seen[0])
    calls = [event for event in seen[0] if type(event) is ev.CallSent]
    assert [event.args for event in calls] == [(n,) for n in (*range(40), *range(3), *range(100))]
    assert len({(event.by, event.task) for event in calls}) == 2
    assert {event.value for event in seen[0] if type(event) is ev.CallReturned} == {*range(1, 101)}
    assert len({event.site for event in calls}) == 3


def test_calls_in_a_run_that_compute_long_have_each_a_time_of_its_own(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("rpclab.rpc.observing.time", SimpleNamespace(monotonic=lambda: now[0]))

    class Computing(rpclab.RpcTarget):
        def for_so_long(self, seconds):
            now[0] += seconds
            return seconds

    def computing(seconds):
        now[0] += seconds
        return seconds

    async def calls(sandbox):
        stub = await sandbox.bind(A="a").A.same(Computing())
        before = len(sandbox.recording)
        called = [stub.for_so_long(computing(2.0**n)) for n in range(5)]
        assert await rpclab.gather(*called) == [1, 2, 4, 8, 16]
        return sandbox.recording[before:]

    with closing(rpclab.Sandbox(record=True)) as sandbox:
        sandbox.deploy("a", source=SOURCE)
        events = asyncio.run(calls(sandbox))
    runs = (ev.CallSent, ev.CallReturned)
    at = [[event.at - 100 for event in events if type(event) is kind] for kind in runs]
    assert at == [[1, 3, 7, 15, 31], [32, 34, 38, 46, 62]]


async def test_a_bounded_recording_counts_the_calls_that_were_in_a_run(env):
    with closing(rpclab.Sandbox()) as sandbox:
        sandbox.deploy("b", source=SOURCE)
        root = await sandbox.bind(B="b").B.root()
        before, whole, small = Recording(), Recording(), Recording(limit=50)
        for recording in (before, whole, small):  # of a task that is done the next one tells
            sandbox.engine.watch(recording)
            for _ in range(3):
                await burst(root)
            sandbox.engine.unwatch(recording)
    assert len(small) == 50
    assert len(small) + small.dropped == len(whole)
    shown = [(type(event), getattr(event, "value", None)) for event in small]
    assert shown == [(type(event), getattr(event, "value", None)) for event in whole[-50:]]


async def test_a_recording_that_was_cleared_goes_on_in_the_middle_of_a_run(sandbox, env):
    root = await env.B.root()
    before = [root.add(amount) for amount in range(5)]
    sandbox.recording.clear()
    after = [root.add(amount) for amount in range(5)]
    await rpclab.gather(*before, *after)
    kinds = [type(event) for event in sandbox.recording]
    assert (kinds.count(ev.CallSent), kinds.count(ev.CallReturned)) == (5, 10)


async def test_nobody_is_told_anything_where_nobody_records():
    with closing(rpclab.Sandbox()) as sandbox:
        assert sandbox.recording is None
        assert sandbox.engine.observe is None
        with sandbox.trace():
            assert sandbox.engine.observe is not None
        assert sandbox.engine.observe is None


@pytest.mark.expects_reports
async def test_an_observer_that_raises_is_dropped_and_the_others_go_on(sandbox, env, caplog):
    seen = []

    def careless(event):
        seen.append(event)
        raise LookupError("oh")

    sandbox.engine.watch(careless)
    before = len(sandbox.recording)
    assert await env.A.token() == "token-5"
    assert len(seen) == 1
    assert len(sandbox.recording) > before + 5
    assert "an observer failed and was dropped: LookupError('oh')" in caplog.text


async def test_a_recording_is_bounded_and_counts_what_it_drops(env, sandbox):
    small = Recording(limit=50)
    sandbox.engine.watch(small)
    mark = small.mark
    for _ in range(100):
        await env.A.token()
    assert len(small) == 50
    assert small.dropped > 500
    handed = small.since(mark)
    assert (len(handed.events), handed.missed) == (50, small.dropped)
    assert handed.mark == small.mark == small.dropped + 50
    assert small.since(small.mark).events == []


async def test_since_gives_each_event_once(sandbox, env):
    recording = sandbox.recording
    mark, seen = 0, []
    for _ in range(5):
        await env.A.token()
        handed = recording.since(mark)
        mark = handed.mark
        seen += handed.events
    assert seen == list(recording)


async def test_a_recording_keeps_no_value_target_stub_or_error_alive(sandbox, env):
    class Thing(rpclab.RpcTarget):
        def poke(self, value):
            return value

    class Odd(ValueError):
        pass

    thing, error = Thing(), Odd("odd")
    watched = [weakref.ref(thing), weakref.ref(error)]

    def fail(_amount, error=error):
        raise error

    watched.append(weakref.ref(fail))
    stub = rpclab.RpcStub(thing)
    watched += [weakref.ref(stub), weakref.ref(stub.__handle__)]
    await stub.poke([1, 2])
    await env.A.same(thing)
    with pytest.raises(ValueError, match="odd"):
        await env.A.call_back(fail)
    stub.dispose()
    del thing, error, fail, stub, Odd, Thing
    await asyncio.sleep(1)
    gc.collect()
    await asyncio.sleep(1)
    gc.collect()
    assert [ref() for ref in watched] == [None] * 5
    assert {type(part) for kept in sandbox.recording.kept for part in leaves(kept)} <= {
        str, int, float, bool, type(None), Actor,
    }  # fmt: skip


def leaves(value):
    if type(value) in (tuple, list):
        for part in value:
            yield from leaves(part)
    else:
        yield value


async def test_the_same_program_gives_the_same_events_on_every_run(tmp_path):
    texts = []
    for run in range(2):
        sandbox = rpclab.Sandbox(record=True)
        for name, bind in (("b", {}), ("a", {"NEXT": "b"})):
            sandbox.deploy(name, source=SOURCE, bind=bind)
        await busy(sandbox, sandbox.bind(A="a", B="b"))
        sandbox.close()
        sandbox.recording.save(tmp_path / str(run))
        lines = (tmp_path / str(run)).read_text("utf-8").splitlines()
        texts.append([line.partition(",")[2] for line in lines])
    assert texts[0] == texts[1]


# Files.


async def test_a_recording_survives_a_file(sandbox, env, tmp_path):
    await busy(sandbox, env)
    path = tmp_path / "lesson.jsonl"
    sandbox.recording.save(path)
    loaded = Recording.load(path)
    assert list(loaded) == list(sandbox.recording)
    assert repr(loaded) == repr(sandbox.recording)
    assert not loaded.virtual
    loaded.save(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == path.read_text()


@given(st.lists(st.tuples(st.floats(0, 1e6), st.lists(SCALARS, max_size=5), SCALARS)))
def test_whatever_is_called_with_comes_back_from_a_file(tmp_path_factory, calls):
    recording = Recording()
    for number, (_, args, value) in enumerate(calls, 1):
        sent = ("call", "a→b", number, -1, "m", tuple(args), 3, None, None, (), None)
        recording(sent)
        recording(("result", "b→a", number, value, 5))
    path = tmp_path_factory.mktemp("files") / "calls.jsonl"
    recording.save(path)
    assert list(Recording.load(path)) == list(recording)


def test_what_json_cannot_say_is_written_down(tmp_path):
    recording = Recording()
    recording(("result", "b→a", 1, float("nan"), 5))
    recording(("result", "b→a", 2, 1 << 70, 5))
    recording.save(tmp_path / "odd.jsonl")
    for line in (tmp_path / "odd.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    values = [event.value for event in Recording.load(tmp_path / "odd.jsonl")]
    assert values == [("nan",), ("1180591620717411303424",)]


def test_an_event_of_a_kind_not_known_yet_is_kept_and_saved(tmp_path):
    recording = Recording()
    recording(("of tomorrow", "a→b", 5))
    recording.save(tmp_path / "new.jsonl")
    [event] = Recording.load(tmp_path / "new.jsonl")
    assert (event.kind, event.details) == ("of tomorrow", ("a→b", 5))


HEADER = '{"file":"rpclab recording","version":1}'

REFUSED = {
    "": "line 1: this is no JSON",
    "{}": "this is no recording of rpclab",
    '{"file":"rpclab recording","version":99}': "this is a recording of version 99",
    '{"file":"rpclab recording","version":"x"}': "this is a recording of version x",
    '{"file":"rpclab recording","version":1,"dropped":-1}': 'line 1: "dropped" is not how many',
    '{"file":"rpclab recording","version":1,"clock":"sun"}': 'line 1: "clock" is none of real, v',
    f"{HEADER}\n[1]": "line 2: this is no event",
    f'{HEADER}\n[0,"left","a→b",1]\n[': "line 3: this is no JSON",
    f'{HEADER}\n[NaN,"left","a→b",1]': "line 2: this is no JSON: NaN is no number",
    f'{HEADER}\n["0","left","a→b",1]': "line 2: its time is '0', and no number",
    f'{HEADER}\n[0,5,"a→b",1]': "line 2: its kind is 5, and no text",
    f'{HEADER}\n[0,"left","a→b"]': "line 2: an event 'left' has 2 fields after that, and here a",
    f'{HEADER}\n[0,"result","a→b",1]': "line 2: an event 'result' has 4 to 5 fields after that",
    f'{HEADER}\n[0,"left","a→b",1,1]': "line 2: an event 'left' has 2 fields after that, and he",
    f'{HEADER}\n[0,"left","a→b",-1]': "the field 'messages' of an event 'left' is -1, and not a",
    f'{HEADER}\n[0,"left","ab",1]': "the field 'session' of an event 'left' is 'ab', and not the",
    f'{HEADER}\n[0,"settled","a→b",true]': "the field 'id' of an event 'settled' is True, and no",
    f'{HEADER}\n[0,"awaited","a→b",7]': "the field 'ids' of an event 'awaited' is 7, and not a li",
    f'{HEADER}\n[0,"owned",1,[2]]': "the field 'context' of an event 'owned' is (2,), and not a n",
    HEADER + "[" * 100_000: "line 1: this is no JSON",
}
"""By what stands in a file, what is said of it."""


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[-24:])
def test_a_file_that_is_no_recording_is_refused_in_words(tmp_path, text):
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(rpclab.RecordingError) as refused:
        Recording.load(path)
    assert str(refused.value).startswith(f"{path}")
    assert REFUSED[text] in str(refused.value)
    assert refused.value.filename == str(path)
    assert (f", line {refused.value.line}:" in str(refused.value)) == (refused.value.line > 0)
    assert isinstance(refused.value, ValueError)


def test_a_file_that_is_no_text_is_refused_in_words(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(rpclab.RecordingError, match=r"png, line 1: this is no text in UTF-8"):
        Recording.load(path)


def test_a_file_without_a_clock_is_of_a_real_one(tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_text(f'{HEADER}\n[0.5,"left","a→b",1]\n[1,"result","a→b",1,5,9]\n', "utf-8")
    loaded = Recording.load(path)
    assert list(loaded) == [ev.Left(0.5, "a→b", 1), ev.CallReturned(1, "a→b", 1, 5, 9)]
    assert (loaded.dropped, loaded.virtual) == (0, False)


def test_the_ends_of_a_session_know_each_other():
    for label in ("a→b", "b→a", "a→a", "a↩a", "x↩y→z", "x↩y→x↩y", "x↩y↩x↩y"):
        assert opposite(opposite(label)) == label
        assert ends(opposite(label)) == ends(label)[::-1]
    assert ends("x↩y↩x↩y") == ("x↩y", "x↩y")


def test_a_recording_shows_how_much_it_has():
    recording = Recording(limit=2, now=iter(range(9)).__next__)
    assert repr(recording) == "<Recording, empty>"
    for number in range(3):
        recording(("left", "a→b", number))
    assert repr(recording) == "<Recording of 2 events in 1 s, 1 older ones dropped>"
    assert recording[-1] == ev.Left(2, "a→b", 2)
    assert recording[:1] == [ev.Left(1, "a→b", 1)]
