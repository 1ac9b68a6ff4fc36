"""The `rpclab` command as a whole: help, exit statuses, completion, the console script."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rpclab.cli
from rpclab.cli import main
from rpclab.errors import DisconnectedError

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
COMMANDS = [*rpclab.cli.rpclab_command.commands]


def run(*words, **variables):
    command = [sys.executable, "-m", "rpclab", *words]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_help_tells_what_there_is():
    result = run("--help")
    assert "types" in result.stdout
    assert "write a .pyi in which env and every remote method are known" in result.stdout


def test_the_version_is_that_of_the_package():
    assert run("--version").stdout == f"rpclab {PROJECT['version']}\n"


def test_without_a_command_the_usage_is_shown(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "usage: python -m rpclab" in capsys.readouterr().err


def test_the_console_script_is_the_same_function():
    assert PROJECT["scripts"] == {"rpclab": "rpclab.cli:main"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_ends_with_examples_of_it(name, capsys):
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    examples = said.partition("Examples:\n")[2].splitlines()
    assert len(examples) >= 2
    assert sum(f"rpclab {name}" in line for line in examples) >= 2


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_documented(name):
    assert f"## `{name}`" in (ROOT / "docs" / "command-line.md").read_text("utf-8")


def test_a_command_that_is_misspelt_is_told_the_near_one(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["tpyes"])
    assert caught.value.code == 2
    assert "there is no command 'tpyes'; did you mean 'types'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [(DisconnectedError("gone"), 3), (ConnectionRefusedError("no"), 3), (OSError("disk"), 1)],
)
def test_the_status_tells_a_peer_that_is_away_from_what_failed_here(
    monkeypatch, capsys, error, status
):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(rpclab.cli.rpclab_command, "main", fail)
    assert main(["doctor"]) == status
    assert capsys.readouterr().err == f"{error}\n"


def test_an_extra_that_is_missing_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pydantic_core", None)
    monkeypatch.delitem(sys.modules, "rpclab.workers.validation.argument_checks", raising=False)
    monkeypatch.delitem(sys.modules, "rpclab.workers.validation.schemas", raising=False)
    assert main(["run", __file__, "f", "--validate"]) == 1
    assert "install rpclab[validate]" in capsys.readouterr().err


def test_ctrl_c_ends_with_status_130(monkeypatch):
    monkeypatch.setattr(
        rpclab.cli.rpclab_command.commands["doctor"], "callback", lambda **_: _interrupt()
    )
    assert main(["doctor"]) == 130


def _interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_script_for_the_shell_is_printed(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "_RPCLAB_COMPLETE" in capsys.readouterr().out


def test_a_shell_that_is_not_known_is_to_be_named(monkeypatch, capsys):
    monkeypatch.setenv("SHELL", "/bin/nosuchshell")
    assert main(["completion"]) == 1
    assert capsys.readouterr().err == "name a shell: rpclab completion bash|zsh|fish\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rpclab ch", ["check"]),
        ("rpclab run --stor", ["--storage"]),
        ("rpclab run {worker}#", ["{worker}#Default", "{worker}#Other"]),
        ("rpclab run {worker}#O", ["{worker}#Other"]),
        ("rpclab run {worker} g", ["greet"]),
        ("rpclab run {worker}#Other ", ["only"]),
        ("rpclab run {worker}.gone x", []),
    ],
)
def test_the_shell_is_offered_what_fits(tmp_path, words, offered):
    worker = tmp_path / "worker.py"
    worker.write_text(
        "from workers import WorkerEntrypoint\nraise SystemExit('run while completing')\n"
        "class Default(WorkerEntrypoint):\n    def greet(self): ...\n    def part(self): ...\n"
        "class Other(WorkerEntrypoint):\n    def only(self): ...\n"
    )
    line = words.format(worker=worker)
    code = "import sys; sys.argv[0] = 'rpclab'; from rpclab.cli import main; main()"
    completed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "_RPCLAB_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
    )
    assert completed.stderr == ""
    found = [each.partition(",")[2] for each in completed.stdout.split()]
    assert found == [each.format(worker=worker) for each in offered]
