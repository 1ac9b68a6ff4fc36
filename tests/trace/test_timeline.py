"""The timeline of a recording: lanes, bars and arrows, with their times."""

import asyncio

import pytest

import rpclab
from rpclab.trace import events as ev
from rpclab.trace.recording import Recording
from rpclab.trace.timeline import timeline


async def test_a_bar_has_its_times_outcome_and_result(sandbox, env):
    await env.A.nap(3)
    with pytest.raises(ValueError, match="no"):
        await env.A.fail()
    nap, fail = timeline(sandbox.recording).calls
    assert (nap.number, nap.kind, nap.label, nap.method) == (1, "call", "nap(3)", "nap")
    assert (nap.caller, nap.worker, nap.outcome, nap.result) == ("notebook", "a", "returned", "3")
    assert nap.made <= nap.begun <= nap.ended <= nap.settled
    assert nap.ended - nap.begun == pytest.approx(3)
    assert (fail.outcome, fail.result) == ("raised", "ValueError: no")
    assert "test_timeline.py, line" in nap.site


async def test_what_was_pipelined_and_used_and_nested_says_so(sandbox, env):
    node = env.A.root()
    await node.next().depth
    await env.A.pair(env.A.token("x"), 1)
    await env.A.relay("hop")
    calls = timeline(sandbox.recording).calls
    assert [(call.label, call.pipelined_on, call.using, call.by, call.depth) for call in calls] == [
        ("root()", None, (), None, 0),
        ("(1).next()", 1, (), None, 0),
        ("(2).depth", 2, (), None, 0),
        ("token('x')", None, (), None, 0),
        ("pair(a promise, 1)", None, (4,), None, 0),
        ("relay('hop')", None, (), None, 0),
        ("token('hop')", None, (), 6, 1),
    ]


async def test_a_call_of_a_method_without_await_belongs_to_that_method(sandbox, env):
    await env.A.node_of_next()
    outer, inner = timeline(sandbox.recording).calls
    assert (inner.caller, inner.worker, inner.by) == ("a", "b", outer.number)


async def test_a_forwarded_call_is_the_work_of_the_one_that_is_forwarded(sandbox, env):
    node = await env.A.node_of_next()
    await node.add(5)
    *_, outer, inner = timeline(sandbox.recording).calls
    assert (outer.worker, inner.worker, inner.by) == ("a", "b", outer.number)
    assert outer.begun is not None


async def test_a_callback_runs_inside_the_call_that_it_was_given_to(sandbox, env):
    await env.A.call_back(lambda n: n)
    outer, first, second = timeline(sandbox.recording).calls
    assert [call.worker for call in (outer, first, second)] == ["a", "notebook", "notebook"]
    assert first.by == second.by == outer.number


async def test_each_message_is_an_arrow_that_leaves_before_it_arrives(sandbox, env):
    with sandbox.trace() as trace:
        await env.A.root().add(1)
    arrows = timeline(sandbox.recording).arrows
    assert [(arrow.kind, arrow.text, arrow.call, arrow.pipelined) for arrow in arrows] == [
        ("call", "root()", 1, False),
        ("call", "(1).add(1)", 2, True),
        ("release", "1", None, False),  # nobody can ask for its result, so that is not sent
        ("result", "2", 2, False),
    ]
    assert all(arrow.sent_at < arrow.arrived_at for arrow in arrows)
    assert sum(arrow.size for arrow in arrows) == trace.bytes


async def test_arrows_join_the_bar_of_a_call_with_that_of_its_maker(sandbox, env):
    await env.A.relay("hop")
    drawn = timeline(sandbox.recording)
    assert [(arrow.kind, arrow.begins, arrow.ends) for arrow in drawn.arrows] == [
        ("call", None, 1),
        ("call", 1, 2),
        ("result", 2, 1),
        ("result", 1, None),
    ]
    outer, inner = drawn.calls
    asked, asked_next, answer_of_next, answer = drawn.arrows
    assert (outer.arrived, outer.arrived_at) == (asked.arrived, asked.arrived_at)
    assert (inner.arrived, inner.arrived_at) == (asked_next.arrived, asked_next.arrived_at)
    assert (inner.left, inner.left_at) == (answer_of_next.sent, answer_of_next.sent_at)
    assert (outer.left, outer.left_at) == (answer.sent, answer.sent_at)


async def test_the_cancelling_of_a_call_goes_to_its_bar_which_ends_when_its_method_has_ended(
    sandbox, env
):
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(2):
            await env.B.nap(100)
    drawn = timeline(sandbox.recording)
    [cancel, answer] = [each for each in drawn.arrows if each.kind in ("cancel", "error")]
    assert (cancel.begins, cancel.ends) == (None, 1)
    assert (answer.begins, answer.ends) == (1, None)
    [call] = drawn.calls
    assert call.outcome == "cancelled"
    assert (call.left, call.left_at) == (answer.sent, answer.sent_at)


