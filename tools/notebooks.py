"""Run the tutorials and store them with their outputs, or check that this would change nothing.

    python tools/notebooks.py run [NOTEBOOK…]      execute, strip what differs by machine, store
    python tools/notebooks.py check [NOTEBOOK…]    fail if `run` would change anything

Without names, all of notebooks/ are meant.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"

TIMEOUT = 60  # seconds for a cell
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT = {"tags"}
"""What a cell's metadata may hold. Timings, and what editors put there, are left out."""


def tutorials() -> list[Path]:
    """The notebooks, in the order to read."""
    return sorted(FOLDER.glob("*.ipynb"))


def executed(path: Path) -> str:
    """Execute a notebook from top to bottom, and give its new text.

    Raises:
        CellExecutionError: a cell fails that is not tagged "raises-exception".
    """
    notebook = nbformat.read(path, as_version=4)
    os.environ["COLUMNS"] = "80"  # tracebacks are as wide as the terminal
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name=KERNEL["name"],
        record_timing=False,
        coalesce_streams=True,  # where a print is cut depends on when the kernel sends it
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    strip(notebook)
    return nbformat.writes(notebook) + "\n"


def strip(notebook: Any) -> None:
    """Take out what the content does not need: widgets, versions, timings."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": LANGUAGE}
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in cell.metadata if key in KEPT}
        for output in cell.get("outputs", ()):
            # Its picture and its text stand beside it, and need no kernel.
            output.get("data", {}).pop(WIDGET, None)


def complaints(path: Path) -> list[str]:
    """Say what is wrong with the stored form of a notebook, without running it."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    found = []
    if any(WIDGET in output.get("data", ()) for cell in code for output in cell.outputs):
        found.append("an output names a widget, which would hide the picture beside it")
    if "widgets" in notebook.metadata:
        found.append("it holds widget state, and its pages would need a network")
    if [cell.execution_count for cell in code] != [*range(1, len(code) + 1)]:
        found.append("its cells were not run once each, from top to bottom")
    return found


def difference(path: Path, new: str) -> str:
    """Show how the text of a notebook would change."""
    old = path.read_text("utf-8")
    name = path.name
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name}, stored", f"{name}, run again", lineterm=""
    )
    return "\n".join(lines)


def run(paths: list[Path]) -> int:
    """Execute notebooks and store them. Gives the exit status."""
    for path in paths:
        new = executed(path)
        same = new == path.read_text("utf-8")
        path.write_text(new, "utf-8")
        print(f"{path.name}: {'as before' if same else 'stored anew'}")
    return 0


def check(paths: list[Path]) -> int:
    """Compare notebooks with a new run of them. Gives the exit status."""
    wrong = 0
    for path in paths:
        found = complaints(path) or [text for text in [difference(path, executed(path))] if text]
        wrong += bool(found)
        print(f"{path.name}: {'good' if not found else ''}", *found, sep="\n" if found else "")
    if wrong:
        print("`python tools/notebooks.py run` stores them anew; then look at what changed")
    return int(wrong > 0)


def main() -> int:
    """Read the command line and obey. Gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["run", "check"])
    parser.add_argument("notebook", type=Path, nargs="*", help="default: all of notebooks/")
    options = parser.parse_args()
    paths = options.notebook or tutorials()
    return run(paths) if options.command == "run" else check(paths)


if __name__ == "__main__":
    sys.exit(main())
