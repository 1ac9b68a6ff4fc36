"""The queue in front of a Worker: calls take turns, and whoever finds no place hears it at once."""

from __future__ import annotations

import asyncio

import pytest
from support.net import failure

import rpclab

SHOP = """
import asyncio
from workers import DurableObject, Response, RpcTarget, WorkerEntrypoint

began = []
doors = []

async def wait(name):
    began.append(name)
    door = asyncio.Event()
    doors.append(door)
    await door.wait()
    return name

class Cart(RpcTarget):
    def size(self):
        return 3

class Till(DurableObject):
    async def pay(self, name):
        return await wait(name)

class Default(WorkerEntrypoint):
    async def buy(self, name):
        return await wait(name)

    def quick(self, name):
        began.append(name)
        return name

    def cart(self):
        return Cart()

    async def asks_itself(self):
        return await self.ctx.exports.Default.quick("of its own")

    async def fetch(self, request):
        return Response(await wait("http"))

    async def pay_here(self, name):
        return await self.env.TILL.get_by_name("one").pay(name)
"""


class Shop:
    """A Worker whose calls wait until the test lets them go on.

    Attributes:
        env: its callers' environment.
    """

    def __init__(self, sandbox, **turns):
        self.sandbox = sandbox
        self.worker = sandbox.deploy("shop", source=SHOP, objects={"TILL": "Till"}, **turns)
        self.env = sandbox.bind(SHOP="shop", TILL=rpclab.objects("shop#Till"))

    @property
    def began(self):
        return self.worker.module.began

    @property
    def queue(self):
        return self.sandbox.queue("shop")

    def buy(self, *names):
        return [self.env.SHOP.buy(name) for name in names]

    async def settle(self):
        """Let everything run that can."""
        await asyncio.sleep(0.001)

    async def let_go(self, count=1):
        """Let so many calls go on that have begun first."""
        for _ in range(count):
            self.worker.module.doors.pop(0).set()
        await self.settle()


async def test_as_many_calls_run_as_there_are_turns_and_the_others_wait_in_order(sandbox):
    shop = Shop(sandbox, concurrency=2)
    calls = shop.buy(*"abcd")
    await shop.settle()
    assert shop.began == ["a", "b"]
    await shop.let_go()
    assert shop.began == ["a", "b", "c"]
    await shop.let_go(2)
    await shop.let_go()
    assert [await call for call in calls] == [*"abcd"]
    assert (shop.queue.running, shop.queue.waiting) == (0, 0)


async def test_without_numbers_all_calls_run_as_they_come(sandbox):
    shop = Shop(sandbox)
    calls = shop.buy(*"abcdefgh")
    await shop.settle()
    assert shop.began == [*"abcdefgh"]
    assert shop.queue is None
    await shop.let_go(8)
    assert len([await call for call in calls]) == 8


async def test_the_newest_call_is_refused_at_once_with_the_numbers(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=2)
    calls = shop.buy(*"abc")
    error = await failure(shop.env.SHOP.buy("d"))
    assert type(error) is rpclab.OverloadedError
    assert str(error) == (
        'the Worker "shop" is overloaded: 2 calls wait for a turn, of 2 that may. This call has not'
        " run; try again after a pause"
    )
    assert (error.worker, error.queued, error.limit, error.retryable) == ("shop", 2, 2, True)
    assert error.remote is False
    assert error.__notes__[0].startswith("concurrency=1 says how many run at a time")
    assert shop.began == ["a"]
    for _ in calls:
        await shop.let_go()
    assert [await call for call in calls] == [*"abc"]
    assert shop.queue.refused == 1


async def test_or_the_oldest_gives_its_place_to_the_one_that_comes(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=2, overload="oldest")
    first, second, third, fourth = shop.buy(*"abcd")
    assert type(await failure(second)) is rpclab.OverloadedError
    for _ in range(3):
        await shop.let_go()
    assert [await call for call in (first, third, fourth)] == ["a", "c", "d"]
    assert shop.began == ["a", "c", "d"]


@pytest.mark.parametrize("overload", ["newest", "oldest"])
async def test_without_places_to_wait_whoever_finds_no_turn_is_refused(sandbox, overload):
    shop = Shop(sandbox, concurrency=1, queue=0, overload=overload)
    first, second = shop.buy("a", "b")
    assert type(await failure(second)) is rpclab.OverloadedError
    await shop.let_go()
    assert await first == "a"


async def test_a_call_that_is_given_up_leaves_its_place(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=1)
    first, second = shop.buy("a", "b")

    async def wait():
        await second

    task = asyncio.create_task(wait())
    await shop.settle()
    task.cancel()
    await shop.settle()
    assert shop.queue.waiting == 0
    (third,) = shop.buy("c")
    await shop.let_go()
    await shop.let_go()
    assert [await first, await third] == ["a", "c"]
    assert shop.began == ["a", "c"]