async def test_a_call_that_is_given_up_before_it_is_answered_has_a_bar_until_then(sandbox, env):
    call = asyncio.ensure_future(env.B.nap(100))
    await asyncio.sleep(1)
    call.cancel()
    events = list(sandbox.recording)
    while timeline(events).calls[0].outcome != "cancelled":
        await asyncio.sleep(0)
        events = list(sandbox.recording)
    first = next(n for n, event in enumerate(events) if type(event) is ev.CallCancelled)
    [drawn] = timeline(events[: first + 1]).calls
    assert (drawn.left, drawn.left_at) == (events[first].at, first)


async def test_a_message_under_way_has_not_arrived(sandbox, env):
    env.A.token()
    [arrow] = timeline(sandbox.recording).arrows
    [call] = timeline(sandbox.recording).calls
    assert arrow.arrived is None
    assert (call.outcome, call.begun, call.settled) == ("running", None, None)


async def test_the_notebook_has_the_first_lane_and_notes_tell_of_the_rest(sandbox, env):
    sandbox.deploy("b", source="from workers import WorkerEntrypoint")
    line = timeline(sandbox.recording)
    assert [lane.name for lane in line.lanes] == ["notebook", "b", "a"]
    assert [len(lane.versions) for lane in line.lanes] == [0, 2, 1]
    texts = [note.text for note in line.notes]
    assert texts == [
        "b, version 1", "a: env.NEXT → b", "a, version 1",
        "notebook: env.A → a", "notebook: env.B → b", "b, version 2",
    ]  # fmt: skip


async def test_a_link_that_changes_is_noted_however_it_is_changed(sandbox, env):
    link = sandbox.link("notebook", "a", rtt="80ms")
    link.cut()
    link.mend()
    notes = [note.text for note in timeline(sandbox.recording).notes if note.kind == "link"]
    assert notes == [
        "notebook and a: round trip 80 ms",
        "notebook and a: round trip 80 ms, cut",
        "notebook and a: round trip 80 ms",
    ]


async def test_a_link_between_cities_is_noted_for_the_workers_there_and_cities_have_no_lane(
    sandbox, env
):
    for worker in ("notebook", "a", "b"):
        sandbox.locate(worker, "paris" if worker == "notebook" else "tokyo")
    sandbox.link("notebook", "b", rtt="1ms")
    sandbox.link("paris", "tokyo", rtt="80ms")
    line = timeline(sandbox.recording)
    assert [lane.name for lane in line.lanes] == ["notebook", "b", "a"]
    assert [note.text for note in line.notes if note.kind == "link"] == [
        "notebook and b: round trip 1 ms",
        "a and notebook: round trip 80 ms",
    ]


async def test_on_a_link_a_message_arrives_half_a_round_trip_later(sandbox, env):
    sandbox.link("notebook", "a", rtt="1s")
    await env.A.root().next().add(1)
    line = timeline(sandbox.recording)
    arrived = [arrow for arrow in line.arrows if arrow.arrived is not None]
    assert {round(arrow.arrived - arrow.sent, 6) for arrow in arrived} == {0.5}
    # Nobody can ask for the results of the first two, which stay at the other end.
    assert [round(call.settled - call.made, 6) for call in line.calls] == [0.5, 0.5, 1]


async def test_a_loaded_recording_gives_the_same_timeline(sandbox, env, tmp_path):
    await env.A.root().next().add(5)
    sandbox.recording.save(tmp_path / "x.jsonl")
    assert timeline(Recording.load(tmp_path / "x.jsonl")) == timeline(sandbox.recording)


async def test_after_a_reset_calls_with_the_same_ids_are_other_calls(sandbox, env):
    await env.A.token("before")
    sandbox.reset()
    sandbox.deploy("a", source=SAY)
    await sandbox.bind(A="a").A.say("after")
    labels = [(call.label, call.result) for call in timeline(sandbox.recording).calls]
    assert labels == [("token('before')", "'before-6'"), ("say('after')", "'after'")]


SAY = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def say(self, text):
        return text
"""


async def test_calls_of_a_session_that_ended_are_lost(sandbox, env):
    env.A.nap(100)
    sandbox.close()
    [call] = timeline(sandbox.recording).calls
    assert call.outcome == "lost"


def test_an_empty_recording_has_an_empty_timeline():
    line = timeline(Recording())
    assert (line.lanes, line.calls, line.arrows, line.moments) == ((), (), (), 0)


async def test_a_function_that_is_called_has_its_name(sandbox, env):
    def doubled(number):
        return 2 * number

    with sandbox.trace() as trace:
        await env.A.call_back(doubled)
        await env.A.call_back(lambda number: number)
    labels = [call.label for call in timeline(sandbox.recording).calls if call.caller == "a"]
    assert labels == ["doubled(20)", "doubled(22)", "lambda(20)", "lambda(22)"]
    for text in (trace.text(), sandbox.timeline().text()):
        assert "doubled(20)" in text
        assert "lambda(22)" in text
    later = list(sandbox.recording)
    first = next(n for n, event in enumerate(later) if getattr(event, "path", "") == "call_back")
    begun = next(n for n in range(first, len(later)) if getattr(later[n], "path", "") == ())
    assert timeline(later[begun:]).calls[0].label == "function(20)"
