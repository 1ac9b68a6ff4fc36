"""One suite for every kind of link: what a session carries, and how it ends."""

from __future__ import annotations

import asyncio
import gc

import pytest
from support.net import Api, failure, far_sessions
from support.real_time import until

import rpclab


async def test_a_peer_calls_reads_results_and_pipelines(place):
    async with place.serve() as server, place.connect(server) as api:
        assert await api.hello("Ada") == "Hello, Ada"
        assert await api.counter().increment(5) == 5
        value = {"list": [1, [2.5, None]], "text": "é\ud800", "big": 2**80, "bytes": b"\0"}
        assert await api.echo(value) == value


async def test_both_ends_call(place):
    async with place.serve() as server, place.connect(server) as api:
        assert await api.call_back(lambda value: value + 1, 4) == 5
        await api.keep(lambda value: value * 2)
        assert await api.call_kept(21) == 42


async def test_whoever_dials_offers_a_main_of_its_own(place, sandbox):
    met = []

    class Host(rpclab.RpcTarget):
        async def meet(self, guest):
            met.append(await guest.name())

    class Guest(rpclab.RpcTarget):
        def name(self):
            return "Grace"

    class Both(rpclab.RpcTarget):
        def join(self, guest):
            return Host().meet(guest)

    async with place.serve(Both()) as server:
        connection = await place.connect(server, main=Guest())
        await connection.main.join(Guest())
        far = next(s for s in sandbox.engine.sessions() if "visitor" in s.name)
        assert await far.ended.__self__.main.name() == "Grace"
        await connection.close()
    assert met == ["Grace"]


async def test_errors_arrive_as_themselves_and_say_nothing_of_the_places_of_the_code(place):
    async with place.serve() as server, place.connect(server) as api:
        error = await failure(api.fail())
        assert (type(error), str(error), error.remote) == (ValueError, "on purpose", True)
        assert not any("raised in the Worker" in note for note in getattr(error, "__notes__", ()))


async def test_streams_flow_both_ways(place, api):
    async with place.serve() as server, place.connect(server) as remote:
        stream = await remote.numbers(50, 10_000)
        assert sum([len(chunk) async for chunk in stream]) == 500_000
        chunks = rpclab.ReadableStream(b"x" * 70_000 for _ in range(20))
        assert await remote.total(chunks) == 1_400_000
    assert api.log == ["numbers left"]


