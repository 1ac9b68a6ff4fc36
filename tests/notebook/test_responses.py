"""How a Response looks in an output."""

import pytest

pytestmark = pytest.mark.any_kernel

WORKER = """%%worker web
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.url.endswith("json"):
            return Response.json({"a": ["<b>"]})
        kind = "text/html" if request.url.endswith("html") else "text/plain"
        return Response('<script>"hi"</script>', headers={"content-type": kind, "x-a": "<i>"})
"""


@pytest.fixture
def web(kernel):
    """A kernel with a Worker that serves HTTP."""
    kernel.run(WORKER)
    return kernel


def test_a_response_shows_status_headers_and_text_and_stays_unused(web):
    shown = web.run("r = await sandbox.fetch('web', '/text')\nr")
    assert shown.value == "<Response 200 http://web/text, text/plain, 21 bytes>"
    assert "<td>x-a</td><td>&lt;i&gt;</td>" in shown.html
    assert "<pre" in shown.html
    assert "<script>" not in shown.html
    assert web.value("r.body_used, await r.text()") == """(False, '<script>"hi"</script>')"""
    assert "<pre" not in web.run("r").html


def test_html_is_shown_in_a_frame_that_runs_and_loads_nothing(web):
    shown = web.run("await sandbox.fetch('web', '/html')")
    assert "<iframe sandbox srcdoc=" in shown.html
    assert "default-src &#x27;none&#x27;" in shown.html
    assert "<script>" not in shown.html


def test_json_is_shown_with_its_structure(web):
    shown = web.run("await sandbox.fetch('web', '/json')")
    assert "{\n  &quot;a&quot;: [\n    &quot;&lt;b&gt;&quot;" in shown.html
