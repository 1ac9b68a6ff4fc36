"""A Worker in a process of its own: what works there, and that it means what it means here."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import httpx
import pytest
from support.processes import WORKER, descendants
from support.real_time import until
from support.world import failure

import rpclab
from rpclab.errors import PlacementError

NEIGHBOUR = """
from workers import WorkerEntrypoint
import os
from pathlib import Path

class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()

    def double(self, number):
        return 2 * number

    async def ask(self, function):
        return await function(os.getpid())
"""


@pytest.fixture
def env(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    return sandbox.bind(WORKER="worker", ADMIN="worker#Admin")


async def test_it_runs_in_another_process_and_answers_as_ever(env):
    assert await env.WORKER.pid() in descendants()
    assert await env.WORKER.add(1, 2) == 3
    assert await env.ADMIN.who() == "admin"


async def test_placement_is_kernel_unless_it_is_said(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="kernel")
    assert await sandbox.bind(WORKER="worker").WORKER.pid() == os.getpid()


async def test_calls_are_pipelined_and_stubs_stay_there(env):
    counter = env.WORKER.counter()
    assert [await counter.increment(5), await counter.increment()] == [5, 6]
    kept = await env.WORKER.counter()
    assert await kept.increment() == 1
    kept.dispose()


async def test_functions_are_called_back(env):
    assert await env.WORKER.call(lambda number: number + 1, 41) == 42


async def test_a_call_of_keywords_and_props(sandbox, env):
    assert await env.WORKER.add(a=1, b=2) == 3
    sandbox.bind(PROPS=rpclab.binding("worker", props={"role": "cook"}))
    assert await env.PROPS.props() == {"role": "cook"}


async def test_streams_flow_out_of_it(env):
    assert [number async for number in await env.WORKER.count(5)] == [0, 1, 2, 3, 4]


async def test_http_is_answered_there(env):
    response = await env.WORKER.fetch("/", method="POST", body="tea")
    assert await response.text() == "POST tea"
    assert int(response.headers["x-pid"]) in descendants()


async def test_work_given_to_wait_until_goes_on(env):
    seen = []
    await env.WORKER.later(seen.append)
    await until(lambda: seen == ["done"])


async def test_an_error_keeps_its_class_and_its_place(env):
    error = await failure(env.WORKER.add(1, "two"))
    assert type(error) is TypeError
    assert "in Default.add" in error.__notes__[0]
    assert await failure(env.WORKER.nothing())


@pytest.mark.parametrize("placement", ["kernel", "process"])
async def test_it_reaches_its_neighbours_wherever_they_are(sandbox, placement):
    sandbox.deploy("neighbour", source=NEIGHBOUR, placement=placement)
    bind = {"NEIGHBOUR": "neighbour"}
    sandbox.deploy("worker", source=WORKER, bind=bind, placement="process")
    env = sandbox.bind(WORKER="worker", NEIGHBOUR="neighbour")
    assert await env.WORKER.neighbour("double", 21) == 42
    assert await env.WORKER.neighbour("pid") == await env.NEIGHBOUR.pid()
    assert await env.WORKER.neighbour("ask", lambda pid: pid) == await env.NEIGHBOUR.pid()


async def test_what_it_can_do_is_known_to_those_who_look(env):
    assert {"add", "counter", "pid"} < {*dir(env.WORKER)}
    assert "who" in dir(env.ADMIN)
    assert str(inspect.signature(env.WORKER.add)) == "(a, b)"


async def test_http_from_outside_reaches_it(sandbox, env):
    async with sandbox.serve(port=0) as server, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(server.url, content=b"tea")).text == "POST tea"


async def test_a_trace_shows_it_as_any_worker(sandbox, env):
    with sandbox.trace() as trace:
        assert await env.WORKER.counter().increment(5) == 5
    assert (trace.round_trips, trace.calls) == (1, 2)


@pytest.mark.parametrize("placement", ["kernel", "process"])
async def test_it_may_be_bound_to_a_worker_that_is_deployed_later(sandbox, placement):
    bind = {"NEIGHBOUR": "neighbour"}
    sandbox.deploy("worker", source=WORKER, bind=bind, placement="process")
    env = sandbox.bind(WORKER="worker")
    error = await failure(env.WORKER.neighbour("double", 1))
    assert 'no Worker "neighbour" is deployed' in str(error)
    sandbox.deploy("neighbour", source=NEIGHBOUR, placement=placement)
    assert await env.WORKER.neighbour("double", 21) == 42


async def test_a_worker_here_reaches_one_that_is_placed_later(sandbox):
    sandbox.deploy("worker", source=WORKER, bind={"NEIGHBOUR": "neighbour"})
    env = sandbox.bind(WORKER="worker")
    for placement in ("kernel", "process", "kernel", "process"):
        sandbox.deploy("neighbour", source=NEIGHBOUR, placement=placement)
        pid = await env.WORKER.neighbour("pid")
        assert (pid == os.getpid()) is (placement == "kernel")


async def test_a_binding_that_was_sent_leads_to_it(sandbox, env):
    sandbox.deploy("other", source=WORKER, placement="process")
    sandbox.bind(OTHER="other")
    taken = await env.WORKER.call(env.OTHER.call, lambda: "through both")
    assert taken == "through both"


async def test_objects_of_the_sandbox_are_reached_from_it(sandbox, tmp_path):
    sandbox.use_storage(tmp_path)
    sandbox.deploy(
        "rooms",
        source="""
from workers import DurableObject

class Room(DurableObject):
    async def enter(self, name):
        names = [*(await self.ctx.storage.get("names") or []), name]
        await self.ctx.storage.put("names", names)
        return names
