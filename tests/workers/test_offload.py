"""Functions that run in a thread of their own, one after the other."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rpclab.rpc.offload import Offload


@pytest.fixture
def offload():
    """A thread, ended after the test."""
    made = Offload("test")
    yield made
    made.close()


async def test_what_the_function_returns_or_raises_arrives(offload):
    assert await offload.run(divmod, 7, 2) == (3, 1)
    assert await offload.run(sorted, [1, 2], reverse=True) == [2, 1]
    with pytest.raises(ZeroDivisionError):
        await offload.run(divmod, 7, 0)


async def test_functions_run_in_the_order_given_in_one_other_thread(offload):
    ran = []

    def note(number):
        ran.append((number, threading.get_ident()))

    await asyncio.gather(*(offload.run(note, number) for number in range(20)))
    assert [number for number, _ in ran] == list(range(20))
    assert len({thread for _, thread in ran}) == 1
    assert ran[0][1] != threading.get_ident()


async def test_the_loop_goes_on_while_a_function_blocks(offload):
    go = threading.Event()
    waits = asyncio.create_task(offload.run(go.wait, 30))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waits.done()
    go.set()
    assert await waits is True


async def test_a_virtual_clock_stands_still_meanwhile(offload):
    go = threading.Event()
    loop = asyncio.get_running_loop()
    timer = loop.call_later(1000, go.set)
    asyncio.get_running_loop().call_soon(threading.Timer(0, go.set).start)
    began = loop.time()
    assert await offload.run(go.wait, 30) is True
    assert loop.time() == began
    timer.cancel()


async def test_a_cancelled_function_that_has_not_begun_never_runs(offload):
    go, ran = threading.Event(), []
    first = asyncio.create_task(offload.run(go.wait, 30))
    second = asyncio.create_task(offload.run(ran.append, "second"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    go.set()
    await first
    await offload.run(ran.append, "third")
    assert ran == ["third"]


async def test_a_function_can_see_that_nobody_awaits_it_any_more(offload):
    begun, seen = threading.Event(), []

    def work():
        begun.set()
        while not offload.abandoned():
            pass
        seen.append("abandoned")

    task = asyncio.create_task(offload.run(work))
    await asyncio.sleep(0)
    assert begun.wait(30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await offload.run(offload.abandoned) is False
    assert seen == ["abandoned"]


def test_a_loop_that_is_closed_meanwhile_leaves_nothing_to_log(offload, caplog):
    go = threading.Event()
    loop = asyncio.new_event_loop()
    waits = offload.run(go.wait, 30)

    async def begin():
        waits.send(None)

    loop.run_until_complete(begin())
    loop.close()
    go.set()
    offload.close()
    waits.close()
    assert caplog.records == []


async def test_one_thread_serves_several_loops(offload):
    def elsewhere():
        return asyncio.run(offload.run(threading.get_ident))

    here = await offload.run(threading.get_ident)
    found = []
    thread = threading.Thread(target=lambda: found.append(elsewhere()))
    thread.start()
    thread.join()
    assert found == [here]


async def test_closing_runs_what_was_given_and_refuses_more(offload):
    ran = []
    given = asyncio.create_task(offload.run(ran.append, 1))
    await asyncio.sleep(0)
    offload.close()
    offload.close()
    assert ran == [1]
    await given
    with pytest.raises(RuntimeError):
        await offload.run(ran.append, 2)
    with pytest.raises(RuntimeError):
        offload.wait(ran.append, 2)


def test_code_that_cannot_await_blocks_until_it_is_done(offload):
    assert offload.wait(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        offload.wait(divmod, 7, 0)
