"""The rules hold where Workers run in processes of their own: the same tests, another placement.

Those that tell most run on the two nodes of a cluster as well, each Worker on another one. What is
different there is told in `DIFFERENT`, with the reason.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from importlib.util import find_spec

import pytest
from support.elsewhere import those_elsewhere
from support.over_processes import InProcesses, OneZygote

AREAS = (
    "calls",
    "entrypoints",
    "env_ctx",
    "errors",
    "functions",
    "lifetimes",
    "pipelining",
    "properties",
    "request_response",
    "streams",
    "targets",
    "values",
    "values_promised",
)

ON_NODES = ("functions", "lifetimes", "pipelining", "streams")
"""The areas of which tests run on a cluster, too: those of references, and of what ends."""

MOMENT = "a release takes a moment over a socket, and the test looks at once"
MODULE = "it looks into the module of the Worker, which is in the other process"
TRACE = "what a peer in another process does is not seen, so its round trips are not counted"
CLOCK = "its Worker waits for minutes, and there is no virtual clock in other processes"
TEXT = "what it logs crosses as a text, and an error is none"
LINES = "it counts the lines of the Worker, before which others stand here"

DIFFERENT = {
    "test_E5_T1_surface_lists_exactly_what_a_peer_can_reach": MODULE,
    "test_E6_functions_of_the_module_serve_when_there_is_no_default_class": MODULE,
    "test_Z9_the_traceback_is_the_callers_and_the_remote_one_a_note": LINES,
    "test_O6_dispose_frees_all_stubs_of_a_result_at_any_depth": MOMENT,
    "test_O6_with_on_the_promise_frees_all_stubs_of_its_result": MOMENT,
    "test_O7_O8_a_parameter_kept_without_dup_is_dead_after_the_return": LINES,
    "test_O13_disposing_a_promise_frees_its_result_and_does_not_cancel_the_call": MOMENT,
    "test_O16_an_exception_from_a_disposer_reaches_nobody_and_is_reported": MOMENT,
    "test_L8_targets_inside_a_chain_live_until_the_context_ends_and_go_in_reverse": MOMENT,
    "test_L8_disposing_its_promise_disposes_a_target_inside_a_chain": MOMENT,
    "test_C28_concurrent_calls_start_in_the_order_made_and_overlap": CLOCK,
    "test_S19_a_writer_runs_ahead_of_a_stalled_sink_by_a_window": CLOCK,
    "test_C19_a_binding_in_a_result_is_fetched_without_waiting_for_it": TRACE,
    "test_S4_in_a_sandbox_a_note_says_what_the_source_raised": (
        "it changes a setting that a process learns when it starts"
    ),
    "test_S8_cancelling_tells_the_source_the_reason": TEXT,
    "test_S8_a_reason_that_cannot_be_sent_is_told_as_far_as_it_can_be": TEXT,
    "test_S9_when_the_readers_context_ends_the_source_is_cancelled": TEXT,
    "test_T6_a_target_twice_in_one_message_is_one_stub_with_one_disposer": MOMENT,
    "test_T6_each_message_with_a_returned_target_makes_a_stub_of_its_own": MOMENT,
}
"""By its name, why a test does not run here."""

_open: list[InProcesses] = []


@pytest.fixture(scope="module")
def engine():
    """One zygote for all: to start one takes half a second."""
    made = OneZygote()
    yield made
    made.end()


@pytest.fixture
def world(request, sandbox):
    """A sandbox with a log, whose Workers run in processes of their own."""
    if request.function.__name__.endswith("_on_nodes"):
        from support.on_cluster import OnCluster  # noqa: PLC0415 - it loads Dask

        fresh = OnCluster(sandbox, request.getfixturevalue("cluster"))
    else:
        fresh = InProcesses(sandbox, request.getfixturevalue("engine"))
    _open.append(fresh)
    return fresh


def _closing(test):
    @functools.wraps(test)
    async def run(**arguments):
        world = _open.pop()
        try:
            await test(**arguments)
        finally:
            world.sandbox.close()  # on the loop that its sockets are on
            await asyncio.sleep(0)

    run.real_time = True
    return run


def _asks_no_clock(test):
    """Whether it is not about a clock: there is no virtual one in other processes."""
    source = inspect.getsource(test)
    return "sleep(" not in source and "timeout(" not in source


def _on_nodes(test):
    """Run a test on the nodes of a cluster."""

    @functools.wraps(test)
    async def run(**arguments):
        await test(**arguments)

    run.__name__ = f"{test.__name__}_on_nodes"
    return run


for _area in AREAS if hasattr(os, "fork") else ():
    globals().update(those_elsewhere(_area, _closing, different=DIFFERENT, runs=_asks_no_clock))

for _area in ON_NODES if hasattr(os, "fork") and find_spec("distributed") else ():
    _found = those_elsewhere(_area, _closing, different=DIFFERENT, runs=_asks_no_clock)
    globals().update({f"{_name}_on_nodes": _on_nodes(_test) for _name, _test in _found})
