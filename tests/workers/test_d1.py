"""The D1 binding: statements, values, results, batches, and what several Workers share."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.world import failure

import rpclab
from rpclab import D1Error

TODOS = """
CREATE TABLE todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, done INTEGER DEFAULT 0);
INSERT INTO todos (title) VALUES ('bread'), ('milk');
"""

WORKER = """
from workers import WorkerEntrypoint

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

class Default(WorkerEntrypoint):
    async def titles(self):
        return await self.env.DB.prepare("SELECT title FROM todos ORDER BY id").raw()
    async def all(self):
        return await self.env.DB.prepare("SELECT * FROM todos ORDER BY id").all()
    async def add(self, title):
        await self.env.DB.prepare("INSERT INTO todos (title) VALUES (?)").bind(title).run()
    async def misspelt(self):
        await self.env.DB.prepare("SELECT titel FROM todos").all()
    async def endless(self):
        await self.env.DB.prepare(ENDLESS).first()
    def database(self):
        return dict(db=self.env.DB)
    def statement(self):
        return self.env.DB.prepare("SELECT 1")
    def hello(self):
        return "hello"
"""


@pytest.fixture
def db(sandbox):
    """The database that each Worker of these tests has as DB."""
    return sandbox.d1(":memory:DB")


def deploy(sandbox, name="worker", where=":memory:"):
    """Deploy a Worker with a database; gives the program's binding to it."""
    sandbox.deploy(name, source=WORKER, d1={"DB": where})
    return sandbox.bind(**{name.upper(): name})[name.upper()]


# Statements and what they give.


async def test_a_statement_gives_rows_as_dicts(db):
    await db.exec(TODOS)
    result = await db.prepare("SELECT id, title FROM todos WHERE id > ?").bind(1).all()
    assert result.success is True
    assert result.results == [{"id": 2, "title": "milk"}]
    assert all(type(row) is dict for row in result.results)


async def test_a_result_has_its_parts_as_attributes_and_as_items(db):
    result = await db.prepare("SELECT 1 AS one").run()
    assert result["results"] is result.results
    assert result["meta"]["changes"] == result.meta.changes == 0
    assert repr(result) == "<D1Result: 1 row>"


async def test_first_gives_a_row_or_a_column_of_it_or_none(db):
    await db.exec(TODOS)
    ordered = db.prepare("SELECT id, title FROM todos ORDER BY id")
    assert await ordered.first() == {"id": 1, "title": "bread"}
    assert await ordered.first("title") == "bread"
    assert await db.prepare("SELECT * FROM todos WHERE id = 9").first() is None
    assert await db.prepare("SELECT * FROM todos WHERE id = 9").first("nope") is None


async def test_first_names_the_columns_near_one_that_is_not_there(db):
    error = await failure(db.prepare("SELECT 1 AS title").first("titel"))
    assert str(error) == "D1_COLUMN_NOTFOUND: Column not found (titel)"
    assert error.__notes__ == ["did you mean 'title'?"]


async def test_raw_keeps_columns_of_the_same_name_and_gives_names_first_if_wanted(db):
    statement = db.prepare("SELECT 1 AS a, 2 AS a")
    assert await statement.raw() == [[1, 2]]
    assert await statement.raw(column_names=True) == [["a", "a"], [1, 2]]
    assert await statement.raw(columnNames=True) == [["a", "a"], [1, 2]]
    assert (await statement.all()).results == [{"a": 2}]


async def test_meta_says_what_changed(db):
    create = await db.prepare("CREATE TABLE t (a)").run()
    assert (create.meta.changes, create.meta.changed_db) == (0, True)
    insert = await db.prepare("INSERT INTO t VALUES (?1), (?1), (?2)").bind("x", "y").run()
    assert (insert.meta.changes, insert.meta.last_row_id, insert.meta.changed_db) == (3, 3, True)
    select = await db.prepare("SELECT * FROM t").run()
    assert (select.meta.changes, select.meta.last_row_id, select.meta.changed_db) == (0, 3, False)
    assert select.meta.size_after > 0
    assert select.meta.duration >= 0
    assert repr(insert) == "<D1Result: 3 changes>"


