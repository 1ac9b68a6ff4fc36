"""A connection that outlives its sessions: what goes on, what is lost, what is never repeated."""

from __future__ import annotations

import asyncio
import gc
import random

import pytest
from support.ids import by_repr
from support.net import Api, failure
from support.reconnection import ADDRESS, STEADY

import rpclab
from rpclab.core.imports import Handle


class Register(rpclab.RpcTarget):
    """Keeps who has subscribed, and objects by name, over its sessions.

    Attributes:
        log: what was called.
    """

    def __init__(self):
        self.log = []
        self.subscribers = []
        self.entries = list(range(100))
        self.doors = asyncio.Event()

    def hello(self, name):
        self.log.append(f"hello {name}")
        return f"Hello, {name}"

    async def pay(self, amount):
        self.log.append(f"pay {amount}")
        await self.doors.wait()
        return amount

    def account(self, name):
        self.log.append(f"account {name}")
        return Account(self, name)

    def subscribe(self, callback):
        self.log.append("subscribe")
        self.subscribers.append(callback.dup())

    async def tell(self, value):
        for callback in self.subscribers:
            await callback(value)

    def events(self, after):
        self.log.append(f"events {after}")
        start = 0 if after is None else after + 1

        async def produce():
            for number in self.entries[start:]:
                yield [number, f"event {number}"]
                await asyncio.sleep(1)

        return rpclab.ReadableStream(produce())

    def plain(self):
        return rpclab.ReadableStream(iter(["a", "b"]))


class Account(rpclab.RpcTarget):
    def __init__(self, register, name):
        self._register = register
        self._name = name

    def name(self):
        return self._name

    def partner(self):
        return Account(self._register, f"{self._name}'s partner")

    def dispose(self):
        self._register.log.append(f"{self._name} disposed")


@pytest.fixture
def register():
    return Register()


# Sessions, one after another.


async def test_a_lost_session_is_made_anew_and_main_goes_on(place):
    await place.start()
    async with place.connect() as api:
        lasting = place.open[0]
        assert await api.hello("Ada") == "Hello, Ada"
        await place.cut(lasting)
        assert lasting.state == "reconnecting"
        assert await api.hello("Ada") == "Hello, Ada"
        assert (lasting.state, lasting.sessions) == ("open", 2)
        assert place.changes == ["open", 1, "open"]
    await place.stop()


async def test_a_server_that_stops_and_starts_again_is_found_again(place):
    await place.start()
    async with place.connect() as api:
        await place.stop()
        await asyncio.sleep(100)
        await place.start()
        assert await api.hello("Ada") == "Hello, Ada"
    assert place.changes[0] == "open"
    assert place.changes[1:6] == [1, 2, 3, 4, 5]
    assert place.changes[-2:] == ["open", "closed"]
    await place.stop()


async def test_the_pauses_grow_and_have_a_bound(place):
    await place.start()
    lasting = await place.connect()
    loop = asyncio.get_running_loop()
    at = []
    lasting.on_change(lambda it: at.append(it.next_at - loop.time() if it.next_at else None))
    await place.stop()
    await asyncio.sleep(32)
    assert at == [1, 2, 4, 8, 8, 8, 8][: len(at)]
    assert len(at) >= 6
    await lasting.close()


async def test_chance_shortens_the_pauses_as_a_seeded_one_says(place):
    policy = rpclab.Reconnect(random=random.Random(7).random)  # noqa: S311 - a test
    same = random.Random(7)  # noqa: S311 - a test
    pauses = [policy.pause(attempt) for attempt in range(1, 10)]
    assert pauses == [
        min(30.0, 0.5 * 2 ** (attempt - 1)) * (1 - 0.5 * same.random()) for attempt in range(1, 10)
    ]
    assert 15 <= policy.pause(10**9) <= 30


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": 0}, {"first": 5, "most": 1}, {"factor": 0.5}, {"jitter": 1.5}, {"seconds": -1},
        {"calls": -1}, {"first": float("nan")},
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(wrong):
    with pytest.raises(ValueError, match="cannot be"):
        rpclab.Reconnect(**wrong)


