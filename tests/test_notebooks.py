"""The tutorials are stored as they run, with nothing of the machine that ran them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted(ROOT.glob("notebooks/*.ipynb"))

MACHINE = re.compile(
    r"0x[0-9a-f]{6,}"  # an address of an object
    r"|(?<![\w.:/<])/(?:[\w.-]+/)+[\w.-]+"  # an absolute path
    r"|[A-Za-z]:\\\\\w|~/|site-packages"  # ... on Windows, at home, of a package
    r"|127\.0\.0\.1|localhost:\d"
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(params=TUTORIALS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text("utf-8"))


def cells(notebook, kind):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def strings(value):
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings(list(value.values()))
    elif isinstance(value, list):
        yield "".join(item for item in value if isinstance(item, str))
        for item in value:
            yield from strings(item)


def test_there_are_tutorials():
    assert TUTORIALS


def test_tutorials_are_numbered_without_a_gap():
    numbers = [int(path.name.split("-")[0]) for path in TUTORIALS]
    assert numbers == [*range(1, len(TUTORIALS) + 1)]


def test_readme_lists_the_tutorials_in_order():
    readme = (ROOT / "notebooks" / "README.md").read_text("utf-8")
    assert re.findall(r"\((\d\d-[\w-]+\.ipynb)\)", readme) == [path.name for path in TUTORIALS]


def test_it_holds_no_widget_state_and_nothing_of_a_machine(notebook):
    metadata = notebook["metadata"]
    assert metadata.keys() == {"kernelspec", "language_info"}
    assert "version" not in metadata["language_info"]
    for cell in notebook["cells"]:
        assert cell["metadata"].keys() <= {"tags"}


def test_no_output_needs_a_widget_that_is_gone(notebook):
    for cell in cells(notebook, "code"):
        for output in cell["outputs"]:
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


def test_every_cell_was_run_once_from_top_to_bottom(notebook):
    code = cells(notebook, "code")
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]


def test_it_begins_with_its_title(notebook):
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# \d+\. ", source(first))


def test_it_asks_for_predictions_before_cells_run(notebook):
    asked = sum("**Predict:**" in source(cell) for cell in cells(notebook, "markdown"))
    assert asked >= 4


def test_it_ends_with_a_check_of_the_learners_answer(notebook):
    answer, check = notebook["cells"][-2:]
    assert answer["cell_type"] == check["cell_type"] == "code"
    assert "else:" in source(check)  # it has something to say of a wrong answer, too
    shown = "".join(text for output in check["outputs"] for text in output["text"])
    assert re.search(r"^(Right|Well done)\b", shown, re.MULTILINE)


def test_outputs_name_no_address_and_no_path_of_a_machine(notebook):
    for cell in cells(notebook, "code"):
        for text in strings(cell["outputs"]):
            found = MACHINE.search(COLOURS.sub("", text))
            assert not found, (found, source(cell))


def test_only_cells_that_are_to_fail_fail(notebook):
    for cell in cells(notebook, "code"):
        fails = any(output["output_type"] == "error" for output in cell["outputs"])
        assert fails == ("raises-exception" in cell["metadata"].get("tags", [])), source(cell)


def test_nothing_was_written_to_stderr(notebook):
    for cell in cells(notebook, "code"):
        assert all(output.get("name") != "stderr" for output in cell["outputs"]), source(cell)


def test_another_run_gives_the_same_notebooks():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "notebooks.py", "check"],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
