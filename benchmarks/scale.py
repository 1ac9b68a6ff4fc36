"""Where the design of placement saturates: a simulation on virtual time, over measured costs.

`python -m benchmarks.scale` simulates on the costs in `scale-costs.json`, and writes the tables of
docs/scale.md and its picture anew. `--measure` measures these costs first (`--postgres ADDRESS`
those of PostgreSQL, too).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.scale_costs import measure
from rpclab import Sandbox

HERE = Path(__file__).parent
COSTS = HERE / "scale-costs.json"
PAGE = HERE.parent / "docs" / "scale.md"
PICTURE = HERE.parent / "docs" / "pictures" / "scale.svg"

NODES = (1, 10, 100, 300, 1000)
PER_NODE = 100
"""Workers on each node."""
BINDINGS = 10
"""So many other Workers a Worker calls in the life of its process."""
LIFE = 3600.0
"""Seconds that a process lives, until its Worker is deployed anew or moves."""
DAY = 86400.0
ASK = 7.5
"""Seconds between two signs of life that are asked of a host: a quarter of `silence_seconds`."""
LEASE = 10.0
"""Seconds of a lease; it is renewed each third of that."""
OBJECTS = 10
"""Durable Objects in memory, of each Worker."""
WRITES = 0.01
"""Writes a second, of each object."""
SECONDS = 20.0
"""Of virtual time that is simulated."""
TICK = 0.02
"""What comes in so many seconds of frequent small work is one piece of it."""


@dataclass(frozen=True)
class Design:
    """What is asked of whom.

    Attributes:
        called: its name.
        directories: how many programs know where Workers are, of so many nodes.
        asks: how many introductions of a process its directory sees, of those it needs.
        signs: how many hosts' signs of life one asks for, on a node: all, or one for the node.
        broadcasts: whether all hosts are told that a Worker runs elsewhere.
        leases: how many leases a node renews that has so many objects.
        stores: how many stores there are, of so many nodes.
    """

    called: str
    directories: Callable[[int], int]
    asks: float
    signs: int
    broadcasts: bool
    leases: Callable[[int], int]
    stores: Callable[[int], int]


NOW = Design("as built", lambda _: 1, 1.0, PER_NODE, True, lambda objects: objects, lambda _: 1)  # noqa: FBT003
NEXT = Design(
    "next",
    lambda nodes: math.ceil(nodes / 50),
    0.1,
    1,
    False,  # noqa: FBT003
    lambda _: 1,
    lambda nodes: math.ceil(nodes / 50),
)


class Server:
    """Does one piece of work after the other, in virtual time."""

    def __init__(self) -> None:
        self.busy = 0.0
        self._free_at = 0.0

    def take(self, seconds: float) -> float:
        """Take a piece of work, to be done after those before. Says in how many seconds it is."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + seconds
        self.busy += seconds
        return self._free_at - now

    async def work(self, seconds: float) -> float:
        """Do a piece of work, likewise; gives how long that took."""
        took = self.take(seconds)
        await asyncio.sleep(took)
        return took


