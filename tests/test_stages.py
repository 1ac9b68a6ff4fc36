"""`tools/stages`, which `make test` stands on."""

import re
import subprocess
from pathlib import Path

STAGES = Path(__file__).parents[1] / "tools" / "stages"


def run(*arguments):
    return subprocess.run([STAGES, *arguments], capture_output=True, text=True, check=False)


def test_a_stage_that_fails_hides_none_of_the_later_ones():
    ran = run("first", "echo one", "second", "exit 3", "third", "echo 'the third'; false")
    assert "one\n" in ran.stdout
    assert "the third\n" in ran.stdout
    assert ran.returncode == 1


def test_the_summary_says_how_each_stage_went_and_how_long_it_took():
    ran = run("good", "true", "not so good", "exit 3", "good again", "true")
    *_, summary = ran.stdout.partition("== summary\n")
    lines = re.sub(r"^ +\d+ s", "n s", summary, flags=re.MULTILINE)
    assert lines == (
        "n s  good: passed\nn s  not so good: FAILED (exit code 3)\nn s  good again: passed\n"
    )
    assert len(re.findall(r"^== passed after \d+ s$", ran.stdout, re.MULTILINE)) == 2


def test_nothing_fails_where_every_stage_passes():
    assert run("one", "true", "another one", "true").returncode == 0


def test_a_stage_gets_its_command_as_it_is_written():
    ran = run("quoted", """x='a  b' && [ "$x" = 'a  b' ] && echo "$x\"""")
    assert "a  b\n" in ran.stdout
