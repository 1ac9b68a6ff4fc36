"""Round trips of a recording that grows are those of what there is, and cost little to keep."""

from functools import cache

import pytest
from support.programs import PROGRAMS, deploy
from support.traced import SOURCE

import rpclab
from rpclab.trace import events as ev
from rpclab.trace.replay import Replay
from rpclab.trace.trips import TripCounter


class Counted(TripCounter):
    """Counts how often it looks what a node comes after."""

    def __init__(self, replay):
        super().__init__(replay)
        self.looked = 0
        self._look = self._graph._without_pipelining
        self._graph._without_pipelining = self._looking

    def _looking(self, node):
        self.looked += 1
        return self._look(node)

    def anew(self):
        """How deep the program outside is without pipelining, along each way from the end."""

        @cache
        def depth(node):
            before, _ = self._look(node)
            return max((depth(earlier) + links for earlier, links in before), default=0)

        return depth(self._actors[0])


def counters(events):
    """A counter after each of the events."""
    replay = Replay()
    counter = Counted(replay)
    for event in events:
        replay.play((event,))
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
