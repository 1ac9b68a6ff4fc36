"""What a reader sees of our displays, on a page that is narrower than they would like."""

import pytest

FORWARDER = """\
%%worker {name} --bind NEXT={next}
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def go(self):
        return await self.env.NEXT.go()
"""

LAST = """\
%%worker last
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def go(self):
        return lambda: "a function of the last Worker of a long chain of Workers"
"""

CHAIN = [FORWARDER.format(name=name, next=following) for name, following in
         [("first", "second"), ("second", "third"), ("third", "last")]]  # fmt: skip

# Of each display: the smallest contrast of a text with what is behind it, 1 to 21.
CONTRASTS = """() => {
    const numbers = text => text.match(/[\\d.]+/g).map(Number);
    const over = ([r, g, b, a = 1], behind) => [r, g, b].map((c, i) => a * c + (1 - a) * behind[i]);
    const background = element => element === null ? [255, 255, 255] : over(
        numbers(getComputedStyle(element).backgroundColor), background(element.parentElement));
    const light = colour => colour
        .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const contrast = element => {
        const behind = background(element);
        const [r, g, b, a = 1] = numbers(getComputedStyle(element).color);
        const seen = over([r, g, b, a * getComputedStyle(element).opacity], behind);
        const [dark, bright] = [light(seen), light(behind)].sort((one, other) => one - other);
        return (bright + 0.05) / (dark + 0.05);
    };
    return [...document.querySelectorAll('.jp-RenderedHTML')].map(display =>
        Math.min(...[...display.querySelectorAll('b, span, th, td, pre')].map(contrast)));
}"""

# Of each text whose lines are ours to break: the lines it has, and the lines it takes.
LINES = """() => [...document.querySelectorAll('.jp-RenderedHTML pre[role=img]')].map(pre =>
    [pre.textContent.split('\\n').length,
     Math.round(pre.clientHeight / parseFloat(getComputedStyle(pre).lineHeight))])"""

# The names of the pictures that are there to see.
DRAWN = """() => [...document.querySelectorAll('.jp-RenderedHTML svg[role=img]')]
    .filter(picture => picture.getBoundingClientRect().width > 300)
    .map(picture => picture.getAttribute('aria-label'))"""

# How far displays reach beyond the output they are in, in pixels.
OVERHANG = """() => [...document.querySelectorAll('.jp-RenderedHTML')].map(display =>
    display.firstElementChild.getBoundingClientRect().right
    - display.getBoundingClientRect().right)"""


@pytest.fixture(scope="module")
def displays(lab):
    """A page with a display of each kind."""
    traced = "%%trace\nheld = await env.FIRST.go()"
    shown = ["%bind FIRST=first", traced, "sandbox.leaks()", "%rpclab", "held"]
    with lab.open_cells("%load_ext rpclab", LAST, *CHAIN, *shown) as page:
        page.run_all()
        yield page


def test_the_timeline_of_a_trace_is_drawn_and_its_text_opens_unbroken(displays, pictures):
    assert displays.evaluate(DRAWN) == ["Timeline"]
    displays.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    displays.picture(pictures / "displays.png")
    (drawn,) = displays.evaluate(LINES)
    assert drawn[0] > 5
    assert drawn[0] == drawn[1]


def test_no_display_is_wider_than_its_output(displays):
    assert max(displays.evaluate(OVERHANG)) <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(displays, pictures, theme):
    displays.picture(pictures / f"displays-{theme}.png", theme)
    contrasts = displays.evaluate(CONTRASTS)
    assert len(contrasts) == 9
    assert min(contrasts) >= 4.5
