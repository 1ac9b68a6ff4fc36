"""The rules hold between two programs, too: the same tests, with a real socket in between.

What is different there is told in `DIFFERENT`, with the reason. The far end is in this process, so
that the tests see both; nothing of a session knows.
"""

from __future__ import annotations

import functools

import pytest
from support.elsewhere import those_elsewhere
from support.over_sockets import Bytes, Frames, OverSockets
from support.world import World

AREAS = (
    "calls",
    "errors",
    "functions",
    "lifetimes",
    "pipelining",
    "properties",
    "streams",
    "targets",
    "values",
)

MOMENT = "a release takes a moment over a socket, and the test looks at once"
NAME = "a peer in another program is called after its address"
MAIN = "main stands in the tables, under id 0, while the connection is open"

DIFFERENT = {
    "test_C5_no_question_of_python_or_of_a_debugger_sends_a_message": "it counts what both say",
    "test_C13_C14_repr_and_class_show_the_local_stub": NAME,
    "test_Z9_the_traceback_is_the_callers_and_the_remote_one_a_note": "strangers get no such note",
    "test_O6_dispose_frees_all_stubs_of_a_result_at_any_depth": MOMENT,
    "test_O6_with_on_the_promise_frees_all_stubs_of_its_result": MOMENT,
    "test_O13_disposing_a_promise_frees_its_result_and_does_not_cancel_the_call": MOMENT,
    "test_O16_an_exception_from_a_disposer_reaches_nobody_and_is_reported": MOMENT,
    "test_O20_a_local_stub_in_a_worker_belongs_to_its_call": MAIN,
    "test_L8_targets_inside_a_chain_live_until_the_context_ends_and_go_in_reverse": MOMENT,
    "test_L8_disposing_its_promise_disposes_a_target_inside_a_chain": MOMENT,
    "test_T3_a_stub_is_neither_iterable_nor_callable_where_its_class_is": NAME,
    "test_T6_a_target_twice_in_one_message_is_one_stub_with_one_disposer": MOMENT,
    "test_T6_each_message_with_a_returned_target_makes_a_stub_of_its_own": MOMENT,
}
"""By its name, why a test does not run here."""

_open: list[OverSockets] = []


@pytest.fixture(params=[Bytes, Frames], ids=["bytes", "frames"])
def world(request, sandbox):
    """A sandbox with a log, whose caller is joined to its Workers by sockets."""
    fresh = World(sandbox)
    _open.append(OverSockets(fresh, request.param))
    return fresh


def _in_between(test):
    @functools.wraps(test)
    async def run(**arguments):
        world = _open.pop()
        try:
            # A fixture that deploys has no loop yet to connect on.
            joined = world.join()
            arguments = {name: joined.get(id(value), value) for name, value in arguments.items()}
            await test(**arguments)
        finally:
            await world.close()

    return run


for _area in AREAS:
    globals().update(those_elsewhere(_area, _in_between, different=DIFFERENT))