async def test_a_link_that_comes_and_goes_is_dialled_ever_less_often(place):
    await place.start()
    lasting = await place.connect()
    loop = asyncio.get_running_loop()
    pauses = []
    for _ in range(6):
        begun = loop.time()
        await place.cut(lasting)
        await place_is_open(lasting)
        pauses.append(round(loop.time() - begun))
    assert pauses == [1, 2, 4, 8, 8, 8]
    await asyncio.sleep(STEADY.settled)
    begun = loop.time()
    await place.cut(lasting)
    await place_is_open(lasting)
    assert round(loop.time() - begun) == 1
    await lasting.close()
    await place.stop()


async def place_is_open(lasting):
    if lasting.state != "open":
        opened = asyncio.Event()
        lasting.on_change(lambda it: opened.set() if it.state == "open" else None)
        await opened.wait()


# The first session.


async def test_the_first_session_is_tried_for_connect_seconds_in_all(place):
    lasting = place.connect(connect_seconds=20)
    asyncio.get_running_loop().call_later(5, lambda: asyncio.ensure_future(place.start()))
    assert await lasting is lasting
    assert await lasting.main.hello("Ada") == "Hello, Ada"
    assert place.changes == [1, 2, 3, "open"]
    await lasting.close()
    await place.stop()


async def test_where_nobody_comes_in_that_time_the_last_error_is_raised(place):
    loop = asyncio.get_running_loop()
    begun = loop.time()
    error = await failure(place.connect(connect_seconds=20).open())
    assert type(error) is rpclab.DisconnectedError
    assert "nobody serves that name" in str(error)
    assert loop.time() - begun == pytest.approx(20)
    again = await failure(place.open[0].open())
    assert str(again) == str(error)


async def test_two_who_wait_for_the_first_session_get_the_same_one(place):
    lasting = place.connect(connect_seconds=20)
    both = asyncio.gather(lasting.open(), lasting.open())
    await asyncio.sleep(1)
    await place.start()
    await both
    assert lasting.sessions == 1
    await lasting.close()
    await place.stop()


async def test_a_peer_that_refuses_the_token_is_not_dialled_again(place):
    await place.start(token="secret")
    error = await failure(place.connect(token="wrong").open())
    assert "it wants its token" in str(error)
    assert place.changes == ["closed"]
    await place.stop()


async def test_a_token_that_is_refused_later_ends_it(place):
    await place.start(token="old")
    lasting = await place.connect(token="old")
    gone = []
    lasting.main.on_broken(gone.append)
    call = lasting.main.hello("Ada")
    await call
    await place.stop()
    waiting = lasting.main.hello("Bob")
    await place.start(token="new")
    error = await failure(waiting)
    assert "it wants its token" in str(error)
    assert error.may_have_run is False
    assert lasting.state == "closed"
    assert [str(each) for each in gone] == [str(lasting.reason)]
    assert "it wants its token" in str(await failure(lasting.main.hello("Ada")))
    await place.stop()


async def test_it_gives_up_after_the_seconds_that_it_was_given(place):
    await place.start()
    lasting = await place.connect(rpclab.Reconnect(first=1, jitter=0, seconds=10))
    await place.stop()
    error = await failure(lasting.main.hello("Ada"))
    assert "nobody serves that name" in str(error)
    assert lasting.state == "closed"


async def test_a_peer_that_breaks_the_rules_ends_it(place, sandbox):
    await place.start()
    lasting = await place.connect()
    lasting._session.receive(0, [b"\xc1"])
    await asyncio.sleep(0.001)
    assert lasting.state == "closed"
    assert type(lasting.reason) is rpclab.RemoteProtocolError
    await place.stop()


# Calls that had left, and calls that had not.


async def test_a_call_that_may_have_run_is_told_so_and_never_repeated(place, register):
    await place.start(register)
    async with place.connect() as api:
        lasting = place.open[0]
        call = api.pay(5)
        await asyncio.sleep(1)
        await place.cut(lasting)
        error = await failure(call)
        assert type(error) is rpclab.DisconnectedError
        assert error.may_have_run is True
        assert "it may have run, or not" in error.__notes__[-1]
        await place_is_open(lasting)
        assert lasting.lost.may_have_run == ("pay()",)
        assert lasting.lost.not_run == ()
        assert str(lasting.lost) == (
            "the other side closed the connection; lost: 1 call that may have run"
        )
        await asyncio.sleep(100)
    assert register.log == ["pay 5"]
    await place.stop()


