"""Area X: the environment of a Worker, and the context of a call."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure, is_missing

import rpclab

VARIABLES = """
from workers import WorkerEntrypoint, env as imported

class Default(WorkerEntrypoint):
    def all(self):
        return {
            "text": self.env.TEXT, "conf": self.env["CONF"], "keys": sorted(self.env),
            "imported": imported.TEXT, "missing": hasattr(self.env, "NOPE"),
        }
    def mutate(self):
        self.env.CONF["n"] += 1
        self.env.EXTRA = "added"
        return self.env.CONF["n"]
    def read(self):
        return [self.env.CONF["n"], self.env.EXTRA]
    def missing(self):
        return self.env.TEST
"""


async def test_X1_text_variables_are_strings_and_json_variables_are_parsed(sandbox):
    conf = {"a": [1, {"b": None}], "s": "x"}
    sandbox.deploy("callee", source=VARIABLES, vars={"TEXT": "hello"}, json={"CONF": conf})
    assert await sandbox.bind(CALLEE="callee").CALLEE.all() == {
        "text": "hello", "conf": conf, "keys": ["CONF", "TEXT"], "imported": "hello",
        "missing": False,
    }  # fmt: skip


async def test_X1_the_variables_of_two_workers_are_copies(sandbox):
    conf = {"n": 1}
    for name in ("one", "two"):
        sandbox.deploy(name, source=VARIABLES, json={"CONF": conf})
    env = sandbox.bind(ONE="one", TWO="two")
    assert [await env.ONE.mutate(), await env.ONE.mutate(), await env.TWO.mutate()] == [2, 3, 2]
    assert conf == {"n": 1}


def test_X1_a_text_variable_that_is_no_text_is_refused(sandbox):
    with pytest.raises(TypeError, match="the variable N is a text, not int; use json="):
        sandbox.deploy("callee", source="", vars={"N": 1})
    with pytest.raises(TypeError, match=r"variable S must be a JSON value: .* set is not JSON"):
        sandbox.deploy("callee", source="", json={"S": {1}})


def test_X1_a_variable_that_is_given_twice_is_refused(sandbox):
    with pytest.raises(ValueError, match="the variable A is given twice: in vars and in json"):
        sandbox.deploy("callee", source="", vars={"A": "text"}, json={"A": 1})
    with pytest.raises(ValueError, match="the variable A is given twice: in json and in bind"):
        sandbox.deploy("callee", source="", json={"A": 1}, bind={"A": "other"})


async def test_X1_a_variable_that_is_not_there_is_named_with_its_neighbours(sandbox):
    sandbox.deploy("callee", source=VARIABLES, vars={"TEXT": "hello"})
    error = await failure(sandbox.bind(CALLEE="callee").CALLEE.missing())
    assert isinstance(error, AttributeError)
    assert str(error) == 'the Worker "callee" has no binding or variable TEST'
    assert error.__notes__[0] == "did you mean 'TEXT'?"


async def test_X1_a_variable_that_was_never_given_says_where_they_are_given(sandbox):
    sandbox.deploy("callee", source=VARIABLES, vars={"OTHER": "hello"})
    error = await failure(sandbox.bind(CALLEE="callee").CALLEE.missing())
    assert error.__notes__[0].startswith("there are: OTHER; they are given where the Worker is")
    sandbox.deploy("callee", source=VARIABLES)
    error = await failure(sandbox.bind(CALLEE="callee").CALLEE.missing())
    assert error.__notes__[0].startswith("it has none; they are given where the Worker is deployed")


async def test_X2_env_is_one_object_for_a_worker(sandbox):
    sandbox.deploy("callee", source=VARIABLES, json={"CONF": {"n": 1}})
    env = sandbox.bind(CALLEE="callee")
    assert await env.CALLEE.mutate() == 2
    assert await env.CALLEE.read() == [2, "added"]


RELAY = """
    class Default(WorkerEntrypoint):
        def relay(self, x):
            return self.env.NEXT.twice(x)
        def keys(self):
            return sorted(self.env)
"""
NEXT = """
    class Default(WorkerEntrypoint):
        def twice(self, x):
            return x * 2