@pytest.mark.parametrize("size", [1, 40_000, 5_000_000])
async def test_bytes_of_any_size_arrive_whole(place, size):
    async with place.serve() as server, place.connect(server) as api:
        data = bytes(range(256)) * (size // 256 + 1)
        assert await api.echo([data, data[:size]]) == [data, data[:size]]


async def test_a_thousand_calls_in_flight_are_answered_in_order(place):
    async with place.serve() as server, place.connect(server) as api:
        counter = api.counter()
        assert await rpclab.gather(*[counter.increment() for _ in range(1000)]) == [*range(1, 1001)]


async def test_the_end_of_a_connection_breaks_everything_once_with_its_reason(place, api):
    broken = []
    async with place.serve() as server:
        async with place.connect(server) as remote:
            counter = await remote.counter()
            counter.on_broken(broken.append)
            remote.on_broken(broken.append)
            hanging = asyncio.ensure_future(failure(remote.hang()))
            await until(lambda: api.log == ["hanging"])
        for gone in (
            await hanging,
            await failure(counter.increment()),
            await failure(remote.hello("x")),
        ):
            assert isinstance(gone, rpclab.DisconnectedError)
            assert "this end closed the connection" in str(gone)
        await until(lambda: len(api.log) == 3)
    assert sorted(api.log) == ["counter disposed", "hang left", "hanging"]
    assert [str(error) for error in broken] == ["this end closed the connection"] * 2


async def test_the_far_end_learns_that_and_why_the_connection_was_closed(place):
    limits = rpclab.ServerLimits(stop_seconds=0.05)  # the call that hangs is not waited for
    async with place.serve(limits=limits) as server, place.connect(server) as api:
        broken = asyncio.get_running_loop().create_future()
        api.on_broken(broken.set_result)
        hanging = asyncio.ensure_future(failure(api.hang()))
        await api.hello("x")
        stop = asyncio.ensure_future(server.stop())
        assert "stopping" in str(await refused(lambda: api.hello("again")))
        hanging.cancel()
        assert "stopping" in str(await broken)
        await stop


async def test_a_server_that_stops_lets_calls_end_that_are_under_way(place):
    gate = asyncio.Event()

    class Slow(rpclab.RpcTarget):
        async def work(self):
            await gate.wait()
            return "done"

        def ready(self):
            return True

    async with place.serve(Slow()) as server, place.connect(server) as api:
        work = asyncio.ensure_future(_awaited(api.work()))
        await api.ready()
        stop = asyncio.ensure_future(server.stop())
        await refused(api.ready)
        gate.set()
        assert await work == "done"
        await stop


async def _awaited(promise):
    return await promise


async def refused(call):
    """Call again and again, until the other side takes no more calls. Gives the error."""
    while True:
        try:
            await call()
        except Exception as error:
            return error


async def test_to_dispose_of_main_ends_the_connection(place):
    async with place.serve() as server:
        connection = await place.connect(server)
        connection.main.dispose()
        await connection.closed.wait()
        assert isinstance(connection.reason, rpclab.DisconnectedError)


async def test_what_a_peer_let_go_of_is_disposed_at_once(place, api, sandbox):
    async with place.serve() as server, place.connect(server) as remote:
        counter = await remote.counter()
        counter.dispose()
        await remote.hello("x")
        assert api.log == ["counter disposed"]
        del counter
        gc.collect()


async def test_a_call_that_nobody_waits_for_any_more_is_cancelled(place, api):
    if place.codec:
        return  # a release does not stop a call in Cap'n Web, and there is no other word
    async with place.serve() as server, place.connect(server) as remote:
        hanging = asyncio.ensure_future(_awaited(remote.hang()))
        await until(lambda: "hanging" in api.log)
        hanging.cancel()
        await until(lambda: "hang left" in api.log)


async def test_each_session_gets_a_target_of_its_own_of_a_class(place):
    class Own(rpclab.RpcTarget):
        def __init__(self):
            self._calls = 0

        def call(self):
            self._calls += 1
            return self._calls

    async with place.serve(Own) as server:
        for _ in range(2):
            async with place.connect(server) as api:
                assert [await api.call(), await api.call()] == [1, 2]


async def test_a_binding_of_a_sandbox_can_be_served(place, sandbox):
    sandbox.deploy(
        "greeter",
        source="from workers import WorkerEntrypoint\n"
        "class Default(WorkerEntrypoint):\n"
        "    def greet(self, name):\n"
        "        return f'{self.env.WORD} {name}'\n",
        vars={"WORD": "Ahoy"},
    )
    env = sandbox.bind(GREETER="greeter")
    async with place.serve(env.GREETER) as server, place.connect(server) as api:
        assert await api.greet("Ada") == "Ahoy Ada"


async def test_what_can_be_no_main_is_refused_at_once(place):
    with pytest.raises(TypeError, match="main is a target"):
        place.serve(17)
    with pytest.raises(TypeError, match="main is a target"):
        rpclab.connect("tcp:127.0.0.1:1", main={"a": 1})


async def test_an_end_that_offers_no_main_says_so(place, sandbox):
    class Caller(rpclab.RpcTarget):
        pass

    async with place.serve(Caller()) as server:
        connection = await place.connect(server)
        far = next(s for s in sandbox.engine.sessions() if "visitor" in s.name)
        error = await failure(far.ended.__self__.main.anything())
        assert "offers no main object" in str(error)
        await connection.close()


async def test_sessions_stand_in_the_tables_while_they_are_open(place, sandbox):
    async with place.serve() as server:
        async with place.connect(server):
            assert len(far_sessions(sandbox)) == 2
        await until(lambda: far_sessions(sandbox) == [])
        assert server.sessions == 0 if hasattr(server, "sessions") else True


async def test_a_token_that_is_asked_for_must_be_given(place):
    async with place.serve(token="s3cret") as server:
        assert "token=s3cret" in server.address
        async with place.connect(server) as api:
            assert await api.hello("x") == "Hello, x"
        bare = server.address.partition("?")[0]
        for options in ({}, {"token": "wrong"}, {"token": "s3cret2"}, {"token": "S3cret"}):
            with pytest.raises(rpclab.DisconnectedError, match="token"):
                await rpclab.connect(bare, **place.secure, **options)
        async with rpclab.connect(bare, token="s3cret", **place.secure) as api:
            assert await api.hello("y") == "Hello, y"


async def test_where_nobody_serves_the_error_says_where(place):
    async with place.serve() as server:
        address = server.address
    with pytest.raises(rpclab.DisconnectedError, match="cannot be reached"):
        await rpclab.connect(address, **place.secure)


async def test_a_sandbox_that_closes_breaks_what_came_from_elsewhere(place):
    async with rpclab.Sandbox() as inner, place.serve(Api()) as server:
        connection = await place.connect(server)
        inner.close()
        error = await failure(connection.main.hello("x"))
        assert isinstance(error, rpclab.DisconnectedError)
        await connection.closed.wait()


class Logs(rpclab.RpcTarget):
    def all(self):
        return [Log(), Log()]

    def log(self):
        return Log()


class Log(rpclab.RpcTarget):
    def __init__(self):
        self._seen = []

    def itself(self):
        return self

    def note(self, what):
        self._seen.append(what)
        return self._seen


async def test_without_pipelining_calls_on_a_result_wait_for_it_and_find_it(place):
    sandbox = rpclab.Sandbox(pipelining=False)
    async with sandbox, place.serve(Logs()) as server, place.connect(server) as logs:
        several = logs.all()
        refused = several.missing()
        assert await several.map(lambda log: log.note("x")) == [["x"], ["x"]]
        with pytest.raises(TypeError, match="missing"):
            await refused
        log = logs.log().itself()
        assert await log.note(logs.log().note("x")) == [["x"]]
