"""`ctx.storage.sql`: tables of one Durable Object."""

from __future__ import annotations

import sqlite3

import pytest
from support.world import failure, world

import rpclab
from rpclab.workers.storage import namespace_database, sqlite_rows
from rpclab.workers.storage.namespace_file import NamespaceFile
from rpclab.workers.storage.sqlite_rows import OwnRows

__all__ = ["world"]


@pytest.fixture
def run(world):
    """Run the body of a method of an object, in which `sql` is its tables."""

    def run_in_object(*bodies, name="s"):
        body = [line for text in bodies for line in text.strip("\n").split("\n")]
        lines = "\n".join(f"        {line}" for line in body)
        world.deploy(
            "class Obj(DurableObject):\n    async def run(self):\n"
            f"        s = self.ctx.storage\n        sql = s.sql\n{lines}",
        )
        return world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name(name).run()

    return run_in_object


PEOPLE = """
sql.exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
put = sql.exec("INSERT INTO people (name) VALUES (?), (?), (?)", "Ada", "Bob", "Eve")
"""


async def test_a_cursor_gives_rows_as_dicts_lists_and_one_by_one(run):
    assert await run(PEOPLE, """
rows = sql.exec("SELECT * FROM people WHERE id > ? ORDER BY id", 1)
first, left = next(rows), rows.to_array()
raw = list(sql.exec("SELECT * FROM people").raw())
return [put.rows_written, rows.columnNames, first, left, raw, rows.rows_read, rows.toArray()]
""") == [3, ["id", "name"], {"id": 2, "name": "Bob"}, [{"id": 3, "name": "Eve"}],
         [[1, "Ada"], [2, "Bob"], [3, "Eve"]], 2, []]  # fmt: skip


async def test_values_go_to_parameters_of_every_kind_and_columns_keep_their_names(run):
    assert await run("""
return [*sql.exec("SELECT :a, ?2, :a", 1, "two"), *sql.exec("SELECT ?, ?1, :a AS a", 1, "two")]
""") == [{":a": 1, "?2": "two"}, {"?": 1, "?1": 1, "a": "two"}]  # fmt: skip


@pytest.mark.parametrize(("where", "got"), [("id = 2", "Bob"), ("id = 9", "no"), ("1", "3")])
async def test_one_gives_the_only_row_and_refuses_none_and_several(run, where, got):
    body = f"return sql.exec('SELECT * FROM people WHERE {where}').one()['name']"  # noqa: S608
    if got == "Bob":
        assert await run(PEOPLE, body) == got
    else:
        assert str(await failure(run(PEOPLE, body))).endswith(f"but got {got}")


async def test_several_statements_give_the_rows_of_the_last_which_takes_the_values(run):
    assert await run("""
rows = sql.exec("CREATE TABLE t (a); INSERT INTO t VALUES (';'); SELECT a FROM t WHERE a = ?", ";")
return rows.one()
""") == {"a": ";"}
    assert "did not contain a statement" in str(await failure(run("sql.exec(' -- nothing')")))


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("BEGIN", "use storage.transaction()"),
        ("SAVEPOINT s", "use storage.transaction()"),
        ("COMMIT", "use storage.transaction()"),
        ("ATTACH 'x.sqlite' AS x", "there is one database here"),
        ("PRAGMA journal_mode = DELETE", "of PRAGMA the platform has these: case_sensitive_like"),
        ("SELECT * FROM _cf_KV", "the name _cf_KV is not for SQL"),
        ("DROP TABLE _CF_METADATA", "is not for SQL"),
        ("CREATE INDEX i ON _cf_KV (value)", "is not for SQL"),
        ("ALTER TABLE _cf_KV RENAME TO x", "is not for SQL"),
    ],
)
async def test_what_reaches_beside_the_tables_is_refused(run, statement, why):
    assert why in str(await failure(run(f'sql.exec("{statement}")')))
    assert await run("return sql.exec('SELECT 1 AS one').one()") == {"one": 1}


async def test_keys_move_with_the_tables_and_stay_readable(world, run):
    await run("await s.put({'a': 1, 'b': 2})")
    world.sandbox.evict("callee#Obj")
    assert await run("sql.exec('SELECT 1')\nawait s.put('c', 3)\nreturn await s.list()") == {
        "a": 1, "b": 2, "c": 3,
    }  # fmt: skip
    world.sandbox.evict("callee#Obj")
    assert await run("return await s.list(reverse=True, limit=2)") == {"c": 3, "b": 2}


async def test_tables_first_used_inside_a_transaction_keep_what_it_has_written(run):
    assert await run("""
await s.put({"a": 1, "b": 1})
async def outer(t):
    await t.put("a", 2)
    async def inner(t2):
        await t2.delete("b")
        sql.exec("CREATE TABLE t (n)")
        t2.rollback()
    await s.transaction(inner)
await s.transaction(outer)
return [await s.list(), sql.exec("SELECT count(*) AS n FROM sqlite_master WHERE name='t'").one()]
""") == [{"a": 2, "b": 1}, {"n": 0}]


async def test_delete_all_drops_tables_that_refer_to_one_another(run):
    assert await run("""
await s.put("k", 1)
sql.exec("CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b DEFERRABLE INITIALLY DEFERRED)")
sql.exec("CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a (id))")
def fill():
    sql.exec("INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)")
s.transaction_sync(fill)
sql.exec("CREATE VIEW v AS SELECT * FROM a")
await s.delete_all()
await s.sync()
left = sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '%cf_%'").to_array()
sql.exec("CREATE TABLE c (id INTEGER PRIMARY KEY); CREATE TABLE d (c REFERENCES c (id))")
async def wrong(t):
    sql.exec("INSERT INTO d VALUES (7)")
return [await s.list(), left, str(await attempt(s.transaction(wrong)))]
""") == [
        {}, [], "FOREIGN KEY constraint failed",
    ]  # fmt: skip


