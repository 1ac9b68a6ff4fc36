"""Leases and epochs: of two nodes that take an object for theirs, one alone can write."""

from __future__ import annotations

import asyncio
import time

import pytest
from support.net import failure

import rpclab
from rpclab.workers.storage.object_store import Change
from rpclab.workers.storage.rows import UNCHANGED
from rpclab.workers.storage.sql_stores import SqliteStore

SPACE, KEY, OTHER = "room#Room", b"k" * 32, b"o" * 32
LONG, SHORT = 1000.0, 0.0  # seconds of a lease


@pytest.fixture(params=["sqlite", "postgres"])
def address(request, tmp_path):
    """Where a store is that is empty."""
    if request.param == "sqlite":
        return str(tmp_path / "objects.sqlite")
    return request.getfixturevalue("postgres")


@pytest.fixture
def store(address):
    """The store, as one node has it."""
    found = rpclab.SharedObjects(address).open()
    yield found
    found.close()


@pytest.fixture
def another(address):
    """The same store, as another node has it."""
    found = rpclab.SharedObjects(address).open()
    yield found
    found.close()


def change(epoch, key=KEY, *, cleared=False, alarm=UNCHANGED, **values):
    return Change(key, epoch, cleared, {k.encode(): v for k, v in values.items()}, alarm)


def values(store, key=KEY):
    """What is stored of an object; to ask takes its lease."""
    granted = store.acquire(SPACE, key, None, "reader", SHORT)
    return {k.decode(): v for k, v in granted.values.items()}


# The store.


def test_each_grant_has_an_epoch_of_its_own_also_after_all_was_deleted(store, another):
    epochs = []
    for node in ("a", "b", "a", "a"):
        granted = store.acquire(SPACE, KEY, None, node, LONG)
        epochs.append(granted.epoch)
        assert another.write(SPACE, [change(granted.epoch, cleared=True, alarm=None)]) == set()
        another.release(SPACE, {KEY: granted.epoch})
    assert epochs == [1, 2, 3, 4]


def test_a_lease_keeps_others_away_and_says_who_has_it(store, another):
    store.acquire(SPACE, KEY, None, "a", LONG)
    with pytest.raises(rpclab.ObjectElsewhereError) as caught:
        another.acquire(SPACE, KEY, None, "b", LONG)
    error = caught.value
    assert (error.node, error.retryable) == ("a", True)
    assert 0 < error.seconds <= LONG
    assert "lives on the node a" in str(error)
    assert another.acquire(SPACE, OTHER, None, "b", LONG).epoch == 1
    assert another.acquire("other#Room", KEY, None, "b", LONG).epoch == 1


def test_a_lease_that_was_released_or_has_ended_is_free(store, another):
    first = store.acquire(SPACE, KEY, None, "a", LONG)
    store.release(SPACE, {KEY: first.epoch})
    second = another.acquire(SPACE, KEY, None, "b", SHORT)
    assert store.acquire(SPACE, KEY, None, "a", LONG).epoch == second.epoch + 1


def test_the_write_of_an_older_epoch_is_refused_and_writes_nothing(store, another):
    old = store.acquire(SPACE, KEY, None, "a", SHORT).epoch
    new = another.acquire(SPACE, KEY, None, "b", LONG).epoch
    assert another.write(SPACE, [change(new, n=b"new", alarm=5)]) == set()
    assert store.write(SPACE, [change(old, cleared=True, n=b"old", alarm=None)]) == {KEY}
    assert store.write(SPACE, [change(new + 1, n=b"from tomorrow")]) == {KEY}
    assert store.alarms(SPACE) == [(KEY, 5)]
    another.release(SPACE, {KEY: new})
    assert values(store) == {"n": b"new"}


