"""Promises as arguments: they arrive as what they resolve to (rule V19 differs)."""

from __future__ import annotations

import asyncio

import pytest
from support.links import Links
from support.world import failure

import rpclab

CALLEE = """
    class T(Logged):
        @property
        def p(self):
            return 41
        def order(self, x):
            log(x)
            return x
    class Default(WorkerEntrypoint):
        async def num(self, seconds=5):
            await sleep(seconds)
            return 20
        async def target(self, seconds=5):
            await sleep(seconds)
            return T()
        def obj(self):
            return {"a": 1, "t": T("inner")}
        async def bad(self):
            await sleep(5)
            raise ValueError("bad")
        def see(self, *args, **kwargs):
            log("see runs")
            return [list(args), kwargs]
        async def use(self, t):
            return [isinstance(t, RpcStub), await t.m()]
        async def member(self, o):
            return [o["a"], await o["t"].m()]
"""


@pytest.fixture
def callee(world):
    """A binding to the Worker above."""
    return world.deploy(CALLEE).CALLEE


async def test_V19_a_promise_arrives_as_its_value_in_one_round_trip(world, callee):
    with world.sandbox.trace() as trace:
        assert await callee.see(callee.num()) == [[20], {}]
    assert trace.round_trips == 1


async def test_V19_promises_stand_anywhere_in_the_arguments(callee):
    n = callee.num
    args = {"p": n(), "list": [n(), {"deep": n()}], "tuple": (1, n())}
    expected = {"p": 20, "list": [20, {"deep": 20}], "tuple": (1, 20)}
    assert await callee.see(args, key=n(), keys=[n()]) == [[expected], {"key": 20, "keys": [20]}]


async def test_V19_one_promise_given_twice_is_one_value(callee):
    p = callee.obj()
    (first, second), _ = await callee.see(p, [p])
    assert first["a"] == second[0]["a"] == 1


async def test_V19_a_promise_that_has_arrived_is_sent_as_its_value(callee):
    p, o = callee.num(), callee.obj()
    await rpclab.gather(p, o)
    assert await callee.see(p, [p], k=p) == [[20, [20]], {"k": 20}]
    assert await callee.member(o) == [1, "inner"]
    assert await o.t.m() == "inner"


async def test_V19_the_callee_owns_a_duplicate_of_the_stubs_in_it(world, callee):
    p = callee.target()
    assert await callee.use(p) == [True, "T"]
    await asyncio.sleep(1)
    assert await (await p).m() == "T"
    assert world.log == []
    p.dispose()
    await asyncio.sleep(0)
    assert world.log == ["T disposed"]


async def test_V19_a_rejected_promise_rejects_the_call_and_the_method_does_not_run(world, callee):
    bad = callee.bad()
    calls = callee.see(bad), callee.see({"in": [bad]}), callee.see(k=bad)
    for call in calls:
        error = await failure(call)
        assert (type(error), str(error), error.remote) == (ValueError, "bad", True)
    late = await failure(callee.see(bad))
    assert (type(late), str(late)) == (ValueError, "bad")
    assert world.log == []


async def test_V19_a_promise_of_another_worker_is_sent_on(world, callee):
    del callee
    world.deploy(CALLEE, "other")
    env = world.env
    assert await env.CALLEE.see(env.OTHER.num()) == [[20], {}]
    assert await env.CALLEE.use(env.OTHER.target()) == [True, "T"]
    assert await env.CALLEE.member(env.OTHER.obj()) == [1, "inner"]
    error = await failure(env.CALLEE.see([env.OTHER.bad()]))
    assert (type(error), str(error), error.remote) == (ValueError, "bad", True)
    assert await env.CALLEE.see(env.OTHER.target().p) == [[41], {}]


async def test_V19_a_promise_of_another_worker_leaves_nothing_behind(world, callee):
    del callee
    world.deploy(CALLEE, "other")
    env, names = world.env, ("notebook", "callee", "other")
    before = [world.sandbox.tables(name) for name in names]
    async with world.event():
        await env.CALLEE.use(env.OTHER.target())
        await env.CALLEE.see({"n": env.OTHER.num()})
        await failure(env.CALLEE.see(env.OTHER.bad()))
        await env.CALLEE.use(env.CALLEE.target())
    await asyncio.sleep(1)
    assert [world.sandbox.tables(name) for name in names] == before


async def test_V19_a_property_is_read_when_the_call_is_made(callee):
    t = callee.target()
    assert await callee.see(t.p) == [[41], {}]
    stub = await t
    assert await callee.see(stub.p, [stub.p]) == [[41, [41]], {}]
    assert await callee.see(callee.obj().a) == [[1], {}]


async def test_V19_a_property_that_fails_rejects_the_call(world, callee):
    error = await failure(callee.see((await callee.target()).gone))
    assert str(error) == 'The RPC receiver does not implement the method "gone".'
    assert "see runs" not in world.log


