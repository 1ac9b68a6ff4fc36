"""A link holds the cells of a notebook: it opens what was copied, runs nothing, trusts nobody."""

import pytest

CELLS = [
    {"kind": "markdown", "source": "# Two Workers, <script>alert(1)</script>"},
    {"kind": "code", "source": "%load_ext rpclab"},
    {"kind": "code", "source": "%%worker w\nprint('hé 🙂')"},
    {"kind": "code", "source": "1 / 0", "fails": True},
]

PACK = """async cells => {
    const { pack } = await import('/lab/share.js');
    return await pack(cells).catch(error => String(error));
}"""
UNPACK = """async hash => {
    const { unpack } = await import('/lab/share.js');
    return await unpack(hash).catch(error => String(error));
}"""
# Deflated as the page does it, of a text that the page itself would not pack.
FORGE = """async text => {
    const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('deflate-raw'));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const base = btoa(String.fromCharCode(...bytes));
    return '#share=1.' + base.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}"""


@pytest.fixture
def page(site):
    with site.page("search/") as page:
        yield page


def test_what_was_packed_is_unpacked(page):
    link = page.evaluate(PACK, CELLS)
    assert link.startswith("#share=1.")
    assert page.evaluate(UNPACK, link) == [{"fails": False, **cell} for cell in CELLS]


def test_a_link_is_bounded_in_cells_bytes_and_characters(page):
    cell = {"kind": "code", "source": "x"}
    assert "200 cells at most, and these are 201" in page.evaluate(PACK, [cell] * 201)
    many = [{"kind": "code", "source": "a" * 1_000_001}]
    assert "1000000 bytes at most" in page.evaluate(PACK, many)
    noise = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(30_000))
    assert "32000 are the most" in page.evaluate(PACK, [{"kind": "code", "source": noise}])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 1_000_001, "more than 1000000 bytes"),
        ("no json", "damaged"),
        ('{"a": 1}', "no notebook"),
        ("[1]", "no notebook"),
        ('[[2, "x"]]', "no notebook"),
        ("[[0, 5]]", "no notebook"),
        ('[["length", "x"]]', "no notebook"),
        ('[["map", "x"]]', "no notebook"),
        ('[["0", "x"]]', "no notebook"),
        ('[[[1], "x"]]', "no notebook"),
        ('[[-1, "x"]]', "no notebook"),
        ('[[0.5, "x"]]', "no notebook"),
        ('"[[0,1]]"', "no notebook"),
        ("null", "no notebook"),
        ("[" * 900_000, "damaged"),
        ("[" + "[0,1]," * 200 + "[0,1]]", "no notebook"),
    ],
    ids=range(16),
)
def test_what_is_not_exactly_of_the_form_is_refused(page, text, said):
    assert said in page.evaluate(UNPACK, page.evaluate(FORGE, text))


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("#share=2.abc", "another version"),
        ("#share=1.$$$", "damaged"),
        ("#share=1.AAAA", "damaged"),
        ("#share=1.", "damaged"),
        ("#share=", "another version"),
        ("#share=1", "another version"),
        ("#share=__proto__.AAAA", "another version"),
        ("#share=1.%E2%98%83", "damaged"),
        ("#share=1." + "A" * 32_000, "32000 are the most"),
        ("#share=1." + "A" * 5_000_000, "32000 are the most"),
    ],
)
def test_a_link_that_was_cut_or_made_by_another_site_is_refused(page, link, said):
    assert said in page.evaluate(UNPACK, link)


def test_a_link_opens_the_copied_cells_after_a_warning_and_runs_none(site, pictures):
    with site.page("search/") as page:
        link = page.evaluate(PACK, CELLS)
    with site.page(f"lab/lab/index.html{link}") as page:
        dialog = page.locator("#rpclab-shared")
        dialog.wait_for()
        page.screenshot(path=pictures / "site-shared.png")
        assert "their code runs in this browser" in dialog.inner_text()
        assert "%%worker w" in dialog.inner_text()
        assert "#" not in page.url  # so that it is not in the history, nor opened by a reload
        dialog.get_by_role("button", name="Open").click()
        opened = site.when_ready(page)
        assert [cell["source"] for cell in opened.code_cells()] == [
            cell["source"] for cell in CELLS if cell["kind"] == "code"
        ]
        assert all(cell["execution_count"] is None for cell in opened.code_cells())
        assert opened.code_cells()[-1]["metadata"]["tags"] == ["raises-exception"]
        page.evaluate("navigator.clipboard.writeText = text => { window.copied = text; }")
        page.locator("#rpclab-share").click()
        page.wait_for_function("window.copied")
        assert page.evaluate("new URL(window.copied).hash") == link


def test_a_link_that_comes_to_an_open_page_is_asked_about_as_well_and_hides_nothing(site):
    with site.page("search/") as page:
        cells = [{"kind": "code", "source": "x = 1  # \u202e)(llams\u200b"}]
        first, second = (page.evaluate(PACK, each) for each in (CELLS, cells))
    with site.page(f"lab/lab/index.html{first}") as page:
        dialog = page.locator("#rpclab-shared")
        dialog.filter(has_text="worker w").wait_for()
        page.evaluate("link => { location.hash = link; }", second)
        dialog.filter(has_text="1 cell with 1 line into").wait_for()
        assert dialog.count() == 1
        assert "x = 1  # ⟨U+202E⟩)(llams⟨U+200B⟩" in dialog.inner_text()
        assert "#" not in page.url


def test_a_link_that_is_refused_opens_nothing(site):
    with site.page("search/") as page:
        link = page.evaluate(PACK, CELLS)
    for given, answer in ((link, "Cancel"), ("#share=1.AAAA", "Close")):
        with site.page(f"lab/lab/index.html{given}") as page:
            page.locator("#rpclab-shared").get_by_role("button", name=answer).click()
            page.locator("#rpclab-shared").wait_for(state="detached")
            page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
            files = (
                "app => app.serviceManager.contents.get('').then(f => f.content.map(e => e.name))"
            )
            names = page.evaluate(f"() => ({files})(window.jupyterapp)")
            assert not [name for name in names if name.startswith("shared")]
