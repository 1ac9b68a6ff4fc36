"""`%%worker --d1`, and how the result of a database looks."""

import pytest

from rpclab.notebook.d1_results import result_html
from rpclab.workers.d1.database import D1Meta, D1Result

pytestmark = pytest.mark.any_kernel

TODOS = """\
%%worker todos --d1 DB
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def add(self, title):
        await self.env.DB.exec("CREATE TABLE IF NOT EXISTS todos (title)")
        await self.env.DB.prepare("INSERT INTO todos VALUES (?)").bind(title).run()
        return await self.env.DB.prepare("SELECT count(*) AS n FROM todos").first("n")
"""


@pytest.fixture
def todos(kernel):
    shown = kernel.run(TODOS)
    assert "env.DB: <D1Database DB>" in shown.value, shown.error
    kernel.run("%bind TODOS=todos")
    return kernel


def test_a_database_in_memory_stays_when_the_cell_runs_again(todos):
    assert todos.value("await env.TODOS.add('bread')") == "1"
    todos.run(TODOS)
    assert todos.value("await env.TODOS.add('milk')") == "2"
    todos.run("%rpclab reset")
    todos.run(TODOS)
    todos.run("%bind TODOS=todos")
    assert todos.value("await env.TODOS.add('bread')") == "1"


def test_the_notebook_can_ask_the_same_database(todos):
    todos.run("await env.TODOS.add('bread')\nsandbox.bind(DB=sandbox.d1(':memory:DB'))")
    shown = todos.run("await env.DB.prepare('SELECT rowid, title, NULL AS done FROM todos').all()")
    assert shown.value == ("<D1Result: 1 row>\nrowid  title  done\n1      bread  NULL")
    assert '<th scope="col"' in shown.html
    assert ">bread</td>" in shown.html


def test_a_long_result_is_shown_in_part_and_escaped(todos):
    shown = todos.run("""\
rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)"
db = sandbox.d1(":memory:")
await db.prepare(f"{rows} SELECT '<b>' AS tag, x'00ff' AS data FROM n").all()""")
    assert shown.value.count("\n") == 22
    assert shown.value.endswith("\n… 10 more rows")
    assert "x'00ff'" in shown.value
    assert "<b>" not in shown.html.replace("<b>D1Result", "")
    assert "&lt;b&gt;" in shown.html


def test_a_write_says_what_it_changed(todos):
    todos.run("db = sandbox.d1(':memory:')\nawait db.exec('CREATE TABLE t (a)')")
    assert todos.value("await db.prepare('INSERT INTO t VALUES (1), (2)').run()") == (
        "<D1Result: 2 changes>"
    )


def test_an_error_shows_the_place_in_the_statement(todos):
    failed = todos.run("await sandbox.d1(':memory:').prepare('SELECT 1 +\\n  FROM x').all()")
    assert failed.error_name == "D1Error"
    assert "line 2, column 3:\n      FROM x\n      ^^^^" in failed.error


def test_a_file_in_a_folder_that_is_not_there_is_answered_in_a_line(kernel):
    output = kernel.run("%%worker w --d1 DB=/nowhere/db.sqlite\n1")
    assert output.stderr.startswith("UsageError: no folder /nowhere for the database db.sqlite")
    assert output.error is None


def test_the_name_of_a_column_is_escaped():
    meta = D1Meta(changes=0)
    page = result_html(D1Result(success=True, meta=meta, results=[{"<img src=x>": 1}]))
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page