async def test_L5_V19_a_call_that_waits_for_an_argument_holds_its_place(world, callee):
    t = await callee.target()
    calls = [t.order(callee.num()), t.order(1), t.order(callee.num(1)), t.order(2)]
    assert await rpclab.gather(*calls) == [20, 1, 20, 2]
    assert world.log == [20, 1, 20, 2]


async def test_L5_V19_a_rejected_argument_frees_the_place(world, callee):
    t = await callee.target()
    calls = [t.order(callee.bad()), t.order(1)]
    results = await rpclab.gather(*calls, return_exceptions=True)
    assert [str(result) for result in results] == ["bad", "1"]
    assert world.log == [1]


async def test_V19_a_cancelled_argument_rejects_the_call_that_waits_for_it(world, callee):
    t = await callee.target()
    async with world.event():
        argument = callee.num(500)
    call, behind = t.order(argument), t.order("behind")
    assert isinstance(await failure(call), rpclab.RpcError)
    assert await behind == "behind"


async def test_V19_a_call_that_waits_for_an_argument_can_be_cancelled(world, callee):
    t = await callee.target()
    waiting = asyncio.create_task(_await(t.order(callee.num(500))))
    behind = t.order("behind")
    await asyncio.sleep(1)
    assert world.log == []
    waiting.cancel()
    assert await behind == "behind"
    assert world.log == ["behind"]
    await asyncio.gather(waiting, return_exceptions=True)


async def _await(promise):
    return await promise


async def test_V19_promises_of_a_worker_are_arguments_there_too(world, callee):
    del callee
    env = world.deploy(
        """
        class Default(WorkerEntrypoint):
            async def run(self):
                b = self.env.B
                return await b.see(b.num(), {"in": self.env.SELF.mine()})
            async def mine(self):
                await sleep(1)
                return "mine"
        """,
        "middle",
        B="callee",
        SELF="middle",
    )
    assert await env.MIDDLE.run() == [[20, {"in": "mine"}], {}]


async def test_V19_a_promise_stands_in_a_local_stubs_arguments(callee):
    local = rpclab.RpcStub(lambda x: [x])
    assert await local(callee.num()) == [20]
    assert await callee.see(local(5)) == [[[5]], {}]


async def test_V15_other_awaitables_are_refused_with_advice(callee):
    future = asyncio.get_running_loop().create_future()
    error = await failure(callee.see({"f": future}))
    assert isinstance(error, rpclab.DataCloneError)
    assert "await it first" in error.__notes__
    assert error.path == 'args[0]["f"]'


# Promises given away: a method returns the promise of another call, awaited or not.


THROUGH = """
    class Note(Logged):
        async def note(self, number, argument=None, seconds=0):
            log(number)
            await sleep(seconds)
            return argument

    async def turns(count):
        for _ in range(count):
            await sleep(0)

    class Default(WorkerEntrypoint):
        def make(self):
            return Note()
        def same(self, stub):
            return stub
        async def number(self, after):
            await turns(after)
        async def through(self, hops, stub, counts, awaited):
            await turns(counts[0])
            if not hops:
                return stub
            promise = self.env[hops[0]].through(hops[1:], stub, counts[1:], awaited)
            return await promise if awaited else promise
        def first(self, stub):
            return self.env.W0.last(self.env.W0.same(stub))
        async def last(self, stub):
            return stub
        async def by_itself(self, before, between):
            promise = self.env.W0.first(Note())
            await turns(before)
            calls = [promise.note(0, self.env.W0.number(0))]
            await turns(between)
            await gather(*calls, promise.note(1))
"""


@pytest.fixture
def passing(world):
    """The environment with two Workers that pass stubs on to W0, or to each other."""
    world.deploy(THROUGH, "w0", W0="w0")
    world.deploy(THROUGH, "w1", W0="w0", W1="w1")
    world.deploy(THROUGH, "w0", W0="w0", W1="w1")
    return world.env


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("awaited", [pytest.param(False), True])
@pytest.mark.parametrize("hops", [["W0"], ["W1"], ["W1", "W0"]], ids="-".join)
async def test_calls_on_a_promise_given_away_keep_their_order(world, passing, hops, awaited):
    promise = passing.W0.through(hops, passing.W0.make(), [0, 0, 0], awaited)
    calls = [promise.note(0), promise.note(1), promise.note(2, passing.W1.number(9))]
    await turns(2)
    calls.append(promise.note(3))
    stub = await promise
    calls += [stub.note(4), promise.note(5), stub.dup().note(6)]
    await rpclab.gather(*calls)
    assert world.log == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("awaited", [pytest.param(False), True])
