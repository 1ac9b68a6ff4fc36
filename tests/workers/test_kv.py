"""KV namespaces: each operation as the platform has it, and its words where something is wrong.

The values and words were seen on `workerd`. docs/kv.md shows the operations in a table; each of its
rows is a test here.
"""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import re
import time
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

import pytest
from support.world import failure

import rpclab
from rpclab import KVError, ReadableStream
from rpclab.workers.kv.limits import KVLimits
from rpclab.workers.kv.namespace import KVNamespace

MIB = 2**20
PAGE = Path(__file__).parents[2] / "docs" / "kv.md"


@pytest.fixture
def kv(sandbox):
    return sandbox.kv("CACHE")


@pytest.fixture
def virtual():
    with_clock = rpclab.Sandbox(clock="virtual")
    yield with_clock
    with_clock.close()


async def names(kv, **options):
    return [key["name"] for key in (await kv.list(**options))["keys"]]


# The rows of the table.


async def row_get_of_a_text(kv):
    await kv.put("greeting", "hej 👋")
    assert await kv.get("greeting") == await kv.get("greeting", "text") == "hej 👋"
    assert await kv.get("missing") is None


async def row_get_of_json(kv):
    await kv.put("user", json.dumps({"name": "Ada", "tags": [1, 2.5, None]}))
    ada = {"name": "Ada", "tags": [1, 2.5, None]}
    assert await kv.get("user", "json") == ada
    assert await kv.get("user", type="json") == ada
    assert (await kv.get("user", "json")).name == "Ada"  # as in Python on the platform
    assert await kv.get("user", {"type": "json"}) == ada
    assert await kv.get("missing", "json") is None


async def row_get_of_bytes(kv):
    await kv.put("picture", b"\x00\xff")
    buffer = await kv.get("picture", "arrayBuffer")
    assert isinstance(buffer, memoryview)
    assert buffer == await kv.get("picture", "bytes") == b"\x00\xff"


async def row_get_of_a_stream(kv):
    await kv.put("film", b"ab" * 100_000)
    stream = await kv.get("film", "stream")
    assert isinstance(stream, ReadableStream)
    assert await stream.read_exactly(4) == b"abab"
    assert len(await stream.bytes()) == 199_996
    assert await kv.get("missing", "stream") is None


async def row_get_of_several_keys(kv):
    await kv.put("a", "1")
    await kv.put("b", "null")
    assert await kv.get(["b", "missing", "a", "b"]) == {"b": "null", "missing": None, "a": "1"}
    assert await kv.get(("a",), "json") == {"a": 1}
    assert await kv.get({"b"}, type="json") == {"b": None}


async def row_get_with_metadata(kv):
    await kv.put("a", "1", metadata={"by": "Ada"})
    await kv.put("b", "2")
    found = await kv.get_with_metadata("a")
    assert found == {"value": "1", "metadata": {"by": "Ada"}, "cacheStatus": None}
    assert (found.value, found.metadata.by) == ("1", "Ada")
    assert (await kv.get_with_metadata("a", "json")).value == 1
    assert (await kv.get_with_metadata("b")).metadata is None
    missing = await kv.get_with_metadata("missing")
    assert missing == {"value": None, "metadata": None, "cacheStatus": None}


async def row_get_with_metadata_of_several_keys(kv):
    await kv.put("a", "0", metadata=[1])
    await kv.put("b", "")
    assert await kv.get_with_metadata(["a", "b", "missing"]) == {
        "a": {"value": "0", "metadata": [1]},
        "b": {"value": "", "metadata": None},
        "missing": None,
    }
    assert (await kv.get_with_metadata(["a"], "json"))["a"].value == 0


async def row_put_of_a_text_bytes_or_a_stream(kv):
    for value in ("text", b"text", bytearray(b"text"), memoryview(b"text")):
        await kv.put("a", value)
        assert await kv.get("a") == "text"
    await kv.put("a", ReadableStream(part for part in ("te", b"xt")))
    assert await kv.get("a") == "text"
    await kv.put("a", "")
    assert await kv.get("a") == ""


async def row_put_with_expiration_ttl(kv):
    before = int(time.time())
    await kv.put("a", "1", expiration_ttl=60)
    [key] = (await kv.list())["keys"]
    assert before + 60 <= key["expiration"] <= int(time.time()) + 60