async def test_a_figure_that_sqlite_does_not_give_is_not_made_up(db):
    meta = (await db.prepare("SELECT 1").run()).meta
    with pytest.raises(AttributeError, match="a D1Meta has no rows_read"):
        _ = meta.rows_read


async def test_returning_gives_rows_of_a_write(db):
    await db.exec(TODOS)
    insert = db.prepare("INSERT INTO todos (title) VALUES (?) RETURNING id, title").bind("tea")
    assert (await insert.run()).results == [{"id": 3, "title": "tea"}]


async def test_exec_runs_many_statements_and_counts_them(db):
    done = await db.exec(TODOS + "/* the; end */ SELECT ';' -- ;")
    assert done.count == 3
    assert done.duration >= 0
    assert await db.prepare("SELECT count(*) AS n FROM todos").first("n") == 2


async def test_a_trigger_is_one_statement_with_others_inside(db):
    await db.exec("""
        CREATE TABLE t (a); CREATE TABLE log (a);
        CREATE TRIGGER noted AFTER INSERT ON t BEGIN
            INSERT INTO log VALUES (new.a); INSERT INTO log VALUES (-new.a);
        END;
        INSERT INTO t VALUES (5);
    """)
    assert await db.prepare("SELECT a FROM log").raw() == [[5], [-5]]


async def test_binding_makes_a_new_statement(db):
    statement = db.prepare("SELECT ? AS a")
    one, two = statement.bind(1), statement.bind(2)
    assert [await one.first("a"), await two.first("a"), await one.first("a")] == [1, 2, 1]
    assert statement.params == ()
    with pytest.raises(AttributeError):
        one.params = (3,)


async def test_numbered_parameters_can_come_in_any_order_and_again(db):
    statement = db.prepare("SELECT ?2 AS a, ?1 AS b, ?2 AS c").bind("one", "two")
    assert await statement.first() == {"a": "two", "b": "one", "c": "two"}


async def test_question_marks_in_texts_names_and_comments_are_none(db):
    statement = db.prepare("""SELECT '?' AS "a?", ? AS b -- ?\n /* ? */""").bind(5)
    assert await statement.first() == {"a?": "?", "b": 5}


async def test_foreign_keys_are_on(db):
    await db.exec("CREATE TABLE a (id INTEGER PRIMARY KEY);"
                  "CREATE TABLE b (a REFERENCES a (id));")  # fmt: skip
    error = await failure(db.prepare("INSERT INTO b VALUES (1)").run())
    assert error.code == "SQLITE_CONSTRAINT_FOREIGNKEY"
    assert str(error) == "D1_ERROR: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT"


# Values.

SQLITE_VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)


