"""The documentation: exact before Python is there, alive after it, and asking nobody else."""

import json
import re

import pytest
import test_docs

PAGES = [
    "",
    "tutorials/",
    "guides/",
    "guide/streams/",
    "guide/conformance/",
    "reference/",
    "search/?q=pipelining",
]
THEMES = [("light", 1280), ("dark", 1280), ("light", 400)]
OUTPUT = ".rl-output:not([hidden])"


def cell(page, number):
    return page.locator(".rl-cell").nth(number)


def drag_to(page, milliseconds):
    """Put the slider there as a drag does: the page hears of each step, and of the end."""
    page.locator("#rl-demo input").evaluate(
        """(slider, value) => {
            slider.value = value;
            slider.dispatchEvent(new Event('input'));
            slider.dispatchEvent(new Event('change'));
        }""",
        str(milliseconds),
    )


def refused(said, seen):
    """Keep what the page's policy has refused: the page itself asks for no such thing."""
    if "Content Security Policy" in said.text:
        seen.append(said.text)


def link_cell(page):
    return page.locator(".rl-cell pre", has_text="rpclab link")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_in_each_theme_and_width(site, pictures, path):
    for theme, width in THEMES:
        view = {"width": width, "height": 900}
        with site.page("", color_scheme=theme, viewport=view) as page:
            complaints = []
            page.on("pageerror", lambda error, seen=complaints: seen.append(str(error)))
            page.on("console", lambda said, seen=complaints: refused(said, seen))
            assert page.goto(f"{site.address}/{path}").status == 200
            page.locator("h1").first.wait_for()
            name = re.sub(r"\W+", "-", path).strip("-") or "landing"
            page.screenshot(path=pictures / f"site-{name}-{theme}-{width}.png", full_page=True)
            room = page.evaluate("[document.body.scrollWidth, window.innerWidth]")
            assert room[0] <= room[1], f"{path} is wider than the window at {width}"
            assert complaints == []


def test_every_link_of_the_site_leads_to_a_file_of_it(folder):
    missing = set()
    for page in folder.rglob("*.html"):
        if page.relative_to(folder).parts[0] in {"lab", "_static"}:
            continue
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text("utf-8")):
            if ":" in link:
                continue
            target = (page.parent / link).resolve()
            if not target.exists():
                missing.add((page.relative_to(folder).as_posix(), link))
    assert not missing


def test_the_guides_that_run_in_place_are_those_that_run_as_a_notebook_and_need_no_machine(folder):
    pages = [path for path in folder.glob("guide/*/index.html") if "data-live" in path.read_text()]
    live = {path.parent.name for path in pages}
    whole = {path.stem for path in test_docs.PAGES} - {"README"}
    assert whole - live == {
        "network", "javascript", "placement", "reconnection",
        "validation",  # pydantic is fetched where a cell imports it, and not ahead
        "export",
    }  # fmt: skip
    assert live <= whole


def test_search_finds_a_guide_by_what_it_is_about(site):
    with site.page("search/?q=backpressure") as page:
        # The results come one after another.
        page.locator("ul.search li", has_text="Streams").first.wait_for()


def test_the_reference_has_every_public_name(site):
    import rpclab  # noqa: PLC0415 - the tree under test

    with site.page("reference/") as page:
        there = page.evaluate("[...document.querySelectorAll('dt[id]')].map(term => term.id)")
    assert {f"rpclab.{name}" for name in rpclab.__all__} <= set(there)


def test_a_visitor_drags_a_latency_and_sees_what_pipelining_saves_before_python_is_loaded(site):
    with site.page("") as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        times = page.locator("#rl-demo .rl-time")
        for rtt in (0, 75, 300):
            drag_to(page, rtt)
            assert times.all_inner_texts() == [f"{3 * rtt} ms", f"{rtt} ms"]
            assert page.locator(".rl-saved").inner_text() == f"{2 * rtt} ms saved"
            assert f"--rtt {rtt}ms" in link_cell(page).inner_text()
        assert not [url for url in asked if "/lab/" in url]


@pytest.mark.parametrize(
    ("written", "read", "slider"),
    [
        ("--rtt 75ms", "75 ms", "75"),
        ("--rtt 0.2s", "200 ms", "200"),
        ("--rtt 12.5ms", "12.5 ms", "15"),
        ("--rtt 2s --jitter 5ms", "2000 ms", "300"),
        ("--jitter 5ms --rtt 0ms", "0 ms", "0"),
        ("--cut", "as the code says", None),
        ("--rtt soon", "as the code says", None),
    ],
)
def test_the_slider_follows_the_distance_that_a_visitor_writes(site, written, read, slider):
    with site.page("") as page:
        code = link_cell(page)
        code.fill(code.inner_text().replace("--rtt 120ms", written))
        dragged = page.locator("#rl-demo input")
        assert page.locator("#rl-demo output").inner_text() == read
        assert dragged.is_disabled() == (slider is None)
        if slider is not None:
            assert dragged.input_value() == slider
            total = f"{3 * float(read.removesuffix(' ms')):g} ms"
            assert page.locator("#rl-demo .rl-time").first.inner_text() == total


