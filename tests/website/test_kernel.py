"""The extension on the kernel of JupyterLite, which is another one than ipykernel."""

import pytest

COMPLETE = """async ([code, position]) => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const reply = await kernel.requestComplete({ code, cursor_pos: position });
    return reply.content.matches;
}"""
INSPECT = """async code => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const reply = await kernel.requestInspect({ code, cursor_pos: code.length, detail_level: 0 });
    return reply.content.data['text/plain'];
}"""
WORKER = """%%worker clock
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def tick(self, times: int):
        "Tick, and say so."
        for each in range(times):
            await asyncio.sleep(0.05)
            print("tick", each)
        return times
"""
BIND = "%bind CLOCK=clock\nanswer = await env.CLOCK.tick(1)\nanswer"
LEFT_BEHIND = "going = asyncio.ensure_future(env.CLOCK.tick(3))\nNone"
AFTER = "await asyncio.sleep(0.5)\nprint('after')"
FAILS = "await env.CLOCK.tock()"
VIEW = "sandbox.timeline()"
WANTED = [
    "%load_ext rpclab\nimport asyncio", WORKER, BIND, LEFT_BEHIND, AFTER, VIEW, FAILS, "1 + 1",
]  # fmt: skip


def text(cell):
    return "".join(
        "".join(output.get("text", ""))
        for output in cell["outputs"]
        if output["output_type"] == "stream"
    )


@pytest.fixture(scope="module")
def ran(site):
    """A notebook with those cells, run; its page stays open for the tests of this module."""
    with site.page("lab/lab/index.html") as tab:
        tab.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
        tab.evaluate(
            """async sources => {
                const { notebook } = await import('/lab/share.js');
                const content = notebook(sources.map(source =>
                    ({ kind: 'code', source, fails: source.includes('tock') })));
                const { commands, serviceManager } = window.jupyterapp;
                const file = { type: 'notebook', format: 'json', content };
                await serviceManager.contents.save('cells.ipynb', file);
                await commands.execute('docmanager:open', { path: 'cells.ipynb' });
            }""",
            WANTED,
        )
        page = site.when_ready(tab)
        cells = page.run_all()
        yield page, tab, cells


def test_prints_of_a_worker_stand_in_the_cell_that_called_with_its_name(ran):
    assert text(ran[2][2]) == "[clock] tick 0\n"


def test_what_a_task_prints_stands_in_the_cell_that_began_it_however_late(ran):
    _, tab, _ = ran
    cells = ran[0].code_cells()
    assert text(cells[3]) == "[clock] tick 0\n[clock] tick 1\n[clock] tick 2\n"
    assert text(cells[4]) == "after\n"
    assert tab.locator(".jp-OutputArea-output", has_text="tick 2").count() == 1


def test_an_error_that_is_meant_to_come_stops_no_cell_below_it(ran):
    failed, below = ran[2][-2:]
    [error] = failed["outputs"]
    assert "tock" in error["evalue"]
    assert below["outputs"][0]["data"]["text/plain"] == "2"


def test_names_of_the_remote_are_completed_and_helped_with(ran):
    _, tab, _ = ran
    assert tab.evaluate(COMPLETE, ["env.CLOCK.ti", 12]) == ["env.CLOCK.tick"] or "tick" in str(
        tab.evaluate(COMPLETE, ["env.CLOCK.ti", 12])
    )
    assert "--bind" in str(tab.evaluate(COMPLETE, ["%%worker x --bi", 15]))
    assert "Tick, and say so." in tab.evaluate(INSPECT, "env.CLOCK.tick")


def test_a_live_view_follows_over_the_comms_of_that_kernel(ran):
    page, tab, _ = ran
    view = tab.locator(".rl-live")
    view.first.wait_for()
    before = view.first.inner_text()
    tab.evaluate(
        """() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
            .requestExecute({ code: "await env.CLOCK.tick(2)" }).done.then(() => 1)"""
    )
    tab.wait_for_function(
        "before => document.querySelector('.rl-live').innerText !== before", arg=before
    )
    assert page.strays == []


def test_the_page_says_what_it_waits_for_until_python_is_there(site):
    with site.page("lab/notebooks/index.html?path=notebooks/01-first-worker.ipynb") as page:
        bar = page.locator("#rpclab-bar")
        bar.filter(has_text="Python").wait_for()
        bar.wait_for(state="hidden")
        status = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
        assert page.evaluate(status) == "idle"
