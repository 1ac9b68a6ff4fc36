"""The stills and the live views say the same: the same templates, filled in by two languages."""

import asyncio
import json
import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.traced import READER, busy, deployed
from support.virtual_time import VirtualTimeLoop

import rpclab
from rpclab.notebook.widgets.es_modules import joined
from rpclab.trace.feed import COLUMNS, Feed
from rpclab.trace.graph import graph, reach
from rpclab.trace.lifetimes import lifetimes
from rpclab.trace.pictures.columns import Widest, columns_of, place_in
from rpclab.trace.pictures.drawing import elided
from rpclab.trace.pictures.figures import Figures
from rpclab.trace.pictures.graph_layout import lines_of
from rpclab.trace.pictures.labels import call_label, stub_label
from rpclab.trace.pictures.look import CLASS, LOOK, colour_of, line_of
from rpclab.trace.pictures.scale import tick_step, tick_text
from rpclab.trace.pictures.templates import (
    count,
    duration,
    known_of,
    number,
    place,
    said,
    short_place,
    size,
    told,
)
from rpclab.trace.pictures.words import WORDS
from rpclab.trace.timeline import timeline

PARTS = "export const parts = { ...from_words, ...from_dom, ...from_edges };"

LOAD = """async text => {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    window.parts = (await import(url)).parts;
}"""

ALIKE = """({ name, calls }) => calls.map(given => window.parts[name](...given))"""

# Names of fields that templates write as something else than a text or number.
LISTS = re.compile(r"\{(\w+):list\}")
PLACES = re.compile(r"\{(\w+):place\}")
NUMBERS = re.compile(r"\{(\w+):(?:number|bytes|duration|count [^}]*)\}")
FIELDS = re.compile(r"\{(\w+)")

SITES = [
    "/home/me/web/main.py, line 4", "main.py, line 12", "Cell In[12], line 3", "",
    "C:\\a\\b.py, line 1", "<worker shop>, line 9", "web/main.py", "a, b/c, line 2",
]  # fmt: skip


@pytest.fixture(scope="module")
def page(chromium):
    """A page that has the functions of the JavaScript modules."""
    tab = chromium.new_page()
    text = joined(["timeline", "lifetimes", "streams", "graph"], {**LOOK, "class": CLASS}, WORDS)
    tab.evaluate(LOAD, f"{text}\n{PARTS}")
    yield tab
    tab.close()


@pytest.fixture
def javascript(page):
    """Call a function of a module with each of some lists of arguments."""

    def run(name, calls):
        return page.evaluate(ALIKE, {"name": name, "calls": json.loads(json.dumps(calls))})

    return run


async def recorded():
    async with rpclab.Sandbox(record=True) as sandbox:
        await busy(sandbox, deployed(sandbox))
        sandbox.deploy("reader", source=READER)
        reader = sandbox.bind(READER="reader", LATER="later").READER
        await reader.read(rpclab.ReadableStream([b"x" * 100_000] * 8))
        return list(sandbox.recording)


@pytest.fixture(scope="module")
def recording():
    def run():
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(recorded())

    with ThreadPoolExecutor(1) as pool:  # playwright has a loop in this thread
        return pool.submit(run).result()


def numbers():
    rng = random.Random(7)  # noqa: S311 - the same each time
    exact = [0, 1, 2, 9, 10, 99.95, 999, 1000, 1023, 1024, 1025, 65_536, 262_090, 1 << 20, 1 << 30]
    tens = [digit * 10.0**power for power in range(-7, 8) for digit in (1, 9.995, 9.9949, 2.5)]
    return [*exact, *tens, *(rng.random() * 10 ** rng.randint(-7, 9) for _ in range(500))]


@pytest.mark.parametrize("function", [number, size, duration])
def test_numbers_sizes_and_times_are_written_alike(javascript, function):
    values = numbers()
    assert javascript(function.__name__, [[v] for v in values]) == [function(v) for v in values]


def test_counts_places_colours_and_lines_are_alike(javascript):
    values = numbers()
    assert javascript("count", [[v, "call"] for v in values]) == [count(v, "call") for v in values]
    assert javascript("place", [[site] for site in SITES]) == list(map(place, SITES))
    assert javascript("shortPlace", [[site] for site in SITES]) == list(map(short_place, SITES))
    places = range(40)
    assert javascript("colourOf", [[place] for place in places]) == list(map(colour_of, places))
    lines = [
        [kind, pipelined] for kind in [*LOOK["messages"], "write"] for pipelined in (True, False)
    ]
    drawn = [line_of(kind, pipelined=pipelined) for kind, pipelined in lines]
    assert javascript("lineOf", lines) == drawn


def test_axes_are_marked_alike(javascript):
    spans = [value for value in numbers() if 1e-6 < value < 1e7]
    steps = [[span, pixels] for span in spans for pixels in (40, 500, 733.5)]
    assert javascript("tickStep", steps) == pytest.approx([tick_step(*each) for each in steps])
    texts = [
        [n * step, step, most]
        for most in spans
        for step in [tick_step(most, 500)]
        for n in range(int(most / step) + 1)
    ]
    assert javascript("tickText", texts) == [tick_text(*each) for each in texts]


