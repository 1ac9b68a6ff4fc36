"""Every request is heard, and ends under its own header, whatever else happens meanwhile."""

import pytest

# Messages to widgets are handled when the test says so, and then their tasks have an end to await.
HANDLES_LATE = """
import asyncio, threading
kernel = get_ipython().kernel
came, go, handled_by = asyncio.Event(), asyncio.Event(), []

async def handle(stream, ident, message):
    handled_by.extend(task for task in asyncio.all_tasks() if "shell_main" in repr(task.get_coro()))
    came.set()
    await go.wait()

kernel.shell_handlers["comm_msg"] = handle
"""

WAITS_FOR_A_MESSAGE = "print('waits')\nawait came.wait()"

LETS_IT_BE_HANDLED = """
go.set()
await asyncio.wait(handled_by)
print("the cell")
thread = threading.Thread(target=print, args=("a thread",))
thread.start()
thread.join()
"""

# The next reply is sent at the very moment at which a request has come and was not looked at yet.
REPLIES_WHEN_A_REQUEST_COMES = """
import select
kernel = get_ipython().kernel
replies = kernel.shell_channel_thread.manager._main_to_shell_channel.to_stream
send = replies._recv_callback

def send_when_a_request_has_come(reply):
    replies._recv_callback = send
    select.select([kernel.shell_stream.socket.FD], [], [], 30)
    send(reply)

replies._recv_callback = send_when_a_request_has_come
"""


@pytest.fixture
def hearing_kernel(request, kernel):
    """A fresh kernel that handles messages to widgets while a cell awaits."""
    kernel.run("import inspect")
    asked = "inspect.signature(get_ipython().kernel.dispatch_shell).parameters"
    if "concurrent" not in kernel.value(f"list({asked})"):
        pytest.skip("this kernel lets messages wait for their turn")
    return request.getfixturevalue("fresh_kernel")


@pytest.mark.parametrize("where", ["the main shell", "a subshell"])
def test_a_cell_ends_as_itself_though_a_message_was_handled_that_came_before_it(
    hearing_kernel, where
):
    kernel = hearing_kernel
    subshell = kernel.new_subshell() if where == "a subshell" else None
    kernel.run(HANDLES_LATE)
    first = kernel.start(WAITS_FOR_A_MESSAGE, subshell)
    kernel.wait(first, lambda output: "waits" in output.stdout)
    message = kernel.comm("any", {}, subshell)
    kernel.finish(first)
    second = kernel.start(LETS_IT_BE_HANDLED, subshell)
    assert kernel.finish(second).stdout == "the cell\na thread\n"
    assert kernel.wait(message, lambda output: output.idle).count("status") == 1


def test_a_cell_ends_as_itself_whatever_parent_was_set_in_it(hearing_kernel):
    other = "{'header': {'msg_id': 'other', 'msg_type': 'execute_request'}}"
    ran = hearing_kernel.run(f"get_ipython().kernel.set_parent([], {other})")
    assert ran.count("status") == 2  # busy, idle
    assert hearing_kernel.value("1 + 1") == "2"


def test_a_request_that_comes_while_a_reply_is_sent_is_not_lost(request, kernel):
    if kernel.value("getattr(get_ipython().kernel, 'shell_channel_thread', None)") is None:
        pytest.skip("this kernel reads and replies in one thread")
    kernel = request.getfixturevalue("fresh_kernel")
    replies = kernel.start(REPLIES_WHEN_A_REQUEST_COMES)
    kernel.wait(replies, lambda output: output.idle)
    assert kernel.value("1 + 1") == "2"


def test_a_message_that_cannot_be_read_does_not_end_the_cell_that_runs(hearing_kernel):
    kernel = hearing_kernel
    kernel.run(HANDLES_LATE + "go.set()")
    cell = kernel.start(WAITS_FOR_A_MESSAGE)
    kernel.wait(cell, lambda output: "waits" in output.stdout)
    kernel.send_unreadable("comm_open")
    kernel.comm("any", {})
    kernel.finish(cell)
    assert kernel.value("1 + 1") == "2"
    assert kernel.output(cell).count("status") == 2  # busy, idle
