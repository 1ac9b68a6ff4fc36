"""What comes from a node is checked: who dials, what it says, and whether it says anything."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.real_time import until

from rpclab.placement.agent import SANDBOX, Errand, version
from rpclab.placement.cluster import ClusterEngine
from rpclab.placement.engine import NO_BOUNDS
from rpclab.placement.identities import Identity, dialling, named
from rpclab.placement.nodes import Place
from rpclab.placement.records import next_record, packed


class OneNode:
    """A cluster of one node, whose agent is the test."""

    far = True

    def __init__(self):
        self.errands = []
        self.gone = False
        self.why = "it was unplugged"
        self.asked = 0
        self.thinks = False

    async def open(self):
        return "127.0.0.1"

    async def places(self):
        self.asked += 1
        while self.thinks:  # noqa: ASYNC110 - as below
            await asyncio.sleep(0.01)
        return [Place("key", "node-a", "127.0.0.1", 2)]

    async def run(self, key, errand):
        self.errands.append(Errand(**json.loads(errand)))
        while not self.gone:  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.01)
        return "its agent ended: killed by SIGKILL"

    async def why_lost(self, key):
        return self.why

    async def close(self):
        pass


class Heard:
    """Keeps what a host says."""

    def __init__(self):
        self.said = []

    def record(self, record):
        self.said.append(record)

    def output(self, stream, data):
        self.said.append((stream, data))

    def lost(self):
        self.said.append("lost")


class Agent:
    """One end of the connection that an agent has."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def say(self, **record):
        self.writer.write(packed(record))

    async def hear(self, kind):
        while True:
            record, _ = await next_record(self.reader)
            if record["kind"] == kind:
                return record

    async def ends(self):
        while await self.reader.read(65536):
            pass
        self.writer.close()


@pytest.fixture
def launcher():
    return OneNode()


class Started:
    """An engine with one host on its way, and what becomes of it."""

    def __init__(self, launcher, silence=30, *, waits=True):
        self.launcher = launcher
        self.waits = waits
        self.engine = ClusterEngine(launcher, silence_seconds=silence)
        self.heard, self.ended = Heard(), []
        self.engine.watch(self.ended.append)
        self.line = self.engine.place(1, self.heard, NO_BOUNDS)
        self.line.send({"kind": "worker"})

    async def __aenter__(self):
        self.line.attach()
        if self.waits:
            await until(lambda: self.launcher.errands)
        return self

    async def __aexit__(self, *_):
        self.launcher.gone = True
        self.engine.close()

    async def dial(self, identity=None):
        errand = self.launcher.errands[-1]
        identity = identity or Identity(*errand.identity)
        return Agent(
            *await asyncio.open_connection(
                *errand.address, ssl=dialling(identity), server_hostname=named(SANDBOX)
            )
        )

    async def join(self, **other):
        agent = await self.dial()
        secret = self.launcher.errands[-1].secret
        agent.say(**{"kind": "hello", "secret": secret, "rpclab": version(), **other})
        return agent

    async def why(self):
        await until(lambda: self.ended)
        (ended,) = self.ended
        return ended.why


async def test_an_agent_that_was_sent_for_is_told_to_start_the_host(launcher):
    async with Started(launcher) as started:
        agent = await started.join()
        await agent.hear("welcome")
        place = await agent.hear("place")
        assert place["number"] == 1
        assert (await agent.hear("to"))["record"] == {"kind": "worker"}
        agent.say(kind="placed", number=1, port=7777)
        agent.say(kind="from", number=1, record={"kind": "alive"})
        agent.say(kind="output", number=1, stream="stderr", data=b"oh")
        agent.say(kind="renew", count=1, computed=[[1, 3.0]], round_trip=0.002)
        assert (await agent.hear("renewed"))["count"] == 1
        agent.say(kind="ended", number=1, status=-9, why="")
        await until(lambda: started.ended)
        assert started.heard.said == [{"kind": "alive"}, ("stderr", b"oh")]
        assert started.ended[0].status == -9
        assert started.line.computed() == 3.0
        (node,) = started.engine.nodes()
        assert (node.name, node.cores, node.round_trip) == ("node-a", 2, 0.002)
        agent.writer.close()


async def test_of_many_hosts_that_are_placed_at_once_the_cluster_is_asked_twice(launcher):
    launcher.thinks = True
    async with Started(launcher, waits=False) as started:
        await until(lambda: launcher.asked)
        for number in range(2, 12):
            started.engine.place(number, Heard(), NO_BOUNDS)
        started.engine._nodes._call(setattr, launcher, "thinks", False)
        await until(lambda: launcher.errands)
        agent = await started.join()
        for _ in range(11):
            await agent.hear("place")
        assert launcher.asked == 2  # by the first, and by all that came as it was asked
        agent.writer.close()


