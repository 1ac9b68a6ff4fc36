"""Distances between Workers: by pair, by city, changed and cut and broken while calls are made."""

import asyncio

import pytest
from support.clocks import on_a_virtual_clock

import rpclab
from rpclab.errors import RemoteProtocolError
from rpclab.simulation.cities import round_trip

SOURCE = """
import asyncio

from workers import RpcTarget, WorkerEntrypoint


class Counter(RpcTarget):
    def __init__(self):
        self._value = 0

    def increment(self):
        self._value += 1
        return self._value


class Default(WorkerEntrypoint):
    def echo(self, value=None):
        return value

    def counter(self):
        return Counter()

    async def relay(self):
        return await self.env.NEXT.echo("there")
"""


@pytest.fixture
def sandbox():
    with on_a_virtual_clock(SOURCE) as sandbox:
        yield sandbox


async def test_without_a_link_every_answer_is_there_at_once(sandbox):
    await sandbox.env.A.relay()
    assert sandbox.time() == 0
    assert repr(sandbox.links) == "no links: every Worker answers at once"


async def test_a_call_takes_a_round_trip_of_its_link_alone(sandbox):
    sandbox.link("notebook", "a", rtt="80ms")
    await sandbox.env.A.echo()
    assert sandbox.time() == pytest.approx(0.08)
    await sandbox.env.B.echo()
    await sandbox.env.A.relay()
    assert sandbox.time() == pytest.approx(0.16)
    sandbox.link("b", "a", rtt=1)
    await sandbox.env.A.relay()
    assert sandbox.time() == pytest.approx(1.24)


async def test_a_large_message_takes_the_time_of_its_bytes(sandbox):
    sandbox.link("notebook", "a", bandwidth="1MB/s")
    with sandbox.trace() as trace:
        await sandbox.env.A.echo(bytes(500_000))
    assert sandbox.time() == pytest.approx(trace.bytes / 1_000_000)
    assert trace.bytes > 1_000_000


async def test_calls_on_one_link_share_its_bandwidth(sandbox):
    sandbox.link("notebook", "a", bandwidth=1000)
    await rpclab.gather(*[sandbox.env.A.counter() for _ in range(10)])
    alone = sandbox.time()
    await rpclab.gather(*[sandbox.env.A.counter() for _ in range(20)])
    assert sandbox.time() - alone == pytest.approx(2 * alone, rel=0.2)


async def test_where_workers_stand_decides_how_far_they_are(sandbox):
    sandbox.locate("notebook", "amsterdam")
    sandbox.deploy("far", source=SOURCE, at="tokyo")
    sandbox.deploy("near", source=SOURCE, at="amsterdam")
    env = sandbox.bind(FAR="far", NEAR="near")
    await env.FAR.echo()
    assert sandbox.time() == pytest.approx(round_trip("amsterdam", "tokyo"))
    before = sandbox.time()
    await env.NEAR.echo()
    assert sandbox.time() - before == pytest.approx(0.001)
    assert sandbox.links.places == {"notebook": "amsterdam", "far": "tokyo", "near": "amsterdam"}


async def test_a_link_between_cities_is_that_of_all_who_stand_there(sandbox):
    sandbox.link("tokyo", "paris", rtt=3)
    for worker, city in {"notebook": "paris", "a": "tokyo", "b": "tokyo"}.items():
        sandbox.locate(worker, city)
    await rpclab.gather(sandbox.env.A.echo(), sandbox.env.B.echo())
    assert sandbox.time() == 3
    sandbox.link("notebook", "a", rtt=1)
    await sandbox.env.A.echo()
    assert sandbox.time() == 4
    sandbox.locate("b", None)
    await sandbox.env.B.echo()
    assert sandbox.time() == 4


def test_a_city_that_is_not_there_is_answered_with_those_that_are(sandbox):
    with pytest.raises(ValueError, match=r"no city is called 'tokio'; did you mean 'tokyo'\?"):
        sandbox.locate("a", "tokio")
    with pytest.raises(ValueError, match="no city is called"):
        sandbox.deploy("a", source="raise SystemExit", at="nowhere")
    with pytest.raises(ValueError, match="tokyo is a city while a is none"):
        sandbox.link("a", "tokyo", rtt=1)
    with pytest.raises(ValueError, match="no distance from itself"):
        sandbox.link("a", "a", rtt=1)


@pytest.mark.parametrize(
    ("before", "pause", "after", "there"),
    [(1000, 5, 2, 6), (2, 0.5, 100, 100)],
    ids=["a shorter latency", "a longer latency"],
)
async def test_another_latency_acts_on_a_call_that_is_under_way(
    sandbox, before, pause, after, there
):
    link = sandbox.link("notebook", "a", rtt=before)
    call = asyncio.ensure_future(sandbox.env.A.echo("x"))
    await sandbox.sleep(pause)
    link.rtt = after
    assert await call == "x"
    assert sandbox.time() == there