async def row_put_with_expiration(kv):
    at = int(time.time()) + 100
    await kv.put("a", "1", expiration=at)
    assert (await kv.list())["keys"] == [{"name": "a", "expiration": at}]


async def row_put_with_metadata(kv):
    await kv.put("a", "1", metadata={"é": [1, None, "😀"]})
    assert (await kv.get_with_metadata("a")).metadata == {"é": [1, None, "😀"]}
    await kv.put("a", "2")
    assert (await kv.get_with_metadata("a")).metadata is None


async def row_list(kv):
    assert await kv.list() == {"keys": [], "list_complete": True, "cacheStatus": None}
    for name in ("b", "a", "é", "\uffff", "😀", "B"):
        await kv.put(name, "x")
    assert await names(kv) == ["B", "a", "b", "é", "\uffff", "😀"]  # by UTF-8, not by UTF-16
    await kv.put("m", "x", metadata="meta")
    assert (await kv.list(prefix="m"))["keys"] == [{"name": "m", "metadata": "meta"}]


async def row_list_with_prefix(kv):
    for name in ("user", "user:", "user:1", "user;", "user:\U0010ffff"):
        await kv.put(name, "x")
    assert await names(kv, prefix="user:") == ["user:", "user:1", "user:\U0010ffff"]
    assert await names(kv, prefix="nobody") == []


async def row_list_with_limit_and_cursor(kv):
    for number in range(5):
        await kv.put(f"key:{number}", "x")
    first = await kv.list(prefix="key:", limit=2)
    assert (first["keys"], first.list_complete) == ([{"name": "key:0"}, {"name": "key:1"}], False)
    second = await kv.list(prefix="key:", limit=3, cursor=first.cursor)
    assert [key.name for key in second["keys"]] == ["key:2", "key:3", "key:4"]
    assert second.list_complete is True
    assert "cursor" not in second


async def row_delete(kv):
    await kv.put("a", "1")
    await kv.delete("a")
    await kv.delete("a")
    assert await kv.get("a") is None


ROWS = {
    "`get(key)`": row_get_of_a_text,
    '`get(key, "json")`': row_get_of_json,
    '`get(key, "arrayBuffer")`': row_get_of_bytes,
    '`get(key, "stream")`': row_get_of_a_stream,
    "`get(keys)`": row_get_of_several_keys,
    "`get_with_metadata(key)`": row_get_with_metadata,
    "`get_with_metadata(keys)`": row_get_with_metadata_of_several_keys,
    "`put(key, value)`": row_put_of_a_text_bytes_or_a_stream,
    "`put(…, expiration_ttl=60)`": row_put_with_expiration_ttl,
    "`put(…, expiration=time)`": row_put_with_expiration,
    "`put(…, metadata=value)`": row_put_with_metadata,
    "`list()`": row_list,
    "`list(prefix=text)`": row_list_with_prefix,
    "`list(limit=n, cursor=text)`": row_list_with_limit_and_cursor,
    "`delete(key)`": row_delete,
}


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.__name__)
async def test_an_operation_does_what_its_row_in_the_table_says(row, kv):
    await row(kv)


def test_the_table_of_the_page_has_these_rows():
    assert re.findall(r"^\| (`\w+\(.*?\)`) \|", PAGE.read_text("utf-8"), re.MULTILINE) == [*ROWS]


# Keys.


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "Key name cannot be empty."),
        (".", '"." is not allowed as a key name.'),
        ("..", '".." is not allowed as a key name.'),
        (None, "a key is a text, not NoneType"),
        (b"a", "a key is a text, not bytes"),
        ({"a": 1}, "a key is a text, not dict"),
    ],
)
async def test_what_can_be_no_key_is_a_type_error(kv, key, words):
    for operation in (kv.get, kv.get_with_metadata, kv.delete, lambda key: kv.put(key, "x")):
        with pytest.raises(TypeError, match=re.escape(words)):
            await operation(key)


async def test_a_key_has_512_bytes_at_most(kv):
    longest = "é" * 256
    await kv.put(longest, "x")
    assert await kv.get(longest) == "x"
    words = "failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512."
    for method, operation in (
        ("PUT", kv.put(longest + "a", "x")),
        ("GET", kv.get(longest + "a")),
        ("GET", kv.get_with_metadata(longest + "a")),
        ("DELETE", kv.delete(longest + "a")),
        ("GET_BULK", kv.get([longest + "a"])),
        ("GET", kv.list(prefix=longest + "a")),
    ):
        error = await failure(operation)
        assert (type(error), str(error), error.status) == (KVError, f"KV {method} {words}", 414)


