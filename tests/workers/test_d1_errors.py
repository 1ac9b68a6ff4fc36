"""What D1 says of a statement that fails: where it goes wrong, and what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from support.world import failure

from rpclab import D1Error
from rpclab.workers.d1 import sql_text
from rpclab.workers.d1.sql_text import Statement, bound, parameters, pointed_at, statements

TABLES = """
CREATE TABLE todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
CREATE TABLE people (name TEXT PRIMARY KEY) STRICT;
"""


async def error_of(db, sql):
    await db.exec(TABLES)
    return await failure(db.prepare(sql).run())


@pytest.mark.parametrize(
    ("marked", "culprit"),
    [
        ("^SELEC 1", "SELEC"),
        ("SELECT 1 FRM ^todos", "todos"),
        ("SELECT t t ^t FROM todos t", "t"),
        ("SELECT 'near t', \"t\" FROM todos t WHERE t.id ^t", "t"),
        ("SELECT 1,\n       2 ^2", "2"),
        ("SELECT a -> ^->> b", "->>"),
        ("CREATE TABLE x (t t, u REFERENCES t, CHECK ^t)", "t"),
        ("EXPLAIN ^SELEC 1", "SELEC"),
        ("SELECT ^@ FROM todos", "@"),
        ("SELECT ^'open", "'open"),
        ("SELECT (1^", ""),
        ("SELECT ^titel FROM todos", "titel"),
        ("SELECT title, ^todos.nme FROM todos", "todos.nme"),
        ("SELECT ^[nme] FROM todos", "[nme]"),
        ("SELECT 'nope' FROM ^nope", "nope"),
        ("SELECT ^nope(1)", "nope"),
        ("INSERT INTO todos (^titel) VALUES ('x')", "titel"),
        ("CREATE TABLE ^todos (a)", "todos"),
    ],
)
async def test_the_place_of_an_error_is_the_token_that_caused_it(sandbox, marked, culprit):
    offset, sql = marked.index("^"), marked.replace("^", "")
    error = await error_of(sandbox.d1(":memory:"), sql)
    assert type(error) is D1Error
    assert error.sql == sql
    assert (error.offset, sql[error.offset :][: len(culprit)]) == (offset, culprit)
    assert f" at offset {offset}: SQLITE_ERROR" in str(error)


async def test_a_beginning_that_would_be_a_statement_is_not_run_to_find_the_place(sandbox):
    db = sandbox.d1(":memory:")
    await db.exec(TABLES)
    await db.exec("INSERT INTO todos (title) VALUES ('kept')")
    error = await failure(db.prepare("DELETE FROM todos WHERE id WHERE id").run())
    assert error.offset == 27
    assert await db.prepare("SELECT title FROM todos").first("title") == "kept"


async def test_the_line_is_shown_with_a_caret_below_the_place(sandbox):
    error = await error_of(sandbox.d1(":memory:"), "SELECT id,\n\ttitel\nFROM todos")
    assert (error.line, error.column) == (2, 2)
    assert error.__notes__ == [
        "line 2, column 2:\n    \ttitel\n    \t^^^^^", "did you mean 'title'?"
    ]  # fmt: skip


def test_of_a_long_line_the_part_around_the_place_is_shown():
    text = "x" * 200 + "HERE" + "y" * 200
    line, carets = pointed_at(text, 200, 4).split("\n")
    assert len(line) <= 84
    assert line[carets.index("^") :][: carets.count("^")] == "HERE"


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("SELEC 1", "did you mean SELECT?"),
        ("SELECT * FROM todo", "did you mean 'todos'?"),
        ("SELECT * FROM zzz", "there are: people, todos"),
        ("SELECT zzz FROM people", "there are: name"),
        ("SELECT (1", "the statement ends too early"),
        ("INSERT INTO todos (title) VALUES (NULL)", "give it a value other than NULL (None)"),
        ("INSERT INTO todos VALUES (1, 'a'), (1, 'b')", "such a row is there already"),
    ],
)
async def test_an_error_says_what_to_do(sandbox, sql, advice):
    assert advice in (await error_of(sandbox.d1(":memory:"), sql)).__notes__[-1]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("INSERT INTO people VALUES ('a'), ('a')", "SQLITE_CONSTRAINT_PRIMARYKEY"),
        ("INSERT INTO todos (title) VALUES (NULL)", "SQLITE_CONSTRAINT_NOTNULL"),
        ("INSERT INTO people VALUES (x'00')", "SQLITE_CONSTRAINT_DATATYPE"),
        ("SELECT abs(-9223372036854775808)", "SQLITE_ERROR"),
    ],
)
async def test_an_error_has_the_name_that_sqlite_gives_it(sandbox, sql, code):
    assert (await error_of(sandbox.d1(":memory:"), sql)).code == code


# What is refused before it runs.


@pytest.mark.parametrize(
    ("sql", "message", "advice"),
    [
        ("", "No SQL statements detected", ""),
        (" -- nothing\n;", "No SQL statements detected", ""),
        ("SELECT 1; SELECT 2", "another one follows", "give them to batch([…]), or use exec(sql)"),
        ("SELECT :name", "no named parameters, such as :name", "write ?1, ?2 …"),
        ("SELECT $name", "no named parameters, such as $name", "write ?1, ?2 …"),
        ("SELECT '" + 100_000 * "x" + "'", "statement too long: SQLITE_TOOBIG", "is 100000"),
        ("SELECT 1\0", "no NUL characters", ""),
        ("SELECT '\ud800'", "no halves of surrogate pairs", ""),
    ],
)
def test_what_is_no_statement_of_d1_is_refused_when_it_is_prepared(sandbox, sql, message, advice):
    with pytest.raises(D1Error) as caught:
        sandbox.d1(":memory:").prepare(sql)
    assert message in str(caught.value)
    assert advice in " ".join(getattr(caught.value, "__notes__", ()))


@pytest.mark.parametrize(
    ("sql", "message", "advice"),
    [
        ("BEGIN", "not authorized: BEGIN", "when they are given to batch([…])"),
        ("/* now */ commit", "not authorized", "when they are given to batch([…])"),
        ("\ufeffBEGIN", "not authorized", "when they are given to batch([…])"),
        ("SAVEPOINT a", "not authorized", "when they are given to batch([…])"),
        ("EXPLAIN BEGIN", "not authorized", "when they are given to batch([…])"),
        ("ATTACH 'x.db' AS x", "not authorized", "there is one database here"),
        ("PRAGMA journal_mode = delete", "not authorized", "these: case_sensitive_like"),
    ],
)
def test_what_d1_does_not_run_is_refused_when_it_is_prepared(sandbox, sql, message, advice):
    with pytest.raises(D1Error) as caught:
        sandbox.d1(":memory:").prepare(sql)
    assert (caught.value.code, message in str(caught.value)) == ("SQLITE_AUTH", True)
    assert caught.value.line == 1
    assert advice in caught.value.__notes__[-1]


async def test_what_shows_only_then_is_refused_when_it_runs(sandbox):
    db = sandbox.d1(":memory:")
    error = await failure(db.prepare("VACUUM INTO 'x.db'").run())
    assert (error.code, error.column) == ("SQLITE_AUTH", 1)
    assert "there is one database here" in error.__notes__[-1]
    await db.exec("CREATE TABLE t (a); CREATE VIEW v AS SELECT * FROM t;")
    assert await db.prepare("SELECT * FROM v").raw() == []
    await db.exec("DROP VIEW v; CREATE VIEW v AS SELECT sqlite_version() AS a FROM t;")
    assert (await failure(db.prepare("SELECT a FROM v").run())).code == "SQLITE_AUTH"


@pytest.mark.parametrize(
    "sql", ["PRAGMA foreign_keys", "PRAGMA table_info(todos)", "SELECT 1; -- end"]
)
async def test_what_only_looks_like_it_is_run(sandbox, sql):
    assert (await sandbox.d1(":memory:").prepare(sql).run()).success is True


def test_what_is_no_text_is_no_sql(sandbox):
    with pytest.raises(TypeError, match="SQL is a text, not bytes"):
        sandbox.d1(":memory:").prepare(b"SELECT 1")


# exec.


async def test_exec_stops_at_the_first_statement_that_fails_and_names_its_line(sandbox):
    db = sandbox.d1(":memory:")
    sql = "CREATE TABLE a (x);\n\nINSERT INTO a VALUES (1);\n  INSERTZ INTO a VALUES (2);\nSELECT 1"
    error = await failure(db.exec(sql))
    assert str(error) == (
        'D1_EXEC_ERROR: Error in line 4: near "INSERTZ": syntax error at offset 49: SQLITE_ERROR'
    )
    assert (error.sql, error.line, error.column) == (sql, 4, 3)
    assert await db.prepare("SELECT x FROM a").raw() == [[1]]


async def test_exec_runs_nothing_of_a_text_that_holds_what_d1_does_not_run(sandbox):
    db = sandbox.d1(":memory:")
    error = await failure(db.exec("CREATE TABLE a (x);\nBEGIN;"))
    assert (error.line, error.code) == (2, "SQLITE_AUTH")
    assert "no such table" in str(await failure(db.prepare("SELECT * FROM a").run()))


# The text of SQL.


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("", []),
        (";; -- nothing ;\n /* ; */ ;", []),
        ("a; b", [("a", 0), ("b", 3)]),
        ("a ';' \";\" `;` [;] ; b", [("a ';' \";\" `;` [;]", 0), ("b", 20)]),
        ("'it''s;';x", [("'it''s;'", 0), ("x", 9)]),
        ("-- a;\n b -- c;\n ; d", [("b", 7), ("d", 18)]),
        ("'open; b", [("'open; b", 0)]),
        ("/* open; b", []),
    ],
)
def test_a_text_is_split_where_a_statement_ends(sql, found):
    assert statements(sql) == [Statement(*each) for each in found]


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("?", 1),
        ("? ?", 2),
        ("?2", 2),
        ("?5 ?", 6),
        ("? ?1", 1),
        (":a ? :a @a", 3),
        ("'?' \"?\" -- ?", 0),
        ("a->>'?'", 0),
    ],
)
def test_parameters_are_counted_as_sqlite_does(sql, count):
    assert parameters(sql) == count


@pytest.mark.parametrize("warns_of_numbers", {sql_text._WARNS_OF_NUMBERS, True})
@pytest.mark.parametrize(
    ("sql", "row"),
    [
        ("SELECT ?, ?", ("a", "b")),
        ("SELECT ?2, ?1, ?2", ("b", "a", "b")),
        ("SELECT ?, ?1, ?", ("a", "a", "b")),
        ("SELECT ?3, ?", ("c", "d")),
        ("SELECT '?2', ?2, \"?1\" -- ?9", ("?2", "b", "?1")),
        ("SELECT :x, $y, :x", ("a", "b", "a")),
        ("SELECT :x, @x, ?, ?7, :x", ("a", "b", "c", "g", "a")),
        ("SELECT :2, ?1", ("a", "a")),
    ],
)
def test_values_are_bound_in_the_order_of_sqlites_numbers(sql, row, warns_of_numbers, monkeypatch):
    monkeypatch.setattr(sql_text, "_WARNS_OF_NUMBERS", warns_of_numbers)
    monkeypatch.setattr(sql_text, "_keyed", sql_text._keyed.__wrapped__)
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(*bound(sql, "abcdefg"[: parameters(sql)])).fetchone() == row


@pytest.mark.parametrize("sql", ["SELECT ?, ?", "SELECT ?1, ?2", "SELECT :a, :b", "SELECT :a, ?2"])
@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
def test_a_wrong_number_of_values_is_refused_however_they_are_written(sql, values):
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(sqlite3.ProgrammingError, match="uses 2, and there are"),
    ):
        connection.execute(*bound(sql, values))


def test_a_parameter_with_number_0_is_for_sqlite_to_refuse():
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(sqlite3.OperationalError, match="variable number must be between"),
    ):
        connection.execute(*bound("SELECT ?0, :a", ["a"]))