async def test_a_link_that_is_cut_loses_nothing_and_keeps_the_order(sandbox):
    link = sandbox.link("notebook", "a", rtt=1)
    counter = await sandbox.env.A.counter()
    calls = [counter.increment() for _ in range(3)]
    await sandbox.sleep(0.25)
    link.cut()
    calls.append(counter.increment())
    await sandbox.sleep(60)
    assert all("pending" in repr(call) for call in calls)
    link.mend()
    assert await rpclab.gather(*calls) == [1, 2, 3, 4]
    assert sandbox.time() == 62.25


async def test_a_link_that_breaks_rejects_its_calls_and_breaks_its_stubs(sandbox):
    sandbox.link("notebook", "a", rtt=1)
    counter = await sandbox.env.A.counter()
    broken = []
    counter.on_broken(broken.append)
    call = asyncio.ensure_future(sandbox.env.A.echo())
    await sandbox.sleep(0.25)
    sandbox.break_link("a", "notebook")
    for awaitable in (call, counter.increment()):
        with pytest.raises(rpclab.DisconnectedError, match="the link between notebook and a broke"):
            await awaitable
    assert len(broken) == 1


async def test_bindings_work_again_after_a_link_broke(sandbox):
    sandbox.link("notebook", "a", rtt=1)
    binding = sandbox.env.A
    await binding.echo()
    sandbox.break_link("notebook", "a")
    assert await binding.echo("again") == "again"
    assert await sandbox.env.A.echo("and again") == "and again"
    assert sandbox.time() == 3


async def test_a_method_whose_caller_was_cut_off_is_cancelled(sandbox):
    sandbox.deploy(
        "c",
        source=f"""{SOURCE}
seen = []

class Slow(WorkerEntrypoint):
    async def wait(self):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    def seen(self):
        return seen
""",
    )
    env = sandbox.bind(C="c#Slow")
    sandbox.link("notebook", "c", rtt=1)
    call = asyncio.ensure_future(env.C.wait())
    await sandbox.sleep(3)
    sandbox.break_link("notebook", "c")
    with pytest.raises(rpclab.DisconnectedError):
        await call
    assert await env.C.seen() == ["cancelled"]


def test_what_is_not_joined_cannot_break(sandbox):
    with pytest.raises(KeyError, match="no link joins notebook and a"):
        sandbox.break_link("notebook", "a")


async def test_jitter_is_the_same_on_each_run():
    taken = set()
    for _ in range(5):
        async with rpclab.Sandbox(clock="virtual") as sandbox:
            sandbox.deploy("a", source=SOURCE)
            env = sandbox.bind(A="a")
            sandbox.link("notebook", "a", rtt=0.1, jitter=1, seed=7)
            for _ in range(10):
                await env.A.echo()
            taken.add(sandbox.time())
    assert len(taken) == 1
    assert 1 < taken.pop() < 21


async def test_the_links_are_listed_with_what_they_do(sandbox):
    sandbox.link("notebook", "a", rtt="80ms", bandwidth="1MB/s")
    sandbox.link("a", "b", up=False)
    sandbox.locate("b", "paris")
    assert repr(sandbox.links).splitlines() == [
        "notebook ↔ a  round trip 80 ms, 1 MB/s",
        "a ↔ b         round trip 0 s, cut",
        "",
        "b is in paris",
    ]
    assert [link.ends for link in sandbox.links] == [("notebook", "a"), ("a", "b")]
    assert sandbox.links["a", "notebook"].rtt == 0.08


async def test_reset_forgets_the_links(sandbox):
    sandbox.link("notebook", "a", rtt=1)
    sandbox.reset()
    assert len(sandbox.links) == 0
    sandbox.deploy("a", source=SOURCE)
    await sandbox.bind(A="a").A.echo()
    assert sandbox.time() == 0


async def test_on_the_real_clock_links_wait_on_the_loop():
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("a", source=SOURCE)
        env = sandbox.bind(A="a")
        sandbox.link("notebook", "a", rtt=3)
        before = sandbox.time(), asyncio.get_running_loop().time()
        assert await env.A.counter().increment() == 1
        await sandbox.sleep(2)
        after = sandbox.time(), asyncio.get_running_loop().time()
        assert after[0] - before[0] == pytest.approx(5)
        assert after[1] - before[1] == pytest.approx(5)


def test_frames_under_way_survive_the_end_of_their_loop():
    sandbox = rpclab.Sandbox()
    sandbox.deploy("a", source=SOURCE)
    env = sandbox.bind(A="a")
    link = sandbox.link("notebook", "a", rtt=1000)

    async def begin():
        call = env.A.echo("x")
        await asyncio.sleep(0)
        return call

    async def end(call):
        link.rtt = 0
        return await call

    assert asyncio.run(end(asyncio.run(begin()))) == "x"
    sandbox.close()


async def test_a_session_that_ended_by_itself_leaves_nothing_on_its_link(sandbox):
    link = sandbox.link("notebook", "a", rtt=1)
    for _ in range(3):
        await sandbox.env.A.echo()
        [session] = [each for each in sandbox.engine.sessions() if each.name == "notebook→a"]
        session.abort(RemoteProtocolError("as in a dispute"))
        await sandbox.sleep(1)
        assert session.peer.closed is not None  # its last words arrived
        sandbox.bind(A="a")
    assert len(link._lanes) == 2
