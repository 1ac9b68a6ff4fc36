"""Streams as SVG and as text."""

import re

import pytest
from support.pictures import overlapping, parsed

from rpclab.trace.model import Interval, StreamPoint, StreamSeries
from rpclab.trace.pictures.frame import Options
from rpclab.trace.pictures.streams import streams_svg
from rpclab.trace.pictures.texts import streams_text
from rpclab.trace.streams import streams

SOURCE = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def numbers(self, chunks):
        return (bytes(2000) for _ in range(chunks))
"""


async def read(sandbox, chunks):
    """Read a stream more slowly than it is written."""
    sandbox.deploy("source", source=SOURCE)
    env = sandbox.bind(SOURCE="source")
    sandbox.link("notebook", "source", rtt="80ms")
    async for _ in await env.SOURCE.numbers(chunks):
        await sandbox.sleep(0.01)
    return streams(sandbox.recording)


@pytest.mark.parametrize("scale", ["order", "time"])
async def test_a_stream_is_drawn_with_its_figures(sandbox, scale):
    series = await read(sandbox, 200)
    svg = streams_svg(series, Options(scale=scale))
    peak = max(point.in_flight for point in series[0].points)
    assert f"1 stream, 200 chunks, {series[0].points[-1].sent:,} bytes" in svg
    assert f"at most {peak:,} bytes not acknowledged" in svg
    assert f", held back {len(series[0].held_back)} times" in svg
    assert overlapping(svg) == []


async def test_the_text_says_for_how_long_the_writer_was_held_back_where_times_are_wanted(sandbox):
    series = await read(sandbox, 200)
    seconds = sum(each.end - each.begin for each in series[0].held_back)
    told = [streams_text(series, times=times).splitlines()[1] for times in (True, False)]
    assert told[0] == f"{told[1]}, {seconds:.4g} s"
    assert " ms" not in told[1]


async def test_the_same_recording_gives_the_same_bytes(sandbox):
    series = await read(sandbox, 50)
    assert streams_svg(series) == streams_svg(streams(sandbox.recording))


def test_a_long_stream_is_thinned_and_keeps_its_peak():
    points = [
        StreamPoint(n, n / 1000, 65_536, 900_000 if n == 7_777 else n % 100, 0, n, n)
        for n in range(20_000)
    ]
    series = StreamSeries(1, "a", "b", 3, 0.0, None, "open", 20_000, tuple(points),
                          (Interval(0.5, None),))  # fmt: skip
    svg = streams_svg([series], Options(scale="time"))
    assert len(svg) < 120_000
    assert "at most 900,000 bytes not acknowledged" in svg
    assert "the writer is held back" in svg
    outline = re.search(r'd="([^"]*)" class="area w1"', svg)[1]
    heights = [float(y) for y in re.findall(r"V([\d.]+)", outline)]
    assert heights.index(min(heights)) not in (0, len(heights) - 1)
    assert max(heights) - min(heights) > 80


def test_an_empty_recording_is_a_picture_too():
    parsed(streams_svg([]))
    assert streams_text([]).startswith("Streams: 0 streams")
