"""A program that is right, and that each checker must pass."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any, Literal, assert_type, cast

from workers import CounterPromise, CounterStub, Env, FunctionStub, User

import rpclab
from rpclab.typed import RpcPromise


class Mine(rpclab.RpcTarget):
    """A target of this program, given to a method that takes one."""


async def variables(env: Env) -> None:
    assert_type(env.GREETING, Literal["Hello", "Hi"])
    assert_type(env["GREETING"], Literal["Hello", "Hi"])
    assert_type(env.LIMITS["most"], int)
    assert_type(env.LIMITS["sizes"], list[int | str])
    assert_type(await env["COUNTER"].new_counter().increment(), int)
    assert_type(sorted(env), list[str])
    assert_type("GREETING" in env, bool)


async def awaited_and_pipelined(env: Env) -> None:
    promise = env.COUNTER.new_counter()
    assert_type(promise, CounterPromise)
    counter = await promise
    assert_type(counter, CounterStub)
    for one in (promise, counter):
        assert_type(await one.increment(5), int)
        assert_type(await one.increment(amount=promise.increment()), int)
        assert_type(await one.add(1), int)
        assert_type(await one.value, int)
        assert_type(await one.first.text(), str)
        assert_type(await one.inherited(), bool)
        assert_type(await one.child().child().value, int)
        assert_type(await one.list(), list[CounterStub])
        assert_type(await one.scores(), dict[str, int])
        assert_type(await one.when(), dt.datetime)
        assert_type(await one.names()["one"].increment(), int)
        assert_type((await one.names())["one"], CounterStub)
        assert_type(await one.maybe(deep=True), CounterStub | None)
        assert_type(await one.maybe().increment(), int)
    async for number in await counter.numbers():
        assert_type(number, int)
    assert_type(await env.SELF.greet(promise.value), str)


async def dicts(counter: CounterStub) -> None:
    user = counter.user()
    assert_type(await user["name"], str)
    assert_type(await user.name, str)
    assert_type(await user.counter.increment(), int)
    data: User = await user
    assert_type(data["counter"], CounterStub)
    assert_type(data.get("nickname"), str | None)


async def functions(counter: CounterStub) -> None:
    function = await counter.watch(lambda total: total + 1)
    assert_type(function, FunctionStub)
    assert_type(await function("x"), int)
    assert_type(await counter.watch(id)("x"), int)

    async def answer(asking: CounterStub) -> str:
        return str(await asking.value)

    assert_type(await counter.ask(answer), str)

    async def seen(total: int) -> str:
        return str(total)

    assert_type(await counter.keep(seen), str)
    assert_type(await counter.keep(lambda total: str(total + 1)), str)
    assert_type(await counter.ask(lambda asking: "yes"), str)


async def references(env: Env, counter: CounterStub) -> None:
    await counter.join(Mine())
    await counter.join(counter)
    await counter.join(env.COUNTER.new_counter())
    with counter.dup() as again, env.COUNTER.new_counter() as pipelined:
        await again.increment()
        await pipelined.increment()
    async with env.COUNTER.new_counter() as stub:
        assert_type(stub, CounterStub)
    counter.on_broken(id)()
    counter.dispose()
    rpclab.dispose(counter)


async def objects_and_databases(env: Env) -> None:
    room = env.ROOMS.get_by_name("lobby")
    assert_type(await room.enter("Ada"), int)
    await env.DB.prepare("SELECT 1").first()
    assert_type(await env.CACHE.get("a"), str | None)
    assert_type(await env.CACHE.get("a", "arrayBuffer"), memoryview | None)
    assert_type(await env.CACHE.get("a", "bytes"), bytes | None)
    assert_type(await env.CACHE.get("a", type="stream"), rpclab.ReadableStream | None)
    assert_type(await env.CACHE.get(["a", "b"], cache_ttl=60), dict[str, str | None])
    assert_type((await env.CACHE.get_with_metadata("a", "json")).metadata, Any)
    await env.CACHE.get("a", {"type": "json", "cacheTtl": 60})
    await env.CACHE.put("a", b"x", expiration_ttl=60)
    assert_type((await env.COUNTER.page()).status, int)
    assert_type((await env.SELF.fetch("/")).status, int)


async def many(counter: CounterStub) -> None:
    await rpclab.gather(counter.increment(), counter.value)
    total, user = await asyncio.gather(counter.increment(), counter.user())
    assert_type(total, int)
    assert_type(user, User)


async def untyped(counter: CounterStub) -> None:
    (await counter.anything(5, 6, seven=7)).whatever.there["is"]()
    await counter["class"]()


async def total_of(promise: RpcPromise[int]) -> int:
    return await promise


async def main() -> None:
    async with rpclab.Sandbox() as sandbox:
        env = cast("Env", sandbox.bind(COUNTER="counter-service#CounterService"))
        await total_of(env.COUNTER.new_counter().increment())
