"""Advice names awaits that could go; following it saves what it says."""

import pytest

from rpclab.trace.advice import advice


async def awaited_chain(env):
    node = await env.A.root()
    following = await node.next()
    await following.add(1)


async def pipelined_chain(env):
    await env.A.root().next().add(1)


async def awaited_argument(env):
    await env.A.pair(await env.A.token("one"), 1)


async def promised_argument(env):
    await env.A.pair(env.A.token("one"), 1)


async def both_arguments_awaited(env):
    await env.A.pair(await env.A.root(), await env.A.root())


async def both_arguments_promised(env):
    await env.A.pair(env.A.root(), env.A.root())


async def awaited_member(env):
    user = await env.A.user()
    await env.A.orders(user["id"])


async def promised_member(env):
    await env.A.orders(env.A.user()["id"])


async def awaited_property(env):
    node = await env.A.root()
    await node.depth


async def promised_property(env):
    await env.A.root().depth


async def chain_with_something_between(env):
    node = await env.A.root()
    text = await env.B.token()
    await node.add(len(text))


async def promise_with_something_between(env):
    node = env.A.root()
    text = await env.B.token()
    await node.add(len(text))


PROGRAMS = [
    (awaited_chain, pipelined_chain, 2),
    (awaited_argument, promised_argument, 1),
    (both_arguments_awaited, both_arguments_promised, 2),
    (awaited_member, promised_member, 1),
    (awaited_property, promised_property, 1),
    (chain_with_something_between, promise_with_something_between, 1),
]


@pytest.mark.parametrize(
    ("written", "advised", "saved"), PROGRAMS, ids=lambda p: getattr(p, "__name__", "")
)
async def test_following_the_advice_saves_what_it_says(sandbox, env, written, advised, saved):
    with sandbox.trace() as before:
        await written(env)
    [given] = before.advice
    with sandbox.trace() as after:
        await advised(env)
    assert given.saved == saved == before.round_trips - after.round_trips
    assert after.advice == ()


async def computed_from_what_was_awaited(env):
    token = await env.A.token("first")
    await env.A.orders(len(token) * 100)


async def made_elsewhere(env):
    await env.A.pair(await env.B.token("one"), 1)


async def computed_in_between(env):
    user = await env.A.user()
    token = await env.A.token(user["id"].upper())
    await env.A.pair(user["id"], token)


async def nothing_to_gain(env):
    await env.A.token()
    await env.B.token()


@pytest.mark.parametrize(
    "program",
    [computed_from_what_was_awaited, made_elsewhere, nothing_to_gain],
    ids=lambda program: program.__name__,
)
async def test_no_advice_is_given_where_the_value_is_needed_first(sandbox, env, program):
    await program(env)
    assert advice(sandbox.recording) == ()


async def test_what_may_have_been_computed_in_between_is_left_awaited(sandbox, env):
    await computed_in_between(env)
    assert 1 not in {number for each in advice(sandbox.recording) for number in each.removable}


async def test_the_text_says_how_many_where_and_what_to_do(sandbox, env):
    await awaited_chain(env)
    [given] = advice(sandbox.recording)
    assert (given.calls, given.removable, given.awaits, given.trips) == ((1, 2, 3), (1, 2), 3, 1)
    lines = [int(site.rpartition(" ")[2]) for site in given.sites]
    first = awaited_chain.__code__.co_firstlineno
    assert lines == [first + 1, first + 2, first + 3]
    assert given.text == (
        f"3 awaits could be 1 round trip, {__file__}, lines {lines[0]}, {lines[1]} and {lines[2]}:"
        " use the promises of root() and next() without awaiting them"
    )


async def awaited_in_a_loop(env):
    node = await env.A.root()
    for _ in range(3):
        node = await node.next()


async def test_of_a_loop_it_cannot_tell_whether_the_values_are_looked_at(sandbox, env):
    await awaited_in_a_loop(env)
    [given] = advice(sandbox.recording)
    assert given.text.endswith(
        ": use the promises of root() and next() without awaiting them,"
        " unless the loop looks at them"
    )


async def test_what_happens_again_and_again_is_said_once(sandbox, env):
    for _ in range(3):
        await awaited_property(env)
    [given] = advice(sandbox.recording)
    assert (given.times, given.saved) == (3, 3)
    assert given.text.startswith("2 awaits could be 1 round trip (3 times), ")


async def test_a_trace_shows_the_advice_below_its_figures(sandbox, env):
    with sandbox.trace() as trace:
        await awaited_property(env)
    *_, figures, line = trace.text().splitlines()
    assert figures.startswith("2 round trips; nothing was pipelined")
    assert line == trace.advice[0].text


async def test_the_methods_of_a_worker_are_advised_too(sandbox, env):
    sandbox.deploy("slow", source=SLOW, bind={"A": "a"})
    await sandbox.bind(SLOW="slow").SLOW.work()
    [given] = advice(sandbox.recording)
    assert given.sites == ("<worker slow>, line 6", "<worker slow>, line 7")


SLOW = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def work(self):
        node = await self.env.A.root()
        return await node.add(1)
"""
