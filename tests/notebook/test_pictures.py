"""Views in a notebook: pictures where HTML is shown, the same on every run."""

from xml.etree import ElementTree as ET

import pytest
from support.kernels import COUNTER

pytestmark = pytest.mark.any_kernel

BLOCK = "counter = await env.COUNTER.new_counter()\nawait counter.increment(5)"


@pytest.fixture
def counting(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    return kernel


def again(kernel):
    kernel.run("%reload_ext rpclab")
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")


def picture(html):
    """The first picture of an output."""
    text = html[html.index("<svg") : html.index("</svg>") + len("</svg>")]
    return ET.fromstring(text)  # noqa: S314 - our own


def test_a_trace_shows_its_timeline_with_its_text_and_advice(counting):
    (shown,) = counting.run(f"%%trace\n{BLOCK}").displays
    assert picture(shown["text/html"]).get("aria-label") == "Timeline"
    for form in ("text/html", "text/plain"):
        assert "2 awaits could be 1 round trip, lines 2 and 3" in shown[form]
        assert "Cell In" not in shown[form]


def test_the_picture_of_a_trace_is_the_same_on_every_run(counting):
    (first,) = counting.run(f"%%trace\n{BLOCK}").displays
    again(counting)
    (second,) = counting.run(f"%%trace\n{BLOCK}").displays
    assert first["text/html"] == second["text/html"]


@pytest.mark.parametrize("kind", ["timeline", "lifetimes", "streams", "graph", "view"])
def test_a_view_is_shown_as_a_picture_and_says_the_same_as_text(counting, kind):
    counting.run(BLOCK)
    shown = counting.run(f"sandbox.{kind}()")
    assert picture(shown.html).get("role") == "img"
    assert shown.value == counting.run(f"print(sandbox.{kind}())").stdout.rstrip("\n")


def test_cards_that_are_turned_off_leave_the_text(counting):
    counting.run("%config RpcLab.show_html = False")
    shown = counting.run("sandbox.timeline()")
    counting.run("%config RpcLab.show_html = True")
    assert shown.html is None
    assert shown.value.startswith("Timeline: ")


def test_a_leak_opens_what_keeps_it(counting):
    counting.run(BLOCK)
    html = counting.run("sandbox.leaks()").html
    assert "<summary>a stub of Counter in counter-service, made at cell" in html
    assert "kept by: variable counter" in html
