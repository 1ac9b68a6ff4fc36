"""Every golden transcript, cut off after each of its messages: all ends, and nothing stays."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from capnweb.clients import CLIENTS
from capnweb.differences import CLIENT, SERVER
from capnweb.replay import End, Tools, quiet, record, turns
from capnweb.servers import main_of
from capnweb.test_golden import (
    ACTIVE_SERVERS,
    LIMITS,
    PLAYED_BY_CLIENTS,
    PLAYED_BY_SERVERS,
    with_chunks_of_text,
)
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import PENDING, Pending
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.errors import DisconnectedError, RemoteProtocolError

CUT = "the link was cut"

pytestmark = pytest.mark.expects_reports


@pytest.fixture
def disposals(monkeypatch):
    """How often each hook of a target was let go of, by hook; those never sent are not in it."""
    found = Counter()
    export, dispose = TargetHook.exported, TargetHook._dispose

    def exported(hook, session, number):
        found[hook] += 0
        export(hook, session, number)

    def disposed(hook):
        found[hook] += not hook.broken and not hook.context.ended
        dispose(hook)

    monkeypatch.setattr(TargetHook, "exported", exported)
    monkeypatch.setattr(TargetHook, "_dispose", disposed)
    return found


async def steps(count=20):
    """Let what is ready run; no time passes."""
    for _ in range(count):
        await asyncio.sleep(0)


class Play:
    """One side of a transcript, until it is cut.

    Args:
        name: of the transcript.
        side: which side is ours.
    """

    def __init__(self, name, side) -> None:
        self.transcript = with_chunks_of_text(record(name))
        self.tools = tools = Tools()
        limits = LIMITS.get(name, DEFAULT_LIMITS)
        if side == "server":
            tools.end = End(main_of(self.transcript, tools), limits)
            run = ACTIVE_SERVERS.get(name)
            self.task = run and asyncio.ensure_future(run(tools.end, tools))
        else:
            play = CLIENTS[name]
            tools.end = End(getattr(play, "main", lambda: None)())
            self.task = asyncio.ensure_future(play(tools.end.api, tools))
        self.end = tools.end
        difference = (SERVER if side == "server" else CLIENT).get(name)
        self.turns = turns(self.transcript, side, difference and difference.swaps)
        self.messages = sum(len(texts) for ours, texts in self.turns if not ours)

    async def until(self, cut, *, at_once):
        """Play it, and cut it off.

        Args:
            cut: after so many messages of the peer.
            at_once: whether before anything of ours has had its turn.
        """
        left = cut
        for ours, texts in self.turns:
            await quiet()
            if ours:
                while len(self.end.sent) < len(texts) and self.tools.go_on():
                    await quiet()
                self.end.take()
                continue
            self.end.receive(texts[:left])
            left -= len(texts)
            if left <= 0:
                break
        if not at_once:
            await quiet()

    async def cut(self):
        """Cut it off. Gives the promises that were under way."""
        session = self.end.session
        pending = [each for each in session.imports.values() if isinstance(each, Pending)]
        self.end.engine.again(lambda: session.close(DisconnectedError(CUT)))
        await steps()
        return pending

    async def over(self):
        """Let the code of the scenario come to its end, and give back what it holds itself."""
        while self.tools.go_on():
            await quiet()
        if self.task is not None:
            # It may go on with the error, and not like it.
            await asyncio.gather(self.task, return_exceptions=True)
        self.task = None
        self.tools.over()
        vars(self.tools).pop("held", None)


ENDS = (
    "abort-", "reject-", "answer-abort", "answer-unknown-import-in-result",
    "accept-stream-released-explicitly", "accept-undefined-with-extra",
)  # fmt: skip
"""How those are called that end by themselves, perhaps before the cut."""

HOLDS_ITS_OWN = {"stub-same-target-in-two-results"}  # its main keeps a stub that it gives away
PLAYS = [
    *(("server", name) for name in PLAYED_BY_SERVERS),
    *(("client", name) for name in PLAYED_BY_CLIENTS),
]


@pytest.mark.parametrize(("side", "name"), PLAYS, ids=lambda value: value)
async def test_a_cut_after_any_message_settles_all_and_leaves_nothing(side, name, disposals):
    whole = Play(name, side)
    messages = whole.messages
    await whole.until(messages, at_once=False)
    await whole.cut()
    await whole.over()
    for cut in range(messages + 1):
        for at_once in (False, True):
            disposals.clear()
            play = Play(name, side)
            await play.until(cut, at_once=at_once)
            pending = await play.cut()
            session = play.end.session
            if name.startswith(ENDS):
                assert isinstance(session.closed, (DisconnectedError, RemoteProtocolError))
            else:
                assert str(session.closed) == CUT
            assert [each.id for each in pending if each.state == PENDING] == []
            assert (session.imports, session.exports) == ({}, {})
            await play.over()
            del play, pending
            gc.collect()
            await steps()
            twice = [hook.target for hook, times in disposals.items() if times > 1]
            kept = [hook.target for hook, times in disposals.items() if not hook.broken]
            assert twice == []
            assert kept == [] or name in HOLDS_ITS_OWN
