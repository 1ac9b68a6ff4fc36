"""Files for Perfetto, and spans for OpenTelemetry."""

import json
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rpclab.trace.perfetto import trace_events
from rpclab.trace.recording import Recording

NEEDED = {
    "M": {"name", "pid", "args"},
    "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
    "s": {"name", "cat", "pid", "tid", "ts", "id"},
    "f": {"name", "cat", "pid", "tid", "ts", "id", "bp"},
    "C": {"name", "pid", "ts", "args"},
}


async def work(env):
    await env.A.root().next().add(1)
    await env.A.relay("hop")
    await env.A.nap(2)
    with pytest.raises(ValueError, match="no"):
        await env.A.fail()


async def test_the_perfetto_file_is_what_the_format_asks_for(sandbox, env, tmp_path):
    await work(env)
    sandbox.recording.to_perfetto(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    for event in events:
        assert NEEDED[event["ph"]] <= set(event)
        assert event.get("ts", 0) >= 0
        assert event.get("dur", 0) >= 0
    names = {event["args"]["name"] for event in events if event["ph"] == "M"}
    assert names == {"links and stubs", "notebook", "a", "b"}


async def test_a_call_is_a_slice_on_each_side_and_two_arrows(sandbox, env):
    await env.A.nap(2)
    events = trace_events(sandbox.recording)
    made, ran = [event for event in events if event["ph"] == "X"]
    assert (made["name"], ran["name"]) == ("→ nap(2)", "nap(2)")
    assert made["pid"] != ran["pid"]
    assert ran["dur"] == pytest.approx(2_000_000)
    for start, finish in pairs(events):
        assert start["ts"] <= finish["ts"]
        assert start["pid"] != finish["pid"]


def pairs(events):
    starts = {event["id"]: event for event in events if event["ph"] == "s"}
    finishes = {event["id"]: event for event in events if event["ph"] == "f"}
    assert starts.keys() == finishes.keys()
    assert starts
    return [(starts[number], finishes[number]) for number in starts]


async def test_an_arrow_ends_in_a_slice_and_slices_of_a_row_do_not_cross(sandbox, env):
    calls = [env.A.nap(seconds) for seconds in (3, 1, 2)]
    for call in calls:
        await call
    events = trace_events(sandbox.recording)
    slices = [event for event in events if event["ph"] == "X"]
    for arrow in [end for pair in pairs(events) for end in pair]:
        assert any(holds(each, arrow) for each in slices)
    for one in slices:
        for other in slices:
            if one is not other and (one["pid"], one["tid"]) == (other["pid"], other["tid"]):
                apart = one["ts"] + one["dur"] <= other["ts"] + 1e-6
                assert apart or other["ts"] + other["dur"] <= one["ts"] + 1e-6


def holds(each, arrow):
    same = (each["pid"], each["tid"]) == (arrow["pid"], arrow["tid"])
    return same and each["ts"] - 1e-6 <= arrow["ts"] <= each["ts"] + each["dur"] + 1e-6


async def test_counters_end_where_nothing_is_left(sandbox, env):
    node = await env.A.root()
    node.dispose()
    await env.A.token()
    counters = [event for event in trace_events(sandbox.recording) if event["ph"] == "C"]
    last = {event["name"]: event["args"]["value"] for event in counters}
    assert last == {"bytes in flight": 0, "live stubs": 0}


@pytest.fixture
def spans(sandbox):
    """Gives the spans of the recording, by name."""

    def export():
        exporter = InMemorySpanExporter()
        count = sandbox.recording.to_spans(SimpleSpanProcessor(exporter))
        finished = exporter.get_finished_spans()
        assert len(finished) == count
        return {span.name: span for span in finished}

    return export


async def test_all_spans_are_one_tree(sandbox, env, spans):
    await work(env)
    found = spans()
    by_id = {span.context.span_id: span for span in found.values()}
    assert len({span.context.trace_id for span in found.values()}) == 1
    roots = [span for span in found.values() if span.parent is None]
    assert [root.name for root in roots] == ["rpclab"]
    for span in found.values():
        assert span.parent is None or span.parent.span_id in by_id
        assert roots[0].start_time <= span.start_time <= span.end_time <= roots[0].end_time


async def test_a_pipelined_call_is_a_child_of_the_one_it_was_made_on(sandbox, env, spans):
    await work(env)
    found = spans()
    parents = {
        name: next(n for n, other in found.items() if other.context.span_id == span.parent.span_id)
        for name, span in found.items()
        if span.parent is not None
    }
    assert parents == {
        "a/root": "rpclab",
        "a/next": "a/root",
        "a/add": "a/next",
        "a/relay": "rpclab",
        "b/token": "a/relay",
        "a/nap": "rpclab",
        "a/fail": "rpclab",
    }


async def test_a_span_has_its_length_and_its_error(sandbox, env, spans):
    await work(env)
    found = spans()
    nap, fail = found["a/nap"], found["a/fail"]
    assert (nap.end_time - nap.start_time) / 1e9 == pytest.approx(2)
    assert fail.status.description == "ValueError: no"
    assert not fail.status.is_ok
    assert nap.attributes["rpc.service"] == "a"


def test_without_opentelemetry_the_error_names_the_extra():
    script = """
import sys
sys.modules["opentelemetry"] = None
from rpclab.trace.recording import Recording
try:
    Recording().to_spans(None)
except ImportError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "OpenTelemetry spans need the extra rpclab[opentelemetry]\n"


def test_an_empty_recording_can_be_exported():
    assert [event["ph"] for event in trace_events(Recording())] == ["M"]
