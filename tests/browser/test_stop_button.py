"""The button with the square, while a cell waits for a call that never returns."""

WORKER = """\
%%worker slow
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def hang(self):
        print("it", "runs")
        await asyncio.Event().wait()

    async def answer(self):
        return 42
"""


def test_a_cell_that_hangs_is_stopped_and_says_what_it_waited_for(lab, pictures):
    hang, answer = "%bind SLOW=slow\nawait env.SLOW.hang()", "await env.SLOW.answer()"
    with lab.open_cells("%load_ext rpclab", WORKER, hang, answer) as page:
        page.start_all()
        page.wait_for_output("it runs")
        stopped = page.press_stop(2)["outputs"][-1]
        page.picture(pictures / "stopped.png")
        after = page.run_last()
    assert stopped["ename"] == "KeyboardInterrupt"
    assert "while it waited for\n  slow.hang()" in stopped["traceback"][0]
    assert after["outputs"][0]["data"]["text/plain"] == "42"