async def test_calls_made_meanwhile_wait_and_leave_once_in_order(place, register):
    await place.start(register)
    async with place.connect() as api:
        await place.stop()
        calls = [api.hello(name) for name in "abc"]
        assert place.open[0].waiting == 3
        await asyncio.sleep(10)
        await place.start(register)
        assert [await call for call in calls] == ["Hello, a", "Hello, b", "Hello, c"]
        assert place.open[0].waiting == 0
    assert register.log == ["hello a", "hello b", "hello c"]
    await place.stop()


async def test_a_call_whose_message_had_not_left_has_not_run(place, register):
    await place.start(register)
    async with place.connect() as api:
        call = api.hello("Ada")  # it leaves in the next turn of the loop
        place.open[0]._session.session.close(rpclab.DisconnectedError("the cable is pulled"))
        error = await failure(call)
        assert error.may_have_run is False
        assert place.open[0].state == "closed"
    assert register.log == []
    await place.stop()


async def test_an_answer_that_came_is_kept_although_the_session_is_lost(place, register):
    await place.start(register)
    async with place.connect() as api:
        call = api.hello("Ada")
        await asyncio.sleep(1)
        await place.cut(place.open[0])
        assert await call == "Hello, Ada"
        assert place.open[0].lost.may_have_run == ()
    await place.stop()


async def test_calls_pipelined_on_one_that_waits_follow_it(place, register):
    await place.start(register)
    async with place.connect() as api:
        await place.stop()
        account = api.account("Ada")
        names = [account.name(), account.partner().name(), account.partner().partner().name()]
        both = rpclab.gather(*names)
        asyncio.get_running_loop().call_later(
            5, lambda: asyncio.ensure_future(place.start(register))
        )
        assert await both == ["Ada", "Ada's partner", "Ada's partner's partner"]
    await asyncio.sleep(1)
    await place.stop()


async def test_a_promise_that_waits_may_be_an_argument_of_another_call(place, register):
    class Echo(rpclab.RpcTarget):
        def echo(self, value):
            return value

    await place.start(Echo())
    async with place.connect() as api:
        await place.stop()
        last = api.echo([api.echo(1), api.echo(api.echo("two"))])
        mapped = api.echo([1, 2, 3]).map(lambda number: api.echo([number]))
        await place.start(Echo())
        assert await last == [1, "two"]
        assert await mapped == [[1], [2], [3]]
    await place.stop()


async def test_what_a_waiting_call_was_given_is_copied_when_it_is_made(place):
    await place.start()
    got = []
    async with place.connect() as api:
        await place.stop()
        values = [1, [2], bytearray(b"ab")]
        call = api.echo(values)
        values[1].append(3)
        values[2][0] = 0
        callback = rpclab.RpcStub(got.append)
        told = api.call_back(callback, "here")
        callback.dispose()
        await place.start()
        assert await call == [1, [2], b"ab"]
        await told
    assert got == ["here"]
    await place.stop()


async def test_properties_streams_and_targets_wait_as_well(place):
    await place.start()
    async with place.connect() as api:
        await place.stop()
        total = api.total(rpclab.ReadableStream(iter([b"abc", b"de"])))
        increments = api.counter().increment(2)
        told = api.call_back(lambda value: value + 1, 4)
        await place.start()
        assert [await total, await increments, await told] == [5, 2, 5]
    await place.stop()


async def test_so_many_calls_may_wait_and_one_more_is_refused_with_the_numbers(place, register):
    await place.start(register)
    lasting = await place.connect(rpclab.Reconnect(first=1, jitter=0, calls=2))
    await place.stop()
    calls = [lasting.main.hello(name) for name in "ab"]
    error = await failure(lasting.main.hello("c"))
    assert type(error) is rpclab.OverloadedError
    assert (error.worker, error.queued, error.limit) == (ADDRESS, 2, 2)
    assert "reconnecting" in error.__notes__[0]
    await place.start(register)
    assert [await call for call in calls] == ["Hello, a", "Hello, b"]
    await lasting.close()
    await place.stop()


async def test_a_waiting_call_whose_deadline_passes_never_leaves(place, register):
    await place.start(register)
    async with place.connect() as api:
        await place.stop()
        with pytest.raises(TimeoutError):
            async with rpclab.deadline(3):
                await api.hello("Ada")
        assert place.open[0].waiting == 0
        await place.start(register)
        assert await api.hello("Bob") == "Hello, Bob"
    assert register.log == ["hello Bob"]
    await place.stop()


