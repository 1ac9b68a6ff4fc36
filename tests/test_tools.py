"""`tools/setup` and `tools/on-pythons`: what the machine has, and what it has not."""

import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[1] / "tools"


def run(tool, *arguments):
    command = [TOOLS / tool, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_python_that_is_here_is_found():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = run("setup", "python", version).stdout.strip()
    if found:  # it may be one that is called otherwise
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        assert said.stdout.startswith(f"Python {version}.")


def test_a_python_that_is_not_here_gives_nothing():
    found = run("setup", "python", "3.999")
    assert (found.returncode, found.stdout) == (0, "")


def test_tests_pass_over_a_python_that_is_not_here():
    ran = run("on-pythons", "3.998 3.999", "tests/none")
    assert ran.returncode == 0
    assert ran.stdout == (
        "== Python 3.998 is not on this machine\n== Python 3.999 is not on this machine\n"
    )


def test_a_task_that_there_is_not_is_told_those_there_are():
    assert "there are: venv, program, python, lock" in run("setup", "nothing").stderr