async def test_all_other_keys_are_fine(kv):
    keys = [" ", "/ ?%2F#", "a\0b", "...", "x\n", "'; DROP TABLE entries; --", "%", "_", "😀"]
    for key in keys:
        await kv.put(key, key)
    assert await kv.get(keys) == dict(zip(keys, keys, strict=True))
    assert await names(kv) == sorted(keys, key=str.encode)


async def test_numbers_are_taken_for_their_texts_as_in_javascript(kv):
    class Colour(StrEnum):
        RED = "red"

    for key, text in ((5, "5"), (1.0, "1"), (True, "true"), (Colour.RED, "red")):
        await kv.put(key, "x")
        assert await names(kv) == [text]
        assert await kv.get(key) == await kv.get(text) == "x"
        assert await kv.get([key]) == {text: "x"}
        await kv.delete(key)


async def test_half_a_surrogate_pair_is_replaced(kv):
    await kv.put("\ud800", "a\udc00b")
    assert await names(kv) == ["\ufffd"]
    assert await kv.get("\ud800") == "a\ufffdb"


# Values.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (HTTPStatus.OK, "200"),
        (10**30, "1" + "0" * 30),
        (5.0, "5"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e20, "1" + "0" * 20),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (1e-6, "0.000001"),
        (1.25e-7, "1.25e-7"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (True, "true"),
        (None, "null"),
    ],
)
async def test_a_number_is_written_as_javascript_writes_it(kv, value, text):
    await kv.put("a", value)
    assert await kv.get("a") == text


@pytest.mark.parametrize("value", [{"a": 1}, [1], (1,), {1}, object(), rpclab.Blob("x")])
async def test_what_can_be_no_value_is_a_type_error(kv, value):
    with pytest.raises(TypeError, match=r"^KV put\(\) accepts only strings, ArrayBuffers"):
        await kv.put("a", value)
    assert await names(kv) == []


async def test_a_value_has_25_mib_at_most(kv):
    await kv.put("a", bytes(25 * MIB))
    for value in (bytes(25 * MIB + 1), "é" * (25 * MIB // 2) + "aa"):
        error = await failure(kv.put("b", value))
        assert re.fullmatch(
            r"KV PUT failed: 413 Value length of 26214\d+ exceeds limit of 26214400.", str(error)
        )
        assert error.status == 413
    assert await names(kv) == ["a"]


async def test_a_stream_is_read_no_further_than_a_value_may_go(kv):
    ended = []

    def endless():
        try:
            while True:
                yield bytes(MIB)
        finally:
            ended.append(True)

    with pytest.raises(KVError, match="413 Value length of 27262976 exceeds limit of 26214400"):
        await kv.put("a", ReadableStream(endless()))
    assert (ended, await kv.get("a")) == ([True], None)


async def test_a_stream_that_breaks_writes_nothing(kv):
    def breaking():
        yield b"half"
        raise ConnectionError("gone")

    await kv.put("a", "before")
    with pytest.raises(ConnectionError):
        await kv.put("a", ReadableStream(breaking()))
    assert await kv.get("a") == "before"


async def test_a_value_that_is_no_utf_8_is_still_a_text(kv):
    await kv.put("a", b"\xef\xbb\xbfa\xff")
    assert await kv.get("a") == "\ufeffa\ufffd"  # the byte order mark stays, as on the platform


@pytest.mark.parametrize("text", ["", "{", "nonsense", "NaN", "[1,]", "\ufeff1", "[" * 100_000])
async def test_a_value_that_is_no_json_is_said_with_its_key(kv, text):
    await kv.put("a", text)
    error = await failure(kv.get("a", "json"))
    assert isinstance(error, ValueError)
    assert "the value of the key 'a' is no JSON: " in error.__notes__[0]
    assert len(error.__notes__[0]) < 100
    error = await failure(kv.get(["a"], "json"))
    assert str(error) == (
        "KV GET_BULK failed: 400 At least one of the requested keys corresponds to a non-json value"
    )


# Options.


@pytest.mark.parametrize("type_", ["blob", "JSON", "", 5, ["json"]])
async def test_there_are_four_types(kv, type_):
    await kv.put("a", "1")
    with pytest.raises(TypeError, match=r"^Unknown response type. Possible types are"):
        await kv.get("a", type_)


@pytest.mark.parametrize("type_", ["arrayBuffer", "stream"])
async def test_several_keys_are_texts_or_json(kv, type_):
    with pytest.raises(KVError, match=rf'^KV GET_BULK failed: 400 "{type_}" is not a valid type'):
        await kv.get(["a"], type_)


async def test_several_keys_are_1_to_100(kv):
    assert len(await kv.get([f"{number}" for number in range(100)])) == 100
    with pytest.raises(KVError, match="400 You can request a maximum of 100 keys"):
        await kv.get([f"{number}" for number in range(101)])
    with pytest.raises(KVError, match="400 You can request a maximum of 100 keys"):
        await kv.get(str(number) for number in iter(int, 1))
    with pytest.raises(KVError, match="400 You must request a minimum of 1 key"):
        await kv.get([])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "400 Key names must not be empty"),
        ("..", '400 Illegal key name "..". Please use a different name.'),
    ],
)
async def test_one_wrong_key_of_several_is_told(kv, key, words):
    with pytest.raises(KVError, match=rf"^KV GET_BULK failed: {re.escape(words)}$"):
        await kv.get(["a", key])


