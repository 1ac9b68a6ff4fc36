"""Migrations: .sql files, each applied once, in order, all of it or nothing."""

from __future__ import annotations

import pytest
from support.world import failure

import rpclab
from rpclab.workers.d1.migrations import apply_migrations, apply_migrations_now


@pytest.fixture
def db(sandbox):
    """An empty database."""
    return sandbox.d1(":memory:DB")


@pytest.fixture
def folder(tmp_path):
    """A folder with two migrations, and something else."""
    (tmp_path / "0001_todos.sql").write_text(
        "-- Migration number: 0001\nCREATE TABLE todos (id INTEGER PRIMARY KEY, title TEXT);\n"
    )
    (tmp_path / "0002_done.sql").write_text(
        "ALTER TABLE todos ADD COLUMN done INTEGER;\nINSERT INTO todos (title) VALUES ('bread');"
    )
    (tmp_path / "README.md").write_text("not one of them")
    return tmp_path


async def test_each_file_is_applied_once(db, folder):
    assert await apply_migrations(db, folder) == ["0001_todos.sql", "0002_done.sql"]
    assert await apply_migrations(db, folder) == []
    (folder / "0003_more.sql").write_text("INSERT INTO todos (title) VALUES ('milk')")
    assert await apply_migrations(db, str(folder)) == ["0003_more.sql"]
    assert await db.prepare("SELECT title, done FROM todos").raw() == [["bread", None],
                                                                       ["milk", None]]  # fmt: skip


async def test_what_was_applied_stands_in_the_table_of_cloudflares_tool(db, folder):
    await apply_migrations(db, folder)
    rows = await db.prepare("SELECT id, name, applied_at FROM d1_migrations").raw()
    assert [row[:2] for row in rows] == [[1, "0001_todos.sql"], [2, "0002_done.sql"]]
    assert all(len(row[2]) == len("2026-01-02 03:04:05") for row in rows)


async def test_what_another_tool_has_applied_is_not_applied_again(db, folder):
    await db.exec("""
        CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
            applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);
        CREATE TABLE todos (id INTEGER PRIMARY KEY, title TEXT);
        INSERT INTO d1_migrations (name) VALUES ('0001_todos.sql');
    """)
    assert await apply_migrations(db, folder) == ["0002_done.sql"]


async def test_the_table_can_have_another_name(db, folder):
    await apply_migrations(db, folder, table='my "own" table')
    assert await db.prepare('SELECT count(*) AS n FROM "my ""own"" table"').first("n") == 2


async def test_files_are_applied_by_their_number(db, tmp_path):
    for number, name in enumerate(["10_c.sql", "9_b.sql", "0001_a.sql", "last.sql"]):
        (tmp_path / name).write_text(f"CREATE TABLE t{number} (a)")
    assert await apply_migrations(db, tmp_path) == ["0001_a.sql", "9_b.sql", "10_c.sql", "last.sql"]


async def test_a_file_that_fails_is_named_with_statement_and_place_and_changes_nothing(db, folder):
    (folder / "0002_done.sql").write_text(
        "INSERT INTO todos (title) VALUES ('x');\n\nDROP TABEL x;"
    )
    error = await failure(apply_migrations(db, folder))
    assert str(error) == (
        'D1_ERROR: migration 0002_done.sql, statement 2, line 3: near "TABEL": syntax error'
        " at offset 46: SQLITE_ERROR"
    )
    assert (error.line, error.column) == (3, 6)
    assert error.__notes__ == [
        "line 3, column 6:\n    DROP TABEL x;\n         ^^^^^",
        "did you mean TABLE?",
        f"in {folder / '0002_done.sql'}; applied before it: 0001_todos.sql",
    ]
    assert await db.prepare("SELECT name FROM d1_migrations").raw() == [["0001_todos.sql"]]
    assert await db.prepare("SELECT title FROM todos").raw() == []


async def test_a_file_that_was_mended_is_applied_the_next_time(db, folder):
    good = (folder / "0002_done.sql").read_text()
    (folder / "0002_done.sql").write_text("DROP TABEL x;")
    await failure(apply_migrations(db, folder))
    (folder / "0002_done.sql").write_text(good)
    assert await apply_migrations(db, folder) == ["0002_done.sql"]


async def test_the_transaction_around_a_dump_of_sqlite_is_left_out(db, folder):
    (folder / "0001_todos.sql").write_text(
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE todos (title);\nCOMMIT;"
    )
    assert await apply_migrations(db, folder) == ["0001_todos.sql", "0002_done.sql"]


async def test_a_file_needs_no_transaction_of_its_own(db, folder):
    (folder / "0001_todos.sql").write_text("BEGIN;\nCREATE TABLE todos (a);\nCOMMIT;")
    error = await failure(apply_migrations(db, folder))
    assert error.code == "SQLITE_AUTH"
    assert "or stand in a migration" in error.__notes__[1]
    assert error.__notes__[2].endswith("0001_todos.sql; nothing was applied before it")


async def test_a_table_can_be_made_anew_while_others_refer_to_it(db, tmp_path):
    (tmp_path / "1.sql").write_text("""
        CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id));
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);
    """)
    (tmp_path / "2.sql").write_text("""
        PRAGMA defer_foreign_keys = on;
        CREATE TABLE new (id INTEGER PRIMARY KEY, name); INSERT INTO new (id) SELECT id FROM a;
        DROP TABLE a; ALTER TABLE new RENAME TO a;
        PRAGMA defer_foreign_keys = off;
    """)
    assert await apply_migrations(db, tmp_path) == ["1.sql", "2.sql"]
    assert await db.prepare("SELECT * FROM a").raw() == [[1, None]]


async def test_a_sandbox_migrates_the_database_of_a_worker_or_of_the_program(sandbox, db, folder):
    sandbox.deploy("worker", source="", d1={"DB": ":memory:"}, vars={"TEXT": "text"})
    assert len(await sandbox.migrate("worker", "DB", folder)) == 2
    sandbox.bind(MINE=sandbox.d1(":memory:mine"))
    assert len(await sandbox.migrate("notebook", "MINE", folder)) == 2
    with pytest.raises(TypeError, match="TEXT of worker is no D1 database"):
        await sandbox.migrate("worker", "TEXT", folder)
    with pytest.raises(FileNotFoundError, match="with migrations"):
        await sandbox.migrate("worker", "DB", folder / "nowhere")


def test_code_that_cannot_await_applies_them_too(folder, tmp_path):
    sandbox = rpclab.Sandbox()
    assert len(apply_migrations_now(sandbox.d1(tmp_path / "db.sqlite"), folder)) == 2
    sandbox.close()
