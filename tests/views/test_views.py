"""Views: of a sandbox, of a recording, of a file; as text, page and picture."""

import base64
import re
from xml.etree import ElementTree as ET

import pytest
from support.traced import SOURCE

import rpclab
from rpclab import views
from rpclab.trace.recording import Recording


@pytest.fixture
def env(sandbox):
    sandbox.deploy("b", source=SOURCE)
    sandbox.deploy("a", source=SOURCE, bind={"NEXT": "b"})
    return sandbox.bind(A="a", B="b")


@pytest.mark.parametrize("kind", [*views.KINDS, "view"])
async def test_a_view_is_text_a_page_and_a_picture_and_the_same_of_the_file(
    sandbox, env, kind, tmp_path
):
    kept = await env.A.root()
    live = getattr(sandbox, kind)()
    shown = live._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html"}
    assert repr(live) == live.text() == shown["text/plain"]
    assert not re.search(r"<script|https?:", shown["text/html"].replace("http://www.w3.org/", ""))
    ET.fromstring(live.svg())  # noqa: S314 - our own
    sandbox.recording.save(tmp_path / "it.jsonl")
    loaded = getattr(views, kind)(tmp_path / "it.jsonl")
    assert (loaded.text(), loaded.svg()) == (live.text(), live.svg())
    kept.dispose()


@pytest.mark.parametrize("kind", views.KINDS)
async def test_a_notebook_keeps_a_picture_as_a_drawing_and_as_an_image_and_no_third_time(
    sandbox, env, kind
):
    kept = await env.A.root()
    view = getattr(sandbox, kind)()
    bundle = view._repr_mimebundle_()
    html = bundle["text/html"]
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', html)
    image = base64.b64decode(data).decode()
    assert html.count("<svg ") == 1
    # A page shows no tooltips of an image.
    assert "<title>" not in image
    assert re.sub(r"<(title|desc)>.*?</\1>", "", view.svg(), flags=re.DOTALL) == image
    assert sum(map(len, bundle.values())) < 3 * len(view.svg()) + 2 * len(view.text())
    kept.dispose()


async def test_a_drawing_in_a_page_shrinks_only_as_far_as_it_can_be_read(sandbox, env):
    await env.A.token()
    for html in (sandbox.timeline().html(), sandbox.timeline().bundle()["text/html"]):
        (style,) = re.findall(r'<svg style="([^"]*)"', html)
        assert style == "min-width:697px;max-width:100%;height:auto"
    assert "min-width" not in sandbox.timeline().svg()


async def test_a_view_is_of_the_moment_at_which_it_is_looked_at(sandbox, env):
    view = sandbox.timeline()
    await env.A.token()
    assert "1 call, 2 messages" in view.text()
    await env.A.token()
    assert "2 calls, 4 messages" in view.text()


async def test_looking_sends_nothing_and_keeps_nothing_alive(sandbox, env):
    kept = await env.A.root()
    events, tables = len(sandbox.recording), sandbox.tables("a")
    sandbox.view().bundle()
    assert (len(sandbox.recording), sandbox.tables("a")) == (events, tables)
    kept.dispose()


async def test_a_virtual_clock_puts_times_in_a_real_one_does_not_also_from_a_file(tmp_path):
    for clock, told in (("virtual", "[0 s to 80 ms]"), ("real", "= 'token-5'")):
        async with rpclab.Sandbox(record=True, clock=clock) as sandbox:
            sandbox.deploy("a", source=SOURCE)
            env = sandbox.bind(A="a")
            sandbox.link("notebook", "a", rtt="80ms")
            with sandbox.trace() as trace:
                await env.A.token()
            sandbox.recording.save(tmp_path / "it.jsonl")
            loaded = Recording.load(tmp_path / "it.jsonl")
            assert sandbox.timeline().text().endswith(told)
            for again in (loaded, loaded.part(0)):
                assert again.virtual == (clock == "virtual")
                assert views.timeline(again).svg() == sandbox.timeline().svg()
                assert views.timeline(again).text().endswith(told)
            assert views.traced(trace).text().endswith(told)
            assert "[" not in views.timeline(loaded, scale="order").text()


async def test_a_stub_that_is_still_held_opens_what_keeps_it(sandbox, env):
    kept = await env.A.root()
    page = sandbox.lifetimes().html()
    summary, detail = re.search(r"<summary>(a stub of .*?)</summary>(.*?)</details>", page).groups()
    assert "test_views.py" in summary
    assert "kept by: variable kept" in detail
    loaded = views.lifetimes(sandbox.recording).html()
    assert re.search(r"<summary>stub 1 of Node in a, made at .*?</summary>", loaded)
    kept.dispose()
    assert "Still held" not in sandbox.lifetimes().html()


async def test_advice_stands_in_the_picture_and_in_the_text(sandbox, env):
    node = await env.A.root()
    following = await node.next()
    await following.depth
    view = sandbox.timeline()
    assert "Advice: 3 awaits could be 1 round trip" in view.text()
    assert "Advice: 3 awaits could be 1 round trip" in view.svg()
    node.dispose()
    following.dispose()


async def test_round_trips_of_a_recording_are_at_most_those_and_of_a_trace_exact(sandbox, env):
    with sandbox.trace() as trace:
        await env.A.root().next().depth
    assert "at most 1 round trip; 3 without pipelining" in sandbox.timeline().text()
    assert f"Timeline: {trace.summary()}" in views.traced(trace).text()


async def test_a_part_of_the_calls_can_be_looked_at(sandbox, env):
    for _ in range(5):
        await env.A.token()
    assert [line.split()[3] for line in sandbox.timeline(calls=(2, 3)).text().splitlines()[1:]] == [
        "2",
        "3",
    ]


async def test_a_view_is_saved_in_the_form_that_the_name_says(sandbox, env, tmp_path):
    await env.A.token()
    view = sandbox.view()
    for name, begins in (("a.svg", "<svg"), ("a.html", "<!doctype html>"), ("a.txt", "Timeline:")):
        view.save(tmp_path / name)
        assert (tmp_path / name).read_text("utf-8").startswith(begins)
    with pytest.raises(ValueError, match=r"\.svg, \.html, \.txt, not"):
        view.save(tmp_path / "a.png")


async def test_what_cannot_be_looked_at_says_why(sandbox):
    async with rpclab.Sandbox() as silent:
        with pytest.raises(RuntimeError, match=r"Sandbox\(record=True\)"):
            silent.timeline()
    with pytest.raises(ValueError, match='"order" or "time"'):
        sandbox.timeline(scale="clock")
    with pytest.raises(ValueError, match="one of timeline, lifetimes, streams, graph"):
        views.View("lanes", sandbox.recording)
