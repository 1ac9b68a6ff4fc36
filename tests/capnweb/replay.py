"""Plays a golden transcript to one end of ours, turn by turn, and compares what it sends.

Time is cut into half round trips, as in the recording: what one side sends until it is quiet is one
turn. Turns of one side that follow one another are one here. Code under test that waits for time to
pass, or for quiet, goes on when a turn of its side is due and nothing has come.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path

from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import Handle, Import
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.core.session import Session
from rpclab.rpc.engine import Engine
from rpclab.rpc.stubs import RpcStub

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))


def record(name):
    """Read a transcript."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


class Differs(AssertionError):
    """A turn of ours is not the library's."""


class End:
    """One end of ours, with its wire.

    Attributes:
        session: it.
        api: the stub of the peer's main object.
        sent: what it has sent, and nobody has taken yet.
    """

    def __init__(self, main=None, limits=DEFAULT_LIMITS):
        self.engine = Engine(limits=limits, debug=False)
        self.engine.attend(asyncio.get_running_loop())
        keeper = self.engine.keeper("here")
        hook = None if main is None else TargetHook(main, keeper)
        self.session = Session(
            "here→there",
            codec=CapnWebCodec,
            host=self.engine,
            keeper=keeper,
            main=hook,
            limits=limits,
        )
        self.session.send = self._send
        self.sent = []
        entry = self.session.imports[0] = Import(self.session, 0)
        self.api = RpcStub.__from_handle__(Handle(entry, keeper))

    def _send(self, _seen, frames):
        self.sent += [frame.decode() for frame in frames]

    def receive(self, texts):
        """Hand messages of the peer over, as one batch."""
        frames = [text.encode("utf-8", "surrogatepass") for text in texts]
        self.engine.again(lambda: self.session.receive(0, frames))

    def take(self):
        """Give what was sent."""
        sent, self.sent = self.sent, []
        return sent


class Tools:
    """What the code of a scenario may ask for, as in the recorder.

    Attributes:
        outcome: what the scenario found out.
        log: what its objects noted.
        seen: the arguments that `what` and `errors` were called with.
        end: the end under test.
    """

    def __init__(self):
        self.outcome, self.log, self.end = {}, [], None
        self.seen = []
        self._waits = []
        self._used = []

    def note(self, text):
        self.log.append(text)

    def use(self, value):
        """Dispose it at the end, the last one first."""
        self._used.append(value)
        return value

    async def pause(self):
        """Wait for time to pass, or for quiet."""
        future = asyncio.get_running_loop().create_future()
        self._waits.append(future)
        await future

    settle = pause

    @staticmethod
    async def caught(awaitable):
        try:
            return ["value", await awaitable]
        except Exception as error:
            return ["error", error]

    def go_on(self):
        """Let the oldest wait end. Says whether there was one."""
        if not self._waits:
            return False
        oldest = self._waits.pop(0)
        if not oldest.done():  # whoever waited may have been cancelled
            oldest.set_result(None)
        return True

    def over(self):
        while self._used:
            self._used.pop().dispose()


async def quiet():
    """Let everything come to rest: no time passes here until all wait."""
    await asyncio.sleep(0.1)


def turns(transcript, side, swaps=None):
    """Give the turns as (is it ours, messages); those of one side that follow are one.

    Args:
        transcript: it.
        side: which side is ours.
        swaps: by a message of the library, or by its sender and it, what stands there where ours
            differs on purpose.
    """
    found = []
    unused = dict(swaps or {})
    for sender, messages in _turns(transcript):
        ours = sender == side
        if not found or found[-1][0] != ours:
            found.append((ours, []))
        for text in messages:
            key = text if text in unused or text in (swaps or {}) else (sender, text)
            found[-1][1].extend((swaps or {}).get(key, [text]))
            unused.pop(key, None)
    assert not unused, f"the transcript has no such message: {unused}"
    return [(ours, messages) for ours, messages in found if messages]


def _turns(transcript):
    """Give the turns as (from, messages), whatever they travelled over."""
    if transcript["transport"] == "memory":
        return [(turn["from"], turn["messages"]) for turn in transcript["turns"]]
    if transcript["transport"] == "websocket":
        frames = itertools.takewhile(lambda frame: "close" not in frame, transcript["frames"])
        return [(frame["from"], [frame["text"]]) for frame in frames]
    return [
        (sender, exchange[part]["body"].split("\n"))
        for exchange in transcript["exchanges"]
        for sender, part in (("client", "request"), ("server", "response"))
        if exchange[part]["body"]
    ]


async def replay(transcript, side, tools, *, loose=False, swaps=None):
    """Play a transcript to an end of ours.

    Args:
        transcript: it.
        side: which side ours is.
        tools: with the end under test.
        loose: whether errors have words of the library's own, which ours need not have.
        swaps: see `turns`.

    Raises:
        Differs: a turn is another one.
    """
    end = tools.end
    for number, (ours, messages) in enumerate(turns(transcript, side, swaps)):
        await quiet()
        if not ours:
            end.receive(messages)
            continue
        while len(end.sent) < len(messages) and tools.go_on():
            await quiet()
        compare(number, end.take(), messages, loose)
    await quiet()
    while tools.go_on():
        await quiet()
    if transcript["transport"] == "memory":  # what carries others has ended with their last turn
        compare("after the last", end.take(), [], loose)


def compare(turn, sent, expected, loose):
    """Compare a turn as a set: the order of pulls differs between versions of Node."""
    ours, theirs = (Counter(canonical(text, loose) for text in texts) for texts in (sent, expected))
    if ours != theirs:
        lines = [f"turn {turn}"]
        lines += [f"  ours only:   {text[:300]}" for text in (ours - theirs).elements()]
        lines += [f"  theirs only: {text[:300]}" for text in (theirs - ours).elements()]
        raise Differs("\n".join(lines))


def canonical(text, loose=False):
    """A message as a text that is the same for what JavaScript reads as the same."""
    tree = json.loads(text)
    if tree and tree[0] == "abort":
        tree = ["abort"]  # its words are the library's
    return json.dumps(_canonical(tree, loose), sort_keys=True)


def _canonical(tree, loose):
    if isinstance(tree, float) and tree.is_integer() and abs(tree) < 2**60:
        return int(tree)
    if isinstance(tree, list):
        if loose and tree[:1] == ["error"]:
            return ["error"]
        return [_canonical(item, loose) for item in tree]
    if isinstance(tree, dict):
        return {key: _canonical(item, loose) for key, item in tree.items()}
    return tree
