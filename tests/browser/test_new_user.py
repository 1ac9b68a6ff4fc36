"""What somebody sees who works with it for the first time: completion, help, errors, restarts."""

import pytest

SHOP = '''\
%%worker shop
import asyncio
from workers import RpcTarget, WorkerEntrypoint

class Cart(RpcTarget):
    """What somebody is going to buy."""

    def add(self, name: str, *, count: int = 1) -> int:
        """Put something in."""
        print(f"{count} {name}")
        return count

    def _secret(self):
        return 1

class Default(WorkerEntrypoint):
    async def cart(self) -> Cart:
        """Take a cart."""
        return Cart()

    async def spin(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(self._spin())

    async def _spin(self):
        await asyncio.sleep(0)
        print("ru" + "ns")
        while True:
            pass
'''

CELLS = ["%load_ext rpclab", SHOP, "%bind SHOP=shop", "cart = await env.SHOP.cart()",
         "await cart.add('apples', count=3)"]  # fmt: skip


def typed(page, text):
    """Type into a new cell at the end, as far as the cursor."""
    page.evaluate("""async () => {
        const { commands, shell } = window.jupyterapp;
        const { content } = shell.currentWidget;
        content.activeCellIndex = content.widgets.length - 1;
        await commands.execute('notebook:insert-cell-below');
        await commands.execute('notebook:enter-edit-mode');
        content.activeCell.editor.focus();
    }""")
    page.keyboard.insert_text(text)


def test_tab_and_shift_tab_show_what_the_worker_has(lab, pictures):
    with lab.open_cells(*CELLS) as page:
        cells = page.run_all()
        assert [cell["outputs"][0]["text"] for cell in cells[-1:]] == ["[shop] 3 apples\n"]
        typed(page, "await cart.")
        page.keyboard.press("Tab")
        offered = page.find(".jp-Completer-item")
        offered.first.wait_for()
        words = {word for text in offered.all_inner_texts() for word in text.split()}
        assert {"add", "dispose", "dup"} <= words
        assert "_secret" not in words
        page.screen(pictures / "completion.png")
        page.keyboard.press("Escape")
        page.keyboard.insert_text("add(")
        page.keyboard.press("Shift+Tab")
        shown = page.find(".jp-Tooltip-content")
        shown.wait_for()
        text = shown.inner_text()
        assert "cart.add(name: str, *, count: int = 1) -> int" in text
        assert "Put something in." in text
        page.screen(pictures / "help.png")


def test_an_error_shows_what_is_meant_and_what_to_do(lab, pictures):
    with lab.open_cells(*CELLS, "await cart._secret()") as page:
        cell = page.run_all()[-1]
        [output] = cell["outputs"]
        assert output["ename"] == "NoSuchMemberError"
        assert "names that begin with _ are private" in "".join(output["traceback"])
        page.picture(pictures / "private.png")


def test_stop_ends_a_task_group_that_spins(lab, pictures):
    with lab.open_cells(*CELLS, "await env.SHOP.spin()\nprint('went on')") as page:
        page.start_all()
        page.wait_for_output("runs")
        cell = page.press_stop(len(CELLS))
        shown = str(cell["outputs"])
        assert "shop.spin(), made at Cell In[6], line 1" in shown
        assert "went on" not in shown.replace("print('went on')", "")
        page.picture(pictures / "stopped.png")


@pytest.mark.parametrize("view", ["sandbox.timeline()", "sandbox.view()"])
def test_a_view_whose_kernel_was_restarted_says_so_and_its_controls_rest(lab, pictures, view):
    link = "%rpclab link notebook shop --rtt 20ms"
    with lab.open_cells(*CELLS, link, view, "await env.SHOP.cart()") as page:
        page.run_all()
        page.hold("Controls")
        assert page.find(".rl-resting").count() == 0
        assert page.find(".rl-controls input:disabled").count() == 0
        page.evaluate("""async () => {
            await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart();
        }""")
        page.hold("The kernel was restarted: this view stands still")
        assert page.find(".rl-resting").count() == 1
        assert page.find(".rl-controls input:not(:disabled)").count() == 0
        page.picture(pictures / f"restarted-{view[8:-2]}.png")
        assert page.complaints == []
