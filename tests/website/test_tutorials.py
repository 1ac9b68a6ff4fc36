"""Each tutorial runs in the browser, on Pyodide, and shows what is stored in the repository."""

import json
from contextlib import ExitStack

import nbformat
import pytest

import website

NOTEBOOKS = website.tutorials()
PAIRS = [NOTEBOOKS[at : at + 2] for at in range(0, len(NOTEBOOKS), 2)]
"""Two at a time: each has a page and a kernel of its own, and most of it is waiting."""


def shown(cell):
    """What a cell shows, by kind: as nbval looks at it, without the models of live views."""
    found = {}
    for output in cell["outputs"]:
        match output["output_type"]:
            case "stream":
                key = output["name"]
                found[key] = found.get(key, "") + "".join(output["text"])
            case "error":
                # The kernel of JupyterLite gives the class as Python writes it.
                name = output["ename"].removesuffix("'>").rpartition(".")[2]
                found["error"] = name.removeprefix("<class '"), output["evalue"]
            case _:
                for kind, value in output["data"].items():
                    if "widget-view" not in kind:
                        found.setdefault(kind, []).append("".join(value))
    return found


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(p.stem[:2] for p in pair))
def test_a_tutorial_shows_in_the_browser_what_is_stored(site, pair):
    with ExitStack() as stack:
        visitors = [stack.enter_context(site.visitor()) for _ in pair]
        tabs = [visitor.new_page() for visitor in visitors]
        for tab, path in zip(tabs, pair, strict=True):
            tab.goto(f"{site.address}/lab/lab/index.html?path=notebooks/{path.name}")
        pages = [site.when_ready(tab) for tab in tabs]
        for page in pages:
            page.start_all()
        ran = [page.finish_all() for page in pages]
    for path, cells in zip(pair, ran, strict=True):
        stored = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        assert [cell["source"] for cell in cells] == [cell.source for cell in stored]
        for cell, before in zip(cells, stored, strict=True):
            assert cell["execution_count"] is not None, cell["source"]
            assert shown(cell) == shown(before), cell["source"]


def test_what_a_browser_cannot_run_says_so_at_its_top_and_shows_what_it_does_elsewhere(folder):
    there = {path.stem: path for path in (website.ROOT / "notebooks").glob("*.ipynb")}
    others = sorted(there.keys() - {path.stem for path in NOTEBOOKS})
    assert [name[:2] for name in others] == ["09", "10"]
    for name in others:
        opened = json.loads((folder / f"lab/files/notebooks/{name}.ipynb").read_text("utf-8"))
        note, *cells = opened["cells"]
        assert note["cell_type"] == "markdown"
        assert "its cells would fail" in note["source"]
        stored = json.loads(there[name].read_text("utf-8"))["cells"]
        assert [cell.get("outputs") for cell in cells] == [cell.get("outputs") for cell in stored]