def test_texts_are_cut_and_columns_are_as_wide_alike(javascript):
    rooms = [0, 5, 30, 61.5, 100, 140, 400]
    cut = [[text, room] for text in [*SITES, "1 increment(5) = 5"] for room in rooms]
    assert javascript("elided", cut) == [elided(*each) for each in cut]
    places = [[site, room] for site in SITES for room in rooms]
    assert javascript("placeIn", places) == [place_in(*each) for each in places]
    rng = random.Random(5)  # noqa: S311 - the same each time
    given = [
        [[rng.randint(0, 60) for _ in range(4)], 26, rng.choice([340, 560, 900])]
        for _ in range(200)
    ]
    wanted = [list(columns_of(Widest(*widest), *rest)) for widest, *rest in given]
    for found, columns in zip(javascript("columnsOf", given), wanted, strict=True):
        assert found == pytest.approx(columns)


def templates(words=WORDS):
    """Every template that there is."""
    if isinstance(words, str):
        return [words] if "{" in words else []
    values = words.values() if isinstance(words, dict) else words if isinstance(words, list) else []
    return [found for value in values for found in templates(value)]


def test_every_template_is_filled_in_alike_whatever_is_known(javascript):
    rng = random.Random(11)  # noqa: S311 - the same each time
    calls = []
    inside = " ".join(templates(WORDS["choices"]))
    for template in templates():
        text = f"{template} {inside}"
        lists, amounts = set(LISTS.findall(text)), set(NUMBERS.findall(text))
        places = set(PLACES.findall(text))
        for _ in range(30):
            known = {}
            for name in FIELDS.findall(text):
                if name in lists:
                    known[name] = rng.choice([None, [], ["a"], ["a", "b"], [1, 2]])
                elif name in places:
                    known[name] = rng.choice([None, *SITES])
                elif name in amounts:
                    known[name] = rng.choice([None, 0, 1, 2.5, 12_345, 0.0421])
                else:
                    choices = [key for each in WORDS["choices"].values() for key in each]
                    known[name] = rng.choice([None, "", "text", 3, True, False, *choices])
                if rng.random() < 0.1:
                    del known[name]
            calls.append([template, known])
    assert javascript("said", calls) == [said(template, known) for template, known in calls]


def rows(recording):
    """The rows that a page is given, as objects."""
    feed = Feed()
    feed.take(recording)
    news = json.loads(json.dumps(feed.news()))
    return {
        kind: [dict(zip(COLUMNS[kind], row, strict=True)) for row in found]
        for kind, found in news.items()
        if COLUMNS[kind]
    }


def test_calls_messages_and_stubs_are_told_alike(javascript, recording):
    given, drawn, lives = rows(recording), timeline(recording), lifetimes(recording)
    for kind, page_rows, bars in [
        ("call", given["calls"], drawn.calls),
        ("message", given["arrows"], drawn.arrows),
        ("stub", given["stubs"], lives.stubs),
        ("target", given["targets"], lives.targets),
    ]:
        # What has several values is worked out by both before it is told.
        more = {"references": None, "under_way": False}
        shown = javascript("told", [[kind, {**row, **more}] for row in page_rows])
        assert shown == [told(kind, known_of(bar) | more) for bar in bars]
    assert javascript("callLabel", [[row] for row in given["calls"]]) == [
        call_label(call) for call in drawn.calls
    ]
    label = WORDS["labels"]["stub"]
    assert javascript("said", [[label, row] for row in given["stubs"]]) == [
        stub_label(stub) for stub in lives.stubs
    ]


@pytest.mark.parametrize(
    "figures",
    [
        Figures(1, 2, 3),
        Figures(7, 1234, 99_999, 3, 4, pipelined=3, at_most=True),
        Figures(1, 2, 900, 1, 0),
        Figures(3, 7, 900, 0, 0, pipelined=2),
    ],
)
def test_the_figures_on_top_are_alike(javascript, figures):
    known = figures._asdict()
    if figures.round_trips is not None:
        known["pipelined"] = figures.saved > 0 or (None if figures.pipelined else False)
        known["without"] = figures.round_trips + figures.saved
    assert javascript("figureParts", [[known]]) == [figures.parts()]


# At each of some positions: the lines with their words, and whom each Worker reaches.
GRAPHS = """({ edges, positions, workers }) => {
    const lines = new parts.Lines();
    lines.add(edges);
    return positions.map(position => {
        lines.moveTo(position);
        const all = [...lines.shown.values()];
        return [
            all.map(line => [line.kind, ...Object.values(parts.lineWords(line))]),
            workers.map(worker => [...parts.reach(lines.shown, worker)]),
        ];
    });
}"""


def test_the_graph_is_at_each_position_that_of_the_analysis(page, recording):
    edges = rows(recording)["edges"]
    end = len(recording)
    positions = [end, *range(0, end, 7), end, *range(end, 0, -50)]  # back and forth
    workers = list(graph(recording).workers)
    given = {"edges": edges, "positions": positions, "workers": workers}
    for position, (lines, ways) in zip(positions, page.evaluate(GRAPHS, given), strict=True):
        of = graph(recording[:position])
        told_here = [[line.kind, line.label, line.title] for line in lines_of(of)]
        assert sorted(lines) == sorted(told_here)
        reached = [
            [[way.worker, list(way.through)] for way in reach(of, worker)]
            if worker in of.workers
            else []
            for worker in workers
        ]
        assert ways == reached