async def test_nor_does_one_that_is_given_up_or_that_nobody_awaits_any_more(place, register):
    await place.start(register)
    async with place.connect() as api:
        await place.stop()

        async def call():
            await api.hello("Ada")

        task = asyncio.ensure_future(call())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert place.open[0].waiting == 0
        await place.start(register)
        assert await api.hello("Bob") == "Hello, Bob"
    assert register.log == ["hello Bob"]
    await place.stop()


async def test_calls_of_a_worker_go_through_a_stub_that_it_was_given(place, register, sandbox):
    sandbox.deploy(
        "client",
        source="""
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def greet(self, api, name):
        return await api.hello(name)
""",
    )
    await place.start(register)
    async with place.connect() as api:
        env = sandbox.bind(CLIENT="client")
        assert await env.CLIENT.greet(api, "Ada") == "Hello, Ada"
        await place.stop()
        waiting = env.CLIENT.greet(api, "Bob")
        await asyncio.sleep(1)
        await place.start(register)
        assert await waiting == "Hello, Bob"
    await place.stop()


async def test_what_a_worker_has_dialled_in_a_call_ends_with_it(place, register, sandbox, recwarn):
    sandbox.engine.warn_undisposed = True
    sandbox.network = "local"
    sandbox.deploy(
        "client",
        source="""
import rpclab
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def tidy(self, address):
        async with rpclab.connect(address, reconnect=True) as api:
            return await api.hello("Ada")

    async def leaves(self, address):
        lasting = await rpclab.connect(address, reconnect=True)
        return await lasting.main.hello("Bob")
""",
    )
    await place.start(register)
    client = sandbox.bind(CLIENT="client").CLIENT
    assert await client.tidy(ADDRESS) == "Hello, Ada"
    assert not recwarn.list
    assert await client.leaves(ADDRESS) == "Hello, Bob"
    await asyncio.sleep(1)
    assert [warning.category for warning in recwarn.list] == [rpclab.UndisposedStubWarning]
    assert not sandbox.engine.lasting
    assert place.server.sessions == 0
    await place.stop()


# What is obtained anew.


async def test_what_a_recipe_gives_is_obtained_in_each_session(place, register):
    await place.start(register)
    async with place.connect() as api:
        lasting = place.open[0]
        account = await lasting.keep(lambda api: api.account("Ada"))
        assert await account.name() == "Ada"
        await place.cut(lasting)
        waiting = account.partner().name()
        assert await waiting == "Ada's partner"
        assert await account.name() == "Ada"
        assert register.log.count("account Ada") == 2
        assert await api.hello("Bob") == "Hello, Bob"
    await place.stop()


async def test_a_recipe_may_be_a_coroutine_function_and_go_several_steps(place, register):
    await place.start(register)
    lasting = await place.connect()

    async def partner(api):
        account = await api.account("Ada")
        return await account.partner()

    kept = await lasting.keep(partner)
    await place.cut(lasting)
    assert await kept.name() == "Ada's partner"
    await lasting.close()
    await place.stop()


async def test_other_stubs_break_with_their_session(place, register):
    await place.start(register)
    lasting = await place.connect()
    account = await lasting.main.account("Ada")
    gone = []
    account.on_broken(gone.append)
    lasting.main.on_broken(lambda _: gone.append("main"))
    await place.cut(lasting)
    await place_is_open(lasting)
    assert type(await failure(account.name())) is rpclab.DisconnectedError
    assert [str(error) for error in gone] == ["the other side closed the connection"]
    assert lasting.lost.stubs == 1
    await lasting.close()
    await place.stop()


async def test_a_callback_is_subscribed_again(place, register):
    await place.start(register)
    lasting = await place.connect()
    got = []
    assert await lasting.keep(lambda api: api.subscribe(got.append)) is None
    await register.tell("one")
    await place.cut(lasting)
    register.subscribers.clear()
    await place_is_open(lasting)
    await asyncio.sleep(1)
    await register.tell("two")
    assert got == ["one", "two"]
    await lasting.close()
    await place.stop()


async def test_what_is_kept_is_obtained_no_more_once_its_stub_is_disposed(place, register):
    await place.start(register)
    lasting = await place.connect()
    account = await lasting.keep(lambda api: api.account("Ada"))
    account.dispose()
    await asyncio.sleep(1)
    assert register.log == ["account Ada", "Ada disposed"]
    await place.cut(lasting)
    await place_is_open(lasting)
    await asyncio.sleep(1)
    assert register.log.count("account Ada") == 1
    await lasting.close()
    await place.stop()


