"""A page of a browser as a peer: it calls Python and is called, by WebSocket and by batch."""

from __future__ import annotations

import pytest
from support.net import Api, failure, far_sessions
from support.real_time import until
from support.serving import served

import rpclab

PAGES = '''
from pathlib import Path

from rpclab.javascript import capnweb
from workers import Response, WorkerEntrypoint

HEAD = """<!doctype html><meta charset=utf-8>
<link rel=icon href="data:,">
<script type=importmap>{"imports": {"capnweb": "/capnweb.js"}}</script>
<script type=module src=/peer.js></script>"""


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = request.url.rpartition("/")[2]
        if not path:
            return Response(HEAD, headers={"content-type": "text/html"})
        text = capnweb() if path == "capnweb.js" else Path(self.env.SCRIPT).read_text("utf-8")
        return Response(text, headers={"content-type": "text/javascript"})
'''


class VisitingApi(Api):
    """Calls back whoever calls it."""

    def forget(self):
        self._kept.pop().dispose()

    async def visit(self, page):
        """Use what a page gave: call it, on results that are not there yet, and let go."""
        error = await failure(page.fail())
        panel = page.panel()
        await panel.write("first")
        async with panel:
            seen = [await panel.write("second"), await panel.lines()]
        return [await page.title(), await page.panel().write("piped"), *seen, str(error)]


@pytest.fixture
def api():
    return VisitingApi()


@pytest.fixture
def server(request, api):
    """A page, and an object for its sessions."""
    script = request.path.parent / "pages" / "peer.js"

    def make():
        sandbox = rpclab.Sandbox()
        sandbox.deploy("pages", source=PAGES, vars={"SCRIPT": str(script)})
        return sandbox

    with served(make, expose={"/api": api}) as server:
        yield server


@pytest.fixture
def page(chromium, server):
    """The page; whatever it complains of, or asks of others, fails the test."""
    page = chromium.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(server.url)
    page.wait_for_function("document.title === 'ready'")
    yield page
    page.close()
    assert [each for each in complaints if not each.startswith((server.url, "data:"))] == []


def only_main_is_left(server):
    """What the one session imports and exports at Python's side is main; the page said the same."""

    def is_so():
        sessions = server.sandbox.engine.sessions()
        [session] = [each for each in sessions if each.peer is None]
        return (list(session.imports), list(session.exports)) == ([0], [0])

    async def wait():
        await until(is_so)  # what the page gave back last may be on its way

    server.run(wait())


def end(page, server):
    page.evaluate("end()")
    no_session_is_left(server)


def no_session_is_left(server):
    async def wait():
        await until(lambda: far_sessions(server.sandbox) == [])

    server.run(wait())


ONLY_MAIN = {"imports": 1, "exports": 1}


def test_a_page_calls_python_over_a_websocket_and_both_sides_end_with_empty_tables(
    page, server, api
):
    seen = page.evaluate("overWebSocket()")
    assert seen.pop("disposed")[0] == "Error"
    assert seen == {
        "hello": "Hello, page",
        "pipelined": 5,
        "calledBack": 5,
        "kept": 42,
        "error": ["RangeError", "on purpose", False],
        "missing": ["TypeError", seen["missing"][1], False],
        "mapped": [[1], [2], [3]],
        "read": 800_000,
        "written": 1_200_000,
        "counted": [1, 2],
        "tables": ONLY_MAIN,
    }
    assert "nothing" in seen["missing"][1]
    only_main_is_left(server)
    end(page, server)
    assert api.log.count("counter disposed") == 2
    assert "numbers left" in api.log


def test_python_calls_an_object_of_a_page_and_the_page_disposes_what_python_let_go(page, server):
    found = page.evaluate("called()")
    assert found["seen"] == ["ready", 1, 2, ["first", "second"], "on purpose"]
    assert found["panelsDisposed"] == 2
    assert found["tables"] == ONLY_MAIN
    only_main_is_left(server)
    end(page, server)


def test_a_page_calls_python_by_batches(page, server, api):
    assert page.evaluate("overBatch()") == {
        "hello": "Hello, batch",
        "pipelined": 3,
        "error": ["RangeError", "on purpose", False],
        "mapped": [[1], [2], [3]],
        "read": 8000,
    }
    no_session_is_left(server)
    assert api.log.count("counter disposed") == 1


def test_a_page_that_is_closed_in_the_middle_of_a_call_leaves_nothing(page, server, api):
    page.evaluate("hang()")
    page.close()
    no_session_is_left(server)
    assert api.log == ["hanging", "hang left"]
