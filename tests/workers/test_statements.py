"""SQL of Workers, in D1 and in the tables of objects: what is refused, bounded and interrupted."""

from __future__ import annotations

import enum
import http
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.world import failure

import rpclab
from rpclab.workers.storage import limits as limits_module
from rpclab.workers.storage.limits import D1_LIMITS, OBJECT_LIMITS, D1Limits, ObjectLimits
from rpclab.workers.storage.statements import Statements

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

OBJECT = """
from workers import DurableObject
class Obj(DurableObject):
    def run(self, *statements):
        for sql, *values in statements:
            cursor = self.ctx.storage.sql.exec(sql, *values)
        return cursor.raw().to_array()
    async def put(self, *pair):
        await self.ctx.storage.put(*pair)
    async def get(self, keys):
        return await self.ctx.storage.get(keys)
    async def delete(self, keys):
        return await self.ctx.storage.delete(keys)
    async def keys(self):
        return list(await self.ctx.storage.list())
    def size(self, sql, *values):
        return len(self.ctx.storage.sql.exec(sql, *values).raw().to_array()[0][0])
"""


class InD1:
    """Runs statements in a D1 database."""

    def __init__(self, sandbox):
        self.db = sandbox.d1(":memory:")

    async def __call__(self, *statements):
        rows = []
        for sql, *values in statements:
            rows = await self.db.prepare(sql).bind(*values).raw()
        return rows


class InObject:
    """Runs statements in an object that also has keys."""

    def __init__(self, sandbox):
        sandbox.deploy("callee", source=OBJECT)
        self.objects = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ

    async def __call__(self, *statements):
        return await self.objects.get_by_name("x").run(*[list(one) for one in statements])


KINDS = {"d1": InD1, "object": InObject}


@pytest.fixture(params=KINDS)
def where(request, sandbox):
    return KINDS[request.param](sandbox)


# What is refused.

TABLES = [
    ("CREATE TABLE t (id INTEGER PRIMARY KEY, n UNIQUE, c CHECK (c > 0))",),
    ("CREATE TABLE child (t REFERENCES t (id))",),
    ("INSERT INTO t (n) VALUES (1)",),
]