async def test_a_call_that_waits_keeps_the_stub_it_was_made_on(place, register):
    await place.start(register)
    lasting = await place.connect()
    account = await lasting.keep(lambda api: api.account("Ada"))
    await place.stop()
    name = account.name()
    account.dispose()
    await place.start(register)
    assert await name == "Ada"
    await asyncio.sleep(1)
    assert not lasting._kept
    await lasting.close()
    await place.stop()


async def test_a_recipe_that_fails_the_first_time_raises_and_is_forgotten(place, register):
    await place.start(register)
    lasting = await place.connect()
    error = await failure(lasting.keep(lambda api: api.nothing()))
    assert type(error) is rpclab.NoSuchMemberError
    await place.cut(lasting)
    await place_is_open(lasting)
    await lasting.close()
    await place.stop()


@pytest.mark.expects_reports
async def test_a_server_that_comes_back_with_another_main_fails_the_recipe_until_the_next(
    place, register
):
    await place.start(register)
    lasting = await place.connect()
    account = await lasting.keep(lambda api: api.account("Ada"))
    await place.stop()
    waiting = account.name()
    await place.start(Api())
    error = await failure(waiting)
    assert type(error) is rpclab.NoSuchMemberError
    assert type(await failure(account.name())) is rpclab.NoSuchMemberError
    assert await lasting.main.counter().increment() == 1  # main is what it serves now
    await place.stop()
    await place.start(register)
    assert await account.name() == "Ada"
    await lasting.close()
    await place.stop()


async def test_a_session_that_is_lost_while_something_is_obtained_is_tried_again(place, register):
    await place.start(register)
    lasting = await place.connect()

    async def slow(api):
        await api.hello("slow")
        await asyncio.sleep(5)
        return await api.account("Ada")

    keeping = asyncio.ensure_future(lasting.keep(slow))
    await asyncio.sleep(2)
    await place.cut(lasting)
    account = await keeping
    assert await account.name() == "Ada"
    await place.cut(lasting)
    waiting = account.name()
    await asyncio.sleep(3)
    await place.cut(lasting)  # while it is obtained anew
    assert await waiting == "Ada"
    await lasting.close()
    await place.stop()


# Streams.


async def test_a_stream_whose_source_says_where_it_is_goes_on_after_a_loss(place, register):
    await place.start(register)
    lasting = await place.connect()
    got = []
    async for event in lasting.stream(lambda api, after: api.events(after)):
        got.append(event)
        if len(got) in (3, 10):
            await place.cut(lasting)
    assert got == [f"event {number}" for number in range(100)]
    assert [entry for entry in register.log if entry.startswith("events")] == [
        "events None", "events 2", "events 9",
    ]  # fmt: skip
    await lasting.close()
    await place.stop()


async def test_a_stream_may_begin_after_a_place(place, register):
    await place.start(register)
    lasting = await place.connect()
    events = [event async for event in lasting.stream(lambda api, at: api.events(at), after=97)]
    assert events == ["event 98", "event 99"]
    await lasting.close()
    await place.stop()


async def test_a_reader_that_leaves_ends_the_source(place):
    left = []

    class Source(rpclab.RpcTarget):
        def numbers(self, after):
            async def produce():
                try:
                    while True:
                        yield [0, "again"]
                        await asyncio.sleep(1)
                finally:
                    left.append(after)

            return rpclab.ReadableStream(produce())

    await place.start(Source())
    lasting = await place.connect()
    async for _ in lasting.stream(lambda api, after: api.numbers(after)):
        break
    await asyncio.sleep(1)
    assert left == [None]
    await lasting.close()
    await place.stop()


async def test_a_source_without_positions_is_refused_with_advice(place, register):
    await place.start(register)
    lasting = await place.connect()
    with pytest.raises(TypeError, match="gives pairs of a position and a value, not bytes"):
        async for _ in lasting.stream(lambda api, after: api.plain()):
            pass
    await lasting.close()
    await place.stop()


async def test_any_other_stream_breaks_with_its_session(place, register):
    await place.start(register)
    lasting = await place.connect()
    events = await lasting.main.events(None)

    async def read():
        async for _ in events:
            pass

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(2)
    await place.cut(lasting)
    assert type(await failure(reading)) is rpclab.DisconnectedError
    assert lasting.lost.streams == 1
    await lasting.close()
    await place.stop()


# The end.


