"""Exceptions that cannot say what they are: each is answered, recorded or not."""

from __future__ import annotations

import asyncio

import pytest
from support.world import World, failure

import rpclab

CALLEE = """
    from workers import ReadableStream

    class NoText(ValueError):
        def __str__(self):
            raise RuntimeError("no text")
        __repr__ = __str__

    class NoString(ValueError):
        def __str__(self):
            return 5
        __repr__ = __str__

    class Leaves(SystemExit):
        def __str__(self):
            raise RuntimeError("no text")
        __repr__ = __str__

    class Ends(GeneratorExit):
        def __str__(self):
            raise RuntimeError("no text")
        __repr__ = __str__

    def hiding(name):
        class Hiding(type):
            def __getattribute__(cls, asked):
                if name in ("all", asked):
                    raise ValueError("hidden")
                return super().__getattribute__(asked)
        return Hiding

    def of_a_class_without(name, base):
        return hiding(name)("Hidden", (base,), {})("x")

    class T(RpcTarget):
        def fail(self, kind):
            raise globals()[kind]("x")
        async def fail_later(self, kind):
            await sleep(1)
            raise globals()[kind]("x")
        async def fail_at_once(self, kind):
            raise globals()[kind]("x")
        def stream(self, kind):
            return ReadableStream(self._chunks(kind))
        def _chunks(self, kind):
            yield b"first"
            raise globals()[kind]("x")
        def give(self, kind):
            return globals()[kind]("x")

    class Failing(RpcTarget):
        def dispose(self):
            raise NoText("x")

    class Default(WorkerEntrypoint):
        def target(self):
            return T()
        def failing(self):
            return Failing()
        def number(self):
            return 1
        def fail_without(self, name):
            raise of_a_class_without(name, Exception)
        async def fail_without_later(self, name):
            await sleep(1)
            raise of_a_class_without(name, Exception)
        def leave_without(self, name):
            raise of_a_class_without(name, BaseException)
    for name in "fail", "fail_later", "fail_at_once", "give":
        setattr(Default, name, getattr(T, name))
"""

RECORDED = [pytest.param(False, id="plain"), pytest.param(True, id="recorded")]
CASES = [
    pytest.param(False, "NoText"),
    pytest.param(False, "NoString"),
    pytest.param(False, "Leaves"),
    pytest.param(False, "Ends"),
    *[pytest.param(True, kind) for kind in ("NoText", "NoString", "Leaves", "Ends")],
]


@pytest.fixture(params=[False, True], ids=["plain", "recorded"])
def recorded(request):
    """Whether the sandbox records."""
    return request.param


@pytest.fixture
def callee(recorded):
    """A binding to the Worker above."""
    sandbox = rpclab.Sandbox(record=recorded)
    yield World(sandbox).deploy(CALLEE).CALLEE
    sandbox.close()


async def answered(promise):
    """The error of a call, which must have an answer within a minute."""
    return await asyncio.wait_for(failure(promise), 60)


@pytest.mark.parametrize(("recorded", "kind"), CASES)
@pytest.mark.parametrize("method", ["fail", "fail_at_once", "fail_later"])
@pytest.mark.parametrize("on", ["binding", "target"])
async def test_an_error_that_cannot_give_its_text_is_an_answer(callee, on, method, kind):
    receiver = callee if on == "binding" else await callee.target()
    assert isinstance(await answered(receiver[method](kind)), Exception)
    assert await callee.number() == 1


@pytest.mark.parametrize("recorded", RECORDED)
@pytest.mark.parametrize("name", ["__name__", "__qualname__", "__str__", "__mro__", "all"])
@pytest.mark.parametrize("method", ["fail_without", "fail_without_later", "leave_without"])
async def test_an_error_whose_class_hides_what_it_is_is_an_answer(callee, method, name):
    assert isinstance(await answered(callee[method](name)), Exception)
    assert await callee.number() == 1


@pytest.mark.parametrize("recorded", RECORDED)
async def test_an_error_that_cannot_give_its_text_rejects_what_is_pipelined_on_it(callee):
    assert isinstance(await answered(callee.fail_later("NoText").number()), Exception)
    assert await callee.number() == 1


async def test_an_error_that_cannot_give_its_text_crosses_as_a_value(callee):
    value = await asyncio.wait_for(callee.give("NoText"), 60)
    assert isinstance(value, Exception)


@pytest.mark.expects_reports
async def test_an_error_that_cannot_give_its_text_ends_a_stream(callee, caplog):
    stream = await (await callee.target()).stream("NoText")
    assert await stream.read() == b"first"
    assert isinstance(await answered(stream.read()), Exception)
    assert await callee.number() == 1
    assert not caplog.records


@pytest.mark.expects_reports
async def test_a_disposer_that_fails_without_text_is_reported(callee, caplog):
    (await callee.failing()).dispose()
    await asyncio.sleep(1)
    assert "the disposer of Failing failed: NoText" in caplog.text
    assert await callee.number() == 1
