"""No session with another program tells places in the code, wherever in a message an error is."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from support.net import failure

import rpclab
from rpclab.core.places import stack_of_peer, tells_place
from rpclab.net.connection import Connection
from rpclab.net.tape import Tape

KEPT = "the shop opens at nine, line 1"
"""A note of the user's own, which goes along where the codec has notes."""

WORKER = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def fail(self): raise ValueError("on purpose")
    def take(self, stream): pass
    def give(self): return lambda: None
"""


async def failed_in_a_worker(worker):
    return await failure(worker.fail())


async def stub_gone(worker):
    stub = await worker.give()
    stub.dispose()
    return await failure(stub())


async def promise_gone(worker):
    promise = worker.give()
    promise.dispose()
    return await failure(promise())


async def stream_sent(worker):
    stream = rpclab.ReadableStream(b"x" for _ in range(2))
    taking = worker.take(stream)
    error = await failure(stream.cancel())
    await taking
    return error


async def failed_in_javascript(worker):
    error = ValueError("from JavaScript")
    error.add_note(stack_of_peer("Error: from JavaScript\n    at api.js:3:5"))
    return error


NOTES = [failed_in_a_worker, stub_gone, promise_gone, stream_sent, failed_in_javascript]


async def noted(sandbox, kinds=NOTES):
    """An error with the notes of these kinds, as rpclab itself writes them, and one of a user."""
    sandbox.deploy("failing", source=WORKER)
    worker = sandbox.bind(FAILING="failing").FAILING
    error = ValueError("on purpose")
    error.add_note(KEPT)
    for kind in kinds:
        places = [note for note in notes_of(await kind(worker)) if note_has_place(note)]
        assert places, kind
        for note in places:
            error.add_note(note)
    return error


def notes_of(error):
    return list(getattr(error, "__notes__", ()))


def note_has_place(note):
    return any(word in note for word in (".py", "failing", "api.js", "<"))


def by_itself(error):
    return error


def as_a_cause(error):
    outer = ValueError("outer")
    outer.__cause__ = error
    return outer


def as_an_attribute(error):
    outer = ValueError("outer")
    outer.inner = {"error": error}
    return outer


def inside_others(error):
    return ExceptionGroup("several", [error, as_a_cause(error), as_an_attribute(error)])


def inside_containers(error):
    return {"one": [error], "other": [inside_others(error)]}


class Main(rpclab.RpcTarget):
    """Sends a value by every door that it has."""

    def __init__(self, value) -> None:
        self._value = value

    def result(self):
        return self._value

    def fail(self):
        raise self._value

    async def call_back(self, function):
        await function(self._value)

    def stream(self):
        return rpclab.ReadableStream([self._value])

    def broken_stream(self):
        def produce():
            yield b"x"
            raise self._value

        return rpclab.ReadableStream(produce())

    async def _later(self):
        raise self._value

    def promised(self):
        return [asyncio.ensure_future(self._later())]

    def take(self, value):
        return None

    def items(self):
        return [1, 2]

    async def drain(self, stream):
        async for _ in stream:
            pass


async def result(api, value):
    await api.result()


async def argument(api, value):
    await api.take(value)


async def argument_of_a_callback(api, value):
    await api.call_back(lambda given: None)


async def result_of_a_callback(api, value):
    await api.call_back(lambda given: value)


async def chunk_that_is_read(api, value):
    async for _ in await api.stream():
        pass


async def chunk_that_is_written(api, value):
    await api.drain(rpclab.ReadableStream([value]))


async def part_of_a_program(api, value):
    await api.items().map(lambda item: [api.take(value), item])


VALUES = [
    result,
    argument,
    argument_of_a_callback,
    result_of_a_callback,
    chunk_that_is_read,
    chunk_that_is_written,
    part_of_a_program,
]


async def failed_call(api, value):
    await failure(api.fail())


async def failed_callback(api, value):
    def fail(given):
        raise value

    await failure(api.call_back(fail))


async def stream_that_breaks(api, value):
    async def read():
        async for _ in await api.broken_stream():
            pass

    await failure(read())


async def stream_that_breaks_as_it_is_written(api, value):
    def produce():
        yield b"x"
        raise value

    await failure(api.drain(rpclab.ReadableStream(produce())))


async def promise_in_a_result(api, value):
    await failure(api.promised())


ERRORS = [
    failed_call,
    failed_callback,
    stream_that_breaks,
    stream_that_breaks_as_it_is_written,
    promise_in_a_result,
]


STREAMS = [stream_that_breaks, stream_that_breaks_as_it_is_written]


@pytest.fixture
def sent(monkeypatch):
    """What sessions with other programs send, as one piece of bytes once it is asked for."""
    frames = []
    plain = Connection._send

    def send(connection, seen, new):
        frames.extend(new)
        plain(connection, seen, new)

    monkeypatch.setattr(Connection, "_send", send)

    def together():
        parts = [part for frame in frames for part in (frame if type(frame) is list else [frame])]
        return b"".join(map(bytes, parts))

    return together


def check(sent, error, before, *, notes, told=True):
    """Nothing that was sent tells a place; the error, at this end, still does."""
    text = sent()
    assert b"on purpose" in text or not told
    lines = {line.strip() for note in before if note != KEPT for line in note.splitlines()}
    assert [line for line in lines if line.encode() in text] == []
    assert (KEPT.encode() in text) is notes
    # An error that is raised again has one note of where, of the last time.
    assert len(notes_of(error)) == len(before)


@pytest.fixture(params=["tcp", "ws", "capnweb"])
def link(request, sandbox):
    """Where to serve, what to dial with, and whether the codec has notes."""
    if request.param == "tcp":
        return "tcp:127.0.0.1:0", {}, True
    codec = "msgpack" if request.param == "ws" else "capnweb"
    return "ws://127.0.0.1:0/", {"codec": codec}, codec == "msgpack"


async def check_door(door, form, link, sandbox, sent):
    where, options, notes = link
    error = await noted(sandbox)
    before = notes_of(error)
    value = form(error)
    server = await rpclab.serve(Main(value), where)
    async with server, rpclab.connect(server.address, **options) as api:
        await door(api, value)
    # Why a stream ended, only the web's streams tell (rules S4 and S16).
    told = door not in STREAMS or not notes
    check(sent, error, before, notes=notes and told, told=told)


@pytest.mark.parametrize("form", [by_itself, inside_containers])
@pytest.mark.parametrize("door", VALUES)
async def test_an_error_that_is_a_value_tells_no_place(door, form, link, sandbox, sent):
    await check_door(door, form, link, sandbox, sent)


@pytest.mark.parametrize("form", [by_itself, inside_others])
@pytest.mark.parametrize("door", ERRORS)
async def test_an_error_that_is_raised_tells_no_place(door, form, link, sandbox, sent):
    await check_door(door, form, link, sandbox, sent)


@pytest.mark.parametrize("kind", NOTES)
async def test_each_kind_of_note_that_tells_a_place_stays_here(kind, sandbox, sent):
    error = await noted(sandbox, [kind])
    before = notes_of(error)
    server = await rpclab.serve(Main([error]), "tcp:127.0.0.1:0")
    async with server, rpclab.connect(server.address) as api:
        (arrived,) = await api.result()
    check(sent, error, before, notes=True)
    assert notes_of(arrived) == [KEPT]


@pytest.mark.parametrize("form", [by_itself, inside_others])
async def test_the_reason_of_an_end_tells_no_place(form, link, sandbox, sent):
    where, options, notes = link
    error = await noted(sandbox)
    before = notes_of(error)
    async with rpclab.serve(Main(None), where) as server:
        connection = await rpclab.connect(server.address, **options)
        await connection.main.items()
        connection.engine.deliver(partial(connection.session.abort, form(error)))
        await connection.close()
    check(sent, error, before, notes=notes)


async def test_the_answers_of_a_batch_tell_no_place(sandbox, monkeypatch):
    error = await noted(sandbox)
    texts = []
    plain = Tape.add

    def add(tape, frames):
        texts.extend(frames)
        return plain(tape, frames)

    monkeypatch.setattr(Tape, "add", add)
    server = await rpclab.serve(Main([error]), "http://127.0.0.1:0/")
    async with server, rpclab.connect(server.address) as api:
        await rpclab.gather(api.result(), api.take([error]))
    text = b"".join(texts)
    assert b"on purpose" in text
    assert not any(word in text for word in (b".py", b"api.js", b"failing"))


async def test_between_workers_of_a_sandbox_the_places_go_along(sandbox):
    error = await noted(sandbox)
    sandbox.deploy("echo", source=WORKER + "    def echo(self, value): return value\n")
    (back,) = await sandbox.bind(ECHO="echo").ECHO.echo([error])
    assert notes_of(back) == notes_of(error)


@pytest.mark.parametrize(
    "note",
    [KEPT, "see line 3", "made in China", "raised", "disposed", "was called at noon", ", line 4"],
)
def test_a_note_of_the_user_is_not_taken_for_one_that_tells_a_place(note):
    assert not tells_place(note)