async def test_a_call_whose_deadline_passes_while_it_waits_never_runs(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=1)
    (first,) = shop.buy("a")
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5):
            await shop.env.SHOP.buy("b")
    assert shop.queue.waiting == 0
    await shop.let_go()
    assert await first == "a"
    assert shop.began == ["a"]


async def test_calls_on_what_was_returned_need_no_turn(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=0)
    cart = await shop.env.SHOP.cart()
    (busy,) = shop.buy("a")
    assert await cart.size() == 3
    await shop.let_go()
    assert await busy == "a"


async def test_pipelined_calls_follow_the_call_that_waits(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=1)
    (busy,) = shop.buy("a")
    size = shop.env.SHOP.cart().size()
    await shop.settle()
    await shop.let_go()
    assert [await busy, await size] == ["a", 3]


async def test_a_worker_that_calls_itself_needs_no_second_turn(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=0)
    assert await shop.env.SHOP.asks_itself() == "of its own"


async def test_very_many_calls_that_are_over_at_once_take_turns_without_nesting(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=5000)
    (first,) = shop.buy("a")
    calls = [shop.env.SHOP.quick(number) for number in range(5000)]
    await shop.settle()
    await shop.let_go()
    assert await first == "a"
    assert [await call for call in calls] == [*range(5000)]


async def test_calls_of_durable_objects_take_turns_of_their_worker(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=1)
    till = shop.env.TILL.get_by_name("one")
    first, second, third = till.pay("a"), till.pay("b"), till.pay("c")
    assert type(await failure(third)) is rpclab.OverloadedError
    await shop.let_go()
    await shop.let_go()
    assert [await first, await second] == ["a", "b"]


async def test_a_worker_and_its_own_object_need_one_turn(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=0)
    call = shop.env.SHOP.pay_here("a")
    await shop.settle()
    await shop.let_go()
    assert await call == "a"


async def test_http_takes_turns_too(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=0)
    (busy,) = shop.buy("a")
    assert type(await failure(sandbox.fetch("shop", "/"))) is rpclab.OverloadedError
    await shop.let_go()
    assert await busy == "a"


async def test_a_new_version_with_other_numbers_takes_over_the_calls_that_wait(sandbox):
    shop = Shop(sandbox, concurrency=1, queue=5)
    old = shop.worker.module
    calls = shop.buy(*"abc")
    await shop.settle()
    shop = Shop(sandbox, concurrency=2, queue=0)
    await shop.settle()
    assert (old.began, shop.began) == (["a"], ["b"])
    assert type(await failure(shop.env.SHOP.buy("d"))) is rpclab.OverloadedError
    old.doors[0].set()
    await shop.settle()
    await shop.let_go(2)
    assert [await call for call in calls] == [*"abc"]


async def test_a_new_version_without_numbers_lets_all_run_that_wait(sandbox):
    shop = Shop(sandbox, concurrency=1)
    old = shop.worker.module
    calls = shop.buy(*"abc")
    await shop.settle()
    shop = Shop(sandbox)
    await shop.settle()
    assert shop.began == ["b", "c"]
    old.doors[0].set()
    await shop.let_go(2)
    assert [await call for call in calls] == [*"abc"]
    assert sandbox.engine.special == 0


async def test_the_end_of_the_sandbox_rejects_those_who_wait(sandbox):
    shop = Shop(sandbox, concurrency=1)
    calls = shop.buy(*"abc")
    await shop.settle()
    sandbox.reset()
    assert {type(await failure(call)) for call in calls} == {rpclab.DisconnectedError}
    assert sandbox.engine.special == 0


@pytest.mark.parametrize(
    ("turns", "error", "said"),
    [
        ({"concurrency": 0}, ValueError, "concurrency is a number of calls, 1 or more, not 0"),
        ({"concurrency": 1.5}, TypeError, "concurrency is a number of calls, not float"),
        ({"concurrency": True}, TypeError, "concurrency is a number of calls, not bool"),
        ({"concurrency": 1, "queue": -1}, ValueError, "queue is a number of calls, 0 or more"),
        ({"queue": 5}, ValueError, "give `concurrency`, too"),
        ({"overload": "oldest"}, ValueError, "give `concurrency`, too"),
        (
            {"concurrency": 1, "overload": "random"},
            ValueError,
            "overload is none of 'random'; there are: 'newest'",
        ),
    ],
)
def test_what_makes_no_queue_is_refused_and_nothing_is_deployed(sandbox, turns, error, said):
    with pytest.raises(error) as caught:
        sandbox.deploy("shop", source=SHOP, **turns)
    assert said in str(caught.value)
    assert sandbox.workers == {}


async def test_the_queue_shows_its_numbers(sandbox):
    shop = Shop(sandbox, concurrency=2, queue=9)
    calls = shop.buy(*"abcd")
    await shop.settle()
    assert repr(shop.queue) == "<CallQueue of shop: 2 of 2 run, 2 of 9 wait, 0 refused>"
    await shop.let_go(2)
    await shop.let_go(2)
    assert len([await call for call in calls]) == 4
