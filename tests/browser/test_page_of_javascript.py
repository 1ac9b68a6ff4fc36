"""The page of docs/javascript.md does in a browser what stands below it."""

import re
from pathlib import Path

from readme import blocks
from support.serving import served

import rpclab

PAGE = Path(__file__).parents[2] / "docs" / "javascript.md"
SNIPPET = re.compile(
    r"^```html\n<!-- page\.html -->\n(.*?)^```\n```text\n(.*?)^```", re.DOTALL | re.MULTILINE
)


def library():
    [source] = [each.code for each in blocks(PAGE) if each.code.startswith("%%worker library")]
    sandbox = rpclab.Sandbox()
    sandbox.deploy("library", source=source.partition("\n")[2])
    return sandbox


def test_the_page_calls_the_worker_that_gave_it(chromium, tmp_path, monkeypatch):
    [(page, shows)] = SNIPPET.findall(PAGE.read_text("utf-8"))
    (tmp_path / "page.html").write_text(page, "utf-8")
    monkeypatch.chdir(tmp_path)  # where the notebook would be
    with served(library, expose={"/library": "library#Visitors"}) as server:
        tab = chromium.new_page()
        strays = []
        tab.on(
            "request",
            lambda request: request.url.startswith(server.url) or strays.append(request.url),
        )
        tab.goto(server.url)
        out = tab.locator("#out", has_text=re.compile(r"- I wandered"))
        out.wait_for()
        assert out.text_content() == shows
        assert strays == []
        tab.close()
