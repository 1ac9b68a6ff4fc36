"""Area D: what a Durable Object keeps, blocks that run alone, alarms."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import time

import pytest
from support.versions import TASK_FACTORIES
from support.world import failure

import rpclab


@pytest.fixture
def run(world):
    """Run the body of a method of an object, in which `s` is its storage."""

    def run_in_object(body, name="s"):
        lines = "\n".join(f"        {line}" for line in body.strip("\n").split("\n"))
        world.deploy(
            "class Obj(DurableObject):\n    def alarm(self): pass\n"
            f"    async def run(self):\n        s = self.ctx.storage\n{lines}",
        )
        return world.bind(OBJ=rpclab.objects("callee#Obj")).OBJ.get_by_name(name).run()

    return run_in_object


async def test_D5_get_put_and_delete_give_what_the_platform_gives(run):
    assert await run("""
found = [await s.get("none"), await s.put("k", {"a": 1}), await s.get("k")]
await s.put({"b": 2, "a": 1, "c": 3})
found += [await s.get(["c", "nope", "a"]), await s.delete("a"), await s.delete("a")]
found += [await s.delete(["b", "c", "nope"]), await s.list()]
await s.delete_all()
return [*found, await s.list()]
""") == [None, None, {"a": 1}, {"a": 1, "c": 3}, True, False, 2, {"k": {"a": 1}}, {}]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ("", ["a", "b", "c", "k", "z:1", "z:2"]),
        ("prefix='z:'", ["z:1", "z:2"]),
        ("limit=2", ["a", "b"]),
        ("reverse=True, limit=2", ["z:2", "z:1"]),
        ("start='b', end='z'", ["b", "c", "k"]),
        ("start_after='b', limit=1", ["c"]),
        ("prefix='z:', start_after='z:1'", ["z:2"]),
        ("prefix='z:', start='a', end='z:2', reverse=True", ["z:1"]),
        ("start='m', end='n'", []),
    ],
)
@pytest.mark.parametrize("saved", ["", "await s.sync()", "s.sql.exec('SELECT 1')"])
async def test_D5_list_gives_the_keys_in_order_and_knows_its_options(run, options, keys, saved):
    found = await run(f"""
await s.put({{"z:2": 8, "z:1": 9, "k": 0, "b": 2, "a": 1, "c": 3}})
{saved or "pass"}
return list((await s.list({options})).items())
""")
    values = {"z:2": 8, "z:1": 9, "k": 0, "b": 2, "a": 1, "c": 3}
    assert found == [(key, values[key]) for key in keys]


async def test_D5_keys_are_ordered_by_their_utf8(run):
    keys = ["", "\0", "Z", "a", "é", "\ud800", "\uffff", "😀"]
    assert (
        await run(f"await s.put(dict.fromkeys({keys!r}, 1))\nreturn list(await s.list())") == keys
    )


async def test_D5_options_of_list_that_contradict_are_refused(run):
    assert type(await failure(run("await s.list(start='a', start_after='b')"))) is TypeError
    assert "must be positive" in str(await failure(run("await s.list(limit=0)")))


async def test_D6_values_are_structured_copies(run):
    assert await run("""
