"""The live views in JupyterLab: drawn, stepped through, and their controls while a cell awaits."""

import re

import pytest

WORKERS = """\
%%worker last
from workers import RpcTarget, WorkerEntrypoint

class Node(RpcTarget):
    def next(self):
        return Node()

class Default(WorkerEntrypoint):
    def root(self):
        return Node()

    async def read(self, stream):
        return sum([len(chunk) async for chunk in stream])
"""

FIRST = """\
%%worker first --bind NEXT=last
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def root(self):
        return await self.env.NEXT.root()
"""

CALLS = """\
import asyncio, rpclab, time
sandbox.link("notebook", "last", rtt="40ms")
node = await env.FIRST.root()
second = await node.next()
await second.next()
await env.LAST.root().next().next()
with await env.LAST.root():
    pass
await env.LAST.read(rpclab.ReadableStream([b"x" * 60_000] * 40))"""

WAITS = """\
sandbox.link("notebook", "last", rtt=100)
print("wa" + "its")
began = time.monotonic()
with await env.LAST.root():
    print("in time" if time.monotonic() - began < 90 else "late")"""

STEP = ".rl-where"
FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

# The canvas fits into its stage, and no name of a control lies on its slider; says so in a while.
LAID_OUT = """async frames => {
    const box = element => element.getBoundingClientRect();
    const fits = () => {
        const canvas = [...document.querySelectorAll('.rl-live canvas')].find(c => c.offsetParent);
        const rows = [...document.querySelectorAll('.rl-control')].filter(row => row.offsetParent);
        return box(canvas).right <= box(canvas.parentElement).right + 1 && rows.every(row => {
            const [name, slider] = [box(row.children[0]), box(row.children[1])];
            return name.right <= slider.left || name.bottom <= slider.top;
        });
    };
    while (!fits() && frames--) await new Promise(done => requestAnimationFrame(done));
    return fits();
}"""


def cells(*more):
    return ["%load_ext rpclab", WORKERS, FIRST, "%bind FIRST=first LAST=last",
            "sandbox.view()", CALLS, *more]  # fmt: skip


@pytest.fixture(scope="module")
def view(lab):
    """A page with all four views, after some calls."""
    with lab.open_cells(*cells()) as page:
        ran = page.run_all()
        assert [cell["source"] for cell in ran if cell["execution_count"] is None] == []
        page.hold("without pipelining")
        page.find("text=held back").first.wait_for(state="attached")
        yield page


@pytest.fixture(autouse=True)
def _from_the_start(request):
    """Show the timeline, and follow what is recorded."""
    if "view" in request.fixturenames:
        page = request.getfixturevalue("view")
        choose(page, "Timeline")
        page.find(".rl-scrubber button >> nth=3").click()


def choose(page, tab):
    page.find(f"[role=tab]:has-text('{tab}')").click()


def step(page):
    """The step that the scrubber stands at, and how many there are."""
    return [int(number) for number in re.findall(r"\d+", page.find(STEP).inner_text())[:2]]


def test_the_buttons_and_keys_step_through_the_recording(view):
    at, steps = step(view)
    assert at == steps > 40
    view.find("[aria-label='one step back']").click()
    assert step(view) == [steps - 1, steps]
    view.find("[aria-label='step of the recording']").press("ArrowLeft")
    assert step(view) == [steps - 2, steps]
    view.find("canvas >> visible=true").press("ArrowRight")
    assert step(view) == [steps - 1, steps]
    view.find("canvas >> visible=true").press("Home")
    assert step(view) == [0, steps]
    view.find("canvas >> visible=true").press("End")
    assert step(view) == [steps, steps]
    assert "live" in view.find(STEP).inner_text()


def test_the_tables_of_both_sides_are_those_of_the_step(view):
    slider = view.find("[aria-label='step of the recording']")
    slider.press("Home")
    view.find(".rl-tables:has-text('tables are empty')").wait_for()
    while "call 1" not in view.find(".rl-tables").inner_text():
        slider.press("ArrowRight")
        view.evaluate(FRAME)
    section = view.find(".rl-session:has(tr.rl-new)").first.inner_text()
    assert section.startswith("notebook ⇄ first")
    assert "notebook imports" in section
    assert "first exports" in section


def test_the_keys_go_from_call_to_call_and_say_everything_of_each(view):
    canvas = view.find("canvas >> visible=true")
    canvas.press("ArrowDown")
    canvas.press("ArrowDown")
    said = view.find(".rl-said").inner_text()
    assert said.startswith("call 2: root()")
    for part in ("first → last", "made at", "result after", "by the method of call 1", "line 6"):
        assert part in said


