"""`%rpclab`: the list, `leaks`, `reset`, `validate`."""

from pathlib import Path

import pytest
from support.kernels import COUNTER

from rpclab.notebook.commands import COMMANDS
from rpclab.notebook.magics import RpcLab

pytestmark = pytest.mark.any_kernel

PAGE = (Path(__file__).parents[2] / "docs" / "notebook.md").read_text("utf-8")


def test_it_lists_workers_bindings_and_live_stubs(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService LATER=mailer")
    kernel.run("counter = await env.COUNTER.new_counter()")
    assert kernel.value("%rpclab") == (
        "Sandbox (1 Worker)\n"
        "  counter-service: version 1; CounterService\n"
        "  notebook: env.COUNTER, env.LATER; holds 1 stub\n"
        "  env.COUNTER: → counter-service#CounterService\n"
        "  env.LATER: → mailer (not deployed yet)"
    )
    kernel.run("counter.dispose()")
    assert "holds" not in kernel.value("%rpclab")


def test_leaks_names_the_cell_that_made_a_stub(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    made = kernel.run("x = 1\ncounter = await env.COUNTER.new_counter()")
    number = made.cell.removeprefix("Cell ")
    assert f"{number}, line 2" in kernel.value("%rpclab leaks")
    kernel.run("counter.dispose()")
    assert kernel.value("%rpclab leaks") == "every stub is disposed"


def test_reset_forgets_everything(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    kernel.run("counter = await env.COUNTER.new_counter()")
    kernel.run("%rpclab reset")
    assert kernel.value("%rpclab").startswith("Sandbox (0 Workers)")
    assert "DisconnectedError" in kernel.run("await counter.increment()").error
    assert "version 1" in kernel.run(COUNTER).value


def test_what_it_does_not_know_is_answered_in_a_line(kernel):
    assert "%rpclab has no 'rest'; did you mean 'reset'?" in kernel.run("%rpclab rest").stderr
    assert "takes nothing more" in kernel.run("%rpclab reset all").stderr


def test_whose_arguments_are_checked_is_shown_and_chosen(kernel):
    kernel.run(COUNTER.replace("amount=1", "amount: int = 1"))
    kernel.run("%bind COUNTER=counter-service#CounterService")
    call = 'await env.COUNTER.new_counter().increment("5")'
    assert kernel.value("%rpclab validate") == "False"
    assert kernel.run("%rpclab validate on").error is None
    assert "increment(): amount is '5' (str)" in kernel.run(call).error
    kernel.run("%rpclab validate mailer counter-service#Other")
    assert kernel.value("%rpclab validate") == "('mailer', 'counter-service#Other')"
    assert "a binding leads to" in kernel.run("%rpclab validate counter-service#").stderr
    kernel.run("%rpclab validate off")
    assert "amount is" not in (kernel.run(call).error or "")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_manual_and_the_page_about_notebooks_have_each_command(name):
    assert f"%rpclab {name}" in RpcLab.rpclab.__doc__
    assert f"`%rpclab {name}" in PAGE or f"`{name}`" in PAGE
