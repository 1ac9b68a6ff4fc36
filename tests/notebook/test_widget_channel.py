"""What a channel sends to pages, without a kernel; and the modules that draw it."""

import re

import pytest

import rpclab
from rpclab.notebook.widgets import channel as channels
from rpclab.notebook.widgets import layouts
from rpclab.notebook.widgets.channel import Channel
from rpclab.notebook.widgets.es_modules import FOLDER, LOOK, alone, joined, needed, text_of
from rpclab.trace.pictures.look import LOOK as LOOK_DATA
from rpclab.trace.pictures.words import WORDS
from rpclab.trace.recording import Recording

ECHO = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def echo(self, value):
        return value
"""

MODULES = sorted(path.stem for path in FOLDER.glob("*.js"))
PANELS = ["timeline", "lifetimes", "streams", "graph"]


@pytest.fixture
def env(sandbox):
    sandbox.deploy("echo", source=ECHO)
    return sandbox.bind(ECHO="echo")


@pytest.fixture
def page():
    return []


class FarAhead:
    """A clock by which everything was long ago."""

    @staticmethod
    def monotonic():
        return 1e12


def rows(page, kind):
    return [row for message in page for row in message.get("rows", {}).get(kind, ())]


async def test_a_page_that_comes_later_gets_everything_at_once(sandbox, env, page):
    channel = Channel(sandbox.recording, sandbox)
    for number in range(3):
        await env.ECHO.echo(number)
    channel.open(page.append)
    assert [message["kind"] for message in page] == ["all", "state", "layout"]
    assert len(rows(page, "calls")) == 3
    assert len(rows(page, "times")) == len(sandbox.recording)


async def test_the_graph_is_laid_out_anew_for_new_parts_alone(sandbox, env, page, monkeypatch):
    channel = Channel(sandbox.recording, sandbox)
    channel.open(page.append)
    (first,) = [message["layouts"] for message in page if message["kind"] == "layout"]
    for number in range(20):
        await env.ECHO.echo(number)
        channel.beat()
    assert [message["kind"] for message in page].count("layout") == 1
    assert [each["width"] for each in first] == sorted(each["width"] for each in first)
    assert first[-1]["boxes"].keys() == {"notebook", "echo"}
    (line,) = first[-1]["lines"]
    assert (line["kind"], line["holder"], line["worker"]) == ("binding", "notebook", "echo")
    sandbox.deploy("later", source=ECHO)
    monkeypatch.setattr(layouts, "time", FarAhead)
    for _ in range(7):
        channel.beat()
    *_, last = [message["layouts"] for message in page if message["kind"] == "layout"]
    assert last[-1]["boxes"].keys() == {"notebook", "echo", "later"}


async def test_a_call_that_goes_on_is_sent_again_when_it_has_its_result(sandbox, env, page):
    channel = Channel(sandbox.recording, sandbox)
    channel.open(page.append)
    promise = env.ECHO.echo(1)
    channel.beat()
    await promise
    channel.beat()
    first, second = rows(page, "calls")
    assert (first[0], second[0]) == (1, 1)
    assert ("running" in first, "returned" in second) == (True, True)


async def test_nothing_new_is_nothing_sent(sandbox, env, page):
    channel = Channel(sandbox.recording, sandbox)
    channel.open(page.append)
    page.clear()
    for _ in range(20):
        channel.beat()
    assert page == []


async def test_a_long_recording_is_begun_anew_and_keeps_its_last_events(
    sandbox, env, page, monkeypatch
):
    monkeypatch.setattr(channels, "SHOWN", 500)
    channel = Channel(sandbox.recording, sandbox)
    channel.open(page.append)
    for number in range(400):
        await env.ECHO.echo(number)
        channel.beat()
    anew = [message for message in page if message["kind"] == "all"]
    assert len(anew) > 2
    last = [*anew[-1]["rows"]["times"], *rows(page[page.index(anew[-1]) + 1 :], "times")]
    assert 500 <= len(last) < 1500
    assert last == [event.at for event in sandbox.recording[-len(last) :]]
    assert anew[-1]["first"] == len(sandbox.recording) - len(last)


async def test_advice_comes_when_it_is_quiet(sandbox, env, page):
    channel = Channel(sandbox.recording, sandbox)
    channel.open(page.append)
    value = await env.ECHO.echo("token-17")
    await env.ECHO.echo(value)
    for _ in range(20):
        channel.beat()
    (message,) = [message for message in page if message["kind"] == "advice"]
    assert "2 awaits could be 1 round trip" in message["advice"][0]["text"]


async def test_the_state_of_links_is_told_when_it_has_changed(sandbox, env, page):
    channel = Channel(sandbox.recording, sandbox)
    channel.open(page.append)
    await env.ECHO.echo(1)
    channel.controls.set_link({"one": "notebook", "other": "echo", "rtt": 0.08})
    channel.controls.set_link({"one": "notebook", "other": "echo", "up": False})
    channel.controls.set_pace({"worker": "echo", "rate": 5000})
    channel.tell_state()
    channel.tell_state()
    assert page[-1] == {
        "kind": "state",
        "links": [
            {"one": "notebook", "other": "echo", "rtt": 0.08, "bandwidth": None, "up": False}
        ],
        "paces": {"echo": 5000.0},
    }
    assert [message["kind"] for message in page].count("state") == 2


def test_a_recording_from_a_file_has_no_controls(page):
    channel = Channel(Recording())
    channel.open(page.append)
    channel.controls.set_link({"one": "notebook", "other": "echo", "rtt": 1})
    assert (page[0]["live"], page[1]["links"]) == (False, [])


async def test_a_sandbox_that_is_gone_leaves_what_was_recorded(page):
    sandbox = rpclab.Sandbox(record=True)
    channel = Channel(sandbox.recording, sandbox)
    sandbox.close()
    del sandbox
    channel.open(page.append)
    channel.beat()
    assert page[0]["kind"] == "all"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_what_another_one_exports(name):
    for names, other in re.findall(
        r'^import \{([^}]*)\} from "\./(\w+)\.js";$', text_of(name), re.MULTILINE
    ):
        text = "export const LOOK\nexport const WORDS" if other == LOOK else text_of(other)
        for each in names.split(","):
            assert re.search(
                rf"^export (?:const|class|function) {each.strip()}\b", text, re.MULTILINE
            ), each


def test_every_module_is_used_and_stands_after_what_it_imports():
    order = needed([*PANELS, "app", "faults"])
    assert sorted(order) == MODULES
    for name in order:
        for other in re.findall(r'from "\./(\w+)\.js"', text_of(name)):
            assert other == LOOK or order.index(other) < order.index(name)


@pytest.mark.parametrize(
    "text",
    [joined(PANELS, {"lines": {}}, {"folders": ""}), alone("faults", {"lines": {}}, {})],
    ids=["views", "faults"],
)
def test_a_view_is_one_module_that_asks_no_network(text):
    assert re.findall(r"^import|^export (?!default)", text, re.MULTILINE) == []
    assert set(re.findall(r"https?://[^\"'` ]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|\bimport\(", text)


SIGNS = ["…", " · ", "\N{MINUS SIGN}", "\N{ASTERISK OPERATOR}", "µs", "→", "→  ",
         "\N{MULTIPLICATION SIGN}"]  # fmt: skip
_COMMENT = re.compile(r"^\s*(?://|/?\*).*$|\s// .*$", re.MULTILINE)
_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
_VALUE = re.compile(r"\$\{(?:[^{}]|\{[^{}]*\})*\}")
_SHOWN = re.compile(r'(?:fillText\(|title: |"aria-label": |"aria-label", )["`](?!\$\{)')


def texts_of(name):
    """The texts in a module, without the values in them."""
    for plain, filled in _TEXT.findall(_COMMENT.sub("", text_of(name))):
        yield _VALUE.sub("", plain or filled)


def keys(data):
    """The names in some data, at any depth."""
    for name, value in data.items() if isinstance(data, dict) else ():
        yield name
        yield from keys(value)


@pytest.mark.parametrize("name", MODULES)
def test_no_module_has_words_of_its_own(name):
    """What is said, and in which words, stands in `pictures/words.py`, for the stills as well."""
    styles = re.compile(r"^[a-z-]+:|\brl-|^[MLHVQAZaz\d. -]+$")
    words = [each for each in texts_of(name) if re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", each)]
    names = {*keys(WORDS), *keys(LOOK_DATA)}
    assert [each for each in words if not styles.search(each) and each not in names] == []
    assert _SHOWN.findall(text_of(name)) == []
    signs = [each for each in texts_of(name) if re.search(r"[^\x00-\x7f]", each)]
    assert [each for each in signs if each not in SIGNS] == []
