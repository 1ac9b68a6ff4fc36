"""Time and distance in a real kernel: the virtual clock, and `%rpclab link`, `locate`, `clock`."""

import pytest

SLOW = """\
%%worker slow
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def sleep(self, seconds):
        await asyncio.sleep(seconds)
        print("slept", seconds)
        return asyncio.get_running_loop().time()

    async def for_ever(self):
        print("runs")
        while True:
            await asyncio.sleep(1)

    async def spin(self):
        await asyncio.sleep(1)
        print("runs")
        while True:
            pass

    async def call_later(self, function):
        await asyncio.sleep(60)
        await function()

    async def background(self):
        self.ctx.wait_until(self.sleep(1000))
"""


@pytest.fixture
def slow(kernel):
    kernel.run("%rpclab clock virtual")
    kernel.run(SLOW)
    kernel.run("%bind SLOW=slow\nimport asyncio, rpclab")
    return kernel


def test_five_minutes_pass_at_once_and_print_the_same(slow):
    output = slow.run("print(await env.SLOW.sleep(300), sandbox.time())")
    assert (output.error, output.stdout) == (None, "[slow] slept 300\n300.0 300.0\n")
    assert slow.value("%rpclab clock") == "'virtual, at 300 s'"


def test_nothing_passes_between_cells(slow):
    slow.run("await env.SLOW.background()")
    slow.run("1")
    assert slow.value("sandbox.time()") == "0.0"
    slow.run("await sandbox.sleep(5)")
    assert slow.value("sandbox.time()") == "5.0"


def test_a_task_that_waits_goes_on_between_cells(slow):
    slow.run("task = asyncio.create_task(rpclab.gather(env.SLOW.sleep(50)))")
    assert slow.value("await asyncio.wait_for(task, 30)") == "[50.0]"


def test_a_callback_wakes_a_cell(slow):
    cell = "done = asyncio.Event()\ncall = env.SLOW.call_later(done.set)\nawait done.wait()"
    assert slow.run(cell).error is None
    assert slow.value("sandbox.time()") == "60.0"


def test_run_waits_in_virtual_time(patched_kernel):
    patched_kernel.run("%rpclab clock virtual")
    patched_kernel.run(SLOW)
    patched_kernel.run("%bind SLOW=slow\nimport rpclab")
    assert patched_kernel.value("rpclab.run(env.SLOW.sleep(300))") == "300.0"


@pytest.mark.parametrize("method", ["for_ever", "spin"])
def test_a_cell_that_waits_for_ever_can_be_interrupted(slow, method):
    request = slow.start(f"await env.SLOW.{method}()")
    slow.wait(request, lambda output: "runs" in output.stdout)
    assert slow.interrupt(request).error is not None
    assert slow.value("await env.SLOW.sleep(1) > 0") == "True"


@pytest.mark.any_kernel
def test_links_are_made_listed_and_changed_by_a_line(slow):
    assert slow.value("%rpclab link notebook slow --rtt 80ms --bandwidth 1MB/s") == (
        "<Link notebook ↔ slow: round trip 80 ms, 1 MB/s>"
    )
    assert slow.run("await env.SLOW.sleep(0)").error is None
    assert slow.value("0.08 < sandbox.time() < 0.081") == "True"
    slow.run("%rpclab link slow notebook --cut")
    listed = slow.value("%rpclab link")
    assert listed.startswith("notebook ↔ slow  round trip 80 ms, 1 MB/s")
    assert listed.endswith("cut")
    mended = slow.value("%rpclab link notebook slow --mend --jitter=5ms")
    assert "round trip 80 ms, jitter 5 ms, 1 MB/s" in mended
    assert "cut" not in mended
    assert slow.run("%rpclab break notebook slow").error is None


@pytest.mark.any_kernel
def test_workers_are_put_into_cities_by_a_line(slow):
    slow.run("%rpclab locate notebook=amsterdam")
    slow.run(SLOW.replace("%%worker slow", "%%worker slow --at tokyo"))
    slow.run("await env.SLOW.sleep(0)")
    assert slow.value("sandbox.time()") == "0.139"
    assert slow.value("%rpclab locate") == "{'notebook': 'amsterdam', 'slow': 'tokyo'}"


@pytest.mark.any_kernel
def test_what_is_not_understood_is_answered_in_a_line(slow):
    for line, message in {
        "%rpclab link notebook": "takes two Workers or two cities",
        "%rpclab link notebook slow --rtt fast": 'a text such as "80ms"',
        "%rpclab link notebook slow --rt 1s": "has no option --rt; did you mean '--rtt'",
        "%rpclab link notebook tokyo --rtt 1s": "tokyo is a city",
        "%rpclab break notebook slow": "no link joins notebook and slow",
        "%rpclab locate slow=tokio": "did you mean 'tokyo'?",
        "%rpclab locate slow": "not of the form WORKER=city",
        "%rpclab clock real": "reset the sandbox first",
        "%rpclab clock fast": 'a clock is "real" or "virtual"',
    }.items():
        assert message in slow.run(line).stderr
