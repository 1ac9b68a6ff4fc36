"""`sandbox.waiting()`: which calls are awaited, and where they were made."""

import asyncio

import pytest

SLOW = """
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def hang(self):
        await asyncio.sleep(1000)

    async def pass_on(self):
        await self.env.OTHER.hang()
"""


def deployed(sandbox):
    sandbox.deploy("other", source=SLOW)
    sandbox.deploy("slow", source=SLOW, bind={"OTHER": "other"})
    return sandbox.bind(SLOW="slow")


async def awaited(sandbox, promise):
    """What is waited for a while after somebody began to await a promise."""
    task = asyncio.ensure_future(promise)
    await asyncio.sleep(1)
    found = sandbox.waiting()
    task.cancel()
    return found


async def test_an_awaited_call_is_listed_with_its_place(sandbox):
    env = deployed(sandbox)
    promise = env.SLOW.hang()
    (waiting,) = await awaited(sandbox, promise)
    assert (waiting.caller, waiting.worker, waiting.what) == ("notebook", "slow", "hang()")
    assert __file__ in waiting.site
    assert str(waiting) == f"slow.hang(), made at {waiting.site}"


async def test_what_a_worker_awaits_is_listed_too(sandbox):
    env = deployed(sandbox)
    found = await awaited(sandbox, env.SLOW.pass_on())
    assert [(item.caller, item.what) for item in found] == [
        ("notebook", "pass_on()"),
        ("slow", "hang()"),
    ]


async def test_a_call_that_nobody_awaits_is_not_listed(sandbox):
    env = deployed(sandbox)
    promise = env.SLOW.hang()
    await asyncio.sleep(1)
    assert sandbox.waiting() == []
    promise.dispose()


async def test_a_sandbox_that_does_not_record_knows_the_call_and_not_its_place(sandbox):
    sandbox.engine.sites = False
    env = deployed(sandbox)
    (waiting,) = await awaited(sandbox, env.SLOW.hang())
    assert str(waiting) == "slow.hang()"


async def test_an_error_names_its_places_in_the_worker(sandbox):
    sandbox.deploy("w", source="def fail(request, env, ctx):\n    raise ValueError('no')\n")
    with pytest.raises(ValueError, match="no") as caught:
        await sandbox.bind(W="w").W.fail(0)
    assert caught.value.__notes__ == ["raised in the Worker at\n  <worker w>, line 2, in fail"]


# Calls that wait for an argument that waits for them.

HINT = "waits for an argument that waits for it"

NODES = """
import asyncio
from workers import RpcTarget, WorkerEntrypoint

class Node(RpcTarget):
    def next(self):
        return self

    def depth(self):
        return 1

    def add(self, *numbers, **more):
        return sum(numbers)

class Default(WorkerEntrypoint):
    def root(self):
        return Node()

    async def depth_below(self, node):
        return await node.next().depth()

    async def same(self, value):
        return value

    async def slow(self):
        await asyncio.sleep(1000)
        return 1
"""


def knot(env):
    node = env.B.root()
    return node.add(env.C.depth_below(node))


def knot_in_a_list(env):
    node = env.B.root()
    return node.add(1, [env.C.depth_below(node)])


def knot_in_a_keyword(env):
    node = env.B.root()
    return node.add(more={"deep": env.C.depth_below(node)})


def knot_of_three(env):
    node = env.B.root()
    return node.add(env.B.same(env.C.depth_below(node)))


def knot_behind_a_call(env):
    node = env.B.root()
    below = node.next()
    return below.add(env.C.depth_below(below))


def slow(env):
    return env.B.root().add(env.C.slow())


def slow_with_a_shared_argument(env):
    number = env.C.slow()
    return env.B.root().add(number, env.B.same(number))


KNOTS = [knot, knot_in_a_list, knot_in_a_keyword, knot_of_three, knot_behind_a_call]


def with_nodes(sandbox):
    sandbox.deploy("b", source=NODES)
    sandbox.deploy("c", source=NODES)
    return sandbox.bind(B="b", C="c")


@pytest.mark.parametrize("make", KNOTS)
async def test_a_call_that_waits_for_itself_says_so(sandbox, make):
    promise = make(with_nodes(sandbox))
    await asyncio.sleep(1)
    assert HINT in repr(promise)


@pytest.mark.parametrize("make", KNOTS)
async def test_a_call_that_waits_for_itself_is_listed_as_such(sandbox, make):
    found = await awaited(sandbox, make(with_nodes(sandbox)))
    assert [HINT in str(item) for item in found if item.caller == "notebook"] == [True]


@pytest.mark.parametrize("make", [slow, slow_with_a_shared_argument])
async def test_a_call_that_waits_for_a_slow_argument_says_nothing_of_the_kind(sandbox, make):
    promise = make(with_nodes(sandbox))
    await asyncio.sleep(1)
    assert HINT not in repr(promise)
    assert not any(HINT in str(item) for item in await awaited(sandbox, promise))


async def test_a_knot_in_a_worker_that_does_not_record_is_known_too(sandbox):
    sandbox.engine.sites = False
    promise = knot(with_nodes(sandbox))
    await asyncio.sleep(1)
    assert HINT in repr(promise)
    assert any(HINT in str(item) for item in await awaited(sandbox, promise))