async def test_several_values_have_25_mib_together(kv):
    for name in "ab":
        await kv.put(name, bytes(13 * MIB))
    with pytest.raises(KVError, match="413 Total size of request exceeds the limit of 25MB"):
        await kv.get(["a", "b"])


@pytest.mark.parametrize(
    ("ttl", "words"),
    [
        (59, "Invalid expiration_ttl of 59. Expiration TTL must be at least 60."),
        (59.9, "Invalid expiration_ttl of 59. Expiration TTL must be at least 60."),
        (0, "Invalid expiration_ttl of 0. Please specify integer greater than 0."),
        (-1, "Invalid expiration_ttl of -1. Please specify integer greater than 0."),
        (math.nan, "Invalid expiration_ttl of 0. Please specify integer greater than 0."),
        ("soon", "Invalid expiration_ttl of 0. Please specify integer greater than 0."),
    ],
)
async def test_a_key_lives_for_a_minute_at_least(kv, ttl, words):
    error = await failure(kv.put("a", "1", expiration_ttl=ttl))
    assert str(error) == f"KV PUT failed: 400 {words}"
    assert await names(kv) == []


async def test_a_time_is_a_whole_number_of_32_bits(kv):
    await kv.put("a", "1", expiration_ttl="60")
    await kv.put("b", "1", expiration_ttl=60.9)
    for ttl in (2**31, 10**400, 1e300):
        with pytest.raises(TypeError, match=r"^Value out of range. Must be between -2147483648 "):
            await kv.put("c", "1", expiration_ttl=ttl)
    with pytest.raises(TypeError, match="expiration_ttl is a number of seconds, not dict"):
        await kv.put("c", "1", expiration_ttl={})
    assert await names(kv) == ["a", "b"]


async def test_an_expiration_is_a_minute_ahead_at_least(kv):
    now = int(time.time())
    error = await failure(kv.put("a", "1", expiration=now - 5))
    assert str(error) == (
        f"KV PUT failed: 400 Invalid expiration of {now - 5}. Please specify integer greater than"
        " the current number of seconds since the UNIX epoch."
    )
    error = await failure(kv.put("a", "1", expiration=now + 30))
    assert str(error) == (
        f"KV PUT failed: 400 Invalid expiration of {now + 30}. Expiration times must be at least 60"
        " seconds in the future."
    )


async def test_of_two_times_the_ttl_holds(kv):
    await kv.put("a", "1", expiration_ttl=60, expiration=int(time.time()) + 9999)
    [key] = (await kv.list())["keys"]
    assert key.expiration < time.time() + 61


async def test_metadata_has_1024_bytes_of_json_at_most(kv):
    await kv.put("a", "1", metadata="m" * 1022)
    for metadata in ("m" * 1023, "é" * 512):
        error = await failure(kv.put("b", "1", metadata=metadata))
        assert re.match(r"KV PUT failed: 413 Metadata length of 102\d exceeds", str(error))
        assert error.status == 413
    assert await names(kv) == ["a"]