REFUSED = {
    # Tables that the platform keeps its own things in, by every way to them.
    "the name _cf": [
        "SELECT * FROM _cf_KV",
        "SELECT count(*) FROM main.[_cf_kv]",
        "DELETE FROM _CF_KV",
        "UPDATE _cf_KV SET value = 1",
        "INSERT INTO _cf_METADATA VALUES ('alarm', 1)",
        "DROP TABLE _cf_KV",
        "CREATE TABLE _cf_mine (a)",
        "CREATE TABLE copy AS SELECT * FROM _cf_KV",
        "CREATE VIEW _cf_v AS SELECT 1",
        "CREATE INDEX i ON _cf_KV (value)",
        "CREATE INDEX _cf_i ON t (n)",
        "CREATE TRIGGER g AFTER DELETE ON _cf_KV BEGIN SELECT 1; END",
        "CREATE TRIGGER _cf_g AFTER DELETE ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE _cf_f USING fts5(a)",
        "ALTER TABLE _cf_KV RENAME TO mine",
        "ALTER TABLE _cf_KV ADD COLUMN a",
        "ALTER TABLE t RENAME TO _cf_t",
        "ALTER TABLE t RENAME TO '_cf_t'",
        'ALTER TABLE main.t /* RENAME TO x */ RENAME -- \n /**/ TO/**/"_cf_T" -- ;',
        "PRAGMA table_info(_cf_KV)",
        "PRAGMA index_list('_cf_KV')",
        "PRAGMA foreign_key_check(_cf_KV)",
        "SELECT * FROM pragma_table_info('_cf_' || 'KV')",
        "EXPLAIN SELECT * FROM _cf_KV",
    ],
    "no temporary": [
        "CREATE TEMP TABLE x (a)",
        "CREATE TABLE temp.x (a)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TEMP TRIGGER g AFTER INSERT ON _cf_KV BEGIN DELETE FROM _cf_KV; END",
        "CREATE VIRTUAL TABLE temp.f USING fts5(a)",
        "INSERT INTO sqlite_temp_master VALUES (1, 2, 3, 4, 5)",
    ],
    "one database here": [
        "ATTACH ':memory:' AS other",
        "ATTACH 'file:x.sqlite?mode=rwc' AS other",
        "DETACH main",
    ],
    "transaction": ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s",
                    "ROLLBACK TO s", "EXPLAIN BEGIN"],
    "of PRAGMA the platform has": [
        "PRAGMA journal_mode = DELETE", "PRAGMA writable_schema = on", "PRAGMA query_only = on",
        "PRAGMA synchronous = off", "PRAGMA user_version", "PRAGMA page_count",
        "PRAGMA database_list", "PRAGMA function_list", "PRAGMA integrity_check",
        "PRAGMA trusted_schema = on", "PRAGMA wal_checkpoint", "PRAGMA temp_store_directory = '/'",
        "PRAGMA max_page_count = 1", "PRAGMA hard_heap_limit = 1", "PRAGMA no_such",
        "SELECT * FROM pragma_database_list", "SELECT * FROM pragma_user_version",
    ],
    "can be read": ["PRAGMA page_size = 512", "PRAGMA data_version = 7"],
    "on or off": ["PRAGMA foreign_keys = 2", "PRAGMA recursive_triggers = maybe"],
    "not have the function": [
        "SELECT fts3_tokenizer('simple')",
        "SELECT fts3_tokenizer('simple', x'0000000000000000')",
        "SELECT load_extension('x')",
        "SELECT sqlite_version()",
        "SELECT sqlite_source_id()",
        "SELECT sqlite_compileoption_used('x')",
        "SELECT sqlite_log(1, 'a')",
        "SELECT fts5(1)",
        "SELECT rtreenode(2, x'00')",
        "SELECT soundex('a')",
        "SELECT ceiling(1.5)",
        "CREATE TABLE f (a CHECK (fts3_tokenizer('simple', a)))",
        "CREATE INDEX f ON t (sqlite_version())",
    ],
    "of virtual tables": [
        "CREATE VIRTUAL TABLE f USING fts3(a)",
        "CREATE VIRTUAL TABLE f USING fts4(a)",
        "CREATE VIRTUAL TABLE d USING dbstat",
    ],
    "no table dbstat": ["SELECT * FROM dbstat"],
}  # fmt: skip
UNKNOWN = [
    "SELECT readfile('/etc/passwd')", "SELECT writefile('x', 'y')", "SELECT edit('x')",
    "SELECT * FROM sqlite_dbpage", "SELECT * FROM fsdir('/')", "SELECT regexp('a', 'b')",
    "UPDATE sqlite_master SET sql = ''", "DELETE FROM sqlite_schema",
]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "why"), [(sql, why) for why, all_ in REFUSED.items() for sql in all_]
)
async def test_the_guard_refuses_what_the_platform_refuses(where, sql, why):
    error = await failure(where(*TABLES, [sql]))
    if not (isinstance(where, InD1) and "no such table: " in str(error)):  # D1 has no such tables
        assert "not authorized" in str(error)
        assert why in "\n".join([str(error), *getattr(error, "__notes__", ())])


@pytest.mark.parametrize("sql", UNKNOWN)
async def test_what_sqlite_has_not_or_guards_itself_fails(where, sql):
    error = await failure(where(*TABLES, [sql]))
    assert "no such" in str(error) or "may not be modified" in str(error)