async def test_the_end_of_the_block_while_it_reconnects_ends_everything(place, register):
    await place.start(register)
    async with place.connect() as api:
        await place.stop()
        waiting = api.hello("Ada")
        await asyncio.sleep(1)
    error = await failure(waiting)
    assert str(error) == "this end closed the connection"
    assert error.may_have_run is False
    await place.start(register)
    await asyncio.sleep(100)
    assert register.log == []
    assert place.server.sessions == 0
    await place.stop()


async def test_to_dispose_of_main_while_it_reconnects_ends_everything(place, register):
    await place.start(register)
    lasting = await place.connect()
    await place.stop()
    waiting = lasting.main.hello("Ada")
    lasting.main.dispose()
    assert "this end closed" in str(await failure(waiting))
    assert lasting.state == "closed"


async def test_a_close_while_it_dials_leaves_no_session_behind(place):
    await place.start()
    lasting = await place.connect()
    await place.stop()
    await place.start()
    lasting._dialling.attempt = slowly(lasting._dialling.attempt)
    await asyncio.sleep(1.5)
    await lasting.close()
    assert place.changes[-1] == "closed"
    await place.stop()


def slowly(attempt):
    async def dial():
        connection = await attempt()
        try:
            await asyncio.sleep(10)
        except BaseException:
            connection.let_go()
            raise
        return connection

    return dial


async def test_a_cancelled_wait_for_the_first_session_ends_it(place):
    lasting = place.connect(connect_seconds=1000)
    task = asyncio.ensure_future(lasting.open())
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.wait([task])
    assert lasting.state == "closed"
    await place.start()
    await asyncio.sleep(100)
    await place.stop()


async def test_a_close_while_it_waits_for_the_first_session_ends_the_wait_at_once(place):
    loop = asyncio.get_running_loop()
    lasting = place.connect(connect_seconds=1000)
    waiting = asyncio.ensure_future(failure(lasting.open()))
    await asyncio.sleep(5)
    await lasting.close()
    assert "this end closed the connection" in str(await waiting)
    assert loop.time() == pytest.approx(5)


async def test_a_deadline_bounds_the_wait_for_the_first_session(place):
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(5):
            await place.connect(connect_seconds=1000)
    assert place.open[0].state == "closed"


async def test_a_session_that_ends_as_it_begins_is_an_attempt_that_failed(place, monkeypatch):
    await place.start()
    lasting = place.connect()
    attempt = lasting._dialling.attempt
    ended = []

    async def ends_at_once():
        connection = await attempt()
        if len(ended) < 2:
            ended.append(connection)
            await connection.cut()
        return connection

    lasting._dialling.attempt = ends_at_once
    await lasting
    assert await lasting.main.hello("Ada") == "Hello, Ada"
    assert (lasting.sessions, place.changes) == (1, [1, 2, "open"])
    await lasting.close()
    await place.stop()


async def test_an_interrupted_await_leaves_the_connection_reconnecting(place, register):
    await place.start(register)
    lasting = await place.connect()
    await place.stop()

    async def cell():
        await lasting.main.hello("Ada")

    task = asyncio.ensure_future(cell())
    await asyncio.sleep(2)
    task.cancel("KeyboardInterrupt")
    await asyncio.wait([task])
    assert lasting.state == "reconnecting"
    await place.start(register)
    assert await lasting.main.hello("Bob") == "Hello, Bob"
    assert register.log == ["hello Bob"]
    await lasting.close()
    await place.stop()


async def test_the_end_of_the_sandbox_ends_it_also_while_it_reconnects(place, register, sandbox):
    await place.start(register)
    lasting = await place.connect()
    await place.stop()
    waiting = lasting.main.hello("Ada")
    keeping = asyncio.ensure_future(lasting.keep(lambda api: api.account("Ada")))
    await asyncio.sleep(0)
    sandbox.reset()
    assert "the sandbox was closed" in str(await failure(waiting))
    assert "the sandbox was closed" in str(await failure(keeping))
    assert lasting.state == "closed"


async def test_closing_twice_is_fine_and_so_is_closing_from_a_callback(place):
    await place.start()
    lasting = await place.connect()
    lasting.on_change(lambda it: it.let_go() if it.state == "reconnecting" else None)
    await place.stop()
    await asyncio.sleep(10)
    await lasting.close()
    await lasting.close()
    assert lasting.state == "closed"


