"""When a peer is asked for a sign of life, and when it is given up; the time is written down."""

from __future__ import annotations

import math

from rpclab.net.keepalive import ASK, IDLE, NOTHING, SILENT, Pulse


def test_a_peer_is_asked_after_half_the_silence_and_given_up_after_all_of_it():
    pulse = Pulse(0.0, silence=60)
    assert pulse.next(0.0) == 30
    assert pulse.look(29.9, busy=False) == NOTHING
    assert pulse.look(30.0, busy=False) == ASK
    assert pulse.look(31.0, busy=False) == NOTHING
    assert pulse.next(31.0) == 29
    assert pulse.look(60.0, busy=False) == SILENT


def test_an_answer_begins_the_silence_anew():
    pulse = Pulse(0.0, silence=60)
    pulse.look(30.0, busy=False)
    pulse.heard = 31.0
    assert pulse.look(60.0, busy=False) == NOTHING
    assert pulse.next(60.0) == 1
    assert pulse.look(61.0, busy=False) == ASK


def test_whoever_looks_late_gives_the_peer_its_time_all_the_same():
    pulse = Pulse(0.0, silence=60)
    assert pulse.look(500.0, busy=False) == ASK
    assert pulse.look(529.0, busy=False) == NOTHING
    assert pulse.look(530.0, busy=False) == SILENT


def test_what_is_idle_ends_unless_calls_are_under_way():
    pulse = Pulse(0.0, idle=100)
    assert pulse.look(99.0, busy=False) == NOTHING
    assert pulse.look(150.0, busy=True) == NOTHING
    assert pulse.next(150.0) == 100
    assert pulse.look(250.0, busy=False) == IDLE


def test_signs_of_life_do_not_count_as_use():
    pulse = Pulse(0.0, silence=60, idle=100)
    for now in (30.0, 60.0, 90.0):
        assert pulse.look(now, busy=False) == ASK
        pulse.heard = now
    assert pulse.look(100.0, busy=False) == IDLE


def test_where_nothing_is_bounded_nobody_looks_again():
    assert Pulse(0.0).next(0.0) == math.inf
    assert Pulse(0.0).look(1e12, busy=False) == NOTHING