import datetime
value = {"m": {1: datetime.datetime(1970, 1, 1)}, "big": 5**50, "bytes": b"\\1"}
value["self"] = value
await s.put("o", value)
value["late"] = 1
back = await s.get("o")
back["changed"] = 1
again = await s.get("o")
return [sorted(again), again["m"], again["big"] == 5**50, again["self"] is again]
""") == [["big", "bytes", "m", "self"], {1: dt.datetime(1970, 1, 1)}, True, True]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("lambda: 1", "value"),
        ("{'a': [RpcTarget()]}", 'value["a"][0]'),
        ("self.ctx.exports.Obj.get_by_name('x')", "value"),
        ("type('X', (), {})()", "value"),
        ("object()", "value"),
    ],
)
async def test_D6_what_is_no_plain_data_is_refused_with_its_place(run, value, path):
    error = await failure(run(f"await s.put({{'fine': 1, 'bad': {value}}})"))
    assert isinstance(error, rpclab.DataCloneError)
    assert error.path == path
    assert await run("return await s.list()", "s") == {}


async def test_D6_a_number_as_key_is_made_a_text_and_keys_have_a_length(run):
    assert await run("await s.put(5, 'five')\nreturn await s.get('5')") == "five"
    assert await run("await s.put('', 1)\nreturn await s.get('')") == 1
    assert await run("await s.put('k' * 2048, 1)\nreturn await s.get('k' * 2048)") == 1
    assert "at most 2048 bytes" in str(await failure(run("await s.put('é' * 1025, 1)")))
    assert "a key is a text, not NoneType" in str(await failure(run("await s.delete([None])")))


async def test_D6_none_can_be_stored(run):
    assert await run("await s.put('n', None)\nreturn await s.get(['n', 'm'])") == {"n": None}


TRANSACTIONS = """
async def rolls_back(t):
    await t.put("a", 99)
    await sleep(1)
    raise ValueError("roll back")
async def gives_up(t):
    await t.put("a", 77)
    t.rollback()
    return "after rollback"
async def keeps(t):
    await t.put("a", 2)
    return "result"
"""


@pytest.mark.parametrize("prelude", ["", "s.sql.exec('SELECT 1')\n"])
async def test_D7_a_transaction_is_kept_as_a_whole_or_not_at_all(run, prelude):
    assert await run(
        prelude
        + TRANSACTIONS
        + """
await s.put("a", 1)
seen = [await s.transaction(keeps), await s.get("a")]
seen += [str(await attempt(s.transaction(rolls_back))), await s.get("a")]
return [*seen, await s.transaction(gives_up), await s.get("a")]
"""
    ) == ["result", 2, "roll back", 2, "after rollback", 2]


@pytest.mark.parametrize("prelude", ["", "s.sql.exec('SELECT 1')\n"])
async def test_D7_transactions_nest_and_those_without_await_do_too(run, prelude):
    assert await run(
        prelude
        + """
def fails():
    s.kv.put("sync", 1)
    raise ValueError
async def outer(t):
    await t.put("outer", 1)
    async def inner(t2):
        await t2.put("inner", 1)
        t2.rollback()
    await s.transaction(inner)
    try:
        s.transaction_sync(fails)
    except ValueError:
        pass
    s.transaction_sync(lambda: s.kv.put("kept", 1))
await s.transaction(outer)
return list(await s.list())
"""
    ) == ["kept", "outer"]


async def test_D7_a_transaction_that_is_over_can_do_nothing_more(run):
    error = await failure(
        run("""
kept = []
async def work(t):
    kept.append(t)
await s.transaction(work)
await kept[0].put("a", 1)
""")
    )
    assert isinstance(error, rpclab.LocalProtocolError)


@pytest.mark.parametrize("method", ["s.delete_all()", "t.delete_all()"])
async def test_D7_delete_all_is_refused_within_a_transaction(run, method):
    error = await failure(run(f"async def f(t):\n    {method}\nawait s.transaction(f)"))
    assert "Cannot call delete_all() within a transaction" in str(error)


async def test_D7_transaction_sync_refuses_a_coroutine_function(run):
    error = await failure(run("async def f():\n    pass\ns.transaction_sync(f)"))
    assert "use transaction()" in str(error)


@pytest.mark.parametrize("prelude", ["", "s.sql.exec('SELECT 1')"], ids=["shared", "own"])
async def test_D7_an_alarm_that_a_transaction_sets_is_kept_with_it(run, prelude):
    assert await run(f"""
{prelude}
async def f(t):
    await t.set_alarm(9 * 10**12)
await s.transaction(f)
return await s.get_alarm()
""") == 9 * 10**12  # fmt: skip


async def test_D7_a_transaction_covers_keys_tables_and_the_alarm_together(run):
    assert await run("""
s.sql.exec("CREATE TABLE t (n)")
async def f(t):
    await t.put("k", 1)
    await t.set_alarm(9 * 10**12)
    s.sql.exec("INSERT INTO t VALUES (1)")
    raise ValueError
