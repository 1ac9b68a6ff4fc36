"""What the live views draw: from the rows of a recording alone, in a page without a kernel."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.traced import READER, SOURCE
from support.virtual_time import VirtualTimeLoop

import rpclab
from rpclab.notebook.widgets.channel import Channel
from rpclab.notebook.widgets.live import VIEWS
from rpclab.trace.pictures.streams import stream_line
from rpclab.trace.streams import streams

# Renders a view of some messages, and gives the texts that it draws, with their ends.
DRAW = """async ([esm, messages]) => {
    const { prototype } = CanvasRenderingContext2D;
    const { fillText } = prototype;
    const texts = [];
    prototype.fillText = function (text, x, y) {
        texts.push([text, x, x + this.measureText(text).width, y]);
        return fillText.apply(this, arguments);
    };
    const url = URL.createObjectURL(new Blob([esm], { type: 'text/javascript' }));
    const view = (await import(url)).default;
    const listeners = [];
    const model = { on: (_, listener) => listeners.push(listener), off() {}, send() {} };
    const frame = () => new Promise(done => requestAnimationFrame(done));
    document.body.replaceChildren();
    const close = view.render({ model, el: document.body });
    for (const message of messages) listeners.forEach(listener => listener(message));
    for (let n = 0; n < 4; n++) await frame();
    texts.length = 0;
    listeners.forEach(listener => listener({ kind: 'news', rows: {} }));
    for (let n = 0; n < 4; n++) await frame();
    prototype.fillText = fillText;
    return [texts, document.querySelector('.rl-live').innerText];
}"""


def messages_of(program, events):
    """What a page is sent of a program, whose events are told; its Worker A is 80 ms away."""

    async def recorded():
        async with rpclab.Sandbox(record=True) as sandbox:
            sandbox.deploy("b", source=SOURCE)
            sandbox.deploy("a", source=SOURCE, bind={"NEXT": "b"})
            sandbox.deploy("a-service-of-records", source=SOURCE)
            sandbox.link("notebook", "a", rtt="80ms")
            sent = []
            sandbox.deploy("reader", source=READER)
            kept = await program(sandbox.bind(A="a", B="b", READER="reader"))
            events.extend(sandbox.recording)
            Channel(sandbox.recording, sandbox).open(sent.append)
            del kept
            return json.loads(json.dumps(sent))

    def run():
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(recorded())

    with ThreadPoolExecutor(1) as pool:  # playwright has a loop in this thread
        return pool.submit(run).result()


@pytest.fixture
def drawn(chromium):
    """Draw a view of a program in a window of some width."""
    tabs = []

    def draw(kind, program, width=900, events=None):
        tab = chromium.new_page(viewport={"width": width, "height": 900})
        tabs.append(tab)
        view = VIEWS[kind]
        tab.set_content(f"<meta charset=utf-8><style>{view._css}</style><body>")
        return tab, *tab.evaluate(
            DRAW, [str(view._esm), messages_of(program, [] if events is None else events)]
        )

    yield draw
    for tab in tabs:
        tab.close()


async def two_calls(env):
    await env.A.root()
    await env.A.token("a text of some length")


def test_a_label_at_the_right_edge_stands_before_its_bar_where_there_is_room(drawn):
    _, texts, _ = drawn("timeline", two_calls, 1000)
    ends = {text: to for text, _, to, _ in texts if "(" in text}
    assert ends.keys() == {"1 root() = a Node", "2 token('a text of some length')"}
    assert max(ends.values()) < 850  # before its bar
    assert "a-service-of-records" in [text for text, *_ in texts]


@pytest.mark.parametrize("width", [460, 900])
def test_lifetimes_name_the_place_of_every_stub_whole_and_first_what_is_held(drawn, width):
    async def program(env):
        for _ in range(30):
            (await env.A.root()).dispose()
        return await env.A.root()

    _, texts, _ = drawn("lifetimes", program, width)
    rows = sorted((y, text) for text, x, _, y in texts if text.endswith(tuple("0123456789")))
    places = [text for _, text in rows if ".py, line " in text]
    assert len(places) == 10  # as many as are seen at a time
    assert all("test_drawn.py, line " in place for place in places)
    stubs = sorted((y, text) for text, _, _, y in texts if text[0].isdigit() and "note" in text)
    assert stubs[0][1].startswith("31 note")


def test_a_function_that_is_called_has_its_name_and_no_sign_needs_a_font_of_its_own(drawn):
    async def program(env):
        def doubled(number):
            return 2 * number

        await env.A.call_back(doubled)

    _, texts, words = drawn("timeline", program)
    assert any("doubled(" in text for text, *_ in texts)
    assert not any("(this)" in text for text, *_ in texts)
    emoji = [char for char in words if ord(char) >= 0x2600]
    assert emoji == []


def test_the_texts_of_a_graph_can_be_read_at_any_width_and_lie_on_nothing(drawn):
    async def program(env):
        return [await env.A.node_of_next(), await env.A.root()]

    for width in (340, 460, 900, 1400):
        tab, _, _ = drawn("graph", program, width)
        shown = tab.evaluate("""() => {
            const svg = document.querySelector('.rl-picture');
            const boxes = selector => [...svg.querySelectorAll(selector)]
                .map(each => each.getBoundingClientRect());
            const [texts, labels] = [boxes('text'), boxes('text.h')];
            const nodes = boxes('.rl-node rect');
            const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
                && a.top < b.bottom - 2 && b.top < a.bottom - 2;
            return [
                Math.min(...labels.map(each => each.height)),
                texts.some((one, n) => texts.some((other, m) => n < m && over(one, other))),
                labels.some(label => nodes.some(node => over(label, node))),
                svg.getBoundingClientRect().width <= Math.max(svg.parentElement.clientWidth, 391),
            ];
        }""")  # fmt: skip
        smallest, overlapping, behind, fits = shown
        assert smallest >= 9
        assert (overlapping, behind, fits) == (False, False, True)


def test_a_stream_is_told_at_its_end_as_in_the_still(drawn):
    async def program(env):
        await env.READER.read(rpclab.ReadableStream([b"x" * 50_000] * 8))

    events = []
    _, _, words = drawn("streams", program, events=events)
    (stream,) = streams(events)
    assert len(stream.held_back) > 1
    assert stream_line(stream, times=True) in words.replace(" · ", ", ")
