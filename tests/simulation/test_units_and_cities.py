"""Texts for times and rates, and distances between cities."""

import math
from itertools import combinations

import pytest

from rpclab.simulation.cities import CITIES, SAME_CITY, distance, round_trip
from rpclab.simulation.units import bytes_per_second, rate_text, seconds, time_text

TIMES = {"80ms": 0.08, "1.5s": 1.5, "250 us": 0.00025, "2min": 120, ".5s": 0.5, "1e-3s": 0.001}
RATES = {
    "1MB/s": 1_000_000,
    "512KiB/s": 524_288,
    "10Mbit/s": 1_250_000,
    "3 kB/s": 3000,
    "7B/s": 7,
    "unlimited": math.inf,
}


@pytest.mark.parametrize("text", TIMES)
def test_a_time_can_be_a_text(text):
    assert seconds(text) == pytest.approx(TIMES[text])


@pytest.mark.parametrize("text", RATES)
def test_a_rate_can_be_a_text(text):
    assert bytes_per_second(text) == RATES[text]


def test_numbers_are_seconds_and_bytes_a_second():
    assert (seconds(2), bytes_per_second(5), bytes_per_second(math.inf)) == (2, 5, math.inf)


def test_times_and_rates_are_written_as_people_do():
    assert [time_text(span) for span in (0, 0.08, 0.0005, 2.5)] == [
        "0 s",
        "80 ms",
        "0.5 ms",
        "2.5 s",
    ]
    assert [rate_text(rate) for rate in (12, 1500, 2e6)] == ["12 B/s", "1.5 kB/s", "2 MB/s"]


def test_the_great_circle_is_as_long_as_atlases_say():
    assert distance("london", "new-york") == pytest.approx(5570, rel=0.01)
    assert distance("amsterdam", "tokyo") == pytest.approx(9300, rel=0.01)
    assert distance("singapore", "sydney") == pytest.approx(6300, rel=0.01)


def test_every_two_cities_have_a_believable_round_trip():
    for one, other in combinations(CITIES, 2):
        assert SAME_CITY < round_trip(one, other) == round_trip(other, one) < 0.31
    assert round_trip("paris", "paris") == SAME_CITY
    assert round_trip("london", "new-york") == 0.084
