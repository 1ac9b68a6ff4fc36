"""The tables of each moment, told from a recording, are those that the sandbox had then."""

import pytest
from worlds import player
from worlds.programs import DRIVER, write

import rpclab
from rpclab.trace.lifetimes import tables_at

PROGRAMS = 60
BLOCKS = 6


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
                assert then.imports(name) == imports, (seed, moment, name)
                assert then.exports(name) == exports, (seed, moment, name)


async def test_a_row_says_what_it_is(sandbox, env):
    node = await env.A.root()
    copy = node.dup()
    env.A.nap(5)
    tables = tables_at(sandbox.recording)
    near = next(end for end in tables.sessions if (end.here, end.there) == ("notebook", "a"))
    far = next(end for end in tables.sessions if (end.here, end.there) == ("a", "notebook"))
    assert [(row.what, row.kind, row.references) for row in near.imports] == [
        ("call 2", "call", 1),
        ("a binding", "binding", 1),
        ("Node", "stub", 2),
    ]
    assert [(row.what, row.kind) for row in far.exports] == [
        ("a binding", "binding"),
        ("Node", "stub"),
    ]
    copy.dispose()


async def test_every_moment_from_the_first_has_tables(sandbox, env):
    await env.A.root().next().add(1)
    for moment in range(len(sandbox.recording) + 1):
        assert tables_at(sandbox.recording, moment).moment == moment