async def test_a_rejected_argument_on_a_promise_given_away_frees_the_place(world, passing, awaited):
    promise = passing.W0.through(["W0"], passing.W0.make(), [0, 0], awaited)
    missing = passing.W1.through([], passing.W1.number(9), [], awaited)
    calls = [promise.note(0), promise.note("never", missing), promise.note(1, passing.W1.number(9))]
    await turns(3)
    calls += [promise.note(2), (await promise).note(3)]
    results = await rpclab.gather(*calls, return_exceptions=True)
    assert isinstance(results[1], IndexError)
    assert world.log == [0, 1, 2, 3]


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_cancelled_call_on_a_promise_given_away_frees_the_place(world, passing, awaited):
    promise = passing.W0.through(["W0"], passing.W0.make(), [0, 0], awaited)
    cancelled = asyncio.create_task(_await(promise.note("never", passing.W1.number(99))))
    await turns(1)
    calls = [promise.note(0, passing.W1.number(9)), promise.note(1)]
    await turns(3)
    cancelled.cancel()
    await promise
    calls.append(promise.note(2))
    await rpclab.gather(*calls)
    assert world.log == [0, 1, 2]
    await asyncio.gather(cancelled, return_exceptions=True)


async def test_a_stub_that_came_home_behind_a_call_that_waits_keeps_its_order(world, passing):
    """The result of a Worker's call to itself is what calls made before go through."""
    del passing
    env = world.deploy(
        THROUGH
        + """
        async def at_home(self):
            note = Note()
            promise = self.env.SELF.through(["SELF"], note, [3, 0], False)
            calls = [promise.note(0, None, 5), promise.note(1, self.env.SELF.number(30))]
            stub = await promise
            await gather(*calls, stub.note(2))
        """,
        "self",
        SELF="self",
    )
    await env.SELF.at_home()
    await asyncio.sleep(1)
    assert world.log == [0, 1, 2, "T disposed"]


async def test_a_call_on_its_way_home_is_not_overtaken(world):
    """One turn for each batch: the result comes home while a call on it is on its way there."""
    world.sandbox.engine.connect = Links(float).connect
    env = world.deploy(THROUGH, "w0", W0="w0")
    orders = []
    for before in range(8):
        for between in range(4):
            await env.W0.by_itself(before, between)
            orders.append(world.log[:2])
            await asyncio.sleep(1)
            world.log.clear()
    assert orders == [[0, 1]] * len(orders)


KEEPING = """
    class Note(Logged):
        async def note(self, number, argument=None):
            log(number)
            return argument
        async def give(self, stub):
            await stub.note("given")
    class Default(WorkerEntrypoint):
        def make(self):
            return Note()
        def members(self, stub):
            return {"a": stub.dup(), "deep": {"a": stub.dup()}}
        def made_elsewhere(self):
            return self.members_of(self.env.MAKER.make())
        async def members_of(self, promise):
            return {"a": (await promise).dup()}
        async def give_its_part(self, promise):
            await promise.give(self.env.OTHER.members(promise).a)
        async def later(self, seconds=5):
            await sleep(seconds)
"""


@pytest.fixture
def keeping(world):
    """The environment with two Workers that keep what they are given."""
    world.deploy(KEEPING, "maker")
    world.deploy(KEEPING, "keeper", MAKER="maker", OTHER="maker")
    return world.env


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("path", [["a"], ["deep", "a"]], ids=".".join)
async def test_a_part_that_is_the_called_stub_itself_is_read_where_that_was_given(
    world, keeping, path, awaited
):
    before = [world.sandbox.tables(name) for name in ("notebook", "maker", "keeper")]
    async with world.event():
        note = keeping.MAKER.make()
        if awaited:
            await note
        part = keeping.KEEPER.members(note)
        for name in path:
            part = getattr(part, name)
        await note.give(part)
    await asyncio.sleep(1)
    assert world.log == ["given", "T disposed"]
    assert [world.sandbox.tables(name) for name in ("notebook", "maker", "keeper")] == before


async def test_a_part_that_another_worker_has_made_is_read_where_it_is_held(world, keeping):
    async with world.event():
        members = keeping.KEEPER.made_elsewhere()
        await members.a.give(members.a)
    await asyncio.sleep(1)
    assert world.log == ["given", "T disposed"]


async def test_a_worker_reads_a_part_that_is_the_called_stub_itself(world, keeping):
    await keeping.KEEPER.give_its_part(keeping.MAKER.make())
    await asyncio.sleep(1)
    assert world.log[0] == "given"


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_calls_on_a_part_that_was_read_come_behind_those_made_before(
    world, keeping, elsewhere
):
    """The first waits for an argument where calls are held back: what was read waits behind it."""
    keeper = keeping.KEEPER
    note = await keeping.MAKER.make()
    part = (keeper.made_elsewhere() if elsewhere else keeper.members(note)).a
    calls = [part.note(0, keeping.MAKER.later()), part.note(1)]
    stub = await part
    await rpclab.gather(*calls, stub.note(2), part.note(3))
    assert world.log == [0, 1, 2, 3]
