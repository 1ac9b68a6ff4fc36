"""Workers in processes of their own, as a notebook has them: where they print, and how they end."""

import os
import time

import pytest
from support.kernels import PATIENCE, Kernel
from support.processes import descendants, lives

WORKER = """\
%%worker far --on process
import asyncio, logging, os, sys, warnings
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()

    def say(self, text):
        print(text)

    def beware(self, text):
        print(text, file=sys.stderr)
        warnings.warn("look out")

    def log(self):
        logging.getLogger("shop").error("out of tea")

    def write(self, text):
        os.write(1, text.encode())

    async def say_later(self, text):
        await asyncio.sleep(0.1)
        print(text)

    def fail(self):
        raise ValueError("on purpose")

    def keep(self):
        self.ctx.wait_until(self._fail())

    async def _fail(self):
        raise ValueError("kept")

    def exit(self, code):
        os._exit(code)

    def spin(self):
        print("runs")
        while True:
            pass

    async def wait(self):
        await asyncio.sleep(1000)
"""


@pytest.fixture
def far(kernel):
    output = kernel.run(WORKER)
    assert output.error is None, output.error
    kernel.run("%bind FAR=far\nimport asyncio")
    return kernel


def test_a_worker_is_deployed_on_a_process(kernel):
    output = kernel.run(WORKER)
    assert output.error is None
    assert "far" in output.value
    kernel.run("%bind FAR=far\nimport os")
    assert kernel.value("await env.FAR.pid() != os.getpid()") == "True"


def test_it_prints_into_the_cell_that_called_it_with_its_name(far):
    assert far.run("await env.FAR.say('hello')").stdout == "[far] hello\n"
    first = far.start("p = env.FAR.say_later('from the first')")
    far.finish(first)
    second = far.run("await env.FAR.say('from the second'); await p")
    far.wait(first, lambda output: output.stdout)
    assert far.output(first).stdout == "[far] from the first\n"
    assert second.stdout == "[far] from the second\n"


def test_what_runs_when_it_is_deployed_prints_into_that_cell(kernel):
    output = kernel.run("%%worker loud --on process\nprint('at once')")
    assert output.stdout == "[loud] at once\n"


def test_its_warnings_logs_and_the_output_of_c_code_come_here(far):
    output = far.run("await env.FAR.beware('careful')")
    assert "[far] careful\n" in output.stderr
    assert "UserWarning: look out" in output.stderr
    assert "out of tea" in far.run("await env.FAR.log()").stderr
    written = far.start("await env.FAR.write('from C')")
    far.finish(written)
    far.wait(written, lambda output: output.stdout)
    assert far.output(written).stdout == "[far] from C"


def test_a_worker_between_two_others_prints_into_the_cell_that_began(far):
    far.run("%%worker near --bind FAR=far\n" + "from workers import WorkerEntrypoint\n"
            "class Default(WorkerEntrypoint):\n"
            "    async def pass_on(self, text):\n"
            "        print('on it')\n"
            "        await self.env.FAR.say(text)\n")  # fmt: skip
    output = far.run("%bind NEAR=near\nawait env.NEAR.pass_on('hello')")
    assert output.stdout == "[near] on it\n[far] hello\n"


def test_a_failure_that_nobody_waits_for_is_reported_in_the_cell(far):
    started = far.start("await env.FAR.keep()")
    far.finish(started)
    far.wait(started, lambda output: "kept" in output.stderr)
    assert "work that far gave to wait_until failed: ValueError: kept" in far.output(started).stderr


@pytest.mark.any_kernel
def test_an_error_shows_the_line_of_the_cell_it_was_raised_in(far):
    output = far.run("await env.FAR.fail()")
    assert output.error_name == "ValueError"
    assert "line 27, in Default.fail" in output.error


