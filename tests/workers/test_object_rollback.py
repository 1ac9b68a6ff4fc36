"""What an object was told is written does not vanish unsaid, nor by another one's failure."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from support.world import failure, world

import rpclab
from rpclab.workers.storage.namespace_database import file_name
from rpclab.workers.storage.namespace_file import NamespaceFile
from rpclab.workers.storage.sqlite_rows import SharedRows

__all__ = ["world"]

OBJECT = """
    import time
    class Obj(DurableObject):
        async def setup(self, sql):
            self.ctx.storage.sql.exec(sql)
        async def read(self):
            rows = self.ctx.storage.sql.exec("SELECT n FROM t ORDER BY n").raw().to_array()
            return [dict(await self.ctx.storage.list()), [n for [n] in rows]]
        async def pay(self, statement):
            s = self.ctx.storage
            await s.put("order", "paid")
            s.sql.exec("INSERT INTO t VALUES (2)")
            try:
                s.sql.exec(statement)
            except Exception as error:
                log(type(error).__name__)
            return "answered"
        async def pay_in(self, kind, statement):
            s = self.ctx.storage
            def work():
                s.kv.put("order", "paid")
                try:
                    s.sql.exec(statement)
                except Exception as error:
                    log(type(error).__name__)
            async def later(t):
                await t.put("order", "paid")
                work()
            if kind == "sync":
                s.transaction_sync(work)
            elif kind == "nested":
                s.transaction_sync(lambda: s.transaction_sync(work))
            else:
                await s.transaction(later)
            return "answered"
"""

# Each leaves a row 1, and meets a conflict that takes back the whole transaction.
ROLLBACKS = {
    "insert": ("(n UNIQUE)", "", "INSERT OR ROLLBACK INTO t VALUES (1)"),
    "update": ("(n UNIQUE)", "INSERT INTO t VALUES (5)", "UPDATE OR ROLLBACK t SET n = 1"),
    "unique": ("(n UNIQUE ON CONFLICT ROLLBACK)", "", "INSERT INTO t VALUES (1)"),
    "not null": ("(n NOT NULL ON CONFLICT ROLLBACK)", "", "INSERT INTO t VALUES (NULL)"),
    "key": ("(n INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)", "", "INSERT INTO t VALUES (1)"),
    "raise": (
        "(n)",
        "CREATE TRIGGER g INSERT ON t WHEN new.n = 1 BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        "INSERT INTO t VALUES (1)",
    ),
    "several": ("(n UNIQUE)", "", "DELETE FROM t; INSERT OR ROLLBACK INTO t VALUES (3), (3)"),
}


def bind(world, **options):
    world.deploy(OBJECT, **options)
    return world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ


@pytest.mark.parametrize("kind", ["plain", "sync", "nested", "async"])
@pytest.mark.parametrize(("table", "setup", "statement"), ROLLBACKS.values(), ids=list(ROLLBACKS))
async def test_a_rollback_by_sqlite_itself_fails_the_call_and_resets_the_object(
    world, table, setup, statement, kind
):
    objects = bind(world)
    stub = objects.get_by_name("x")
    await stub.setup("; ".join([f"CREATE TABLE t {table}", "INSERT INTO t VALUES (1)", setup]))
    before = await stub.read()
    error = await failure(stub.pay(statement) if kind == "plain" else stub.pay_in(kind, statement))
    assert "Durable Object reset because SQLite took back all that it had written" in str(error)
    assert error.durable_object_reset is True
    assert world.log == ["IntegrityError"]
    assert await objects.get_by_name("x").read() == before


async def test_a_rollback_that_takes_back_nothing_but_its_own_statement_is_an_error_like_any(world):
    stub = bind(world).get_by_name("x")
    await stub.setup("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (1)")
    error = await failure(stub.setup("INSERT OR ROLLBACK INTO t VALUES (2), (1)"))
    assert str(error) == "UNIQUE constraint failed: t.n"
    assert await stub.read() == [{}, [1]]


@pytest.mark.parametrize("conflict", ["ABORT", "FAIL", "IGNORE", "REPLACE"])
async def test_other_ways_to_meet_a_conflict_take_back_no_more_than_they_say(world, conflict):
    stub = bind(world).get_by_name("x")
    await stub.setup("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (1)")
    assert await stub.pay("INSERT OR … INTO t VALUES (1)".replace("…", conflict)) == "answered"
    assert await stub.read() == [{"order": "paid"}, [1, 2]]


async def test_a_disk_that_is_full_inside_a_call_resets_the_object(sandbox):
    full = rpclab.Sandbox(object_limits=rpclab.ObjectLimits(database_bytes=65536))
    full.deploy(
        "callee",
        source="""
