"""The event loop that a server of its own runs on."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

from rpclab.net import loops


async def kind_of_loop():
    return type(asyncio.get_running_loop())


def test_a_program_runs_on_the_faster_loop_where_there_is_one(monkeypatch):
    class Faster(asyncio.SelectorEventLoop):
        pass

    monkeypatch.setitem(sys.modules, "uvloop", SimpleNamespace(new_event_loop=Faster))
    assert loops.run(kind_of_loop()) is Faster


def test_and_on_that_of_asyncio_where_there_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loops.run(kind_of_loop()).__module__.startswith("asyncio.")