async def test_delete_all_leaves_nothing_whatever_has_made_it(run):
    assert await run("""
for sql in ("CREATE VIRTUAL TABLE docs USING fts5(a)", "INSERT INTO docs VALUES ('x')",
            "CREATE VIRTUAL TABLE boxes USING rtree(id, a, b)", "INSERT INTO boxes VALUES (1,2,3)",
            "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT)", "INSERT INTO n VALUES (5)",
            'CREATE TABLE "a ""quoted"" name" (a)', "CREATE VIEW v AS SELECT * FROM nowhere",
            "CREATE TRIGGER g INSERT ON n BEGIN DELETE FROM docs; END", "ANALYZE",
            "PRAGMA ignore_check_constraints = on"):
    s.sql.exec(sql)
await s.delete_all()
await s.sync()
names = s.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '%cf_%'").raw().toArray()
return [names, s.sql.exec("SELECT * FROM sqlite_sequence").to_array(),
        s.sql.exec("PRAGMA ignore_check_constraints").raw().to_array()]
""") == [[["sqlite_sequence"]], [], [[0]]]


async def test_the_size_of_a_database_counts_no_free_pages(run):
    assert await run("""
sql.exec("CREATE TABLE t (a)")
before = sql.database_size
sql.exec("INSERT INTO t VALUES (zeroblob(500000))")
full = sql.databaseSize
sql.exec("DELETE FROM t")
return [full - before > 400_000, sql.database_size == before]
""") == [True, True]


async def test_raw_rows_are_lists_one_by_one_or_all_that_are_left(run):
    assert await run(
        PEOPLE,
        """
cursor = sql.exec("SELECT id, id FROM people ORDER BY id")
raw = cursor.raw()
return [next(raw), next(cursor), raw.toArray(), raw.to_array(), list(raw), repr(raw)]
""",
    ) == [[1, 1], {"id": 2}, [[3, 3]], [], [], "<rows of <SqlCursor of 3 rows: id, id> as lists>"]


async def test_two_objects_have_tables_of_their_own_and_a_bounded_number_is_open(tmp_path):
    source = """
from workers import DurableObject
class Obj(DurableObject):
    def put(self, n):
        self.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (n)")
        self.ctx.storage.sql.exec("INSERT INTO t VALUES (?)", n)
        return self.ctx.storage.sql.exec("SELECT sum(n) AS n FROM t").one()["n"]
    def size(self):
        return self.ctx.storage.sql.database_size
"""
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        sandbox.deploy("callee", source=source)
        ns = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
        stubs = [ns.get_by_name(str(number)) for number in range(100)]
        for times in (1, 2):
            sums = await rpclab.gather(*[stub.put(n) for n, stub in enumerate(stubs)])
            assert sums == [n * times for n in range(100)]
        assert len(sandbox._registry.running_class("callee", "Obj").file.database._own) == 64
        assert await stubs[0].size() % 4096 == 0


async def test_a_file_left_over_from_a_crash_on_the_way_out_counts_for_nothing(tmp_path):
    source = """
from workers import DurableObject
class Obj(DurableObject):
    async def put(self, value):
        await self.ctx.storage.put("k", value)
        return str(self.ctx.id)
    async def read(self):
        return self.ctx.storage.sql.exec("SELECT 1 AS n").one() | await self.ctx.storage.list()
"""
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        sandbox.deploy("callee", source=source)
        stub = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
        left_over = tmp_path / "objects" / "callee.Obj" / f"{await stub.put(1)}.sqlite"
        left_over.parent.mkdir()
        left_over.write_bytes(b"half of a database")
        assert await stub.read() == {"n": 1, "k": 1}


def namespace_file(folder=None):
    def ignore(*_):
        pass

    return NamespaceFile(folder, "w.C", soon=ignore, failed=ignore, alarm_changed=ignore)


def test_of_many_open_files_one_is_closed_that_has_nothing_to_save(tmp_path, monkeypatch):
    monkeypatch.setattr(namespace_database, "OPEN_FILES", 2)
    file = namespace_file(tmp_path)
    busy, idle = file.database.own(b"1").connection, file.database.own(b"2").connection
    busy.execute("BEGIN")
    file.database.own(b"3")
    assert busy.in_transaction
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        idle.execute("SELECT 1")
    file.close()


def test_foreign_keys_are_on_again_where_deleting_all_could_not_be_saved():
    file = namespace_file()
    rows = OwnRows(file, file.database, b"key", 1)
    rows.clear()
    rows.lost()
    assert rows.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    file.close()


def test_deleting_all_that_fails_half_way_has_deleted_nothing(monkeypatch):
    file = namespace_file()
    rows = OwnRows(file, file.database, b"key", 1)
    rows.set(b"k", b"v")
    rows.connection.execute("CREATE VIEW v AS SELECT 1")
    monkeypatch.setitem(sqlite_rows._MADE_BY_SQL, "TABLE", "SELECT 'sqlite_schema'")
    with pytest.raises(sqlite3.OperationalError, match="may not be dropped"):
        rows.clear()
    assert rows.get(b"k") == b"v"
    assert rows.connection.execute("SELECT * FROM v").fetchone() == (1,)
    assert rows.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    file.close()
