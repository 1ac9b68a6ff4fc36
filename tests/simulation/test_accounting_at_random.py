"""Random programs: the round trips of each are its seconds on links of a second."""

import itertools

import pytest
from support.random_programs import deploy, follow, starts_tasks, write

import rpclab
from rpclab.trace.recording import Recording
from rpclab.trace.round_trips import round_trips

PROGRAMS = 300
BLOCKS = 10


async def run(program, *, pipelining=True, **options):
    """Run a program; gives its trace, and the seconds it took."""
    async with rpclab.Sandbox(clock="virtual", pipelining=pipelining, **options) as sandbox:
        env = deploy(sandbox)
        for one, other in itertools.combinations(["notebook", "a", "b", "c"], 2):
            sandbox.link(one, other, rtt=1)
        with sandbox.trace() as trace:
            await follow(program, env)
        return trace, sandbox.time()


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_round_trips_of_random_programs_are_their_seconds(block):
    for seed in range(block, PROGRAMS, BLOCKS):
        program = write(seed)
        trace, seconds = await run(program)
        assert trace.round_trips == pytest.approx(seconds), (seed, program)
        held, longer = await run(program, pipelining=False)
        assert (held.round_trips, held.saved) == (pytest.approx(longer), 0), (seed, program)
        # When a program goes on after a task that it started, only its next call tells.
        if not starts_tasks(program):
            assert trace.saved == pytest.approx(longer - seconds), (seed, program)


async def test_a_saved_recording_tells_the_same(tmp_path):
    for seed in range(20):
        trace, _ = await run(write(seed))
        trace.recording.save(tmp_path / "program.jsonl")
        counted = (trace.round_trips, trace.saved)
        assert round_trips(Recording.load(tmp_path / "program.jsonl")) == counted


def test_the_programs_are_the_same_on_every_run():
    assert write(7) == write(7) != write(8)