def test_one_that_is_refused_keeps_no_other_from_being_written(store, another):
    old = store.acquire(SPACE, KEY, None, "a", SHORT).epoch
    mine = store.acquire(SPACE, OTHER, None, "a", SHORT).epoch
    another.acquire(SPACE, KEY, None, "b", SHORT)
    assert store.write(SPACE, [change(old, n=b"1"), change(mine, OTHER, n=b"2")]) == {KEY}
    assert (values(store), values(store, OTHER)) == ({}, {"n": b"2"})


def test_a_write_that_fails_on_the_way_writes_nothing_at_all(store):
    epoch = store.acquire(SPACE, KEY, None, "a", SHORT).epoch
    with pytest.raises(Exception):  # noqa: B017, PT011 - each database has its own
        store.write(SPACE, [change(epoch, a=b"1", b=object())])
    assert store.write(SPACE, [change(epoch, c=b"3")]) == set()
    assert values(store) == {"c": b"3"}


def test_renewing_tells_which_objects_others_have_now(store, another):
    epochs = {key: store.acquire(SPACE, key, None, "a", SHORT).epoch for key in (KEY, OTHER)}
    another.acquire(SPACE, KEY, None, "b", SHORT)
    assert store.renew(SPACE, epochs, LONG) == {KEY}
    with pytest.raises(rpclab.ObjectElsewhereError):
        another.acquire(SPACE, OTHER, None, "b", LONG)


def test_the_lease_of_an_old_epoch_cannot_be_released(store, another):
    old = store.acquire(SPACE, KEY, None, "a", SHORT).epoch
    another.acquire(SPACE, KEY, None, "b", LONG)
    store.release(SPACE, {KEY: old})
    with pytest.raises(rpclab.ObjectElsewhereError):
        store.acquire(SPACE, KEY, None, "a", LONG)


@pytest.mark.parametrize("name", ["Ada", "a\0b", "\ud800", ""])
def test_a_name_stays_known_whatever_stands_in_it(store, another, name):
    assert store.name(SPACE, KEY) is None
    store.acquire(SPACE, KEY, name, "a", SHORT)
    assert another.name(SPACE, KEY) == name
    assert another.acquire(SPACE, KEY, None, "b", SHORT).name == name


def test_values_and_keys_are_any_bytes(store):
    epoch = store.acquire(SPACE, KEY, None, "a", SHORT).epoch
    pairs = {b"\0\xff": b"", b"k": bytes(range(256)) * 400}
    assert store.write(SPACE, [Change(KEY, epoch, False, pairs, UNCHANGED)]) == set()
    assert store.acquire(SPACE, KEY, None, "b", SHORT).values == pairs


def test_a_place_where_no_store_can_be_says_so(tmp_path):
    (tmp_path / "folder").mkdir()
    wrong = rpclab.SharedObjects(tmp_path / "folder").open()
    with pytest.raises(rpclab.RpcError, match="cannot be used"):
        wrong.acquire(SPACE, KEY, None, "a", LONG)


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path):
    address = f"postgresql://ada:secret@/none?host={tmp_path}"
    wrong = rpclab.SharedObjects(address).open()
    with pytest.raises(rpclab.RpcError, match="cannot be used") as caught:
        wrong.acquire(SPACE, KEY, None, "a", LONG)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r} {wrong!r}"


@pytest.mark.parametrize("wrong", [{"lease_seconds": 0}, {"node": ""}])
def test_what_is_no_lease_is_refused(wrong):
    with pytest.raises(ValueError, match=r"a lease lasts|needs a name"):
        rpclab.SharedObjects("objects.sqlite", **wrong)


def test_no_two_programs_are_one_node():
    assert rpclab.SharedObjects("a").node != rpclab.SharedObjects("a").node


# Objects.

