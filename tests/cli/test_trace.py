"""`rpclab trace`: pictures and texts of a saved recording."""

import json

import pytest

import rpclab.views
from rpclab.cli import main

WORKER = """
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    def greet(self, name):
        return f"Hello {name}"
"""


@pytest.fixture
def recording(tmp_path):
    """The file of a recording of one call."""
    (tmp_path / "greeter.py").write_text(WORKER)
    path = tmp_path / "calls.jsonl"
    assert main(["run", str(tmp_path / "greeter.py"), "greet", "Ada", "--record", str(path)]) == 0
    return path


def test_the_timeline_is_told_as_text(recording, capsys):
    capsys.readouterr()
    assert main(["trace", str(recording)]) == 0
    assert "notebook → greeter: 1 greet('Ada') = 'Hello Ada'" in capsys.readouterr().out


@pytest.mark.parametrize("kind", rpclab.views.KINDS)
def test_each_view_is_told(recording, capsys, kind):
    capsys.readouterr()
    assert main(["trace", str(recording), "--view", kind]) == 0
    assert capsys.readouterr().out == f"{getattr(rpclab.views, kind)(recording).text()}\n"


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", "<svg "), ("a.html", "<!doctype html>"), ("a.txt", "Timeline")]
)
def test_the_end_of_the_name_says_what_is_written(recording, tmp_path, capsys, name, begins):
    output = tmp_path / name
    assert main(["trace", str(recording), "-o", str(output)]) == 0
    assert output.read_text("utf-8").startswith(begins)
    assert capsys.readouterr().err == f"wrote {output}\n"


def test_perfetto_gets_all_events(recording, tmp_path):
    assert main(["trace", str(recording), "-o", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["traceEvents"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "a.png"], "'a.png' ends in none of .html, .json, .svg, .txt"),
        (["--calls", "0-3"], "they are counted from 1"),
        (["--calls", "5-3"], "they are counted from 1"),
        (["--calls", "x"], "is no range of calls, such as 1-40"),
        (["--view", "all"], "'all' is not one of"),
    ],
)
def test_a_wrong_option_is_told(recording, capsys, words, said):
    with pytest.raises(SystemExit) as caught:
        main(["trace", str(recording), *words])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_recording_is_told_with_its_line(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text("{}\n")
    assert main(["trace", str(tmp_path / "a.jsonl")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'a.jsonl'}: this is no recording of rpclab\n"
