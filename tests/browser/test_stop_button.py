"""The button with the square, while a cell waits for a call that never returns."""

from support.jupyterlab import new_notebook

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
    cells = ("%load_ext rpclab", WORKER, "%bind SLOW=slow\nawait env.SLOW.hang()", "await env.SLOW.answer()")
    with lab.open("hangs.ipynb", new_notebook(*cells)) as page:
        page.start_all()
        page.wait_for_output("it runs")
        *_, hung, after = page.press_stop()
        page.picture(pictures / "stopped.png")
        again = page.run_last()
    error = hung["outputs"][-1]
    assert error["ename"] == "KeyboardInterrupt"
    assert "while it waited for\n  slow.hang()" in error["traceback"][0]
    assert after["execution_count"] is None
    assert again["outputs"][0]["data"]["text/plain"] == "42"