from workers import DurableObject
class Obj(DurableObject):
    async def fill(self, by):
        s = self.ctx.storage
        s.sql.exec("CREATE TABLE IF NOT EXISTS t (n)")
        await s.put("order", "paid")
        try:
            if by == "sql":
                s.sql.exec("INSERT INTO t VALUES (zeroblob(100000))")
            else:
                await s.put("large", b"x" * 100_000)
        except Exception as error:
            return str(error)
    async def read(self):
        return await self.ctx.storage.get("order")
""",
    )
    objects = full.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
    for by in ("sql", "put"):
        error = await failure(objects.get_by_name(by).fill(by))
        assert "database or disk is full" in str(error)
        assert await objects.get_by_name(by).read() is None
    full.close()


# One object's failure is its own.

WRITER = """
    class Obj(DurableObject):
        async def put(self, n):
            await self.ctx.storage.put("n", n)
        async def wake(self, at):
            await self.ctx.storage.set_alarm(at)
        async def get(self):
            return await self.ctx.storage.get("n")
        async def alarm(self):
            pass
"""


@pytest.mark.parametrize("at", [1e20, 10**400, float("nan"), float("inf"), -1, 0, 0.9, True, "1"])
async def test_a_time_that_no_alarm_has_is_refused_and_hurts_nobody_else(world, at):
    world.deploy(WRITER)
    ns = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
    a, b, c = map(ns.get_by_name, "abc")
    outcomes = await rpclab.gather(a.put(1), b.wake(at), c.put(2), return_exceptions=True)
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == [None, TypeError, None]
    assert "set_alarm() " in str(outcomes[1])
    assert [await a.get(), await b.get(), await c.get()] == [1, None, 2]


@pytest.mark.parametrize("raised", [ValueError("no"), sqlite3.OperationalError("no")])
async def test_an_object_that_cannot_be_written_is_reset_alone(world, monkeypatch, raised):
    world.deploy(WRITER)
    ns = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
    stubs = [ns.get_by_name(name) for name in "abc"]
    write = SharedRows.write

    def broken(rows, connection):
        write(rows, connection)
        if rows.name == "b":
            raise raised

    monkeypatch.setattr(SharedRows, "write", broken)
    outcomes = await rpclab.gather(*[s.put(7) for s in stubs], return_exceptions=True)
    assert [outcomes[0], str(outcomes[1]), outcomes[2]] == [None, "no", None]
    monkeypatch.undo()
    world.sandbox.evict("callee#Obj")
    assert [await ns.get_by_name(name).get() for name in "abc"] == [7, None, 7]


async def test_an_interrupt_while_writing_loses_nothing(world, monkeypatch):
    lost, interrupted = [], True

    def write(rows, connection):
        if interrupted:
            raise KeyboardInterrupt
        plain(rows, connection)

    plain = SharedRows.write
    monkeypatch.setattr(SharedRows, "write", write)
    file = NamespaceFile(
        None, "w.C", soon=lambda _: None, failed=lambda *_: lost.append(_),
        alarm_changed=lambda *_: None,
    )  # fmt: skip
    rows = file.open(b"1", None)
    rows.set(b"k", b"v")
    with pytest.raises(KeyboardInterrupt):
        file.save()
    interrupted = False
    assert file.save() == {}
    assert (lost, file.open(b"1", None).get(b"k")) == ([], b"v")
    file.close()


async def test_an_object_whose_name_is_no_text_of_sqlite_is_stored_like_any(world):
    world.deploy(WRITER)
    ns = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
    odd, other = ns.get_by_name("\ud800"), ns.get_by_name("a")
    await rpclab.gather(odd.put(1), other.put(2))
    world.sandbox.evict("callee#Obj")
    assert [await odd.get(), await other.get()] == [1, 2]


# Files.


async def test_no_two_namespaces_meet_on_one_path(tmp_path):
    source = """