await attempt(s.transaction(f))
return [await s.get("k"), await s.get_alarm(), s.sql.exec("SELECT * FROM t").to_array()]
""") == [None, None, []]


BLOCKS = """
    class Obj(DurableObject):
        def __init__(self, ctx, env):
            super().__init__(ctx, env)
            async def init():
                log("init start")
                await sleep(1)
                self._ready = True
                log("init end")
            ctx.block_concurrency_while(init)
        def m(self, x):
            log(("m", x, self._ready))
            return self._ready
        async def block(self):
            async def work():
                log("block start")
                await sleep(1)
                log("block end")
                return "blocked result"
            return await self.ctx.block_concurrency_while(work)
        async def fail(self):
            async def work():
                raise ValueError("in block")
            return await self.ctx.block_concurrency_while(work)
        async def hang(self):
            await self.ctx.block_concurrency_while(lambda: sleep(1000))
    class Bad(DurableObject):
        def __init__(self, ctx, env):
            async def init():
                raise TypeError("init failed")
            ctx.block_concurrency_while(init)
        def m(self):
            return 1
"""


@pytest.fixture
def blocks(world):
    world.deploy(BLOCKS)
    return world.bind(OBJ=rpclab.objects("callee#Obj"), BAD=rpclab.objects("callee#Bad"))


async def test_D10_a_block_holds_all_other_calls_back_also_in_the_constructor(world, blocks):
    s = blocks.OBJ.get_by_name("x")
    assert await rpclab.gather(s.m(1), s.m(2)) == [True, True]
    assert await rpclab.gather(s.block(), s.m(3)) == ["blocked result", True]
    assert world.log == [
        "init start", "init end", ("m", 1, True), ("m", 2, True),
        "block start", "block end", ("m", 3, True),
    ]  # fmt: skip


@pytest.mark.parametrize("factory", TASK_FACTORIES.values(), ids=TASK_FACTORIES)
async def test_D10_D13_a_block_that_fails_resets_the_object(blocks, factory):
    asyncio.get_running_loop().set_task_factory(factory)
    s = blocks.OBJ.get_by_name("x")
    first, after = s.fail(), s.m(1)
    for error in (await failure(first), await failure(after), await failure(s.m(2))):
        assert (type(error), str(error)) == (ValueError, "in block")
        assert error.durable_object_reset is True
        assert not hasattr(error, "remote")
    assert await blocks.OBJ.get_by_name("x").m(4) is True
    bad = await failure(blocks.BAD.get_by_name("x").m())
    assert (type(bad), str(bad), bad.durable_object_reset) == (TypeError, "init failed", True)


async def test_D10_a_block_of_over_thirty_seconds_resets_the_object(blocks):
    error = await failure(blocks.OBJ.get_by_name("x").hang())
    assert "waited for too long" in str(error)
    assert error.durable_object_reset is True
    assert round(asyncio.get_running_loop().time()) == 1 + 30  # the constructor has a block, too


ALARMS = """
    import time
    class Obj(DurableObject):
        async def set(self, seconds):
            s = self.ctx.storage
            none = await s.get_alarm()
            await s.set_alarm(time.time() * 1000 + seconds * 1000)
            return [none, type(await s.get_alarm()).__name__]
        async def cancel(self):
            await self.ctx.storage.delete_alarm()
            return await self.ctx.storage.get_alarm()
        async def alarm(self, info):
            log((self.ctx.id.name, info.is_retry, info["retryCount"], await self.due()))
        async def due(self):
            return await self.ctx.storage.get_alarm()
    class Fails(DurableObject):
        async def set(self):
            await self.ctx.storage.set_alarm(1)
        async def alarm(self, info):
            log((round(asyncio.get_running_loop().time()), info.is_retry, info.retryCount))
            raise ValueError("alarm fails")
        async def due(self):
            return await self.ctx.storage.get_alarm()
    class Again(DurableObject):
        _left = 3
        async def set(self):
            await self.ctx.storage.setAlarm(1)
        async def alarm(self):
            self._left -= 1
            log(self._left)
            if self._left:
                await self.ctx.storage.set_alarm(time.time() * 1000 + 5000)
    class Silent(DurableObject):
        async def set(self):
            await self.ctx.storage.set_alarm(1)
