"""Programs whose round trips are known: counted, recorded, and measured on links of a second."""

from __future__ import annotations

import asyncio

import pytest

import rpclab
from rpclab import RpcTarget

SERVICE = """
import asyncio

from workers import RpcTarget, WorkerEntrypoint


class Node(RpcTarget):
    def __init__(self, depth):
        self._depth = depth

    @property
    def value(self):
        return self._depth

    @property
    def below(self):
        return Node(self._depth + 1)

    def next(self):
        return Node(self._depth + 1)

    async def later(self):
        await asyncio.sleep(0)
        return Node(self._depth + 1)

    def depth(self):
        return self._depth

    def add(self, number):
        return self._depth + number

    def take(self, node):
        return node.depth()


class Default(WorkerEntrypoint):
    def root(self):
        return Node(1)

    def nodes(self, count):
        return [Node(depth) for depth in range(count)]

    def data(self):
        return {"user": {"id": 7, "node": Node(7)}}

    def add(self, a, b):
        return a + b

    async def twice(self, callback):
        return await callback(1) + await callback(2)

    async def at_once(self, callback):
        return sum(await asyncio.gather(callback(1), callback(2)))

    async def relay(self, a, b):
        return await self.env.NEXT.add(a, b)

    async def relay_far(self, a, b):
        return await self.env.NEXT.relay(a, b)

    async def relay_chain(self):
        return await self.env.NEXT.root().next().depth()

    def node_of_next(self):
        return self.env.NEXT.root()

    async def awaited_node_of_next(self):
        return await self.env.NEXT.root()

    def node_from_afar(self):
        return self.env.NEXT.node_of_next()

    async def depth_of(self, node):
        return await node.depth()

    async def depth_below(self, node):
        return await node.next().depth()

    def same(self, value):
        return value

    async def node_of_next_later(self):
        await self.env.NEXT.add(1, 2)
        return self.env.NEXT.root()

    def fail(self):
        raise ValueError("no")

    async def fail_later(self):
        await self.env.NEXT.add(1, 2)
        raise ValueError("no")
"""


def deploy(sandbox):
    """Deploy three Workers, of which a calls b, and b calls c; gives the bindings A, B and C."""
    sandbox.deploy("c", source=SERVICE)
    sandbox.deploy("b", source=SERVICE, bind={"NEXT": "c"})
    sandbox.deploy("a", source=SERVICE, bind={"NEXT": "b"})
    return sandbox.bind(A="a", B="b", C="c")


class Own(RpcTarget):
    def hello(self, name):
        return f"hello {name}"


async def awaited_one_after_another(env):
    await env.A.add(await env.A.add(1, 2), 3)


async def pipelined_chain(env):
    await env.A.root().next().next().depth()


async def pipelined_chain_that_suspends(env):
    await env.A.root().later().later().depth()


async def chain_with_blocks(env):
    with env.A.root() as node, node.next() as below:
        await below.depth()


async def half_awaited_chain(env):
    node = await env.A.root().next()
    await node.next().next().depth()


async def fan_out(env):
    await rpclab.gather(*[env.A.add(n, n) for n in range(5)])


async def fan_out_with_asyncio(env):
    await asyncio.gather(*[env.A.add(n, n) for n in range(5)])


async def two_after_a_fan(env):
    await asyncio.gather(env.A.add(1, 1), env.A.add(2, 2))
    await env.A.add(3, 3)


async def fan_of_chains(env):
    await asyncio.gather(*[env.A.root().next().depth() for _ in range(3)])


async def chains_of_two_lengths(env):
    await rpclab.gather(env.A.root().next().next().depth(), env.B.root().depth())


async def fan_over_workers_then_one_more(env):
    a, b, c = await asyncio.gather(env.A.add(1, 1), env.B.add(2, 2), env.C.add(3, 3))
    await env.A.add(a, b + c)


async def fan_on_one_promise(env):
    node = env.A.root().next()
    await rpclab.gather(node.depth(), node.add(1), node.next().depth())