from workers import DurableObject
class Room(DurableObject):
    async def put(self, n, sql):
        if sql:
            self.ctx.storage.sql.exec("SELECT 1")
        await self.ctx.storage.put("n", n)
    async def get(self):
        return await self.ctx.storage.get("n")
class sqlite(Room):
    pass
"""
    pairs = [("w", "Room"), ("w.Room", "sqlite"), ("w.Room", "Room"), ("w.Room.sqlite", "Room")]
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        for worker in {worker for worker, _ in pairs}:
            sandbox.deploy(worker, source=source)
        stubs = [
            sandbox.bind(**{f"N{n}": rpclab.objects(f"{worker}#{kind}")})[f"N{n}"].get_by_name("x")
            for n, (worker, kind) in enumerate(pairs)
        ]
        for sql in (False, True):
            for n, stub in enumerate(stubs):
                await stub.put(n, sql)
            assert [await stub.get() for stub in stubs] == [0, 1, 2, 3]


def test_the_file_of_a_namespace_says_which_it_is():
    assert file_name("callee", "Obj") == "callee.Obj"
    names = [
        ("a.b", "c"),
        ("a", "b.c"),
        ("a/b", "c"),
        ("a%2Fb", "c"),
        ("a", "c.sqlite"),
        ("é", "x"),
    ]
    assert len({file_name(*pair) for pair in names}) == len(names)
    assert all("/" not in file_name(*pair) for pair in names)


# Alarms and rollback.

RINGER = """
    import time
    class Obj(DurableObject):
        async def start(self, how, sql):
            s = self.ctx.storage
            if sql:
                s.sql.exec("CREATE TABLE t (n)")
            await s.put("how", how)
            await s.set_alarm(time.time() * 1000 + 1000)
        async def due(self):
            return await self.ctx.storage.get_alarm()
        async def alarm(self):
            s = self.ctx.storage
            how, seen = await s.get("how"), []
            def change():
                if how.startswith("set"):
                    s.set_alarm(time.time() * 1000 + 3_600_000)
                elif how.startswith("delete"):
                    s.delete_alarm()
                seen.append(s.get_alarm()._value is not None)
                raise ValueError
            async def later(t):
                change()
            def outer():
                try:
                    s.transaction_sync(change)
                except ValueError:
                    seen.append(s.get_alarm()._value)
            try:
                if how.endswith("sync"):
                    s.transaction_sync(change)
                elif how.endswith("nested"):
                    s.transaction_sync(outer)
                else:
                    await s.transaction(later)
            except ValueError:
                pass
            log([*seen, await s.get_alarm()])
