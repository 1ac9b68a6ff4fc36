"""Each notebook, opened in JupyterLab and run from top to bottom."""

from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def tutorial(request):
    return request.param


def errors(cell):
    return [output["evalue"] for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_nothing_leaves_the_machine(lab, pictures, path):
    with lab.open(path.name, nbformat.read(path, as_version=4)) as page:
        cells = page.run_all()
        for theme in ("Light", "Dark"):
            page.picture(pictures / f"{path.stem}-{theme.lower()}.png", f"JupyterLab {theme}")
    assert [cell["source"] for cell in cells if cell["execution_count"] is None] == []
    for cell in cells:
        meant = "raises-exception" in cell["metadata"].get("tags", ())
        assert bool(errors(cell)) == meant, (cell["source"], errors(cell))
    assert lab.strays == []
