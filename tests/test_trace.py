"""Round trips are counted by depth: what had to wait for what, with pipelining and without."""

import asyncio

import pytest
from support.programs import PROGRAMS, SERVICE, deploy


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_round_trips_are_the_depth_of_what_was_waited_for(sandbox, program):
    env = deploy(sandbox)
    with sandbox.trace() as trace:
        await program(env)
    assert (trace.round_trips, trace.saved) == PROGRAMS[program]


async def test_a_trace_counts_calls_messages_and_bytes_of_its_block_alone(sandbox):
    sandbox.deploy("a", source=SERVICE)
    env = sandbox.bind(A="a")
    await env.A.add(1, 2)
    with sandbox.trace() as outer:
        await env.A.add(1, 2)
        with sandbox.trace() as inner:
            await env.A.root().depth()
    assert (inner.calls, inner.messages, inner.round_trips) == (2, 4, 1)
    assert (outer.calls, outer.round_trips, outer.saved) == (3, 2, 1)
    assert outer.bytes > inner.bytes > 0


async def test_the_text_of_a_trace_shows_each_message_between_its_workers(sandbox):
    sandbox.deploy("a", source=SERVICE)
    env = sandbox.bind(A="a")
    with sandbox.trace() as trace:
        await env.A.root().depth()
    assert trace.text().splitlines() == [
        "notebook                          a",
        "│─ 1 root() ─────────────────────▶│",
        "│─ 2 (1).depth(), pipelined ─────▶│",
        "│─ release 1 ────────────────────▶│",
        "│◀──────────────────────── 2 = 1 ─│",
        "1 round trip; 2 without pipelining · 2 calls, 4 messages",
    ]


async def test_a_trace_keeps_no_stub_alive(sandbox):
    sandbox.deploy("a", source=SERVICE)
    env = sandbox.bind(A="a")
    before = sandbox.tables("a")
    with sandbox.trace() as trace:
        await env.A.root().depth()
        await asyncio.sleep(0)
        assert sandbox.tables("a") == before
    assert trace.calls == 2


async def test_calls_are_numbered_over_all_workers_from_the_beginning_of_the_trace(sandbox):
    sandbox.deploy("b", source=SERVICE)
    sandbox.deploy("a", source=SERVICE, bind={"NEXT": "b"})
    env = sandbox.bind(A="a")
    earlier = env.A.add(1, 1)
    with sandbox.trace() as trace:
        await earlier
        await env.A.relay(1, 2)
    assert [(event.kind, event.call, event.text) for event in trace.events] == [
        ("result", None, "2"),
        ("call", 1, "relay(1, 2)"),
        ("call", 2, "add(1, 2)"),
        ("result", 2, "3"),
        ("result", 1, "3"),
    ]
    assert "earlier = 2" in trace.text()