async def test_what_the_peer_may_call_is_offered_again(place, sandbox):
    seen = []
    await place.start()
    lasting = await place.connect(main=seen.append)
    await place.cut(lasting)
    await place_is_open(lasting)
    far = next(s for s in sandbox.engine.sessions() if "visitor" in s.name)
    await rpclab.RpcStub.__from_handle__(Handle(far.imports[0], far.keeper))("called")
    assert seen == ["called"]
    await lasting.close()
    await place.stop()


# What is seen of it.


async def test_it_shows_its_state(place, register):
    await place.start(register)
    lasting = await place.connect()
    assert repr(lasting) == f"<LastingConnection to {ADDRESS}, open>"
    await place.stop()
    lasting.main.hello("Ada")
    await asyncio.sleep(2)
    assert repr(lasting) == (
        f"<LastingConnection to {ADDRESS}, reconnecting, attempt 2 (DisconnectedError: {ADDRESS}"
        " cannot be reached: nobody serves that name), 1 call waiting>"
    )
    await place.start(register)
    await place_is_open(lasting)
    assert repr(lasting) == f"<LastingConnection to {ADDRESS}, open, session 2>"
    await lasting.close()
    assert repr(lasting) == (
        f"<LastingConnection to {ADDRESS}, closed (DisconnectedError: this end closed the"
        " connection), session 2>"
    )
    await place.stop()


async def test_who_awaits_a_call_that_waits_is_seen(place, register, sandbox):
    await place.start(register)
    lasting = await place.connect()
    await place.stop()
    assert sandbox.waiting() == []
    awaiting = asyncio.ensure_future(failure(lasting.main.account("Ada").name()))
    await asyncio.sleep(0.001)
    assert [str(call) for call in sandbox.waiting()] == [f"{ADDRESS}.name()"]
    await lasting.close()
    await awaiting
    assert sandbox.waiting() == []


def test_what_has_no_session_cannot_be_made_anew(sandbox):
    with pytest.raises(ValueError, match="is for batches, which have no session"):
        rpclab.connect("http://127.0.0.1:1/", reconnect=True)
    with pytest.raises(ValueError, match="reconnect would make it anew"):
        rpclab.connect(ADDRESS, reconnect=True, idle_seconds=5)


async def test_main_is_there_with_the_first_session(place):
    with pytest.raises(rpclab.RpcError, match="await the connection first"):
        _ = place.connect().main
    place.open[0].let_go()


async def test_losses_at_random_neither_repeat_nor_forget_a_call(place, sandbox):
    """Over many losses: what says it has not run has not, what answered has run once."""
    chance = random.Random(13)  # noqa: S311 - a test
    ran = []

    class Till(rpclab.RpcTarget):
        async def pay(self, number):
            ran.append(number)
            await asyncio.sleep(chance.random())
            return number

    await place.start(Till())
    lasting = await place.connect(rpclab.Reconnect(first=0.1, jitter=1, settled=0))
    answered, cut, refused = [], [], []

    async def pay(number):
        try:
            answered.append(await lasting.main.pay(number))
        except rpclab.DisconnectedError as error:
            (cut if error.may_have_run else refused).append(number)

    tasks = []
    for number in range(400):
        tasks.append(asyncio.ensure_future(pay(number)))
        await asyncio.sleep(chance.random() / 10)
        if lasting.state == "open" and chance.random() < 0.1:
            await place.cut(lasting)
    await asyncio.wait(tasks)
    assert len(answered) + len(cut) + len(refused) == 400
    assert len(set(ran)) == len(ran)
    assert set(answered) <= set(ran)
    assert not set(refused) & set(ran)
    assert cut
    assert lasting.sessions > 10
    await lasting.close()
    await place.stop()
    gc.collect()


@pytest.mark.parametrize("given", [5, "yes", None, 0, object()], ids=by_repr)
def test_what_says_how_to_reconnect_is_true_or_a_reconnect(given):
    with pytest.raises(TypeError, match=r"reconnect is True, or an rpclab\.Reconnect"):
        rpclab.connect("tcp:127.0.0.1:1", reconnect=given)


@pytest.mark.parametrize(
    "name", ["first", "factor", "most", "jitter", "settled", "seconds", "calls"]
)
@pytest.mark.parametrize("given", ["1", None, True])
def test_the_numbers_of_a_reconnect_are_numbers(name, given):
    with pytest.raises(TypeError, match=f"{name} of Reconnect is a number"):
        rpclab.Reconnect(**{name: given})
