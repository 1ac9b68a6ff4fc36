"""One session: played at random, or once more from its steps."""

from __future__ import annotations

import random
import resource
from dataclasses import replace

from fuzz import mutate
from fuzz.hand import Hand
from fuzz.texts import TextHand
from fuzz.verdict import check, quietly
from fuzz.worlds import CoreWorld

ACTS = ("call", "call", "read", "pipeline", "cancel", "dispose", "resolve", "flow", "pass")
ROUNDS = (3, 8, 8, 20)  # how many batches of each kind a session has
RATES = (0.0, 0.02, 0.1, 0.4)  # how much of what the hand writes is spoilt


def world_of(level, dialect, variant=""):
    """Make the sessions that are attacked."""
    if level == "engine":
        from fuzz.sandboxes import EngineWorld  # noqa: PLC0415 - the core needs no engine

        return EngineWorld(dialect, recorded=variant == "recorded")
    return CoreWorld(dialect, 2 if variant == "two ends" else 1)


def peak():
    """The most memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def at_random(level, dialect, seed, *, honest=False):
    """Play the session of a seed.

    Args:
        level: "core" or "engine".
        dialect: "msgpack" or "capnweb".
        seed: a text; the same gives the same session.
        honest: break no rule.

    Returns:
        The world, closed, and what was found.
    """
    chance = random.Random(f"{level} {dialect} {seed}")  # noqa: S311 - no secret
    variant = ""
    if chance.random() < 0.3:
        variant = "recorded" if level == "engine" else "" if honest else "two ends"
    return _judged(
        level,
        dialect,
        variant,
        lambda world: _Session(world, chance, honest=honest).play(),
        seed,
    )


def again(finding):
    """Do the steps of a finding once more.

    Args:
        finding: with its level, dialect, variant and steps.

    Returns:
        The world, closed, and what was found.
    """

    def play(world):
        for step in finding.steps:
            world.do(decoded(step))

    return _judged(finding.level, finding.dialect, finding.variant, play, finding.seed)


def shrunk(finding, judge, tries=400):
    """Leave out of a finding what it does not need.

    Args:
        finding: with its steps.
        judge: gives the findings of one with other steps.
        tries: how often it may be done again.
    """
    least = finding
    for size in (16, 8, 4, 2, 1):
        place = 0
        while place < len(least.steps) and tries:
            tries -= 1
            steps = least.steps[:place] + least.steps[place + size :]
            smaller = _same(least, steps, judge)
            if smaller is None:
                place += size
            else:
                least = smaller
    for place, step in enumerate(list(least.steps)):
        if step[0] in ("receive", "arm"):
            kept = 0
            while kept < len(least.steps[place][3]) and tries:
                tries -= 1
                old = least.steps[place]
                new = [*old[:3], old[3][:kept] + old[3][kept + 1 :]]
                smaller = _same(
                    least, [*least.steps[:place], new, *least.steps[place + 1 :]], judge
                )
                if smaller is None:
                    kept += 1
                else:
                    least = smaller
    return least


def _same(finding, steps, judge):
    """The finding that these steps still show, if they do."""
    trial = replace(finding, steps=steps)
    found = next((f for f in judge(trial) if f.signature == finding.signature), None)
    return None if found is None else replace(trial, detail=found.detail)


def _judged(level, dialect, variant, play, seed):
    before = peak()
    steps = []

    def run():
        world = world_of(level, dialect, variant)
        do = world.do

        def noted(step):
            steps.append(encoded(step))
            do(step)

        world.do = noted
        play(world)
        world.do = do
        world.close()
        return world

    world, heard = quietly(run)
    world.trouble += heard
    found = check(world, peak() - before)
    for finding in found:
        finding.level, finding.dialect, finding.seed = level, dialect, seed
        finding.variant, finding.steps = variant, steps
    return world, found


def encoded(step):
    """A step as JSON can keep it."""
    if step[0] in ("receive", "arm"):
        return [*step[:3], [_written(frame) for frame in step[3]]]
    return list(step)


def decoded(step):
    """The step that was kept."""
    if step[0] in ("receive", "arm"):
        return [*step[:3], [read(frame) for frame in step[3]]]
    return step


def _written(frame):
    return frame.hex() if isinstance(frame, bytes) else [each.hex() for each in frame]


def read(frame):
    """The frame that was kept."""
    return bytes.fromhex(frame) if type(frame) is str else [*map(bytes.fromhex, frame)]


class _Session:
    """Decides what happens next."""

    def __init__(self, world, chance, *, honest) -> None:
        self._world = world
        self._chance = chance
        self._honest = honest
        self._rate = 0.0 if honest else chance.choice(RATES)
        self._texts = world.dialect == "capnweb"
        hand = TextHand if self._texts else Hand
        self._hands = [
            hand(chance, roots=world.roots, honest=honest or chance.random() < 0.2)
            for _ in world.ends
        ]

    def play(self):
        for _ in range(self._chance.choice(ROUNDS)):
            for end in range(len(self._hands)):
                self._act(end)
                self._from_hand(end)
            self._world.do(["turn"])
            self._pass_on()

    def _act(self, end):
        chance = self._chance
        if chance.random() < 0.6:
            self._world.do(["act", end, chance.choice(ACTS), chance.randrange(60)])

    def _from_hand(self, end):
        chance, hand = self._chance, self._hands[end]
        if len(self._hands) == 2 and chance.random() < 0.8:
            return  # most of what arrives is from the other end
        if self._texts:
            frames = hand.frames(self._rate)
        else:
            frames = mutate.spoilt(chance, hand.batch(), self._rate)
        seen = hand.seen
        if chance.random() < self._rate * 0.2:
            seen = mutate.seen(chance, seen)
        what = "receive"
        if not self._honest and chance.random() < 0.04:
            what = "arm"
        self._world.do([what, end, seen, frames])

    def _pass_on(self):
        """Hear what the sessions have sent; where there are two, hand it over, spoilt or not."""
        chance, world = self._chance, self._world
        for end, hand in enumerate(self._hands):
            batches, world.sent[end] = world.sent[end], []
            for seen, sent in batches:
                hand.listen(sent)
                if len(self._hands) == 1:
                    continue
                frames, count = sent, seen
                if chance.random() < self._rate:
                    frames = [
                        mutate.frame(chance, frame) if chance.random() < self._rate else frame
                        for frame in mutate.batch(chance, sent)
                    ]
                if chance.random() < self._rate * 0.2:
                    count = mutate.seen(chance, seen)
                world.do(["receive", 1 - end, count, frames])
                world.do(["turn"])
