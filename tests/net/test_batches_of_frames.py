"""The record layer without a socket: what is written is read, and nothing else is."""

from __future__ import annotations

import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpclab.errors import RemoteProtocolError
from rpclab.net.reading import Reading
from rpclab.transports.batches import (
    BATCH,
    BESIDE,
    HELLO,
    LARGEST_HELLO,
    MAGIC,
    RecordReader,
    batches,
    cut,
    framed,
    goodbye,
    hello,
    read_hello,
    unbatch,
)

frames = st.lists(
    st.one_of(st.binary(max_size=50), st.lists(st.binary(max_size=50), min_size=2, max_size=4)),
    max_size=20,
)


def written(seen, given_frames):
    return [b"".join(pieces) for pieces in batches(seen, given_frames)]


@given(seen=st.integers(0, 2**40), given_frames=frames)
def test_what_is_written_is_read(seen, given_frames):
    (record,) = written(seen, given_frames)
    assert unbatch(record) == (seen, given_frames)


def test_a_large_batch_is_divided_and_its_acknowledgement_comes_with_the_last_part():
    given_frames = [b"x" * 100_000] * 10
    parts = [unbatch(record) for record in written(7, given_frames)]
    assert [seen for seen, _ in parts] == [0, 0, 0, 7]
    assert [frame for _, part in parts for frame in part] == given_frames


def test_a_batch_of_many_small_frames_is_divided_too():
    parts = [unbatch(record) for record in written(0, [b"x"] * 10_000)]
    assert len(parts) == 3
    assert sum(len(part) for _, part in parts) == 10_000


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=10), st.integers(1, 20))
def test_a_stream_may_be_cut_anywhere(records, step):
    data = MAGIC + b"".join(b"".join(framed([record])) for record in records)
    reader = RecordReader(1000)
    found = []
    for start in range(0, len(data), step):
        found += reader.feed(data[start : start + step])
    assert found == records


def test_what_nobody_took_of_a_read_is_there_with_the_next():
    records = [b"a" * 30, b"b", b"c" * 30]
    data = MAGIC + b"".join(b"".join(framed([record])) for record in records)
    for first in range(len(MAGIC), len(data)):
        reader = RecordReader(1000)
        found = [*reader.feed(data[:first])]
        for piece in (data[first:], b"", b""):
            taking = reader.feed(piece)
            with contextlib.suppress(StopIteration):
                found.append(next(taking))
            taking.close()
        found += reader.feed(b"")
        assert found == records


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n", b"\0rpclib\2", b"\x16\x03\x01", b"\0x"])
def test_whoever_says_something_else_is_told_apart_at_the_first_byte(said):
    with pytest.raises(RemoteProtocolError, match="does not speak rpclab"):
        [*RecordReader(1000).feed(said)]


@pytest.mark.parametrize("version", [1, 3, 255])
def test_a_peer_of_another_version_is_told_which(version):
    with pytest.raises(
        RemoteProtocolError, match=f"versions {version} and 2 of rpclab's"
    ) as raised:
        [*RecordReader(1000).feed(MAGIC[:-1] + bytes([version]) + b"\0\0\0\2")]
    assert goodbye(str(raised.value))[1:] == str(raised.value).encode()


def test_before_the_greeting_no_record_may_be_longer_than_one():
    reader = RecordReader(2**25)
    with pytest.raises(RemoteProtocolError, match="are allowed"):
        [*reader.feed(MAGIC + (LARGEST_HELLO + 1).to_bytes(4, "big"))]


def test_an_empty_record_and_one_over_the_limit_are_refused_before_they_come():
    for length in (0, 2**20, 2**32 - 1):
        reader = RecordReader(1000)
        reader.welcome()
        with pytest.raises(RemoteProtocolError, match=r"Limits\.message_bytes"):
            [*reader.feed(MAGIC + length.to_bytes(4, "big"))]


def packed(value):
    return msgpack.packb(value)


@pytest.mark.parametrize(
    "record",
    [
        bytes([BATCH]),
        bytes([BATCH]) + packed([]),
        bytes([BATCH]) + packed({}),
        bytes([BATCH]) + packed(3),
        bytes([BATCH]) + packed(["0", b"x"]),
        bytes([BATCH]) + packed([-1, b"x"]),
        bytes([BATCH]) + packed([True, b"x"]),
        bytes([BATCH]) + packed([2**63, b"x"]),
        bytes([BATCH]) + packed([0, 3]),
        bytes([BATCH]) + packed([0, "text"]),
        bytes([BATCH]) + packed([0, [b"x"]]),
        bytes([BATCH]) + packed([0, [b"x", 1]]),
        bytes([BATCH]) + packed([0, b"x"]) + b"more",
        bytes([BATCH]) + packed([0, *[b""] * 5000]),
        bytes([BATCH]) + b"\x91" * 2000,
        bytes([BATCH]) + packed([0, msgpack.ExtType(1, b"x")]),
        bytes([BESIDE]),
        bytes([BESIDE, 0, 0, 0, 200]),
        bytes([BESIDE, 0, 0, 0, 4]) + packed([0, b"x"]) + b"yy",
        bytes([BESIDE, 0, 0, 0, 6]) + packed([0, [b"x", 3]]) + b"yy",
        bytes([BESIDE, 0, 0, 0, 6]) + packed([0, [b"x", -1]]) + b"yy",
        bytes([BESIDE, 0, 0, 0, 8]) + packed([0, [b"x", [1]]]) + b"yy",
    ],
    ids=lambda record: record[:16].hex(),
)
def test_a_broken_batch_is_refused(record):
    with pytest.raises(RemoteProtocolError):
        unbatch(record)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_else(data):
    for kind in (BATCH, BESIDE):
        with contextlib.suppress(RemoteProtocolError):
            unbatch(bytes([kind]) + data)
    with contextlib.suppress(RemoteProtocolError):
        read_hello(bytes([HELLO]) + data)


def test_a_greeting_is_a_small_map_of_names():
    assert read_hello(hello({"token": "x"})) == {"token": "x"}
    for words in ([1], {1: 2}, {"a": {"b": {}}} | {str(n): n for n in range(20)}, {"a": [1]}):
        with pytest.raises(RemoteProtocolError, match="introduce"):
            read_hello(bytes([HELLO]) + packed(words))


def test_a_reason_is_cut_at_a_character():
    assert cut("é" * 100) == ("é" * 61).encode()
    assert cut("short") == b"short"


class Taking(Reading):
    """Reads, and has another one read before it has looked at what came."""

    def __init__(self, meanwhile=None):
        self.meanwhile = meanwhile
        self.came = b""

    def read(self, data):
        view = self.get_buffer(-1)
        size = min(len(view), len(data))
        view[:size] = data[:size]
        self.buffer_updated(size)
        return data[size:]

    def data_received(self, data):
        if self.meanwhile is not None:
            rest = b"b" * 10_000
            while rest:
                rest = self.meanwhile.read(rest)
        self.came += data


def test_what_was_read_holds_while_a_loop_inside_the_callback_reads_more():
    inner = Taking()
    outer = Taking(inner)
    assert outer.read(b"a" * 100_000) == b""
    assert (outer.came, inner.came) == (b"a" * 100_000, b"b" * 10_000)
    outer.meanwhile = None
    assert outer.read(b"c" * 100_000) == b""
    assert outer.came.endswith(b"c" * 100_000)
