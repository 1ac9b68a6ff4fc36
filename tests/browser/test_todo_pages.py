"""The to-do pages in a browser, served on this machine; with a keyboard, and without scripts."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from support.serving import serving

DEMO = Path(__file__).parents[2] / "demos" / "todo"
EVIL = "<img src=x onerror=\"document.title = 'evil'\"> & tea"

# The smallest contrast of a text with what is behind it, 1 to 21.
CONTRAST = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const clear = ([, , , a = 1]) => a === 0;
    const background = element => {
        const colour = numbers(getComputedStyle(element).backgroundColor);
        return clear(colour) && element.parentElement ? background(element.parentElement) : colour;
    };
    const light = colour => colour.slice(0, 3)
        .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const contrast = element => {
        const both = [light(numbers(getComputedStyle(element).color)), light(background(element))];
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    };
    const texts = [...document.body.querySelectorAll('*')].filter(element =>
        [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
    return Math.min(...texts.map(contrast));
}"""


@pytest.fixture
def address(tmp_path):
    """The application, with nothing on its list."""
    with serving(DEMO, "web", storage=tmp_path / "kept") as address:
        yield address


@pytest.fixture
def page(chromium, address):
    """The list, in a browser."""
    with opened(chromium, address) as page:
        yield page


# Chromium writes it to the console when an answer, such as the one to a mistake, is no success.
NO_SUCCESS = "Failed to load resource: the server responded with a status of 4"


@contextmanager
def opened(chromium, address, **options):
    """Open the list; whatever the page complains of, or asks of others, fails the test."""
    context = chromium.new_context(viewport={"width": 720, "height": 640}, **options)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert [each for each in complaints if not each.startswith((address, NO_SUCCESS))] == []


def titles(page):
    return page.locator("li .title").all_inner_texts()


def add(page, title):
    page.get_by_label("What is to be done?").fill(title)
    page.get_by_role("button", name="Add").click()
    page.locator("li .title", has_text=title).wait_for()


def sign_in(page):
    page.get_by_role("link", name="Admin").click()
    page.get_by_label("Password").fill("open sesame")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="The bin").wait_for()


def status_is(page, text):
    page.get_by_role("status").filter(has_text=text).wait_for()


def test_a_task_is_added_ticked_and_deleted_on_one_page(page):
    page.evaluate("window.still = 'here'")
    add(page, "buy milk")
    add(page, "call the plumber")
    page.get_by_role("button", name="Done: buy milk", pressed=False).click()
    status_is(page, "1 of 2 done")
    page.get_by_role("button", name="Done: buy milk", pressed=True).click()
    status_is(page, "0 of 2 done")
    page.get_by_role("button", name="Delete: buy milk").click()
    status_is(page, "0 of 1 done")
    assert titles(page) == ["call the plumber"]
    assert page.evaluate("window.still") == "here"  # the page was not loaded anew
    page.reload()
    assert titles(page) == ["call the plumber"]


def test_the_list_is_worked_with_the_keyboard_alone(page):
    page.keyboard.press("Tab")  # to the link
    page.keyboard.press("Tab")
    page.keyboard.type("buy milk")
    page.keyboard.press("Enter")
    status_is(page, "0 of 1 done")
    page.keyboard.type("buy bread")  # the focus is in the field again, which is empty
    page.keyboard.press("Enter")
    status_is(page, "0 of 2 done")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    status_is(page, "1 of 2 done")
    assert page.evaluate("document.activeElement.ariaLabel") == "Done: buy milk"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    status_is(page, "0 of 1 done")
    assert page.evaluate("document.activeElement.id") == "top"  # its button is gone


def test_what_users_write_is_not_run(page):
    add(page, EVIL)
    page.reload()
    assert titles(page) == [EVIL]
    assert page.title() == "To do"
    assert page.locator("img").count() == 0


def test_a_mistake_is_said_and_what_was_typed_stays(page, address):
    page.get_by_label("What is to be done?").fill("   ")
    with page.expect_response(f"{address}/tasks") as response:
        page.get_by_role("button", name="Add").click()
    assert response.value.status == 400
    status_is(page, "a task needs a title")
    assert page.get_by_label("What is to be done?").input_value() == "   "


def test_who_is_signed_in_restores_tasks_and_empties_the_bin(page, pictures):
    for title in ("buy milk", "call the plumber", "water the plants"):
        add(page, title)
    page.get_by_role("button", name="Done: call the plumber").click()
    status_is(page, "1 of 3 done")
    for title, left in (("buy milk", "1 of 2"), ("water the plants", "1 of 1")):
        page.get_by_role("button", name=f"Delete: {title}").click()
        status_is(page, f"{left} done")
    sign_in(page)
    status_is(page, "0 open, 1 done, 2 in the bin")
    page.screenshot(path=pictures / "todo-admin.png", full_page=True)
    page.get_by_role("button", name="Restore: buy milk").click()
    status_is(page, "1 open, 1 done, 1 in the bin")
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_text("It is empty.").wait_for()
    latest = page.locator(".history li").first.inner_text()
    assert latest.startswith("water the plants\ndeleted for good by the admin page, 2")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Admin").click()
    assert page.get_by_label("Password").is_visible()


def test_without_scripts_the_same_forms_do_the_same(chromium, address):
    with opened(chromium, address, java_script_enabled=False) as page:
        add(page, "buy milk")
        page.get_by_role("button", name="Done: buy milk").click()
        status_is(page, "1 of 1 done")
        assert page.url == f"{address}/"  # so that loading it again repeats nothing
        page.get_by_role("button", name="Delete: buy milk").click()
        status_is(page, "Nothing to do.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_and_nothing_is_cut_off(chromium, address, pictures, theme):
    with opened(chromium, address, color_scheme=theme) as page:
        for title in ("buy milk", "a" * 200, "call the plumber about " + "the tap " * 20, EVIL):
            add(page, title)
        page.get_by_role("button", name="Done: buy milk").click()
        status_is(page, "1 of 4 done")
        for width in (720, 320):
            page.set_viewport_size({"width": width, "height": 640})
            page.screenshot(path=pictures / f"todo-{theme}-{width}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) >= 4.5
        sign_in(page)
        page.screenshot(path=pictures / f"todo-admin-{theme}-320.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) >= 4.5
