"""Flow control of one stream, driven by hand: what the window follows, and never exceeds."""

from __future__ import annotations

import math
import random
from collections import deque

import pytest

from rpclab.core.flow import (
    FIRST_WINDOW,
    KIB,
    LEAST_WINDOW,
    MOST_CHUNKS,
    MOST_QUEUED,
    NEAR_GAIN,
    FlowController,
    Uplink,
)

MIB = 1024 * KIB
MOST = 16 * MIB
CHUNK = 64 * KIB


class Line:
    """A writer that always has a chunk, a link, and a reader; the time is in `at`.

    Args:
        rtt: of the link, in seconds.
        bandwidth: of the link, in bytes a second.
        chunk: the size of all chunks.
        most: the largest window.
        gain: how often what the link holds fits into the window.
    """

    def __init__(self, rtt=0.1, bandwidth=1e6, chunk=CHUNK, most=MOST, gain=2):
        self.at = 0.0
        self.flow = FlowController(lambda: self.at, most)
        self.flow.gain = gain
        self.rtt = rtt
        self.bandwidth = bandwidth
        self.chunk = chunk
        self.reader = 0.0  # seconds that it takes for a chunk
        self.taken = 0
        self.windows = []
        self.lead = 0
        self._free = self._reader_free = 0.0
        self._acks = deque()

    def run(self, seconds):
        """Let time go by. Gives the bytes a second that were taken."""
        end, before = self.at + seconds, self.taken
        while self.at < end:
            while self.flow.fits(self.chunk):
                self._send()
            at, token, held = self._acks.popleft()
            self.at = max(self.at, at)
            self.taken += self.chunk
            self.flow.acknowledged(token, held)
            self.windows.append(self.flow.window)
        return (self.taken - before) / seconds

    def _send(self):
        token = self.flow.sent(self.chunk)
        self.lead = max(self.lead, self.flow.in_flight)
        self._free = max(self._free, self.at) + self.chunk / self.bandwidth
        arrived = self._free + self.rtt / 2
        taken = self._reader_free = max(arrived, self._reader_free) + self.reader
        self._acks.append((taken + self.rtt / 2, token, taken - arrived))


