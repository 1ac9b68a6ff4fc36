"""Two nodes contend for one object, and are killed or stopped at any moment.

Whatever was acknowledged is stored, and each number was written by the one node that it was
acknowledged to: never two writers were accepted. RPCLAB_KILLS says how many times, 6 unless given.
"""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import signal
import subprocess
import sys

import pytest

import rpclab
from rpclab.codecs.stored_values import unpack

KILLS = int(os.environ.get("RPCLAB_KILLS", "6"))
LEASE = 0.3  # seconds, so that nobody waits long for a node that is gone
PATIENCE = 60  # seconds; only a test that hangs takes so long

NODE = """
import asyncio, signal, sys
import rpclab

WORKER = '''
import os, signal
from workers import DurableObject

stops = []

class Tally(DurableObject):
    async def add(self, writer):
        n = (await self.ctx.storage.get("n") or 0) + 1
        if stops:
            stops.pop()
            os.kill(os.getpid(), signal.SIGSTOP)
        await self.ctx.storage.put({"n": n, f"by {n:09}": writer})
        return n
'''

async def main(address, writer, lease):
    shared = rpclab.SharedObjects(address, lease_seconds=float(lease))
    async with rpclab.Sandbox(shared_objects=shared) as sandbox:
        worker = sandbox.deploy("tally", source=WORKER)
        # Between reading and writing, in no transaction: such a one keeps a file of SQLite locked.
        stop = lambda: worker.module.stops.append(True)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, stop)
        tallies = sandbox.bind(TALLY=rpclab.objects("tally#Tally")).TALLY
        count = 0
        while True:
            try:
                n = await tallies.get_by_name("one").add(writer)
            except rpclab.ObjectElsewhereError as error:
                if not error.retryable:
                    print("refused", flush=True)
                await asyncio.sleep(lease / 20)
                continue
            print(n, flush=True)
            count += 1
            if count % 20 == 0:  # now and then the other one may have it
                sandbox.evict("tally#Tally")
                await asyncio.sleep(lease / 5)

asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
"""


class Contest:
    """Two nodes at a time, and what each was told.

    Attributes:
        acknowledged: by number, who was told that it has written that.
        refused: how often a write was refused.
    """

    def __init__(self, address):
        self.acknowledged = {}
        self.refused = 0
        self.last = None
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._started = 0
        self._running = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in list(self._running):
            child.kill()
            child.communicate()
        self._selector.close()

    def start(self):
        self._started += 1
        writer = f"writer {self._started}"
        child = subprocess.Popen(
            [sys.executable, "-c", NODE, self._address, writer, str(LEASE)], stdout=subprocess.PIPE
        )
        child.writer, child.rest = writer, b""
        self._running.add(child)
        self._selector.register(child.stdout, selectors.EVENT_READ, child)
        return child

    def _take(self, child, data):
        *lines, child.rest = (child.rest + data).split(b"\n")
        for line in lines:
            if line == b"refused":
                self.refused += 1
                continue
            number = int(line)
            assert number not in self.acknowledged, "two writers were accepted"
            self.acknowledged[number] = child.writer
            self.last = child
        return len(lines)

    def wait_for(self, count, by=None):
        """Wait for so many lines, of one node if it is given."""
        while count > 0:
            ready = self._selector.select(PATIENCE)
            assert ready, "nobody gets on"
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                assert data, "a node has ended by itself"
                lines = self._take(key.data, data)
                if by in (None, key.data):
                    count -= lines

    def stop(self, child):
        """Stop a node that has begun to write."""
        os.kill(child.pid, signal.SIGUSR1)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)

    def kill(self, child):
        child.kill()
        self._selector.unregister(child.stdout)
        self._take(child, child.stdout.read())
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        self._running.discard(child)


def stored(address):
    """All that the object has stored, whoever has it."""
    store = rpclab.SharedObjects(address).open()
    with contextlib.closing(store), store._transaction() as execute:
        rows = execute("SELECT key, value FROM rpclab_object_values").fetchall()
    return {bytes(key).decode(): unpack(bytes(value)) for key, value in rows}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_acknowledged_write_is_lost_and_never_two_writers_are_accepted(kind, request, tmp_path):
    address = str(tmp_path / "objects.sqlite")
    if kind == "postgres":
        address = request.getfixturevalue("postgres")
    chance = random.Random(f"{kind} 7")  # noqa: S311 - the same on every run
    with Contest(address) as contest:
        nodes = [contest.start(), contest.start()]
        for turn in range(KILLS):
            contest.wait_for(chance.randint(1, 60))
            victim = contest.last if chance.random() < 0.8 else chance.choice(nodes)
            (other,) = [node for node in nodes if node is not victim]
            if turn % 3 == 2 and victim is contest.last:
                # Cut off for longer than its lease, it wakes up as another one writes, and goes on.
                contest.stop(victim)
                contest.wait_for(25, by=other)
                os.kill(victim.pid, signal.SIGCONT)
                contest.wait_for(25)
            else:
                contest.kill(victim)
                nodes[nodes.index(victim)] = contest.start()
        for node in nodes:
            contest.kill(node)
    found = stored(address)
    last = found.pop("n")
    writers = {int(key.removeprefix("by ")): writer for key, writer in found.items()}
    assert sorted(writers) == [*range(1, last + 1)]
    assert contest.acknowledged
    lost = {n: by for n, by in contest.acknowledged.items() if writers.get(n) != by}
    assert lost == {}
    # Of each node that was killed one write at most was stored, and not acknowledged any more.
    assert last - len(contest.acknowledged) <= contest._started
