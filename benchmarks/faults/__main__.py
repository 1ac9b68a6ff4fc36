"""What Workers elsewhere do when something fails, or moves: counted, and timed.

`python -m benchmarks.faults` prints a table: how long calls wait for their end when a process, a
node of a Dask cluster, its scheduler, the program or the kernel of a notebook is killed or stopped;
what is left behind; what is stored, also where two contend for one Durable Object; and how calls
fare while a Worker moves. `--times` says how often, `--only` what; `--postgres ADDRESS` has two
contend over that store, too. It exits with 1 where a promise of docs/placement.md is not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGSTOP

import rpclab
from benchmarks.faults import places, programs
from benchmarks.faults.contest import contest
from benchmarks.faults.moves import moves
from benchmarks.faults.outcomes import HEAD, Outcome
from benchmarks.faults.places import SILENCE, SILENCE_OF_NODES, node_fails, process_fails
from benchmarks.faults.programs import program_fails

Kind = Callable[[int], Awaitable[Outcome]]

AT_ONCE = 1.0
"""Seconds that "at once" may take."""
SOON = 3.0
"""Seconds within which a node that is gone is told, with the reason."""
KILLED = "killed by SIGKILL"
SILENT = "nothing was heard of it for {:g} s"
LOST = 'its node "node-0" was lost: '
AGENT = f"its agent ended: {KILLED}"
CUT_OFF = f'nothing was heard of its node "node-0" for {SILENCE_OF_NODES:g} s'


def _noticed(silence: float) -> float:
    """Seconds within which a process that stands still is killed, and its calls reject."""
    return 1.5 * silence + AT_ONCE


def _node(
    what: str, number: int, most: float, names: str, find: Callable[..., places.Found]
) -> Kind:
    return lambda times: node_fails(times, what, number, most, names, find)


def _program(what: str, placement: str, run: Callable[[str, str], programs.Running]) -> Kind:
    return lambda times: program_fails(times, what, placement, run)


async def _contest_in_a_file(times: int, *, nodes: bool) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return await contest(times, str(Path(folder) / "objects.sqlite"), nodes=nodes)


KINDS: dict[str, Kind] = {
    "kill": lambda times: process_fails(times, SIGKILL, AT_ONCE, KILLED),
    "stop": lambda times: process_fails(times, SIGSTOP, _noticed(SILENCE), SILENT.format(SILENCE)),
    "host": _node("a process on a node", SIGKILL, AT_ONCE, KILLED, places.the_host),
    "host-stop": _node(
        "a process on a node", SIGSTOP, _noticed(SILENCE_OF_NODES), SILENT.format(SILENCE_OF_NODES),
        places.the_host,
    ),
    "agent": _node("the agent of a node", SIGKILL, SOON, LOST + AGENT, places.the_agent),
    "node": _node("a Dask worker", SIGKILL, SOON, LOST + "the Dask worker", places.the_worker),
    "node-stop": _node("a node", SIGSTOP, SILENCE_OF_NODES + AT_ONCE, CUT_OFF, places.the_machine),
    "scheduler": _node("the scheduler", SIGKILL, SOON, "the Dask scheduler", places.the_scheduler),
    "program": _program("the program", "process", programs.program),
    "program-dask": _program("the program, with a cluster", "dask", programs.program),
    "kernel": _program("the kernel", "process", programs.kernel),
    "kernel-dask": _program("the kernel, with a cluster", "dask", programs.kernel),
    "contest": lambda times: _contest_in_a_file(times, nodes=False),
    "contest-nodes": lambda times: _contest_in_a_file(times, nodes=True),
    "moves": lambda times: moves(times, "kernel, process", "process", "kernel"),
    "pools": lambda times: moves(times, "kernel, two processes", rpclab.processes(2), "kernel"),
    "objects": lambda times: moves(times, "objects, from process to process", "process"),
}  # fmt: skip


async def main(times: int, only: list[str], postgres: str | None) -> int:
    kinds = dict(KINDS)
    if postgres is not None:
        kinds["contest-postgres"] = partial(contest, address=postgres, nodes=False)
        kinds["contest-postgres-nodes"] = partial(contest, address=postgres, nodes=True)
    print(HEAD, flush=True)
    kept = True
    for kind in only or kinds:
        outcome = await kinds[kind](times)
        print(outcome.row(), flush=True)
        for reason in outcome.told[:3]:
            print(f"{outcome.what}: {reason}", file=sys.stderr)
        kept = kept and outcome.kept
    return 0 if kept else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--postgres", metavar="ADDRESS", help="of a database that is empty")
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.times, options.only, options.postgres)))