@pytest.mark.parametrize("secret", ["", "wrong", None, 7])
async def test_whoever_does_not_know_the_secret_is_refused(launcher, secret):
    async with Started(launcher) as started:
        stranger = await started.join(secret=secret)
        assert (await stranger.hear("refused"))["why"] == "nobody has sent for it"
        await stranger.ends()
        agent = await started.join()  # the one that was sent for is let in all the same
        await agent.hear("welcome")
        again = await started.join()  # and once
        await again.hear("refused")
        for each in (agent, again):
            each.writer.close()


async def test_the_secret_alone_lets_nobody_in_who_has_another_certificate(launcher):
    async with Started(launcher) as started:
        thief = await started.dial(started.engine._nodes.authority.issue("host-1"))
        thief.say(kind="hello", secret=launcher.errands[-1].secret, rpclab=version())
        await thief.hear("refused")
        await thief.ends()


async def test_another_version_of_rpclab_is_refused_with_both(launcher):
    async with Started(launcher) as started:
        agent = await started.join(rpclab="0.0.1")
        why = await started.why()
        assert "rpclab '0.0.1' is installed there" in why
        assert version() in why
        await agent.ends()


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "from", "number": 1, "record": []},
        {"kind": "from", "number": 1, "record": {"kind": 3}},
        {"kind": "from", "number": "1", "record": {"kind": "alive"}},
        {"kind": "output", "number": 1, "stream": "stdlog", "data": b""},
        {"kind": "output", "number": 1, "stream": "stdout", "data": "text"},
        {"kind": "ended", "number": 1, "status": "9", "why": ""},
        {"kind": "placed", "number": 1, "port": "7"},
        {"kind": "renew", "count": "1", "computed": [], "round_trip": None},
        {"kind": "renew", "count": 1, "computed": [1], "round_trip": None},
        {"kind": "what", "number": 1},
    ],
)
async def test_a_node_that_breaks_the_rules_is_given_up(launcher, said):
    async with Started(launcher) as started:
        agent = await started.join()
        await agent.hear("place")
        agent.say(**said)
        assert 'its node "node-a" broke the rules' in await started.why()
        await agent.ends()


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\1\xc1", b"\0\0\0\1\x01"])
async def test_what_is_no_record_is_the_end_of_a_node(launcher, data):
    async with Started(launcher) as started:
        agent = await started.join()
        await agent.hear("place")
        agent.writer.write(data)
        assert 'its node "node-a" broke the rules' in await started.why()
        await agent.ends()


async def test_a_connection_that_ends_is_a_node_that_was_lost_and_the_cluster_says_why(launcher):
    async with Started(launcher) as started:
        agent = await started.join()
        await agent.hear("place")
        agent.writer.transport.abort()
        assert await started.why() == 'its node "node-a" was lost: it was unplugged'


async def test_where_a_node_is_there_still_the_end_of_its_agent_says_why_it_was_lost(launcher):
    async with Started(launcher) as started:
        agent = await started.join()
        await agent.hear("place")
        launcher.why = ""
        launcher.gone = True
        agent.writer.transport.abort()
        why = 'its node "node-a" was lost: its agent ended: killed by SIGKILL'
        assert await started.why() == why


async def test_a_silent_node_is_given_up(launcher):
    async with Started(launcher, silence=0.3) as started:
        agent = await started.join()
        await agent.hear("place")
        why = 'nothing was heard of its node "node-a" for 0.3 s (silence_seconds), so it was given'
        assert why in await started.why()
        await agent.ends()


async def test_an_agent_that_does_not_come_is_told_to_be_late(launcher, monkeypatch):
    monkeypatch.setattr("rpclab.placement.nodes._ARRIVES", 0.2)
    async with Started(launcher) as started:
        assert 'no agent on the node "node-a" has dialled 127.0.0.1' in await started.why()


async def test_a_host_that_is_stopped_before_its_node_is_there_has_ended(launcher):
    async with Started(launcher) as started:
        started.engine.stop(1)
        assert await started.why() == "it was stopped before it had started"


async def test_a_node_that_floods_a_busy_program_is_told_to_hold(launcher, monkeypatch):
    monkeypatch.setattr("rpclab.placement.nodes._MOST_WAITING", 1000)
    async with Started(launcher) as started:
        agent = await started.join()
        await agent.hear("place")
        started.engine._stop_listening()  # a cell computes
        agent.say(kind="output", number=1, stream="stdout", data=b"x" * 2000)
        await agent.hear("hold")
        started.line.attach()
        await agent.hear("go on")
        assert started.heard.said == [("stdout", b"x" * 2000)]
        agent.writer.close()
