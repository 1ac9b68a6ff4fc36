"""Every rule of Workers RPC is proven, different on purpose, or said to be missing."""

import conformance
import pytest
from conformance import RULES


def test_every_area_has_its_rules_numbered_without_a_gap():
    for area in conformance.AREAS:
        numbers = [int(name[1:]) for name in RULES if name[0] == area]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers


def test_all_190_recorded_programs_stand_under_a_rule():
    seen = [name for rule in RULES.values() for name in rule.seen]
    assert all(rule.seen for rule in RULES.values())
    assert len(set(seen)) == 190


@pytest.mark.parametrize("name", list(RULES))
def test_rule_is_proven_or_its_absence_explained(name):
    assert RULES[name].state != "open", f"no test is named test_{name}_…: {RULES[name].says}"


def test_no_rule_is_both_different_and_missing():
    assert not conformance.DIFFERENCES.keys() & conformance.NOT_YET.keys()


@pytest.mark.parametrize(
    ("path", "text"),
    [(conformance.PAGE, conformance.page), (conformance.README, conformance.readme)],
    ids=["conformance.md", "README.md"],
)
def test_written_pages_are_up_to_date(path, text):
    assert path.read_text("utf-8") == text(), "run `make docs`"
