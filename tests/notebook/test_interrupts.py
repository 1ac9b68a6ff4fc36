"""The button "interrupt". Every cell here would run for ever, or for a quarter of an hour."""

import pytest

WORKER = """\
%%worker slow
import asyncio, time
from workers import RpcTarget, WorkerEntrypoint

class Target(RpcTarget):
    def spin(self):
        print("runs")
        while True:
            try:
                time.sleep(0.001)
            except Exception:
                pass

    def name(self):
        return "target"

    def take(self, name):
        return name

class Default(WorkerEntrypoint):
    def target(self):
        return Target()

    async def name_of(self, target):
        return await target.name()

    async def hang(self):
        print("runs")
        await asyncio.sleep(1000)

    def spin(self):
        print("runs")
        while True:
            pass

    async def spin_later(self):
        await asyncio.sleep(0)
        print("runs")
        while True:
            pass

    async def spin_in_a_task(self):
        await asyncio.create_task(self._spin())

    async def _spin(self):
        self.spin()

    @property
    def endless(self):
        self.spin()
"""


@pytest.fixture
def slow(kernel):
    kernel.run(WORKER)
    kernel.run("%bind SLOW=slow\nimport asyncio, time, rpclab")
    yield kernel
    assert kernel.value("await asyncio.sleep(0)\n1 + 1") == "2"


def interrupted(kernel, cell):
    """Run a cell, and interrupt it once it has printed."""
    request = kernel.start(cell)
    kernel.wait(request, lambda output: "runs" in output.stdout)
    return kernel.interrupt(request)


def test_an_awaiting_cell_names_the_call_it_waited_for(slow):
    output = interrupted(slow, "call = env.SLOW.hang()\nawait call")
    assert output.error == (
        "KeyboardInterrupt: the cell was interrupted while it waited for\n"
        f"  slow.hang(), made at {output.cell}, line 1"
    )


def test_several_calls_are_named(slow):
    output = interrupted(slow, "await asyncio.gather(env.SLOW.hang(), env.SLOW.hang())")
    assert output.error.count("slow.hang()") == 2


def test_a_call_that_waits_for_itself_is_told_apart(slow):
    output = interrupted(
        slow,
        "target = env.SLOW.target()\n"
        "call = target.take(env.SLOW.name_of(target))\n"
        "print('runs')\n"
        "await call",
    )
    assert "waits for an argument that waits for it" in output.error


def test_the_call_is_cancelled_at_the_worker(slow):
    interrupted(slow, "p = env.SLOW.hang()\nawait p")
    assert "CallCancelledError" in slow.run("await p").error


def test_the_reply_says_the_same(slow):
    request = slow.start("await env.SLOW.hang()")
    slow.wait(request, lambda output: "runs" in output.stdout)
    slow.interrupt(request)
    reply = slow.reply_to(request)
    assert reply["ename"] == "KeyboardInterrupt"
    assert reply["evalue"].startswith("the cell was interrupted while it waited for")


def test_a_cell_that_awaits_something_else_names_its_line(slow):
    output = interrupted(slow, "print('runs')\nawait asyncio.sleep(1000)")
    assert output.error == (
        f"KeyboardInterrupt: the cell was interrupted while it awaited, at {output.cell}, line 2"
    )


@pytest.mark.parametrize("call", ["env.SLOW.hang()", "asyncio.sleep(1000)"])
def test_a_run_in_a_sync_cell_is_interrupted(patched_kernel, call):
    patched_kernel.run(WORKER)
    patched_kernel.run("%bind SLOW=slow\nimport asyncio, rpclab")
    output = interrupted(patched_kernel, f"print('runs')\nrpclab.run({call})")
    assert output.error_name == "KeyboardInterrupt"
    assert patched_kernel.value("1 + 1") == "2"


@pytest.mark.parametrize("before", ["x = 1", "await asyncio.sleep(0)"])
@pytest.mark.parametrize("body", ["while True: pass", "time.sleep(1000)"])
def test_a_cell_that_blocks_is_interrupted_at_its_line(slow, before, body):
    output = interrupted(slow, f"{before}; print('runs')\n{body}")
    assert output.error_name == "KeyboardInterrupt"
    assert f"----> 2 {body}" in output.error


@pytest.mark.parametrize("call", ["spin()", "spin_later()", "spin_in_a_task()", "endless"])
def test_a_worker_that_spins_loses_that_call_only(slow, call):
    output = interrupted(slow, f"await env.SLOW.{call}")
    assert "RpcError: the method was left by" in output.error
    assert "raised in the Worker at" in output.error


def test_a_target_that_spins_loses_that_call_only(slow):
    output = interrupted(slow, "target = await env.SLOW.target()\nawait target.spin()")
    assert "RpcError: the method was left by KeyboardInterrupt" in output.error


def test_a_worker_that_spins_between_cells_is_interrupted(slow):
    request = slow.start("p = env.SLOW.spin()")
    slow.wait(request, lambda output: output.idle and "runs" in output.stdout)
    slow.reply_to(request)
    slow.manager.interrupt_kernel()
    assert "left by KeyboardInterrupt" in slow.run("await p").error


def test_a_task_of_the_notebook_that_spins_is_interrupted(slow):
    slow.run("async def spin():\n    print('runs')\n    while True: pass")
    output = interrupted(slow, "await asyncio.create_task(spin())")
    assert output.error_name == "KeyboardInterrupt"


def test_an_interrupt_between_cells_does_nothing(slow):
    slow.manager.interrupt_kernel()
    assert slow.value("1 + 1") == "2"


def test_a_cancellation_that_is_no_interrupt_is_shown_as_ever(slow):
    raised = slow.run("raise asyncio.CancelledError('mine')")
    assert "----> 1 raise asyncio.CancelledError('mine')" in raised.error
    assert raised.error.endswith("CancelledError: mine")
