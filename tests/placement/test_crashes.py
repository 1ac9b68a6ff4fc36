"""What is left of a Worker whose process ends: a reason for everybody, and nothing else."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import sys
import termios
from types import SimpleNamespace

import pytest
from support.processes import WORKER, calling, descendants, lives
from support.real_time import until
from support.world import failure

import rpclab
from rpclab.errors import DisconnectedError
from rpclab.placement import hosts


@pytest.fixture
def env(sandbox):
    sandbox.deploy("worker", source=WORKER, placement="process")
    return sandbox.bind(WORKER="worker")


async def test_a_crash_breaks_all_at_once_with_the_exit_code_and_the_last_lines(env):
    pid = await env.WORKER.pid()
    counter = await env.WORKER.counter()
    broken = []
    counter.on_broken(broken.append)
    waits = env.WORKER.wait()
    error = await failure(env.WORKER.exit(3))
    assert isinstance(error, DisconnectedError)
    assert error.retryable
    text = f'the process {pid} of Worker "worker" ended: exit code 3'
    assert str(error) == f"{text}\n  stderr, last lines:\n    about to go"
    assert str(await failure(waits)) == str(error)
    assert str(broken[0]) == str(error)
    assert str(await failure(counter.increment())) == str(error)


async def test_it_starts_anew_at_the_next_call_and_its_bindings_lead_there(env):
    before = await env.WORKER.pid()
    await failure(env.WORKER.exit(1))
    calls = [env.WORKER.add(number, 1) for number in range(5)]
    assert [await call for call in calls] == [1, 2, 3, 4, 5]
    assert await env.WORKER.pid() != before


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGABRT"])
async def test_the_signal_that_ended_it_is_named(env, name):
    error = await failure(env.WORKER.kill(int(getattr(signal, name))))
    assert f"killed by {name}" in str(error)


async def test_a_segmentation_fault_tells_where_it_was(env):
    error = await failure(env.WORKER.crash())
    assert "killed by SIGSEGV" in str(error)
    assert "Fatal Python error: Segmentation fault" in str(error)
    assert "in crash" in str(error)


async def test_kill_9_from_outside_settles_every_promise(sandbox, env):
    for _ in range(3):
        pid = await env.WORKER.pid()
        waits = [env.WORKER.wait() for _ in range(10)]
        counter = await env.WORKER.counter()
        os.kill(pid, signal.SIGKILL)
        errors = [await failure(each) for each in (*waits, counter.increment())]
        assert all("killed by SIGKILL" in str(error) for error in errors)
        assert not lives(pid)


async def test_a_process_that_stands_still_is_given_up_and_the_reason_says_so(sandbox):
    placement = rpclab.processes(silence_seconds=0.4)
    sandbox.deploy("worker", source=WORKER, placement=placement)
    env = sandbox.bind(WORKER="worker")
    pid = await env.WORKER.pid()
    os.kill(pid, signal.SIGSTOP)
    error = await failure(env.WORKER.pid())
    assert "nothing was heard of it for 0.4 s" in str(error)
    assert not lives(pid)
    assert await env.WORKER.add(1, 1) == 2


class Silent:
    """An engine with one host, which says nothing, and the line to it."""

    used = 0.0

    def __init__(self):
        self.stopped = []

    def stop(self, number):
        self.stopped.append(number)

    def send(self, record, handed=None):
        pass

    def attach(self):
        pass

    def computed(self):
        return self.used


@pytest.mark.parametrize("computes", [True, False])
async def test_one_that_computes_in_c_code_is_not_taken_for_lost(monkeypatch, computes):
    now = [0.0]
    monkeypatch.setattr(hosts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    engine = Silent()
    host = hosts.Host(1, "worker", rpclab.processes(silence_seconds=30), engine, None)
    host.line = engine
    host.record({"kind": "alive"})
    for _ in range(20):
        host._look()
        host._timer.cancel()
        now[0] += 10
        engine.used += computes
        if engine.stopped:
            break
    assert engine.stopped == ([] if computes else [1])


async def test_one_that_has_not_begun_is_not_taken_for_silent(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(hosts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    engine = Silent()
    host = hosts.Host(1, "worker", rpclab.processes(silence_seconds=1), engine, None)
    host.line = engine

    def looks():
        for _ in range(8):
            host._look()
            host._timer.cancel()
            now[0] += 1

    looks()  # its node is being started, or the zygote loads what it needs
    assert engine.stopped == []
    host.record({"kind": "alive"})
    looks()
    assert engine.stopped[:1] == [1]


READS = """
import asyncio, rpclab