"""


@pytest.mark.parametrize("sql", [False, True], ids=["keys", "sql"])
@pytest.mark.parametrize("what", ["set", "delete"])
@pytest.mark.parametrize("kind", ["sync", "async", "nested"])
async def test_an_alarm_changed_in_its_handler_and_rolled_back_has_rung_once(
    world, what, kind, sql
):
    world.deploy(RINGER)
    stub = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
    await stub.start(f"{what} {kind}", sql)
    await asyncio.sleep(10_000)
    inside = [what == "set", None] if kind == "nested" else [what == "set"]
    assert world.log == [[*inside, None]]
    assert await stub.due() is None


@pytest.mark.parametrize("sql", [False, True], ids=["keys", "sql"])
async def test_an_alarm_outside_its_handler_follows_each_rollback(world, sql):
    world.deploy(f"""
    import time
    class Obj(DurableObject):
        async def run(self):
            s = self.ctx.storage
            if {sql}:
                s.sql.exec("CREATE TABLE t (n)")
            soon, later = time.time() * 1000 + 60_000, time.time() * 1000 + 120_000
            await s.set_alarm(soon)
            for change in (lambda: s.set_alarm(later), s.delete_alarm):
                def work():
                    change()
                    raise ValueError
                try:
                    s.transaction_sync(work)
                except ValueError:
                    pass
            return await s.get_alarm() == int(soon)
        async def alarm(self):
            log(round(asyncio.get_running_loop().time()))
    """)
    assert await world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x").run() is True
    await asyncio.sleep(10_000)
    assert world.log == [60]


async def test_a_transaction_that_outlives_the_handler_takes_no_alarm_back(world):
    world.deploy("""
    import time
    class Obj(DurableObject):
        async def start(self):
            await self.ctx.storage.set_alarm(time.time() * 1000 + 1000)
        async def due(self):
            return await self.ctx.storage.get_alarm()
        async def alarm(self):
            log("rung")
            async def work(t):
                await t.put("k", 1)
                await sleep(5)
                t.rollback()
            self.task = asyncio.create_task(self.ctx.storage.transaction(work))
            await sleep(0)
    """)
    stub = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
    await stub.start()
    await asyncio.sleep(3)
    assert await stub.due() is None
    world.sandbox.evict("callee#Obj")
    assert await stub.due() is None
    assert world.log == ["rung"]


@pytest.mark.parametrize("sql", [False, True], ids=["keys", "sql"])
async def test_an_alarm_that_is_due_in_a_transaction_rings_once_after_its_rollback(world, sql):
    world.deploy(f"""
    import time
    class Obj(DurableObject):
        async def run(self):
            s = self.ctx.storage
            if {sql}:
                s.sql.exec("SELECT 1")
            await s.set_alarm(time.time() * 1000 + 1000)
            async def work(t):
                await t.put("k", 1)
                await sleep(5)
                log(await t.get_alarm() is not None)
                raise ValueError
            try:
                await s.transaction(work)
            except ValueError:
                pass
        async def due(self):
            return await self.ctx.storage.get_alarm()
        async def alarm(self):
            log(["rung", await self.due()])
    """)
    stub = world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
    await stub.run()
    await asyncio.sleep(1000)
    assert world.log == [True, ["rung", None]]
    assert await stub.due() is None


@pytest.mark.parametrize("changed", ["kept", "deleted"])
async def test_an_alarm_waits_for_the_handler_that_runs(world, changed):
    world.deploy(f"""
    import time
    class Obj(DurableObject):
        _first = True
        async def start(self):
            await self.ctx.storage.set_alarm(1)
        async def alarm(self):
            log("begins")
            s = self.ctx.storage
            if self._first:
                self._first = False
                await s.set_alarm(time.time() * 1000 + 10)
                await sleep(5)
                log(await s.get_alarm() is not None)
                if {changed == "deleted"}:
                    await s.delete_alarm()
            log("ends")
    """)
    await world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x").start()
    await asyncio.sleep(1000)
    again = ["begins", "ends"] if changed == "kept" else []
    assert world.log == ["begins", True, "ends", *again]


@pytest.mark.parametrize("sql", [False, True], ids=["keys", "sql"])
async def test_an_alarm_that_is_past_is_due_now(world, sql):
    world.deploy(f"""
    import time
    class Obj(DurableObject):
        async def run(self):
            if {sql}:
                self.ctx.storage.sql.exec("SELECT 1")
            await self.ctx.storage.set_alarm(1)
            return abs(await self.ctx.storage.get_alarm() - time.time() * 1000) < 60_000
        async def alarm(self):
            log("rung")
    """)
    assert await world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x").run() is True
    await asyncio.sleep(1)
    assert world.log == ["rung"]