""",
    )
    sandbox.deploy(
        "worker",
        source="""
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def enter(self, room, name):
        return await self.env.ROOMS.get_by_name(room).enter(name)
""",
        objects={"ROOMS": "rooms#Room"},
        placement="process",
    )
    env = sandbox.bind(WORKER="worker", ROOMS=rpclab.objects("rooms#Room"))
    assert await env.WORKER.enter("tea", "Ada") == ["Ada"]
    assert await env.ROOMS.get_by_name("tea").enter("Bob") == ["Ada", "Bob"]
    assert await env.WORKER.enter("tea", "Cy") == ["Ada", "Bob", "Cy"]


async def test_what_it_is_not_bound_to_it_cannot_bind(sandbox, caplog):
    sandbox.deploy("secret", source=NEIGHBOUR)
    sandbox.deploy("neighbour", source=NEIGHBOUR)
    source = """
import gc
from workers import WorkerEntrypoint
from rpclab.placement.child import Child

class Default(WorkerEntrypoint):
    async def reach(self, worker, *granted):
        child = next(each for each in gc.get_objects() if isinstance(each, Child))
        from rpclab.core.imports import Handle, Import
        from rpclab.rpc.bindings import ServiceBinding
        session = child._session("worker", worker)
        entry = Import(session, session.bind(list(granted)))
        session.imports[entry.id] = entry
        return await ServiceBinding(Handle(entry, session.keeper)).double(21)
"""
    bind = {"NEIGHBOUR": "neighbour"}
    sandbox.deploy("worker", source=source, bind=bind, placement="process")
    env = sandbox.bind(WORKER="worker")
    assert await env.WORKER.reach("neighbour", "entrypoint", "Default", {}, None) == 42
    for props in ({"admin": True}, {}):
        name = "Default" if props else "Other"
        error = await failure(env.WORKER.reach("neighbour", "entrypoint", name, props, None))
        assert isinstance(error, rpclab.DisconnectedError)
    sandbox.programs.share(sandbox.kv("cache"))
    error = await failure(env.WORKER.reach("notebook", "held", "0"))
    assert "bound to nothing of the kind" in str(error)


# Deploying.


def test_code_that_fails_raises_its_error_and_the_old_version_serves_on(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    with pytest.raises(KeyError) as caught:
        sandbox.deploy("worker", source='{}["tea"]', placement="process")
    notes = "\n".join(caught.value.__notes__)
    assert "<worker worker>, line 1" in notes
    assert 'version 1 of "worker" serves on' in notes


def test_a_syntax_error_names_its_line(sandbox):
    with pytest.raises(SyntaxError) as caught:
        sandbox.deploy("worker", source="def broken(:\n", placement="process")
    assert caught.value.lineno == 1


def test_code_that_ends_the_process_says_so(sandbox):
    with pytest.raises(PlacementError) as caught:
        sandbox.deploy("worker", source="import os; os._exit(7)", placement="process")
    assert "exit code 7" in str(caught.value)


def test_code_that_takes_too_long_is_given_up(sandbox):
    placement = rpclab.processes(start_seconds=0.1)
    with pytest.raises(PlacementError) as caught:
        sandbox.deploy("worker", source="while True: pass", placement=placement)
    assert "had not run after 0.1 s (start_seconds)" in str(caught.value)


def test_an_unknown_entrypoint_is_refused_where_it_is_bound(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    with pytest.raises(rpclab.UnknownEntrypointError) as caught:
        sandbox.bind(OTHER="worker#Admn")
    assert "Admin" in caught.value.__notes__[0]


@pytest.mark.parametrize("placement", ["proces", 3, object()])
def test_what_is_no_placement_is_refused(sandbox, placement):
    with pytest.raises((TypeError, ValueError)):
        sandbox.deploy("worker", source=WORKER, placement=placement)


def test_on_a_virtual_clock_there_are_no_processes():
    sandbox = rpclab.Sandbox(clock="virtual")
    with pytest.raises(PlacementError):
        sandbox.deploy("worker", source=WORKER, placement="process")
    sandbox.close()


async def test_a_new_version_takes_over_and_calls_under_way_finish(sandbox, env):
    waits = env.WORKER.wait(0.2)
    before = await env.WORKER.pid()
    counter = await env.WORKER.counter()
    sandbox.deploy("worker", source=WORKER, placement="process")
    after = await env.WORKER.pid()
    assert after != before
    assert await counter.increment() == 1
    await waits
    counter.dispose()
    await until(lambda: before not in descendants())
    assert after in descendants()


async def test_a_reset_leaves_no_process(alone, sandbox, env):
    counter = await env.WORKER.counter()
    assert descendants()
    sandbox.reset()
    assert not descendants()
    assert isinstance(await failure(counter.increment()), rpclab.DisconnectedError)


async def test_its_environment_and_folder_are_those_of_the_program(sandbox, monkeypatch):
    monkeypatch.setenv("TEA", "green")
    source = """
import os
from pathlib import Path
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def look(self):
        return [os.environ["TEA"], os.getcwd()]
"""
    sandbox.deploy("worker", source=source, placement="process")
    assert await sandbox.bind(WORKER="worker").WORKER.look() == ["green", str(Path.cwd())]


async def test_what_it_prints_and_logs_comes_here(env, capsys, caplog):
    await env.WORKER.say("hello")
    await env.WORKER.say("beware", "stderr")
    await env.WORKER.warn()
    seen = capsys.readouterr()
    assert seen.out == "hello\n"
    assert "beware" in seen.err
    assert "UserWarning: look out" in seen.err
    assert [record.getMessage() for record in caplog.records if record.name == "shop"] == [
        "out of tea"
    ]
