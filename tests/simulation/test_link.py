"""A link by itself, driven by a clock that the test moves: nothing waits, nothing is random."""

import math

import pytest

from simulation.hand import Wire

FRAMES = [bytes([number]) for number in range(100)]


def test_a_frame_takes_half_a_round_trip():
    wire = Wire(rtt="80ms")
    wire.send(b"x")
    wire.clock.advance(0.039)
    assert wire.arrived == []
    wire.clock.advance(0.001)
    assert wire.times == [0.04]


def test_a_link_that_is_nothing_delivers_at_once():
    wire = Wire()
    wire.send(b"x", b"y")
    assert wire.times == [0, 0]


def test_a_frame_takes_its_size_by_the_bandwidth_to_leave():
    wire = Wire(rtt=1, bandwidth="1kB/s")
    wire.send(bytes(500))
    wire.clock.advance(10)
    assert wire.times == [1.0]


def test_frames_leave_one_after_the_other():
    wire = Wire(bandwidth=1000, rtt=0.2)
    wire.send(bytes(1000), bytes(500))
    wire.send(bytes(250))
    wire.clock.advance(0.5)
    wire.send(bytes(250))
    wire.clock.advance(10)
    assert wire.times == [1.1, 1.6, 1.85, 2.1]


def test_a_sender_that_was_idle_begins_when_the_frame_is_there():
    wire = Wire(bandwidth=1000)
    wire.send(bytes(100))
    wire.clock.advance(5)
    wire.send(bytes(100))
    wire.clock.advance(5)
    assert wire.times == [0.1, 5.1]


def test_jitter_keeps_the_order_and_stays_in_its_bounds():
    wire = Wire(rtt=0.1, jitter=0.5)
    for frame in FRAMES:
        wire.send(frame)
        wire.clock.advance(0.01)
    wire.clock.advance(1)
    assert [frame for _, frame in wire.arrived] == FRAMES
    delays = [when - 0.01 * number for number, when in enumerate(wire.times)]
    assert all(0.05 <= delay <= 0.55 + 1e-9 for delay in delays)
    assert max(delays) > 0.3


def times_with(**options):
    wire = Wire(rtt=0.1, jitter=0.5, **options)
    for frame in FRAMES:
        wire.send(frame)
        wire.clock.advance(0.01)
    wire.clock.advance(1)
    return wire.times


def test_the_same_seed_gives_the_same_delays_and_another_one_others():
    assert times_with(seed=1) == times_with(seed=1)
    assert times_with(seed=1) != times_with(seed=2)
    assert times_with(name="a→b") != times_with(name="b→a")


def test_setting_the_seed_begins_the_delays_anew():
    wire = Wire(jitter=0.5)
    taken = []
    for number, seed in enumerate([1, 1, 2]):
        wire.link.seed = seed
        wire.send(b"x")
        wire.clock.advance(1)
        taken.append(wire.times[-1] - number)
    assert taken[0] == pytest.approx(taken[1])
    assert taken[0] != pytest.approx(taken[2])


@pytest.mark.parametrize(
    ("before", "frames", "pause", "after", "times"),
    [
        ({"rtt": 20}, [b"x"], 3, {"rtt": 0.1}, [3.0]),
        ({"rtt": 2}, [b"x"], 0.5, {"rtt": 6}, [3.0]),
        # 400 bytes have left.
        ({"bandwidth": 100}, [bytes(1000), bytes(100)], 4, {"bandwidth": 1000}, [4.6, 4.7]),
        ({"bandwidth": 1, "rtt": 1}, [bytes(1000)], 1, {"bandwidth": "unlimited"}, [1.5]),
    ],
    ids=["a shorter latency", "a longer latency", "another bandwidth", "no limit any more"],
)
def test_a_change_acts_on_what_is_under_way(before, frames, pause, after, times):
    wire = Wire(**before)
    wire.send(*frames)
    wire.clock.advance(pause)
    for name, value in after.items():
        setattr(wire.link, name, value)
    wire.clock.advance(0)
    wire.clock.advance(10)
    assert wire.times == times


def test_a_cut_link_stands_still_and_loses_nothing():
    wire = Wire(rtt=2, bandwidth=10)
    wire.send(bytes(10))  # leaves at 1, would arrive at 2
    wire.clock.advance(0.5)
    wire.link.cut()
    wire.send(b"y")
    wire.clock.advance(100)
    assert wire.arrived == []
    wire.link.mend()
    wire.clock.advance(10)
    assert wire.times == [102.0, 102.1]


def test_cutting_and_mending_twice_is_fine():
    wire = Wire(rtt=2)
    wire.link.mend()
    wire.send(b"x")
    wire.link.cut()
    wire.link.cut()
    wire.clock.advance(1)
    wire.link.mend()
    wire.clock.advance(10)
    assert wire.times == [2.0]


def test_a_batch_acknowledges_only_with_its_last_frame():
    wire = Wire(bandwidth=10)
    wire.send(b"x" * 10, b"y" * 10, seen=5)
    wire.send(seen=7)
    wire.clock.advance(10)
    assert wire.seen == [0, 7]
    wire.send(b"x" * 10, b"y" * 10, seen=9)
    wire.clock.advance(10)
    assert wire.seen == [0, 7, 7, 9]


def test_what_arrives_together_is_one_batch():
    wire = Wire(rtt=1)
    wire.send(b"x", b"y")
    wire.send(b"z", seen=3)
    wire.clock.advance(1)
    assert wire.seen == [3]
    assert wire.times == [0.5] * 3


def test_a_lane_that_moves_to_another_link_takes_along_what_is_under_way():
    slow, fast = Wire(rtt=10), Wire(rtt=1)
    fast.link._clock = slow.clock
    slow.send(b"x")
    slow.clock.advance(1)
    slow.lane.move(fast.link)
    slow.clock.advance(10)
    assert slow.times == [1.0]


def test_a_closed_lane_delivers_nothing():
    wire = Wire(rtt=1)
    wire.send(b"x")
    wire.lane.close()
    wire.clock.advance(10)
    assert wire.arrived == []


def test_a_link_says_what_it_is():
    wire = Wire(rtt="80ms", bandwidth="1MB/s", jitter="5ms")
    wire.send(b"x")
    wire.link.cut()
    assert repr(wire.link) == (
        "<Link a ↔ b: round trip 80 ms, jitter 5 ms, 1 MB/s, 1 frame under way, cut>"
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"rtt": -1}, ValueError),
        ({"rtt": math.nan}, ValueError),
        ({"rtt": math.inf}, ValueError),
        ({"rtt": "80"}, ValueError),
        ({"rtt": "1MB/s"}, ValueError),
        ({"rtt": True}, TypeError),
        ({"jitter": None, "rtt": []}, TypeError),
        ({"bandwidth": 0}, ValueError),
        ({"bandwidth": "1MB"}, ValueError),
        ({"bandwidth": "fast"}, ValueError),
    ],
)
def test_what_is_no_time_or_rate_is_refused_and_changes_nothing(changes, error):
    wire = Wire(rtt=1, bandwidth=7)
    with pytest.raises(error) as caught:
        wire.link.change(**changes)
    assert next(name for name in changes if changes[name] is not None) in str(caught.value)
    assert (wire.link.rtt, wire.link.bandwidth, wire.link.jitter) == (1, 7, 0)