ROOM = """
import asyncio
from workers import DurableObject

began = []

class Room(DurableObject):
    async def add(self, n=1):
        total = (await self.ctx.storage.get("n") or 0) + n
        await self.ctx.storage.put("n", total)
        return total

    async def total(self):
        return await self.ctx.storage.get("n")

    async def listed(self, **options):
        return dict(await self.ctx.storage.list(**options))

    async def both(self, fail=False):
        async def work(t):
            await t.put("a", 1)
            await t.put("b", 2)
            assert await t.get("a") == 1
            if fail:
                raise ValueError("taken back")
        await self.ctx.storage.transaction(work)

    async def forget(self):
        await self.ctx.storage.delete_all()

    async def slowly(self):
        began.append("slowly")
        await asyncio.sleep(100)
        await self.ctx.storage.put("slow", True)
        return "done"

    async def wake_in(self, milliseconds):
        import time
        await self.ctx.storage.set_alarm(time.time() * 1000 + milliseconds)

    async def alarm(self):
        rung.append(self.ctx.id.name)
        for door in doors:
            await door.wait()

    async def query(self):
        return self.ctx.storage.sql.exec("SELECT 1").one()

rung = []
doors = []
"""


class Nodes:
    """Sandboxes that share one store, on one clock: that of the loop.

    Attributes:
        seconds: how long a lease lasts.
    """

    seconds = 30.0

    def __init__(self, path):
        self._path = path
        self._open = []

    def start(self, name):
        """Begin a node; gives its namespace."""
        clock = asyncio.get_running_loop().time
        shared = rpclab.SharedObjects(SqliteStore(self._path, clock), name, self.seconds)
        sandbox = rpclab.Sandbox(
            shared_objects=shared, object_limits=rpclab.ObjectLimits(idle_seconds=60)
        )
        self._open.append(sandbox)
        worker = sandbox.deploy("room", source=ROOM)
        return Node(sandbox, worker, sandbox.bind(ROOM=rpclab.objects("room#Room")).ROOM)

    def close(self):
        for sandbox in self._open:
            sandbox.close()


class Node:
    """One of them."""

    def __init__(self, sandbox, worker, rooms):
        self.sandbox = sandbox
        self.module = worker.module
        self.rooms = rooms

    def room(self, name="lobby"):
        return self.rooms.get_by_name(name)

    @property
    def running_class(self):
        return self.sandbox._object_registry().running_class("room", "Room")

    def freeze(self):
        """It renews no lease any more, as a node that is stopped, or cut off."""
        self.running_class.file._renew_later = lambda: None
        self.running_class._renewal.cancel()


@pytest.fixture
def nodes(tmp_path):
    """Nodes that share one store."""
    found = Nodes(tmp_path / "objects.sqlite")
    yield found
    found.close()


async def test_an_object_does_on_a_shared_store_what_it_does_on_any(nodes):
    a = nodes.start("a")
    room = a.room()
    assert await room.total() is None
    assert [await room.add(), await room.add(4)] == [1, 5]
    await room.both()
    assert type(await failure(room.both(fail=True))) is ValueError
    assert await room.listed() == {"a": 1, "b": 2, "n": 5}
    assert await room.listed(prefix="b") == {"b": 2}
    assert await room.listed(start="a", end="n", reverse=True, limit=1) == {"b": 2}
    a.sandbox.evict("room#Room")
    assert await a.room().listed() == {"a": 1, "b": 2, "n": 5}
    await a.room().forget()
    assert await a.room().listed() == {}
    a.sandbox.evict("room#Room")
    assert await a.room().listed() == {}


async def test_what_needs_tables_is_refused_with_advice(nodes):
    error = await failure(nodes.start("a").room().query())
    assert "has keys and values, and no tables" in str(error)


async def test_an_object_lives_on_one_node_and_others_are_told_where(nodes):
    a, b = nodes.start("a"), nodes.start("b")
    assert await a.room().add() == 1
    error = await failure(b.room().add())
    assert type(error) is rpclab.ObjectElsewhereError
    assert (error.node, error.retryable) == ("a", True)
    assert error.seconds == pytest.approx(30, abs=1)
    assert await b.room("hall").add() == 1
    assert await a.room().add() == 2


