"""What a cell is told where something well meant does not work."""

import itertools
import sys

import pytest
from support.kernels import COUNTER

from rpclab.notebook.blocking import BlockingWatch
from rpclab.workers.env import Env
from rpclab.workers.modules import make_module, run_source

CHAT = """\
%%worker chat
import time
from workers import DurableObject, WorkerEntrypoint

class Room(DurableObject):
    pass

class Default(WorkerEntrypoint):
    def use(self):
        return limit

    def block(self):
        while True:
            time.sleep(0.001)
"""


@pytest.fixture
def chat(kernel):
    kernel.run(CHAT)
    kernel.run("%bind CHAT=chat")
    return kernel


@pytest.mark.any_kernel
def test_a_name_of_the_notebook_is_not_one_of_a_worker(chat):
    chat.run("limit = 10")
    failed = chat.run("await env.CHAT.use()")
    assert failed.error_name == "NameError"
    assert "limit (int) is defined in the notebook or program" in failed.error
    assert "--json limit=value" in failed.error
    failed = chat.run("%%worker w\nprint(limit)")
    assert "limit (int) is defined in the notebook or program" in failed.error


@pytest.mark.any_kernel
def test_a_default_class_without_its_base_does_not_take_the_place_of_the_old_version(kernel):
    kernel.run(COUNTER)
    refused = kernel.run("%%worker counter-service\nclass Default:\n    pass")
    assert "derive it from WorkerEntrypoint" in refused.stderr
    assert 'version 1 of "counter-service" serves on' in refused.stderr
    assert refused.stderr.count("\n") == 1
    kernel.run("%bind COUNTER=counter-service#CounterService")
    assert kernel.value("await env.COUNTER.new_counter().increment(5)") == "5"


@pytest.mark.any_kernel
@pytest.mark.parametrize("body", ["class A(:", "1/0", "--bnd X=y"])
def test_a_failed_redeployment_says_that_the_old_version_serves_on(kernel, body):
    kernel.run(COUNTER)
    line, code = (body, "x = 1") if body.startswith("--") else ("", body)
    failed = kernel.run(f"%%worker counter-service {line}\n{code}")
    if not line:
        assert 'version 1 of "counter-service" serves on' in failed.error
    first = kernel.run(f"%%worker another {line}\n{code}")
    assert "serves on" not in (first.error or "") + first.stderr


@pytest.mark.any_kernel
def test_a_class_of_durable_objects_says_how_it_is_bound(chat):
    refused = chat.run("%bind R=chat#Room")
    assert "--object VAR=Room@chat" in refused.stderr
    assert refused.stderr.count("\n") == 1
    for spelling in ("chat#Room", "Room@chat"):
        assert chat.run(f"%bind --object R={spelling}").stderr == ""
        assert "R: → objects of chat#Room" in chat.value("env")


@pytest.mark.any_kernel
def test_asyncio_run_in_a_cell_says_to_await(kernel):
    failed = kernel.run("import asyncio\nasync def main(): pass\nasyncio.run(main())")
    assert failed.error_name == "RuntimeError"
    assert "a cell can await: write `await main()` instead" in failed.error


@pytest.mark.any_kernel
def test_a_promise_says_what_to_do_on_its_card(chat):
    shown = chat.run("env.CHAT.use()")
    assert "await it" in shown.value
    assert "await it" in shown.html


def test_an_attribute_that_is_set_on_a_stub_is_told_of(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    kernel.run("counter = await env.COUNTER.new_counter()")
    said = kernel.run("counter.value = 3")
    assert said.stderr == (
        "rpclab: value was set on an RpcStub at this side only: nothing was sent, and the object"
        f" there is the same; call a method that changes it ({said.cell}, line 1)\n"
    )


def test_a_worker_that_keeps_the_loop_is_named_with_its_line(chat):
    request = chat.start("await env.CHAT.block()")
    try:
        chat.wait(request, lambda output: output.stderr)
    finally:
        said = chat.interrupt(request).stderr
    assert said.startswith("rpclab: the Worker chat has kept the event loop for ")
    assert "in Default.block" in said
    assert said.count("\n") == 1


# Without a kernel.


@pytest.fixture
def frame_of_a_worker():
    """A frame that runs the code of a Worker called "w"."""
    module = make_module("w", Env("w"), {"getframe": sys._getframe})
    run_source(module, "def spin(frame):\n    return frame(0)\n", "<worker w>")
    return module.spin(sys._getframe)


@pytest.fixture
def told(caplog):
    caplog.set_level("WARNING", "rpclab")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.expects_reports
def test_a_turn_of_the_loop_that_takes_over_a_second_is_told_of_once(frame_of_a_worker, told):
    now = itertools.count(0, 0.25)
    beats = [0]
    watch = BlockingWatch(lambda: beats[0], lambda: frame_of_a_worker, lambda: next(now))
    for _ in range(4):
        watch.look()
    assert told() == []
    for _ in range(20):
        watch.look()
    [line] = told()
    assert line.startswith("the Worker w has kept the event loop for 1 s, at <worker w>, line 2")
    beats[0] += 1
    for _ in range(20):
        watch.look()
    assert len(told()) == 2


def test_a_loop_that_turns_and_a_cell_that_blocks_are_not_told_of(frame_of_a_worker, told):
    now = itertools.count()
    turns = itertools.count()
    watch = BlockingWatch(lambda: next(turns), lambda: frame_of_a_worker, lambda: next(now))
    blocked = BlockingWatch(lambda: 0, sys._getframe, lambda: next(now))
    for _ in range(20):
        watch.look()
        blocked.look()
    assert told() == []
