"""Golden transcripts of capnweb 0.12, played to ends of ours: as its client, and as its server."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from datetime import UTC, datetime

import pytest

from capnweb.clients import CLIENTS
from capnweb.differences import CLIENT, SERVER, WORDS
from capnweb.replay import NAMES, End, Tools, quiet, record, replay, turns
from capnweb.servers import main_of
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.errors import RemoteError

TRANSPORTS = {
    "batch-get", "batch-bad-line", "batch-empty", "batch-trailing-newline", "ws-binary",
    "ws-close-by-server", "ws-dispose-main", "ws-long-reason", "ws-protocol-error",
}  # fmt: skip
"""Those that are about what carries the messages: its own tests play them."""

RECORDS = {name: record(name) for name in NAMES}
PLAYED_BY_CLIENTS = sorted(
    name
    for name in NAMES
    if "client_code" in RECORDS[name] and name not in TRANSPORTS
    and (name not in CLIENT or CLIENT[name].swaps)
)  # fmt: skip
PLAYED_BY_SERVERS = sorted(
    name
    for name in NAMES
    if not name.startswith("answer-") and name not in TRANSPORTS
    and (name not in SERVER or SERVER[name].swaps)
)  # fmt: skip


def test_each_transcript_is_played_or_has_a_reason():
    unplayed = {*NAMES} - {*PLAYED_BY_CLIENTS, *PLAYED_BY_SERVERS} - TRANSPORTS
    assert unplayed == {name for name in unplayed if (CLIENT.get(name) or SERVER.get(name)).reason}
    assert {*PLAYED_BY_CLIENTS} <= {*CLIENTS}
    assert len(NAMES) == 189
    assert len({*PLAYED_BY_CLIENTS, *PLAYED_BY_SERVERS}) >= 170


def with_chunks_of_text(transcript):
    """A chunk that is a text stands in a dict: a stream of ours makes bytes of texts."""
    for turn in transcript.get("turns", ()):
        turn["messages"] = [
            text.replace(f'["<{n} * 65536>"]', f'[{{"text":"{str(n) * 65536}"}}]')
            if (n := text.partition("<")[2][:1])
            else text
            for text in turn["messages"]
        ]
    return transcript


async def server_calls_the_client(end, tools):
    tools.result = await end.api.hi("Bob")


async def server_calls_no_main(end, tools):
    kind, _ = await tools.caught(end.api.hi("Bob"))
    assert kind == "error"


ACTIVE_SERVERS = {
    "server-calls-client-main": server_calls_the_client,
    "no-client-main": server_calls_no_main,
}
LIMITS = {"reject-message-too-large": dataclasses.replace(DEFAULT_LIMITS, message_bytes=190)}


@pytest.mark.parametrize("name", PLAYED_BY_SERVERS)
@pytest.mark.expects_reports
async def test_as_a_server_ours_sends_what_the_library_sends(name):
    transcript = with_chunks_of_text(record(name))
    tools = Tools()
    tools.end = End(main_of(transcript, tools), LIMITS.get(name, DEFAULT_LIMITS))
    difference = SERVER.get(name)
    task = None
    if name in ACTIVE_SERVERS:
        task = asyncio.ensure_future(ACTIVE_SERVERS[name](tools.end, tools))
    await replay(
        transcript,
        "server",
        tools,
        loose=name in WORDS,
        swaps=difference and difference.swaps,
    )
    if task is not None:
        await task
    look_at_arguments(name, tools.seen)
    if not transcript.get("probe") and "aborted" not in transcript and not difference:
        compare_tables(transcript, tools.end.session, "server")


@pytest.mark.parametrize("name", PLAYED_BY_CLIENTS)
@pytest.mark.expects_reports
async def test_as_a_client_ours_sends_what_the_library_sends(name):
    transcript = with_chunks_of_text(record(name))
    tools = Tools()
    play = CLIENTS[name]
    tools.end = End(getattr(play, "main", lambda: None)())

    async def run():
        await play(tools.end.api, tools)
        tools.over()

    task = asyncio.ensure_future(run())
    difference = CLIENT.get(name)
    await replay(
        transcript,
        "client",
        tools,
        loose=name in WORDS,
        swaps=difference and difference.swaps,
    )
    await task
    await quiet()
    expected = transcript.get("outcome", {})
    for key, value in tools.outcome.items():
        assert value == expected[key]
    if "tables_at_end" in transcript and "aborted" not in transcript and not difference:
        compare_tables(transcript, tools.end.session, "client")


def compare_tables(transcript, session, side):
    """As many entries as the library has; and main, which its counts hold too."""
    if "tables_at_end" not in transcript or side not in transcript["tables_at_end"]:
        return
    gc.collect()
    ours = {"imports": len(session.imports), "exports": len(session.exports)}
    assert ours == transcript["tables_at_end"][side]


def look_at_arguments(name, seen):
    """What a server of the library only shows, ours has as values."""
    check = ARGUMENTS.get(name)
    if check is not None:
        [arguments] = seen
        check(*arguments)


def _bytes(one, two, three):
    assert (one, two, three.tobytes()) == (b"\x01", b"\xfb\xff\xfe", b"\x01\x02\x03")


def _date(when):
    assert when == datetime(2025, 6, 8, 0, 22, 50, 815750, UTC)


def _errors(foo, constructor, typed, stacked):
    assert (type(foo), foo.name) == (RemoteError, "FooError")
    assert (type(constructor), constructor.name) == (RemoteError, "constructor")
    assert (type(typed), str(typed), vars(typed)) == (TypeError, "m", {"code": 1})
    assert "a stack" in stacked.__notes__[0]


def _bodies(text, data, nothing, request):
    assert (text.status, text.headers["content-type"]) == (201, "text/plain;charset=UTF-8")
    assert (data.status, nothing.body) == (200, None)
    assert (request.method, request.url) == ("POST", "https://x.test/")


def _object(value):
    # A Python object has no prototype that these could be taken for.
    assert (value["a"], value["ü"], value["toString"]) == (1, 3, 4)


def _nothing(*values):
    assert values == ()


ARGUMENTS = {
    "accept-base64-padded-and-url": _bytes,
    "accept-date-fraction": _date,
    "accept-error-shapes": _errors,
    "accept-missing-arguments": _nothing,
    "accept-response-body-text": _bodies,
    "value-object": _object,
}


@pytest.mark.parametrize("name", ["batch", "batch-map", "ws-call", "map-nested"])
def test_the_turns_of_a_transcript_alternate(name):
    sides = [ours for ours, _ in turns(RECORDS[name], "client")]
    assert sides == [number % 2 == 0 for number in range(len(sides))]
