"""Each notebook, opened in JupyterLab and run from top to bottom, on each kernel."""

import os
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
THEMES = ("light", "dark") if os.environ.get("RPCLAB_SCREENSHOTS") else ()
# Frames that show the pages of Workers run no scripts, and Chromium writes that it blocked them.
BLOCKED = "Blocked script execution in 'about:srcdoc'"
# A page of a tutorial lets go of its stubs as the notebook is closed, whose kernel may have gone.
TOO_LATE = "WebSocket is already in CLOSING or CLOSED state."

WITH_JAVASCRIPT = next(path for path in NOTEBOOKS if path.stem == "09-talking-with-javascript")
LAST_NEWS = "news: the library closes at six"
SHOWN = {WITH_JAVASCRIPT: LAST_NEWS}
"""What a page of a tutorial shows that goes on after the last cell."""

LOOK = """\
while "follow(a stub), running" not in (seen := str(sandbox.timeline())):
    await asyncio.sleep(0.01)
print(seen)
"""


def errors(cell):
    return [output["evalue"] for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_nothing_leaves_the_machine(lab, pictures, path, python):
    with lab.open_copy(path, python) as page:
        cells = page.run_all()
        if path in SHOWN:
            page.wait_for_output(SHOWN[path])
        for theme in THEMES:
            page.picture(pictures / f"{path.stem}-{theme}.png", theme)
    for cell in cells:
        meant = "raises-exception" in cell["metadata"].get("tags", ())
        assert meant or not errors(cell), cell["source"]
    assert [cell["source"] for cell in cells if cell["execution_count"] is None] == []
    # A page may ask what its notebook serves.
    assert [url for url in page.strays if not url.startswith("ws://127.0.0.1:")] == []
    assert [each for each in page.complaints if not each.startswith((BLOCKED, TOO_LATE))] == []


def test_the_page_of_a_tutorial_calls_its_worker_and_is_called_by_it(lab, pictures):
    notebook = nbformat.read(WITH_JAVASCRIPT, as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    with lab.open_cells(*sources, LOOK) as page:
        cells = page.run_all()
        page.wait_for_output(LAST_NEWS)
        for theme in ("light", "dark"):
            page.picture(pictures / f"javascript-{theme}.png", theme)
        shown = page.find("fieldset li").all_inner_texts()
        assert page.find("fieldset legend").inner_text() == "A page in JavaScript"
    assert shown[:3] == ["I wandered lonely as a cloud", "news: tea is served", LAST_NEWS]
    [output] = cells[-1]["outputs"]
    told = re.findall(r"(\S+ ?\d*) → (\S+ ?\d*): \d+ (.*)", output["text"])
    [name] = [caller for caller, _, what in told if what.startswith("follow(")]
    asked = [re.sub(r"^\(\d+\)", "(n)", what) for caller, _, what in told if caller == name]
    assert asked[:3] == [
        "shelf('poems') = a Shelf",
        "(n).book(1), pipelined = a Book",
        "(n).first_line(), pipelined = 'I wandered lonely a…'",
    ]
    assert any(called == name and "'tea is served'" in what for _, called, what in told)
