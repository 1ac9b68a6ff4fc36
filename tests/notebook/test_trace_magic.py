"""`%%trace`."""

import pytest
from support.kernels import COUNTER

SUMMARY = "1 round trip; 2 without pipelining · 2 calls, 4 messages"
BLOCK = "counter = env.COUNTER.new_counter()\nawait counter.increment(5)"


@pytest.fixture
def traced(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    return kernel


def test_the_block_runs_in_the_notebook_and_shows_its_value_and_its_messages(traced):
    ran = traced.run(f"%%trace\n{BLOCK}")
    assert ran.value == "5"
    diagram = ran.displays[0]["text/plain"]
    assert diagram.splitlines()[0].split() == ["notebook", "counter-service"]
    assert diagram.splitlines()[-1] == SUMMARY
    assert SUMMARY in ran.displays[0]["text/html"]
    assert traced.value("_, await counter.increment()") == "(5, 6)"


def test_text_alone_is_printed(traced):
    ran = traced.run(f"%%trace --text\n{BLOCK}")
    assert ran.stdout.splitlines()[-1] == SUMMARY
    assert ran.displays == []


def test_the_text_is_the_same_on_every_run(traced):
    first = traced.run(f"%%trace --text\n{BLOCK}").stdout
    traced.run("%reload_ext rpclab")
    traced.run(COUNTER)
    traced.run("%bind COUNTER=counter-service#CounterService")
    assert traced.run(f"%%trace --text\n{BLOCK}").stdout == first


def test_a_semicolon_hides_the_value(traced):
    assert traced.run(f"%%trace\n{BLOCK};").value is None


def test_a_failing_block_shows_its_messages_and_its_own_line(traced):
    failed = traced.run(f"%%trace\n{BLOCK}\nawait counter.nothing()\n")
    assert failed.displays[0]["text/plain"].splitlines()[-1].startswith("2 round trips")
    assert "----> 4 await counter.nothing()" in failed.error
    assert "run_cell_magic" not in failed.error


def test_nothing_is_traced_after_the_block(traced):
    traced.run(f"%%trace\n{BLOCK}")
    assert traced.value("sandbox.engine._watchers == [sandbox.recording]") == "True"


def test_bad_input_is_answered_in_a_line(traced):
    assert "%%trace has no option --txt" in traced.run("%%trace --txt\n1").stderr
