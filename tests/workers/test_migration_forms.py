"""Migrations in the forms in which tools and people write them run as they are."""

from __future__ import annotations

import pytest
from support.world import failure

import rpclab
from rpclab.workers.d1.migrations import apply_migrations

START = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users (id), title TEXT);
INSERT INTO users VALUES (1, 'ada@example.com');
INSERT INTO posts VALUES (1, 1, 'Notes');
"""

PRISMA = """\
/*
  Warnings:

  - Added the required column `name` to the `users` table; a default is given.

*/
-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_users" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL DEFAULT 'nobody; yet',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "new_users" ("email", "id") SELECT "email", "id" FROM "users";
DROP TABLE "users";
ALTER TABLE "new_users" RENAME TO "users";
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
"""

DRIZZLE = """\
PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_posts` (
\t`id` integer PRIMARY KEY NOT NULL,
\t`author` integer,
\t`title` text NOT NULL,
\t`slug` text DEFAULT '' NOT NULL,
\tFOREIGN KEY (`author`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
INSERT INTO `__new_posts`("id", "author", "title")
SELECT "id", "author", "title" FROM `posts`;--> statement-breakpoint
DROP TABLE `posts`;--> statement-breakpoint
ALTER TABLE `__new_posts` RENAME TO `posts`;--> statement-breakpoint
PRAGMA foreign_keys=ON;--> statement-breakpoint
CREATE UNIQUE INDEX `posts_slug_unique` ON `posts` (`author`,`slug`);
"""

FULL_TEXT = """\
CREATE VIRTUAL TABLE posts_fts USING fts5(title, content='posts', content_rowid='id');
INSERT INTO posts_fts(rowid, title) SELECT id, title FROM posts;

CREATE TRIGGER posts_ai AFTER INSERT ON posts BEGIN
  INSERT INTO posts_fts(rowid, title) VALUES (new.id, new.title);
END;
CREATE TRIGGER posts_ad AFTER DELETE ON posts BEGIN
  INSERT INTO posts_fts(posts_fts, rowid, title) VALUES ('delete', old.id, old.title);
END;
CREATE TRIGGER IF NOT EXISTS posts_au AFTER UPDATE OF title ON posts FOR EACH ROW
WHEN old.title IS NOT new.title
BEGIN
  INSERT INTO posts_fts(posts_fts, rowid, title) VALUES ('delete', old.id, old.title);
  INSERT INTO posts_fts(rowid, title)
    VALUES (new.id, CASE WHEN new.title = '' THEN 'END;' ELSE new.title END);
END;
UPDATE posts SET title = 'More notes' WHERE id = 1;
"""

# By name: the file, a question, and the answer.
FORMS = {
    "prisma, with rows that refer to the table": (
        PRISMA, "SELECT id, email, name FROM users", [[1, "ada@example.com", "nobody; yet"]]
    ),
    "drizzle, of a table that refers to another": (
        DRIZZLE, "SELECT * FROM posts", [[1, 1, "Notes", ""]]
    ),
    "full-text search kept up to date by triggers": (
        FULL_TEXT, "SELECT rowid FROM posts_fts WHERE posts_fts MATCH 'more'", [[1]]
    ),
    "the sample of the platform": (
        ("PRAGMA foreign_keys = ON;\n"
        "DROP TABLE IF EXISTS Customers;\n"
        "CREATE TABLE IF NOT EXISTS Customers (CustomerId INTEGER PRIMARY KEY, CompanyName TEXT);\n"
        "INSERT INTO Customers (CustomerID, CompanyName) VALUES\n"
        "  (1, 'Alfreds Futterkiste'), (4, 'Around the Horn');\n"
        "-- Run the ALTER TABLE statements\nPRAGMA optimize;"),
        "SELECT count(*) FROM Customers",
        [[2]],
    ),
    "deferred keys, as the platform's guide has them": (
        ("PRAGMA defer_foreign_keys = true;\nDELETE FROM users;\n"
        "INSERT INTO users VALUES (1, 'new@example.com');\nPRAGMA defer_foreign_keys = false;"),
        "SELECT email FROM users", [["new@example.com"]],
    ),
    "a dump of sqlite": (
        ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
        "CREATE TABLE IF NOT EXISTS \"tags\" (name TEXT);\nINSERT INTO tags VALUES('a;b');\n"
        "INSERT INTO tags VALUES('it''s');\nDELETE FROM sqlite_sequence;\n"
        "CREATE INDEX by_name ON tags (name);\nCOMMIT;\n"),
        "SELECT name FROM tags", [["a;b"], ["it's"]],
    ),
    "lines of Windows, a byte order mark, no last semicolon": (
        "\ufeff-- one\r\nCREATE TABLE a (b);\r\nINSERT INTO a VALUES ('x\r\ny')\r\n-- end",
        "SELECT length(b) FROM a", [[4]],
    ),
    "columns added, renamed and dropped": (
        ("ALTER TABLE users ADD COLUMN bio TEXT DEFAULT ('-- none');\n"
        "ALTER TABLE users RENAME COLUMN email TO mail;\nALTER TABLE posts DROP COLUMN title;"),
        "SELECT mail, bio FROM users", [["ada@example.com", "-- none"]],
    ),
    "generated columns, strict tables and partial indexes": (
        ("CREATE TABLE s (j TEXT, n INTEGER GENERATED ALWAYS AS (json_extract(j, '$.n')) STORED)"
        " STRICT;\nCREATE INDEX i ON s (n) WHERE n IS NOT NULL;\n"
        "CREATE TABLE w (k TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;\n"
        "INSERT INTO s (j) VALUES ('{\"n\": 7}');"),
        "SELECT n FROM s", [[7]],
    ),
    "a view, a seed and an upsert": (
        ("CREATE VIEW authors AS SELECT email FROM users;\n"
        "INSERT OR IGNORE INTO users VALUES (1, 'x');\n"
        "INSERT INTO users (id, email) VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET"
        " email = excluded.email;\nREPLACE INTO posts VALUES (1, 1, 'z');\n"
        "WITH RECURSIVE n(i) AS (VALUES (10) UNION ALL SELECT i + 1 FROM n WHERE i < 12)\n"
        "INSERT INTO users SELECT i, 'u' || i FROM n;"),
        "SELECT count(*), max(email) FROM authors", [[4, "y"]],
    ),
    "nothing but comments": ("-- Migration number: 0002\n/* nothing */\n", "SELECT 1", [[1]]),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "question", "answer"), FORMS.values(), ids=list(FORMS))
async def test_a_file_of_that_form_is_applied_to_d1(sandbox, tmp_path, sql, question, answer):
    db = sandbox.d1(":memory:")
    (tmp_path / "0001_start.sql").write_text(START)
    (tmp_path / "0002_next.sql").write_text(sql, "utf-8", newline="")
    if "sqlite_sequence" in sql:
        await db.exec("CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    assert await apply_migrations(db, tmp_path) == ["0001_start.sql", "0002_next.sql"]
    assert await db.prepare(question).raw() == answer
    assert await db.prepare("PRAGMA foreign_key_check").raw() == []
    assert await db.prepare("PRAGMA foreign_keys").first("foreign_keys") == 1


@pytest.mark.parametrize(("sql", "question", "answer"), FORMS.values(), ids=list(FORMS))
async def test_the_same_runs_in_an_object(sandbox, sql, question, answer):
    if "BEGIN TRANSACTION" in sql or "/* nothing" in sql:
        pytest.skip("a text of sql.exec holds a statement, and none for transactions")
    sandbox.deploy(
        "callee",
        source="""
from workers import DurableObject
class Obj(DurableObject):
    def migrate(self, *texts):
        storage = self.ctx.storage
        for text in texts:
            storage.transaction_sync(lambda: storage.sql.exec(text))
    def ask(self, question):
        return self.ctx.storage.sql.exec(question).raw().to_array()
""",
    )
    stub = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
    await stub.migrate(START, sql)
    assert await stub.ask(question) == answer
    assert await stub.ask("PRAGMA foreign_key_check") == []


async def test_foreign_keys_stay_on_in_a_file_whatever_it_says(sandbox, tmp_path):
    db = sandbox.d1(":memory:")
    await db.exec(START)
    (tmp_path / "1.sql").write_text("PRAGMA foreign_keys = OFF;\nDROP TABLE users;")
    error = await failure(apply_migrations(db, tmp_path))
    assert "FOREIGN KEY constraint failed" in str(error)
    assert error.__notes__[-1].endswith("1.sql; nothing was applied before it")
    assert await db.prepare("SELECT count(*) AS n FROM users").first("n") == 1


async def test_off_and_rebuilding_a_table_outside_of_a_transaction_keeps_rows_in_an_object(sandbox):
    sandbox.deploy(
        "callee",
        source="""
from workers import DurableObject
class Obj(DurableObject):
    def run(self, *texts):
        for text in texts:
            cursor = self.ctx.storage.sql.exec(text)
        return cursor.raw().to_array()
""",
    )
    stub = sandbox.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name("x")
    await stub.run(START)
    await stub.run(PRISMA.replace("PRAGMA defer_foreign_keys=ON;", ""))
    assert await stub.run("SELECT name FROM users") == [["nobody; yet"]]
    assert await stub.run("PRAGMA foreign_key_check") == []


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"CREATE TABLE a (b);\n-- \xe9t\xe9", "from byte 23 on"),
        ("CREATE TABLE a (b);".encode("utf-16"), "from byte 0 on"),
    ],
)
async def test_a_file_that_is_no_utf8_is_named(sandbox, tmp_path, data, place):
    (tmp_path / "0001_ok.sql").write_text("CREATE TABLE ok (a)")
    (tmp_path / "0002_bad.sql").write_bytes(data)
    error = await failure(apply_migrations(sandbox.d1(":memory:"), tmp_path))
    assert str(error) == f"D1_ERROR: migration 0002_bad.sql is no UTF-8, {place}"
    assert error.__notes__ == [
        "save it as UTF-8",
        f"in {tmp_path / '0002_bad.sql'}; applied before it: 0001_ok.sql",
    ]


async def test_what_is_no_file_in_the_folder_is_passed_over(sandbox, tmp_path):
    (tmp_path / "0001_ok.sql").write_text("CREATE TABLE ok (a)")
    (tmp_path / "0002_folder.sql").mkdir()
    assert await apply_migrations(sandbox.d1(":memory:"), tmp_path) == ["0001_ok.sql"]


async def test_each_statement_of_a_file_has_the_limit_and_not_the_file(sandbox, tmp_path):
    insert = "INSERT INTO t VALUES …;\n".replace("…", ", ".join(["('" + "x" * 900 + "')"] * 100))
    (tmp_path / "1.sql").write_text("CREATE TABLE t (a);\n" + insert * 3)
    db = sandbox.d1(":memory:")
    assert await apply_migrations(db, tmp_path) == ["1.sql"]
    assert await db.prepare("SELECT count(*) AS n FROM t").first("n") == 300
