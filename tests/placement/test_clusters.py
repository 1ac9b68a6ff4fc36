"""Workers on the nodes of a cluster: the same program, and nothing of it passes the notebook."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.on_cluster import node_of, on
from support.processes import WORKER, calling, descendants, lives
from support.real_time import until
from support.world import failure

import rpclab
from rpclab.errors import PlacementError
from rpclab.placement import dask_cluster
from rpclab.placement.declared import DaskCluster, placement_of
from rpclab.placement.stores import KeptStore
from rpclab.workers.storage.sql_stores import SqliteStore

BOUND = 90  # seconds; a cluster takes its time to start on a slow machine

CALLER = """
import os
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()

    async def many(self, count):
        return sum([await self.env.NEIGHBOUR.add(number, 1) for number in range(count)])

    async def wait_there(self):
        await self.env.NEIGHBOUR.wait()

    async def callback(self, function):
        return await self.env.NEIGHBOUR.call(function, 20)
"""


@pytest.fixture
def sandbox(cluster):
    """A sandbox whose cluster is the one of all tests."""
    fresh = rpclab.Sandbox()
    cluster.serve(fresh)
    yield fresh
    fresh.close()


@pytest.fixture
def pair(sandbox):
    """Two Workers on two nodes, of which one is bound to the other."""
    sandbox.deploy("neighbour", source=WORKER, placement=rpclab.dask(node="node-0"))
    sandbox.deploy(
        "caller",
        source=CALLER,
        bind={"NEIGHBOUR": "neighbour"},
        placement=rpclab.dask(node="node-1"),
    )
    return sandbox.bind(CALLER="caller", NEIGHBOUR="neighbour")


async def test_workers_run_where_they_were_placed(sandbox, cluster, pair):
    assert [node_of(sandbox, name) for name in ("neighbour", "caller")] == ["node-0", "node-1"]
    assert await pair.CALLER.pid() in cluster.pids("node-1")
    assert await pair.NEIGHBOUR.pid() in cluster.pids("node-0")
    assert await pair.CALLER.many(3) == 6
    pid = await pair.CALLER.pid()
    assert f"in process {pid} on node-1" in repr(sandbox.workers["caller"])


async def test_where_nobody_says_the_node_with_the_fewest_hosts_is_chosen(sandbox):
    for name in ("one", "two", "three", "four"):
        sandbox.deploy(name, source=CALLER, placement="dask")
    nodes = [node_of(sandbox, name) for name in ("one", "two", "three", "four")]
    assert sorted(nodes) == ["node-0", "node-0", "node-1", "node-1"]


async def test_it_is_listed_where_workers_run_and_how_far_the_nodes_are(sandbox, pair):
    sandbox.deploy("here", source=CALLER)
    sandbox.deploy("beside", source=CALLER, placement="process")

    def measured():
        return all(node.round_trip is not None for node in sandbox.nodes()[2:])

    await until(measured)
    found = {node.name: node.workers for node in sandbox.nodes()}
    assert found == {
        "kernel": ("here",), "processes": ("beside",), "node-0": ("neighbour",),
        "node-1": ("caller",),
    }  # fmt: skip
    assert [line.split()[0] for line in repr(sandbox.nodes()).split("\n")] == ["node", *found]
    placed = sandbox.programs.on_node("node-1", "neighbour")
    assert (await sandbox.move("neighbour", placed)).nodes == ["node-1"]


async def test_of_a_call_between_two_nodes_nothing_passes_the_sandbox(sandbox, cluster, pair):
    await pair.CALLER.many(1)  # which joins them
    hosts = [*sandbox.programs.hosts.values()]
    for host in hosts:
        host._timer.cancel()  # what is counted are records: no signs of life may be among them
    await until(lambda: all(host._heard >= host._asked for host in hosts))
    counted = []
    for count in (1, 200):
        records = cluster.records
        with sandbox.trace() as trace:
            await pair.CALLER.many(count)
        counted.append((cluster.records - records, trace.messages, trace.bytes // 10))
    assert counted[0] == counted[1]


async def test_what_is_called_back_through_two_nodes_comes_here(pair):
    assert await pair.CALLER.callback(lambda number: number + 1) == 21


async def test_a_worker_in_a_process_here_reaches_one_on_a_node_and_the_other_way_round(sandbox):
    sandbox.deploy("here", source=WORKER, bind={"NEIGHBOUR": "there"}, placement="process")
    sandbox.deploy("there", source=WORKER, bind={"NEIGHBOUR": "here"}, placement="dask")
    env = sandbox.bind(HERE="here", THERE="there")
    assert await env.HERE.neighbour("pid") == await env.THERE.pid()
    assert await env.THERE.neighbour("pid") == await env.HERE.pid()


async def test_what_it_prints_comes_here_before_the_answer(pair, capsys):
    capsys.readouterr()
    for number in range(20):
        await pair.NEIGHBOUR.say(f"hello {number}")
        assert capsys.readouterr().out == f"hello {number}\n"


async def test_an_error_keeps_its_class(pair):
    assert type(await failure(pair.NEIGHBOUR.add(1, "two"))) is TypeError


async def test_a_worker_moves_from_here_to_a_node_and_back_while_it_is_called(sandbox):
    sandbox.deploy("worker", source=WORKER)
    env = sandbox.bind(WORKER="worker")
    for placement in (rpclab.dask(node="node-0"), rpclab.dask(node="node-1"), "kernel"):
        calls = [env.WORKER.add(number, 0) for number in range(20)]
        await sandbox.move("worker", placement)
        assert [await call for call in calls] == [*range(20)]
    assert await env.WORKER.pid() == os.getpid()


async def test_calls_are_spread_over_the_nodes(sandbox, cluster):
    sandbox.deploy("worker", source=CALLER, placement=rpclab.dask(count=4))
    env = sandbox.bind(WORKER="worker")
    pids = {await env.WORKER.pid() for _ in range(8)}
    assert len(pids) == 4
    assert [len(pids & {*cluster.pids(f"node-{number}")}) for number in (0, 1)] == [2, 2]


async def test_a_crash_on_a_node_has_the_reason_of_any_crash(pair):
    pid = await pair.NEIGHBOUR.pid()
    error = await failure(pair.NEIGHBOUR.exit(3))
    assert f'the process {pid} of Worker "neighbour" ended: exit code 3' in str(error)
    assert "about to go" in str(error)
    assert await pair.NEIGHBOUR.add(1, 2) == 3


def test_code_that_fails_on_a_node_raises_its_error(sandbox):
    with pytest.raises(KeyError):
        sandbox.deploy("worker", source='{}["tea"]', placement="dask")


def test_a_node_that_is_not_there_is_refused_and_the_error_names_those_there_are(sandbox):
    with pytest.raises(PlacementError, match="there are: node-0, node-1"):
        sandbox.deploy("worker", source=WORKER, placement=rpclab.dask(node="node-9"))


def test_a_scheduler_that_is_not_there_is_named(sandbox, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_PATIENCE", 0.2)
    with pytest.raises(PlacementError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1:"):
        sandbox.deploy("worker", source=WORKER, placement="dask:tcp://127.0.0.1:1")


# When something dies.


async def _settles(env, cause):
    """Every call to a Worker that is under way rejects, and the reason names the cause."""
    waits = [env.NEIGHBOUR.wait() for _ in range(5)]
    counter = await env.NEIGHBOUR.counter()
    await env.CALLER.many(1)
    through = env.CALLER.wait_there()
    await env.CALLER.many(1)  # which comes after it, so it is under way
    cause()
    async with asyncio.timeout(10):
        texts = [str(await failure(each)) for each in (*waits, through)]
        return [*texts, str(await failure(counter.increment()))]


async def test_kill_9_of_a_node_settles_all_and_its_workers_start_anew_elsewhere(
    sandbox, cluster, pair
):
    pids = cluster.pids("node-0")
    texts = await _settles(pair, lambda: os.kill(pids[0], signal.SIGKILL))
    assert all('its node "node-0" was lost: the Dask worker' in text for text in texts), texts
    await until(lambda: not any(map(lives, pids)))
    # It was placed on that very node, which is started anew with the next call.
    assert await pair.CALLER.many(3) == 6
    assert node_of(sandbox, "neighbour") == "node-0"
    assert not {*cluster.pids("node-0")} & {*pids}


async def test_kill_9_of_the_scheduler_settles_all_and_the_reason_says_so(cluster, pair):
    pids = [*cluster.pids("node-0"), *cluster.pids("node-1")]
    scheduler = cluster.launcher._here._scheduler.pid
    texts = await _settles(pair, lambda: os.kill(scheduler, signal.SIGKILL))
    assert all("the Dask scheduler at tls://127.0.0.1" in text for text in texts), texts
    await until(lambda: not any(map(lives, pids)))
    # A cluster of the sandbox's own is started anew with the next call.
    assert await pair.NEIGHBOUR.add(1, 2) == 3


async def test_a_node_that_stands_still_is_given_up_and_what_ran_there_has_ended(
    sandbox, cluster, pair
):
    await pair.NEIGHBOUR.pid()  # the cluster runs
    placement = on(cluster, silence_seconds=4, node="node-0")
    sandbox.deploy("neighbour", source=WORKER, placement=placement)
    (host,) = sandbox.workers["neighbour"].hosts
    agent = _parent(_parent(host.pid))
    stopped = [agent, *descendants(agent)]
    waits, counter = pair.NEIGHBOUR.wait(), await pair.NEIGHBOUR.counter()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    texts = [str(await failure(each)) for each in (waits, counter.increment())]
    why = 'nothing was heard of its node "node-0" for 4 s (silence_seconds), so it was given up'
    assert all(why in text for text in texts), texts
    # Its lease has ended, so that nothing of it goes on when it is heard of again.
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    await until(lambda: not any(map(lives, stopped)))
    moved = await sandbox.move("neighbour", on(cluster, silence_seconds=4, node="node-1"))
    assert moved.nodes == ["node-1"]
    assert await pair.NEIGHBOUR.add(1, 2) == 3


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[1])


async def test_kill_9_of_the_program_leaves_nothing_of_its_cluster(tmp_path):
    program = await calling(tmp_path, "dask:1", "hold")
    processes = descendants(program.pid)
    assert len(processes) >= 6  # scheduler, node, agent, zygote, host, and what that has started
    program.kill()
    await program.wait()
    await until(lambda: not any(map(lives, processes)))


# Durable Objects.

TALLY = """
import os
from workers import DurableObject, WorkerEntrypoint

