"""What a walk through faults has found, in JupyterLab: rows open their timelines."""

import pytest

SHOP = """\
%%worker shop
from workers import RpcTarget, WorkerEntrypoint

class Cart(RpcTarget):
    def __init__(self):
        self._items = []

    def add(self, item):
        self._items.append(item)
        return len(self._items)

class Default(WorkerEntrypoint):
    def cart(self):
        return Cart()
"""
BLOCK = """\
%%trace
with await env.SHOP.cart() as cart:
    await cart.add("tea")
    await cart.add("milk")
"""
CELLS = [
    "%load_ext rpclab", SHOP, "%bind SHOP=shop\n%rpclab link notebook shop --rtt 80ms", BLOCK,
    "%rpclab replay fail shop#Cart.add 2 'ValueError: no milk'", "%rpclab faults",
]  # fmt: skip
ROW = ".rl-faults tbody tr:not(.rl-opened)"


@pytest.fixture(scope="module")
def page(lab):
    with lab.open_cells(*CELLS) as opened:
        ran = opened.run_all()
        assert [cell["source"] for cell in ran if cell["execution_count"] is None] == []
        opened.find(".rl-faults table").wait_for()
        yield opened


def test_there_is_a_row_for_each_cut_and_a_line_for_each_fault(page):
    assert page.find(ROW).count() == 16
    assert page.find(".rl-found li").count() == 3
    assert "missing timeout" in page.find(".rl-found").inner_text()


def test_a_row_opens_the_timeline_of_its_run_and_closes_it(page):
    button = page.find(f"{ROW} >> nth=3 >> button")
    button.click()
    opened = page.find(".rl-opened >> nth=0")
    opened.locator("svg").first.wait_for()
    assert "never ends" in opened.inner_text()
    assert button.get_attribute("aria-expanded") == "true"
    button.press("Enter")
    assert page.find(".rl-opened").count() == 0
    assert button.get_attribute("aria-expanded") == "false"


def test_a_fault_leads_to_the_first_row_that_shows_it(page):
    page.find(".rl-found button >> nth=1").click()
    opened = page.find(".rl-opened >> nth=0")
    opened.locator("svg").first.wait_for()
    assert "nothing bounds the wait for shop.add()" in opened.inner_text()


def test_the_keys_go_from_row_to_row_and_only_faults_can_be_shown(page):
    page.find(f"{ROW} >> nth=0 >> button").press("ArrowDown")
    focused = "() => document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "timeline of message 1, silent"
    page.find(".rl-faults input").check()
    assert page.find(f"{ROW} >> visible=true").count() < 16
    page.find(".rl-faults input").uncheck()


def test_the_table_stands_once_and_the_one_for_the_file_is_out_of_sight(page):
    assert page.find(".rl-faults table >> visible=true").count() == 1
    assert page.find(".rl-cuts-still >> visible=true").count() == 0
    assert page.complaints == []
    assert page.strays == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_has_the_colours_of_the_theme(page, pictures, theme):
    page.picture(pictures / f"faults-{theme}.png", theme)
    colours = page.evaluate("""() => {
        const { color, backgroundColor } = getComputedStyle(document.querySelector('.rl-faults'));
        return [color, backgroundColor];
    }""")
    text, ground = (sum(map(int, one.strip("rgb()").split(","))) for one in colours)
    assert (ground > text) == (theme == "light")
    assert abs(ground - text) > 300


def test_what_is_saved_opens_without_a_kernel(page, lab, tmp_path):
    saved = page.save().cells[-1].outputs[-1].data
    assert saved["text/plain"].startswith("Faults: 8 messages")
    assert saved["text/html"].count("<details>") == 3
    assert "<script" not in saved["text/html"]