@pytest.mark.parametrize("sql", ["VACUUM", "VACUUM INTO 'copy.sqlite'"])
async def test_a_database_is_not_copied_elsewhere(where, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = await failure(where(*TABLES, [sql]))
    assert "VACUUM" in str(error)
    assert not list(tmp_path.iterdir())


ALLOWED = [
    *(f"PRAGMA {name} = {value}" for name in
      ("case_sensitive_like", "defer_foreign_keys", "foreign_keys", "ignore_check_constraints",
       "legacy_alter_table", "recursive_triggers", "reverse_unordered_selects")
      for value in ("on", "OFF", "'yes'", "0")),
    "PRAGMA FOREIGN_KEYS", "PRAGMA main.foreign_keys(0)", "PRAGMA data_version",
    "PRAGMA page_size", "PRAGMA table_list", "PRAGMA table_info(t)", "PRAGMA table_xinfo(t)",
    "PRAGMA index_list(t)", "PRAGMA index_info(sqlite_autoindex_t_1)",
    "PRAGMA index_xinfo(sqlite_autoindex_t_1)", "PRAGMA foreign_key_list(child)",
    "PRAGMA foreign_key_check", "PRAGMA foreign_key_check(t)", "PRAGMA quick_check",
    "PRAGMA quick_check(t)", "PRAGMA optimize", "PRAGMA optimize = -1",
    "SELECT * FROM pragma_table_info('t')", "SELECT * FROM pragma_table_list",
    "SELECT * FROM sqlite_master", "SELECT * FROM sqlite_schema", "ANALYZE", "ANALYZE t",
    "REINDEX", "EXPLAIN SELECT * FROM t", "EXPLAIN QUERY PLAN SELECT * FROM t",
    "SELECT key, value FROM json_each('[1]')", "SELECT '{\"a\": 1}' ->> 'a'",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) SELECT * FROM n",
    "SELECT max(1, 2), max(n), total(n), row_number() OVER () FROM t",
    "SELECT datetime('now'), CURRENT_DATE, strftime('%s', 'now'), unixepoch()",
    "SELECT length(hex(randomblob(4))), changes(), last_insert_rowid()",
    "ALTER TABLE t RENAME TO renamed_to_cf_", "ALTER TABLE t RENAME COLUMN n TO _cf_n",
    "ALTER TABLE t ADD COLUMN more CHECK (more > 0)", 'ALTER TABLE child ADD COLUMN "RENAME TO"',
    "CREATE VIEW v AS SELECT * FROM t", "CREATE TRIGGER g INSERT ON t BEGIN SELECT 1; END",
    "CREATE TABLE s AS SELECT * FROM t", "CREATE TABLE a (b INTEGER PRIMARY KEY AUTOINCREMENT)",
    "WITH _cf_c AS (SELECT 1) SELECT * FROM _cf_c",
    "CREATE VIRTUAL TABLE r USING rtree(id, a, b)",
]  # fmt: skip


@pytest.mark.parametrize("sql", ALLOWED)
async def test_the_guard_lets_pass_what_the_platform_lets_pass(where, sql):
    await where(*TABLES, [sql])


async def test_search_of_whole_texts_works(where):
    assert await where(
        ["CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize = 'porter')"],
        ["INSERT INTO docs VALUES (?, ?)", "one", "running water"],
        ["INSERT INTO docs VALUES (?, ?)", "two", "still water"],
        ["UPDATE docs SET title = 'first' WHERE title = 'one'"],
        ["CREATE VIRTUAL TABLE terms USING fts5vocab(docs, row)"],
        ["INSERT INTO docs(docs) VALUES ('optimize')"],
        ["INSERT INTO docs(docs) VALUES ('rebuild')"],
        ["SELECT title, highlight(docs, 1, '<', '>') FROM docs('run') ORDER BY bm25(docs)"],
    ) == [["first", "<running> water"]]
    assert await where(["SELECT count(*) FROM terms"], ["DROP TABLE docs"]) == []
    assert await where(["SELECT name FROM sqlite_master WHERE name LIKE 'docs%'"]) == []


async def test_a_search_over_what_the_platform_keeps_finds_nothing(sandbox):
    where = InObject(sandbox)
    await where.objects.get_by_name("x").put("secret", "value")
    await where(
        ["CREATE VIRTUAL TABLE f USING fts5(key, content = '_cf_KV', content_rowid = 'value')"]
    )
    for sql in ("SELECT * FROM f", "INSERT INTO f(f) VALUES ('rebuild')"):
        assert "the name _cf_KV is not for SQL" in str(await failure(where([sql])))


async def test_triggers_and_views_do_what_their_author_may(sandbox):
    where = InObject(sandbox)
    await where(*TABLES[:1], ["CREATE VIEW v AS SELECT * FROM _cf_KV"])
    await where(["CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM _cf_KV; END"])
    for sql in ("SELECT * FROM v", "INSERT INTO t (n) VALUES (2)"):
        assert "the name _cf_KV is not for SQL" in str(await failure(where([sql])))


async def test_what_an_object_does_itself_sets_off_nothing_that_its_sql_may_not(sandbox):
    where = InObject(sandbox)
    stub = where.objects.get_by_name("x")
    await stub.put("k", 1)
    await where(["CREATE TABLE t (k REFERENCES _cf_KV (key) ON DELETE CASCADE)"])
    await where(["CREATE TRIGGER g AFTER DELETE ON t BEGIN DELETE FROM _cf_METADATA; END"])
    assert str(await failure(stub.put("k", 2))) == "not authorized"
    await where(["DROP TABLE t"])
    await stub.put("k", 2)


