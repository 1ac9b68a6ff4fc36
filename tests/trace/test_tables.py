"""The tables of each moment, told from a recording, are those that the sandbox had then."""

import pytest
from support.tables import numbers, tables_at
from worlds import player
from worlds.programs import DRIVER, write

import rpclab

PROGRAMS = 60
BLOCKS = 6

NEAR, FAR = ("notebook", "a", "imports"), ("a", "notebook", "exports")


class Watched:
    """Plays a program on a sandbox that records, and looks at its tables after each step.

    Attributes:
        looks: (moment, by Worker its tables) of each look.
        sandbox: the sandbox of the program.
    """

    def __init__(self, monkeypatch) -> None:
        self.looks = []
        watched, step = self, player.Play.step

        class Sandbox(rpclab.Sandbox):
            def __init__(self, **options) -> None:
                super().__init__(record=True, **options)
                watched.sandbox = self

        async def step_and_look(play, *what):
            await step(play, *what)
            watched.look([DRIVER, *play.stage.program.workers])

        monkeypatch.setattr(player.rpclab, "Sandbox", Sandbox)
        monkeypatch.setattr(player.Play, "step", step_and_look)

    def look(self, workers):
        tables = {name: self.sandbox.tables(name) for name in workers}
        self.looks.append((len(self.sandbox.recording), tables))


@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_tables_of_each_moment_are_those_of_the_sandbox(block, monkeypatch):
    watched = Watched(monkeypatch)
    for seed in range(block, PROGRAMS, BLOCKS):
        watched.looks.clear()
        assert not player.run(write(seed))
        events = list(watched.sandbox.recording)
        for moment, tables in watched.looks:
            then = tables_at(events, moment)
            for name, (imports, exports) in tables.items():
                assert numbers(then, name, "imports") == imports, (seed, moment, name)
                assert numbers(then, name, "exports") == exports, (seed, moment, name)


async def test_a_row_says_what_it_is(sandbox, env):
    node = await env.A.root()
    copy = node.dup()
    env.A.nap(5)
    rows = tables_at(sandbox.recording)
    near = [rows[key] for key in sorted(rows, reverse=True) if key[:3] == NEAR]
    far = [rows[key] for key in sorted(rows, reverse=True) if key[:3] == FAR]
    assert near == [
        ("call 2", "call", 1),
        ("a binding", "binding", 1),
        ("Node", "stub", 2),
    ]
    assert [(row.what, row.kind) for row in far] == [
        ("a binding", "binding"),
        ("Node", "stub"),
    ]
    copy.dispose()