@pytest.mark.parametrize("path", ["", "guide/streams/", "lab/lab/", "lab/notebooks/", "lab/tree/"])
def test_a_page_can_ask_no_other_host_for_anything(site, path):
    with site.page(path) as page:
        refusals = page.evaluate(
            """async () => {
                const refusals = [];
                addEventListener('securitypolicyviolation',
                    ({ effectiveDirective }) => refusals.push(effectiveDirective));
                await fetch('http://example.org/').catch(() => {});
                const elsewhere = 'http://example.org/a';
                for (const name of ['img', 'script', 'iframe']) {
                    const made = document.createElement(name);
                    document.body.append(Object.assign(made, { src: elsewhere }));
                }
                document.body.append(Object.assign(document.createElement('link'),
                    { rel: 'stylesheet', href: elsewhere }));
                while (new Set(refusals).size < 5) {
                    await new Promise(resolve => setTimeout(resolve, 10));
                }
                return [...new Set(refusals)].sort();
            }"""
        )
    assert refusals == ["connect-src", "frame-src", "img-src", "script-src-elem", "style-src-elem"]


def test_the_picture_is_what_the_virtual_clock_recorded(site):
    with site.page("") as page:
        told = json.loads(page.locator("#rl-demo script[type='application/json']").text_content())
    programs = {program["name"]: program for program in told["programs"]}
    assert programs["awaited"]["trips"] == 3
    assert programs["pipelined"]["trips"] == 1
    for program in programs.values():
        assert program["messages"][-1]["arrived"] == program["trips"]
        for message in program["messages"]:
            assert message["arrived"] - message["left"] == 0.5


def test_the_code_of_the_landing_page_runs_and_can_be_changed(site, pictures):
    with site.page("") as page:
        cell(page, 3).get_by_role("button", name="Run").click()
        page.locator(".rl-status", has_text="Python").wait_for()  # it says what it waits for
        output = cell(page, 3).locator(OUTPUT)
        output.wait_for()
        cell(page, 3).locator(".rl-tables").wait_for()
        assert "Tyger Tyger, burning bright after 120 ms" in output.inner_text()
        assert cell(page, 3).locator(".rl-state").inner_text() == "1 round trip"
        assert cell(page, 3).locator(".rl-picture svg").count() == 1
        assert page.locator(".rl-status").is_hidden()
        page.screenshot(path=pictures / "site-landing-ran.png", full_page=True)

        code = cell(page, 3).locator("pre[contenteditable]")
        changed = (
            code.inner_text().replace("= env", "= await env").replace("= shelf", "= await shelf")
        )
        code.fill(changed)
        code.press("Shift+Enter")
        cell(page, 3).locator(".rl-state", has_text="3 round trips").wait_for()
        assert "after 360 ms" in output.inner_text()

        drag_to(page, 75)  # what has run runs again
        output.filter(has_text="after 225 ms").wait_for()

        # Whoever writes code here, or has sent a link of it, can have it send nothing anywhere.
        code.fill("import js\nawait js.fetch('http://example.org/')")
        code.press("Shift+Enter")
        output.filter(has_text="Failed to fetch").wait_for()
        code.fill(changed)

        worker = cell(page, 1).locator("pre[contenteditable]")
        worker.fill(worker.inner_text().replace("Tyger Tyger", "Little Lamb"))
        assert "rl-stale" in cell(page, 3).get_attribute("class")
        cell(page, 3).get_by_role("button", name="Run").click()
        output.filter(has_text="Little Lamb").wait_for()
        assert page.locator(".rl-stale").count() == 0


def test_the_cells_of_a_guide_run_in_place_with_their_calls_and_both_tables(site, pictures):
    with site.page("guide/streams/") as page:
        page.get_by_role("button", name="Run all").click()
        last = page.locator(".rl-cell").last
        page.wait_for_function(
            "() => document.querySelectorAll('.rl-cell:not(.rl-ran)').length === 0"
        )
        assert page.locator(".rl-error").count() == 0
        page.screenshot(path=pictures / "site-guide-ran.png", full_page=True)
        rows = page.locator(".rl-tables").last.locator("tr").all_inner_texts()
        assert rows[0].split("\t")[0].startswith("holds now")
        assert last.locator(".rl-bar").is_visible()