@pytest.mark.parametrize("metadata", [{1, 2}, b"x", math.nan, object()])
async def test_metadata_is_a_json_value(kv, metadata):
    with pytest.raises(TypeError, match=r"^the metadata must be a JSON value: "):
        await kv.put("a", "1", metadata=metadata)
    circle = []
    circle.append(circle)
    with pytest.raises(TypeError, match=r"^the metadata must be a JSON value: "):
        await kv.put("a", "1", metadata=circle)


async def test_a_cache_ttl_is_30_seconds_at_least(kv):
    await kv.put("a", "1")
    assert await kv.get("a", cache_ttl=30) == await kv.get("a", {"cacheTtl": 30}) == "1"
    assert await kv.get("a", "json", {"cacheTtl": 30}) == 1
    words = "400 Invalid cache_ttl of 29. Cache TTL must be at least 30."
    assert str(await failure(kv.get("a", cache_ttl=29))) == f"KV GET failed: {words}"
    assert str(await failure(kv.get(["a"], cache_ttl=29))) == f"KV GET_BULK failed: {words}"


async def test_a_list_has_1000_keys_at_most(kv):
    await asyncio.gather(*(kv.put(f"{number:04}", "x") for number in range(1001)))
    for options in ({}, {"limit": 0}, {"limit": -1}, {"limit": None}, {"limit": 1000}):
        page = await kv.list(options)
        assert (len(page["keys"]), page.list_complete) == (1000, False)
    with pytest.raises(KVError, match=r"400 Invalid key_count_limit of 1001. Please specify an"):
        await kv.list(limit=1001)
    rest = await kv.list(cursor=page.cursor)
    assert rest == {"keys": [{"name": "1000"}], "list_complete": True, "cacheStatus": None}


async def test_a_page_that_ends_with_the_last_key_is_complete(kv):
    await kv.put("a", "1")
    await kv.put("b", "1")
    assert (await kv.list(limit=2)).list_complete is True


async def test_a_cursor_holds_when_its_key_is_gone_and_new_ones_came(kv):
    for name in "acd":
        await kv.put(name, "x")
    page = await kv.list(limit=2)
    await kv.delete("c")
    await kv.put("cc", "x")
    await kv.put("b", "x")
    assert await names(kv, cursor=page.cursor) == ["cc", "d"]
    assert await names(kv, cursor="") == ["a", "b", "cc", "d"]


@pytest.mark.parametrize("cursor", ["nonsense!", "YQ", "é"])
async def test_a_cursor_of_ones_own_is_refused(kv, cursor):
    with pytest.raises(KVError, match=r"^KV GET failed: 400 Invalid cursor"):
        await kv.list(cursor=cursor)


async def test_an_option_that_is_misspelt_is_refused_with_its_neighbours(kv):
    error = await failure(kv.put("a", "1", expire_ttl=60))
    assert str(error) == "put() has no option 'expire_ttl'"
    assert error.__notes__ == ["did you mean 'expiration_ttl' or 'expiration'?"]
    for wrong in (kv.get("a", {"tpye": "json"}), kv.list(max=5), kv.list("prefix"), kv.get("a", 5)):
        with pytest.raises(TypeError):
            await wrong
    with pytest.raises(TypeError, match="prefix is a text, not 5"):
        await kv.list(prefix=5)
    with pytest.raises(TypeError, match="given the option expiration_ttl twice"):
        await kv.put("a", "1", {"expirationTtl": 60}, expiration_ttl=60)


async def test_javascripts_spellings_are_understood(kv):
    await kv.put("a", "1", {"expirationTtl": 60, "metadata": {"x": 1}})
    await kv.put("b", "1", expirationTtl=60)
    await kv.put("c", "1", None)
    found = await kv.getWithMetadata("a", {"type": "json", "cacheTtl": 60})
    assert (found["value"], found["metadata"]) == (1, {"x": 1})
    listed = await kv.list({"prefix": "", "limit": 2, "cursor": None})
    assert all(key["expiration"] > time.time() for key in listed["keys"])
    assert (await kv.list(None))["list_complete"] is True


# Time.


