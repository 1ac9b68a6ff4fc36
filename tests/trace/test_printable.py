"""What a peer writes moves no cursor and turns no line: in texts, in pictures, in reports."""

from xml.etree import ElementTree as ET

import pytest
from support.world import World, failure

from rpclab import Response
from rpclab.notebook.responses import response_html
from rpclab.printable import printable
from rpclab.trace.pictures.drawing import clean, elided

HOSTILE = "\x1b[2J\x07\u202eevil\u2066\u200f\x00\r\x9b"
SHOWN = r"\x1b[2J\x07\u202eevil\u2066\u200f\x00\r\x9b"
SOURCE = f"""
from workers import RpcTarget
class Target(RpcTarget): pass
Target.__name__ = Target.__qualname__ = {HOSTILE.replace(chr(0), "")!r}
class Default(WorkerEntrypoint):
    def fail(self):
        raise ValueError({HOSTILE!r})
    def give(self):
        return Target()
    def same(self, value, **named):
        return value
"""


@pytest.mark.parametrize(
    "text", ["plain", "naïve 日本語 🙂 👩‍👩‍👧 e\u0301 नमस्ते", "می‌خواهم", "a\u00a0b", "", "\\x1b"]
)
def test_what_a_reader_sees_stays_as_it_is(text):
    assert printable(text) == text


def test_what_a_reader_does_not_see_is_written_as_python_writes_it():
    assert printable(HOSTILE) == SHOWN
    assert printable("a\nb\tc") == r"a\nb\tc"
    assert printable("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc\\x1b"
    assert printable("\ud800\U000e0041\u2028") == r"\ud800\U000e0041\u2028"
    assert printable(printable(HOSTILE)) == SHOWN


@pytest.fixture
def world(sandbox):
    """A sandbox for Workers with a log."""
    return World(sandbox)


async def play(world):
    """Let a peer put all it has into names, errors, arguments and results."""
    env = world.deploy(SOURCE)
    with world.sandbox.trace() as trace:
        await failure(env.CALLEE.fail())
        await failure(getattr(env.CALLEE, HOSTILE)())
        await env.CALLEE.same(HOSTILE, **{HOSTILE: HOSTILE})
        stub = await env.CALLEE.give()
        texts = [str(world.sandbox.leaks())]
        stub.dispose()
    sandbox = world.sandbox
    views = [sandbox.timeline(), sandbox.lifetimes(), sandbox.streams(), sandbox.graph()]
    return [*texts, trace.text(), *(view.text() for view in views)], [each.svg() for each in views]


async def test_texts_and_pictures_show_what_a_peer_wrote_escaped(world):
    texts, pictures = await play(world)
    for text in texts:
        assert text.replace("\n", "").isprintable()
    assert any(SHOWN in text for text in texts)
    for picture in pictures:
        drawn = "".join(ET.fromstring(picture).itertext())  # noqa: S314 - our own picture
        assert drawn.replace("\n", "").isprintable()
        assert "\ufffd" not in drawn
    assert any(r"\u202e" in picture for picture in pictures)


def test_a_label_is_cut_as_wide_as_it_is_shown():
    assert elided("\x1b" * 100, 80).startswith(r"\x1b\x1b")
    assert len(elided("\x1b" * 100, 80)) < 20
    assert clean("a\nb\x00") == "a\nb\\x00"


async def test_a_response_shows_no_control_characters_of_its_headers_and_body():
    headers = {"content-type": "text/plain;\x1b\u0085", "x-a": "\x1b[2J"}
    response = Response(HOSTILE + "\n\tb", status_text="\x9b", headers=headers)
    assert repr(response).isprintable()
    html = response_html(response)
    assert html.replace("\n", "").replace("\t", "").replace("\r", "").isprintable()
    assert r"\u202eevil" in html
    assert await response.text() == HOSTILE + "\n\tb"