@pytest.mark.any_kernel
def test_code_that_fails_shows_its_line_and_the_old_version_serves_on(far):
    output = far.run("%%worker far --on process\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0\n")
    assert output.error_name == "ZeroDivisionError"
    assert "line 4" in output.error
    assert 'version 1 of "far" serves on' in output.error
    assert far.run("await env.FAR.say('still here')").stdout == "[far] still here\n"


@pytest.mark.any_kernel
def test_a_syntax_error_shows_the_line(kernel):
    output = kernel.run("%%worker far --on process\ndef broken(:\n    pass\n")
    assert output.error_name == "SyntaxError"
    assert "def broken(:" in output.error


@pytest.mark.any_kernel
def test_a_place_that_is_none_is_refused(kernel):
    output = kernel.run("%%worker far --on moon\npass")
    assert "no placement is called 'moon'" in output.stderr


@pytest.mark.any_kernel
def test_a_crash_says_why_and_the_next_call_starts_it_anew(far):
    output = far.run("await env.FAR.exit(3)")
    assert output.error_name == "DisconnectedError"
    assert 'of Worker "far" ended: exit code 3' in output.error
    assert far.run("await env.FAR.say('back')").stdout == "[far] back\n"


def test_interrupting_a_cell_stops_a_worker_that_spins_there(far):
    pid = int(far.value("await env.FAR.pid()"))
    running = far.start("await env.FAR.spin()")
    far.wait(running, lambda output: "runs" in output.stdout)
    output = far.interrupt(running)
    assert output.error_name == "KeyboardInterrupt"
    assert "far.spin()" in output.error
    assert far.run("await env.FAR.say('free')").stdout == "[far] free\n"
    assert int(far.value("await env.FAR.pid()")) == pid


def test_interrupting_a_cell_leaves_one_alone_that_waits(far):
    pid = int(far.value("await env.FAR.pid()"))
    running = far.start("print('now'); await env.FAR.wait()")
    far.wait(running, lambda output: "now" in output.stdout)
    assert far.interrupt(running).error_name == "KeyboardInterrupt"
    assert int(far.value("await env.FAR.pid()")) == pid


@pytest.mark.any_kernel
@pytest.mark.parametrize("code", ["%rpclab reset", "%reload_ext rpclab"])
def test_no_process_is_left(far, code):
    pid = int(far.value("await env.FAR.pid()"))
    assert lives(pid)
    far.run(code)
    assert not lives(pid)


@pytest.mark.any_kernel
def test_killing_the_kernel_leaves_no_process(python, tmp_path):
    with Kernel(python, tmp_path) as kernel:
        kernel.run("%load_ext rpclab")
        kernel.run(WORKER)
        kernel.run("%bind FAR=far")
        pid = int(kernel.value("import os; os.getpid()"))
        running = kernel.start("await env.FAR.spin()")
        kernel.wait(running, lambda output: "runs" in output.stdout)
        processes = descendants(pid)
        assert len(processes) >= 2
        os.kill(pid, 9)
        deadline = time.monotonic() + PATIENCE
        while any(map(lives, processes)):
            assert time.monotonic() < deadline


def test_a_line_lists_where_workers_run_and_has_one_run_elsewhere(fresh_kernel):
    fresh_kernel.run(WORKER)
    fresh_kernel.run("%bind FAR=far")
    fresh_kernel.run("%%worker other\npass")
    listed = fresh_kernel.value("%rpclab nodes").splitlines()
    assert listed[0].split() == ["node", "cores", "ping", "Workers"]
    assert [line.split()[0] for line in listed[1:]] == ["kernel", "processes"]
    assert listed[1].endswith("other")
    assert listed[2].endswith("far")
    assert fresh_kernel.run("%rpclab place far kernel").error is None
    assert fresh_kernel.value("(await env.FAR.pid()) == __import__('os').getpid()") == "True"
    for line, said in (
        ("%rpclab place far", "takes a Worker and a place"),
        ("%rpclab place fra kernel", 'no Worker "fra" is deployed'),
        ("%rpclab place far moon", "no placement is called 'moon'"),
    ):
        assert said in fresh_kernel.run(line).stderr
