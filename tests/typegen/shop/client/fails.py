"""A program that is wrong: on each marked line, and on no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers import Env


async def names(env: Env) -> None:
    _ = env.COUNTR  # error: attr-defined, reportAttributeAccessIssue
    env["COUNTR"]  # error: call-overload, reportCallIssue
    env.COUNTER.new_countr()  # error: attr-defined, reportAttributeAccessIssue
    counter = env.COUNTER.new_counter()
    counter.incremnt()  # error: attr-defined, reportAttributeAccessIssue
    (await counter).incremnt()  # error: attr-defined, reportAttributeAccessIssue
    _ = counter.child().child().valu  # error: attr-defined, reportAttributeAccessIssue
    counter.user()["nam"]  # error: call-overload, reportCallIssue
    env.LIMITS["mst"]  # error: typeddict-item, reportGeneralTypeIssues
    env.ROOMS.get_by_name("a").entr("b")  # error: attr-defined, reportAttributeAccessIssue


async def what_is_hidden(env: Env) -> None:
    counter = env.COUNTER.new_counter()
    counter._hidden()  # error: attr-defined, reportAttributeAccessIssue
    _ = counter.total  # error: attr-defined, reportAttributeAccessIssue
    _ = counter.shared  # error: attr-defined, reportAttributeAccessIssue
    counter.hidden_static()  # error: attr-defined, reportAttributeAccessIssue
    counter.mixed_in()  # error: attr-defined, reportAttributeAccessIssue
    env.COUNTER.dup()  # error: attr-defined, reportAttributeAccessIssue


async def arguments(env: Env) -> None:
    counter = env.COUNTER.new_counter()
    counter.increment("five")  # error: arg-type, reportArgumentType
    counter.increment(counter.user().name)  # error: arg-type, reportArgumentType
    counter.increment(1, 2)  # error: call-arg, reportCallIssue
    counter.maybe(True)  # error: call-arg, reportCallIssue
    counter.join(5)  # error: arg-type, reportArgumentType
    counter.join()  # error: call-arg, reportCallIssue
    counter.watch("x")  # error: arg-type, reportArgumentType
    counter.keep(lambda: "x")  # error: arg-type, reportArgumentType
    counter.keep(lambda total: total)  # error: arg-type, reportArgumentType
    counter.watch(lambda: None)  # error: arg-type, reportArgumentType
    counter.ask(lambda asking: 5)  # error: arg-type, reportArgumentType
    counter.anything(1, options="x")  # error: arg-type, reportArgumentType


async def results(env: Env) -> None:
    counter = env.COUNTER.new_counter()
    counter.value + 1  # error: operator, reportOperatorIssue
    len(await env.CACHE.get("a"))  # error: arg-type, reportArgumentType
    text: str = await counter.increment()  # error: assignment, reportAssignmentType
    (await counter.maybe()).increment()  # error: union-attr, reportOptionalMemberAccess
    counter.list()[0]  # error: index, reportIndexIssue
    len(counter.list())  # error: arg-type, reportArgumentType
    len((await counter.list())[0])  # error: arg-type, reportArgumentType
    (await counter.watch(id))(5)  # error: arg-type, reportArgumentType
    text.lower()
