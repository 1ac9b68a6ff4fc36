"""Each notebook, opened in JupyterLab and run from top to bottom, on each kernel."""

import os
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
THEMES = ("light", "dark") if os.environ.get("RPCLAB_SCREENSHOTS") else ()
# Frames that show the pages of Workers run no scripts, and Chromium writes that it blocked them.
BLOCKED = "Blocked script execution in 'about:srcdoc'"


def errors(cell):
    return [output["evalue"] for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_nothing_leaves_the_machine(lab, pictures, path, python):
    with lab.open_copy(path, python) as page:
        cells = page.run_all()
        for theme in THEMES:
            page.picture(pictures / f"{path.stem}-{theme}.png", theme)
    for cell in cells:
        meant = "raises-exception" in cell["metadata"].get("tags", ())
        assert meant or not errors(cell), cell["source"]
    assert [cell["source"] for cell in cells if cell["execution_count"] is None] == []
    assert page.strays == []
    assert [each for each in page.complaints if not each.startswith(BLOCKED)] == []