@dataclass
class Load:
    """How a server fared.

    Attributes:
        used: of its time, the part that it worked for what came; above 1 it falls behind.
        half: what half of those who waited for a single piece waited at most, in seconds.
        worst: what 99 of 100 did.
    """

    used: float
    half: float
    worst: float

    @classmethod
    def of(cls, server: Server, waits: list[float]) -> Load:
        found = sorted(waits) or [math.nan]
        return cls(server.busy / SECONDS, found[len(found) // 2], found[int(len(found) * 0.99) - 1])


Costs = dict[str, float]


class Work(NamedTuple):
    """What a directory has to do.

    Attributes:
        what: it is.
        rate: how often, a second.
        cost: how long it takes, in seconds.
    """

    what: str
    rate: float
    cost: float


def work_of(nodes: float, design: Design, costs: Costs) -> list[Work]:
    """What a directory has to do for so many nodes."""
    workers = nodes * PER_NODE
    told = workers if design.broadcasts else 1
    return [
        Work("introductions", workers * BINDINGS * design.asks / LIFE, costs["introduction"]),
        Work("starts", workers / LIFE, costs["start"]),
        Work("moves and new versions, told to all", workers / DAY, told * costs["told"]),
        Work("signs of life", nodes * design.signs / ASK, costs["alive"]),
    ]


async def directory(nodes: int, design: Design, costs: Costs) -> Load:
    """One directory, for its part of the nodes: introductions, signs of life, starts, moves."""
    chance = random.Random(7)  # noqa: S311 - the same on every run
    part = nodes / design.directories(nodes)
    server = Server()

    async def single(rate: float, cost: float) -> list[float]:
        """Pieces of work that come by themselves, so many a second. Gives what they waited."""
        waiting = []
        while True:
            pause = chance.expovariate(rate)
            if asyncio.get_running_loop().time() - began + pause > SECONDS:
                break
            await asyncio.sleep(pause)
            waiting.append(asyncio.ensure_future(server.work(cost)))
        return list(await asyncio.gather(*waiting))

    async def regular(rate: float, cost: float) -> None:
        """So frequent ones that they are taken together."""
        for _ in range(int(SECONDS / TICK)):
            await asyncio.sleep(TICK)
            server.take(rate * TICK * cost)

    began = asyncio.get_running_loop().time()
    introductions, starts, moves, signs = work_of(part, design, costs)
    waits, *_ = await asyncio.gather(
        single(introductions.rate, introductions.cost),
        single(starts.rate, starts.cost),
        single(moves.rate, moves.cost),
        regular(signs.rate, signs.cost),
    )
    return Load.of(server, waits)


async def cold(nodes: int, design: Design, costs: Costs) -> float:
    """All processes start at once, and each is introduced to all it calls: when is the last one?"""
    server = Server()
    each = costs["start"] + BINDINGS * design.asks * costs["introduction"]
    part = math.ceil(nodes / design.directories(nodes))
    return max(await asyncio.gather(*[server.work(PER_NODE * each) for _ in range(part)]))


async def leases(nodes: int, design: Design, costs: Costs, store: str) -> Load:
    """One store, for its part of the nodes: renewals in transactions, and writes."""
    chance = random.Random(7)  # noqa: S311 - the same on every run
    part = math.ceil(nodes / design.stores(nodes))
    server, waits = Server(), []
    objects = PER_NODE * OBJECTS
    # Each Worker has a namespace of its own, whose leases are renewed in one transaction.
    transactions = PER_NODE if design.leases(objects) > 1 else 1
    renewal = transactions * costs[f"{store} renewal"]
    renewal += design.leases(objects) * costs[f"{store} lease"]

    async def renews() -> None:
        await asyncio.sleep(chance.random() * LEASE / 3)
        while asyncio.get_running_loop().time() - began < SECONDS:
            waits.append(await server.work(renewal))
            await asyncio.sleep(LEASE / 3)

    async def writes() -> None:
        for _ in range(int(SECONDS / TICK)):
            await asyncio.sleep(TICK)
            count = part * objects * WRITES * TICK
            server.take(count * costs[f"{store} write"])

    began = asyncio.get_running_loop().time()
    # What comes is what would come in time: renewals that wait come late, and are fewer.
    comes = part * renewal / (LEASE / 3) + part * objects * WRITES * costs[f"{store} write"]
    if comes > 1.5:
        return Load(comes, math.inf, math.inf)
    await asyncio.gather(writes(), *[renews() for _ in range(part)])
    return Load.of(server, waits)


def in_virtual_time(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Run a coroutine on the virtual clock of a sandbox."""

    async def run() -> Any:
        found: list[Any] = []
        async with Sandbox(clock="virtual") as sandbox:
            source = "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n"
            worker = sandbox.deploy("paper", source=source + "    async def run(self): await go()")

            async def go() -> None:
                found.append(await function(*args))

            vars(worker.module)["go"] = go
            await sandbox.bind(PAPER="paper").PAPER.run()
        return found[0]

    return asyncio.run(run())


# The page.


def recorded() -> tuple[dict[str, Any], Costs]:
    """The costs that were measured: all of it, and in seconds."""
    text = json.loads(COSTS.read_text())
    return text, {name: each["value"] / 1e6 for name, each in text["costs"].items()}


def stores(costs: Costs) -> list[str]:
    return [name for name in ("SQLite", "PostgreSQL") if f"{name} lease" in costs]


def time_of(seconds: float) -> str:
    """A time as people say it."""
    if math.isnan(seconds):
        return "none came"
    if math.isinf(seconds):
        return "no end"
    for unit, size in (("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * (2 if unit == "min" else 1):
            return f"{seconds / size:.3g} {unit}"
    return "0"


def used(load: Load) -> str:
    return f"{load.used:.1%}" if load.used < 1 else f"**{load.used:.0%}**"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def costs_table(text: dict[str, Any]) -> str:
    rows = [
        [name, f"{each['value']:,.4g} {each['unit']}", each["source"]]
        for name, each in text["costs"].items()
    ]
    return f"Measured on {text['machine']}.\n\n" + table(["one", "takes", "measured"], rows)


def shares_table(costs: Costs) -> str:
    """What the one directory of the largest design works for."""
    rows = [
        [
            work.what,
            f"{work.rate:,.{0 if work.rate > 100 else 1}f}",
            time_of(work.cost),
            f"{work.rate * work.cost:.1%}",
        ]
        for work in work_of(NODES[-1], NOW, costs)
    ]
    return table(["what", "a second", "takes", "busy with it"], rows)


def directory_row(nodes: int, design: Design, costs: Costs) -> list[str]:
    load = in_virtual_time(directory, nodes, design, costs)
    last = in_virtual_time(cold, nodes, design, costs)
    memory = nodes * PER_NODE / design.directories(nodes) * costs["memory"]
    return [
        f"{nodes:,}", f"{nodes * PER_NODE:,}", f"{design.directories(nodes):,}", used(load),
        time_of(load.half), time_of(load.worst), time_of(last), f"{memory:,.0f} MB",
    ]  # fmt: skip


def lease_row(nodes: int, design: Design, costs: Costs) -> list[str]:
    row = [f"{nodes:,}", f"{nodes * PER_NODE * OBJECTS:,}", f"{design.stores(nodes):,}"]
    for store in stores(costs):
        load = in_virtual_time(leases, nodes, design, costs, store)
        row += [used(load), time_of(load.worst)]
    return row


DIRECTORY_HEAD = [
    "nodes", "Workers", "directories", "busy", "an introduction", "99 of 100", "all at once",
    "memory",
]  # fmt: skip


def tables() -> dict[str, str]:
    """The tables of the page, by name."""
    text, costs = recorded()
    lease_head = ["nodes", "objects in memory", "stores"]
    for store in stores(costs):
        lease_head += [f"{store} busy", "99 of 100 renewals"]
    found = {"costs": costs_table(text), "shares": shares_table(costs)}
    for design in (NOW, NEXT):
        rows = [directory_row(nodes, design, costs) for nodes in NODES]
        found[f"directory {design.called}"] = table(DIRECTORY_HEAD, rows)
        rows = [lease_row(nodes, design, costs) for nodes in NODES]
        found[f"leases {design.called}"] = table(lease_head, rows)
    return found


def picture() -> str:
    """How busy each is, by Workers: both axes by powers of ten."""
    _, costs = recorded()
    lines: dict[str, list[tuple[int, float]]] = {}
    counts = (1, 3, 10, 30, 100, 300, 1000)
    for design in (NOW, NEXT):
        lines[f"directory, {design.called}"] = [
            (n * PER_NODE, in_virtual_time(directory, n, design, costs).used) for n in counts
        ]
        store = stores(costs)[-1]
        lines[f"leases in {store}, {design.called}"] = [
            (n * PER_NODE, in_virtual_time(leases, n, design, costs, store).used) for n in counts
        ]
    return _drawn(lines)


_WIDTH, _HEIGHT, _LEFT, _TOP = 760, 380, 64, 30
_COLOURS = ("#1d5fa8", "#b3261e", "#5b9bd5", "#d98880")


def x(workers: float) -> float:
    """Where so many Workers stand in the picture."""
    return _LEFT + (math.log10(workers) - 2) / 3 * (_WIDTH - _LEFT - 230)


def y(busy: float) -> float:
    """Where it stands how busy something is."""
    return _TOP + (3 - math.log10(max(busy, 1e-5))) / 8 * (_HEIGHT - _TOP - 46)


def point(workers: float, busy: float) -> str:
    """A point of a line."""
    return f"{x(workers):.1f},{y(busy):.1f}"


def _drawn(lines: dict[str, list[tuple[int, float]]]) -> str:
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
            f' viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="system-ui, sans-serif"'
            ' font-size="12"><title>How busy directory and leases are, by Workers</title>'
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
        )
    ]
    right, bottom = x(100_000), y(1e-5)
    for power in range(2, 6):
        at = x(10**power)
        parts.append(
            f'<path d="M{at:.1f} {_TOP}V{bottom:.1f}" stroke="#d8dee4"/>'
            f'<text x="{at:.1f}" y="{bottom + 18:.1f}" text-anchor="middle" fill="#1f2933">'
            f"{10**power:,}</text>"
        )
    for power in range(-5, 4):
        at = y(10.0**power)
        colour, width = ("#1f2933", 1.5) if power == 0 else ("#d8dee4", 1)
        parts.append(
            f'<path d="M{_LEFT} {at:.1f}H{right:.1f}" stroke="{colour}" stroke-width="{width}"/>'
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="#1f2933">'
            f"{10.0**power:g}</text>"
        )
    parts.append(
        f'<text x="{(_LEFT + right) / 2:.1f}" y="{bottom + 38:.1f}" text-anchor="middle"'
        ' fill="#1f2933">Workers</text>'
        f'<text x="{_LEFT}" y="18" fill="#1f2933">busy: above 1 it falls behind</text>'
    )
    ends = sorted((y(points[-1][1]), name) for name, points in lines.items())
    labels, below = {}, 0.0
    for at, name in ends:
        labels[name] = below = max(at, below + 15)
    for colour, (name, points) in zip(_COLOURS, lines.items(), strict=True):
        path = " ".join(point(workers, busy) for workers, busy in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{right + 8:.1f}" y="{labels[name] + 4:.1f}" fill="{colour}">{name}</text>'
        )
    return "".join(parts) + "</svg>\n"


def filled(page: str, found: dict[str, str]) -> str:
    """A page with its tables anew: each stands between two comments that name it."""
    for name, text in found.items():
        pattern = rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)"
        page, count = re.subn(
            pattern, lambda m, text=text: f"{m[1]}\n{text}\n\n{m[2]}", page, flags=re.DOTALL
        )
        assert count == 1, f"the page has {count} places for {name}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--postgres", metavar="ADDRESS")
    options = parser.parse_args()
    if options.measure:
        costs = measure(options.postgres)
        COSTS.write_text(json.dumps(costs, indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(filled(PAGE.read_text(), tables()))
    PICTURE.write_text(picture())


if __name__ == "__main__":
    main()
