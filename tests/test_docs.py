"""What the README and the guides show is run, cell by cell, and prints what stands below it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from readme import blocks, script_of
from support.kernels import Kernel

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "streams",
            "http",
            "d1",
            "kv",
            "durable-objects",
            "distances",
            "views",
            "validation",
            "notebook",
            "network",
            "javascript",
            "limits",
            "placement",
            "reconnection",
            "export",
            "what-if",
        )
    ),
]
"""The pages whose Python is run, all of it from top to bottom, each in a kernel of its own."""

FILE = re.compile(r"`([\w/-]+\.(?:py|toml))`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def shown(output):
    """What a reader sees of a cell: what it prints, its value, the error without its traceback."""
    error = (output.error or "").rpartition("\n\n")[2]
    parts = [output.stdout.rstrip("\n"), output.value or "", error]
    return "\n".join(part for part in parts if part)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_cells_of_a_page_run_and_show_what_it_says(path, tmp_path):
    with Kernel(sys.executable, tmp_path) as kernel:
        kernel.run(f"%cd -q {tmp_path}\n%load_ext rpclab")
        for block in blocks(path):
            if not block.is_cell:
                continue
            output = kernel.run(block.code)
            where = f"{path.name}:{block.line}"
            if block.shows is None:
                assert output.error is None, f"{where}\n{output.error}"
            else:
                assert shown(output) == block.shows.rstrip("\n"), where


def test_the_script_of_the_readme_runs_and_prints_what_it_says(tmp_path):
    script, worker = script_of(PAGES[0])
    (tmp_path / "counter.py").write_text(worker, "utf-8")
    command = [sys.executable, "-c", script.code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", script.shows)


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_links_lead_to_files_that_are_there(path):
    links = [link for link in LINK.findall(path.read_text("utf-8")) if "://" not in link]
    assert not [link for link in links if not (path.parent / link).exists()]


def test_the_readme_leads_to_every_tutorial_and_guide():
    links = {PAGES[0].parent / link for link in LINK.findall(PAGES[0].read_text("utf-8"))}
    wanted = {*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("docs/*.md")}
    assert not {path.name for path in wanted - links}


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md"])
def test_a_page_about_the_code_names_files_that_are_there(name):
    page = (ROOT / name).read_text("utf-8")
    files = [*ROOT.glob("[rt]*/**/*.py"), *ROOT.glob("*.toml"), *ROOT.glob("docs/*.toml")]
    there = {path.relative_to(ROOT).as_posix() for path in files}
    assert not {name for name in FILE.findall(page) if not ends_one(name, there)}


def test_no_page_holds_a_name_that_a_reader_would_have_to_replace():
    assert "OWNER" not in PAGES[0].read_text("utf-8")
    assert "mybinder" not in PAGES[0].read_text("utf-8")


def ends_one(name, paths):
    return any(f"/{path}".endswith(f"/{name}") for path in paths)
