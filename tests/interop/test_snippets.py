"""The JavaScript of docs/javascript.md, and of a tutorial, does what is said there."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from pathlib import Path

import httpx
import nbformat
from readme import blocks
from support.workerd import configured, running

from rpclab.javascript import bundled

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "javascript.md"
TUTORIAL = HERE.parents[1] / "notebooks" / "09-talking-with-javascript.ipynb"
PIPE = asyncio.subprocess.PIPE

SNIPPET = re.compile(
    r"^```js\n// ([\w.]+)\n(.*?)^```\n(?:\n*```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE
)
SNIPPETS = {name: (code, shows) for name, code, shows in SNIPPET.findall(PAGE.read_text("utf-8"))}
ADDRESS = "127.0.0.1:8787"


def test_the_page_has_a_snippet_for_each_place():
    assert SNIPPETS.keys() == {"client.mjs", "worker.js", "service.js"}
    assert all(len(code.splitlines()) <= 12 for code, _ in SNIPPETS.values())


def worker():
    """The Worker of the page."""
    return next(block.code for block in blocks(PAGE) if block.code.startswith("%%worker library"))


def served(sandbox):
    sandbox.deploy("library", source=worker().partition("\n")[2])
    return sandbox.serve(port=0, expose={"/library": "library#Visitors"})


async def printed(*command):
    """What a program prints that complains of nothing."""
    program = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    said, complaints = await program.communicate()
    assert complaints == b""
    return said.decode()


async def test_node_calls_the_worker_of_a_notebook(node, sandbox, tmp_path):
    code, shows = SNIPPETS["client.mjs"]
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    async with served(sandbox) as server:
        place = f"{server.host}:{server.port}"
        (tmp_path / "client.mjs").write_text(code.replace(ADDRESS, place), "utf-8")
        assert await printed(node, tmp_path / "client.mjs") == shows


async def test_a_worker_on_workerd_calls_the_worker_of_a_notebook(workerd, sandbox, tmp_path):
    code, shows = SNIPPETS["worker.js"]
    async with served(sandbox) as server:
        texts = {"LIBRARY": f"{server.url}/library"}
        async with (
            running(workerd, configured(tmp_path, code, texts=texts)) as place,
            httpx.AsyncClient(trust_env=False) as web,
        ):
            response = await web.get(f"http://{place}/")
            assert (response.status_code, response.text) == (200, shows.rstrip("\n"))


async def test_python_calls_a_worker_on_workerd(workerd, tmp_path):
    service, _ = SNIPPETS["service.js"]
    [script] = [block for block in blocks(PAGE) if not block.is_cell]
    async with running(workerd, configured(tmp_path, service)) as place:
        code = script.code.replace(ADDRESS, place)
        assert await printed(sys.executable, "-c", code) == script.shows


async def test_node_runs_the_program_of_the_tutorial_which_needs_nothing_of_npm(node, sandbox):
    cells = [cell.source for cell in nbformat.read(TUTORIAL, as_version=4).cells]
    [library] = [cell for cell in cells if cell.startswith("%%worker library")]
    [cell] = [cell for cell in cells if "PROGRAM = " in cell]
    program = next(
        statement.value.value
        for statement in ast.walk(ast.parse(cell))
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "PROGRAM"
    )
    sandbox.deploy("library", source=library.partition("\n")[2])
    async with sandbox.serve(port=0, expose={"/library": "library#Visitors"}) as server:
        address = server.url.replace("http", "ws") + "/library"
        client = await asyncio.create_subprocess_exec(
            *(node, "--input-type=module", "-", address), stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert await client.communicate(bundled(program).encode()) == (b"Call me Ishmael.\n", b"")