async def test_a_key_expires_by_the_clock_of_the_sandbox(virtual):
    kv = virtual.kv("CACHE")
    await kv.put("ttl", "1", expiration_ttl=60)
    await kv.put("later", "1", expiration_ttl=120)
    await kv.put("stays", "1")
    await virtual.sleep(59)
    assert await kv.get(["ttl", "later"]) == {"ttl": "1", "later": "1"}
    await virtual.sleep(1)
    assert await kv.get("ttl") is None
    assert (await kv.get_with_metadata("ttl")).value is None
    assert await kv.get(["ttl", "later"]) == {"ttl": None, "later": "1"}
    assert await names(kv) == ["later", "stays"]


async def test_an_expiration_is_meant_by_the_calendar_and_waited_for_on_the_clock(virtual):
    kv = virtual.kv("CACHE")
    await virtual.sleep(10_000)  # what time.time() says has not moved
    await kv.put("a", "1", expiration=int(time.time()) + 600)
    await virtual.sleep(590)
    assert await kv.get("a") == "1"
    await virtual.sleep(11)
    assert await kv.get("a") is None


async def test_who_writes_again_sets_a_new_time(virtual):
    kv = virtual.kv("CACHE")
    await kv.put("a", "1", expiration_ttl=60)
    await virtual.sleep(30)
    await kv.put("a", "2", expiration_ttl=60)
    await kv.put("b", "1", expiration_ttl=60)
    await kv.put("b", "2")
    await virtual.sleep(59)
    assert await kv.get(["a", "b"]) == {"a": "2", "b": "2"}
    await virtual.sleep(1)
    assert await kv.get(["a", "b"]) == {"a": None, "b": "2"}


async def test_what_has_expired_leaves_the_file_with_the_next_write(virtual):
    kv = virtual.kv("CACHE")
    await kv.put("a", "1", expiration_ttl=60)
    await virtual.sleep(60)
    await kv.put("b", "1")
    rows = kv._entries._connection.execute("SELECT key FROM entries").fetchall()
    assert rows == [(b"b",)]


async def test_a_virtual_clock_waits_for_an_operation_and_shows_none_of_it(virtual):
    await virtual.kv("CACHE").put("a", bytes(MIB))
    assert virtual.time() == 0


# Workers, namespaces, files.

WORKER = """
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def put(self, key, value, **options):
        await self.env.CACHE.put(key, value, **options)
    async def get(self, key, type="text"):
        return await self.env.CACHE.get(key, type)
    async def list(self, **options):
        return await self.env.CACHE.list(**options)
    async def count(self):
        seen = await self.env.CACHE.get("count", "json") or 0
        await self.env.CACHE.put("count", seen + 1)
    def namespace(self):
        return self.env.CACHE
"""


def deploy(sandbox, name="worker", id="CACHE"):
    sandbox.deploy(name, source=WORKER, kv={"CACHE": id})
    return sandbox.bind(**{name.upper(): name})[name.upper()]


async def test_workers_that_name_one_id_share_the_namespace(sandbox):
    one, two, other = deploy(sandbox, "one"), deploy(sandbox, "two"), deploy(sandbox, "three", "b")
    await one.put("a", "1")
    assert await two.get("a") == await sandbox.kv("CACHE").get("a") == "1"
    assert await other.get("a") is None
    sandbox.deploy("four", source=WORKER, kv={"CACHE": sandbox.kv("b")})
    await sandbox.bind(FOUR="four").FOUR.put("b", "2")
    assert await other.get("b") == "2"


async def test_values_cross_as_they_are(sandbox):
    worker = deploy(sandbox)
    await worker.put("a", ReadableStream(part for part in (b"[1", b", 2]")), metadata={"n": 1})
    assert await worker.get("a", "json") == [1, 2]
    assert await worker.get("a", "arrayBuffer") == b"[1, 2]"
    assert await (await worker.get("a", "stream")).bytes() == b"[1, 2]"
    listed = await worker.list()
    assert type(listed) is dict
    assert listed["keys"] == [{"name": "a", "metadata": {"n": 1}}]


async def test_an_error_keeps_its_class_and_status_from_a_worker_to_its_caller(sandbox):
    error = await failure(deploy(sandbox).put("a", "1", expiration_ttl=5))
    assert (type(error), error.status, error.remote) == (KVError, 400, True)


