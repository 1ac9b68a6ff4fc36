"""Round trips of a recording that grows are those of what there is, and cost little to keep."""

import asyncio
import json
from functools import cache

import pytest
from support.programs import PROGRAMS, deploy
from support.traced import SOURCE

import rpclab
from rpclab.trace import events as ev
from rpclab.trace.recording import Recording
from rpclab.trace.round_trips import PROGRAM, TripCounter, round_trips


class Counted(TripCounter):
    """Counts how often it looks what a node comes after, and forgets nothing of that."""

    def __init__(self):
        super().__init__()
        self.looked = 0
        self._look = self._graph.without_pipelining
        self._graph.without_pipelining = self._looking
        self._graph.close = lambda node: setattr(node, "later", None)

    def _looking(self, node):
        self.looked += 1
        return self._look(node)

    def anew(self):
        """How deep the program outside is without pipelining, along each way from the end."""

        @cache
        def depth(node):
            before, _ = self._look(node)
            return max((depth(earlier) + links for earlier, links in before), default=0)

        return depth(self._others[PROGRAM])


def counters(events):
    """A counter after each of the events."""
    counter = Counted()
    for event in events:
        counter.play(event)
        yield counter


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "not pipelined"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_what_was_saved_is_known_after_each_event(program, pipelining):
    async with rpclab.Sandbox(clock="virtual", record=True, pipelining=pipelining) as sandbox:
        env = deploy(sandbox)
        for name in "abc":
            sandbox.link("notebook", name, rtt=1)
        await program(env)
        for counter in counters(sandbox.recording):
            waited, saved = counter.trips
            if all(who == PROGRAM for who in counter._others):
                assert 2 * (waited + saved) == counter.anew()


async def test_a_promise_whose_result_is_missing_makes_no_await_after_it_dearer():
    looked = []
    for awaits in (50, 100, 200):
        async with rpclab.Sandbox(record=True) as sandbox:
            sandbox.deploy("a", source=SOURCE)
            env = sandbox.bind(A="a")
            await env.A.orders(env.A.user())
            for _ in range(awaits):
                await env.A.token()
            events = list(sandbox.recording)
        del events[[type(event) for event in events].index(ev.CallReturned)]
        for counter in counters(events):
            assert counter.trips.waited >= 0
        looked.append(counter.looked)
    assert looked[2] - looked[1] == 2 * (looked[1] - looked[0]) < 1000


async def awaits(env, count):
    for number in range(count):
        await env.A.add(number, 1)


async def test_a_block_is_counted_whole_also_where_its_recording_drops_events():
    count = 1500
    async with rpclab.Sandbox() as sandbox:
        env = deploy(sandbox)
        with sandbox.trace() as trace:
            await asyncio.gather(*[awaits(env, count) for _ in range(3)])
            await env.A.root().next().depth()
    assert trace.recording.dropped > 1000
    assert (trace.round_trips, trace.saved) == (count + 1, 2)


async def test_what_a_counter_keeps_is_bounded(monkeypatch):
    monkeypatch.setattr("rpclab.trace.round_trips.MOST", 100)
    async with rpclab.Sandbox(record=True) as sandbox:
        env = deploy(sandbox)
        await awaits(env, 1000)
        await asyncio.gather(*[awaits(env, 1) for _ in range(1000)])
        assert round_trips(sandbox.recording) == (1001, 0)
        for counter in counters(sandbox.recording):
            tables = [kept for kept in vars(counter).values() if hasattr(kept, "__len__")]
            assert max(map(len, tables)) < 1200
        assert max(map(len, tables)) <= 101


def test_a_block_around_what_is_run_is_counted_too():
    sandbox = rpclab.Sandbox()
    env = deploy(sandbox)
    with sandbox.trace() as trace:
        rpclab.run(awaits(env, 2))
        rpclab.run(awaits(env, 3))
    sandbox.close()
    assert trace.round_trips == 5


async def test_in_a_recording_of_an_earlier_version_those_awaited_who_made_the_calls(tmp_path):
    async with rpclab.Sandbox(record=True) as sandbox:
        env = deploy(sandbox)
        await env.A.relay_far(1, 2)
        await env.A.root().next().depth()
        sandbox.recording.save(tmp_path / "now.jsonl")
    lines = (tmp_path / "now.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    before = [event[:4] if event[1:2] == ["awaited"] else event for event in events[1:]]
    earlier = [json.dumps(event) for event in before if event[1] != "task"]
    (tmp_path / "earlier.jsonl").write_text("\n".join([lines[0], *earlier]), "utf-8")
    assert round_trips(Recording.load(tmp_path / "earlier.jsonl")) == (4, 2)
    assert earlier != lines[1:]


async def test_tasks_that_go_on_at_different_depths_are_told_apart():
    async def far(env):
        await env.A.relay_far(1, 2)

    async def near(env):
        await env.C.add(1, 2)
        await env.C.add(3, 4)

    async with rpclab.Sandbox(record=True) as sandbox:
        env = deploy(sandbox)
        with sandbox.trace() as trace:
            await asyncio.gather(far(env), near(env))
        assert round_trips(sandbox.recording) == (trace.round_trips, trace.saved) == (3, 0)


async def test_a_peer_in_another_program_is_waited_for_as_any():
    async with rpclab.Sandbox(record=True) as sandbox:
        env = deploy(sandbox)
        await env.A.add(1, 2)
        await env.A.root().next().depth()
        events = list(sandbox.recording)
    here = [event for event in events if not getattr(event, "session", "").startswith("a→")]
    assert len(here) < len(events)
    assert round_trips(here) == round_trips(events) == (2, 2)
