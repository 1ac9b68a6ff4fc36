"""Frames of WebSockets are read and written as the library `websockets` does it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from rpclab.net.frames import BINARY, OTHER, TEXT, FrameReader, framed

MOST = 70_000
KINDS = {TEXT: Opcode.TEXT, BINARY: Opcode.BINARY}

lengths = st.sampled_from([0, 1, 2, 124, 125, 126, 127, 128, 1000, 65_535, 65_536, MOST])
messages = st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), lengths), max_size=6)
masked_or_not = st.booleans()


def filled(length):
    return bytes(n % 251 for n in range(length))


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def fed(reader, data):
    """What a reader finds, each message by itself."""
    return [(kind, each) for kind, found in reader.feed(data) for each in found]


def serialized(opcode, data, *, masked, fin=True, bits=0):
    first, *rest = Frame(opcode, data, fin).serialize(mask=masked, extensions=[])
    return bytes([first | bits, *rest])


@given(messages, masked_or_not, st.lists(st.integers(0, 200_000), max_size=8))
def test_messages_are_read_wherever_the_stream_is_cut(sent, masked, places):
    sent = [(kind, filled(length)) for kind, length in sent]
    stream = b"".join(serialized(KINDS[kind], data, masked=masked) for kind, data in sent)
    reader = FrameReader(masked=masked, most=MOST)
    assert [found for piece in cut(stream, places) for found in fed(reader, piece)] == sent


@given(messages, masked_or_not)
def test_the_library_reads_what_is_written(sent, masked):
    protocol = Protocol(SERVER if masked else CLIENT, state=OPEN, max_size=MOST)
    for kind, length in sent:
        for piece in framed(kind, [filled(length)], masked=masked):
            protocol.receive_data(piece)
    seen = [(int(frame.opcode), bytes(frame.data)) for frame in protocol.events_received()]
    assert seen == [(kind, filled(length)) for kind, length in sent]
    assert protocol.parser_exc is None


def test_each_message_has_a_mask_of_its_own():
    masks = {framed(TEXT, [b"hi"], masked=True)[1] for _ in range(3000)}
    assert len(masks) > 2990


OTHERS = {
    "a ping": (Opcode.PING, b"hi", {}),
    "a close": (Opcode.CLOSE, b"\x03\xe8", {}),
    "the rest of nothing": (Opcode.CONT, b"x", {}),
    "a first piece": (Opcode.TEXT, b"x", {"fin": False}),
    "a compressed one": (Opcode.TEXT, b"x", {"bits": 0x40}),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("masked", [True, False])
def test_what_is_no_whole_message_is_given_as_it_is(other, masked):
    opcode, data, options = other
    frame = serialized(opcode, data, masked=masked, **options)
    text = serialized(Opcode.TEXT, b"before", masked=masked)
    reader = FrameReader(masked=masked, most=MOST)
    found = [each for byte in text + frame for each in fed(reader, bytes([byte]))]
    assert found == [(TEXT, b"before"), (OTHER, frame)]


@pytest.mark.parametrize("masked", [True, False])
def test_a_mask_that_is_missing_or_too_much_is_for_the_library_to_refuse(masked):
    frame = serialized(Opcode.BINARY, b"hi", masked=not masked)
    assert fed(FrameReader(masked=masked, most=MOST), frame) == [(OTHER, frame)]


@pytest.mark.parametrize("size", [MOST + 1, 2**40, 2**63, 2**64 - 1])
def test_a_message_that_is_too_long_is_refused_for_what_its_head_says(size):
    head = b"\x82\x7f" + size.to_bytes(8, "big")
    reader = FrameReader(masked=False, most=MOST)
    assert fed(reader, head[:9]) == []
    assert fed(reader, head[9:] + b"begun") == [(OTHER, head + b"begun")]


def test_between_the_pieces_of_a_message_nothing_is_taken_for_whole():
    reader = FrameReader(masked=False, most=MOST)
    first = serialized(Opcode.TEXT, b"a", masked=False, fin=False)
    whole = serialized(Opcode.TEXT, b"b", masked=False)
    last = serialized(Opcode.CONT, b"c", masked=False)
    assert fed(reader, first + whole) == [(OTHER, first), (OTHER, whole)]
    assert fed(reader, first + last + whole) == [(OTHER, first), (OTHER, last), (TEXT, b"b")]


def test_once_messages_are_not_wanted_frames_stay_whole():
    reader = FrameReader(masked=False, most=MOST)
    frame = serialized(Opcode.TEXT, b"late", masked=False)
    assert fed(reader, frame[:3]) == []
    reader.apart = True
    assert fed(reader, frame[3:] + frame[:1]) == [(OTHER, frame)]
    assert fed(reader, frame[1:]) == [(OTHER, frame)]


@pytest.mark.parametrize("size", [3, 200, 70_000])
@pytest.mark.parametrize("masked", [False, True])
def test_once_messages_are_passed_by_none_is_kept_and_the_close_is_found_wherever_it_is_cut(
    size, masked
):
    message = b"".join(framed(BINARY, [b"x" * size], masked=masked))
    close = bytes([0x88, 0x80 if masked else 0]) + bytes(4 if masked else 0)
    stream = message + message + close + message
    for before in (0, 1, 2, 5, len(message) - 1, len(message) + 3, len(message) + size // 2):
        for step in (1 if size < 1000 else 997, len(stream)):
            reader = FrameReader(masked=masked, most=100_000)
            kept = [kind for kind, _ in fed(reader, stream[:before])]
            reader.pass_by()
            given = []
            for position in range(before, len(stream), step):
                given += fed(reader, stream[position : position + step])
                assert reader.held < 20
            assert given == [(OTHER, close)]
            assert kept == [BINARY] * (before // len(message))


def test_messages_may_be_passed_by_while_others_of_the_same_bytes_are_given():
    reader = FrameReader(masked=False, most=100_000)
    stream = b"".join(framed(BINARY, [b"a", b"b"], masked=False))
    stream += b"".join(framed(TEXT, [b"c"], masked=False))
    stream += b"".join(framed(BINARY, [b"d" * 1000], masked=False))
    given = []
    for kind, messages in reader.feed(stream[:-10]):
        given.append((kind, messages))
        reader.pass_by()
    assert given == [(BINARY, [b"a", b"b"])]
    assert reader.held == 0