@pytest.mark.parametrize("rtt", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("bandwidth", [1e5, 1e6, 1e7])
def test_the_window_grows_until_the_link_is_full(rtt, bandwidth):
    line = Line(rtt, bandwidth)
    line.run(20 * rtt + 10 * CHUNK / bandwidth)
    assert line.run(30 * rtt + 30 * CHUNK / bandwidth) > 0.9 * bandwidth


def test_the_window_is_twice_what_the_link_holds():
    line = Line(rtt=0.1, bandwidth=1e7)
    line.run(5)
    assert 1.9 * 1e6 < line.flow.window < 2.5 * 1e6


def test_the_window_between_two_ends_in_one_process_is_twice_as_wide_and_follows_the_reader():
    line = Line(rtt=0.1, bandwidth=1e7, gain=NEAR_GAIN)
    line.run(30)
    assert 3.8 * 1e6 < line.flow.window < 5 * 1e6
    line.reader = 1.0
    line.run(60)
    assert line.flow.window <= 4 * CHUNK


def test_the_window_does_not_grow_for_ever_on_a_full_link():
    line = Line(rtt=0.1, bandwidth=1e6)
    assert line.run(300) > 0.9e6
    assert max(line.windows[100:]) <= 512 * KIB


def test_a_longer_way_shows_after_a_while():
    line = Line(rtt=0.02, bandwidth=1e7)
    line.run(5)
    line.rtt = 0.2
    line.run(40)
    assert line.run(10) > 0.8e7


def test_a_slow_reader_shrinks_the_window():
    line = Line(rtt=0.1, bandwidth=1e7)
    line.run(5)
    wide = line.flow.window
    line.reader = 1.0
    line.run(60)
    assert wide > 1.9e6
    assert line.flow.window <= 2 * CHUNK


def test_a_reader_that_is_slow_from_the_start_never_opens_the_window():
    line = Line(rtt=0.1, bandwidth=1e7)
    line.reader = 0.5
    line.run(60)
    assert max(line.windows) <= FIRST_WINDOW
    assert line.flow.window == LEAST_WINDOW


def test_a_reader_that_goes_on_opens_the_window_again():
    line = Line(rtt=0.1, bandwidth=1e7)
    line.reader = 1.0
    line.run(60)
    line.reader = 0.0
    line.run(20)
    assert line.run(5) > 0.8e7


def test_a_reader_that_stops_leaves_the_window_where_it_was():
    flow = FlowController(lambda: 0.0, MOST)
    while flow.fits(CHUNK):
        flow.sent(CHUNK)
    assert flow.window == FIRST_WINDOW
    assert flow.in_flight == FIRST_WINDOW
    assert not flow.room


def test_a_clock_that_stands_still_leaves_the_window_where_it_was():
    flow = FlowController(lambda: 3.0, MOST)
    for _ in range(100):
        flow.acknowledged(flow.sent(CHUNK))
    assert flow.window == FIRST_WINDOW


def test_a_chunk_larger_than_the_window_goes_alone():
    flow = FlowController(lambda: 0.0, MOST)
    assert flow.fits(100 * MIB)
    token = flow.sent(100 * MIB)
    assert not flow.fits(1)
    flow.withdrawn(token)
    assert flow.fits(1)
    assert flow.in_flight == flow.chunks == 0


def test_a_thousand_chunks_are_on_their_way_at_most_however_small():
    flow = FlowController(lambda: 0.0, MOST)
    while flow.fits(1):
        flow.sent(1)
    assert flow.chunks == MOST_CHUNKS


def test_a_window_has_a_greatest_size():
    line = Line(rtt=1.0, bandwidth=1e9, most=MIB)
    line.run(30)
    assert max(line.windows) == MIB
    small = FlowController(lambda: 0.0, 10 * KIB)
    assert small.window == 10 * KIB


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_lead_is_a_window_or_one_chunk(seed):
    chance = random.Random(seed)  # noqa: S311 - each run is the same
    at = 0.0
    flow = FlowController(lambda: at, MOST)
    on_the_way = deque()
    for _ in range(3000):
        at += chance.choice([0, 0, 0.001, 0.1, chance.random() * 20])
        size = chance.choice([1, 1000, CHUNK, MIB])
        if chance.random() < 0.5 and flow.fits(size):
            before = flow.in_flight
            on_the_way.append(flow.sent(size))
            assert before == 0 or flow.in_flight <= flow.window
        elif on_the_way:
            token = on_the_way.popleft()
            flow.acknowledged(token, chance.random() * (at - token[0]))
        assert flow.in_flight == sum(token[3] for token in on_the_way)
        assert LEAST_WINDOW <= flow.window <= MOST


@pytest.mark.parametrize("held", [math.nan, -math.inf, math.inf, -1e300])
def test_a_reader_that_says_nonsense_of_its_pace_is_taken_to_have_read_at_once(held):
    at = 0.0
    flow, honest = (FlowController(lambda: at, MOST) for _ in range(2))
    for said, one in ((held, flow), (0.0, honest)):
        at = 0.0
        token = one.sent(CHUNK)
        at = 0.1
        one.acknowledged(token, said)
    assert flow.window == honest.window


class Held:
    """An end of a stream that counts how often it was told that it may go on."""

    def __init__(self):
        self.told = 0

    def changed(self):
        self.told += 1


def carried(uplink, line, *, seconds, most=2**26):
    """A stream over a link to another program that has run for so long, and is read to its end."""
    line.flow = uplink.flow(lambda: line.at, most)
    line.run(seconds)
    uplink.learn(line.flow)
    for _, token, _ in line._acks:
        line.flow.withdrawn(token)
    return line.flow


def test_over_a_far_way_a_stream_begins_with_the_window_that_one_before_has_found():
    uplink = Uplink(lambda: 0)
    assert uplink.flow(lambda: 0.0, 2**26).window == FIRST_WINDOW
    found = carried(uplink, Line(rtt=0.1, bandwidth=100 * MIB), seconds=9).window
    assert found > 4 * MIB
    assert uplink.flow(lambda: 0.0, 2**26).window == found
    assert uplink.flow(lambda: 0.0, MIB).window == MIB


def test_over_a_near_way_each_stream_finds_its_window_itself():
    uplink = Uplink(lambda: 0)
    carried(uplink, Line(rtt=0.001, bandwidth=1000 * MIB), seconds=3)
    assert uplink.flow(lambda: 0.0, 2**26).window == FIRST_WINDOW


def test_a_stream_of_a_few_bytes_says_nothing_of_a_way_that_a_long_one_has_found():
    uplink = Uplink(lambda: 0)
    found = carried(uplink, Line(rtt=0.1, bandwidth=100 * MIB), seconds=9).window
    now = 0.0
    short = uplink.flow(lambda: now, 2**26)
    for _ in range(2):  # what is sent first says nothing at all
        token = short.sent(1000)
        now += 0.1
        short.acknowledged(token)
    assert short.is_far
    assert short.window < found
    uplink.learn(short)
    assert uplink.found == found


def test_the_first_acknowledgements_take_nothing_of_the_window_that_a_stream_began_with():
    now = 0.0
    flow = FlowController(lambda: now, 2**26, 2**25)
    tokens = [flow.sent(2**16) for _ in range(2**9)]
    assert not flow.fits(1)
    now = 0.1
    for token in tokens[:100]:
        flow.acknowledged(token)
        assert flow.window == 2**25
    now = 0.21  # at full speed the rest would have been taken by now
    flow.acknowledged(tokens[100])
    assert flow.window < 2**24


def test_streams_that_nobody_reads_hold_no_more_than_was_found_and_a_first_window_each():
    uplink = Uplink(lambda: 0)
    found = carried(uplink, Line(rtt=0.1, bandwidth=100 * MIB), seconds=9).window
    stalled = []
    for _ in range(20):
        flow = uplink.flow(lambda: 0.0, 2**26)
        while flow.fits(FIRST_WINDOW):
            flow.sent(FIRST_WINDOW)
        stalled.append(flow)
    assert sum(flow.in_flight for flow in stalled) <= found + 20 * FIRST_WINDOW


def test_what_waits_for_the_socket_holds_streams_back_until_it_has_left():
    unsent = 0
    uplink = Uplink(lambda: unsent)
    end = Held()
    assert uplink.takes_from(end)
    uplink.queued += MOST_QUEUED
    assert not uplink.takes_from(end)
    unsent = MOST_QUEUED
    uplink.look()
    assert not uplink.takes_from(end)
    assert end.told == 0
    unsent = MOST_QUEUED - 1
    uplink.look()
    assert end.told == 1
    assert uplink.takes_from(end)
    uplink.look()
    assert end.told == 1
