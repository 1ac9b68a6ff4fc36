"""In a browser, what takes sockets or processes is refused at its door, and nothing is tried."""

import pytest

import rpclab
from rpclab import errors

WORKER = "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n    pass\n"
DOORS = {
    "a server of HTTP": lambda sandbox: sandbox.serve(port=0),
    "a listener": lambda _: rpclab.serve(print, "tcp:127.0.0.1:0"),
    "a listener at a path": lambda _: rpclab.serve(print, "unix:/tmp/there-is-none"),
    "a TCP connection": lambda _: rpclab.connect("tcp:127.0.0.1:1"),
    "a WebSocket": lambda _: rpclab.connect("ws://127.0.0.1:1"),
    "a batch": lambda _: rpclab.connect("http://127.0.0.1:1"),
    "a move": lambda sandbox: sandbox.move("w", "process"),
}


@pytest.fixture(autouse=True)
def in_browser(monkeypatch):
    monkeypatch.setattr(errors, "IN_BROWSER", True)


@pytest.mark.parametrize("door", DOORS)
async def test_what_a_page_cannot_do_says_so(sandbox, door):
    sandbox.deploy("w", source=WORKER)
    with pytest.raises(rpclab.RpcError, match="and Python in a browser has none: run this on a"):
        await DOORS[door](sandbox)


def test_a_worker_that_wants_a_process_is_not_deployed_and_the_one_before_stays(sandbox):
    first = sandbox.deploy("w", source=WORKER)
    with pytest.raises(errors.PlacementError, match='to run "w" in a process of its own takes'):
        sandbox.deploy("w", source=WORKER, placement="process:2")
    assert sandbox.worker("w") is first


async def test_sessions_in_memory_need_no_socket():
    async with rpclab.serve(len, "memory:here"), rpclab.connect("memory:here") as count:
        assert await count([1, 2]) == 2
