"""Programs that use the generated types: mypy and pyright pass what is right, and nothing else."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rpclab.cli import main

SHOP = Path(__file__).parent / "shop"
MARK = re.compile(r"# error: ([\w-]+), ([\w-]+)$")


def run_mypy(folder, names):
    """The errors of mypy in strict mode: (file, line, code)."""
    command = [sys.executable, "-m", "mypy", "--strict", "--show-error-codes", *names]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = re.findall(r"^(\S+?):(\d+): error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE)
    assert result.returncode == (1 if found else 0), result.stdout + result.stderr
    return {(file, int(line), code) for file, line, code in found}


def run_pyright(folder, names):
    """The errors of pyright (as basedpyright has it) in strict mode: (file, line, code)."""
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    python = ["--pythonpath", sys.executable]
    command = [sys.executable, "-m", "basedpyright", *python, "--outputjson", *names]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["rule"])
        for each in json.loads(result.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    }


CHECKERS = {"mypy": run_mypy, "pyright": run_pyright}
FILES = ["passes.py", "fails.py", "main.py", "program.py", "workers.pyi", "all_workers.pyi"]
BINDINGS = ("CLIENT=client", "COUNTER=counter-service#CounterService", "ROOMS=counter-service#Room")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The Workers and programs, with the types that were written for them."""
    folder = tmp_path_factory.mktemp("types") / "shop"
    shutil.copytree(SHOP, folder)
    assert main(["types", str(folder)]) == 0
    words = [word for binding in BINDINGS for word in ("--bind", binding)]
    output = str(folder / "client" / "all_workers.pyi")
    assert main(["types", str(folder), *words, "-o", output]) == 0
    return folder


@pytest.fixture(scope="module", params=CHECKERS)
def checker(request):
    return request.param


@pytest.fixture(scope="module")
def errors(shop, checker):
    """What a checker finds in the programs and in the types themselves."""
    return CHECKERS[checker](shop / "client", FILES)


def test_the_types_themselves_are_sound(errors):
    assert [error for error in errors if error[0].endswith(".pyi")] == []


def test_a_program_that_is_right_passes(errors):
    assert [error for error in errors if error[0] == "passes.py"] == []


@pytest.mark.parametrize("file", ["fails.py", "main.py", "program.py"])
def test_a_program_that_is_wrong_fails_on_its_wrong_lines(errors, checker, file):
    lines = (SHOP / "client" / file).read_text().splitlines()
    marks = {number: MARK.search(line) for number, line in enumerate(lines, 1)}
    expected = {
        number: mark[1 if checker == "mypy" else 2] for number, mark in marks.items() if mark
    }
    found = {}
    for name, line, code in errors:
        if name == file:
            found.setdefault(line, set()).add(code)
    assert found.keys() == expected.keys()
    assert {line: code for line, code in expected.items() if code not in found[line]} == {}