async def task_group(env):
    async def both(n):
        await env.A.add(n, 1)
        await env.B.root().next().depth()

    async with asyncio.TaskGroup() as group:
        group.create_task(both(1))
        group.create_task(both(2))
    await env.A.add(0, 0)


async def task_group_of_one_worker(env):
    async def both(n):
        await env.A.add(n, 1)
        await env.A.add(n, 2)

    async with asyncio.TaskGroup() as group:
        group.create_task(both(1))
        group.create_task(both(2))
    await env.A.add(0, 0)


async def callbacks(env):
    await env.A.twice(lambda n: n)


async def callbacks_at_once(env):
    await env.A.at_once(lambda n: n)


async def callback_that_calls_on(env):
    async def deeper(n):
        return n + await env.B.root().next().depth()

    await env.A.twice(deeper)


async def through_another_worker(env):
    await env.A.relay(1, 2)


async def through_two_others(env):
    await env.A.relay_far(1, 2)


async def pipelined_in_the_middle(env):
    await env.A.relay_chain()


async def promise_as_argument(env):
    await env.A.add(env.A.add(1, 2), 3)


async def promise_of_another_worker(env):
    await env.A.add(env.B.add(1, 2), 3)


async def promises_as_arguments_of_another_worker(env):
    await env.A.add(env.B.add(1, 2), env.C.add(3, 4))


async def nested_promised_arguments(env):
    await env.A.add(env.B.add(env.C.add(1, 2), 3), 4)


async def promised_stub_as_argument(env):
    await env.A.depth_of(env.A.root().next())


async def promised_stub_of_another_worker(env):
    await env.B.depth_below(env.A.root())


async def promised_argument_on_a_promise(env):
    await env.A.root().add(env.A.add(1, 2))


async def later_argument_on_a_promise(env):
    await env.A.root().add(env.B.root().next().depth())


async def call_behind_a_promised_argument(env):
    node = await env.A.root()
    await rpclab.gather(node.add(env.B.add(1, 2)), node.depth())


async def behind_an_argument_that_is_there(env):
    three = env.A.add(1, 2)
    env.A.add(three, 4)
    await env.A.root()


async def behind_an_argument_that_is_not_there(env):
    three = env.A.relay(1, 2)
    env.A.add(three, 4)
    await env.A.relay(5, 6)


async def behind_arguments_of_several_depths(env):
    node = await env.A.root()
    later = env.B.root().next().depth()
    await rpclab.gather(node.add(later), node.add(env.B.add(1, 2)), node.depth())


async def behind_an_argument_that_fails(env):
    node = await env.A.root()
    failing, behind = node.add(env.B.fail_later()), node.depth()
    with pytest.raises(ValueError, match="no"):
        await failing
    await behind


async def forwarded_stub(env):
    await env.A.node_of_next().next().depth()


async def forwarded_stub_that_was_awaited(env):
    await env.A.awaited_node_of_next().next().depth()


async def forwarded_stub_of_a_method_that_waited(env):
    await env.A.node_of_next_later().next().depth()


async def forwarded_from_three_hops_away(env):
    await env.A.node_from_afar().next().depth()


async def awaited_stub_from_three_hops_away(env):
    node = await env.A.node_from_afar()
    await node.next().depth()


async def stub_given_to_another_worker(env):
    node = await env.A.root()
    await env.B.depth_below(node)


async def property_of_a_promise(env):
    await env.A.root().value


async def properties_of_properties(env):
    await env.A.root().below.below.value


async def property_as_argument(env):
    await env.A.add(env.A.root().value, 1)


async def part_of_a_result(env):
    await env.A.data()["user"].node.depth()


async def awaited_part_of_a_result(env):
    data = await env.A.data()
    await data["user"]["node"].next().depth()


async def mapped(env):
    await env.A.root().map(lambda node: node.next().depth())


async def mapped_list(env):
    await env.A.nodes(3).map(lambda node: {"depth": node.next().depth()})


async def mapped_with_a_stub_of_another_worker(env):
    other = await env.B.root()
    await env.A.nodes(2).map(lambda node: other.add(node.depth()))