async def test_reading_and_then_writing_is_not_atomic_as_on_the_platform(sandbox):
    worker = deploy(sandbox)
    await rpclab.gather(*(worker.count() for _ in range(10)))
    assert int(await worker.get("count")) < 10


async def test_a_namespace_stays_where_it_is_bound(sandbox):
    error = await failure(deploy(sandbox).namespace())
    assert type(error) is rpclab.DataCloneError
    assert "a namespace stays with the Workers it is bound to" in str([error, error.__notes__])
    with pytest.raises(TypeError, match="A KV namespace binding cannot be serialized"):
        pickle.dumps(sandbox.kv("CACHE"))


async def test_a_folder_keeps_it_and_memory_lasts_as_long_as_the_sandbox(tmp_path):
    for expected in (None, "1"):
        async with rpclab.Sandbox(storage=tmp_path / "kept") as sandbox:
            kv = sandbox.kv("sessions/1")
            assert await kv.get("a") == expected
            await kv.put("a", "1", metadata=[1])
    assert [path.name for path in (tmp_path / "kept" / "kv").iterdir()] == ["sessions%2F1.sqlite"]
    async with rpclab.Sandbox() as sandbox:
        await sandbox.kv("a").put("a", "1")
        sandbox.reset()
        assert await sandbox.kv("a").get("a") is None


async def test_two_ids_never_mean_one_file(tmp_path):
    ids = ["a", "a/b", "a%2Fb", "..", ".", "a.sqlite", "../a", " ", "é", "\ud800", ":memory:"]
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        for id_ in ids:
            await sandbox.kv(id_).put("id", id_.encode("utf-8", "surrogatepass"))
        for id_ in ids:
            assert await sandbox.kv(id_).get("id", "bytes") == id_.encode("utf-8", "surrogatepass")
    assert len({*(tmp_path / "kv").iterdir()}) == len(ids)
    assert [*tmp_path.iterdir()] == [tmp_path / "kv"]


@pytest.mark.parametrize(
    ("id_", "kind"), [("", ValueError), ("x" * 201, ValueError), (5, TypeError)]
)
def test_what_can_be_no_id_is_refused(sandbox, id_, kind):
    with pytest.raises(kind, match="the id of a KV namespace"):
        sandbox.deploy("w", source=WORKER, kv={"CACHE": id_})


async def test_a_closed_sandbox_says_so():
    sandbox = rpclab.Sandbox()
    kv, unused = sandbox.kv("a"), sandbox.kv("b")
    await kv.put("a", "1")
    sandbox.close()
    sandbox.close()
    for namespace in (kv, unused):
        with pytest.raises(KVError, match=r"^KV GET failed: 500 the namespace . is closed$"):
            await namespace.get("a")


async def test_a_file_that_is_none_of_ours_is_told_with_its_path(tmp_path):
    (tmp_path / "kv").mkdir()
    (tmp_path / "kv" / "a.sqlite").write_bytes(b"no database" * 100)
    async with rpclab.Sandbox(storage=tmp_path) as sandbox:
        error = await failure(sandbox.kv("a").get("a"))
        assert str(error) == "KV GET failed: 500 file is not a database"
        assert str(tmp_path / "kv" / "a.sqlite") in error.__notes__[0]
        assert error.status == 500


async def test_the_bounds_can_be_others(sandbox):
    sandbox.kv_limits = KVLimits(value_bytes=3, least_ttl=1, keys_listed=1)
    kv = sandbox.kv("small")
    await kv.put("a", "123", expiration_ttl=1)
    with pytest.raises(KVError, match="413 Value length of 4 exceeds limit of 3"):
        await kv.put("a", "1234")
    await kv.put("b", "1")
    assert (await kv.list()).list_complete is False


async def test_the_program_around_them_can_be_bound_too(sandbox):
    env = sandbox.bind(CACHE=sandbox.kv("CACHE"))
    await env.CACHE.put("a", "1")
    assert isinstance(env.CACHE, KVNamespace)
    assert repr(env.CACHE) == "<KVNamespace CACHE>"


def test_a_variable_is_given_once(sandbox):
    with pytest.raises(ValueError, match="the variable A is given twice: in d1 and in kv"):
        sandbox.deploy("w", source=WORKER, d1={"A": ":memory:"}, kv={"A": "a"})
