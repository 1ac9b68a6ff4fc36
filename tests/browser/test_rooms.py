"""What a reader sees in a window of 900 pixels, and how often: each view once, and no text lost."""

import re

import pytest

SHOP = """\
%%worker shop
from workers import RpcTarget, WorkerEntrypoint

class Cart(RpcTarget):
    def add(self, name):
        return 1

    async def each(self, callback):
        return await callback("tea")

class Default(WorkerEntrypoint):
    def cart(self):
        return Cart()

    async def read(self, stream):
        return sum([len(chunk) async for chunk in stream])
"""

MANY = """\
import rpclab
for n in range(12):
    with await env.SHOP.cart() as cart:
        await cart.add("tea")
kept = [await env.SHOP.cart() for _ in range(2)]
await kept[0].each(lambda name: name)
for _ in range(2):
    await env.SHOP.read(rpclab.ReadableStream([b"x" * 60_000] * 20))"""

LINES = "\n".join(f"# line {n}" for n in range(60))

DISPLAY = """\
from IPython.display import display
view = sandbox.graph()
handle = display(view, display_id=True)"""
UPDATE = "handle.update(view)\nhandle.update(view)"

CELLS = ["%load_ext rpclab", SHOP, "%bind SHOP=shop", f"%%trace\n{MANY}", "sandbox.view()", LINES,
         LINES, "sandbox.timeline()", LINES, LINES, DISPLAY, UPDATE]  # fmt: skip

# The names of the pictures that are there to see; a live view has that of all.
SHOWN = """() => [...document.querySelectorAll('svg[role=img], img.rl-image, .rl-live')]
    .filter(picture => picture.getBoundingClientRect().width > 200)
    .map(picture => picture.alt ?? picture.getAttribute('aria-label'))"""
LIVE = "what happened in the sandbox"

# How wide the picture of the trace is, and its box; and whether the box can be scrolled.
TRACE = """() => {
    const picture = [...document.querySelectorAll('.rl-drawing > svg')]
        .find(each => each.getBoundingClientRect().width > 0);
    let box = picture.parentElement;
    while (getComputedStyle(box).overflowX !== 'auto') box = box.parentElement;
    return [picture.getBoundingClientRect().width, box.clientWidth, box.scrollWidth];
}"""

NOTE_TEXTS = """() => {
    const { prototype } = CanvasRenderingContext2D;
    const { fillText } = prototype;
    window.rpclabTexts = [];
    prototype.fillText = function (text, x, y) {
        window.rpclabTexts.push([text, y]);
        return fillText.apply(this, arguments);
    };
}"""
FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def page(lab):
    """A notebook with views, in a window of 900 pixels."""
    with lab.open_cells(*CELLS) as page:
        page.narrow(900)
        page.run_all()
        page.find(".rl-live").nth(2).wait_for()
        page.hold("nothing was pipelined")
        page.evaluate(NOTE_TEXTS)
        yield page


def drawn(page, tab):
    """The texts that are drawn on the canvas of a tab, each with its height, from top to bottom."""
    page.evaluate("() => { window.rpclabTexts.length = 0; }")
    page.find(f"[role=tab]:has-text('{tab}')").click()
    page.evaluate(FRAME)
    page.evaluate(FRAME)
    return sorted(page.evaluate("() => window.rpclabTexts"), key=lambda each: each[1])


def test_the_picture_of_a_trace_is_scrolled_and_stays_readable(page, pictures):
    page.screen(pictures / "narrow.png")
    width, box, inside = page.evaluate(TRACE)
    assert box < 600
    assert width >= 0.84 * 820
    assert inside > box


def test_lifetimes_keep_cell_and_line_and_have_on_top_what_is_held(page):
    texts = drawn(page, "Lifetimes")
    places = [text for text, _ in texts if "line" in text]
    assert len(places) > 5
    assert all(re.fullmatch(r"(Cell )?In\[4\], line \d+", place) for place in places)
    first = next(text for text, _ in texts if re.match(r"\d+ notebook", text))
    assert first.startswith("13 notebook")
    # No more of it is left out than there is no room for.
    assert all(re.match(r"\d+ \w+: ", text) for text, _ in texts if re.match(r"\d+ [a-z]", text))


def test_the_live_streams_and_the_still_count_the_same_waits(page):
    drawn(page, "Streams")
    live = page.find(".rl-list").inner_text()
    still = page.evaluate("() => document.querySelector('.rl-still').textContent")
    (waits,) = re.findall(r"writers held back (\d+) times", still)[:1]
    told = [int(number) for number in re.findall(r"held back (\d+) time", live)]
    assert sum(told) == int(waits) > 1
    assert "kB" not in live


def test_the_button_that_mends_a_link_needs_no_font_of_signs(page):
    cut = page.find("[aria-label='cut the link notebook ⇄ shop']").first
    cut.click()
    mend = page.find("[aria-label='mend the link notebook ⇄ shop']").first
    mend.wait_for()
    assert mend.inner_text().strip() == "mend"
    assert mend.locator("svg path").count() == 1
    mend.click()
    assert cut.inner_text().strip() == "cut"
    assert page.find(".rl-tools button:has-text('fit')").count() > 0


def test_an_update_of_a_display_shows_no_further_view(page):
    *_, shown, updated = page.code_cells()
    assert [len(cell["outputs"]) for cell in (shown, updated)] == [2, 0]
    assert page.evaluate(SHOWN) == ["Timeline", LIVE, LIVE, LIVE]


def test_after_a_reload_each_view_is_shown_once(page, pictures):
    page.save()
    page.reload()
    page.find(".rl-live").nth(2).wait_for()
    page.hold("nothing was pipelined")
    page.evaluate(FRAME)
    page.screen(pictures / "reloaded.png")
    assert page.evaluate(SHOWN) == ["Timeline", LIVE, LIVE, LIVE]