SOURCE = '''
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def read(self):
        with open("/dev/tty") as terminal:
            return terminal.read(1)
'''

async def main():
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("worker", source=SOURCE, placement="process")
        try:
            print(await sandbox.bind(WORKER="worker").WORKER.read())
        except OSError as error:
            print("OSError")

asyncio.run(main())
"""


async def test_one_that_reads_from_the_terminal_of_the_program_fails_and_does_not_stand_still():
    ours, theirs = pty.openpty()
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        READS,
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    assert (await program.communicate())[0] == b"OSError\n"
    os.close(ours)
    os.close(theirs)


async def test_the_death_of_the_zygote_ends_its_processes_and_the_next_call_starts_anew(
    alone, sandbox, env
):
    pid = await env.WORKER.pid()
    (engine,) = sandbox.programs._engines.values()
    engine._zygote.kill()
    error = await failure(env.WORKER.wait())
    assert isinstance(error, DisconnectedError)
    await until(lambda: not lives(pid))
    assert await env.WORKER.add(1, 2) == 3


async def test_memory_is_bounded_where_the_system_can(sandbox):
    placement = rpclab.processes(memory_bytes=2**30)
    sandbox.deploy("worker", source=WORKER, placement=placement)
    env = sandbox.bind(WORKER="worker")
    assert await env.WORKER.grow(2**20) == 2**20
    assert isinstance(await failure(env.WORKER.grow(2**31)), MemoryError)


async def test_computing_time_is_bounded_and_the_reason_says_so(sandbox):
    sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(cpu_seconds=1))
    error = await failure(sandbox.bind(WORKER="worker").WORKER.spin())
    assert "killed by SIGXCPU: it used more than 1 s of computing time" in str(error)


async def test_what_it_has_started_ends_with_it(sandbox, env):
    started = await env.WORKER.start()
    assert lives(started)
    await failure(env.WORKER.exit(0))
    await until(lambda: not lives(started))


async def test_code_that_fails_at_a_new_start_says_so_to_who_calls(sandbox, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    source = f"open({str(gate)!r})\n{WORKER}"
    sandbox.deploy("worker", source=source, placement="process")
    env = sandbox.bind(WORKER="worker")
    gate.unlink()
    await failure(env.WORKER.exit(0))
    error = await failure(env.WORKER.pid())
    assert 'Worker "worker" could not be started again' in str(error)
    gate.touch()
    assert await env.WORKER.add(1, 2) == 3


async def test_a_neighbour_in_another_process_learns_the_reason(sandbox):
    sandbox.deploy("other", source=WORKER, placement="process")
    sandbox.deploy("worker", source=WORKER, bind={"NEIGHBOUR": "other"}, placement="process")
    env = sandbox.bind(WORKER="worker", OTHER="other")
    pid = await env.OTHER.pid()
    error = await failure(env.WORKER.neighbour("exit", 5))
    assert f'the process {pid} of Worker "other" ended: exit code 5' in str(error)
    assert await env.WORKER.neighbour("add", 1, 2) == 3


@pytest.mark.parametrize("method", ["wait", "spin", "hold"])
async def test_kill_9_of_the_program_leaves_no_process(tmp_path, method):
    program = await calling(tmp_path, "process", method)
    await until(lambda: len(descendants(program.pid)) >= 3)
    processes = descendants(program.pid)
    program.kill()
    await program.wait()
    await until(lambda: not any(map(lives, processes)))