"""


async def test_X3_a_worker_sees_only_its_own_bindings(world):
    world.deploy(NEXT, "next")
    env = world.deploy(RELAY, NEXT="next")
    del env["NEXT"]
    assert await env.CALLEE.relay(21) == 42
    assert await env.CALLEE.keys() == ["NEXT"]
    assert list(env) == ["CALLEE"]


async def test_X3_env_and_ctx_cannot_be_reached_through_a_binding(world):
    env = world.deploy(RELAY, NEXT="callee")
    assert await is_missing(env.CALLEE.env.NEXT.twice(1), "env")


async def test_X4_a_binding_can_be_sent_and_used(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def use(self, binding):
                return [type(binding).__name__, await binding.twice(4)]
    """)
    world.deploy(NEXT, "other")
    assert await env.CALLEE.use(env.OTHER) == ["ServiceBinding", 8]


async def test_X4_a_binding_that_was_sent_works_after_the_call_and_comes_home(world):
    env = world.deploy("""
        kept = []
        class Default(WorkerEntrypoint):
            def keep(self, binding):
                kept.append(binding)
            async def use(self):
                return await kept[0].twice(5)
            def back(self):
                return {"binding": kept[0]}
    """)
    world.deploy(NEXT, "other")
    await env.CALLEE.keep(env.OTHER)
    await asyncio.sleep(1)
    assert await env.CALLEE.use() == 10
    assert await env.CALLEE.back()["binding"].twice(6) == 12
    assert await env.CALLEE.use() == 10


WAIT = """
    class Default(WorkerEntrypoint):
        def m(self):
            log("method")
            async def work():
                log("work start")
                await sleep(50)
                log("work end")
            self.ctx.wait_until(asyncio.create_task(work()))
            log("returning")
            return "r"
        def failing(self):
            async def fail():
                await sleep(10)
                log("about to raise")
                raise ValueError("work failed")
            async def second():
                await sleep(40)
                log("second still ran")
            self.ctx.wait_until(fail())
            self.ctx.wait_until(second())
            return "r"
"""


async def test_X5_work_given_to_wait_until_goes_on_after_the_call(world):
    env = world.deploy(WAIT)
    world.log.append(("caller got", await env.CALLEE.m()))
    await asyncio.sleep(60)
    assert world.log == ["method", "returning", ("caller got", "r"), "work start", "work end"]


async def test_X5_it_does_not_delay_the_result_and_outlives_the_caller(world):
    world.deploy(WAIT)
    async with world.event() as env:
        await env.CALLEE.m()
        world.log.append("caller ends")
    await asyncio.sleep(60)
    assert world.log[-3:] == ["caller ends", "work start", "work end"]


@pytest.mark.expects_reports
async def test_X6_work_that_fails_reaches_no_caller_and_stops_no_other(world, caplog):
    env = world.deploy(WAIT)
    first = await env.CALLEE.failing()
    await asyncio.sleep(80)
    assert [first, await env.CALLEE.failing()] == ["r", "r"]
    await asyncio.sleep(80)
    assert world.log == ["about to raise", "second still ran"] * 2
    reports = [record.getMessage() for record in caplog.records]
    assert len(reports) == 2
    assert "work that callee gave to wait_until" in reports[0]


async def test_X7_wait_until_takes_any_one_value_and_gives_none(world):
    env = world.deploy("""
        from workers import wait_until, waitUntil
        class Default(WorkerEntrypoint):
            async def m(self):
                async def work(x):
                    await sleep(5)
                    log(x)
                taken_off = self.ctx.wait_until
                given = [self.ctx.wait_until(work(1)), self.ctx.wait_until(5),
                         self.ctx.wait_until(None), taken_off(work(2)), wait_until(work(3)),
                         waitUntil(work(4))]
                try:
                    self.ctx.wait_until()
                except TypeError as error:
                    given.append(type(error).__name__)
                return given
    """)
    assert await env.CALLEE.m() == [None] * 6 + ["TypeError"]
    await asyncio.sleep(10)
    assert sorted(world.log) == [1, 2, 3, 4]


async def test_X8_tasks_alone_do_not_keep_a_context_alive_and_live_stubs_do(world):
    world.deploy("""
        tasks = []
        def start(seconds, text):
            async def work():
                await sleep(seconds)
                log(text)
            tasks.append(asyncio.create_task(work()))
        class Default(WorkerEntrypoint):
            def bare(self):
                start(20, "bare task ran")
                return "bare"
            def held(self):
                start(20, "held task ran")
                start(120, "held task ran after the caller ended")
                return RpcTarget()
    """)
    async with world.event() as env:
        assert await env.CALLEE.bare() == "bare"
        stub = await env.CALLEE.held()
        await asyncio.sleep(60)
        world.log.append("caller ends")
    await asyncio.sleep(150)
    assert world.log == ["held task ran", "caller ends"]
    del stub


