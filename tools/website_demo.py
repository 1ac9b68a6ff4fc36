"""What the picture on the landing page is drawn from: the same program twice, recorded.

Each runs on the virtual clock over two links. That its times are exact parts of a round trip is
checked here, and the site is not built if they are not: the page may then scale them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import rpclab
from rpclab.trace.events import Arrived, CallReturned, CallSent, Left

LIBRARY = """
from workers import RpcTarget, WorkerEntrypoint

class Book(RpcTarget):
    def first_line(self):
        return "Tyger Tyger, burning bright"

class Shelf(RpcTarget):
    def book(self, number):
        return Book()

class Default(WorkerEntrypoint):
    def shelf(self, name):
        return Shelf()
"""
HERE, THERE = "notebook", "library"


async def awaited(library: Any) -> str:
    """Wait for each call."""
    shelf = await library.shelf("poems")
    book = await shelf.book(0)
    return str(await book.first_line())


async def pipelined(library: Any) -> str:
    """Make each call on the promise of the one before."""
    shelf = library.shelf("poems")
    book = shelf.book(0)
    return str(await book.first_line())


def demo() -> dict[str, Any]:
    """Give the recordings of both programs, in parts of a round trip.

    Raises:
        ValueError: the times of a program are not the same parts of each round trip.
    """
    programs = []
    for program, title in ((awaited, "await each call"), (pipelined, "call on promises")):
        one, other = (asyncio.run(recorded(program, rtt)) for rtt in (1.0, 4.0))
        if one != other:
            raise ValueError(f"{program.__name__}: the times do not grow with the round trip")
        programs.append({"name": program.__name__, "title": title, **one})
    return {"workers": [HERE, THERE], "programs": programs}


async def recorded(program: Any, rtt: float) -> dict[str, Any]:
    """Run a program over a link, and give its messages."""
    async with rpclab.Sandbox(record=True, clock="virtual") as sandbox:
        sandbox.deploy(THERE, source=LIBRARY)
        env = sandbox.bind(LIBRARY=THERE)
        sandbox.link(HERE, THERE, rtt=rtt)
        with sandbox.trace() as trace:
            await program(env.LIBRARY)
        took = sandbox.time()
        messages = batches(trace.recording.since(0).events, rtt)
    if trace.round_trips != took / rtt:
        raise ValueError(f"{trace.round_trips} round trips of {rtt} s took {took} s")
    return {"trips": trace.round_trips, "messages": messages}


def batches(events: Any, rtt: float) -> list[dict[str, Any]]:
    """What travelled together and says something: calls one way, results the other."""
    said: dict[str, list[str]] = {HERE: [], THERE: []}
    found: list[dict[str, Any]] = []
    for event in events:
        match event:
            case CallSent(path=path):
                said[HERE].append(f"{path}()")
            case CallReturned(value=value, size=size) if size:
                said[THERE].append(repr(value) if isinstance(value, str) else value[0])
            case Left(at=at, session=session) if said[whose := session.partition("→")[0]]:
                words, said[whose] = said[whose], []
                found.append({"from": whose, "left": at / rtt, "says": " · ".join(words)})
            case Arrived(at=at, session=session):
                there = session.partition("→")[2]
                for batch in found:
                    if batch["from"] == there:
                        batch.setdefault("arrived", at / rtt)
    for number, batch in enumerate(found):
        later = [each["left"] for each in found[number + 1 :] if each["from"] == batch["from"]]
        batch["next"] = later[0] if later else None
    return found
