"""Hundreds of random programs do what the model says; with any of these bugs in, they do not."""

from __future__ import annotations

import gc

import pytest

from worlds import bugs
from worlds.model import Model
from worlds.player import run
from worlds.programs import write

PROGRAMS = 600
BLOCKS = 10
ENOUGH = 300  # programs, to catch a bug
GIVING_AWAY = 600  # programs in which promises are given away
RARE = [  # these once found one
    894, 1920, 1996, 2072, 2912, 2940, 2998, 3237, 3697, 3934, 4075, 5007, 5051, 10311, 17128,
    36722, 54226,
]  # fmt: skip
RARE_GIVING_AWAY = [  # likewise
    49, 57, 129, 716, 1891, 4317, 11133, 23527, 34653, 60571, 60972, 76365, 77339, 91326, 94931,
    95080,
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_before_is_not_searched():
    """Each program collects garbage three times: let that pass by what other tests left."""
    gc.collect()
    gc.freeze()


@pytest.mark.parametrize("block", range(BLOCKS))
def test_L5_W1_O5_T6_random_programs_do_what_the_model_says(block):
    for seed in range(block, PROGRAMS, BLOCKS):
        program = write(seed)
        complaints = run(program)
        assert not complaints, "\n".join([*complaints, program.text()])


@pytest.mark.parametrize("seed", RARE)
def test_L5_W1_O5_T6_programs_that_found_a_bug_find_it_no_more(seed):
    program = write(seed)
    assert not run(program), program.text()


def test_random_programs_that_give_promises_away_do_what_the_model_says():
    for seed in range(GIVING_AWAY):
        program = write(seed, gives_away=True)
        complaints = run(program)
        assert not complaints, "\n".join([*complaints, program.text()])


@pytest.mark.parametrize("seed", RARE_GIVING_AWAY)
def test_programs_that_give_promises_away_and_found_a_bug_find_it_no_more(seed):
    program = write(seed, gives_away=True)
    assert not run(program), program.text()


@pytest.mark.parametrize("bug", bugs.ALL, ids=lambda bug: bug.__name__)
def test_random_programs_find_the_bug(bug, monkeypatch):
    bug(monkeypatch)
    assert any(
        run(write(seed, gives_away=away)) for seed in range(ENOUGH) for away in (False, True)
    )


def test_the_programs_are_the_same_on_every_run():
    assert write(7).text() == write(7).text()
    assert write(7).text() != write(8).text()
    assert write(7, gives_away=True).text() == write(7, gives_away=True).text()


@pytest.mark.parametrize(("gives_away", "kinds"), [(False, 18), (True, 22)])
def test_the_programs_do_what_they_are_there_for(gives_away, kinds):
    steps = {}
    for seed in range(PROGRAMS):
        for script in write(seed, gives_away=gives_away).scripts:
            for step in script.steps:
                steps[step[0]] = steps.get(step[0], 0) + 1
    rare = {what: count for what, count in steps.items() if count < 50}
    assert len(steps) == kinds
    assert not rare


def test_the_model_knows_many_calls_and_the_failures_among_them():
    models = [Model(write(seed)) for seed in range(PROGRAMS)]
    assert sum(len(model.reached) for model in models) > 2000
    failed = sum(result != uid for model in models for uid, result in model.results.items())
    assert failed > 200
