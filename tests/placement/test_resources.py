"""KV, and databases in memory, of Workers in processes: the program that has them answers."""

from __future__ import annotations

import pytest
from support.world import failure

from rpclab.errors import D1Error, KVError
from rpclab.placement.resources import held

SOURCE = """
import os
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def kv(self, method, *args, **kwargs):
        found = await getattr(self.env.CACHE, method)(*args, **kwargs)
        return found

    async def kept(self, key):
        found = await self.env.CACHE.get_with_metadata(key, "json")
        return [found.value, found.metadata]

    async def listed(self, **options):
        found = await self.env.CACHE.list(**options)
        return [[key["name"] for key in found["keys"]], found.get("cursor")]

    async def pieces(self, key):
        return b"".join([part async for part in await self.env.CACHE.get(key, "stream")])

    async def sql(self, text, *values):
        result = await self.env.DB.prepare(text).bind(*values).run()
        return [result.results, result.meta.changes]

    async def batch(self, *texts):
        return [r.results for r in await self.env.DB.batch([self.env.DB.prepare(t) for t in texts])]

    def leave(self):
        os._exit(1)

    async def exec(self, text):
        return (await self.env.DB.exec(text)).count
"""
TABLE = "CREATE TABLE teas (name TEXT UNIQUE, weight REAL, leaf BLOB)"


@pytest.fixture(params=["kernel", "process"])
def env(request, sandbox):
    sandbox.deploy(
        "worker",
        source=SOURCE,
        kv={"CACHE": "cache"},
        d1={"DB": ":memory:"},
        placement=request.param,
    )
    return sandbox.bind(WORKER="worker", CACHE=sandbox.kv("cache"), DB=sandbox.d1(":memory:DB"))


async def test_what_a_worker_keeps_in_kv_is_there_for_all(sandbox, env):
    await env.WORKER.kv("put", "tea", '{"kind": "green"}', metadata={"cups": 2})
    assert await env.CACHE.get("tea", "json") == {"kind": "green"}
    assert await env.WORKER.kept("tea") == [{"kind": "green"}, {"cups": 2}]
    await env.CACHE.put("leaf", b"\x00\xff" * 100_000)
    assert await env.WORKER.kv("get", "leaf", "bytes") == b"\x00\xff" * 100_000
    assert await env.WORKER.pieces("leaf") == b"\x00\xff" * 100_000
    assert await env.WORKER.kv("get", ["tea", "none"]) == {"tea": '{"kind": "green"}', "none": None}
    names, cursor = await env.WORKER.listed(limit=1)
    assert names == ["leaf"]
    assert (await env.WORKER.listed(cursor=cursor))[0] == ["tea"]
    await env.WORKER.kv("delete", "tea")
    assert await env.CACHE.get("tea") is None


async def test_a_key_of_kv_expires_where_it_is_kept(sandbox, env):
    await env.WORKER.kv("put", "soon", "x", expiration_ttl=60)
    assert await env.WORKER.kv("get", "soon") == "x"
    now = sandbox.kv("cache")._clock
    sandbox.kv("cache")._clock = lambda: now() + 61
    assert await env.WORKER.kv("get", "soon") is None


@pytest.mark.parametrize(
    ("method", "args"),
    [("put", ["x" * 600, "y"]), ("get", ["x" * 600]), ("put", ["k", "v", {"expiration_ttl": 1}])],
)
async def test_the_errors_of_kv_are_its_own(env, method, args):
    assert isinstance(await failure(env.WORKER.kv(method, *args)), KVError)


async def test_a_database_in_memory_is_one_for_all(env):
    await env.WORKER.sql(TABLE)
    assert await env.WORKER.sql("INSERT INTO teas VALUES (?, ?, ?)", "green", 1.5, b"\x00") == [
        [],
        1,
    ]
    seen = await env.DB.prepare("SELECT * FROM teas").first()
    assert seen == {"name": "green", "weight": 1.5, "leaf": b"\x00"}
    count = "SELECT count(*) AS n FROM teas"
    assert await env.WORKER.batch("INSERT INTO teas VALUES ('red', 2, NULL)", count) == [
        [],
        [{"n": 2}],
    ]
    assert await env.WORKER.exec("DELETE FROM teas; SELECT 1;") == 2


async def test_the_errors_of_a_database_are_its_own_and_what_failed_is_taken_back(env):
    await env.WORKER.sql(TABLE)
    insert = "INSERT INTO teas VALUES ('green', 1, NULL)"
    error = await failure(env.WORKER.batch(insert, insert))
    assert isinstance(error, D1Error)
    assert "UNIQUE" in str(error)
    assert await env.WORKER.sql("SELECT * FROM teas") == [[], 0]
    assert isinstance(await failure(env.WORKER.exec("nonsense")), D1Error)


async def test_they_stay_when_its_process_ends_and_when_it_moves(sandbox, env):
    await env.WORKER.kv("put", "tea", "green")
    await env.WORKER.sql(TABLE)
    for placement in ("process", "kernel", "process"):
        await sandbox.move("worker", placement)
        assert await env.WORKER.kv("get", "tea") == "green"
        assert await env.WORKER.sql("SELECT * FROM teas") == [[], 0]
    await failure(env.WORKER.leave())
    assert await env.WORKER.kv("get", "tea") == "green"
    assert await env.WORKER.sql("SELECT * FROM teas") == [[], 0]


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("read", ["GET", [b"k"] * 101, 1]),
        ("read", ["GET", [b"k" * 513], 1]),
        ("read", ["GET", "keys", 1]),
        ("write", [[b"k", "text", None, None], None]),
        ("write", [[b"k", b"v" * 26_300_000, None, None], None]),
        ("write", [[b"k", b"v", "m" * 1025, None], None]),
        ("write", [[b"k", b"v", None, None], float("nan")]),
        ("list", [b"", b"", "all"]),
        ("run", ["SELECT 1"]),
    ],
)
async def test_what_the_side_of_a_worker_would_never_ask_is_refused(sandbox, method, args):
    entries = held(sandbox.kv("cache"))
    with pytest.raises((TypeError, ValueError, AttributeError)):
        await getattr(entries, method)(*args)
    assert (await sandbox.kv("cache").list())["keys"] == []
