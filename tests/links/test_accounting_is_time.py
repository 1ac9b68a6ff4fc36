"""Round trips are no opinion: each takes a second on links of a second, pipelined or not."""

import pytest

import rpclab
from links.programs import PROGRAMS, SERVICE

NAMES = ("notebook", "a", "b", "c")


def far_apart(**options):
    """Three Workers, each a second from every other; a calls b, which calls c."""
    sandbox = rpclab.Sandbox(clock="virtual", **options)
    sandbox.deploy("c", source=SERVICE)
    sandbox.deploy("b", source=SERVICE, bind={"NEXT": "c"})
    sandbox.deploy("a", source=SERVICE, bind={"NEXT": "b"})
    for position, one in enumerate(NAMES):
        for other in NAMES[position + 1 :]:
            sandbox.link(one, other, rtt=1)
    sandbox.bind(A="a", B="b", C="c")
    return sandbox


async def traced(sandbox, program):
    """Run a program; gives its trace, and the seconds it took."""
    before = sandbox.time()
    with sandbox.trace() as trace:
        await program(sandbox.env)
    return trace, sandbox.time() - before


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_round_trips_are_seconds_on_links_of_a_second(program):
    async with far_apart() as sandbox:
        trace, seconds = await traced(sandbox, program)
    assert (trace.round_trips, trace.saved) == PROGRAMS[program]
    assert seconds == trace.round_trips == trace.seconds


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


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_without_pipelining_what_it_saves_is_waited_for(program):
    async with far_apart(pipelining=False) as sandbox:
        trace, seconds = await traced(sandbox, program)
    assert seconds == sum(PROGRAMS[program])
    assert (trace.round_trips, trace.saved) == (seconds, 0)


async def test_a_program_takes_the_same_time_on_each_of_twenty_runs():
    taken = set()
    for _ in range(20):
        async with far_apart() as sandbox:
            _, seconds = await traced(sandbox, next(reversed(PROGRAMS)))
            taken.add((seconds, sandbox.time()))
    assert len(taken) == 1
