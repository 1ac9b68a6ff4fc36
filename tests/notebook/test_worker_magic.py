"""`%%worker` and `%bind`."""

import pytest
from support.kernels import COUNTER


@pytest.mark.any_kernel
def test_the_value_of_the_cell_is_the_worker(kernel):
    assert kernel.run(COUNTER).value == (
        "counter-service (version 1)\n  class CounterService: new_counter"
    )


@pytest.mark.any_kernel
def test_a_cell_that_runs_again_replaces_the_worker_and_says_so(kernel):
    kernel.run(COUNTER)
    kernel.run("first = sandbox.workers['counter-service']")
    again = kernel.run(COUNTER)
    assert again.value.startswith("counter-service (version 2, replaces version 1)")
    assert kernel.value("first").startswith("counter-service (version 1, replaced by version 2)")


@pytest.mark.any_kernel
def test_bindings_and_variables_stand_in_env(kernel):
    kernel.run(COUNTER)
    cell = """\
%%worker client --bind COUNTER=counter-service#CounterService --var GREETING="Hi you" # and
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def greet(self):
        with self.env.COUNTER.new_counter() as counter:
            return f"{self.env.GREETING} {await counter.increment(2)}"
"""
    assert kernel.run(cell).value == (
        "client (version 1)\n"
        "  class Default: greet\n"
        "  env.COUNTER: → counter-service#CounterService\n"
        "  env.GREETING: 'Hi you'"
    )
    kernel.run("%bind CLIENT=client")
    assert kernel.value("await env.CLIENT.greet()") == "'Hi you 2'"


@pytest.mark.any_kernel
def test_braces_and_dollars_on_the_line_are_left_alone(kernel):
    kernel.run("x = 'expanded'")
    kernel.run('%%worker w --json A={"x": 1} --var B=$x --var C={x}\nfrom workers import env')
    assert kernel.value("sandbox.workers['w'].env['A']") == "{'x': 1}"
    assert kernel.value("sandbox.workers['w'].env['B']") == "'$x'"
    assert kernel.value("sandbox.workers['w'].env['C']") == "'{x}'"


def test_the_body_may_await_and_use_magics_and_commands(kernel):
    ran = kernel.run("""\
%%worker w
import asyncio
await asyncio.sleep(0)
listed = !echo from the shell
listed = list(listed)
%pwd
def said(_, env, ctx): return listed
""")
    assert ran.error is None
    kernel.run("%bind W=w")
    assert kernel.value("await env.W.said(0)") == "['from the shell']"


@pytest.mark.any_kernel
def test_names_of_the_body_stay_out_of_the_notebook(kernel):
    kernel.run(COUNTER)
    assert kernel.value("'Counter' in globals()") == "False"


def test_a_failing_cell_leaves_the_old_version_serving(kernel):
    kernel.run(COUNTER)
    failed = kernel.run("%%worker counter-service\n\nimport asyncio\n\n1/0")
    assert failed.error_name == "ZeroDivisionError"
    assert f"{failed.cell}, line 5" in failed.error
    assert "----> 5 1/0" in failed.error
    assert "run_cell_magic" not in failed.error
    kernel.run("%bind COUNTER=counter-service#CounterService")
    assert kernel.value("await env.COUNTER.new_counter().increment(5)") == "5"


def test_blank_lines_above_the_magic_do_not_shift_lines(kernel):
    failed = kernel.run("\n\n%%worker w\n\n1/0")
    assert "----> 5 1/0" in failed.error


def test_a_syntax_error_shows_its_own_line(kernel):
    failed = kernel.run("%%worker w\n\nclass A:\n    pass x")
    assert failed.error_name == "SyntaxError"
    assert f"{failed.cell}, line 4" in failed.error
    assert "pass x" in failed.error
    assert "run_cell_magic" not in failed.error


def test_an_error_of_a_worker_names_its_place_in_the_cell(kernel):
    deployed = kernel.run("""\
%%worker w
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def fail(self):
        raise ValueError("no")
""")
    kernel.run("%bind W=w")
    failed = kernel.run("await env.W.fail()")
    assert "----> 1 await env.W.fail()\n\nValueError: no" in failed.error
    assert f"raised in the Worker at\n  {deployed.cell}, line 5, in Default.fail" in failed.error


@pytest.mark.any_kernel
def test_bad_input_is_answered_in_a_line(kernel):
    kernel.run(COUNTER)
    for cell, said in {
        "%%worker w --bnd A=b\n1": "%%worker has no option --bnd; did you mean '--bind'",
        "%%worker w --bind A=counter-service#CounterServic\n1": "did you mean 'CounterService'?",
        "%%worker notebook\n1": "'notebook' cannot be the name of a Worker",
        "%bind A=counter-service": 'the Worker "counter-service" exports no entrypoint',
    }.items():
        assert said in kernel.run(cell).usage_error


@pytest.mark.any_kernel
def test_a_binding_may_name_a_worker_that_comes_later(kernel):
    assert "→ counter-service#CounterService (not deployed yet)" in kernel.value(
        "%bind COUNTER=counter-service#CounterService"
    )
    kernel.run(COUNTER)
    assert kernel.value("await env.COUNTER.new_counter().increment()") == "1"


@pytest.mark.any_kernel
def test_the_manual_has_an_example(kernel):
    manual = kernel.inspect("%%worker")
    assert "--bind VAR=worker[#Entrypoint]" in manual
    assert "class CounterService(WorkerEntrypoint):" in manual


def test_a_stub_knows_the_cell_that_made_it(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    made = kernel.run("x = 1\nstub = await env.COUNTER.new_counter()")
    assert f"{made.cell}, line 2" in kernel.run("stub").html
