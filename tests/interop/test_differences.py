"""What docs/javascript.md says is different with JavaScript at the other side."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import datetime as dt
import json
import re
from pathlib import Path

import pytest
from support.net import failure
from support.real_time import until

import rpclab

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "javascript.md"
TRANSCRIPTS = HERE.parent / "capnweb" / "golden"
PIPE = asyncio.subprocess.PIPE


class Book(rpclab.RpcTarget):
    def read(self):
        return "a line"


class Api(rpclab.RpcTarget):
    def __init__(self):
        self.log = []
        self.go_on = asyncio.Event()
        self.server = None

    def hello(self, name):
        return f"Hello, {name}"

    def echo(self, value):
        return value

    def echo_function(self, function):
        return function

    def kinds(self, values):
        return [type(value).__name__ for value in values]

    def numbers_of_python(self):
        return [2**53 - 1, 2**53, -(2**53), 1.0, float(2**60)]

    def time(self):
        return dt.datetime(2026, 1, 2, 3, 4, 5, 678_901, dt.UTC)

    def fail_with_key(self):
        error = KeyError("poems")
        error.shelf = 7
        raise error

    def book(self):
        return Book()

    async def slow(self):
        self.log.append("begun")
        await self.go_on.wait()
        self.log.append("ended")

    def go(self):
        self.go_on.set()

    def dup(self, *_):
        self.log.append("called what its name hides")

    catch = map = onRpcBroken = toString = dup  # noqa: N815 - as JavaScript has them

    async def stop(self):
        stopping = asyncio.ensure_future(self.server.stop())
        await asyncio.shield(stopping)


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def seen(node, sandbox, api):
    """Have a client in JavaScript run one of its programs, and give what it saw."""

    async def run(program):
        limits = rpclab.ServerLimits(stop_seconds=0.1)  # for the call that stops it
        async with sandbox.serve(port=0, expose={"/api": api}, limits=limits) as server:
            api.server = server
            address = server.url.replace("http", "ws") + "/api"
            client = await asyncio.create_subprocess_exec(
                node, HERE / "different.mjs", program, address, stdout=PIPE, stderr=PIPE
            )
            said, complaints = await client.communicate()
            assert complaints == b""
        return json.loads(said)

    return run


@contextlib.asynccontextmanager
async def javascript(node):
    """A server in JavaScript; gives its main."""
    server = await asyncio.create_subprocess_exec(
        node, HERE / "different.mjs", "serve", stdin=PIPE, stdout=PIPE
    )
    try:
        port = int(await server.stdout.readline())
        async with rpclab.connect(f"ws://127.0.0.1:{port}/") as api:
            yield api
    finally:
        server.stdin.close()
        await server.wait()
        server._transport.close()


# Calls.


async def test_javascript_runs_a_later_call_before_one_that_waits_for_its_argument(node, sandbox):
    async with javascript(node) as api:
        first = api.log(api.later("first"))
        await api.log("second")
        await api.go()
        await first
        assert await api.logged() == ["second", "first"]


async def test_a_call_that_python_gives_up_runs_to_its_end_in_javascript(node, sandbox):
    async with javascript(node) as api:
        call = asyncio.ensure_future(_awaited(api.slow()))
        while await api.logged() != ["begun"]:
            pass
        call.cancel()
        await asyncio.wait([call])
        await api.go()
        assert await api.logged() == ["begun", "ended"]


async def _awaited(promise):
    return await promise


async def test_a_call_that_javascript_gives_up_runs_to_its_end_in_python(seen, api):
    assert "disposed" in await seen("givesUp")
    await until(lambda: api.log == ["begun", "ended"])


async def test_keyword_arguments_are_refused_before_they_are_sent(node, sandbox):
    async with javascript(node) as api:
        error = await failure(_calling(lambda: api.log(word="x")))
        assert isinstance(error, TypeError)
        assert "keyword" in str(error)
        assert await api.logged() == []


async def _calling(call):
    return await call()


async def test_members_that_a_stub_of_javascript_has_itself_hide_those_of_python(seen, api):
    copied, text, then = await seen("membersOfStubs")
    assert (copied, text, then) == ("Hello, a copy of the stub", "string", "undefined")
    assert api.log == []


async def test_a_member_that_is_not_there_reads_as_undefined(node, seen):
    kind, [name, message] = await seen("notThere")
    assert (kind, name) == ("undefined", "TypeError")
    assert "nothing" in message
    async with javascript(node) as api:
        assert await api.nothing is None
        assert isinstance(await failure(api.nothing()), TypeError)


async def test_an_item_of_a_promised_list_is_not_to_be_had_in_javascript(seen):
    assert await seen("itemOfList") == ["undefined", 2]


# Values.


async def test_whole_numbers_beyond_53_bits_are_bigints(seen):
    arrived, kinds = await seen("numbers")
    assert arrived == [
        "number 9007199254740991", "bigint 9007199254740992", "bigint -9007199254740992",
        "number 1", "number 1152921504606847000",
    ]  # fmt: skip
    assert kinds == ["int", "int", "float", "float", "int"]


async def test_none_is_undefined_as_a_result_and_null_inside_a_value(seen):
    assert await seen("nothing") == ["undefined", [None, None], ["NoneType", "NoneType"]]


async def test_what_either_side_cannot_send_fails_there_and_the_session_goes_on(node, seen):
    assert await seen("unsendable") == [["TypeError"] * 4, "Hello, still here"]
    async with javascript(node) as api:
        for value in [(1, 2), {1, 2}, frozenset(), dt.date(2026, 1, 2)]:
            assert isinstance(await failure(_calling(lambda v=value: api.log(v))), TypeError)
        assert await api.log("still here") == "still here"


async def test_times_are_cut_to_milliseconds(seen):
    assert await seen("time") == [True, "2026-01-02T03:04:05.678Z"]


async def test_an_error_that_javascript_has_no_class_for_keeps_its_message_and_attributes(seen):
    assert await seen("errors") == ["Error", "Error", "poems", 7]


async def test_what_would_end_the_session_of_javascript_is_refused_before_it_is_sent(node, sandbox):
    async with javascript(node) as api:
        error = await failure(_calling(lambda: api.log(rpclab.Request("https://u:p@host.example"))))
        assert isinstance(error, (TypeError, ValueError))
        assert await api.log("still here") == "still here"


# Who gives back what.


async def test_a_promise_that_javascript_neither_awaits_nor_disposes_stays_in_the_tables(seen):
    assert await seen("tables") == [1, 2, 1]


async def test_a_method_in_javascript_that_returns_a_stub_it_was_given_must_dup_it(node, sandbox):
    async with javascript(node) as api:
        assert "disposed" in str(await failure(api.giveBack(lambda: 1)))
        async with api.giveBackCopy(lambda: "called") as back:
            assert await back() == "called"


async def test_a_function_of_javascript_that_comes_home_is_a_stub_through_python(seen):
    assert await seen("comesHome") == [False, 1, 2]


# Sessions.


async def test_javascript_learns_of_a_server_that_stops(seen):
    call, session = await seen("serverStops")
    assert call.startswith("Peer closed WebSocket")
    assert session == call


# The page.


def test_each_difference_of_the_page_has_its_proof():
    text = PAGE.read_text("utf-8").partition("## What is different there")[2]
    points = re.findall(r"^- .*?(?=^- |^#|^$|\Z)", text, re.DOTALL | re.MULTILINE)
    assert len(points) > 15
    tests = {
        node.name
        for node in ast.parse(Path(__file__).read_text("utf-8")).body
        if hasattr(node, "name")
    }
    there = tests | {path.stem for path in TRANSCRIPTS.glob("*.json")}
    for point in points:
        proofs = " ".join(re.findall(r"<!-- (.*?) -->", point)).split()
        assert proofs, point
        assert set(proofs) <= there, point