"""


@pytest.fixture
def alarms(world):
    world.deploy(ALARMS)
    names = ("Obj", "Fails", "Again", "Silent")
    return world.bind(**{name: rpclab.objects(f"callee#{name}") for name in names})


async def test_D17_an_alarm_runs_once_at_its_time_and_is_none_while_it_runs(world, alarms):
    s = alarms.Obj.get_by_name("rings")
    assert await s.set(50) == [None, "int"]
    await asyncio.sleep(49)
    assert world.log == []
    await asyncio.sleep(1000)
    assert world.log == [("rings", False, 0, None)]
    assert await s.due() is None


async def test_D17_an_alarm_can_be_taken_back_and_set_anew(world, alarms):
    cancelled, moved = alarms.Obj.get_by_name("cancelled"), alarms.Obj.get_by_name("moved")
    await cancelled.set(5)
    assert await cancelled.cancel() is None
    await moved.set(5)
    await moved.set(100)
    await asyncio.sleep(90)
    assert world.log == []
    await asyncio.sleep(20)
    assert world.log == [("moved", False, 0, None)]


@pytest.mark.expects_reports
async def test_D17_an_alarm_that_fails_runs_again_six_times_with_growing_delays(world, alarms):
    s = alarms.Fails.get_by_name("x")
    await s.set()
    await asyncio.sleep(1000)
    times = [0, 2, 6, 14, 30, 62, 126]
    assert world.log == [(at, n > 0, n) for n, at in enumerate(times)]
    assert await s.due() is None


async def test_D17_a_handler_may_set_the_next_alarm_and_need_not_take_the_info(world, alarms):
    await alarms.Again.get_by_name("x").set()
    await asyncio.sleep(100)
    assert world.log == [2, 1, 0]


async def test_D17_an_evicted_object_is_woken_by_its_alarm(world, alarms):
    await alarms.Obj.get_by_name("x").set(10)
    assert world.sandbox.evict("callee#Obj", "x") == 1
    await asyncio.sleep(20)
    assert world.log == [("x", False, 0, None)]


async def test_D17_a_class_without_the_method_cannot_set_an_alarm(alarms):
    error = await failure(alarms.Silent.get_by_name("x").set())
    assert "must have an alarm() handler" in str(error)


async def test_D17_an_alarm_survives_the_end_of_the_sandbox(tmp_path):
    source = """
from workers import DurableObject
rung = []
class Obj(DurableObject):
    async def set(self, sql):
        if sql:
            self.ctx.storage.sql.exec("CREATE TABLE t (n)")
        await self.ctx.storage.set_alarm(2 if sql else 1)
    async def alarm(self, info):
        rung.append(self.ctx.id.name)
"""
    async with rpclab.Sandbox(storage=tmp_path) as first:
        first.deploy(
            "callee", source=source.replace("2 if", "9e12 if").replace("else 1", "else 9e12")
        )
        ns = first.bind(OBJ=rpclab.objects("callee#Obj")).OBJ
        await rpclab.gather(ns.get_by_name("kv").set(False), ns.get_by_name("sql").set(True))
    _make_due(tmp_path)
    async with rpclab.Sandbox(storage=tmp_path) as second:
        worker = second.deploy("callee", source=source)
        await asyncio.sleep(1)
        assert sorted(worker.module.rung) == ["kv", "sql"]


def _make_due(folder):
    for path in folder.rglob("*.sqlite"):
        with sqlite3.connect(path) as connection:
            table = "alarms SET time" if path.parent.name == "objects" else "_cf_METADATA SET value"
            where = "" if path.parent.name == "objects" else " WHERE key = 'alarm'"
            connection.execute(f"UPDATE {table} = ?{where}", (int(time.time() * 1000) - 5,))
        connection.close()


async def test_D17_set_alarm_takes_a_datetime(run):
    when = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    assert (
        await run("""
import datetime
await s.set_alarm(datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC))
return await s.get_alarm()
""")
        == when.timestamp() * 1000
    )