@given(values=st.lists(SQLITE_VALUES, min_size=1, max_size=5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_of_sqlite_comes_back_as_it_was(values):
    async def there_and_back():
        async with rpclab.Sandbox() as sandbox:
            marks = ", ".join("?" * len(values))
            database = sandbox.d1(":memory:")
            [row] = await database.prepare(f"SELECT {marks}").bind(*values).raw()
            return row

    row = asyncio.run(there_and_back())
    assert list(map(repr, row)) == list(map(repr, values))


async def test_what_sqlite_has_no_type_for_is_stored_as_what_is_near(db):
    values = (True, False, bytearray(b"a"), memoryview(b"bc")[1:])
    assert await db.prepare("SELECT ?, ?, ?, ?").bind(*values).raw() == [[1, 0, b"a", b"c"]]


@pytest.mark.parametrize(
    ("value", "message", "advice"),
    [
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "is of type 'datetime'", "value.isoformat()"),
        ({"a": 1}, "is of type 'dict', which is not supported", "bind json.dumps(value)"),
        (object(), "is of type 'object'", "bind a str, number or bytes made of it"),
        (2**63, "is an int over 64 bits", "bind str(value), as TEXT"),
        (math.nan, "is nan, which SQLite stores as NULL", "bind None to say so"),
        ("\ud800", "has half a surrogate pair", "bind it encoded, as bytes"),
    ],
)
def test_a_value_that_cannot_be_stored_is_named_with_its_place_and_advice(
    db, value, message, advice
):
    with pytest.raises(D1Error) as caught:
        db.prepare("SELECT ?, ?").bind(1, value)
    assert str(caught.value).startswith(f"D1_TYPE_ERROR: value 2 of bind() {message}")
    assert caught.value.code == "D1_TYPE_ERROR"
    assert advice in caught.value.__notes__[0]


async def test_a_wrong_number_of_values_is_counted(db):
    statement = db.prepare("SELECT ?, ?3")
    with pytest.raises(D1Error, match="it takes 3 values, and 1 is bound"):
        statement.bind(1)
    error = await failure(statement.run())
    assert "it takes 3 values, and 0 are bound" in str(error)
    assert error.__notes__ == ["bind(…) gives them"]


# Batches.


async def test_a_batch_gives_a_result_for_each_statement(db):
    await db.exec(TODOS)
    insert = db.prepare("INSERT INTO todos (title) VALUES (?)")
    one, two, three = await db.batch(
        [insert.bind("tea"), insert.bind("salt"), db.prepare("SELECT count(*) AS n FROM todos")]
    )
    assert (one.meta.last_row_id, two.meta.last_row_id, three.results) == (3, 4, [{"n": 4}])


async def test_a_batch_whose_second_statement_fails_changes_nothing(db):
    await db.exec(TODOS)
    insert = db.prepare("INSERT INTO todos (title) VALUES (?)")
    error = await failure(db.batch([insert.bind("tea"), insert.bind("milk"), insert.bind("x")]))
    assert str(error) == (
        "D1_ERROR: UNIQUE constraint failed: todos.title: SQLITE_CONSTRAINT"
    )  # fmt: skip
    assert error.__notes__[-1] == "statement 2 of 3 in the batch; nothing of it was applied"
    assert await db.prepare("SELECT count(*) AS n FROM todos").first("n") == 2


async def test_a_constraint_deferred_to_the_end_of_a_batch_takes_all_of_it_back(db):
    await db.exec("CREATE TABLE a (id INTEGER PRIMARY KEY);"
                  "CREATE TABLE b (a REFERENCES a (id));")  # fmt: skip
    defer = db.prepare("PRAGMA defer_foreign_keys = on")
    child, parent = db.prepare("INSERT INTO b VALUES (1)"), db.prepare("INSERT INTO a VALUES (1)")
    error = await failure(db.batch([defer, child]))
    assert error.__notes__[-1] == "at the end of the batch; nothing of it was applied"
    assert await db.prepare("SELECT * FROM b").raw() == []
    await db.batch([defer, child, parent])
    assert await db.prepare("SELECT * FROM b").raw() == [[1]]


async def test_what_is_no_statement_of_this_database_is_refused_in_a_batch(sandbox, db):
    other = sandbox.d1(":memory:other").prepare("SELECT 1")
    with pytest.raises(TypeError, match="number 1 is of type str"):
        await db.batch(["SELECT 1"])
    with pytest.raises(TypeError, match="statement 2 of the batch was prepared by <D1Database oth"):
        await db.batch([db.prepare("SELECT 1"), other])
    with pytest.raises(D1Error, match="No SQL statements detected"):
        await db.batch([])


# In a Worker, and over RPC.


async def test_a_result_is_returned_from_a_method_as_plain_data(sandbox, db):
    await db.exec(TODOS)
    worker = deploy(sandbox)
    result = await worker.all()
    assert type(result) is dict
    assert type(result["meta"]) is dict
    assert [row["title"] for row in result["results"]] == ["bread", "milk"]
    assert await worker.all().results == result["results"]


async def test_a_result_that_a_message_holds_twice_is_one_at_the_other_side(sandbox, db):
    result = await db.prepare("SELECT 1 AS one").run()
    sandbox.deploy("same", source="def same(pair, env, ctx): return pair[0] is pair[1]")
    assert await sandbox.bind(SAME="same").SAME.same([result, result]) is True


async def test_X1_two_workers_and_the_program_share_a_database_by_its_name(sandbox, db):
    await db.exec(TODOS)
    one, two = deploy(sandbox, "one"), deploy(sandbox, "two")
    await one.add("tea")
    assert await two.titles() == [["bread"], ["milk"], ["tea"]]
    assert sandbox.bind(DB=db).DB is sandbox.workers["one"].env.DB


async def test_a_new_version_of_a_worker_finds_its_rows(sandbox, db):
    await db.exec(TODOS)
    await deploy(sandbox).add("tea")
    assert await deploy(sandbox).titles() == [["bread"], ["milk"], ["tea"]]


async def test_a_database_and_its_statements_cannot_be_sent(sandbox, db):
    worker = deploy(sandbox)
    error = await failure(worker.database())
    assert 'of type "D1Database"' in str(error)
    assert 'result["db"]' in str(error)
    assert "a database stays with the Workers it is bound to: send the rows" in error.__notes__[0]
    assert "run it, and send the rows" in (await failure(worker.statement())).__notes__[0]
    with pytest.raises(TypeError, match="a D1Database stays with the Workers"):
        pickle.dumps(db)


async def test_an_error_keeps_its_class_and_place_on_the_way_to_the_caller(sandbox, db):
    await db.exec(TODOS)
    error = await failure(deploy(sandbox).misspelt())
    assert type(error) is D1Error
    assert error.remote is True
    assert (error.sql, error.offset, error.line) == ("SELECT titel FROM todos", 7, 1)
    assert "did you mean 'title'?" in error.__notes__
    raised = next(note for note in error.__notes__ if note.startswith("raised in the Worker"))
    assert raised.split("\n")[1:] == ["  <worker worker>, line 14, in Default.misspelt"]


async def test_the_loop_goes_on_while_a_long_query_runs(sandbox, db):
    worker = deploy(sandbox)
    long = worker.endless()
    assert [await worker.hello() for _ in range(100)] == ["hello"] * 100
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await long
    assert await db.prepare("SELECT 'free again' AS said").first("said") == "free again"


async def test_statements_run_in_the_order_made(db):
    await db.exec("CREATE TABLE t (n)")
    insert = db.prepare("INSERT INTO t VALUES (?)")
    await asyncio.gather(*(insert.bind(number).run() for number in range(50)))
    assert await db.prepare("SELECT n FROM t ORDER BY rowid").raw() == [[n] for n in range(50)]


async def test_work_that_is_given_to_wait_until_is_done_after_the_call(sandbox, db):
    await db.exec(TODOS)
    sandbox.deploy("late", d1={"DB": ":memory:"}, source="""
def add(title, env, ctx):
    ctx.wait_until(env.DB.prepare("INSERT INTO todos (title) VALUES (?)").bind(title).run())
    return "accepted"
""")  # fmt: skip
    assert await sandbox.bind(LATE="late").LATE.add("tea") == "accepted"
    tea = db.prepare("SELECT title FROM todos WHERE id = 3")
    rows = [await tea.first("title") for _ in range(5)]
    assert rows[-1] == "tea"


async def test_a_database_works_on_any_loop_that_asks(sandbox, db):
    await db.exec(TODOS)
    count = db.prepare("SELECT count(*) AS n FROM todos")
    assert await asyncio.to_thread(lambda: asyncio.run(count.first("n"))) == 2


# Files, and the end.


async def test_a_file_keeps_its_rows_for_the_next_sandbox(tmp_path):
    file = tmp_path / "todos.sqlite"
    async with rpclab.Sandbox() as first:
        await first.d1(file).exec(TODOS)
        await deploy(first, where=str(file)).add("tea")
    async with rpclab.Sandbox() as second:
        assert await deploy(second, where=file).titles() == [["bread"], ["milk"], ["tea"]]
    assert [path.name for path in tmp_path.iterdir()] == ["todos.sqlite"]


def test_a_file_by_two_spellings_is_one_database(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sandbox.d1("a.sqlite") is sandbox.d1(tmp_path / "." / "a.sqlite")
    assert sandbox.d1("a.sqlite") is not sandbox.d1("b.sqlite")
    assert repr(sandbox.d1("a.sqlite")) == "<D1Database a.sqlite>"
    bound = sandbox.d1("a.sqlite").prepare("SELECT ?,\n ?").bind(1, "x" * 1_000_000)
    assert repr(bound) == "<D1PreparedStatement SELECT ?, ? [1, 'xxxxxxxxxxxx...xxxxxxxxxxxxx']>"


async def test_two_sandboxes_write_to_one_file_in_turn(tmp_path):
    async with rpclab.Sandbox() as first, rpclab.Sandbox() as second:
        one, two = first.d1(tmp_path / "t.sqlite"), second.d1(tmp_path / "t.sqlite")
        await one.exec("CREATE TABLE t (n)")
        inserts = [each.prepare("INSERT INTO t VALUES (1)").run() for each in [one, two] * 10]
        await asyncio.gather(*inserts)
        assert await one.prepare("SELECT count(*) AS n FROM t").first("n") == 20


async def test_rows_in_memory_are_gone_after_a_reset(sandbox):
    before = sandbox.d1(":memory:DB")
    await before.exec(TODOS)
    sandbox.reset()
    after = sandbox.d1(":memory:DB")
    error = await failure(after.prepare("SELECT * FROM todos").run())
    assert error.__notes__[-1].startswith("it has no tables yet")
    error = await failure(before.prepare("SELECT 1").run())
    assert str(error) == "D1_ERROR: the database DB is closed"


async def test_closing_the_sandbox_ends_a_query_that_runs(sandbox, db):
    deploy(sandbox)
    endless = asyncio.create_task(_first(db, sandbox.workers["worker"].module.ENDLESS))
    waiting = asyncio.create_task(_first(db, "SELECT 1"))
    await asyncio.sleep(0)
    sandbox.close()
    for task in (endless, waiting):
        assert str(await failure(task)) == "D1_ERROR: the database DB is closed"


async def _first(db, sql):
    return await db.prepare(sql).first()


async def test_a_file_that_is_no_database_is_named(sandbox, tmp_path):
    (tmp_path / "notes.txt").write_text("these are notes, and no database at all " * 50)
    error = await failure(sandbox.d1(tmp_path / "notes.txt").prepare("SELECT 1").run())
    assert str(error).startswith("D1_ERROR: the database notes.txt cannot be opened")
    assert error.__notes__ == ["the file is something else than a SQLite database"]


def test_a_place_where_no_database_can_be_is_refused_at_once(sandbox, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere for the database db\.sqlite"):
        deploy(sandbox, where=tmp_path / "nowhere" / "db.sqlite")
    with pytest.raises(TypeError, match='a database is a file, ":memory:" or a D1Database, not in'):
        deploy(sandbox, where=5)
    with pytest.raises(ValueError, match="the variable DB is given twice: in vars and in d1"):
        sandbox.deploy("worker", source="", vars={"DB": "x"}, d1={"DB": ":memory:"})


# Sessions.


async def test_a_session_sees_what_was_written_before_and_names_where_it_is(db):
    session = db.with_session("first-primary")
    assert session.get_bookmark() is None
    await session.prepare("CREATE TABLE t (a)").run()
    first = session.get_bookmark()
    await session.batch([session.prepare("INSERT INTO t VALUES (1)")])
    assert first < session.get_bookmark()
    assert await db.with_session(first).prepare("SELECT a FROM t").first("a") == 1
    with pytest.raises(D1Error, match="'yesterday' is no constraint and no bookmark") as caught:
        db.with_session("yesterday")
    assert "first-primary, first-unconstrained" in caught.value.__notes__[0]


async def test_the_javascript_spellings_mean_the_same(db):
    session = db.withSession()
    await session.prepare("SELECT 1").run()
    assert session.getBookmark() == session.get_bookmark() is not None