def test_a_statement_of_ours_is_not_free_for_a_worker_that_writes_the_same():
    with closing(sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)) as raw:
        judged = Statements(raw, OBJECT_LIMITS, transactions="")
        ours = "PRAGMA page_count"
        raw.execute(ours).fetchall()
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            judged.run(ours)
        raw.execute(ours).fetchall()


# What one Worker sets is not for others.


@pytest.mark.parametrize(
    ("pragma", "sql", "wrong"),
    [
        ("ignore_check_constraints = on", "INSERT INTO t (n, c) VALUES (2, -1)", "CHECK"),
        ("foreign_keys = off", "INSERT INTO child VALUES (99)", "FOREIGN KEY"),
        ("defer_foreign_keys = on", "INSERT INTO child VALUES (99)", "FOREIGN KEY"),
    ],
)
@pytest.mark.parametrize("by", ["run", "batch", "exec"])
async def test_a_pragma_of_d1_holds_for_its_transaction(sandbox, pragma, sql, wrong, by):
    db = sandbox.d1(":memory:DB")
    await db.exec(";".join(one for [one] in TABLES))
    if by == "run":
        await db.prepare(f"PRAGMA {pragma}").run()
    elif by == "batch":
        await db.batch([db.prepare(f"PRAGMA {pragma}"), db.prepare("SELECT 1")])
    else:
        await db.exec(f"PRAGMA {pragma}; SELECT 1")
    assert wrong in str(await failure(db.prepare(sql).run()))
    assert await db.prepare("PRAGMA foreign_keys").first("foreign_keys") == 1


async def test_in_a_batch_of_d1_a_pragma_does_what_it_says(sandbox):
    db = sandbox.d1(":memory:DB")
    await db.exec(";".join(one for [one] in TABLES))
    unchecked = db.prepare("INSERT INTO t (n, c) VALUES (2, -1)")
    await db.batch([db.prepare("PRAGMA ignore_check_constraints = on"), unchecked])
    assert await db.prepare("SELECT c FROM t WHERE n = 2").first("c") == -1


async def test_foreign_keys_of_an_object_are_off_until_they_are_on_again(sandbox):
    where = InObject(sandbox)
    await where(*TABLES)
    await where(["PRAGMA foreign_keys = off"], ["INSERT INTO child VALUES (99)"])
    assert await where(["PRAGMA foreign_keys"]) == [[0]]
    await where(["DELETE FROM child"])
    await where(["PRAGMA foreign_keys = on"])
    assert "FOREIGN KEY" in str(await failure(where(["INSERT INTO child VALUES (99)"])))


# Limits.


def select(term, count, joint=", "):
    return "SELECT " + joint.join([term] * count)


