"""`rpclab.run` where nothing can be awaited: sync cells, callbacks of widgets, threads."""

import pytest
from support.kernels import COUNTER


@pytest.fixture
def counting(patched_kernel):
    return _with_a_counter(patched_kernel)


def _with_a_counter(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService\nimport rpclab, threading")
    return kernel


def test_run_in_a_sync_cell_patches_the_loop_and_goes_on_doing_its_work(fresh_kernel):
    counting = _with_a_counter(fresh_kernel)
    assert counting.value("rpclab.run(env.COUNTER.new_counter().increment(3))") == "3"
    assert counting.value("rpclab.run(env.COUNTER.new_counter().increment(4))") == "4"


def test_run_in_a_function_that_an_async_cell_calls(counting):
    counting.run("def count(): return rpclab.run(env.COUNTER.new_counter().increment(3))")
    assert counting.value("import asyncio\nawait asyncio.sleep(0)\ncount()") == "3"


def test_run_nested_in_run(counting):
    counting.run("async def outer(): return rpclab.run(env.COUNTER.new_counter().increment(4))")
    assert counting.value("rpclab.run(outer())") == "4"


def test_cells_queued_behind_a_run_are_all_run(counting):
    cells = [
        counting.start(f"x{n} = rpclab.run(env.COUNTER.new_counter().increment({n}))")
        for n in (1, 2, 3)
    ]
    for cell in cells:
        assert counting.finish(cell).error is None
    assert counting.value("x1, x2, x3") == "(1, 2, 3)"


def test_run_in_a_thread_while_a_cell_awaits(counting):
    cell = """\
import asyncio
async def work():
    return await env.COUNTER.new_counter().increment(5)
await asyncio.to_thread(lambda: rpclab.run(work()))
"""
    assert counting.value(cell) == "5"


def test_a_call_in_a_thread_with_a_loop_of_its_own_says_what_to_do(counting):
    cell = """\
import asyncio
async def elsewhere():
    try:
        env.COUNTER.new_counter()
    except rpclab.RpcError as error:
        return str(error)
await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
"""
    assert "call it in a coroutine, and give that to rpclab.run()" in counting.value(cell)
    assert counting.value("await env.COUNTER.new_counter().increment(6)") == "6"


def test_run_in_a_widget_callback(counting):
    comm_id = counting.run("""\
import ipywidgets
slider = ipywidgets.IntSlider()
seen = []
async def count(change):
    seen.append(await env.COUNTER.new_counter().increment(change.new))
slider.observe(lambda change: rpclab.run(count(change)), "value")
print(slider.comm.comm_id)
""").stdout.strip()
    moved = counting.comm(comm_id, {"method": "update", "state": {"value": 7}, "buffer_paths": []})
    counting.wait(moved, lambda output: output.idle)
    assert counting.value("seen") == "[7]"


def test_an_error_arrives_with_the_users_lines(counting):
    output = counting.run("rpclab.run(env.COUNTER.nothing())")
    assert "----> 1 rpclab.run(env.COUNTER.nothing())\n\nNoSuchMemberError" in output.error
