"""Round trips are counted by depth: what had to wait for what, with pipelining and without."""

import asyncio

import pytest

import rpclab

SERVICE = """
import asyncio

from workers import RpcTarget, WorkerEntrypoint


class Node(RpcTarget):
    def __init__(self, depth):
        self._depth = depth

    def next(self):
        return Node(self._depth + 1)

    async def later(self):
        await asyncio.sleep(1)
        return Node(self._depth + 1)

    def depth(self):
        return self._depth


class Default(WorkerEntrypoint):
    def root(self):
        return Node(1)

    def add(self, a, b):
        return a + b

    async def twice(self, callback):
        return await callback(1) + await callback(2)

    async def relay(self, a, b):
        return await self.env.NEXT.add(a, b)

    def node_of_next(self):
        return self.env.NEXT.root()

    def fail(self):
        raise ValueError("no")
"""


async def awaited_one_after_another(env):
    await env.A.add(await env.A.add(1, 2), 3)


async def pipelined_chain(env):
    await env.A.root().next().next().depth()


async def pipelined_chain_that_suspends(env):
    await env.A.root().later().later().depth()


async def fan_out(env):
    await rpclab.gather(*[env.A.add(n, n) for n in range(5)])


async def fan_out_with_asyncio(env):
    await asyncio.gather(*[env.A.add(n, n) for n in range(5)])


async def two_after_a_fan(env):
    await asyncio.gather(env.A.add(1, 1), env.A.add(2, 2))
    await env.A.add(3, 3)


async def task_group(env):
    async def both(n):
        await env.A.add(n, 1)
        await env.A.add(n, 2)

    async with asyncio.TaskGroup() as group:
        group.create_task(both(1))
        group.create_task(both(2))
    await env.A.add(0, 0)


async def callbacks(env):
    await env.A.twice(lambda n: n)


async def through_another_worker(env):
    await env.A.relay(1, 2)


async def promise_as_argument(env):
    await env.A.add(env.A.add(1, 2), 3)


async def promise_of_another_worker(env):
    await env.A.add(env.B.add(1, 2), 3)


async def forwarded_stub(env):
    await env.A.node_of_next().next().depth()


async def rejected_chain(env):
    with pytest.raises(ValueError, match="no"):
        await env.A.fail().next().depth()


async def nothing_awaited(env):
    env.A.add(1, 2)


async def mapped(env):
    await env.A.root().map(lambda node: node.next().depth())


PROGRAMS = {
    awaited_one_after_another: (2, 0),
    pipelined_chain: (1, 3),
    pipelined_chain_that_suspends: (1, 3),
    fan_out: (1, 0),
    fan_out_with_asyncio: (1, 0),
    two_after_a_fan: (2, 0),
    task_group: (3, 0),
    callbacks: (3, 0),
    through_another_worker: (2, 0),
    promise_as_argument: (1, 1),
    promise_of_another_worker: (2, 0),
    forwarded_stub: (2, 4),
    rejected_chain: (1, 0),
    nothing_awaited: (0, 0),
    mapped: (1, 1),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
async def test_round_trips_are_the_depth_of_what_was_waited_for(sandbox, program):
    sandbox.deploy("b", source=SERVICE)
    sandbox.deploy("a", source=SERVICE, bind={"NEXT": "b"})
    env = sandbox.bind(A="a", B="b")
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
        "│─ 2 (1).depth() ⇝ ──────────────▶│",
        "│◀─────────────────── 1 = a Node ─│",
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
    assert [(event.kind, event.number, event.text) for event in trace.events] == [
        ("result", 0, "2"),
        ("call", 1, "relay(1, 2)"),
        ("call", 2, "add(1, 2)"),
        ("result", 2, "3"),
        ("result", 1, "3"),
    ]
    assert "earlier = 2" in trace.text()