async def test_a_node_that_lets_go_of_an_object_leaves_it_to_others_at_once(nodes):
    a, b = nodes.start("a"), nodes.start("b")
    assert await a.room().add() == 1
    a.sandbox.evict("room#Room")
    assert await b.room().add() == 2
    b.sandbox.close()
    assert await a.room().add() == 3


async def test_a_lease_is_renewed_as_long_as_the_object_is_in_memory(nodes):
    a, b = nodes.start("a"), nodes.start("b")
    slow = a.room().slowly()
    await asyncio.sleep(90)
    assert type(await failure(b.room().add())) is rpclab.ObjectElsewhereError
    assert await slow == "done"
    await asyncio.sleep(200)  # it was idle for long enough to leave
    assert await b.room().listed() == {"slow": True}


async def test_what_a_node_writes_after_another_took_over_is_refused_and_it_learns_so(nodes):
    a, b = nodes.start("a"), nodes.start("b")
    assert await a.room().add() == 1
    slow = a.room().slowly()
    await asyncio.sleep(0.001)
    a.freeze()
    await asyncio.sleep(31)
    assert await b.room().add() == 2
    error = await failure(slow)
    assert await b.room().listed() == {"n": 2}
    assert type(error) is rpclab.ObjectElsewhereError
    assert error.retryable is False
    assert "was refused" in str(error)
    assert error.durable_object_reset is True
    again = await failure(a.room().add())
    assert (again.node, again.retryable) == ("b", True)


async def test_a_node_whose_lease_has_ended_answers_nothing_from_memory(nodes):
    a, b = nodes.start("a"), nodes.start("b")
    assert await a.room().add() == 1
    a.freeze()
    await asyncio.sleep(31)
    assert await b.room().add() == 2
    error = await failure(a.room().total())
    assert (type(error), error.node) == (rpclab.ObjectElsewhereError, "b")


async def test_a_node_whose_lease_has_ended_goes_on_where_nobody_took_it(nodes):
    a = nodes.start("a")
    assert await a.room().add() == 1
    a.freeze()
    await asyncio.sleep(45)
    assert await a.room().add() == 2
    assert len(a.running_class.in_memory) == 1


async def test_an_alarm_rings_once_on_whichever_node_there_is(nodes):
    a = nodes.start("a")
    await a.room().wake_in(0)
    await asyncio.sleep(1)
    assert a.module.rung == ["lobby"]
    b = nodes.start("b")
    await asyncio.sleep(100)
    assert (a.module.rung, b.module.rung) == (["lobby"], [])


async def test_the_alarm_of_a_node_that_is_gone_rings_on_another(nodes, monkeypatch):
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000 + loop.time())
    a = nodes.start("a")
    await a.room().wake_in(50_000)
    a.sandbox.close()
    b = nodes.start("b")
    await asyncio.sleep(100)
    assert (a.module.rung, b.module.rung) == ([], ["lobby"])


@pytest.mark.expects_reports
async def test_an_alarm_that_runs_as_its_lease_ends_rings_again_where_the_object_is(
    nodes, monkeypatch
):
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000 + loop.time())
    a = nodes.start("a")
    a.module.doors.append(asyncio.Event())
    await a.room().wake_in(1000)
    await asyncio.sleep(2)
    a.freeze()
    b = nodes.start("b")
    await asyncio.sleep(100)
    assert (a.module.rung, b.module.rung) == (["lobby"], ["lobby"])
    a.module.doors.pop().set()
    await asyncio.sleep(100)
    assert (a.module.rung, b.module.rung) == (["lobby"], ["lobby"])
    assert await b.room().total() is None


def test_a_sandbox_on_the_virtual_clock_shares_no_objects(tmp_path):
    shared = rpclab.SharedObjects(tmp_path / "objects.sqlite")
    with pytest.raises(ValueError, match="leases are in real time"):
        rpclab.Sandbox(clock="virtual", shared_objects=shared)