PROPS = """
    class Default(WorkerEntrypoint):
        def props(self):
            return self.ctx.props
        def mutate(self):
            self.ctx.props["x"] = 9
            self.ctx.props.setdefault("n", []).append(3)
            return self.ctx.props
"""


async def test_X9_props_are_a_fresh_copy_for_each_call_and_empty_without_any(world):
    world.deploy(PROPS)
    given = {"user": "ann", "n": [1, 2]}
    env = world.bind(
        A=rpclab.binding("callee", props=given), B=rpclab.binding("callee", props={"user": "bob"})
    )
    assert await env.CALLEE.props() == {}
    assert await env.A.props() == {"user": "ann", "n": [1, 2]}
    assert await env.B.props() == {"user": "bob"}
    assert await env.A.mutate() == {"user": "ann", "n": [1, 2, 3], "x": 9}
    assert await env.A.props() == given == {"user": "ann", "n": [1, 2]}
    assert await env.CALLEE.mutate() == {"n": [3], "x": 9}
    assert await env.CALLEE.props() == {}


async def test_X9_the_holder_of_a_binding_cannot_change_its_props(world):
    given = {"role": "reader"}
    world.deploy(PROPS)
    described = rpclab.binding("callee", props=given)
    env = world.bind(A=described)
    given["role"] = "writer"
    world.sandbox.bindings()["A"].props["role"] = "writer"
    described.props["role"] = "writer"
    assert await env.A.props() == {"role": "reader"}


EXPORTS = """
    class NotEntry:
        pass
    plain = {"a": 1}
    class Inner(WorkerEntrypoint):
        def hi(self, x):
            return f"hi {x} {self.ctx.props}"
    class Default(WorkerEntrypoint):
        async def run(self):
            inner = self.ctx.exports.Inner
            return [await inner.hi("a"), await inner(props={"role": "x"}).hi("b"),
                    await inner.hi("c"), type(inner).__name__]
        def names(self):
            return [sorted(self.ctx.exports), hasattr(self.ctx.exports, "plain")]
        def give(self):
            return self.ctx.exports.Inner(props={"role": "given"})
"""


async def test_X10_exports_are_bindings_and_calling_one_gives_it_props(world):
    env = world.deploy(EXPORTS)
    assert await env.CALLEE.run() == ["hi a {}", "hi b {'role': 'x'}", "hi c {}", "LoopbackBinding"]


async def test_X10_exports_has_the_entrypoint_classes_alone(world):
    env = world.deploy(EXPORTS)
    assert await env.CALLEE.names() == [["Default", "Inner"], False]


async def test_X10_a_binding_made_of_exports_can_be_returned(world):
    env = world.deploy(EXPORTS)
    given = await env.CALLEE.give()
    assert await given.hi("b") == "hi b {'role': 'given'}"


async def test_X11_ctx_has_the_members_of_an_entrypoints_context_and_no_others(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                return [name for name in dir(self.ctx) if name[0] != "_"]
            def passing(self):
                return self.ctx.pass_through_on_exception()
    """)
    members = await env.CALLEE.m()
    assert {"wait_until", "pass_through_on_exception", "props", "exports", "abort"} <= set(members)
    assert not {"storage", "id"} & set(members)
    assert await env.CALLEE.passing() is None


async def test_X11_abort_ends_the_context_with_its_reason(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def m(self):
                async def work():
                    await sleep(10)
                    log("never")
                self.ctx.wait_until(work())
                self.ctx.abort("enough")
                log("not reached")
    """)
    error = await failure(env.CALLEE.m())
    assert isinstance(error, rpclab.RpcError)
    assert str(error) == "enough"
    await asyncio.sleep(20)
    assert world.log == []


async def test_X1_javascript_spellings_are_aliases(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                return [callable(self.ctx.waitUntil), callable(self.ctx.passThroughOnException)]
    """)
    assert await env.CALLEE.m() == [True, True]