def test_a_stub_that_is_held_says_what_keeps_it(view):
    choose(view, "Lifetimes")
    canvas = view.find("canvas >> visible=true")
    for _ in range(20):
        canvas.press("ArrowDown")
        said = view.find(".rl-said").inner_text()
        if "held by notebook" in said and "still held" in said:
            break
    canvas.press("Enter")
    view.find(".rl-reason:has-text('variable')").wait_for()
    assert "made at cell In[6], line" in view.find(".rl-reason").inner_text()


def test_the_streams_tell_when_the_writer_was_held_back(view):
    choose(view, "Streams")
    text = view.find(".rl-list").inner_text()
    assert "1 notebook → last: 40 chunks" in text
    assert "2,400,680 bytes" in text
    assert re.search(r"held back \d+ times?, ", text)


def test_the_graph_says_what_a_worker_can_reach(view):
    choose(view, "Graph")
    view.find("[data-worker=notebook]").press("Enter")
    ways = view.find(".rl-ways").inner_text()
    assert ways.startswith("notebook can reach:")
    assert "first through env.FIRST" in ways
    view.find("[data-worker=first]").click()
    assert "last through env.NEXT" in view.find(".rl-ways").inner_text()
    view.find("[data-worker=first]").press("Enter")
    assert view.find(".rl-ways").inner_text() == ""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tab", ["Timeline", "Lifetimes", "Streams", "Graph"])
def test_every_view_has_the_colours_of_the_theme(view, pictures, tab, theme):
    choose(view, tab)
    view.picture(pictures / f"view-{tab.lower()}-{theme}.png", theme)
    colours = view.evaluate("""() => {
        const canvas = [...document.querySelectorAll('.rl-live canvas')].find(c => c.offsetParent);
        const style = getComputedStyle(document.querySelector('.rl-live'));
        const sum = text => text.match(/\\d+/g).slice(0, 3).reduce((all, c) => all + Number(c), 0);
        const drawn = canvas && canvas.getContext('2d').getImageData(40, 4, 1, 1).data.join(' ');
        return [sum(style.color), sum(style.backgroundColor), drawn ? sum(drawn) : null];
    }""")
    text, background, drawn = colours
    dark, light = sorted([text, background])
    assert dark < 150
    assert light > 600
    assert (light == background) == (theme == "light")
    assert drawn is None or abs(drawn - background) < 30


def test_a_view_that_becomes_narrow_is_laid_out_anew(view):
    view.find("[aria-label='round trip of notebook ⇄ first']").wait_for()
    view.narrow(900)
    try:
        assert view.evaluate(f"() => ({LAID_OUT})(500)")
    finally:
        view.narrow(1200)


def test_no_request_leaves_the_machine_and_no_state_is_saved(view):
    assert view.strays == []
    assert "widgets" not in view.save().metadata


def test_controls_act_while_a_cell_awaits_and_go_on_doing_so(lab, python):
    again = WAITS.replace('"wa"', '"again wa"')
    with lab.open_cells(*cells(WAITS, again), python=python) as page:
        page.start_all()
        page.wait_for_output("waits")
        slider = page.find("[aria-label='round trip of notebook ⇄ last']")
        page.hold("round trip 100 s")
        slider.press("Home")
        page.wait_for_output("again waits")
        page.hold("round trip 100 s")
        page.find("[aria-label='cut the link notebook ⇄ last']").click()
        mend = page.find("[aria-label='mend the link notebook ⇄ last']")
        mend.wait_for()
        slider.press("Home")
        mend.click()
        *_, first, second = page.finish_all()
        assert first["outputs"][0]["text"] == "waits\nin time\n"
        assert second["outputs"][0]["text"] == "again waits\nin time\n"
        assert page.strays == []


def test_a_timeline_is_drawn_by_the_scale_that_was_asked_for(lab):
    calls = "sandbox.link('notebook', 'last', rtt='40ms')\nawait env.LAST.root()"
    shown = "sandbox.timeline(scale='order')"
    with lab.open_cells("%load_ext rpclab", WORKERS, "%bind LAST=last", calls, shown) as page:
        page.run_all()
        chosen = page.find(".rl-switch [aria-pressed=true]")
        chosen.wait_for()
        assert chosen.inner_text() == "order"


def test_a_view_is_drawn_in_jupyter_notebook_too(lab):
    with lab.open_in_notebook(*cells()) as tab:
        tab.get_by_text("Run", exact=True).first.click()
        tab.get_by_text("Run All Cells", exact=True).first.click()
        tab.locator(".rl-live", has_text="round trips").wait_for(timeout=60_000)