async def mapped_and_pipelined(env):
    await env.A.root().map(lambda node: node.next()).depth()


async def mapped_and_forwarded(env):
    await env.A.node_of_next().map(lambda node: node.next().depth())


async def object_that_came_home(env):
    await env.A.same(Own()).hello("you")


async def rejected_chain(env):
    with pytest.raises(ValueError, match="no"):
        await env.A.fail().next().depth()


async def rejected_argument(env):
    with pytest.raises(ValueError, match="no"):
        await env.A.add(env.B.fail(), 1)


async def chain_rejected_later(env):
    with pytest.raises(ValueError, match="no"):
        await env.A.fail_later().next().depth()


async def argument_rejected_later(env):
    with pytest.raises(ValueError, match="no"):
        await env.A.add(env.A.fail_later(), 1)


async def nothing_awaited(env):
    env.A.add(1, 2)


async def chain_not_awaited(env):
    env.A.root().next()


async def a_mix(env):
    node = env.A.root().next()
    left, right = await rpclab.gather(node.depth(), env.B.add(node.depth(), 1))
    total = await env.A.relay(left, right)
    await rpclab.gather(env.C.depth_below(node), env.A.twice(lambda n: n + total))


PROGRAMS = {
    awaited_one_after_another: (2, 0),
    pipelined_chain: (1, 3),
    pipelined_chain_that_suspends: (1, 3),
    chain_with_blocks: (1, 2),
    half_awaited_chain: (2, 3),
    fan_out: (1, 0),
    fan_out_with_asyncio: (1, 0),
    two_after_a_fan: (2, 0),
    fan_of_chains: (1, 2),
    chains_of_two_lengths: (1, 3),
    fan_over_workers_then_one_more: (2, 0),
    fan_on_one_promise: (1, 3),
    task_group: (3, 2),
    task_group_of_one_worker: (3, 0),
    callbacks: (3, 0),
    callbacks_at_once: (2, 0),
    callback_that_calls_on: (5, 4),
    through_another_worker: (2, 0),
    through_two_others: (3, 0),
    pipelined_in_the_middle: (2, 2),
    promise_as_argument: (1, 1),
    promise_of_another_worker: (2, 0),
    promises_as_arguments_of_another_worker: (2, 0),
    nested_promised_arguments: (3, 0),
    promised_stub_as_argument: (1, 2),
    promised_stub_of_another_worker: (4, 2),
    promised_argument_on_a_promise: (1, 1),
    later_argument_on_a_promise: (2, 2),
    call_behind_a_promised_argument: (3, 0),
    behind_an_argument_that_is_there: (1, 1),
    behind_an_argument_that_is_not_there: (3, 1),
    behind_arguments_of_several_depths: (3, 2),
    behind_an_argument_that_fails: (4, 0),
    forwarded_stub: (2, 4),
    forwarded_stub_that_was_awaited: (3, 3),
    forwarded_stub_of_a_method_that_waited: (3, 4),
    forwarded_from_three_hops_away: (3, 6),
    awaited_stub_from_three_hops_away: (6, 3),
    stub_given_to_another_worker: (4, 2),
    property_of_a_promise: (1, 1),
    properties_of_properties: (1, 1),
    property_as_argument: (1, 2),
    part_of_a_result: (1, 1),
    awaited_part_of_a_result: (2, 1),
    mapped: (1, 1),
    mapped_list: (1, 1),
    mapped_with_a_stub_of_another_worker: (4, 1),
    mapped_and_pipelined: (1, 2),
    mapped_and_forwarded: (3, 3),
    object_that_came_home: (2, 1),
    rejected_chain: (1, 0),
    rejected_argument: (2, -1),
    chain_rejected_later: (2, 0),
    argument_rejected_later: (2, 0),
    nothing_awaited: (0, 0),
    chain_not_awaited: (0, 0),
    a_mix: (7, 4),
}
"""By program, its round trips, and how many more it would be without pipelining."""