OVER = {
    "like_pattern_bytes": (
        lambda n: ("SELECT 'a' LIKE ?", "a" * n), 50, "LIKE or GLOB pattern too complex"
    ),
    "like_pattern_bytes of glob": (
        lambda n: ("SELECT 'a' GLOB ?", "é" * (n // 2)), 50, "LIKE or GLOB pattern too complex"
    ),
    "parameters": (lambda n: (select("?", n), *range(n)), 100, "too many SQL variables"),
    "parameters numbered": (lambda n: (f"SELECT ?{n}", *range(n)), 100, "variable number must be"),
    "columns of a result": (lambda n: (select("1", n),), 100, "too many columns in result set"),
    "columns of a table": (
        lambda n: (f"CREATE TABLE t{n} ({', '.join(f'c{i}' for i in range(n))})",), 100,
        "too many columns on t",
    ),
    "compound_select": (lambda n: (" UNION ".join(["SELECT 1"] * n),), 5, "too many terms"),
    "expression_depth": (lambda n: (select("1", n, " + "),), 100, "Expression tree is too large"),
    "value_bytes": (lambda n: (f"SELECT length(zeroblob({n}))",), 2_000_000, "too big"),
    "value_bytes of a text": (lambda n: ("SELECT length(?)", "x" * n), 2_000_000, "too big"),
    "value_bytes made": (
        lambda n: (f"SELECT length(replace(hex(zeroblob({n // 20})), '0', '0123456789'))",),
        2_000_000, "too big",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "limit", "message"), OVER.values(), ids=list(OVER))
async def test_the_limits_of_the_platform_hold(where, statement, limit, message):
    more = limit + (20 if "zeroblob(n" in str(statement) or "0123" in statement(1)[0] else 2)
    await where(statement(limit))
    error = await failure(where(statement(more)))
    assert message in str(error)
    assert f"the platform's limit is {limit} (docs/limits.md)" in "".join(error.__notes__)


@pytest.mark.parametrize(("kind", "limit"), [("d1", 32), ("object", 127)])
async def test_a_function_takes_so_many_arguments(sandbox, kind, limit):
    where = KINDS[kind](sandbox)
    await where([f"SELECT max({', '.join(['1'] * limit)})"])
    error = await failure(where([f"SELECT json_array({', '.join(['1'] * (limit + 1))})"]))
    assert "too many arguments on function json_array" in str(error)


async def test_a_statement_has_a_hundred_thousand_bytes(where):
    await where(["SELECT 1".ljust(100_000)])
    for long in ("SELECT 1".ljust(100_001), f"SELECT '{'é' * 50_000}'"):
        error = await failure(where([long]))
        assert "statement too long" in str(error)
        assert "the platform's limit is 100000" in "".join(error.__notes__)


async def test_each_statement_of_a_batch_and_of_exec_has_its_own_length(sandbox):
    db = sandbox.d1(":memory:")
    long = f"SELECT '{'x' * 60_000}'"
    await db.batch([db.prepare(long), db.prepare(long)])
    await db.exec(f"{long};{long};")
    error = await failure(db.exec(f"SELECT 1;\n{'x' * 100_001};"))
    assert "Error in line 2: " in str(error)


async def test_a_row_is_bounded_too(where):
    await where(["CREATE TABLE t (a, b)"])
    insert = "INSERT INTO t VALUES (zeroblob(?), zeroblob(?))"
    await where([insert, 1_000_000, 999_000])
    assert "too big" in str(await failure(where([insert, 1_000_000, 1_000_000])))


async def test_a_gigabyte_is_refused_at_once(where):
    for blob in ("zeroblob(1000000000)", "randomblob(1000000000)", "hex(zeroblob(1999999))"):
        assert "too big" in str(await failure(where([f"SELECT {blob}"])))


async def test_a_result_is_bounded():
    rows = ENDLESS.replace("max(i)", "zeroblob(1000)")
    small = {"result_bytes": 10_000}
    sandbox = rpclab.Sandbox(d1_limits=D1Limits(**small), object_limits=ObjectLimits(**small))
    for where in (InD1(sandbox), InObject(sandbox)):
        assert len(await where([f"{rows} LIMIT 10"])) == 10
        assert "larger than 10000 bytes" in str(await failure(where([rows])))
    sandbox.close()


async def test_each_limit_can_be_set():
    more = {"like_pattern_bytes": 1000, "parameters": 200, "columns": 200, "compound_select": 20,
            "expression_depth": 300, "value_bytes": 3_000_000, "statement_bytes": 200_000,
            "function_arguments": 100}  # fmt: skip
    sandbox = rpclab.Sandbox(d1_limits=D1Limits(**more), object_limits=ObjectLimits(**more))
    for where in (InD1(sandbox), InObject(sandbox)):
        for statement, limit, _ in OVER.values():
            await where(statement(limit + 20 if limit > 5 else 20))
    sandbox.close()


@pytest.mark.parametrize("limits", [D1_LIMITS, OBJECT_LIMITS])
def test_every_limit_is_the_one_of_the_documents(limits):
    text = Path(__file__).parents[2].joinpath("docs", "limits.md").read_text()
    for name in type(limits).__dataclass_fields__:
        assert f"`{name}`" in text, name


def test_an_error_is_told_by_the_limit_that_it_is_about():
    for pattern, name in limits_module._SAID.items():
        advice = D1_LIMITS.advice(sqlite3.OperationalError(pattern.split("|")[0]))
        assert f"D1Limits({name}=…)" in advice


@pytest.mark.parametrize("depth", [9, 10])
async def test_triggers_set_off_one_another_so_often(where, depth):
    await where(
        ["CREATE TABLE t (n)"],
        ["CREATE TRIGGER g INSERT ON t WHEN new.n > 0 BEGIN INSERT INTO t VALUES (new.n - 1); END"],
    )
    insert = [["PRAGMA recursive_triggers = on"], ["INSERT INTO t VALUES (?)", depth]]
    if isinstance(where, InD1):
        prepared = [where.db.prepare(sql).bind(*values) for sql, *values in insert]
        done = where.db.batch(prepared)
    else:
        done = where(*insert)
    if depth < 10:
        await done
    else:
        assert "too many levels of trigger recursion" in str(await failure(done))


async def test_a_database_can_be_full():
    sandbox = rpclab.Sandbox(d1_limits=D1Limits(database_bytes=100_000))
    where = InD1(sandbox)
    await where(["CREATE TABLE t (n)"])
    error = await failure(where(["INSERT INTO t VALUES (zeroblob(200000))"]))
    assert error.code == "SQLITE_FULL"
    assert "D1Limits(database_bytes=…)" in error.__notes__[-1]
    sandbox.close()


# Keys and values.


async def test_an_object_without_sql_has_the_limits_of_keys_and_values(sandbox):
    stub = InObject(sandbox).objects.get_by_name("x")
    await stub.put("k" * 2048, b"x" * 131_072)
    assert "at most 2048 bytes" in str(await failure(stub.put("k" * 2049, 1)))
    error = await failure(stub.put("large", "é" * 70_000))
    assert "at most 131072 bytes, and that of 'large' 139" in str(error)
    assert "may store 2000000 bytes in one" in error.__notes__[0]
    assert "at most 131072" in str(await failure(stub.put({"a": 1, "b": b"x" * 131_200})))
    assert await stub.keys() == ["k" * 2048]


async def test_several_keys_are_at_most_128(sandbox):
    stub = InObject(sandbox).objects.get_by_name("x")
    pairs = {str(n): n for n in range(129)}
    for error in (
        await failure(stub.put(pairs)), await failure(stub.get(list(pairs))),
        await failure(stub.delete(list(pairs))),
    ):  # fmt: skip
        assert "at most 128 keys at once" in str(error)
    del pairs["128"]
    await stub.put(pairs)
    assert await stub.get(list(pairs)) == pairs
    assert await stub.delete(list(pairs)) == 128


async def test_an_object_with_sql_has_two_megabytes_for_a_key_and_its_value(sandbox):
    where = InObject(sandbox)
    await where(["SELECT 1"])
    stub = where.objects.get_by_name("x")
    await stub.put("k" * 3000, b"x" * 1_990_000)
    for pair in (("k" * 20_000, b"x" * 1_990_000), ("k", b"x" * 2_000_000)):
        assert "at most 2000000 bytes" in str(await failure(stub.put(*pair)))
    assert await stub.keys() == ["k" * 3000]


async def test_the_limits_of_keys_and_values_can_be_set():
    limits = ObjectLimits(key_bytes=4000, kv_value_bytes=1_000_000)
    sandbox = rpclab.Sandbox(object_limits=limits)
    stub = InObject(sandbox).objects.get_by_name("x")
    await stub.put("k" * 4000, b"x" * 900_000)
    assert "at most 1000000 bytes" in str(await failure(stub.put("k", b"x" * 1_000_100)))
    sandbox.close()


# Time.


async def test_a_statement_that_takes_too_long_is_stopped_and_the_limit_named():
    short = {"query_seconds": 0.05}
    sandbox = rpclab.Sandbox(d1_limits=D1Limits(**short), object_limits=ObjectLimits(**short))
    for where in (InD1(sandbox), InObject(sandbox)):
        await where(["CREATE TABLE t (n)"], ["INSERT INTO t VALUES (1)"])
        for sql in (ENDLESS, f"INSERT INTO t {ENDLESS}", f"CREATE TABLE u AS {ENDLESS}"):
            error = await failure(where([sql]))
            assert "the statement ran for more than 0.05 s" in str(error)
            assert "query_seconds" in "".join(error.__notes__)
        assert await where(["SELECT n FROM t"]) == [[1]]
    sandbox.close()


async def test_a_write_that_is_stopped_takes_back_no_other_one_unsaid():
    sandbox = rpclab.Sandbox(object_limits=ObjectLimits(query_seconds=0.05))
    where = InObject(sandbox)
    error = await failure(
        where(["CREATE TABLE t (n)"], ["INSERT INTO t VALUES (1)"], [f"INSERT INTO t {ENDLESS}"])
    )
    assert "Durable Object reset because SQLite took back all" in str(error)
    sandbox.close()


PROGRAM = f"""
import asyncio
import rpclab

WORKER = '''
from workers import DurableObject
class Obj(DurableObject):
    def count(self):
        print("runs", flush=True)
        try:
            self.ctx.storage.sql.exec("{ENDLESS}")
        except Exception as error:
            print("swallowed", error, flush=True)
'''

async def main():
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("callee", source=WORKER)
        await sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x").count()

RUN
"""


@pytest.mark.parametrize(
    "run",
    ["asyncio.run(main())", "asyncio.new_event_loop().run_until_complete(main())"],
    ids=["asyncio.run", "bare loop"],
)
def test_an_endless_statement_of_an_object_ends_with_sigint(run):
    command = [sys.executable, "-c", PROGRAM.replace("RUN", run)]
    with subprocess.Popen(command, stdout=-1, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout.readline() == "runs\n"
        child.send_signal(signal.SIGINT)
        said = child.stdout.read()
    assert child.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "swallowed" not in said


async def test_why_an_object_got_no_database_of_its_own_is_said(monkeypatch):
    sandbox = rpclab.Sandbox()
    where = InObject(sandbox)
    with monkeypatch.context() as patch:
        patch.setattr("rpclab.workers.storage.namespace_database._OWN_SCHEMA", "no schema")
        error = await failure(where(["SELECT 1"]))
        assert "syntax error" in str(error)
    assert await where(["SELECT 1"]) == [[1]]
    sandbox.close()


# Values.


class Colour(str, enum.Enum):  # noqa: UP042 - whose str() is not its text
    RED = "red"


class Half(float):
    def __float__(self):
        return 0.25


class Index:
    def __index__(self):
        return 7


VALUES = [
    (http.HTTPStatus.OK, 200),
    (enum.IntFlag("Flag", "A B").B, 2),
    (True, 1),
    (Colour.RED, "red"),
    (Half(0.5), 0.5),
    (Index(), 7),
    (2**63 - 1, 2**63 - 1),
    (-(2**63), -(2**63)),
    (bytearray(b"a"), b"a"),
    (memoryview(b"abc")[1:], b"bc"),
]


@pytest.mark.parametrize(("value", "stored"), VALUES)
async def test_a_value_is_stored_as_what_it_is_beneath(sandbox, value, stored):
    [[got, kind]] = await InD1(sandbox)(["SELECT ?1, typeof(?1)", value])
    assert (got, type(got)) == (stored, type(stored))
    with closing(sqlite3.connect(":memory:", cached_statements=0)) as raw:
        assert raw.execute("SELECT typeof(?)", (stored,)).fetchone() == (kind,)


@pytest.mark.parametrize(
    ("value", "message", "advice"),
    [
        (2**63, "is an int over 64 bits", "bind str(value), as TEXT"),
        (-(2**70), "is an int over 64 bits", "bind str(value), as TEXT"),
        ("\ud800", "has half a surrogate pair", "bind it encoded, as bytes"),
        ([1], "is of type 'list', which is not supported", "bind json.dumps(value)"),
    ],
)
async def test_a_value_that_cannot_be_stored_is_named_with_advice(where, value, message, advice):
    error = await failure(where(["SELECT ?, ?", 1, value]))
    assert "value 2 of " in str(error)
    assert message in str(error)
    assert advice in "".join(error.__notes__)


async def test_text_that_is_no_utf8_blocks_nothing_around_it(where):
    assert await where(
        ["CREATE TABLE t (a, b)"],
        ["INSERT INTO t VALUES (CAST(x'61ff62' AS TEXT), 'fine'), ('next', 2)"],
        ["SELECT a, b FROM t"],
    ) == [["a\ufffdb", "fine"], ["next", 2]]


@pytest.mark.parametrize("number", ["0", "101", "9" * 30, "9" * 5000])
async def test_a_parameter_has_no_such_number(where, number):
    error = str(await failure(where([f"SELECT ?{number}", 1])))
    assert "variable number must be" in error or "Wrong number of parameter bindings" in error


@pytest.mark.parametrize("sql", ["SELECT 1\0", "SELECT '\ud800'"])
async def test_a_text_that_is_no_sql_is_refused(where, sql):
    assert "SQL holds no NUL characters" in str(await failure(where([sql])))
