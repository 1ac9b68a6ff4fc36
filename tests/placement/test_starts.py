"""A process that does not start says why: what is missing, which bound was too low, what to do."""

from __future__ import annotations

import errno
import os

import pytest
from support.processes import WORKER

import rpclab
from rpclab.errors import PlacementError
from rpclab.placement import processes


def _refusal(sandbox, source=WORKER, **options):
    with pytest.raises(PlacementError) as caught:
        sandbox.deploy("worker", source=source, placement=rpclab.processes(**options))
    return str(caught.value)


@pytest.fixture
def modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_module_to_preload_that_is_missing_is_named(sandbox):
    text = _refusal(sandbox, preload=["wave", "no_such_module"])
    assert text == (
        'Worker "worker" did not start: no_such_module (preload) cannot be loaded:'
        " ModuleNotFoundError: No module named 'no_such_module'"
    )


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import missing", "ModuleNotFoundError: No module named 'missing'"),
    ],
)
def test_a_module_to_preload_that_fails_is_named_with_its_error(sandbox, modules, code, why):
    (modules / "odd_one.py").write_text(code)
    assert f"odd_one (preload) cannot be loaded: {why}" in _refusal(sandbox, preload=["odd_one"])


def test_a_module_to_preload_that_ends_its_program_is_named(sandbox, modules):
    (modules / "odd_one.py").write_text("import os; os.abort()")
    assert "ended while it loaded odd_one (preload)" in _refusal(sandbox, preload=["odd_one"])


async def test_what_could_not_be_preloaded_is_tried_again_and_harms_no_other(sandbox, modules):
    sandbox.deploy("other", source=WORKER, placement="process")
    assert _refusal(sandbox, preload=["comes_later"])
    (modules / "comes_later.py").write_text("")
    sandbox.deploy("worker", source=WORKER, placement=rpclab.processes(preload=["comes_later"]))
    env = sandbox.bind(WORKER="worker", OTHER="other")
    assert await env.WORKER.add(1, 2) == await env.OTHER.add(1, 2) == 3


@pytest.mark.parametrize("most", [1, 20 * 2**20])
def test_memory_in_which_nothing_can_start_is_named_with_what_it_takes(sandbox, most):
    text = _refusal(sandbox, memory_bytes=most)
    assert f"memory_bytes={most:,} is less than the" in text
    assert "bytes of address space" in text


def test_memory_that_the_code_of_a_worker_uses_up_is_named(sandbox):
    placement = rpclab.processes(memory_bytes=2**30)
    with pytest.raises(MemoryError) as caught:
        sandbox.deploy("worker", source="kept = bytearray(2**31)", placement=placement)
    assert "may use 1,073,741,824 bytes of address space" in "".join(caught.value.__notes__)


def test_a_process_that_the_bound_ends_before_it_has_started_names_it(sandbox):
    text = _refusal(sandbox, "import os; os.abort()", memory_bytes=2**30)
    assert "killed by SIGABRT" in text
    assert "it may use 1,073,741,824 bytes of address space (memory_bytes)" in text


async def test_a_system_that_forks_no_more_is_named_and_those_that_run_go_on(sandbox, modules):
    (modules / "no_forks.py").write_text(
        "import os\nfork = os.fork\nleft = [1]\n"
        "def few():\n"
        "    if left:\n        left.pop()\n        return fork()\n"
        f"    raise OSError({errno.EAGAIN}, 'no')\n"
        "os.fork = few\n"
    )
    placement = rpclab.processes(preload=["no_forks"])
    sandbox.deploy("first", source=WORKER, placement=placement)
    text = _refusal(sandbox, preload=["no_forks"])
    assert f"the system starts no process: {os.strerror(errno.EAGAIN)}" in text
    assert await sandbox.bind(FIRST="first").FIRST.add(1, 2) == 3


@pytest.mark.parametrize("what", ["socketpair", "pipe"])
def test_a_program_that_has_no_descriptor_left_says_what_each_takes(sandbox, monkeypatch, what):
    sandbox.deploy("first", source=WORKER, placement="process")

    def none_left():
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr({"pipe": os, "socketpair": processes.socket}[what], what, none_left)
    text = _refusal(sandbox)
    assert "Too many open files" in text
    assert "ulimit -n" in text


async def test_a_call_that_finds_no_descriptor_for_its_way_fails_and_the_next_one_works(
    sandbox, monkeypatch
):
    sandbox.deploy("worker", source=WORKER, placement="process")
    env = sandbox.bind(WORKER="worker")

    def none_left():
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(processes.socket, "socketpair", none_left)
        with pytest.raises(PlacementError, match="Too many open files"):
            await env.WORKER.add(1, 2)
    assert await env.WORKER.add(1, 2) == 3


def test_a_folder_that_is_gone_keeps_no_worker_from_starting(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    sandbox.deploy("worker", source=WORKER, placement="process")
    monkeypatch.chdir(tmp_path)
