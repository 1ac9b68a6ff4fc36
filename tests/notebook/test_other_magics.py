"""Our cell magics beside those of others, and the names and commands of the extension."""

import pytest
from support.kernels import COUNTER

CODE = COUNTER.partition("\n")[2]
BIND = "%bind COUNTER=counter-service#CounterService"
CALL = "await env.COUNTER.new_counter().increment(5)"


@pytest.fixture
def bound(kernel):
    kernel.run(BIND)
    return kernel


@pytest.mark.any_kernel
@pytest.mark.parametrize(
    "above",
    [
        "%%time\n%%worker counter-service\n",
        "%%capture out\n%%worker counter-service\n",
        "%%timeit -n 1 -r 1\n%%worker counter-service\n",
        "%%worker counter-service\n%%time\n",
        "%%worker counter-service # with a comment\n\n%%capture out\n",
        "%%worker counter-service\n%%trace\n",
        "%%time\n%%capture out\n%%worker counter-service\n",
    ],
)
def test_a_worker_is_deployed_above_and_below_other_magics(bound, above):
    _deploy(bound, above)


@pytest.mark.parametrize("above", ["%%time\n", "%%capture out\n"])
def test_a_worker_that_awaits_is_deployed_below_other_magics(patched_kernel, above):
    patched_kernel.run(BIND)
    _deploy(
        patched_kernel, above + "%%worker counter-service\nimport asyncio\nawait asyncio.sleep(0)\n"
    )


def _deploy(kernel, above):
    deployed = kernel.run(above + CODE)
    assert deployed.error is None
    assert kernel.value(CALL) == "5"
    assert kernel.value("'Counter' in globals()") == "False"


def test_time_says_how_long_and_gives_the_worker(kernel):
    for cell in ("%%time\n%%worker counter-service\n", "%%worker counter-service\n%%time\n"):
        deployed = kernel.run(cell + CODE)
        assert "Wall time" in deployed.stdout
        assert deployed.value.startswith("counter-service (version")


@pytest.mark.parametrize("above", ["%%time\n%%worker w\n", "%%worker w\n%%time\n"])
def test_lines_of_errors_are_those_of_the_cell(kernel, above):
    failed = kernel.run(f"{above}\n1/0")
    assert f"{failed.cell}, line 4" in failed.error
    assert "----> 4 1/0" in failed.error


@pytest.mark.parametrize("cell", ["%%time\n%%trace --text\n", "%%capture out\n%%trace --text\n"])
def test_a_trace_is_made_below_other_magics(patched_kernel, cell):
    patched_kernel.run(BIND)
    patched_kernel.run(COUNTER)
    traced = patched_kernel.run(cell + CALL)
    assert traced.error is None
    said = traced.stdout or patched_kernel.run("print(out.stdout)").stdout
    assert "1 round trip; 2 without pipelining" in said


@pytest.mark.any_kernel
def test_two_workers_in_one_cell_are_refused(kernel):
    refused = kernel.run("%%worker a\n%%worker b\nx = 1")
    assert "one cell is one Worker" in refused.stderr
    assert kernel.value("sandbox.workers") == "{}"


# Names.


@pytest.mark.any_kernel
def test_env_and_sandbox_come_back_after_a_reset_of_the_namespace(bound):
    bound.run(COUNTER)
    bound.run("%reset -f")
    assert bound.value(CALL) == "5"
    assert bound.value("sandbox").startswith("Sandbox (1 Worker)")


@pytest.mark.any_kernel
def test_a_bare_env_never_shows_the_environment_of_the_process(bound):
    bound.run("import os; os.environ['RPCLAB_SECRET'] = 'hush'")
    for before in ("%reset -f", "del env", "del env, sandbox"):
        bound.run(before)
        shown = bound.run("env")
        assert shown.value.startswith("env of notebook")
        assert "RPCLAB_SECRET" not in str(shown.value) + shown.stdout


@pytest.mark.any_kernel
def test_bind_says_who_has_taken_a_name(bound):
    bound.run("env = {'mine': 1}")
    said = bound.run("%bind COUNTER=counter-service#CounterService")
    assert said.stderr == (
        "env is a variable of yours (dict), and not the one of rpclab: `del env`, and run this"
        " again; until then it is sandbox.env\n"
    )
    assert bound.value("env") == "{'mine': 1}"
    bound.run("del env")
    assert bound.run("%bind COUNTER=counter-service#CounterService").stderr == ""
    assert bound.value("env").startswith("env of notebook")


def test_what_is_put_into_env_by_hand_is_told(bound):
    said = bound.run("env.FOO = 5")
    assert "rpclab: FOO stands in env for this program alone: no Worker sees it." in said.stderr
    assert "%bind" in said.stderr
    assert f"({said.cell}, line 1)" in said.stderr


# Commands.


@pytest.mark.any_kernel
def test_durable_objects_store_in_a_folder(kernel, tmp_path):
    room = """\
%%worker chat
from workers import DurableObject
class Room(DurableObject):
    async def add(self):
        count = (await self.ctx.storage.get("count") or 0) + 1
        await self.ctx.storage.put("count", count)
        return count
"""
    folder = tmp_path / "objects"
    assert kernel.value("%rpclab storage") == "'in memory'"
    assert kernel.run(f"%rpclab storage {folder}").stderr == ""
    assert kernel.value("%rpclab storage") == repr(str(folder))
    for expected in ("1", "2"):
        kernel.run(room)
        kernel.run("%bind --object ROOMS=chat#Room")
        assert kernel.value("await env.ROOMS.get_by_name('a').add()") == expected
        kernel.run("%rpclab reset")
    kernel.run(room)
    kernel.run("%bind --object ROOMS=Room@chat")
    refused = kernel.run("%rpclab storage memory").stderr
    assert "Durable Objects are bound already" in refused
    assert "%rpclab reset" in refused
    kernel.run("%rpclab reset")
    kernel.run("%rpclab storage memory")
    assert kernel.value("%rpclab storage") == "'in memory'"


@pytest.mark.any_kernel
def test_the_recording_begins_anew_with_a_reset_and_on_request(bound):
    for command in ("%rpclab reset", "%rpclab record clear"):
        bound.run(COUNTER)
        bound.run("%bind COUNTER=counter-service#CounterService")
        bound.run(CALL)
        assert bound.value("len(sandbox.recording) > 0") == "True"
        assert bound.run(command).stderr == ""
        assert bound.value("sandbox.recording") == "<Recording, empty>"
    assert bound.value(CALL) == "5"
    assert "clear" in bound.run("%rpclab record all").stderr


@pytest.mark.any_kernel
def test_the_manual_of_rpclab_lists_all_magics_with_a_line_each(kernel):
    manual = kernel.inspect("%rpclab")
    for magic in ("%%worker", "%bind", "%%trace", "%wrangler", "%%wrangler"):
        assert any(line.strip().startswith(magic + " ") for line in manual.splitlines()), magic
    for command in kernel.complete("%rpclab ")[0]:
        assert f"%rpclab {command}" in manual
