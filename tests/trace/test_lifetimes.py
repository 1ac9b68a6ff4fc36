"""Bars of stubs and targets: from where they were made to where they ended, exactly."""

import asyncio

import rpclab
from rpclab import RpcStub, RpcTarget
from rpclab.trace.graph import graph
from rpclab.trace.lifetimes import lifetimes


async def test_a_stub_lives_from_its_result_to_its_disposal(sandbox, env):
    node = await env.A.root()
    copy = node.dup()
    node.dispose()
    await asyncio.sleep(3)
    copy.dispose()
    await asyncio.sleep(1)
    first, second = lifetimes(sandbox.recording).stubs
    assert (first.how, first.call, first.holder, first.why) == ("result", 1, "notebook", "user")
    assert (second.how, second.of, second.why) == ("dup", first.number, "user")
    assert second.ended - first.ended > 2.9
    assert first.target == second.target == 1
    for site in (first.site, first.ended_site, second.site, second.ended_site):
        assert "test_lifetimes.py, line" in site


async def test_a_target_counts_its_references_until_the_last_is_released(sandbox, env):
    node = await env.A.root()
    back = await env.B.same(node)
    [target] = lifetimes(sandbox.recording).targets
    assert (target.name, target.worker, target.holders) == ("Node", "a", ("notebook", "b"))
    assert target.gone is None
    node.dispose()
    back.dispose()
    await asyncio.sleep(1)
    [target] = lifetimes(sandbox.recording).targets
    assert target.gone is not None
    assert [count for _, _, count in target.references][-1] == 0
    assert max(count for _, _, count in target.references) == 2


async def test_parameters_end_with_their_call_and_results_are_moved(sandbox, env):
    node = await env.A.root()
    await env.B.same(node)
    stubs = lifetimes(sandbox.recording).stubs
    ends = [(stub.holder, stub.how, stub.why) for stub in stubs]
    assert ends[:3] == [
        ("notebook", "result", ""),
        ("b", "parameter", "parameter"),
        ("b", "dup", "returned"),
    ]
    assert [receiver for _, _, receiver in stubs[0].passed] == ["b"]


MESSAGES = """
import asyncio

from workers import RpcTarget, WorkerEntrypoint


class Cart(RpcTarget):
    async def show(self, callback):
        return await callback(Cart())

    def keep(self, callback):
        self._callback = callback.dup()

    def copy(self):
        return Cart()


class Default(WorkerEntrypoint):
    async def slow(self, callback):
        await asyncio.sleep(1)
        return Cart()

    async def forth_and_back(self, callback):
        callback(1)
        callback(Cart())
        return Cart()

    def cart(self):
        return Cart()
"""


async def come_by(sandbox, program):
    """How each stub was come by: its holder, how, and the call whose result or parameter it is."""
    sandbox.deploy("shop", source=MESSAGES)
    await program(sandbox.bind(SHOP="shop").SHOP)
    stubs = lifetimes(sandbox.recording).stubs
    return sorted((stub.holder, stub.how, stub.call) for stub in stubs if stub.how != "dup")


async def test_a_pipelined_result_is_one_though_calls_on_it_send_before_it_leaves(sandbox):
    async def program(shop):
        cart = shop.slow(print)
        await rpclab.gather(cart, cart.show(lambda other: 1), cart.copy())

    assert await come_by(sandbox, program) == [
        ("notebook", "parameter", 4),
        ("notebook", "result", 1),
        ("notebook", "result", 3),
        ("shop", "parameter", 1),
        ("shop", "parameter", 2),
    ]


async def test_the_parameter_of_a_pipelined_call_is_that_of_no_other_message(sandbox):
    async def program(shop):
        await shop.cart().keep(print)
        await shop.cart().copy().keep(print)

    assert await come_by(sandbox, program) == [
        ("shop", "parameter", 2),
        ("shop", "parameter", 5),
    ]


async def test_what_a_method_sends_before_its_result_is_not_that_result(sandbox):
    async def program(shop):
        await shop.forth_and_back(lambda value: 1)

    assert await come_by(sandbox, program) == [
        ("notebook", "parameter", 3),
        ("notebook", "result", 1),
        ("shop", "parameter", 1),
    ]


async def test_a_stub_that_comes_home_is_the_result_of_the_call_that_gave_it(sandbox, env):
    node = await env.A.root()
    back = await env.B.same(node)
    stub = lifetimes(sandbox.recording).stubs[-1]
    assert (stub.holder, stub.how, stub.call) == ("notebook", "result", 2)
    assert stub.site == back.__handle__.site != node.__handle__.site
    [intro] = [
        intro for intro in graph(sandbox.recording).introductions if intro.receiver == "notebook"
    ]
    assert (intro.introducer, intro.worker) == ("b", "a")


async def test_what_ends_with_an_event_ends_where_the_user_wrote_that(sandbox, env):
    async with sandbox.event():
        await env.A.root()
    [stub] = lifetimes(sandbox.recording).stubs
    assert "test_lifetimes.py, line" in stub.ended_site


async def test_a_context_that_ends_disposes_what_it_owns(sandbox, env):
    async with sandbox.event():
        await env.A.root()
        await env.A.root()
    stubs = lifetimes(sandbox.recording).stubs
    assert [(stub.why, stub.context) for stub in stubs] == [("context", 1), ("context", 1)]


async def test_a_stub_that_python_forgot_says_so(sandbox, env):
    node = await env.A.root()
    del node
    await asyncio.sleep(1)
    [stub] = lifetimes(sandbox.recording).stubs
    assert stub.why == "forgotten"
    [target] = lifetimes(sandbox.recording).targets
    assert target.gone is not None


async def test_a_local_stub_leads_to_a_target_of_its_holder(sandbox, env):
    class Thing(RpcTarget):
        pass

    with RpcStub(Thing()):
        pass
    life = lifetimes(sandbox.recording)
    [stub], [target] = life.stubs, life.targets
    assert (stub.how, stub.holder, target.worker) == ("local", "notebook", "notebook")
    assert target.name.endswith("Thing")


async def test_two_messages_with_one_target_make_two_bars(sandbox, env):
    thing = RpcTarget()
    await env.A.same(thing)
    await env.A.same(thing)
    life = lifetimes(sandbox.recording)
    assert [target.name for target in life.targets] == ["RpcTarget", "RpcTarget"]
