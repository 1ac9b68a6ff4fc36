"""One interleaved run: in every round, the sides of each workload right after one another."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.node import PEERS
from benchmarks.plan import WORKLOADS
from benchmarks.python_peers import PYTHON

ROOT = Path(__file__).parent.parent
CHILD_SECONDS = 120

CHILDREN = {
    "library": (sys.executable, "-m", "benchmarks.library"),
    "loop": (sys.executable, "-m", "benchmarks.loop"),
    "startup": (sys.executable, "-m", "benchmarks.startup"),
    "placement": (sys.executable, "-m", "benchmarks.placement"),
    "network": (sys.executable, "-m", "benchmarks.network"),
    "network_uvloop": (sys.executable, "-m", "benchmarks.network_uvloop"),
    "grpc": (str(PYTHON), "-m", "benchmarks.peers.grpc_peer"),
    "py_capnweb": (str(PYTHON), "-m", "benchmarks.peers.py_capnweb_peer"),
    "pycapnp": (str(PYTHON), "-m", "benchmarks.peers.pycapnp_peer"),
    "rpyc": (str(PYTHON), "-m", "benchmarks.peers.rpyc_peer"),
    "capnweb": ("node", str(PEERS / "capnweb.mjs")),
    "capnweb_ws": ("node", str(PEERS / "capnweb_ws.mjs")),
    "workerd": ("node", str(PEERS / "workerd.mjs")),
}
NODE_PEERS = frozenset({"capnweb", "capnweb_ws", "workerd"})
PYTHON_PEERS = frozenset({"grpc", "py_capnweb", "pycapnp", "rpyc"})


class ChildError(Exception):
    """A measuring child failed, or took too long."""


@dataclass
class Run:
    """What was measured: for each workload and each round the figures by side."""

    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def run(names: Sequence[str], *, rounds: int, seconds: float, skip: Collection[str] = ()) -> Run:
    """Measure the workloads named, without the children to skip; a child that fails is left out."""
    outcome = Run({name: [{} for _ in range(rounds)] for name in names})
    for number in range(rounds):
        for name in names:
            children = [child for child in WORKLOADS[name].children if child not in skip]
            # Every second round goes backwards, so that no side is always the first.
            for child in children[:: -1 if number % 2 else 1]:
                _progress(f"round {number + 1} of {rounds}: {name}, {child}")
                command = (*CHILDREN[child], name, str(seconds))
                try:
                    outcome.figures[name][number].update(figures_of(command))
                except ChildError as error:
                    outcome.errors.append(f"{name}, {child}: {error}")
                    _progress(outcome.errors[-1])
    return outcome


def figures_of(command: Sequence[str]) -> dict[str, float]:
    """Run one child to its end and return the figures it printed.

    The child leads a process group of its own, and what is left of the group is ended here: also
    the server that a child started, also when this process is interrupted.
    """
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            output, complaint = child.communicate(timeout=CHILD_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ChildError(f"no answer within {CHILD_SECONDS} seconds") from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    if child.returncode != 0:
        errors = [line for line in complaint.splitlines() if "Error" in line]
        what = errors[-1] if errors else f"ended with {child.returncode}"
        raise ChildError(f"{what} (alone: {' '.join(command)})")
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
