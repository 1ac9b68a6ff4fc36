"""Round trips are no opinion: each takes a second on links of a second, pipelined or not."""

import pytest
from support.programs import PROGRAMS, SERVICE, deploy, pipelined_chain

import rpclab
from rpclab.trace.recording import Recording
from rpclab.trace.round_trips import round_trips
from rpclab.trace.timeline import timeline

NAMES = ("notebook", "a", "b", "c")


def far_apart(**options):
    """Three Workers, each a second from every other."""
    sandbox = rpclab.Sandbox(clock="virtual", **options)
    deploy(sandbox)
    for position, one in enumerate(NAMES):
        for other in NAMES[position + 1 :]:
            sandbox.link(one, other, rtt=1)
    return sandbox


async def traced(sandbox, program):
    """Run a program; gives its trace, and the seconds it took."""
    before = sandbox.time()
    with sandbox.trace() as trace:
        await program(sandbox.env)
    return trace, sandbox.time() - before


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "not pipelined"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_round_trips_are_seconds_on_links_of_a_second(program, pipelining, tmp_path):
    trips, saved = PROGRAMS[program]
    async with far_apart(pipelining=pipelining, record=True) as sandbox:
        trace, seconds = await traced(sandbox, program)
        sandbox.recording.save(tmp_path / "all.jsonl")
    counted = (trace.round_trips, trace.saved)
    # Without pipelining, what it saves is waited for.
    assert counted == ((trips, saved) if pipelining else (trips + saved, 0))
    assert seconds == trace.round_trips == trace.seconds
    loaded = Recording.load(tmp_path / "all.jsonl")
    for recording in (sandbox.recording, trace.recording, loaded):
        assert round_trips(recording) == counted


async def test_the_critical_path_stands_beside_the_count():
    async with far_apart() as sandbox:
        sandbox.link("a", "b", rtt="40ms")
        with sandbox.trace() as trace:
            await sandbox.env.A.relay(1, 2)
    assert trace.summary().startswith("2 round trips in 1.04 s; nothing was pipelined")


async def test_a_real_clock_tells_no_times_for_they_differ_from_run_to_run(sandbox):
    sandbox.deploy("a", source=SERVICE)
    env = sandbox.bind(A="a")
    with sandbox.trace() as trace:
        await env.A.add(1, 2)
    assert trace.seconds is None
    assert trace.summary().startswith("1 round trip; nothing was pipelined")


async def test_without_pipelining_nothing_is_drawn_as_if_it_were():
    async with far_apart(pipelining=False, record=True) as sandbox:
        trace, _ = await traced(sandbox, pipelined_chain)
        calls = timeline(trace.recording).calls
    assert [(call.label, call.pipelined_on) for call in calls] == [
        ("root()", None), ("(1).next()", None), ("(2).next()", None), ("(3).depth()", None),
    ]  # fmt: skip
    assert [(round(call.made), round(call.settled)) for call in calls] == [
        (0, 1), (1, 2), (2, 3), (3, 4),
    ]  # fmt: skip
    assert not any(arrow.pipelined for arrow in timeline(trace.recording).arrows)
    assert ", pipelined" not in trace.text()


async def test_a_call_that_was_held_back_was_made_where_the_program_made_it():
    async with far_apart(pipelining=False, record=True) as sandbox:
        trace, _ = await traced(sandbox, through_a_stub_and_a_promise)
        sites = {call.site for call in timeline(trace.recording).calls if call.by is None}
    assert len(sites) == 1
    assert "test_accounting_is_time.py, line" in sites.pop()


async def through_a_stub_and_a_promise(env):
    await env.A.root().add(env.B.root().depth())


async def test_a_program_takes_the_same_time_on_each_of_twenty_runs():
    taken = set()
    for _ in range(20):
        async with far_apart() as sandbox:
            _, seconds = await traced(sandbox, next(reversed(PROGRAMS)))
            taken.add((seconds, sandbox.time()))
    assert len(taken) == 1


async def use(env, promise):
    return await env.A.add(promise, 1)


async def chain(env, promise):
    node = await env.B.root()
    return await rpclab.gather(node.add(promise), node.depth())


async def wait(_, promise):
    return await rpclab.gather(promise)


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "not pipelined"])
@pytest.mark.parametrize("settled", [True, False], ids=["settled", "under way"])
@pytest.mark.parametrize("later", [use, chain, wait])
async def test_a_promise_of_one_block_can_be_used_in_the_next(later, settled, pipelining):
    async with far_apart(pipelining=pipelining) as sandbox:
        with sandbox.trace() as first:
            for _ in range(5):
                await sandbox.env.B.add(1, 2)
            promise = sandbox.env.A.relay_far(1, 2)
            if settled:
                await promise
        before, counted = sandbox.time(), (first.round_trips, first.saved)
        with sandbox.trace() as second:
            await later(sandbox.env, promise)
        assert 0 <= second.round_trips <= sandbox.time() - before
        assert (first.round_trips, first.saved) == counted
        assert second.saved >= 0


async def test_a_promise_of_a_block_can_be_gathered_after_it():
    async with far_apart() as sandbox:
        with sandbox.trace():
            promise = sandbox.env.A.add(1, 2)
            await promise
        assert await rpclab.gather(promise, sandbox.env.A.add(3, 4)) == [3, 7]
