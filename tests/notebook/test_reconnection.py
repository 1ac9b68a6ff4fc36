"""A connection that outlives its sessions, in a notebook, whose cells are interrupted."""

from __future__ import annotations

import pytest

SERVER = """
import asyncio, rpclab

class Api(rpclab.RpcTarget):
    def hello(self, name):
        return f"Hello, {name}"

async def start():
    return await rpclab.serve(Api(), "memory:notebook")

server = await start()
lasting = await rpclab.connect("memory:notebook", reconnect=rpclab.Reconnect(first=0.05, most=0.1))
await server.stop()
"""


@pytest.fixture
def waiting(kernel):
    """A kernel with a connection whose server is gone."""
    assert kernel.run(SERVER).error is None
    yield kernel
    assert kernel.run("await lasting.close()").error is None
    kernel.run("await server.stop()")


def test_an_interrupted_cell_gives_its_call_up_and_the_connection_goes_on(waiting):
    request = waiting.start("print('runs')\nawait lasting.main.hello('Ada')")
    waiting.wait(request, lambda output: "runs" in output.stdout)
    output = waiting.interrupt(request)
    assert output.error == (
        "KeyboardInterrupt: the cell was interrupted while it waited for\n  memory:notebook.hello()"
    )
    assert waiting.value("lasting.state, lasting.waiting") == "('reconnecting', 0)"
    waiting.run("server = await start()")
    assert waiting.value("await lasting.main.hello('Bob')") == "'Hello, Bob'"
    assert waiting.value("lasting.state, lasting.sessions") == "('open', 2)"


def test_it_dials_between_cells_and_shows_its_state(waiting):
    shown = waiting.value("lasting")
    assert shown.startswith("<LastingConnection to memory:notebook, reconnecting, attempt ")
    waiting.run("call = lasting.main.hello('Ada')\nserver = await start()")
    assert waiting.value("await call") == "'Hello, Ada'"
    assert waiting.value("lasting") == "<LastingConnection to memory:notebook, open, session 2>"