class Tally(DurableObject):
    async def add(self, number):
        seen = await self.ctx.storage.get("seen") or []
        await self.ctx.storage.put("seen", [*seen, number])
        return os.getpid()

    async def seen(self):
        return await self.ctx.storage.get("seen") or []

class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()
"""


async def test_what_objects_store_outlives_their_node_and_their_sandbox(cluster, tmp_path):
    for start in (0, 3):
        async with rpclab.Sandbox(storage=tmp_path) as sandbox:
            cluster.serve(sandbox)
            sandbox.deploy(
                "tally", source=TALLY, objects={"TALLY": "Tally"}, placement=rpclab.dask()
            )
            tally = sandbox.bind(TALLY=rpclab.objects("tally#Tally")).TALLY.get_by_name("one")
            assert await tally.seen() == [*range(start)]
            first = await tally.add(start)
            (host,) = sandbox.workers["tally"].hosts
            os.kill(host.pid, signal.SIGKILL)
            await until(lambda host=host: host.why is not None)
            assert await tally.add(start + 1) != first
            await sandbox.move("tally", rpclab.dask(node="node-1"))
            await tally.add(start + 2)
            assert await tally.seen() == [*range(start + 3)]


async def test_an_object_that_was_given_up_and_lives_on_can_write_nothing(sandbox, tmp_path):
    store = SqliteStore(tmp_path / "store.sqlite")
    kept = KeptStore(store, "sandbox")

    def ask(what, *args):
        record = {"kind": "store", "ask": 1, "what": what, "args": ["tally#Tally", *args]}
        return kept.answer("tally", record)["value"]

    key = b"k" * 32
    old, *_ = ask("acquire", key, "one", 10.0)
    assert ask("write", [[key, old, False, [[b"a", b"1"]], []]]) == []
    new, *_, values = ask("acquire", key, None, 10.0)
    assert (new, values) == (old + 1, [[b"a", b"1"]])
    assert ask("write", [[key, old, False, [[b"a", b"2"]], []]]) == [key]
    assert ask("renew", [[key, old]], 10.0) == [key]
    assert ask("write", [[key, new, False, [[b"a", b"3"]], [5]]]) == []
    assert ask("alarms") == [[key, 5]]
    assert ask("name", key) == "one"
    store.close()


@pytest.mark.parametrize(
    ("namespace", "what", "args"),
    [
        ("other#Tally", "name", [b"k"]),
        ("tally", "name", [b"k"]),
        ("tally#Tally", "close", []),
        ("tally#Tally", "name", ["k"]),
        ("tally#Tally", "write", [[[b"k", 1, False, [["k", b"v"]], []]]]),
        ("tally#Tally", "write", [["x"]]),
        ("tally#Tally", "renew", [[[b"k", "1"]], 1.0]),
        ("tally#Tally", "acquire", [b"k", 1, 1.0]),
    ],
)
def test_a_host_can_ask_for_what_is_its_workers_alone(tmp_path, namespace, what, args):
    kept = KeptStore(SqliteStore(tmp_path / "store.sqlite"), "sandbox")
    with pytest.raises(rpclab.RemoteProtocolError):
        kept.answer("tally", {"kind": "store", "ask": 1, "what": what, "args": [namespace, *args]})
    kept.close()


async def test_objects_in_the_memory_of_the_kernel_cannot_come_along_to_a_node(sandbox):
    sandbox.deploy("tally", source=TALLY, objects={"TALLY": "Tally"})
    with pytest.raises(PlacementError, match="shared_objects="):
        await sandbox.move("tally", "dask")


async def test_objects_in_a_store_that_all_share_move_anywhere(cluster, tmp_path):
    shared = rpclab.SharedObjects(tmp_path / "shared.sqlite")
    async with rpclab.Sandbox(shared_objects=shared) as sandbox:
        cluster.serve(sandbox)
        sandbox.deploy("tally", source=TALLY, objects={"TALLY": "Tally"})
        tally = sandbox.bind(TALLY=rpclab.objects("tally#Tally")).TALLY.get_by_name("one")
        pids = [await tally.add(0)]
        for number, placement in enumerate(("process", "dask", "kernel"), 1):
            await sandbox.move("tally", placement)
            pids.append(await tally.add(number))
        assert await tally.seen() == [0, 1, 2, 3]
        assert len({*pids}) == 3


@pytest.mark.parametrize("placement", ["process", "dask"])
async def test_a_store_that_is_an_object_of_this_program_is_refused_elsewhere(
    cluster, tmp_path, placement
):
    shared = rpclab.SharedObjects(SqliteStore(tmp_path / "shared.sqlite"))
    async with rpclab.Sandbox(shared_objects=shared) as sandbox:
        cluster.serve(sandbox)
        with pytest.raises(PlacementError, match="give its address"):
            sandbox.deploy("tally", source=TALLY, objects={"TALLY": "Tally"}, placement=placement)
        sandbox.deploy("caller", source=CALLER, placement=placement)  # it has no such objects


# What a user may say.


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ("dask", None),
        ("dask:3", DaskCluster(nodes=3)),
        ("dask:tls://10.0.0.7:8786", DaskCluster("tls://10.0.0.7:8786")),
        ("dask:tcp://scheduler.dask:8786", DaskCluster("tcp://scheduler.dask:8786")),
    ],
)
def test_a_cluster_is_said_in_a_word(text, cluster):
    placed = placement_of(text)
    assert placed.cluster == cluster
    assert placed.declared == text


@pytest.mark.parametrize("text", ["dask:", "dask:0", "dask:x", "dask:inproc://1/2", "dask:1000"])
def test_what_says_no_cluster_is_refused(text):
    with pytest.raises(ValueError, match="no placement is called"):
        placement_of(text)


@pytest.mark.parametrize(
    ("given", "options", "kind"),
    [
        (3, {}, TypeError),
        (SimpleNamespace(scheduler_address=None), {}, TypeError),
        ("inproc://10.0.0.1/1/2", {}, ValueError),
        ("10.0.0.7:8786", {}, ValueError),
        ("tcp://10.0.0.7:8786", {"nodes": 2}, ValueError),
        (None, {"nodes": 0}, ValueError),
        (None, {"nodes": True}, TypeError),
        (None, {"count": 0}, ValueError),
        (None, {"silence_seconds": "long"}, TypeError),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(given, options, kind):
    with pytest.raises(kind):
        rpclab.dask(given, **options)


def test_a_client_or_a_cluster_of_dask_says_which_scheduler_is_meant():
    address, security = "tls://10.0.0.7:8786", object()
    client = SimpleNamespace(scheduler=SimpleNamespace(address=address), security=security)
    for given in (client, SimpleNamespace(scheduler_address=address, security=security)):
        found = rpclab.dask(given).cluster
        assert (found.address, found.security) == (address, security)
