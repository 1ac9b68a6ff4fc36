"""Each notebook, opened in JupyterLab and run from top to bottom."""

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def errors(cell):
    return [output["evalue"] for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_nothing_leaves_the_machine(lab, pictures, path):
    with lab.open_copy(path) as page:
        cells = page.run_all()
        for theme in ("light", "dark"):
            page.picture(pictures / f"{path.stem}-{theme}.png", theme)
    assert [cell["source"] for cell in cells if cell["execution_count"] is None] == []
    for cell in cells:
        meant = "raises-exception" in cell["metadata"].get("tags", ())
        assert meant or not errors(cell), cell["source"]
    assert page.strays == []
