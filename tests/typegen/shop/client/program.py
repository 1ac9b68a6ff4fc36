"""A test that binds several Workers: one type has the bindings to all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type, cast

import rpclab

if TYPE_CHECKING:
    from all_workers import Env


async def test_greeting(sandbox: rpclab.Sandbox) -> None:
    env = cast(
        "Env",
        sandbox.bind(
            CLIENT="client",
            COUNTER="counter-service#CounterService",
            ROOMS=rpclab.objects("counter-service#Room"),
        ),
    )
    assert_type(await env.CLIENT.greet(2), str)
    assert_type(await env.COUNTER.new_counter().increment(), int)
    assert_type(await env.ROOMS.get_by_name("lobby").enter("Ada"), int)
    env.CLIENT.greet("two")  # error: arg-type, reportArgumentType
    env.CLIENT.gret(2)  # error: attr-defined, reportAttributeAccessIssue
    _ = env.COUNTR  # error: attr-defined, reportAttributeAccessIssue
