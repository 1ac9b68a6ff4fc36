"""HTTP calls beside all else that awaits: gather, deadlines, wait_until, map, bindings that go."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest

import rpclab
from rpclab import Blob, Headers, Request, Response
from rpclab.codecs import stored_values
from rpclab.errors import DataCloneError
from rpclab.workers.http.fetching import Fetching

SOURCE = """
    from workers import Response
    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            try:
                await sleep(float(request.headers.get("x-wait", 0)))
            except asyncio.CancelledError:
                log("cancelled")
                raise
            log("answered")
            return Response(request.url)
        def urls(self):
            return ["http://h/1", "http://h/2"]
        def fetcher(self):
            return self.ctx.exports.Default
"""


@pytest.fixture
def binding(world):
    """The binding of a Worker that answers with the URL, after a while."""
    return world.deploy(SOURCE).CALLEE


@pytest.mark.parametrize("gather", [asyncio.gather, rpclab.gather])
async def test_http_calls_are_gathered(binding, gather):
    responses = await gather(*(binding.fetch(f"/{n}", headers={"x-wait": n}) for n in range(3)))
    assert [response.url for response in responses] == [f"http://callee/{n}" for n in range(3)]


async def test_a_deadline_bounds_an_http_call_and_cancels_what_answers(binding, world):
    with pytest.raises(TimeoutError):
        async with rpclab.deadline(2):
            await binding.fetch("/", headers={"x-wait": 10})
    await asyncio.sleep(1)
    assert world.log == ["cancelled"]


async def test_C27_an_http_call_given_to_wait_until_outlives_its_context(binding, world):
    async with world.event():
        rpclab.wait_until(binding.fetch("/", headers={"x-wait": 5}))
    await asyncio.sleep(6)
    assert world.log == ["answered"]


async def test_C26_an_http_call_is_cut_off_with_the_context_of_its_caller(binding, world):
    async with world.event():
        kept = binding.fetch("/", headers={"x-wait": 5})
        await asyncio.sleep(1)
    await asyncio.sleep(6)
    assert world.log == ["cancelled"]
    assert repr(kept) == "<fetch of GET http://callee/>"


async def test_map_makes_http_calls_at_the_callee(binding):
    fetcher = await binding.fetcher()
    responses = await binding.urls().map(lambda url: fetcher.fetch("http://x/", headers={}))
    assert [await response.text() for response in responses] == ["http://x/"] * 2


async def test_what_makes_no_request_raises_at_once_and_sends_nothing(binding, world):
    for wrong in (lambda: binding.fetch("no url"), lambda: binding.fetch("/", {"method": "PUT"}),
                  lambda: binding.fetch("/", metod="PUT"), lambda: binding.fetch(5),
                  binding.fetch):  # fmt: skip
        with pytest.raises(TypeError):
            wrong()
    await asyncio.sleep(1)
    assert world.log == []


async def test_fetching_leaves_nothing_in_the_tables(binding, world):
    before = world.sandbox.tables(), world.sandbox.tables("callee")
    response = await world.sandbox.fetch("callee", Request("http://h/", method="POST", body="b"))
    assert await response.text() == "http://h/"
    gc.collect()
    await asyncio.sleep(1)
    assert (world.sandbox.tables(), world.sandbox.tables("callee")) == before
    assert not world.sandbox.leaks()


async def test_a_binding_lists_fetch_and_another_name_is_remote(binding):
    assert dir(binding) == ["fetch", "fetcher", "urls"]
    assert await (await binding["fetch"](Request("http://h/"))).text() == "http://h/"
    assert await (await binding["fetch"]("http://h/2")).text() == "http://h/2"


def test_a_process_that_has_made_no_message_reads_one():
    packed = stored_values.pack(
        [Headers({"a": "b"}), Blob("x"), Response("y", 201), Request("http://h/")]
    )
    program = (
        "import rpclab; from rpclab.codecs import stored_values;"
        f" print(stored_values.unpack({packed!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == (
        "[Headers([('a', 'b')]), <Blob, 1 bytes>,"
        " <Response 201, text/plain;charset=UTF-8, 1 bytes>, <Request GET http://h/, no body>]"
    )


async def test_a_record_of_an_unknown_name_is_refused_where_it_is_needed(binding, monkeypatch):
    monkeypatch.setattr("rpclab.codecs.records._NAMED", {})
    monkeypatch.setattr("rpclab.codecs.records._loaders", [])
    with pytest.raises(DataCloneError, match="Unable to deserialize cloned data") as caught:
        await binding["fetch"](Request("http://h/"))
    assert "a Request cannot be read here" in str(caught.value.__notes__)


NO_RESPONSES = {
    "nothing": lambda: None,
    "a dict": lambda: {"status": 301, "headers": {}},
    "a text": lambda: "text",
    "a stub": lambda: rpclab.RpcStub(lambda: Response("text")),
    "a request": lambda: Request("http://h/"),
}


@pytest.mark.parametrize("redirected", [False, True])
@pytest.mark.parametrize("answer", NO_RESPONSES)
async def test_a_peer_that_answers_a_fetch_with_no_response_fails_it(answer, redirected, caplog):
    answers = [NO_RESPONSES[answer]()]
    if redirected:
        answers.insert(0, Response("", status=302, headers={"location": "/there"}))

    async def send(_request):
        return answers.pop(0)

    with pytest.raises(TypeError, match="answered with no Response"):
        await Fetching(Request("http://h/"), send)
    assert not caplog.records
