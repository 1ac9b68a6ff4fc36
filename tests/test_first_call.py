"""The thin slice: a Worker, a binding, a pipelined call."""

from support.counter import COUNTER


async def test_L1_a_call_on_the_result_of_a_call_needs_no_await_between(sandbox):
    sandbox.deploy("counter", source=COUNTER)
    env = sandbox.bind(COUNTER="counter#CounterService")
    assert await env.COUNTER.new_counter().increment(5) == 5


async def test_a_sandbox_says_who_is_in_it(sandbox):
    assert repr(sandbox) == "<Sandbox of 0 Workers: none>"
    sandbox.deploy("counter", source=COUNTER)
    assert repr(sandbox) == "<Sandbox of 1 Worker: counter>"
    sandbox.deploy("other", source=COUNTER)
    assert repr(sandbox) == "<Sandbox of 2 Workers: counter, other>"
