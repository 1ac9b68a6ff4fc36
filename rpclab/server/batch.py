"""HTTP batches from outside: a session that lasts for one request.

Floor: server.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.net.codecs import CAPN_WEB, codec_named
from rpclab.net.tape import Tape, TapeWire, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.net.connection import Connection

    Admit = Callable[[Any, Any], Connection]


def _fits(tape: Tape, goes_on: Callable[[], bool]) -> bool:
    return not tape.is_full and goes_on()


async def answer(body: bytes, admit: Admit, *, most: int, seconds: float) -> bytes | str:
    """Answer a batch.

    Args:
        body: its messages, in lines.
        admit: begins a session: it is given the wire, and what makes the codec.
        most: how many bytes the answer may have.
        seconds: how long the results may take.

    Returns:
        The messages of the answer; or why there is none, as a text.

    Raises:
        DisconnectedError: nobody more is let in.
        TimeoutError: the results were not there in time.
    """
    wire = TapeWire(most)
    connection = wire.connection = admit(wire, codec_named(CAPN_WEB))
    session = connection.session
    done = asyncio.Event()

    def left() -> list[Callable[[], bool]]:
        calls = session.unanswered()
        if calls or wire.tape.is_full:
            return calls
        # Of streams no more is sent than fits into the answer.
        return [partial(_fits, wire.tape, each) for each in session.streams_sent()]

    connection.on_end(lambda _: done.set())
    try:
        connection.receive(0, lines_of(body))
        # In the drain, after all that has come has had its turn.
        connection.engine.again(partial(session.when_over, left, done.set))
        async with asyncio.timeout(seconds):
            await done.wait()
        if connection.reason is not None:
            return str(connection.reason)
        return wire.tape.body()
    finally:
        await connection.close()
