"""`rpclab export`: the Workers of a notebook as a project, with its cells read or run."""

import json

import pytest

import rpclab
from rpclab.cli import main
from rpclab.config import load_configs

COUNTER = """\
%%worker counter --var STEP=2 --var API_TOKEN=sesame
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def next(self, value):
        return value + int(self.env.STEP)
"""
CLIENT = """\
%%time
%%worker client-code
from workers import WorkerEntrypoint
import words

class Default(WorkerEntrypoint):
    async def ask(self):
        return [words.HI, await self.env.COUNTER.next(1)]
"""
CONFIG = """\
%%wrangler
name = "client"
main = "client-code"

[[services]]
binding = "COUNTER"
service = "counter"
"""


def book(folder, *cells):
    """A notebook with these cells in it."""
    made = [
        {"cell_type": "code", "source": text.splitlines(keepends=True), "metadata": {},
         "outputs": [], "execution_count": None}
        for text in cells
    ]  # fmt: skip
    path = folder / "lesson.ipynb"
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    return path


@pytest.fixture
def lesson(tmp_path):
    (tmp_path / "words.py").write_text("HI = 'hi'\n")
    return book(
        tmp_path, "%load_ext rpclab", COUNTER, CLIENT, CONFIG, "raise SystemExit('was run')"
    )


async def test_the_workers_of_a_notebook_are_written_and_no_cell_is_run(lesson, tmp_path, capsys):
    assert main(["export", str(lesson), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "3 Workers (client, client-code, counter)" in said
    assert "not written, for they are secret: API_TOKEN" in said
    folder = tmp_path / "out"
    async with rpclab.Sandbox.from_config(folder, vars={"API_TOKEN": "x"}) as sandbox:
        assert await sandbox.bind(CLIENT="client").CLIENT.ask() == ["hi", 3]


def test_with_run_it_is_what_the_cells_deploy(tmp_path, capsys):
    code = "sandbox.deploy('made', source='def hi(_, env, ctx): return ' + str(6 * 7))"
    lesson = book(tmp_path, "%load_ext rpclab", COUNTER, code)
    assert main(["export", str(lesson), str(tmp_path / "out")]) == 0
    read = capsys.readouterr()
    assert "(counter)" in read.out
    assert "cell 3, line 1: sandbox.deploy(…) is Python, which was not run" in read.err
    assert main(["export", str(lesson), str(tmp_path / "run"), "--run"]) == 0
    assert "2 Workers (counter, made)" in capsys.readouterr().out
    assert "return 42" in (tmp_path / "run" / "made" / "main.py").read_text()


def test_a_deployment_that_is_written_out_needs_no_run(tmp_path, capsys):
    code = "sandbox.deploy('made', source='def hi(_, env, ctx): return 1', bind={'SELF': 'made'})"
    assert main(["export", str(book(tmp_path, code)), str(tmp_path / "out")]) == 0
    assert "1 Worker (made)" in capsys.readouterr().out


def test_the_last_cell_of_a_worker_counts_and_a_reset_forgets(tmp_path, capsys):
    first = "%%worker a\ndef hi(_, env, ctx): return 1\n"
    lesson = book(tmp_path, "%%worker z\nx = 1", "%rpclab reset", first, first.replace("1", "2"))
    assert main(["export", str(lesson), str(tmp_path / "out")]) == 0
    assert "1 Worker (a)" in capsys.readouterr().out
    assert "return 2" in (tmp_path / "out" / "a" / "main.py").read_text()


def test_files_in_the_way_are_named_and_force_replaces_them(lesson, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pyproject.toml").write_text("# mine\n")
    assert main(["export", str(lesson), str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "1 file there would be replaced: pyproject.toml" in said
    assert "--force replaces them" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pyproject.toml"]
    assert main(["export", str(lesson), str(tmp_path / "out"), "--force"]) == 0
    assert "replaced: pyproject.toml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["print(1)"], "nothing to export"),
        (["%%worker"], "cell 1: %%worker needs a name"),
        (["x = 1", "%%worker a --bnd B=c\nx = 1"], "cell 2: %%worker has no option --bnd"),
        (["%%worker a\nimport asyncio\nawait asyncio.sleep(0)\n"], "a cell may and a module may"),
        (["%%wrangler\nname = 'a'\nmain = 'gone.py'\n"], "gone.py"),
        (["sandbox.deploy(name, source=text)"], "--run runs the cells"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_says_why_and_writes_nothing(tmp_path, capsys, cells, said):
    assert main(["export", str(book(tmp_path, *cells)), str(tmp_path / "out")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"cells": 1}', '{"cells": [1]}', "[" * 5000, "\xff"])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, capsys, text):
    (tmp_path / "a.ipynb").write_text(text, "latin-1")
    assert main(["export", str(tmp_path / "a.ipynb"), str(tmp_path / "out")]) == 1
    assert "is no notebook" in capsys.readouterr().err


def test_where_a_worker_runs_is_exported_with_it(tmp_path, capsys):
    code = "def hi(_, env, ctx): return 1"
    deployed = f"sandbox.deploy('made', source={code!r}, placement='process')"
    cells = [f"%%worker apart --on process:2\n{code}\n", f"%%worker here --on kernel\n{code}\n"]
    assert main(["export", str(book(tmp_path, *cells, deployed)), str(tmp_path / "out")]) == 0
    configs = load_configs([tmp_path / "out"])
    assert {config.name: config.placement for config in configs} == {
        "apart": "process:2", "here": "", "made": "process",
    }  # fmt: skip
    wrong = book(tmp_path, f"%%worker a --on proces\n{code}\n")
    assert main(["export", str(wrong), str(tmp_path / "wrong")]) == 1
    said = capsys.readouterr().err
    assert "cell 1: no placement is called 'proces'; did you mean 'process'" in said
