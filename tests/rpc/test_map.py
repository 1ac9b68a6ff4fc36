"""`promise.map(f)`: a function recorded here, and replayed at the callee."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

import rpclab

USERS = """
    class User(Logged):
        def name(self):
            return self._name
        def rename(self, name):
            self._name = name
            return self
        @property
        def info(self):
            return {"length": len(self._name)}
        async def slow(self):
            await sleep(3)
            return self._name
    class Default(WorkerEntrypoint):
        def ids(self):
            return ["ann", "bob"]
        def users(self):
            return [User("ann"), User("bob")]
        def user(self, name="ann"):
            if name == "nobody":
                raise KeyError(name)
            return User(name)
        def records(self):
            return [{"user": User("ann"), "n": 1}, {"user": User("bob"), "n": 2}]
        def none(self):
            return None
        def nested(self):
            return [[1, 2], [3]]
        def double(self, n):
            return n * 2
        def bad(self):
            raise ValueError("bad")
        @property
        def listed(self):
            return ["ann"]
"""


@pytest.fixture
def callee(world):
    """A binding to the Worker above."""
    return world.deploy(USERS).CALLEE


async def test_a_mapped_function_runs_at_the_callee_on_each_item(world, callee):
    with world.sandbox.trace() as trace:
        names = callee.users().map(lambda user: user.name())
        assert await names == ["ann", "bob"]
    assert trace.round_trips == 1


async def test_it_runs_here_once_with_a_placeholder(callee):
    seen = []

    def mapped(user):
        seen.append(repr(user))
        return user.name()

    await callee.users().map(mapped)
    assert seen == ["<the value that map() will put here>"]


async def test_it_may_return_dicts_lists_properties_and_constants(callee):
    def mapped(user):
        return {"name": user.name(), "info": user.info, "both": [user.info.length, "constant"]}

    assert await callee.users().map(mapped) == [
        {"name": name, "info": {"length": 3}, "both": [3, "constant"]} for name in ("ann", "bob")
    ]


async def test_it_may_return_its_argument_or_nothing(callee):
    assert await callee.ids().map(lambda name: name) == ["ann", "bob"]
    assert await callee.ids().map(lambda _: None) == [None, None]
    assert await callee.nested().map(lambda row: [row, row]) == [[[1, 2], [1, 2]], [[3], [3]]]


async def test_it_calls_bindings_and_stubs_from_outside_with_the_item(world, callee):
    with world.sandbox.trace() as trace:
        users = callee.ids().map(callee.user)
        assert [await user.name() for user in await users] == ["ann", "bob"]
    assert trace.round_trips == 3
    prefix = rpclab.RpcStub(lambda name: "dear " + name)
    assert await callee.ids().map(prefix) == ["dear ann", "dear bob"]
    stub = await callee.user("eve")
    assert await callee.ids().map(lambda name: [name, stub.name()]) == [
        ["ann", "eve"],
        ["bob", "eve"],
    ]


async def test_it_calls_another_worker_with_the_item(world, callee):
    other = world.deploy(USERS, "other").OTHER
    assert await callee.ids().map(lambda name: other.user(name).name()) == ["ann", "bob"]


async def test_it_uses_promises_from_outside(callee):
    promise = callee.user("eve")
    assert await callee.ids().map(lambda _: promise.name()) == ["eve", "eve"]
    ten = callee.double(5)
    assert await callee.ids().map(lambda name: [name, ten]) == [["ann", 10], ["bob", 10]]


async def test_it_chains_calls_and_enters_dicts(callee):
    assert await callee.records().map(lambda r: [r.user.name(), r.n]) == [["ann", 1], ["bob", 2]]
    renamed = callee.users().map(lambda user: user.rename("zoe").rename("eve").slow())
    assert await renamed == ["eve", "eve"]


async def test_results_of_map_may_be_stubs(callee):
    users = await callee.records().map(lambda record: {"user": record.user})
    assert [await user["user"].name() for user in users] == ["ann", "bob"]
    assert [await user.name() for user in await callee.users().map(lambda user: user)] == [
        "ann",
        "bob",
    ]


async def test_a_map_can_be_mapped_and_passed_on(callee):
    doubled = callee.ids().map(callee.double)
    assert await doubled.map(callee.double) == ["ann" * 4, "bob" * 4]
    assert await callee.double(callee.ids().map(lambda name: name)) == ["ann", "bob"] * 2


async def test_it_runs_once_on_a_single_value_and_never_on_none(callee):
    assert await callee.user().map(lambda user: user.name()) == "ann"
    assert await callee.none().map(lambda value: value.name()) is None


async def test_it_works_on_a_promise_that_has_arrived_and_on_a_property(callee):
    users = callee.users()
    await users
    assert await users.map(lambda user: user.name()) == ["ann", "bob"]
    assert await callee.listed.map(callee.double) == ["annann"]


async def test_a_step_that_fails_rejects_the_map(callee):
    missing = await failure(callee.users().map(lambda user: user.gone()))
    assert str(missing) == 'The RPC receiver does not implement the method "gone".'
    failed = await failure(callee.ids().map(lambda _: callee.user("nobody")))
    assert (type(failed), failed.args, failed.remote) == (KeyError, ("nobody",), True)
    source = await failure(callee.bad().map(lambda value: value))
    assert (type(source), str(source), source.remote) == (ValueError, "bad", True)


MISUSES = {
    "if": lambda value: 1 if value else 2,
    "f-string": lambda value: f"{value}",
    "arithmetic": lambda value: value + 1,
    "reverse": lambda value: 1 - value,
    "comparison": lambda value: value == 1,
    "loop": lambda value: [item for item in value],  # noqa: C416 - a user's mistake
    "len": len,
    "int": int,
    "set": lambda value: {value},
    "call result": lambda value: value.name() + "!",
    "call in if": lambda value: value.name() and 1,
    "property": lambda value: value.info.length + 1,
    "property in if": lambda value: 1 if value.info else 2,
    "property in text": lambda value: f"{value.info}",
}


@pytest.mark.parametrize("mistake", MISUSES)
async def test_what_would_need_the_value_raises_in_the_map_call_with_a_hint(callee, mistake):
    with pytest.raises(TypeError, match="runs once, here, before there are values"):
        callee.users().map(MISUSES[mistake])


async def test_a_mapped_function_must_not_be_async(callee):
    async def mapped(user):
        return user.name()

    with pytest.raises(TypeError, match=r"map\(\)"):
        callee.users().map(mapped)


async def test_an_error_in_the_function_is_raised_in_the_map_call(world, callee):
    def mapped(user):
        user.name()
        raise ZeroDivisionError

    before = world.sandbox.tables("callee")
    users = callee.ids()
    with pytest.raises(ZeroDivisionError):
        users.map(mapped)
    assert await users == ["ann", "bob"]
    assert await callee.double(2) == 4
    assert world.sandbox.tables("callee") == before


async def test_what_cannot_be_sent_is_refused(callee):
    with pytest.raises(rpclab.DataCloneError):
        callee.ids().map(lambda name: callee.double(object()))
    with pytest.raises(rpclab.DataCloneError):
        callee.ids().map(lambda name: object())
    assert await callee.double(2) == 4


async def test_targets_of_a_mapped_result_are_disposed_with_it(world, callee):
    async with world.event():
        async with callee.users().map(lambda user: [user, user.name()]) as result:
            assert await result[0][0].name() == "ann"
        await callee.ids().map(lambda name: callee.user(name).name())
    await asyncio.sleep(1)
    assert sorted(world.log) == ["ann disposed", "ann disposed", "bob disposed", "bob disposed"]


SLOW = """
    class Default(WorkerEntrypoint):
        def ids(self):
            return [1, 2]
        async def slow(self, n):
            try:
                await sleep(60)
            except asyncio.CancelledError:
                log(f"{n} cancelled")
                raise
"""


async def test_a_cancelled_map_cancels_its_steps(world):
    env = world.deploy(SLOW)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(env.CALLEE.ids().map(env.CALLEE.slow), 5)
    await asyncio.sleep(1)
    assert sorted(world.log) == ["1 cancelled", "2 cancelled"]


async def test_a_deadline_holds_for_a_map(world):
    env = world.deploy(SLOW)

    async def block():
        async with rpclab.deadline(5):
            env.CALLEE.ids().map(env.CALLEE.slow)
            await asyncio.sleep(10)

    assert type(await failure(block())) is TimeoutError
    await asyncio.sleep(1)
    assert sorted(world.log) == ["1 cancelled", "2 cancelled"]
